import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { describe, expect, it } from 'vitest';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import { Registry, type Upgrader } from '../../src/server/registry.ts';
import { type UpgradeResult, next } from '../../src/server/route.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { maskedFrame } from '../support/bytes.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import {
  askFor,
  connectSecurely,
  endWithTest,
  join,
  portOfServer,
  statusAt,
} from '../support/joined-peer.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';

/** A server whose sockets begin by telling its name, and then echo. */
function named(
  name: string,
  path: string,
  upgrade: () => UpgradeResult<undefined> | Promise<UpgradeResult<undefined>> = () => {},
  options: WebSocketServerOptions = {},
): WebSocketServer {
  const server = new WebSocketServer({ closeTimeout: 200, ...options });
  return endWithTest(server).route(path, {
    upgrade,
    open: (socket) => socket.send(name),
    message: (socket, message) => socket.send(message),
  });
}

async function firstText(peer: RawPeer): Promise<string> {
  const [frame] = await peer.readFrames(1);
  return frame!.payload.toString();
}

async function whoTakes(port: number, path: string): Promise<string> {
  return await firstText(await join(port, path));
}

describe('WebSocket servers on one http server', () => {
  it('take each the paths of their routes, by one listener together', async () => {
    const http = createServer();
    const port = await listenOn(http);
    for (const name of ['a', 'b', 'c']) named(name, `/${name}/*`).attach(http);
    expect(http.listenerCount('upgrade')).toBe(1);
    expect(
      await Promise.all(['/c/1', '/a/', '/b/x?y=z'].map((path) => whoTakes(port, path))),
    ).toEqual(['c', 'a', 'b']);
  });

  it('are asked in the order in which they were attached', async () => {
    const http = createServer();
    const port = await listenOn(http);
    named('first', '/same').attach(http);
    named('second', '/same').attach(http);
    endWithTest(new WebSocketServer())
      .attach(http)
      .on('connection', (socket) => socket.send('third, without a route'));
    expect(await whoTakes(port, '/same')).toBe('first');
    expect(await whoTakes(port, '/other')).toBe('third, without a route');
  });

  it('know the path of a target that is a whole URI, as RFC 9112, section 3.2.2 wants it', async () => {
    const http = createServer();
    const port = await listenOn(http);
    named('a', '/a').attach(http);
    named('b', '/b').attach(http);
    const peer = await RawPeer.connect(port);
    expect((await askFor(peer, 'http://localhost/b?x=y')).status).toBe(101);
    expect(await firstText(peer)).toBe('b');
  });

  it('stand behind an https server as well', async () => {
    const https = createTlsServer({ key: KEY, cert: CERTIFICATE });
    const port = await listenOn(https);
    named('a', '/a').attach(https);
    named('b', '/b').attach(https);
    const [a, b, nobody] = [
      await connectSecurely(port),
      await connectSecurely(port),
      await connectSecurely(port),
    ];
    expect((await askFor(b, '/b')).status).toBe(101);
    expect((await askFor(a, '/a')).status).toBe(101);
    expect((await askFor(nobody, '/nobody')).status).toBe(404);
    expect([await firstText(a), await firstText(b)]).toEqual(['a', 'b']);
  });

  it('answer 404 and end where the path is for none of them', async () => {
    const http = createServer();
    const port = await listenOn(http);
    named('a', '/a').attach(http);
    named('b', '/b').attach(http);
    const peer = await RawPeer.connect(port);
    const head = await askFor(peer, '/c');
    expect([head.status, head.getAll('connection')]).toEqual([404, ['close']]);
    const body = await peer.readToEnd();
    expect(head.getAll('content-length')).toEqual([String(body.length)]);
    peer.end();
    await peer.closed();
  });

  it.each([
    ['/c', {}, 404],
    ['/a', { Upgrade: 'h2c' }, 426],
  ])('answer HEAD %s without a body (RFC 9110, section 9.3.2)', async (path, fields, status) => {
    const http = createServer();
    const port = await listenOn(http);
    named('a', '/a').attach(http);
    // Where Node has a way to ask, what is no upgrade to a WebSocket is an ordinary request.
    Reflect.set(http, 'shouldUpgradeCallback', () => true);
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest(fields, `HEAD ${path} HTTP/1.1`));
    expect((await peer.readHead()).status).toBe(status);
    expect(await peer.readToEnd()).toHaveLength(0);
  });

  it.each([
    ['at once', () => next()],
    ['later', async () => next()],
  ])('are asked one after the other where a route says next() %s', async (_when, pass) => {
    const http = createServer();
    const port = await listenOn(http);
    named('a', '/shared', pass).attach(http);
    named('b', '/other').attach(http);
    named('c', '/shared', pass).attach(http);
    named('d', '/shared').attach(http);
    expect(await whoTakes(port, '/shared')).toBe('d');
  });

  it.each([
    ['at once', () => next()],
    ['later', async () => next()],
  ])('answer 404 where all of them say next() %s', async (_when, pass) => {
    const http = createServer();
    const port = await listenOn(http);
    named('a', '/shared', pass).attach(http);
    named('b', '/shared', pass).attach(http);
    expect(await statusAt(port, '/shared')).toBe(404);
  });

  it.each([
    ['at once', () => next()],
    ['later', async () => next()],
  ])('pass on what came behind the head, where one says next() %s', async (_when, pass) => {
    const http = createServer();
    const port = await listenOn(http);
    named('a', '/shared', pass).attach(http);
    named('b', '/shared', pass).attach(http);
    named('c', '/shared').attach(http);
    const peer = await RawPeer.connect(port);
    await peer.write(
      Buffer.concat([
        Buffer.from(rawRequest({}, 'GET /shared HTTP/1.1')),
        maskedFrame({ payload: 'early' }),
      ]),
    );
    expect((await peer.readHead()).status).toBe(101);
    await peer.write(maskedFrame({ payload: 'late' }));
    const frames = await peer.readFrames(3);
    expect(frames.map(({ payload }) => payload.toString())).toEqual(['c', 'early', 'late']);
  });

  it('pass on what came while one of them was deciding, behind what came with the head', async () => {
    const http = createServer();
    const port = await listenOn(http);
    let ask = (): void => {};
    const asked = new Promise<void>((resolve) => {
      ask = resolve;
    });
    let decide = (): void => {};
    named('a', '/shared', async () => {
      ask();
      await new Promise<void>((resolve) => {
        decide = resolve;
      });
      return next();
    }).attach(http);
    named('b', '/shared', async () => next()).attach(http);
    named('c', '/shared').attach(http);
    // Only to see when the bytes are there.
    http.once('upgrade', (_request, transport) => transport.on('data', () => decide()));
    const peer = await RawPeer.connect(port);
    const [head, rest] = [maskedFrame({ payload: 'head' }), maskedFrame({ payload: 'meanwhile' })];
    await peer.write(Buffer.concat([Buffer.from(rawRequest({}, 'GET /shared HTTP/1.1')), head]));
    await asked;
    await peer.write(rest);
    expect((await peer.readHead()).status).toBe(101);
    const frames = await peer.readFrames(3);
    expect(frames.map(({ payload }) => payload.toString())).toEqual(['c', 'head', 'meanwhile']);
  });

  it('are all asked, even where one has left while another decides', async () => {
    const http = createServer();
    const port = await listenOn(http);
    let decide = (): void => {};
    const asked = new Promise<void>((resolveAsked) => {
      const first = named('a', '/a').attach(http);
      named('b', '/shared', async () => {
        await new Promise<void>((resolve) => {
          decide = resolve;
          resolveAsked();
        });
        await first.close();
        return next();
      }).attach(http);
    });
    named('c', '/shared').attach(http);
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest({}, 'GET /shared HTTP/1.1'));
    await asked;
    decide();
    expect((await peer.readHead()).status).toBe(101);
    expect(await firstText(peer)).toBe('c');
  });

  it('refuse with 503 while they close, and leave the others in peace', async () => {
    const http = createServer();
    const port = await listenOn(http);
    const closing = named('a', '/a').attach(http);
    named('b', '/b').attach(http);
    const open = await join(port, '/a');
    const closed = closing.close();
    expect(await statusAt(port, '/a')).toBe(503);
    expect(await whoTakes(port, '/b')).toBe('b');
    open.end(maskedFrame({ opcode: 8 }));
    await closed;
    expect(await statusAt(port, '/a')).toBe(404);
    expect(await whoTakes(port, '/b')).toBe('b');
  });

  it('live on when a peer resets while it is refused', async () => {
    const http = createServer();
    const port = await listenOn(http);
    named('a', '/a').attach(http);
    for (const path of ['/nobody', '/a']) {
      const peer = await RawPeer.connect(port);
      await peer.write(rawRequest({}, `GET ${path} HTTP/1.1`));
      peer.reset();
    }
    expect(await whoTakes(port, '/a')).toBe('a');
  });
});

