/** A server in whose handshakes peers reset or leave, at every moment. One slot is all that it has. */
import { connect as connectNet } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocketServer } from '../../src/server/server.ts';
import { nextAccepted } from '../support/accepted.ts';
import { maskedFrame } from '../support/bytes.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { type Way, boundPort, follow, listenBy } from '../support/open-pair.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

/** How often a test looks whether something has come about. */
const FAST = { interval: 2 };

const REQUEST = Buffer.from(rawRequest());

let warn: { mock: { calls: unknown[][] } };
beforeEach(() => {
  warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
});
afterEach(() => {
  // What a peer does is no mistake of the application: nobody is told.
  expect(warn.mock.calls).toEqual([]);
  vi.restoreAllMocks();
});

interface Tried {
  readonly server: WebSocketServer;
  readonly connect: () => Promise<RawPeer>;
  readonly accepted: ReturnType<typeof follow>;
}

async function start(way: Way, server = new WebSocketServer(ONE)): Promise<Tried> {
  const accepted = follow(server);
  return { server, accepted, connect: await listenBy(way, server) };
}

/** Who leaves anything behind in its slot keeps out everybody else. */
const ONE = { maxPendingUpgrades: 1, handshakeTimeout: 60_000 };

/** Connects, and tells when the server's own end of that is gone. */
async function begin(
  connect: () => Promise<RawPeer>,
): Promise<{ peer: RawPeer; gone: Promise<void> }> {
  const accepting = nextAccepted();
  const peer = await connect();
  const near = await accepting;
  const gone = new Promise<void>((resolve) => {
    near.once('close', () => resolve());
  });
  return { peer, gone };
}

/** A handshake, a message and a closing handshake: what a server that is well can do. */
async function expectService({ connect, accepted }: Tried): Promise<void> {
  const { peer, gone } = await begin(connect);
  await peer.write(REQUEST);
  expect((await peer.readHead()).status).toBe(101);
  await peer.write(maskedFrame({ payload: 'hello' }));
  await accepted.at(-1)!.log.until('text hello');
  await peer.write(maskedFrame({ opcode: 8 }));
  await peer.readFrames(1);
  peer.transport.end();
  await gone;
}

describe.each(['net', 'tls'] as const)('on %s, a peer that resets', (way) => {
  it('does no harm before its first byte, and behind each byte of its head', async () => {
    const tried = await start(way);
    for (let cut = 0; cut < REQUEST.length; cut++) {
      const { peer, gone } = await begin(tried.connect);
      if (cut > 0) await peer.write(REQUEST.subarray(0, cut));
      peer.reset();
      await gone;
    }
    expect(tried.accepted).toEqual([]);
    await expectService(tried);
    await tried.server.close();
  }, 60_000);

  it('does no harm between its head and the answer, which nobody sends any more', async () => {
    const server = new WebSocketServer(ONE);
    const signals: AbortSignal[] = [];
    let isAsync = true;
    server.route('*', {
      upgrade(request) {
        if (!isAsync) return undefined;
        signals.push(request.signal);
        return new Promise<void>((resolve) => {
          request.signal.addEventListener('abort', () => resolve());
        });
      },
    });
    const tried = await start(way, server);
    for (let i = 0; i < 10; i++) {
      const { peer, gone } = await begin(tried.connect);
      await peer.write(REQUEST);
      await vi.waitFor(() => expect(signals.length).toBe(i + 1), FAST);
      peer.reset();
      await gone;
      expect(signals[i]!.aborted).toBe(true);
    }
    isAsync = false;
    expect(tried.accepted).toEqual([]);
    await expectService(tried);
    await server.close();
  });

  it('does no harm right behind its request, whether it is accepted or refused', async () => {
    const tried = await start(way);
    for (let i = 0; i < 20; i++) {
      const { peer, gone } = await begin(tried.connect);
      peer.transport.write(i % 2 === 0 ? REQUEST : rawRequest({ Host: null }));
      await new Promise(setImmediate);
      peer.reset();
      await gone;
    }
    await expectService(tried);
    await tried.server.close();
    expect(tried.server.sockets.size).toBe(0);
  });

  it('does no harm right behind the answer, whatever the server sends then', async () => {
    const server = new WebSocketServer(ONE);
    server.on('connection', (socket) => {
      for (let i = 0; i < 10; i++) socket.send(Buffer.alloc(100_000));
    });
    const tried = await start(way, server);
    for (let i = 0; i < 10; i++) {
      const { peer, gone } = await begin(tried.connect);
      await peer.write(REQUEST);
      await peer.readHead();
      peer.reset();
      await gone;
      await tried.accepted[i]!.log.until('close 1006');
    }
    expect(tried.accepted.length).toBe(10);
    await server.close();
  });

  it('does no harm while it is told that it is refused', async () => {
    const tried = await start(way);
    for (let i = 0; i < 10; i++) {
      const { peer, gone } = await begin(tried.connect);
      await peer.write(rawRequest({ Upgrade: null }));
      expect((await peer.readHead()).status).toBe(426);
      peer.reset();
      await gone;
    }
    await expectService(tried);
    await tried.server.close();
  });
});

