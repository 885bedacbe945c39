/** `handleUpgrade`: requests that an http server has read, and what the promise tells. */
import { EventEmitter, once } from 'node:events';
import { IncomingMessage, createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { Socket as NetSocket, connect as connectNet } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { HandshakeError } from '../../src/errors.ts';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import { next, refuse } from '../../src/server/route.ts';
import { ServerSocket } from '../../src/server/server-socket.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { maskedFrame } from '../support/bytes.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { follow, secure } from '../support/open-pair.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';

const unhandled: unknown[] = [];
const see = (error: unknown): void => void unhandled.push(error);
beforeEach(() => void process.on('unhandledRejection', see));
afterEach(() => {
  process.off('unhandledRejection', see);
  vi.useRealTimers();
  vi.restoreAllMocks();
  // Who does not look at the promise need not catch.
  expect(unhandled.splice(0)).toEqual([]);
});

/** An upgrade that an http server has told. */
interface Upgrading {
  readonly request: IncomingMessage;
  readonly transport: Duplex;
  readonly head: Buffer;
}

interface Behind {
  readonly server: WebSocketServer;
  readonly accepted: ReturnType<typeof follow>;
  /** The same request as it comes out of an http server, and the client that has sent it. */
  upgrade: (text?: string, behind?: Uint8Array) => Promise<Upgrading & { peer: RawPeer }>;
}

async function behind(
  options: WebSocketServerOptions = {},
  scheme: 'http' | 'https' = 'http',
): Promise<Behind> {
  const server = new WebSocketServer(options);
  const accepted = follow(server);
  const http =
    scheme === 'http' ? createServer() : createSecureServer({ key: KEY, cert: CERTIFICATE });
  const port = await listenOn(http);
  const told = new EventEmitter();
  http.on('upgrade', (request, transport, head) => {
    // As Node asks for, of whoever takes its time.
    transport.on('error', () => transport.destroy());
    told.emit('upgrade', { request, transport, head });
  });
  const connect = async (): Promise<RawPeer> => {
    if (scheme === 'http') return RawPeer.connect(port);
    const raw = connectNet({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(raw, 'connect');
    return secure(raw);
  };
  return {
    server,
    accepted,
    async upgrade(text = rawRequest(), more = Buffer.alloc(0)) {
      const upgrading = new Promise<Upgrading>((resolve) => {
        told.once('upgrade', resolve);
      });
      const peer = await connect();
      peer.transport.write(Buffer.concat([Buffer.from(text), more]));
      return { ...(await upgrading), peer };
    },
  };
}

/** What the promise of `handleUpgrade` rejects with. */
async function refused(promise: Promise<unknown>): Promise<HandshakeError> {
  const error: unknown = await promise.then(
    () => new Error('it opened'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HandshakeError);
  if (!(error instanceof HandshakeError)) throw error;
  return error;
}

describe.each(['http', 'https'] as const)('handleUpgrade behind %s', (scheme) => {
  it('resolves with the socket, behind "connection" and the hook "open"', async () => {
    const { server, upgrade } = await behind({}, scheme);
    const told: string[] = [];
    server.route('/chat/:room', {
      upgrade: () => ({ data: 7 }),
      open: () => void told.push('open'),
    });
    server.on('connection', () => void told.push('connection'));
    const { peer, request, transport, head } = await upgrade(
      rawRequest({}, 'GET /chat/7 HTTP/1.1'),
      maskedFrame({ payload: 'first' }),
    );
    const socket = await server.handleUpgrade(request, transport, head);
    expect(told).toEqual(['connection', 'open']);
    expect(socket).toBeInstanceOf(ServerSocket);
    expect([socket.data, socket.params, socket.request.url]).toEqual([7, { room: '7' }, '/chat/7']);
    const { value } = await socket[Symbol.asyncIterator]().next();
    expect(value).toBe('first');
    expect((await peer.readHead()).status).toBe(101);
    expect([...server.sockets]).toEqual([socket]);
  });

  it('may come late: what the client sends meanwhile is not lost', async () => {
    const { server, accepted, upgrade } = await behind({}, scheme);
    const frame = maskedFrame({ payload: 'hello' });
    const { peer, request, transport, head } = await upgrade(rawRequest(), frame.subarray(0, 3));
    await peer.write(frame.subarray(3));
    await peer.write(frame);
    for (let i = 0; i < 10; i++) await new Promise(setImmediate);
    void server.handleUpgrade(request, transport, head);
    await peer.write(maskedFrame({ payload: 'last' }));
    await accepted[0]!.log.until('text last');
    expect(accepted[0]!.log.entries).toEqual(['text hello', 'text hello', 'text last']);
  });

  it('reads on where the application has paused the transport', async () => {
    const { server, accepted, upgrade } = await behind({}, scheme);
    const { peer, request, transport, head } = await upgrade();
    transport.pause();
    await peer.write(maskedFrame({ payload: 'hello' }));
    await server.handleUpgrade(request, transport, head);
    await accepted[0]!.log.until('text hello');
  });

  it('rejects where the client has left, or leaves before there is an answer', async () => {
    const { server, upgrade, accepted } = await behind({ maxPendingUpgrades: 1 }, scheme);
    server.route('*', { upgrade: () => new Promise<void>(() => {}) });
    for (const isEarly of [true, false]) {
      const { peer, request, transport, head } = await upgrade();
      if (isEarly) peer.reset();
      if (isEarly) await new Promise(setImmediate);
      const opening = server.handleUpgrade(request, transport, head);
      if (!isEarly) peer.reset();
      expect(await refused(opening)).toMatchObject({ code: 'WS_ERR_LEFT' });
    }
    expect(accepted).toEqual([]);
  });
});

describe('the promise of handleUpgrade', () => {
  const line = (path: string): string => rawRequest({}, `GET ${path} HTTP/1.1`);
  const later = async <Value>(value: Value): Promise<Value> => {
    await new Promise(setImmediate);
    return value;
  };

  it.each([
    ['a request that breaks a rule', rawRequest({ Host: null }), 'WS_ERR_HOST', 400],
    ['another version', rawRequest({ 'Sec-WebSocket-Version': '8' }), 'WS_ERR_VERSION', 426],
    ['a foreign origin', rawRequest({ Origin: 'http://a.example' }), 'WS_ERR_ORIGIN', 403],
    ['a path that has no route', line('/none'), 'WS_ERR_NOT_FOUND', 404],
    ['a path whose routes say next()', line('/next'), 'WS_ERR_NOT_FOUND', 404],
    ['a hook that refuses', line('/refused'), 'WS_ERR_REFUSED', 429],
    ['a hook that refuses later', line('/later'), 'WS_ERR_REFUSED', 401],
    ['a hook that throws', line('/throws'), 'WS_ERR_INTERNAL', 500],
    ['a hook that rejects', line('/rejects'), 'WS_ERR_INTERNAL', 500],
    ['a hook whose fields cannot be sent', line('/fields'), 'WS_ERR_INTERNAL', 500],
  ])('rejects for %s, with the status of the answer', async (_what, text, code, status) => {
    vi.spyOn(process, 'emitWarning').mockReturnValue();
    const { server, accepted, upgrade } = await behind();
    const mistake = new Error('a mistake of the application');
    server.route('/next', { upgrade: () => next() });
    server.route('/refused', { upgrade: () => refuse(429, { 'Retry-After': '5' }) });
    server.route('/later', { upgrade: () => later(refuse(401)) });
    server.route('/throws', {
      upgrade: () => {
        throw mistake;
      },
    });
    server.route('/rejects', { upgrade: () => Promise.reject(mistake) });
    server.route('/fields', { upgrade: () => ({ headers: { 'a b': 'c' } }) });
    const { peer, request, transport, head } = await upgrade(text);
    const error = await refused(server.handleUpgrade(request, transport, head));
    expect([error.code, error.status]).toEqual([code, status]);
    expect((await peer.readHead()).status).toBe(status);
    expect(accepted).toEqual([]);

    // And for who does not look at it.
    const again = await upgrade(text);
    void server.handleUpgrade(again.request, again.transport, again.head);
    expect((await again.peer.readHead()).status).toBe(status);
    await new Promise(setImmediate);
  });

  it('rejects for a hook that takes too long, with 503', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { server, upgrade } = await behind({ handshakeTimeout: 4_000 });
    server.route('*', { upgrade: () => new Promise<void>(() => {}) });
    const { peer, request, transport, head } = await upgrade();
    const opening = server.handleUpgrade(request, transport, head);
    vi.advanceTimersByTime(4_000);
    expect(await refused(opening)).toMatchObject({ code: 'WS_ERR_UNDECIDED', status: 503 });
    expect((await peer.readHead()).status).toBe(503);
  });

  it('rejects beyond maxPendingUpgrades, and while the server closes, with 503', async () => {
    const { server, upgrade } = await behind({ maxPendingUpgrades: 1 });
    server.route('*', { upgrade: () => new Promise<void>(() => {}) });
    const first = await upgrade();
    const waiting = server.handleUpgrade(first.request, first.transport, first.head);
    const second = await upgrade();
    const full = server.handleUpgrade(second.request, second.transport, second.head);
    expect(await refused(full)).toMatchObject({ code: 'WS_ERR_TOO_MANY_PENDING', status: 503 });
    expect((await second.peer.readHead()).status).toBe(503);
    void server.close();
    expect(await refused(waiting)).toMatchObject({ code: 'WS_ERR_CLOSING', status: 503 });
    expect((await first.peer.readHead()).status).toBe(503);
    const third = await upgrade();
    const late = server.handleUpgrade(third.request, third.transport, third.head);
    expect(await refused(late)).toMatchObject({ code: 'WS_ERR_CLOSING', status: 503 });
    expect((await third.peer.readHead()).status).toBe(503);
  });

  it.each([
    ['is destroyed', (transport: Duplex) => void transport.destroy()],
    [
      'has been closed',
      async (transport: Duplex) => {
        transport.destroy();
        await once(transport, 'close');
      },
    ],
  ])('rejects for a transport that %s, and writes nothing', async (_how, end) => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const { server, accepted, upgrade } = await behind({ maxPendingUpgrades: 1 });
    for (let i = 0; i < 2; i++) {
      const { request, transport, head } = await upgrade();
      await end(transport);
      const opening = server.handleUpgrade(request, transport, head);
      expect(await refused(opening)).toMatchObject({ code: 'WS_ERR_LEFT' });
    }
    expect(accepted).toEqual([]);
    expect(warn).not.toHaveBeenCalled();
  });

  it('rejects for a transport that the application ends while it is asked', async () => {
    const { server, accepted, upgrade } = await behind();
    server.route('*', { upgrade: ({ socket }) => void socket.end() });
    const { peer, request, transport, head } = await upgrade();
    const opening = server.handleUpgrade(request, transport, head);
    expect(await refused(opening)).toMatchObject({ code: 'WS_ERR_LEFT' });
    // Nothing waits for a client that never ends its side.
    expect((await peer.readToLeave()).length).toBe(0);
    await vi.waitFor(() => expect(transport.destroyed).toBe(true), { interval: 2 });
    expect(accepted).toEqual([]);
  });

  it('rejects for a transport that was handed over before, which goes on', async () => {
    const { server, accepted, upgrade } = await behind();
    const { peer, request, transport, head } = await upgrade();
    void server.handleUpgrade(request, transport, head);
    const again = server.handleUpgrade(request, transport, head);
    await expect(again).rejects.toBeInstanceOf(TypeError);
    expect((await peer.readHead()).status).toBe(101);
    await peer.write(maskedFrame({ payload: 'hello' }));
    await accepted[0]!.log.until('text hello');
    expect([accepted.length, peer.unread.length]).toEqual([1, 0]);
  });

  it('rejects where the server is attached as well, whoever of the two comes first', async () => {
    for (const isFirst of [true, false]) {
      const http = createServer();
      const server = new WebSocketServer();
      const accepted = follow(server);
      const opening: Promise<unknown>[] = [];
      if (isFirst) server.attach(http);
      http.on('upgrade', (request, transport, head) => {
        opening.push(server.handleUpgrade(request, transport, head));
      });
      if (!isFirst) server.attach(http);
      const peer = await RawPeer.connect(await listenOn(http));
      await peer.write(rawRequest());
      expect((await peer.readHead()).status).toBe(101);
      const [outcome] = await Promise.allSettled(opening);
      expect(outcome!.status).toBe(isFirst ? 'rejected' : 'fulfilled');
      await peer.write(maskedFrame({ payload: 'hello' }));
      await accepted[0]!.log.until('text hello');
      expect([accepted.length, peer.unread.length]).toEqual([1, 0]);
    }
  });

  it('does not need a head where there is none', async () => {
    const { server, accepted, upgrade } = await behind();
    const { peer, request, transport } = await upgrade();
    const handle: unknown = Reflect.get(server, 'handleUpgrade');
    if (typeof handle === 'function') Reflect.apply(handle, server, [request, transport]);
    expect((await peer.readHead()).status).toBe(101);
    await peer.write(maskedFrame({ payload: 'hello' }));
    await accepted[0]!.log.until('text hello');
  });

  it('is for any stream, whose bytes may stick for a while', async () => {
    const { server, upgrade } = await behind();
    const { request } = await upgrade();
    const { stream, written, unstick } = memoryStream(true);
    const socket = await server.handleUpgrade(request, stream, Buffer.alloc(0));
    socket.send('hello');
    await new Promise(setImmediate);
    expect(written().toString()).not.toContain('hello');
    unstick();
    await new Promise(setImmediate);
    expect(written().toString()).toContain('hello');
    socket.terminate();
  });
});

describe('a request that an http server has read', () => {
  it.each([
    ['a target that is too long', { maxTargetSize: 10 }, {}, 414],
    ['too many fields', { maxHeaderFields: 6 }, { 'X-One': '1', 'X-Two': '2' }, 431],
  ])('is held to our own limits: %s', async (_what, limits, fields, status) => {
    const { server, upgrade } = await behind(limits);
    const text = rawRequest(fields, 'GET /as-long-as-this HTTP/1.1');
    const { peer, request, transport, head } = await upgrade(text);
    const error = await refused(server.handleUpgrade(request, transport, head));
    expect([error.status, (await peer.readHead()).status]).toEqual([status, status]);
  });

  it('is refused where nobody has filled it in', async () => {
    const { server } = await behind();
    const { stream, written } = memoryStream();
    const request = new IncomingMessage(new NetSocket());
    delete request.url;
    const error = await refused(server.handleUpgrade(request, stream, Buffer.alloc(0)));
    expect(error.status).toBe(505);
    expect(written().toString()).toMatch(/^HTTP\/1\.1 505 /);
    stream.destroy();
  });

  it('is answered with 500 where it holds what no http server gives, and that is told', async () => {
    const { server, upgrade } = await behind();
    const errors: unknown[] = [];
    server.on('error', (error) => errors.push(error));
    const { peer, request, transport, head } = await upgrade();
    Object.assign(request, { rawHeaders: [...request.rawHeaders, 'Expect', 5] });
    expect((await refused(server.handleUpgrade(request, transport, head))).status).toBe(500);
    expect((await peer.readHead()).status).toBe(500);
    expect(errors).toEqual([expect.any(TypeError)]);
  });
});

describe('several servers that are attached to one http server', () => {
  it('are asked one after the other, and no byte is lost on the way', async () => {
    const http = createServer();
    const [first, second] = [new WebSocketServer(), new WebSocketServer()];
    const accepted = [first, second].map((server) => follow(server.attach(http)));
    let pass: () => void = () => {};
    first.route('/chat', {
      upgrade: () =>
        new Promise<ReturnType<typeof next>>((resolve) => {
          pass = () => resolve(next());
        }),
    });
    first.route('/first', {});
    second.route('/chat', {
      async upgrade() {
        await new Promise(setImmediate);
        return { data: 'second' };
      },
    });
    const port = await listenOn(http);
    const peer = await RawPeer.connect(port);
    const payload = Buffer.alloc(100_000, 7);
    peer.transport.write(rawRequest({}, 'GET /chat HTTP/1.1'));
    for (let i = 0; i < 5; i++) peer.transport.write(maskedFrame({ opcode: 2, payload }));
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    pass();
    expect((await peer.readHead()).status).toBe(101);
    peer.transport.write(maskedFrame({ payload: 'last' }));
    const { socket, log } = accepted[1]![0]!;
    await log.until('text last');
    expect([socket.data, log.entries.length, accepted[0]!.length]).toEqual(['second', 6, 0]);

    const other = await RawPeer.connect(port);
    await other.write(rawRequest({}, 'GET /none HTTP/1.1'));
    expect((await other.readHead()).status).toBe(404);
    other.end();
  });
});

describe('an http server whose clients reset', () => {
  it('goes on, whatever they have sent so far', async () => {
    const server = new WebSocketServer({ maxPendingUpgrades: 1 });
    const http = createServer();
    server.attach(http);
    onTestFinished(() => server.close());
    const port = await listenOn(http);
    const request = Buffer.from(rawRequest());
    for (let cut = 0; cut <= request.length; cut += 3) {
      const accepted = once(http, 'connection');
      const peer = await RawPeer.connect(port);
      const [near]: Duplex[] = await accepted;
      const gone = new Promise((resolve) => {
        near!.once('close', resolve);
      });
      if (cut > 0) await peer.write(request.subarray(0, cut));
      peer.reset();
      await gone;
    }
    const peer = await RawPeer.connect(port);
    await peer.write(request);
    expect((await peer.readHead()).status).toBe(101);
    peer.end();
  });
});
