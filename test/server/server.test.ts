import { once } from 'node:events';
import { IncomingMessage, createServer as createHttpServer } from 'node:http';
import { Server, Socket as NetSocket, createServer } from 'node:net';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocketServer } from '../../src/server/server.ts';
import { nextAccepted } from '../support/accepted.ts';
import { closeBody, maskedFrame } from '../support/bytes.ts';
import { portOf } from '../support/loopback.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { type RunningServer, boundPort, startServer } from '../support/open-pair.ts';
import { RawHead, SAMPLE_ACCEPT, rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** A client whose handshake is over. */
async function join(port: number, ...request: Parameters<typeof rawRequest>): Promise<RawPeer> {
  const peer = await RawPeer.connect(port);
  await peer.write(rawRequest(...request));
  expect((await peer.readHead()).status).toBe(101);
  return peer;
}

/** The same, with a request that comes in pieces and may have frames behind it. */
async function joinBy(port: number, ...chunks: Uint8Array[]): Promise<RawPeer> {
  const peer = await RawPeer.connect(port);
  for (const chunk of chunks) {
    await peer.write(chunk);
  }
  expect((await peer.readHead()).status).toBe(101);
  return peer;
}

/** Sends `request` and reads the whole answer, behind which the server must end. */
async function ask(port: number, request: string): Promise<RawHead> {
  const peer = await RawPeer.connect(port);
  await peer.write(request);
  const answer = new RawHead((await peer.readToEnd()).toString());
  peer.end();
  await peer.closed();
  return answer;
}

async function expectService({ port }: RunningServer): Promise<void> {
  const peer = await join(port);
  peer.end(maskedFrame({ opcode: 8 }));
  await peer.closed();
}

describe('listening', () => {
  it('tells its address while it listens, and none before or after', async () => {
    const server = new WebSocketServer();
    expect(server.address()).toBeNull();
    await server.listen(0, '127.0.0.1');
    expect(server.address()).toMatchObject({ address: '127.0.0.1', family: 'IPv4' });
    expect(boundPort(server)).toBeGreaterThan(0);
    await server.close();
    expect(server.address()).toBeNull();
  });

  it('is refused where the server listens already, which it goes on to do', async () => {
    const running = await startServer();
    await expect(running.server.listen(0, '127.0.0.1')).rejects.toThrow('listens already');
    expect(boundPort(running.server)).toBe(running.port);
    await expectService(running);
  });

  it('rejects for a port that is in use, and may be tried again', async () => {
    const { port } = await startServer();
    const server = new WebSocketServer();
    await expect(server.listen(port, '127.0.0.1')).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(server.address()).toBeNull();
    await server.listen(0, '127.0.0.1');
    await server.close();
  });

  it('rejects for a number that is no port, and may be tried again', async () => {
    const server = new WebSocketServer();
    await expect(server.listen(65_536, '127.0.0.1')).rejects.toBeInstanceOf(RangeError);
    await server.listen(0, '127.0.0.1');
    await server.close();
  });

  it('may begin again after the server was closed', async () => {
    const { server } = await startServer();
    await server.close();
    await server.listen(0, '127.0.0.1');
    await expectService({ server, port: boundPort(server), accepted: [] });
  });

  it('comes to an end where a close came before it had begun', async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const port = portOf(probe);
    probe.close();
    await once(probe, 'close');

    const server = new WebSocketServer();
    const outcome = vi.fn<(value: unknown) => void>();
    const listening = server.listen(port, '127.0.0.1').then(outcome, outcome);
    await server.close();
    await expect(RawPeer.connect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(outcome).toHaveBeenCalledTimes(1);
    await listening;
  });

  it('goes on when connections cannot be accepted for a while, and tells so', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const running = await startServer();
    const accepted = nextAccepted();
    const peer = await join(running.port);
    const transport = await accepted;
    // Where the runtime reports what accept(2) answers, such as EMFILE.
    const listener: unknown = 'server' in transport ? transport.server : null;
    if (!(listener instanceof Server)) throw new Error('a transport knows its listener');
    const full = new Error('accept EMFILE');
    expect(() => listener.emit('error', full)).not.toThrow();
    expect(warn.mock.calls).toEqual([[full]]);
    const onError = vi.fn<(error: Error) => void>();
    running.server.on('error', onError);
    expect(() => listener.emit('error', full)).not.toThrow();
    expect(onError.mock.calls).toEqual([[full]]);
    expect(warn).toHaveBeenCalledTimes(1);
    peer.end(maskedFrame({ opcode: 8 }));
    await expectService(running);
  });
});

