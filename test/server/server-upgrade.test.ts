import { once } from 'node:events';
import {
  type Server as HttpServer,
  IncomingMessage,
  createServer as createHttpServer,
} from 'node:http';
import { type Server as HttpsServer, createServer as createHttpsServer } from 'node:https';
import { Socket as NetSocket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { closeBody, maskedFrame, readFrames } from '../support/bytes.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { portOf } from '../support/loopback.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { follow } from '../support/open-pair.ts';
import { RawHead, SAMPLE_ACCEPT, rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

afterEach(() => void vi.restoreAllMocks());

interface Shared {
  listener: HttpServer | HttpsServer;
  server: WebSocketServer;
  accepted: ReturnType<typeof follow>;
  /** What `handleUpgrade` threw. */
  thrown: unknown[];
  /** The transports that it was given. */
  transports: Duplex[];
  connect: () => Promise<RawPeer>;
}

/** A WebSocketServer behind an http or https server of Node. */
async function share(scheme: string, options: WebSocketServerOptions = {}): Promise<Shared> {
  const server = new WebSocketServer(options);
  const thrown: unknown[] = [];
  const transports: Duplex[] = [];
  const listener =
    scheme === 'http' ? createHttpServer() : createHttpsServer({ key: KEY, cert: CERTIFICATE });
  listener.on('upgrade', (request, transport, head) => {
    transports.push(transport);
    try {
      void server.handleUpgrade(request, transport, head);
    } catch (error) {
      thrown.push(error);
    }
  });
  listener.listen(0, '127.0.0.1');
  onTestFinished(() => {
    listener.closeAllConnections();
    listener.close();
  });
  await once(listener, 'listening');
  const connect = scheme === 'http' ? connectPlain : connectSecurely;
  return {
    listener,
    server,
    accepted: follow(server),
    thrown,
    transports,
    connect: () => connect(listener),
  };
}

async function connectPlain(listener: Parameters<typeof portOf>[0]): Promise<RawPeer> {
  return await RawPeer.connect(portOf(listener));
}

async function connectSecurely(listener: Parameters<typeof portOf>[0]): Promise<RawPeer> {
  const transport = connectTls({ port: portOf(listener), host: '127.0.0.1', ca: CERTIFICATE });
  onTestFinished(() => void transport.destroy());
  await once(transport, 'secureConnect');
  return new RawPeer(transport);
}

describe.each(['http', 'https'] satisfies string[])('behind an %s server', (scheme) => {
  it('a handshake is answered, and the frames behind it are read first', async () => {
    const { server, accepted, connect } = await share(scheme);
    server.on('connection', (socket) => socket.on('message', (message) => socket.send(message)));
    const peer = await connect();
    // More than one record of TLS, the first of which holds the request too.
    const payloads = [1, 2, 3, 4].map((byte) => Buffer.alloc(15_000, byte));
    const frames = payloads.map((payload) => maskedFrame({ opcode: 2, payload }));
    await peer.write(Buffer.concat([Buffer.from(rawRequest()), ...frames]));
    const head = await peer.readHead();
    expect([head.status, head.getAll('sec-websocket-accept')]).toEqual([101, [SAMPLE_ACCEPT]]);
    const echoes = await peer.readFrames(4);
    expect(echoes.every(({ payload }, i) => payload.equals(payloads[i]!))).toBe(true);
    expect(server.sockets.size).toBe(1);
    expect(accepted[0]!.request.host).toBe('localhost');
  });

  it('a request that does not fit is refused, and the connection ends', async () => {
    const { server, connect, transports } = await share(scheme, { path: '/chat' });
    const peer = await connect();
    await peer.write(rawRequest());
    const answer = new RawHead((await peer.readToEnd()).toString());
    expect([answer.status, answer.getAll('connection')]).toEqual([404, ['close']]);
    peer.transport.end();
    await peer.readToLeave();
    expect(server.sockets.size).toBe(0);
    expect(transports[0]!.writableEnded).toBe(true);
  });

  it('the answer to a refused peer is read, also while it is still sending 1 MiB', async () => {
    const { connect } = await share(scheme, { path: '/chat' });
    const peer = await connect();
    peer.transport.pause();
    await peer.write(rawRequest());
    await peer.write(Buffer.alloc(1024 * 1024));
    peer.transport.resume();
    expect((await peer.readHead()).status).toBe(404);
    await peer.readToEnd();
  });

  it('a reset is survived, before the answer and behind it', async () => {
    const { accepted, connect, transports } = await share(scheme);
    const early = await connect();
    early.transport.write('GET / HTTP/1.1\r\nUpgrade: websock');
    early.transport.destroy();
    const late = await connect();
    await late.write(rawRequest());
    expect((await late.readHead()).status).toBe(101);
    transports[0]!.destroy(new Error('a reset'));
    await accepted[0]!.log.until('close 1006');
    const next = await connect();
    await next.write(rawRequest());
    expect((await next.readHead()).status).toBe(101);
  });

  it('a listener for "connection" that throws ends the socket with 1011, and no more', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const { server, connect, thrown } = await share(scheme);
    const mistake = new Error('a mistake of the application');
    server.prependOnceListener('connection', () => {
      throw mistake;
    });
    const peer = await connect();
    await peer.write(rawRequest());
    expect((await peer.readHead()).status).toBe(101);
    expect(thrown).toEqual([]);
    const [close] = await peer.readFrames(1);
    expect([close!.opcode, close!.payload]).toEqual([8, closeBody(1011)]);
    expect(warn.mock.calls).toEqual([[mistake]]);
  });

  it('the idle timeout of that server ends with the handshake', async () => {
    const { connect, listener, transports } = await share(scheme);
    listener.setTimeout(60_000);
    const peer = await connect();
    await peer.write(rawRequest());
    await peer.readHead();
    const [transport] = transports;
    expect(transport instanceof NetSocket ? transport.timeout : 'no socket').toBe(0);
  });

  it('a connection is closed with 1001 when the server shuts down', async () => {
    const { server, connect } = await share(scheme);
    const peer = await connect();
    await peer.write(rawRequest());
    await peer.readHead();
    const closed = server.shutdown();
    expect((await peer.readFrames(1))[0]!.payload).toEqual(closeBody(1001));
    peer.end(maskedFrame({ opcode: 8, payload: closeBody(1001) }));
    await closed;
    expect(server.sockets.size).toBe(0);
  });
});

/** A request as Node's parser would have it. */
function readByNode(transport: NetSocket): IncomingMessage {
  const request = new IncomingMessage(transport);
  request.method = 'GET';
  request.url = '/';
  request.httpVersionMajor = 1;
  request.httpVersionMinor = 1;
  const fields = rawRequest().split('\r\n').slice(1, -2);
  request.rawHeaders = fields.flatMap((field) => field.split(': '));
  return request;
}

describe('handleUpgrade', () => {
  it('takes any stream, and leaves the bytes of the head as they are', async () => {
    const { stream, written } = memoryStream();
    const server = new WebSocketServer();
    const messages: unknown[] = [];
    server.on('connection', (socket) => {
      socket.on('message', (message) => {
        messages.push(message);
        socket.send(message);
      });
    });
    const head = maskedFrame({ payload: 'hello' });
    const before = Buffer.from(head);
    void server.handleUpgrade(readByNode(new NetSocket()), stream, head);
    await new Promise(setImmediate);
    expect(messages).toEqual(['hello']);
    expect(head).toEqual(before);
    const end = written().indexOf('\r\n\r\n') + 4;
    expect(new RawHead(written().toString('latin1')).status).toBe(101);
    expect(readFrames(written().subarray(end)).map(({ payload }) => payload.toString())).toEqual([
      'hello',
    ]);
    stream.destroy();
  });

  it('refuses with 503 once the server closes', async () => {
    const { stream, written } = memoryStream();
    const server = new WebSocketServer();
    await server.close();
    void server.handleUpgrade(readByNode(new NetSocket()), stream, Buffer.alloc(0));
    expect(new RawHead(written().toString('latin1')).status).toBe(503);
    expect(server.sockets.size).toBe(0);
    stream.destroy();
  });

  it('gives up a request whose transport has closed meanwhile', async () => {
    const { stream } = memoryStream();
    const server = new WebSocketServer();
    stream.destroy();
    await once(stream, 'close');
    void server.handleUpgrade(readByNode(new NetSocket()), stream, Buffer.alloc(0));
    await new Promise(setImmediate);
    expect(server.sockets.size).toBe(0);
  });

  it('gives up a request whose transport is closing at the moment', async () => {
    const { stream } = memoryStream();
    const server = new WebSocketServer();
    stream.destroy();
    void server.handleUpgrade(readByNode(new NetSocket()), stream, Buffer.alloc(0));
    await new Promise(setImmediate);
    expect(server.sockets.size).toBe(0);
  });
});
