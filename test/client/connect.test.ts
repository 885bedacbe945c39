import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type ConnectOptions, connect } from '../../src/client/connect.ts';
import { HandshakeError } from '../../src/errors.ts';
import { maskedFrame, rawFrame } from '../support/bytes.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import {
  acceptOpening,
  acceptRequest,
  listenersOf,
  nextTransport,
  openClient,
} from '../support/client-pair.ts';
import { rawResponse } from '../support/raw-http.ts';
import { RawListener, RawPeer, listenOn } from '../support/raw-peer.ts';
import { SocketLog } from '../support/socket-log.ts';

describe('connect', () => {
  it('resolves with an open socket, which has the data and the subprotocol', async () => {
    const listener = await RawListener.listen();
    const data = { name: 'Ann' };
    const connecting = connect(`ws://127.0.0.1:${listener.port}/chat?a=1`, {
      protocols: ['talk', 'chat'],
      headers: { Cookie: 'a=b' },
      origin: 'https://example.com',
      data,
    });
    const { peer, request, key } = await acceptRequest(listener);
    expect(request.startLine).toBe('GET /chat?a=1 HTTP/1.1');
    expect(request.getAll('host')).toEqual([`127.0.0.1:${listener.port}`]);
    expect(request.getAll('sec-websocket-protocol')).toEqual(['talk, chat']);
    expect(request.getAll('cookie')).toEqual(['a=b']);
    expect(request.getAll('origin')).toEqual(['https://example.com']);
    await peer.write(rawResponse(key, { 'Sec-WebSocket-Protocol': 'chat' }));
    const socket = await connecting;
    expect(socket.readyState).toBe(1);
    expect(socket.protocol).toBe('chat');
    expect(socket.data).toBe(data);

    socket.send('hello');
    expect((await peer.readFrames(1))[0]).toMatchObject({ masked: true, opcode: 1 });
    const closed = socket.close(1000, 'done');
    const [close] = await peer.readFrames(1);
    expect(close!.payload.toString('latin1', 2)).toBe('done');
    peer.end(rawFrame({ opcode: 8, payload: close!.payload }));
    expect(await closed).toEqual({ code: 1000, reason: 'done', wasClean: true });
  });

  it('takes one subprotocol, a URL object, and options that are undefined', async () => {
    const listener = await RawListener.listen();
    const url = new URL(`http://user:pass@127.0.0.1:${listener.port}`);
    const connecting = connect(url, {
      protocols: 'chat',
      headers: undefined,
      origin: undefined,
      signal: undefined,
      handshakeTimeout: undefined,
      tls: undefined,
      socketPath: undefined,
      maxHeadSize: undefined,
      maxHeaderFields: undefined,
      data: undefined,
      parallel: undefined,
      maxPayload: undefined,
      text: undefined,
    });
    const { peer, request, key } = await acceptRequest(listener);
    expect(request.getAll('sec-websocket-protocol')).toEqual(['chat']);
    expect(request.getAll('authorization')).toEqual([`Basic ${btoa('user:pass')}`]);
    await peer.write(rawResponse(key));
    const socket = await connecting;
    expect([socket.protocol, socket.data]).toEqual(['', undefined]);
    socket.terminate();
  });

  it('gives its options to the socket', async () => {
    const { socket, peer } = await openClient({ maxPayload: 4, text: 'buffer', autoPong: false });
    const log = new SocketLog(socket);
    await peer.write(
      Buffer.concat([
        rawFrame({ opcode: 9, payload: 'x' }),
        rawFrame({ payload: 'four' }),
        rawFrame({ payload: '5five' }),
      ]),
    );
    await log.until('error');
    expect(log.entries).toEqual(['ping 78', 'binary 666f7572', 'error WS_ERR_MESSAGE_TOO_BIG']);
    // The first frame is our Close, and no Pong.
    expect((await peer.readFrames(1))[0]!.opcode).toBe(8);
  });

  it('sends small frames at once', async () => {
    const transport = nextTransport();
    const opening = openClient();
    const setNoDelay = vi.spyOn(await transport, 'setNoDelay');
    await opening;
    expect(setNoDelay.mock.calls).toEqual([[true]]);
  });

  it('leaves the listeners of the socket on the transport, and no others', async () => {
    const transport = nextTransport();
    const controller = new AbortController();
    const remove = vi.spyOn(controller.signal, 'removeEventListener');
    const add = vi.spyOn(controller.signal, 'addEventListener');
    await openClient({ signal: controller.signal });
    expect(listenersOf(await transport)).toMatchObject({
      data: 1,
      drain: 1,
      close: 1,
      error: 1,
    });
    // One of them is Node's own.
    expect((await transport).listenerCount('end')).toBe(2);
    expect((await transport).listenerCount('connect')).toBe(0);
    expect(remove).toHaveBeenCalledTimes(add.mock.calls.length);
  });

  it('works over TLS', async () => {
    const server = createTlsServer({ key: KEY, cert: CERTIFICATE, allowHalfOpen: true });
    const port = await listenOn(server);
    const connecting = connect(`wss://localhost:${port}/`, { tls: { ca: CERTIFICATE } });
    const [accepted] = await once(server, 'secureConnection');
    const peer = new RawPeer(accepted);
    const key = (await peer.readHead()).getAll('sec-websocket-key')[0]!;
    // Two records in one segment: the second comes in the turn of the first.
    accepted.cork();
    accepted.write(rawResponse(key));
    accepted.write(rawFrame({ payload: 'first' }));
    accepted.write(rawFrame({ opcode: 9 }));
    accepted.write(maskedFrame({ payload: 'not masked by a server' }));
    accepted.uncork();
    const log = new SocketLog(await connecting);
    await log.until('error');
    expect(log.entries).toEqual(['text first', 'ping ', 'error WS_ERR_MASK_UNEXPECTED']);
    peer.transport.destroy();
    await log.until('close');
  });

  it('works over a Unix socket, and asks for what the URL says', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tautline-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const socketPath = join(folder, 'socket');
    const server = createServer({ allowHalfOpen: true });
    server.listen(socketPath);
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const connecting = connect('ws://example.com/path', { socketPath });
    const [accepted] = await once(server, 'connection');
    const peer = new RawPeer(accepted);
    const request = await peer.readHead();
    expect(request.startLine).toBe('GET /path HTTP/1.1');
    expect(request.getAll('host')).toEqual(['example.com']);
    await peer.write(rawResponse(request.getAll('sec-websocket-key')[0]!));
    const socket = await connecting;
    socket.send('hello');
    expect((await peer.readFrames(1))[0]!.payload.toString()).toBe('hello');
    socket.terminate();
    await peer.readToLeave();
  });
});

