/** Where a server listens, and when: by `listen`, by its constructor, behind an http server. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect as connectNet, createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { nextAccepted } from '../support/accepted.ts';
import { maskedFrame } from '../support/bytes.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { WAYS, boundPort, follow, listenBy, listenLocally, secure } from '../support/open-pair.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const TLS = { key: KEY, cert: CERTIFICATE };

function createWebSocketServer(options: WebSocketServerOptions = {}): WebSocketServer {
  const server = new WebSocketServer(options);
  follow(server);
  return server;
}

/** What the server has told about itself, event by event. */
function tellOf(server: WebSocketServer): string[] {
  const told: string[] = [];
  server.on('listening', () => told.push('listening'));
  server.on('close', () => told.push('close'));
  server.on('error', (error) => {
    told.push(`error ${'code' in error ? String(error.code) : error.message}`);
  });
  return told;
}

/** A path for a Unix socket that is free. */
async function freePath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'unix-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'socket');
}

/** A port that somebody listens on. */
async function takenPort(): Promise<number> {
  return await listenOn(createNetServer());
}

async function join101(peer: RawPeer): Promise<RawPeer> {
  await peer.write(rawRequest());
  expect((await peer.readHead()).status).toBe(101);
  return peer;
}

/** A handshake and a closing handshake. */
async function expectService(peer: RawPeer): Promise<void> {
  await join101(peer);
  await peer.write(maskedFrame({ opcode: 8 }));
  expect((await peer.readFrames(1))[0]!.opcode).toBe(8);
  peer.transport.end();
}

describe('a server that is made with a port', () => {
  it('listens at once, and tells when connections can come', async () => {
    const server = createWebSocketServer({ port: 0, host: '127.0.0.1' });
    const told = tellOf(server);
    expect([server.address(), told]).toEqual([null, []]);
    await once(server, 'listening');
    expect(server.address()).toMatchObject({ address: '127.0.0.1' });
    await expectService(await RawPeer.connect(boundPort(server)));
    await server.close();
    expect(told).toEqual(['listening', 'close']);
  });

  it('speaks TLS where it is given that too', async () => {
    const server = createWebSocketServer({ port: 0, host: '127.0.0.1', tls: TLS });
    await once(server, 'listening');
    const raw = connectNet({ port: boundPort(server), host: '127.0.0.1', allowHalfOpen: true });
    await expectService(await secure(raw));
  });

  it('listens on all addresses where it is told none', async () => {
    const server = createWebSocketServer({ port: 0 });
    await once(server, 'listening');
    await expectService(await RawPeer.connect(boundPort(server)));
  });

  it('tells by "error" that the port is taken, and may listen on another one then', async () => {
    const server = createWebSocketServer({ port: await takenPort(), host: '127.0.0.1' });
    const told = tellOf(server);
    await once(server, 'error').catch(() => {});
    expect(told).toEqual(['error EADDRINUSE']);
    expect(server.address()).toBeNull();
    await expectService(await RawPeer.connect(await listenLocally(server)));
  });

  it('tells by "error" too of a certificate that is none', async () => {
    const tls = { key: 'no key', cert: CERTIFICATE };
    const server = createWebSocketServer({ port: 0, tls });
    const told = tellOf(server);
    await vi.waitFor(() => expect(told.length).toBe(1), { interval: 2 });
    expect(told[0]).toMatch(/^error ERR_OSSL/);
    await server.close();
  });

  it('is no more to be told to listen', async () => {
    const server = createWebSocketServer({ port: 0, host: '127.0.0.1' });
    await expect(server.listen(0)).rejects.toThrow('listens already');
    await once(server, 'listening');
    await expect(server.listen(0)).rejects.toThrow('listens already');
    await expectService(await RawPeer.connect(boundPort(server)));
  });

  it('ends quietly where it is closed before it has begun', async () => {
    const server = createWebSocketServer({ port: 0, host: '127.0.0.1' });
    const told = tellOf(server);
    await server.close();
    expect(server.address()).toBeNull();
    expect(told.at(-1)).toBe('close');
  });
});

