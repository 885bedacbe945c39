/** Many at once: subscribers that do not read, topics with names that bite, floods of connections. */
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../src/errors.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import type { AnyServerSocket } from '../../src/server/server-socket.ts';
import { nextAccepted } from '../support/accepted.ts';
import { maskedFrame } from '../support/bytes.ts';
import { join, listenLocally } from '../support/joined-peer.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

/** What a client says is what its socket does. */
async function startHub(): Promise<{ server: WebSocketServer; port: number }> {
  const server = new WebSocketServer({ maxBackpressure: 256 * 1024 });
  server.route('/', {
    message(socket, message) {
      const [verb, topic = '', data = ''] = String(message).split(' ');
      if (verb === 'subscribe') socket.subscribe(topic);
      if (verb === 'publish') socket.publish(topic, data);
      socket.send('done');
    },
  });
  return { server, port: await listenLocally(server) };
}

async function say(peer: RawPeer, payload: string): Promise<void> {
  await peer.write(maskedFrame({ payload }));
  expect((await peer.readFrames(1))[0]!.payload.toString()).toBe('done');
}

describe('topics', () => {
  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'a/b/../c', '*', '#', '\0'])(
    'CVE-2024-38355, socket.io: a topic may be called %j, and means nothing else',
    async (topic) => {
      const { server, port } = await startHub();
      const [one, other] = [await join(port), await join(port)];
      await say(one, `subscribe ${topic}`);
      await say(other, 'subscribe other');
      expect(server.publish(topic, 'hit')).toBe(1);
      expect(server.publish('valueOf', 'miss')).toBe(0);
      expect(server.publish('other', 'its own')).toBe(1);
      expect((await one.readFrames(1))[0]!.payload.toString()).toBe('hit');
      expect((await other.readFrames(1))[0]!.payload.toString()).toBe('its own');
    },
  );

  it.each([5, null, undefined, {}, [], '', true])(
    'CVE-2023-32695, socket.io-parser: %j is no topic: the caller is told, and nobody else',
    async (topic) => {
      const { server, port } = await startHub();
      const peer = await join(port);
      const [socket] = server.sockets;
      for (const call of [
        server.publish.bind(server),
        socket!.publish.bind(socket),
        socket!.subscribe.bind(socket),
      ]) {
        expect(() => Reflect.apply(call, undefined, [topic, 'data'])).toThrow(TypeError);
      }
      await say(peer, 'subscribe fine');
    },
  );

  it('CVE-2020-36406, uWebSockets: who leaves in the middle of a publish, or takes others along, harms nobody', async () => {
    const { server, port } = await startHub();
    const peers = await Promise.all(Array.from({ length: 12 }, () => join(port)));
    for (const peer of peers) await say(peer, 'subscribe topic');
    const sockets = [...server.sockets];
    let depth = 0;
    server.subscribe('topic', () => {
      if (depth++ > 3) return;
      sockets[depth]!.terminate();
      sockets[depth + 5]!.unsubscribe('topic');
      void sockets[depth + 6]!.close(1000);
      server.publish('topic', 'again');
    });
    server.publish('topic', 'first');
    expect((await peers[0]!.readFrames(2)).map(({ payload }) => payload.toString())).toEqual([
      'first',
      'again',
    ]);
    for (const peer of peers) peer.reset();
    await Promise.all(sockets.map(({ closed }) => closed));
    expect(server.publish('topic', 'nobody')).toBe(0);
  });

  it('CVE-2020-36406, uWebSockets: ten thousand topics of one socket, however deep, go with it', async () => {
    const { server, port } = await startHub();
    const peer = await join(port);
    const [socket] = server.sockets;
    for (let i = 0; i < 10_000; i++) socket!.subscribe(`${'a/'.repeat(i % 500)}${i}`);
    expect(server.publish('0', 'x')).toBe(1);
    peer.reset();
    await socket!.closed;
    expect(socket!.topics.size).toBe(0);
    expect(server.publish('0', 'x')).toBe(0);
  });
});

describe('a subscriber that never reads', () => {
  it('slow consumer: is closed with 1013 at its bound, and the others get everything', async () => {
    const { server, port } = await startHub();
    const [slow, quick] = [await join(port), await join(port)];
    await say(slow, 'subscribe news');
    const [slowSocket] = server.sockets;
    await say(quick, 'subscribe news');
    slow.transport.pause();
    const closing = new Promise<string>((resolve) => {
      slowSocket!.on('error', (error) =>
        resolve(error instanceof ProtocolError ? error.code : String(error)),
      );
    });
    const message = Buffer.alloc(64 * 1024, 'n');
    let count = 0;
    let most = 0;
    while (slowSocket!.readyState === 1) {
      server.publish('news', message);
      count++;
      most = Math.max(most, slowSocket!.bufferedAmount);
      const [frame] = await quick.readFrames(1);
      expect(frame!.payload.length).toBe(message.length);
    }
    expect(await closing).toBe('WS_ERR_READS_TOO_SLOWLY');
    expect(most).toBeLessThanOrEqual(256 * 1024 + message.length);
    expect(server.publish('news', 'goes on')).toBe(1);
    expect((await quick.readFrames(1))[0]!.payload.toString()).toBe('goes on');
    expect(count).toBeGreaterThan(3);
  });
});

describe('a flood of connections', () => {
  /** Waits until the server's end of each is gone. */
  async function connectAndReset(port: number, bytes: string): Promise<Promise<void>> {
    const accepting = nextAccepted();
    const peer = await RawPeer.connect(port);
    const near = await accepting;
    if (bytes !== '') await peer.write(bytes);
    peer.reset();
    return new Promise((resolve) => {
      near.once('close', () => resolve());
    });
  }

  it('connection flood: 300 that reset leave nothing behind, whatever they had said', async () => {
    const server = new WebSocketServer({ maxPendingUpgrades: 1 });
    const told: AnyServerSocket[] = [];
    server.on('connection', (socket) => told.push(socket));
    const port = await listenLocally(server);
    const request = rawRequest();
    for (let i = 0; i < 300; i++) {
      await connectAndReset(port, ['', request.slice(0, 40), request][i % 3]!);
    }
    await Promise.all(told.map(({ closed }) => closed));
    expect(server.sockets.size).toBe(0);
    // And the one slot for handshakes is free.
    await join(port);
  });

  it('connection flood: who is one too many in its handshake gets 503, and nobody else', async () => {
    const server = new WebSocketServer({ maxPendingUpgrades: 2 });
    const port = await listenLocally(server);
    const open = await join(port);
    const silent = [await RawPeer.connect(port), await RawPeer.connect(port)];
    const third = await RawPeer.connect(port);
    expect((await third.readHead()).status).toBe(503);
    open.transport.write(maskedFrame({ opcode: 9, payload: 'still there' }));
    expect((await open.readFrames(1))[0]!.payload.toString()).toBe('still there');
    for (const peer of silent) expect(peer.unread.length).toBe(0);
  });
});
