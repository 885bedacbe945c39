import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { WebSocketServer } from '../../src/server/server.ts';
import type { AnyServerSocket } from '../../src/server/server-socket.ts';
import { closeBody, maskedFrame } from '../support/bytes.ts';
import { endWithTest, join, listenLocally, numbered, statusAt } from '../support/joined-peer.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';
import type { TestHooks } from '../support/test-hooks.ts';

async function joinAll(
  count: number,
  hooks: TestHooks = {},
): Promise<{ server: WebSocketServer; port: number; peers: readonly RawPeer[] }> {
  const server = new WebSocketServer({ closeTimeout: 200 }).route('/', hooks);
  const port = await listenLocally(server);
  const peers: RawPeer[] = [];
  for (let i = 0; i < count; i++) peers.push(await join(port));
  return { server, port, peers };
}

async function answerClose(peer: RawPeer): Promise<Buffer> {
  const [frame] = await peer.readFrames(1);
  expect(frame!.opcode).toBe(8);
  peer.end(maskedFrame({ opcode: 8, payload: frame!.payload }));
  return frame!.payload;
}

/** How many times a server has told that it has ended. */
function countEnds(server: WebSocketServer): () => number {
  let count = 0;
  server.on('close', () => count++);
  return () => count;
}

describe('shutdown, where one end has begun already', () => {
  it('by another shutdown ends together with it, and calls no hook again', async () => {
    const told: AnyServerSocket[] = [];
    const { server, peers } = await joinAll(2, { shutdown: (socket) => void told.push(socket) });
    const sockets = [...server.sockets];
    const ends = countEnds(server);
    const first = server.shutdown();
    const second = server.shutdown();
    await Promise.all(peers.map((peer) => answerClose(peer)));
    expect((await Promise.all([first, second]))[0]).toEqual({ closed: 2, terminated: 0 });
    expect(numbered(told, sockets)).toEqual(['#0', '#1']);
    expect(ends()).toBe(1);
  });

  it('by another shutdown waits with it for the hooks that run', async () => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { server, peers } = await joinAll(1, {
      async shutdown(socket) {
        await released;
        socket.send('saved');
      },
      message: (socket, message) => socket.send(message),
    });
    const both = Promise.all([server.shutdown(), server.shutdown()]);
    await peers[0]!.write(maskedFrame({ payload: 'meanwhile' }));
    expect((await peers[0]!.readFrames(1))[0]!.payload.toString()).toBe('meanwhile');
    release();
    expect((await peers[0]!.readFrames(1))[0]!.payload.toString()).toBe('saved');
    await answerClose(peers[0]!);
    await both;
  });

  it('by another shutdown may lose patience sooner', async () => {
    const { server, peers } = await joinAll(2);
    const first = server.shutdown({ timeout: 2_000_000_000 });
    await Promise.all(peers.map((peer) => peer.readFrames(1)));
    await server.shutdown({ signal: AbortSignal.abort() });
    await first;
    expect(server.sockets.size).toBe(0);
  });

  it('by close() ends that too', async () => {
    const { server, peers } = await joinAll(1);
    const ends = countEnds(server);
    const closed = server.close();
    const ended = server.shutdown({ code: 1012 });
    expect(await answerClose(peers[0]!)).toEqual(closeBody(1012));
    expect(await ended).toEqual({ closed: 1, terminated: 0 });
    await closed;
    expect(ends()).toBe(1);
  });

  it('and is over has nothing to do', async () => {
    const { server, peers } = await joinAll(1);
    const ended = server.shutdown();
    await answerClose(peers[0]!);
    await ended;
    expect(await server.shutdown()).toEqual({ closed: 0, terminated: 0 });
    await server.close();
    expect(await server.shutdown()).toEqual({ closed: 0, terminated: 0 });
  });
});

describe('what comes while a server shuts down', () => {
  it('is refused with 503 behind an http server, and with 404 afterwards', async () => {
    const http = createServer();
    const port = await listenOn(http);
    const server = endWithTest(new WebSocketServer({ closeTimeout: 200 })).attach(http);
    endWithTest(new WebSocketServer({ closeTimeout: 200 }))
      .route('/other', {})
      .attach(http);
    const peer = await join(port);
    const ended = server.shutdown();
    expect(await statusAt(port, '/')).toBe(503);
    await answerClose(peer);
    expect(await ended).toEqual({ closed: 1, terminated: 0 });
    expect(await statusAt(port, '/')).toBe(404);
    await join(port, '/other');
  });

  it('is refused with 503 where its handshake is not over yet', async () => {
    let asked = (): void => {};
    const isAsked = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const { server, port } = await joinAll(0, {
      async upgrade() {
        asked();
        await new Promise(() => {});
      },
    });
    const waiting = await RawPeer.connect(port);
    await waiting.write(rawRequest());
    await isAsked;
    const ended = server.shutdown();
    expect((await waiting.readHead()).status).toBe(503);
    expect(await ended).toEqual({ closed: 0, terminated: 0 });
  });

  it('is refused where the application hands it over, and the promise says so', async () => {
    const server = endWithTest(new WebSocketServer({ closeTimeout: 200 }));
    const http = createServer();
    const port = await listenOn(http);
    const refused = new Promise<unknown>((resolve) => {
      http.on('upgrade', (request, transport, head) => {
        server.handleUpgrade(request, transport, head).catch(resolve);
      });
    });
    await server.shutdown();
    expect(await statusAt(port, '/')).toBe(503);
    expect(await refused).toMatchObject({ code: 'WS_ERR_CLOSING', status: 503 });
  });

  it('of messages is still handled, up to the Close of the peer', async () => {
    const heard: unknown[] = [];
    let release = (): void => {};
    const { server, peers } = await joinAll(1, {
      shutdown: () =>
        new Promise<void>((resolve) => {
          release = resolve;
        }),
      message(_socket, message) {
        heard.push(message);
        release();
      },
    });
    const ended = server.shutdown();
    await peers[0]!.write(maskedFrame({ payload: 'the last word' }));
    await answerClose(peers[0]!);
    await ended;
    expect(heard).toEqual(['the last word']);
  });
});
