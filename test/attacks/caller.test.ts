/** What callers may hand on without a look at it, and what servers did to clients. */
import { once } from 'node:events';
import { createServer as createTlsServer } from 'node:tls';
import { beforeEach, describe, expect, it } from 'vitest';
import { type ConnectOptions, connect } from '../../src/client/connect.ts';
import { WebSocket } from '../../src/client/websocket.ts';
import type { Socket } from '../../src/connection/socket.ts';
import { createCertificate } from '../../src/cli/certificate.ts';
import { HandshakeError } from '../../src/errors.ts';
import { closeBody, rawFrame } from '../support/bytes.ts';
import { acceptRequest, openClient } from '../support/client-pair.ts';
import { type LiveSocket, openLive } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';
import { RawListener, listenOn } from '../support/raw-peer.ts';

describe.each(ROLES)('what is sent by a socket of a %s', (role) => {
  let live: LiveSocket;
  beforeEach(async () => {
    live = await openLive(role);
  });

  it.each([16, 0, 1e9, -1, NaN, true, null, undefined, {}, [1, 2, 3], Symbol('x')])(
    'CVE-2016-10518, ws: is never %s bytes of memory: that is refused, and nothing is sent',
    async (value) => {
      const { socket } = live;
      const calls: [method: (...values: never[]) => unknown, values: unknown[]][] = [
        [socket.send.bind(socket), [value]],
        [socket.sendText.bind(socket), [value]],
        [socket.sendBinary.bind(socket), [value]],
      ];
      // A Ping and a Pong may be empty, and a Close may have no reason.
      if (value !== undefined) {
        calls.push(
          [socket.ping.bind(socket), [value]],
          [socket.pong.bind(socket), [value]],
          [socket.close.bind(socket), [1000, value]],
        );
      }
      for (const [method, values] of calls) {
        const calling = async (): Promise<unknown> => Reflect.apply(method, undefined, values);
        await expect(calling()).rejects.toBeInstanceOf(TypeError);
      }
      socket.send('end');
      expect((await live.frame()).payload.toString()).toBe('end');
    },
  );

  const memory = Buffer.from('0123456789abcdef');
  const { buffer } = Uint8Array.from(memory);
  const shared = new SharedArrayBuffer(4);
  new Uint8Array(shared).set(memory.subarray(0, 4));
  it.each<[string, ArrayBuffer | SharedArrayBuffer | ArrayBufferView, string]>([
    ['a Float32Array', new Float32Array(buffer, 4, 2), '456789ab'],
    ['a DataView at an offset', new DataView(buffer, 3, 5), '34567'],
    ['a SharedArrayBuffer', shared, '0123'],
    ['a Uint8Array of a part', new Uint8Array(buffer, 15, 1), 'f'],
  ])(
    'CVE-2026-45736, ws: of %s its bytes are sent, and no others',
    async (_what, view, expected) => {
      live.socket.send(view);
      live.socket.sendText(view);
      void live.socket.ping(view).catch(() => 'it leaves before it answers');
      live.socket.pong(view);
      void Reflect.apply(live.socket.close.bind(live.socket), undefined, [1000, view]);
      const frames = await live.peer.readFrames(5);
      expect(frames.map(({ opcode }) => opcode)).toEqual([2, 1, 9, 10, 8]);
      for (const { payload } of frames.slice(0, 4)) expect(payload.toString()).toBe(expected);
      expect(frames[4]!.payload).toEqual(closeBody(1000, expected));
    },
  );

  it('log injection: a close reason with control characters is data, and in no message of an error', async () => {
    const evil = 'bye\r\n\u001b[31mERROR root logged in\u0000';
    const errors: Error[] = [];
    live.socket.on('error', (error) => errors.push(error));
    await live.closeByPeer(1000, evil);
    expect(await live.closed).toEqual([1000, evil, true]);
    expect(errors).toEqual([]);
  });
});