describe('on tls, in the handshake of TLS itself', () => {
  /** The first bytes of a client. */
  async function clientHello(): Promise<Buffer> {
    const { stream, written } = memoryStream();
    const client = connectTls({ socket: stream, servername: 'localhost' });
    client.on('error', () => client.destroy());
    await vi.waitFor(() => expect(written().length).toBeGreaterThan(100));
    client.destroy();
    stream.destroy();
    return written();
  }

  it.each([
    ['resets', (peer: RawPeer) => peer.reset()],
    ['leaves by FIN', (peer: RawPeer) => peer.end()],
    ['goes away', (peer: RawPeer) => void peer.transport.destroy()],
  ])('a peer that %s at any moment does no harm', async (_how, leave) => {
    const tried = await start('tls');
    const port = boundPort(tried.server);
    const hello = await clientHello();
    for (let cut = 0; cut <= hello.length; cut += Math.ceil(hello.length / 25)) {
      const { peer, gone } = await begin(() => RawPeer.connect(port));
      if (cut > 0) await peer.write(hello.subarray(0, cut));
      leave(peer);
      await gone;
    }
    const { peer, gone } = await begin(() => RawPeer.connect(port));
    await peer.write(hello);
    await peer.readBytes(100);
    leave(peer);
    await gone;
    await expectService(tried);
    await tried.server.close();
  });

  it.each([
    ['HTTP', rawRequest()],
    ['nothing that is known', Buffer.alloc(600, 7)],
    [
      'half a record of TLS, and then something else',
      Buffer.from([0x16, 3, 1, 0, 5, 9, 9, 9, 9, 9]),
    ],
  ])('a peer that speaks %s is cut off', async (_what, bytes) => {
    const tried = await start('tls');
    const { peer, gone } = await begin(() => RawPeer.connect(boundPort(tried.server)));
    await peer.write(bytes);
    await gone;
    await expectService(tried);
    await tried.server.close();
  });
});

describe('on a Unix socket, a peer that goes away', () => {
  it('does no harm behind each byte of its head', async () => {
    const tried = await start('unix');
    for (let cut = 0; cut < REQUEST.length; cut++) {
      const { peer, gone } = await begin(tried.connect);
      if (cut > 0) await peer.write(REQUEST.subarray(0, cut));
      peer.transport.destroy();
      await gone;
    }
    expect(tried.accepted).toEqual([]);
    await expectService(tried);
    await tried.server.close();
  });
});

describe('a connection that is gone before the server has seen it', () => {
  it('does no harm', async () => {
    const tried = await start('net', new WebSocketServer({ handshakeTimeout: 60_000 }));
    const port = boundPort(tried.server);
    const clients = Array.from({ length: 20 }, () => {
      const client = connectNet({ port, host: '127.0.0.1' });
      client.on('connect', () => client.resetAndDestroy());
      client.on('error', () => client.destroy());
      onTestFinished(() => void client.destroy());
      return client;
    });
    await vi.waitFor(() => expect(clients.every(({ closed }) => closed)).toBe(true));
    await expectService(tried);
    await tried.server.close();
  });
});
