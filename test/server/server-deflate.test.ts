import { describe, expect, it, vi } from 'vitest';
import { type ConnectOptions, connect } from '../../src/client/connect.ts';
import type { Socket } from '../../src/connection/socket.ts';
import type { DeflateOptions } from '../../src/extension/deflate-options.ts';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { ENGINES, noise, short } from '../support/deflate-connection.ts';
import { LARGE, joinDeflating, prose } from '../support/deflate-live.ts';
import { endWithTest, join, listenLocally, portOfServer } from '../support/joined-peer.ts';

/** A server that sends everything back. */
async function startEcho(options: WebSocketServerOptions = {}): Promise<number> {
  const server = new WebSocketServer({ deflate: true, ...options });
  server.route('*', { message: (socket, message) => void socket.send(message) });
  return await listenLocally(server);
}

const MESSAGES: readonly (string | Buffer)[] = [
  'small',
  '',
  Buffer.alloc(0),
  Buffer.from([0, 1, 255]),
  'Grüße, 日本語, 👩‍👩‍👧, \u0000',
  prose(1023),
  prose(1024),
  prose(1025),
  'small',
  prose(16_383),
  prose(16_385),
  Buffer.from(noise(5000)),
  'x'.repeat(200_000),
  prose(300_000),
  'small again',
  noise(120_000),
  Buffer.from(prose(65_536)),
  prose(2000),
];

/** What a client that sends all at once gets back. */
async function echoes(url: string, options: ConnectOptions): Promise<unknown[]> {
  const socket = await connect(url, options);
  for (const message of MESSAGES) socket.send(message);
  const received: unknown[] = [];
  for await (const message of socket) {
    received.push(message);
    if (received.length === MESSAGES.length) break;
  }
  await socket.close(1000);
  return received;
}

/** `toEqual`, where a difference of long texts can be read. */
function expectSame(received: readonly unknown[], expected: readonly unknown[]): void {
  const told = (values: readonly unknown[]): string[] =>
    short(
      values.map((value) =>
        Buffer.isBuffer(value) ? `bytes ${value.toString('latin1')}` : `text ${String(value)}`,
      ),
    );
  expect(told(received)).toEqual(told(expected));
}

describe('an echo between our server and our client', () => {
  const WAYS: readonly (readonly [DeflateOptions, DeflateOptions, string])[] = [
    [{}, {}, ''],
    [
      { contextTakeover: false, peerContextTakeover: false },
      {},
      '; server_no_context_takeover; client_no_context_takeover',
    ],
    [
      {},
      { contextTakeover: false, peerContextTakeover: false },
      '; server_no_context_takeover; client_no_context_takeover',
    ],
    [
      { windowBits: 9, peerWindowBits: 9 },
      {},
      '; server_max_window_bits=9; client_max_window_bits=9',
    ],
    [
      {},
      { windowBits: 10, peerWindowBits: 12 },
      '; server_max_window_bits=12; client_max_window_bits=10',
    ],
    [{ level: 1, memoryLevel: 1, threshold: 0 }, { level: 9, memoryLevel: 9, threshold: 0 }, ''],
    [{ threshold: Number.MAX_SAFE_INTEGER }, { threshold: 0 }, ''],
  ];

  it.each(
    WAYS.flatMap(([ofServer, ofClient, parameters]) =>
      ENGINES.map(({ keepContexts }) => ({ ofServer, ofClient, parameters, keepContexts })),
    ),
  )(
    'gives every message back with $ofServer and $ofClient, keepContexts $keepContexts',
    async ({ ofServer, ofClient, parameters, keepContexts }) => {
      const port = await startEcho({ deflate: { ...ofServer, keepContexts } });
      const url = `ws://127.0.0.1:${port}`;
      const deflate = { ...ofClient, keepContexts };
      const socket = await connect(url, { deflate });
      expect(socket.extensions).toBe(`permessage-deflate${parameters}`);
      socket.terminate();
      expectSame(await echoes(url, { deflate }), MESSAGES);
    },
  );

  it('gives them back where one end keeps contexts and the other does not', async () => {
    const port = await startEcho({ deflate: { keepContexts: false, threshold: 0 } });
    expectSame(await echoes(`ws://127.0.0.1:${port}`, { deflate: { threshold: 0 } }), MESSAGES);
  });

  it('gives them back where one end does not compress', async () => {
    const withIt = await startEcho();
    expectSame(await echoes(`ws://127.0.0.1:${withIt}`, {}), MESSAGES);
    const without = await startEcho({ deflate: false });
    expectSame(await echoes(`ws://127.0.0.1:${without}`, { deflate: true }), MESSAGES);
  });

  it('gives them back over TLS', async () => {
    const server = endWithTest(new WebSocketServer({ deflate: true }));
    server.route('/', { message: (socket, message) => void socket.send(message) });
    await server.listen({ port: 0, host: '127.0.0.1', tls: { key: KEY, cert: CERTIFICATE } });
    const url = `wss://localhost:${portOfServer(server)}`;
    expectSame(await echoes(url, { deflate: true, tls: { ca: CERTIFICATE } }), MESSAGES);
  });
});