describe('frames behind the answer', () => {
  const behind = Buffer.concat([
    rawFrame({ payload: 'first' }),
    rawFrame({ opcode: 9, payload: 'ping' }),
    rawFrame({ opcode: 2, payload: 'second' }),
  ]);

  it('reach listeners that are added behind the await', async () => {
    const { socket } = await openClient({}, behind);
    const log = new SocketLog(socket);
    await log.until('binary');
    expect(log.entries).toEqual(['text first', 'ping 70696e67', `binary ${hexOf('second')}`]);
  });

  it('reach a loop', async () => {
    const { socket } = await openClient({}, behind);
    const messages = [];
    for await (const message of socket) {
      messages.push(String(message));
      if (messages.length === 2) break;
    }
    expect(messages).toEqual(['first', 'second']);
  });

  it('may break the protocol, and that is told', async () => {
    const { socket } = await openClient({}, maskedFrame({ payload: 'masked' }));
    const log = new SocketLog(socket);
    await log.until('error');
    expect(log.entries).toEqual(['error WS_ERR_MASK_UNEXPECTED']);
  });

  it('may be a Close, with the FIN behind it', async () => {
    const listener = await RawListener.listen();
    const connecting = connect(`ws://127.0.0.1:${listener.port}/`);
    const { peer, key } = await acceptRequest(listener);
    const close = rawFrame({ opcode: 8, payload: Buffer.from([0x03, 0xe9]) });
    peer.end(Buffer.concat([Buffer.from(rawResponse(key)), close]));
    const socket = await connecting;
    expect(socket.readyState).toBe(1);
    expect(await socket.closed).toEqual({ code: 1001, reason: '', wasClean: true });
  });

  it('wait while the socket is paused, but for those that control', async () => {
    const { socket, peer } = await openClient({}, behind);
    socket.pause();
    const log = new SocketLog(socket);
    await peer.write(rawFrame({ payload: 'third' }));
    await log.until('ping 70696e67');
    expect(log.entries).toHaveLength(1);
    socket.resume();
    await log.until('text third');
    expect(log.entries).toHaveLength(4);
  });

  it('are not lost by a half-close or by a reset', async () => {
    for (const leave of ['end', 'reset'] as const) {
      const { socket, peer } = await openClient({}, behind);
      const log = new SocketLog(socket);
      await log.until('binary');
      peer[leave]();
      await log.until('close 1006  unclean');
      expect(log.entries.slice(0, 3)).toHaveLength(3);
    }
  });

  it('do not come to a socket that was terminated at once', async () => {
    const { socket } = await openClient({}, behind);
    const log = new SocketLog(socket);
    socket.terminate();
    await log.until('close');
    expect(log.entries).toEqual(['close 1006  unclean']);
  });
});