describe('attaching', () => {
  it('twice is the same as once', async () => {
    const http = createServer();
    const port = await listenOn(http);
    let asked = 0;
    const server = named('a', '/a', () => {
      asked++;
      return next();
    });
    const before = http.listenerCount('listening');
    server.attach(http).attach(http);
    expect(http.listenerCount('upgrade')).toBe(1);
    expect(http.listenerCount('listening')).toBe(before + 1);
    expect([await statusAt(port, '/a'), asked]).toEqual([404, 1]);
  });

  it.each(['close', 'shutdown'] as const)('leaves nothing behind after %s()', async (end) => {
    const http = createServer();
    await listenOn(http);
    const before = http.eventNames().map((name) => [name, http.listenerCount(name)]);
    const [a, b] = [named('a', '/a').attach(http), named('b', '/b').attach(http)];
    await a[end]();
    expect(http.listenerCount('upgrade')).toBe(1);
    await b[end]();
    expect(http.eventNames().map((name) => [name, http.listenerCount(name)])).toEqual(before);
    await a[end]();
    expect(http.listenerCount('upgrade')).toBe(0);
  });

  it('may be done again after an end, in a new order', async () => {
    const http = createServer();
    const port = await listenOn(http);
    const first = named('first', '/same').attach(http);
    named('second', '/same').attach(http);
    await first.close();
    expect(await whoTakes(port, '/same')).toBe('second');
    first.attach(http);
    expect(await whoTakes(port, '/same')).toBe('second');
    expect(http.listenerCount('upgrade')).toBe(1);
  });

  it('is possible to several http servers, which one end detaches from', async () => {
    const [one, two] = [createServer(), createServer()];
    const ports = [await listenOn(one), await listenOn(two)];
    const server = named('a', '/a').attach(one).attach(two);
    expect(await Promise.all(ports.map((port) => whoTakes(port, '/a')))).toEqual(['a', 'a']);
    for (const socket of server.sockets) socket.terminate();
    await server.close();
    expect([one, two].map((http) => http.listenerCount('upgrade'))).toEqual([0, 0]);
  });

  it('leaves other WebSocket servers and other listeners alone when it ends', async () => {
    const http = createServer();
    await listenOn(http);
    const [onUpgrade, onListening] = [(): void => {}, (): void => {}];
    http.on('upgrade', onUpgrade).on('listening', onListening);
    const before = http.listeners('listening');
    await named('a', '/a').attach(http).close();
    expect(http.listeners('upgrade')).toEqual([onUpgrade]);
    expect(http.listeners('listening')).toEqual(before);
  });

  it('is taken back without harm where there is nothing to take back', async () => {
    const http = createServer();
    const port = await listenOn(http);
    const stranger: Upgrader = {
      handshakeTimeout: 5,
      isClosing: false,
      takes: () => true,
      upgrade: () => {},
      onListening: () => {},
    };
    Registry.detach(http, stranger);
    expect(http.listenerCount('upgrade')).toBe(0);
    named('a', '/a').attach(http);
    Registry.detach(http, stranger);
    expect(await whoTakes(port, '/a')).toBe('a');
    Registry.attach(http, stranger);
    Registry.attach(http, stranger);
    Registry.detach(http, stranger);
    expect(await statusAt(port, '/b')).toBe(404);
  });

  it('gives the address of the http server, and tells when it listens', async () => {
    const http = createServer();
    const server = endWithTest(new WebSocketServer({ server: http }));
    let heard = 0;
    server.on('listening', () => heard++);
    expect(server.address()).toBeNull();
    const port = await listenOn(http);
    expect(portOfServer(server)).toBe(port);
    expect(heard).toBe(1);
    await server.close();
    expect(server.address()).toBeNull();
  });
});