describe('the wire of a server', () => {
  it('has RSV1 from the threshold on, and where the application has not refused', async () => {
    const server = new WebSocketServer({ deflate: { threshold: 100 } });
    server.route('/', {
      open(socket) {
        socket.send('x'.repeat(99));
        socket.send('x'.repeat(100));
        socket.send('x'.repeat(100), { compress: false });
        // In bytes: two for each character.
        socket.send('é'.repeat(49));
        socket.send('é'.repeat(50));
        socket.send(Buffer.alloc(100));
      },
    });
    const client = await joinDeflating(await listenLocally(server));
    const rsv = (await client.peer.readFrames(6)).map((frame) => frame.rsv);
    expect(rsv).toEqual([0, 4, 0, 0, 4, 4]);
  });

  it('has neither RSV1 nor an extension on a route without it, beside one with it', async () => {
    const server = new WebSocketServer({ deflate: { threshold: 0 } });
    server.route('/with', { open: (socket) => void socket.send('text, text, text') });
    server.route('/without', {
      deflate: false,
      open: (socket) => void socket.send('text, text, text'),
    });
    const port = await listenLocally(server);
    const [compressed, plain] = await Promise.all([
      joinDeflating(port, '/with'),
      joinDeflating(port, '/without'),
    ]);
    expect(await compressed.read()).toBe('deflated text, text, text');
    expect(await plain.read()).toBe('plain text, text, text');
    // Section 5.8 of RFC 6455: not negotiated, so it is not taken.
    await plain.send('compressed');
    expect((await plain.frame()).payload.readUInt16BE()).toBe(1002);
  });

  it('forgets the messages before where the client asks for that', async () => {
    const port = await startEcho({ deflate: { threshold: 0 } });
    const takeover = await joinDeflating(port);
    const none = await joinDeflating(port, '/', 'permessage-deflate; server_no_context_takeover', {
      ownTakeover: false,
    });
    const text = prose(500);
    for (const client of [takeover, none]) {
      await client.send(text, text);
      const [first, second] = await client.peer.readFrames(2);
      expect(client.reference.inflate(first!.payload).toString()).toBe(text);
      expect(client.reference.inflate(second!.payload).toString()).toBe(text);
      expect(second!.payload.equals(first!.payload)).toBe(client === none);
    }
  });

  it('never refers further back than the client can look', async () => {
    const port = await startEcho({ deflate: { threshold: 0 } });
    const offer = 'permessage-deflate; server_max_window_bits=9';
    const client = await joinDeflating(port, '/', offer, { ownWindowBits: 9 });
    // It comes again within 15 bits, and not within 9.
    const text = noise(600);
    await client.send(text + text, text, LARGE);
    expectSame(
      await client.readMany(3),
      [text + text, text, LARGE].map((message) => `deflated ${message}`),
    );
  });

  it('compresses nothing for a client that has a window of 8 bits', async () => {
    const port = await startEcho({ deflate: { threshold: 0 } });
    const offer = 'permessage-deflate; server_max_window_bits=8; client_max_window_bits=8';
    const client = await joinDeflating(port, '/', offer, { peerWindowBits: 9 });
    await client.send('text, text, text', LARGE);
    expectSame(await client.readMany(2), ['plain text, text, text', `plain ${LARGE}`]);
  });
});