describe('a handshake', () => {
  it('is answered as RFC 6455, section 1.3 shows, and hands out a socket', async () => {
    const { server, port, accepted } = await startServer();
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest({ Origin: 'http://localhost' }, 'GET /chat?room=7 HTTP/1.1'));
    const head = await peer.readHead();
    expect([head.startLine, ...head.fields]).toEqual([
      'HTTP/1.1 101 Switching Protocols',
      ['upgrade', 'websocket'],
      ['connection', 'Upgrade'],
      ['sec-websocket-accept', SAMPLE_ACCEPT],
    ]);
    expect(accepted.map(({ request }) => request)).toMatchObject([
      {
        url: '/chat?room=7',
        path: '/chat',
        host: 'localhost',
        origin: 'http://localhost',
        remoteAddress: '127.0.0.1',
        protocols: [],
        extensions: [],
      },
    ]);
    expect([...server.sockets]).toEqual([accepted[0]!.socket]);
    await peer.write(maskedFrame({ payload: 'hello' }));
    await accepted[0]!.log.until('text hello');
  });

  it('may be followed by frames at once, wherever the bytes are cut', async () => {
    const { port, accepted } = await startServer();
    const request = Buffer.from(rawRequest());
    const wire = Buffer.concat([
      request,
      maskedFrame({ payload: 'first' }),
      maskedFrame({ opcode: 2, payload: Buffer.alloc(300, 1) }),
    ]);
    for (let cut = request.length - 3; cut < wire.length; cut += 7) {
      const peer = await joinBy(port, wire.subarray(0, cut), wire.subarray(cut));
      const { log } = accepted.at(-1)!;
      await log.until('binary');
      expect(log.entries).toEqual(['text first', `binary ${'01'.repeat(300)}`]);
      peer.end();
    }
  });

  it('may come byte by byte', async () => {
    const { port, accepted } = await startServer();
    const peer = await joinBy(
      port,
      ...[...Buffer.from(rawRequest())].map((byte) => Buffer.of(byte)),
    );
    await peer.write(maskedFrame({ payload: 'hello' }));
    await accepted[0]!.log.until('text hello');
  });

  it('closes with 1011 where a listener for "connection" throws, and the process lives', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const { server, port } = await startServer();
    const mistake = new Error('a mistake of the application');
    server.prependOnceListener('connection', () => {
      throw mistake;
    });
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest());
    expect((await peer.readHead()).status).toBe(101);
    const [close] = await peer.readFrames(1);
    expect([close!.opcode, close!.payload]).toEqual([8, closeBody(1011)]);
    expect(warn.mock.calls).toEqual([[mistake]]);
  });

  it.each([
    ['the first of the client that the server speaks', 'v3, v2, v1', ['v1', 'v2'], ['v2']],
    ['none where they have none in common', 'v3', ['v1'], []],
    ['none where the server speaks none', 'v1', undefined, []],
  ])('chooses a subprotocol: %s', async (_name, offered, subprotocols, chosen) => {
    const { port } = await startServer(subprotocols === undefined ? {} : { subprotocols });
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest({ 'Sec-WebSocket-Protocol': offered }));
    const head = await peer.readHead();
    expect([head.status, head.getAll('sec-websocket-protocol')]).toEqual([101, chosen]);
  });
});