describe('a server that is made with another server', () => {
  it('takes its upgrades at once, and tells when connections can come', async () => {
    const http = createServer();
    const server = createWebSocketServer({ server: http });
    const told = tellOf(server);
    const port = await listenOn(http);
    expect(told).toEqual(['listening']);
    expect(boundPort(server)).toBe(port);
    await expectService(await RawPeer.connect(port));
    await server.close();
    expect(told).toEqual(['listening', 'close']);
    expect(http.listening).toBe(true);
    expect(server.address()).toBeNull();
  });
});

describe('listen', () => {
  it('takes a port alone, or all that there is to say', async () => {
    const server = createWebSocketServer();
    await server.listen(0);
    await expectService(await RawPeer.connect(boundPort(server)));
    await server.close();
    await server.listen({ port: 0, host: '127.0.0.1', backlog: 5 });
    expect(server.address()).toMatchObject({ address: '127.0.0.1', family: 'IPv4' });
    await expectService(await RawPeer.connect(boundPort(server)));
  });

  it('takes the path of a Unix socket, which is gone when the server is closed', async () => {
    const server = createWebSocketServer();
    const told = tellOf(server);
    const path = await freePath();
    await server.listen({ path });
    expect([server.address(), told, existsSync(path)]).toEqual([path, ['listening'], true]);
    const peer = new RawPeer(connectNet({ path, allowHalfOpen: true }));
    await join101(peer);
    const [socket] = server.sockets;
    expect(socket!.request.remoteAddress).toBeUndefined();
    peer.transport.destroy();
    await server.close();
    expect([server.address(), existsSync(path)]).toEqual([null, false]);
  });

  it('speaks TLS on a Unix socket too', async () => {
    const server = createWebSocketServer({ handshakeTimeout: 500, maxPendingUpgrades: 1 });
    const path = await freePath();
    await server.listen({ path, tls: TLS });
    const dial = async (): Promise<ReturnType<typeof connectNet>> => {
      const raw = connectNet({ path, allowHalfOpen: true });
      onTestFinished(() => void raw.destroy());
      await once(raw, 'connect');
      return raw;
    };
    const silent = [new RawPeer(await dial()), new RawPeer(await dial())];
    const open = await join101(await secure(await dial()));
    const closed = server.close();
    // Who does not begin is ended, and what is open stays so.
    await Promise.all(silent.map((peer) => peer.readToLeave()));
    const [socket] = server.sockets;
    await open.write(maskedFrame({ opcode: 9, payload: 'there?' }));
    expect((await open.readFrames(1))[0]!.payload.toString()).toBe('there?');
    socket!.terminate();
    await closed;
  });

  it('takes a port in digits, and rejects for any other text', async () => {
    const server = createWebSocketServer();
    await expect(server.listen('/run/socket')).rejects.toBeInstanceOf(TypeError);
    await server.listen('0', '127.0.0.1');
    await expectService(await RawPeer.connect(boundPort(server)));
  });

  it('rejects for a second one while the first is on its way', async () => {
    const server = createWebSocketServer();
    const first = server.listen(0, '127.0.0.1');
    await expect(server.listen(0, '127.0.0.1')).rejects.toThrow('listens already');
    await first;
    await expectService(await RawPeer.connect(boundPort(server)));
  });

  it('rejects for what is taken, and for what is no port, and may be called again', async () => {
    const server = createWebSocketServer();
    const told = tellOf(server);
    const path = await freePath();
    const other = createNetServer().listen(path);
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const port = await takenPort();
    await expect(server.listen(port, '127.0.0.1')).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(server.listen({ path })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(server.listen(-1)).rejects.toBeInstanceOf(RangeError);
    await expect(server.listen({ port: 0, tls: { cert: 'none' } })).rejects.toBeInstanceOf(Error);
    expect([server.address(), told]).toEqual([null, []]);
    await expectService(await RawPeer.connect(await listenLocally(server)));
    expect(told).toEqual(['listening']);
  });

  it('may be called again after each close', async () => {
    const server = createWebSocketServer();
    const told = tellOf(server);
    let port = await listenLocally(server);
    for (let i = 0; i < 3; i++) {
      await expectService(await RawPeer.connect(port));
      await server.close();
      await server.listen(port, '127.0.0.1');
      port = boundPort(server);
    }
    await server.close();
    const round = ['listening', 'close'];
    expect(told).toEqual([...round, ...round, ...round, ...round]);
  });

  it('leaves the port to others as soon as a close has begun', async () => {
    const server = createWebSocketServer();
    const port = await listenLocally(server);
    const peer = await join101(await RawPeer.connect(port));
    const closed = server.close();
    const next = createWebSocketServer();
    await vi.waitFor(() => next.listen(port, '127.0.0.1'), { interval: 2 });
    await expectService(await RawPeer.connect(port));
    peer.transport.destroy();
    await closed;
    await expectService(await RawPeer.connect(port));
  });

  it('ends, and lets nobody in, where a close comes while it is on its way', async () => {
    const server = createWebSocketServer();
    const told = tellOf(server);
    const listening = server.listen(0, '127.0.0.1');
    await Promise.all([listening, server.close()]);
    expect(server.address()).toBeNull();
    expect(told.at(-1)).toBe('close');
    await expectService(await RawPeer.connect(await listenLocally(server)));
  });

  it('rejects where a close comes while it fails, and the close resolves', async () => {
    const server = createWebSocketServer();
    const listening = server.listen(await takenPort(), '127.0.0.1');
    const [outcome] = await Promise.allSettled([listening, server.close()]);
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'EADDRINUSE' } });
  });
});