describe('many sockets', () => {
  it('are sent what is broadcast, published or prepared, among messages of their own', async () => {
    const server = new WebSocketServer({ deflate: { threshold: 10 } });
    server.route('*', { open: (socket) => void socket.subscribe('news') });
    const port = await listenLocally(server);
    const clients = await Promise.all([
      joinDeflating(port),
      joinDeflating(port),
      joinDeflating(port, '/', 'permessage-deflate; server_no_context_takeover', {
        ownTakeover: false,
      }),
      joinDeflating(port, '/', 'permessage-deflate; server_max_window_bits=9', {
        ownWindowBits: 9,
      }),
      joinDeflating(port, '/', 'x-none'),
    ]);
    const kinds = clients.map((_, i) => (i === 4 ? 'plain' : 'deflated'));
    const text = prose(2000);
    const sent = [text, LARGE, text, 'short', text, LARGE, text];
    const toEach = (message: string): void => {
      for (const socket of server.sockets) socket.send(message);
    };
    toEach(sent[0]!);
    server.broadcast(sent[1]!);
    toEach(sent[2]!);
    server.publish('news', sent[3]!);
    server.publish('news', sent[4]!);
    const prepared = server.prepare(sent[5]!);
    for (const socket of server.sockets) socket.send(prepared);
    toEach(sent[6]!);
    for (const [i, client] of clients.entries()) {
      const expected = sent.map((message) =>
        message === 'short' ? 'plain short' : `${kinds[i]} ${message}`,
      );
      expectSame(await client.readMany(sent.length), expected);
    }
  });

  it('get the same bytes of what is prepared where they have agreed on the same', async () => {
    const server = new WebSocketServer({ deflate: { threshold: 0 } });
    const port = await listenLocally(server);
    const offers = [
      'permessage-deflate',
      'permessage-deflate; client_no_context_takeover',
      'permessage-deflate; server_no_context_takeover; client_max_window_bits=9',
      'permessage-deflate; server_max_window_bits=10',
    ];
    const clients = await Promise.all(offers.map((offer) => joinDeflating(port, '/', offer)));
    server.broadcast(LARGE);
    const payloads = await Promise.all(
      clients.map(async (client) => (await client.frame()).payload),
    );
    expect(payloads[1]!.equals(payloads[0]!)).toBe(true);
    expect(payloads[2]!.equals(payloads[0]!)).toBe(true);
    for (const [i, client] of clients.entries()) {
      expect(client.reference.inflate(payloads[i]!).toString() === LARGE).toBe(true);
    }
  });

  it('are sent plain what was prepared, where one message must not be compressed', async () => {
    const server = new WebSocketServer({ deflate: { threshold: 0 } });
    const port = await listenLocally(server);
    const client = await joinDeflating(port);
    const prepared = server.prepare('secret, secret, secret');
    for (const socket of server.sockets) {
      socket.send(prepared, { compress: false });
      socket.send(prepared);
      socket.send('behind, behind');
    }
    expect(await client.readMany(3)).toEqual([
      'plain secret, secret, secret',
      'deflated secret, secret, secret',
      'deflated behind, behind',
    ]);
  });

  it('that read slowly lose what the policy drops, and nothing that comes is damaged', async () => {
    const server = new WebSocketServer({
      deflate: { threshold: 0, level: 1 },
      highWaterMark: 10_000,
      maxBackpressure: 200_000,
      backpressurePolicy: 'drop',
    });
    const port = await listenLocally(server);
    const slow = await joinDeflating(port);
    const quick = await joinDeflating(port);
    const [slowSocket, quickSocket] = [...server.sockets];
    slow.peer.transport.pause();
    // Until the network takes no more of what the slow one should read.
    const texts: string[] = [];
    while (slowSocket!.dropped === 0) {
      const text = `${texts.length} ${noise(60_000, String(texts.length))}`;
      texts.push(text);
      server.broadcast(text);
      server.broadcast(`small, small, small, small ${texts.length}`);
      await quickSocket!.flushed();
    }
    const expected = texts.flatMap((text, i) => [
      `deflated ${text}`,
      `deflated small, small, small, small ${i + 1}`,
    ]);
    expectSame(await quick.readMany(expected.length), expected);
    slow.peer.transport.resume();
    await slowSocket!.drained();
    slowSocket!.send('the last');
    const received: string[] = [];
    for (;;) {
      const message = await slow.read();
      if (message === 'deflated the last') break;
      received.push(message);
    }
    expect(received.length).toBe(expected.length - slowSocket!.dropped);
    // Each of them was sent, and they are in order.
    const places = received.map((message) => expected.indexOf(message));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((one, other) => one - other));
  });
});