describe('a request that is refused', () => {
  const path = { path: '/chat' };
  const hosts = { hosts: ['example.com', 'example.org:8080'] };
  const origins = { origins: ['https://example.com'] };
  const long = 'a'.repeat(9_000);

  it.each([
    ['another path', 404, path, rawRequest({}, 'GET /chats HTTP/1.1')],
    ['another path, in its query', 404, path, rawRequest({}, 'GET /?/chat HTTP/1.1')],
    ['a host that is not served', 421, hosts, rawRequest({ Host: 'evil.example' })],
    ['a port that is not served', 421, hosts, rawRequest({ Host: 'example.org' })],
    ['another origin', 403, origins, rawRequest({ Origin: 'https://evil.example' })],
    ['the origin null', 403, origins, rawRequest({ Origin: 'null' })],
    ['another origin, by default', 403, {}, rawRequest({ Origin: 'https://evil.example' })],
    ['an origin that a function refuses', 403, { origins: () => false }, rawRequest()],
    ['no key', 400, {}, rawRequest({ 'Sec-WebSocket-Key': null })],
    ['no Upgrade', 426, {}, rawRequest({ Upgrade: null })],
    ['another version', 426, {}, rawRequest({ 'Sec-WebSocket-Version': '8' })],
    ['another method', 405, {}, rawRequest({}, 'POST / HTTP/1.1')],
    ['HTTP/1.0', 505, {}, rawRequest({}, 'GET / HTTP/1.0')],
    ['a body', 400, {}, rawRequest({ 'Content-Length': '5' })],
    ['TLS', 400, {}, '\u0016\u0003\u0001\u0002'],
    ['a long target', 414, {}, rawRequest({}, `GET /${long} HTTP/1.1`)],
    ['a large head', 431, {}, rawRequest({ 'X-A': long, 'X-B': long })],
    ['many fields', 431, { maxHeaderFields: 5 }, rawRequest({ 'X-A': '1' })],
    ['a head over its limit', 431, { maxHeadSize: 100 }, rawRequest()],
    ['a target over its limit', 414, { maxTargetSize: 4 }, rawRequest({}, 'GET /chat HTTP/1.1')],
  ])('for %s is answered with %d, and the connection ends', async (_, status, options, request) => {
    const { server, port, accepted } = await startServer(options);
    const answer = await ask(port, request);
    expect(answer.status).toBe(status);
    expect(answer.getAll('sec-websocket-accept')).toEqual([]);
    expect(accepted).toEqual([]);
    expect(server.sockets.size).toBe(0);
  });

  it.each([
    ['the path, with a query', path, rawRequest({}, 'GET /chat?a=/b HTTP/1.1')],
    ['a host, whatever its port', hosts, rawRequest({ Host: 'EXAMPLE.com:81' })],
    ['an origin of the list', origins, rawRequest({ Origin: 'https://example.com' })],
    ['its own origin', {}, rawRequest({ Origin: 'http://localhost' })],
    ['every origin', { origins: '*' as const }, rawRequest({ Origin: 'null' })],
  ])('is not the one for %s', async (_name, options, request) => {
    const { port } = await startServer(options);
    const peer = await RawPeer.connect(port);
    await peer.write(request);
    expect((await peer.readHead()).status).toBe(101);
  });

  it('is judged by the values of Origin and Host, where a function judges', async () => {
    const judge = vi.fn((origin: string | undefined, _host: string) => origin !== undefined);
    const { port } = await startServer({ origins: judge });
    await join(port, { Origin: 'http://a.example', Host: 'b.example:8080' });
    expect((await ask(port, rawRequest())).status).toBe(403);
    expect(judge.mock.calls).toEqual([
      ['http://a.example', 'b.example:8080'],
      [undefined, 'localhost'],
    ]);
  });

  const mistake = new Error('a mistake of the application');
  it.each([
    ['an Error', mistake, mistake],
    ['a string', 'oops', new Error('oops')],
    ['an object without a text', Object.create(null), expect.anything()],
  ])('by a function that throws %s is answered with 500, and warned of', async (...row) => {
    const [, thrown, expected] = row;
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const { port } = await startServer({
      origins: () => {
        throw thrown;
      },
    });
    expect((await ask(port, rawRequest())).status).toBe(500);
    expect(warn.mock.calls).toEqual([[expected]]);
  });

  it('hears its answer, also while it is still sending 1 MiB', async () => {
    const running = await startServer();
    const peer = await RawPeer.connect(running.port);
    peer.transport.pause();
    await peer.write(rawRequest({ Upgrade: null }));
    await peer.write(Buffer.alloc(1024 * 1024));
    peer.transport.resume();
    expect((await peer.readHead()).status).toBe(426);
    await peer.readToEnd();
    peer.end();
    await peer.closed();
    await expectService(running);
  });

  it('is answered with 408 after handshakeTimeout, which single bytes do not put off', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { port } = await startServer({ handshakeTimeout: 5_000 });
    const accepted = nextAccepted();
    const peer = await RawPeer.connect(port);
    const transport = await accepted;
    for (const byte of 'GET /') {
      const arrived = once(transport, 'data');
      await Promise.all([arrived, peer.write(byte)]);
      expect(transport.writableEnded).toBe(false);
      vi.advanceTimersByTime(1_000);
    }
    expect((await peer.readHead()).status).toBe(408);
    await peer.readToEnd();
  });

  it('is not answered where the peer ends in the middle of it', async () => {
    const { port } = await startServer();
    const peer = await RawPeer.connect(port);
    peer.end('GET / HTTP/1.1\r\n');
    expect(await peer.readToEnd()).toEqual(Buffer.alloc(0));
    await peer.closed();
  });
});