describe.each(WAYS)('the time for a handshake, on %s', (way) => {
  it('slow handshake: is one for all of it, and a head that never ends is answered with 408', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const server = createWebSocketServer({ handshakeTimeout: 8_000, maxPendingUpgrades: 1 });
    const connect = await listenBy(way, server);
    const accepting = nextAccepted();
    const peer = await connect();
    const near = await accepting;
    for (let i = 0; i < 7; i++) {
      const { bytesRead } = near;
      await peer.write('GET /cha'.slice(i, i + 1));
      while (near.bytesRead === bytesRead) await new Promise(setImmediate);
      vi.advanceTimersByTime(1_000);
    }
    expect(peer.unread.length).toBe(0);
    vi.advanceTimersByTime(1_000);
    expect((await peer.readHead()).status).toBe(408);
    // There is room again.
    await expectService(await connect());
  });
});

describe('the time for a handshake of TLS', () => {
  it('slow TLS handshake: is over for who stalls in it, and there is room for others then', async () => {
    const server = createWebSocketServer({ handshakeTimeout: 500, maxPendingUpgrades: 1 });
    await server.listen({ port: 0, host: '127.0.0.1', tls: TLS });
    const peer = await RawPeer.connect(boundPort(server));
    await peer.write(Buffer.of(0x16, 3, 1, 2, 0));
    expect((await peer.readToLeave()).length).toBe(0);
    const raw = connectNet({ port: boundPort(server), host: '127.0.0.1', allowHalfOpen: true });
    await expectService(await secure(raw));
  });
});

describe('close', () => {
  it('tells "close" once, for as many as ask while it is on its way', async () => {
    const server = createWebSocketServer();
    const told = tellOf(server);
    const peer = await join101(await RawPeer.connect(await listenLocally(server)));
    const closed = Promise.all([server.close(), server.close(), server.shutdown()]);
    expect((await peer.readFrames(1))[0]!.opcode).toBe(8);
    peer.end(maskedFrame({ opcode: 8 }));
    await closed;
    expect(told).toEqual(['listening', 'close']);
  });

  it('is what `await using` ends with, and every connection with it', async () => {
    let peer: RawPeer;
    let port: number;
    {
      await using server = new WebSocketServer({ closeTimeout: 20 });
      port = await listenLocally(server);
      peer = await join101(await RawPeer.connect(port));
    }
    expect((await peer.readFrames(1))[0]!.payload.readUInt16BE()).toBe(1001);
    await expect(RawPeer.connect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it.each(['net', 'tls', 'unix'] as const)(
    'is over on %s though a peer does not go',
    async (way) => {
      const server = createWebSocketServer({ closeTimeout: 2_000_000_000 });
      const connect = await listenBy(way, server);
      const refused = await connect();
      await refused.write(rawRequest({ Host: null }));
      expect((await refused.readHead()).status).toBe(400);
      await server.close();
      await refused.readToLeave();
    },
  );
});