describe('a server that shuts down', () => {
  it('delivers large messages that are still being compressed before it closes', async () => {
    const server = new WebSocketServer({ deflate: true });
    const port = await listenLocally(server);
    const clients: Socket[] = [];
    for (let i = 0; i < 10; i++) {
      clients.push(await connect(`ws://127.0.0.1:${port}`, { deflate: true }));
    }
    const received = clients.map(async (socket) => {
      const messages: unknown[] = [];
      for await (const message of socket) messages.push(message);
      return messages;
    });
    for (const [i, socket] of [...server.sockets].entries()) {
      socket.send(`${i} ${LARGE}`);
      socket.send('and this');
    }
    expect(await server.shutdown()).toEqual({ closed: 10, terminated: 0 });
    for (const [i, messages] of (await Promise.all(received)).entries()) {
      expectSame(messages, [`${i} ${LARGE}`, 'and this']);
    }
  });

  it('ends while messages are inflated and compressed, and clients answer nothing', async () => {
    const server = new WebSocketServer({ deflate: { threshold: 0 } });
    const errors = vi.fn<(error: Error) => void>();
    server.on('error', errors);
    server.route('*', { message: (socket, message) => void socket.send(message) });
    const port = await listenLocally(server);
    const clients = await Promise.all(Array.from({ length: 8 }, () => joinDeflating(port)));
    for (const client of clients) {
      client.peer.transport.pause();
      await client.send(noise(200_000), LARGE, noise(200_000));
    }
    server.broadcast(LARGE);
    expect(await server.shutdown({ timeout: 100 })).toEqual({ closed: 0, terminated: 8 });
    expect(server.sockets.size).toBe(0);
    expect(errors).not.toHaveBeenCalled();
  });

  it('has nothing left of clients that leave in the midst of their messages', async () => {
    const server = new WebSocketServer({ deflate: true });
    server.route('*', { message: (socket, message) => void socket.send(message) });
    const port = await listenLocally(server);
    for (let round = 0; round < 3; round++) {
      const clients = await Promise.all(Array.from({ length: 8 }, () => joinDeflating(port)));
      server.broadcast(LARGE);
      for (const [i, client] of clients.entries()) {
        await client.send(noise(100_000), LARGE);
        if (i % 2 === 0) client.peer.reset();
        else client.peer.transport.destroy();
      }
    }
    expect((await server.shutdown({ timeout: 5000 })).terminated).toBe(0);
    expect(server.sockets.size).toBe(0);
    expect((await join(await startEcho())).hasEnded).toBe(false);
  });
});