describe('an attempt that fails', () => {
  it('rejects with the error of Node where nobody listens', async () => {
    const server = createServer();
    const port = await listenOn(server);
    server.close();
    await once(server, 'close');
    await expect(connect(`ws://127.0.0.1:${port}`)).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
    await expect(
      connect('ws://localhost', { socketPath: '/nowhere/at/all' }),
    ).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('rejects with the error of Node where there is no such host', async () => {
    await expect(connect('ws://tautline.invalid/')).rejects.toMatchObject({
      syscall: 'getaddrinfo',
    });
  });

  it('rejects with the error of Node where TLS ends before it has begun', async () => {
    const listener = await RawListener.listen();
    const connecting = connect(`wss://127.0.0.1:${listener.port}`);
    (await listener.accept()).end();
    await expect(connecting).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('times out while TLS is silent', async () => {
    const listener = await RawListener.listen();
    const connecting = connect(`wss://127.0.0.1:${listener.port}`, { handshakeTimeout: 50 });
    await expect(connecting).rejects.toMatchObject({ code: 'WS_ERR_ANSWER_TIMEOUT' });
    await (await listener.accept()).readToLeave();
  });

  it('rejects with what the server said', async () => {
    const listener = await RawListener.listen();
    const connecting = connect(`ws://127.0.0.1:${listener.port}/`);
    const { peer, key } = await acceptRequest(listener);
    await peer.write(
      rawResponse(key, { 'WWW-Authenticate': 'Basic realm="x"' }, 'HTTP/1.1 401 Unauthorized'),
    );
    await expect(connecting).rejects.toBeInstanceOf(HandshakeError);
    await expect(connecting).rejects.toMatchObject({
      status: 401,
      headers: expect.arrayContaining([['www-authenticate', 'Basic realm="x"']]),
    });
    await peer.readToLeave();
  });

  it('rejects with the reason of its signal, before and while it connects', async () => {
    const listener = await RawListener.listen();
    const url = `ws://127.0.0.1:${listener.port}/`;
    await expect(connect(url, { signal: AbortSignal.abort('before') })).rejects.toBe('before');
    expect(listener.count).toBe(0);

    const controller = new AbortController();
    const connecting = connect(url, { signal: controller.signal });
    const { peer } = await acceptRequest(listener);
    controller.abort();
    await expect(connecting).rejects.toMatchObject({ name: 'AbortError' });
    await peer.readToLeave();
  });

  it('leaves nothing open', async () => {
    const listener = await RawListener.listen();
    const url = `ws://127.0.0.1:${listener.port}/`;
    const sockets = (): number =>
      process.getActiveResourcesInfo().filter((name) => name.startsWith('TCPSocket')).length;
    await vi.waitFor(() => expect(sockets()).toBe(0));
    const failures = [
      connect(url, { signal: AbortSignal.timeout(20), parallel: true }),
      connect(url, { handshakeTimeout: 20, parallel: true }),
      connect(url.replace('ws:', 'wss:'), { handshakeTimeout: 20, parallel: true }),
    ];
    for (const { status } of await Promise.allSettled(failures)) expect(status).toBe('rejected');
    for (let i = 0; i < 3; i++) {
      const peer = await listener.accept();
      peer.end();
      await peer.closed();
    }
    await vi.waitFor(() => expect(sockets()).toBe(0));
  });
});

describe('options that are wrong', () => {
  const wrong: [name: string, options: unknown, error: typeof TypeError | typeof RangeError][] = [
    ['options', 'chat', TypeError],
    ['options', null, TypeError],
    ['protocols', { protocols: 'no token' }, TypeError],
    ['protocols', { protocols: '' }, TypeError],
    ['protocols', { protocols: ['chat', 'chat'] }, TypeError],
    ['protocols', { protocols: [5] }, TypeError],
    ['protocols', { protocols: 5 }, TypeError],
    ['headers', { headers: { 'no token': 'a' } }, TypeError],
    ['headers', { headers: { a: 'line\r\nbreak' } }, TypeError],
    ['headers', { headers: { 'Sec-WebSocket-Key': 'a' } }, TypeError],
    ['origin', { origin: 'line\nbreak' }, TypeError],
    ['signal', { signal: {} }, TypeError],
    ['handshakeTimeout', { handshakeTimeout: 0 }, RangeError],
    ['handshakeTimeout', { handshakeTimeout: 2 ** 31 }, RangeError],
    ['handshakeTimeout', { handshakeTimeout: '10' }, TypeError],
    ['maxHeadSize', { maxHeadSize: -1 }, RangeError],
    ['maxHeaderFields', { maxHeaderFields: 1.5 }, RangeError],
    ['maxPayload', { maxPayload: Number.NaN }, RangeError],
    ['text', { text: 'blob' }, TypeError],
    ['socketPath', { socketPath: '' }, TypeError],
    ['socketPath', { socketPath: 5 }, TypeError],
    ['tls.servername', { tls: { servername: 5 } }, TypeError],
  ];

  it.each(wrong)('refuses %s: %o, and opens nothing', async (_, options, error) => {
    const listener = await RawListener.listen();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- for those who write JavaScript
    const given = options as ConnectOptions;
    const connecting = connect(`ws://127.0.0.1:${listener.port}/`, given);
    await expect(connecting).rejects.toBeInstanceOf(error);
    const later = connect(`ws://127.0.0.1:${listener.port}/`);
    await acceptOpening(listener);
    (await later).terminate();
    expect(listener.count).toBe(1);
  });

  it('refuses a URL that is wrong', async () => {
    await expect(connect('ws://host/#fragment')).rejects.toBeInstanceOf(TypeError);
    await expect(connect('/relative')).rejects.toBeInstanceOf(TypeError);
  });

  it('refuses options of TLS that are wrong', async () => {
    const listener = await RawListener.listen();
    const url = `wss://127.0.0.1:${listener.port}/`;
    await expect(connect(url, { tls: { key: 'no key' } })).rejects.toBeInstanceOf(Error);
    // Its turn is over.
    const next = connect(url, { handshakeTimeout: 20 });
    await expect(next).rejects.toMatchObject({ code: 'WS_ERR_ANSWER_TIMEOUT' });
    expect(listener.count).toBe(1);
  });
});

describe('the turns', () => {
  it('come one by one for a host and port, and at once for another', async () => {
    const first = await RawListener.listen();
    const second = await RawListener.listen();
    const attempts = [1, 2, 3].map(() => connect(`ws://127.0.0.1:${first.port}/`));
    const other = connect(`ws://127.0.0.1:${second.port}/`);
    await acceptOpening(second);
    (await other).terminate();
    for (const [i, attempt] of attempts.entries()) {
      const { peer, key } = await acceptRequest(first);
      expect(first.count).toBe(i + 1);
      await peer.write(rawResponse(key));
      (await attempt).terminate();
    }
  });

  it('come however the attempt before ended, and whoever left the queue', async () => {
    const listener = await RawListener.listen();
    const url = `ws://127.0.0.1:${listener.port}/`;
    const controller = new AbortController();
    const failing = connect(url);
    const aborted = connect(url, { signal: controller.signal });
    const last = connect(url);
    controller.abort('enough');
    await expect(aborted).rejects.toBe('enough');
    (await acceptRequest(listener)).peer.reset();
    await expect(failing).rejects.toMatchObject({ code: 'ECONNRESET' });
    await acceptOpening(listener);
    (await last).terminate();
    expect(listener.count).toBe(2);
  });

  it('are not waited for by an attempt that was aborted before', async () => {
    const listener = await RawListener.listen();
    const url = `ws://127.0.0.1:${listener.port}/`;
    const first = connect(url);
    await expect(connect(url, { signal: AbortSignal.abort('before') })).rejects.toBe('before');
    await acceptOpening(listener);
    (await first).terminate();
  });

  it('are those of a Unix socket, whatever the URL', async () => {
    const socketPath = '/nowhere/at/all';
    const listener = await RawListener.listen();
    const url = `ws://127.0.0.1:${listener.port}/`;
    const first = connect(url);
    await expect(connect(url, { socketPath })).rejects.toMatchObject({ code: 'ENOENT' });
    await acceptOpening(listener);
    (await first).terminate();
  });

  it('give each attempt its whole handshakeTimeout', async () => {
    const listener = await RawListener.listen();
    const url = `ws://127.0.0.1:${listener.port}/`;
    const slow = connect(url, { handshakeTimeout: 150 });
    const next = connect(url, { handshakeTimeout: 100 });
    await expect(slow).rejects.toMatchObject({ code: 'WS_ERR_ANSWER_TIMEOUT' });
    await listener.accept();
    await acceptOpening(listener);
    (await next).terminate();
  });

  it('do not come to an attempt that is aborted as its turn comes', async () => {
    const listener = await RawListener.listen();
    const url = `ws://127.0.0.1:${listener.port}/`;
    const controller = new AbortController();
    const first = connect(url);
    const second = connect(url, { signal: controller.signal });
    first.then(
      () => controller.abort('enough'),
      () => controller.abort('it failed'),
    );
    await acceptOpening(listener);
    (await first).terminate();
    await expect(second).rejects.toBe('enough');
    expect(listener.count).toBe(1);
  });

  it('are not waited for by attempts that are parallel', async () => {
    const listener = await RawListener.listen();
    const url = `ws://127.0.0.1:${listener.port}/`;
    const attempts = [1, 2, 3].map(() => connect(url, { parallel: true }));
    const asking = [];
    for (let i = 0; i < 3; i++) asking.push(await acceptRequest(listener));
    for (const { peer, key } of asking) await peer.write(rawResponse(key));
    for (const socket of await Promise.all(attempts)) socket.terminate();
  });
});

function hexOf(text: string): string {
  return Buffer.from(text).toString('hex');
}