describe('handleUpgrade', () => {
  it('takes a request that an http server has read, with the frames behind it', async () => {
    const server = new WebSocketServer();
    const http = createHttpServer();
    http.on('upgrade', (request, transport, head) => {
      void server.handleUpgrade(request, transport, head);
    });
    http.listen(0, '127.0.0.1');
    onTestFinished(() => void http.close());
    await once(http, 'listening');
    server.on('connection', (socket) => socket.on('message', (message) => socket.send(message)));

    const peer = await RawPeer.connect(portOf(http));
    await peer.write(Buffer.concat([Buffer.from(rawRequest()), maskedFrame({ payload: 'x' })]));
    expect((await peer.readHead()).getAll('sec-websocket-accept')).toEqual([SAMPLE_ACCEPT]);
    expect((await peer.readFrames(1))[0]!.payload.toString()).toBe('x');
    expect(server.sockets.size).toBe(1);
    const closed = once([...server.sockets][0]!, 'close');
    peer.reset();
    expect(await closed).toEqual([1006, '', false]);
    expect(server.sockets.size).toBe(0);
  });

  it('refuses a request that no parser has filled in', () => {
    const { stream, written } = memoryStream();
    const server = new WebSocketServer();
    const request = new IncomingMessage(new NetSocket());
    delete request.url;
    void server.handleUpgrade(request, stream, Buffer.alloc(0));
    expect(new RawHead(written().toString('latin1')).status).toBe(505);
    expect(stream.writableEnded).toBe(true);
    stream.destroy();
  });
});