describe('what a caller asks a server for', () => {
  const split = 'a\r\nX-Injected: 1\r\n\r\nGET / HTTP/1.1';
  const attempts: [string, (url: string) => unknown][] = [
    ...(
      [
        ['a value of headers', { headers: { 'X-A': split } }],
        ['a name of headers', { headers: { [split]: 'x' } }],
        ['a lone LF in headers', { headers: { 'X-A': 'a\nb' } }],
        ['a NUL in headers', { headers: { 'X-A': 'a\0b' } }],
        ['the origin', { origin: split }],
        ['a subprotocol', { protocols: split }],
        ['one of several subprotocols', { protocols: ['chat', split] }],
        ['the field Host', { headers: { Host: split } }],
        ['the field Upgrade', { headers: { Upgrade: `websocket\r\nX-Injected: 1` } }],
      ] satisfies [string, ConnectOptions][]
    ).map(([what, options]): [string, (url: string) => unknown] => [
      what,
      (url) => connect(url, options),
    ]),
    ['a subprotocol of WebSocket', (url) => new WebSocket(url, split)],
    ['headers of WebSocket', (url) => new WebSocket(url, [], { headers: { 'X-A': split } })],
  ];

  it.each(attempts)(
    'CVE-2026-1527, undici: CR LF in %s is refused before a byte is sent',
    async (_what, attempt) => {
      const listener = await RawListener.listen();
      const url = `ws://127.0.0.1:${listener.port}/`;
      await expect((async () => attempt(url))()).rejects.toThrow();
      // Who comes next is the first.
      const connecting = connect(url);
      const { peer, request } = await acceptRequest(listener);
      expect([listener.count, request.startLine]).toEqual([1, 'GET / HTTP/1.1']);
      peer.transport.destroy();
      await expect(connecting).rejects.toThrow();
    },
  );

  it('CVE-2026-1527, undici: CR LF in a URL is no part of what is asked', async () => {
    const listener = await RawListener.listen();
    const connecting = connect(`ws://127.0.0.1:${listener.port}/a%0d%0ab\r\nX-Injected: 1?q=\r\n`);
    const { peer, request } = await acceptRequest(listener);
    expect(request.startLine).toBe('GET /a%0d%0abX-Injected:%201?q= HTTP/1.1');
    expect(request.getAll('x-injected')).toEqual([]);
    peer.transport.destroy();
    await expect(connecting).rejects.toThrow();
  });

  it('CVE-2020-11050, Java-WebSocket: wss to a host whose certificate has another name fails', async () => {
    const { key, cert } = createCertificate();
    const port = await listenOn(createTlsServer({ key, cert }).on('tlsClientError', () => {}));
    const url = `wss://127.0.0.1:${port}/`;
    const wrong = connect(url, { tls: { ca: cert, servername: 'bank.example' } });
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    // And one that nobody has signed whom we trust.
    await expect(connect(url)).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  });
});

describe('what a server answers', () => {
  it('log injection: control characters of an answer are in no message of an error', async () => {
    for (const answer of [
      'HTTP/1.1 404 \u001b[31mgone\r\nX: y\r\n\r\n',
      'HTTP/1.1 101 ok\r\nX\u001b[31m: y\r\n\r\n',
      '\u001b]0;title\u0007\r\n\r\n',
      'HTTP/1.1 101 ok\r\nUpgrade: \u001b[31m\r\n\r\n',
    ]) {
      const listener = await RawListener.listen();
      const connecting = connect(`ws://127.0.0.1:${listener.port}/`);
      const { peer } = await acceptRequest(listener);
      peer.end(answer);
      const error: unknown = await connecting.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(HandshakeError);
      // oxlint-disable-next-line no-control-regex -- they are what is looked for
      expect(String(error)).not.toMatch(/[\x00-\x1f\x7f]/);
    }
  });

  it('uncaught error: a reset of the server, in each state, ends an attempt or a connection alone', async () => {
    const listener = await RawListener.listen();
    const url = `ws://127.0.0.1:${listener.port}/`;
    const before = connect(url);
    (await listener.accept()).reset();
    await expect(before).rejects.toThrow();
    const asking = connect(url);
    (await acceptRequest(listener)).peer.reset();
    await expect(asking).rejects.toThrow();
    const closed = async (act: (socket: Socket) => unknown): Promise<unknown> => {
      const { socket, peer } = await openClient();
      act(socket);
      peer.reset();
      return await socket.closed;
    };
    const lost = { code: 1006, reason: '', wasClean: false };
    expect(await closed(() => {})).toEqual(lost);
    expect(await closed((socket) => socket.send(Buffer.alloc(10_000_000)))).toEqual(lost);
    expect(await closed((socket) => void socket.close(1000))).toEqual(lost);
  });

  it('uncaught error: a frame that is wrong ends a client that nobody listens to, and nothing else', async () => {
    const { socket, peer } = await openClient({}, rawFrame({ opcode: 3 }));
    const [close] = await peer.readFrames(1);
    expect(close!.payload.readUInt16BE()).toBe(1002);
    peer.end();
    expect((await socket.closed).code).toBe(1006);
    await once(peer.transport, 'close');
  });
});