describe('closing', () => {
  it('accepts no more, and resolves when the last connection has ended by itself', async () => {
    const { server, port, accepted } = await startServer();
    const [slow, ...others] = [await join(port), await join(port), await join(port)];
    expect(server.sockets.size).toBe(3);
    const onEnd = vi.fn<() => void>();
    const closed = server.close().then(onEnd);
    await vi.waitFor(() =>
      expect(RawPeer.connect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' }),
    );
    await slow.write(maskedFrame({ payload: 'still here' }));
    await accepted[0]!.log.until('text still here');

    for (const peer of others) peer.end(maskedFrame({ opcode: 8 }));
    await Promise.all(others.map((peer) => peer.closed()));
    expect(onEnd).not.toHaveBeenCalled();
    expect(slow.unread.length).toBe(0);
    slow.end(maskedFrame({ opcode: 8, payload: closeBody(1001, 'bye') }));
    await closed;
    expect(server.sockets.size).toBe(0);
    expect(accepted.map(({ log }) => log.entries.at(-1))).toEqual([
      'close 1001 bye clean',
      'close 1005  clean',
      'close 1005  clean',
    ]);
  });

  it('takes every connection along, with 1001, where it is a shutdown', async () => {
    const { server, port, accepted } = await startServer();
    const peers = [await join(port), await join(port)];
    const ended = server.shutdown();
    for (const peer of peers) {
      expect((await peer.readFrames(1))[0]!.payload).toEqual(closeBody(1001));
      peer.end(maskedFrame({ opcode: 8 }));
    }
    expect(await ended).toEqual({ closed: 2, terminated: 0 });
    expect(server.sockets.size).toBe(0);
    expect(accepted.map(({ log }) => log.entries)).toEqual([
      ['close 1005  clean'],
      ['close 1005  clean'],
    ]);
  });

  it('resolves even where a peer never answers the Close of a shutdown', async () => {
    const { server, port, accepted } = await startServer({ closeTimeout: 20 });
    const peer = await join(port);
    await server.shutdown();
    expect(accepted[0]!.log.entries).toEqual(['close 1006  unclean']);
    await peer.readToEnd();
  });

  it('resolves even where a listener for "close" throws', async () => {
    vi.spyOn(process, 'emitWarning').mockReturnValue();
    const server = new WebSocketServer();
    await server.listen(0, '127.0.0.1');
    const mistake = vi.fn<() => never>(() => {
      throw new Error('a mistake of the application');
    });
    server.on('connection', (socket) => socket.on('close', mistake));
    const peer = await join(boundPort(server));
    const closed = server.close();
    peer.end(maskedFrame({ opcode: 8 }));
    await peer.closed();
    await closed;
    expect(mistake).toHaveBeenCalledTimes(1);
  }, 5_000);

  it('answers 503 to requests that have not come to their end', async () => {
    const { server, port } = await startServer();
    const accepted = nextAccepted();
    const peer = await RawPeer.connect(port);
    await Promise.all([once(await accepted, 'data'), peer.write('GET / HTTP/1.1\r\n')]);
    await server.close();
    expect(new RawHead((await peer.readToEnd()).toString()).status).toBe(503);
  });

  it('may be asked for twice, and of a server that never listened', async () => {
    const { server, port } = await startServer();
    const peer = await join(port);
    const closed = Promise.all([server.close(), server.close()]);
    peer.end(maskedFrame({ opcode: 8 }));
    await closed;
    await new WebSocketServer().close();
  });
});

describe('an option that cannot be', () => {
  it.each([
    ['maxPayload', -1],
    ['maxFragments', 0],
    ['highWaterMark', Number.NaN],
    ['maxBackpressure', 1.5],
    ['pingInterval', 2 ** 31],
    ['pingTimeout', 0],
    ['closeTimeout', Number.POSITIVE_INFINITY],
    ['handshakeTimeout', 0],
    ['handshakeTimeout', 2 ** 31],
    ['maxHeadSize', 0],
    ['maxHeaderFields', -5],
    ['maxTargetSize', 0.5],
  ])('is refused: %s of %d', (name, value) => {
    expect(() => new WebSocketServer({ [name]: value })).toThrow(RangeError);
  });

  it.each([
    ['maxPayload', '1 MiB'],
    ['handshakeTimeout', '10'],
    ['maxHeadSize', true],
    ['backpressurePolicy', 'wait'],
    ['origins', ['example.com']],
    ['hosts', 'example.com'],
  ])('is refused: %s of another type', (name, value) => {
    expect(() => new WebSocketServer({ [name]: value })).toThrow(TypeError);
  });

  it('is none of those at the edges', () => {
    const options = {
      maxPayload: 0,
      maxFragments: Number.POSITIVE_INFINITY,
      highWaterMark: 0,
      pingInterval: 0,
      closeTimeout: 1,
      handshakeTimeout: 2 ** 31 - 1,
      maxHeadSize: Number.POSITIVE_INFINITY,
    };
    expect(() => new WebSocketServer(options)).not.toThrow();
  });
});
