import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { Socket as NetSocket, connect as connectNet } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import type { UpgradeRequest } from '../../src/server/request.ts';
import { next, refuse } from '../../src/server/route.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { nextAccepted } from '../support/accepted.ts';
import { maskedFrame } from '../support/bytes.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { boundPort, follow, listenBy, secure } from '../support/open-pair.ts';
import { RawHead, rawRequest } from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

type Way = 'net' | 'tls' | 'unix' | 'http';
const WAYS: readonly Way[] = ['net', 'tls', 'unix', 'http'];

interface Started {
  readonly server: WebSocketServer;
  readonly accepted: ReturnType<typeof follow>;
  readonly connect: () => Promise<RawPeer>;
}

async function start(way: Way, options: WebSocketServerOptions): Promise<Started> {
  const server = new WebSocketServer(options);
  const accepted = follow(server);
  if (way !== 'http') return { server, accepted, connect: await listenBy(way, server) };
  const httpServer = createServer();
  server.attach(httpServer);
  const port = await listenOn(httpServer);
  return { server, accepted, connect: () => RawPeer.connect(port) };
}

interface Begun {
  readonly peer: RawPeer;
  /** The server's own end is gone. */
  readonly gone: Promise<void>;
}

/** Connects, and asks at once. */
async function begin({ connect }: Started, request = rawRequest()): Promise<Begun> {
  const accepting = nextAccepted();
  const peer = await connect();
  const near = await accepting;
  const gone = new Promise<void>((resolve) => {
    near.once('close', () => resolve());
  });
  if (request !== '') await peer.write(request);
  return { peer, gone };
}

/** The status with which a server answers; where it refuses, the end is waited for. */
async function ask(started: Started, request?: string): Promise<number> {
  const { peer, gone } = await begin(started, request);
  const { status } = await peer.readHead();
  if (status === 101) return status;
  await peer.readToEnd();
  peer.end();
  await gone;
  return status;
}

/** Opens a connection, and returns what ends it. */
async function open(started: Started): Promise<() => Promise<void>> {
  const { peer, gone } = await begin(started);
  expect((await peer.readHead()).status).toBe(101);
  const socket = started.accepted.at(-1)!;
  return async () => {
    peer.transport.destroy();
    await gone;
    await socket.log.until('close');
  };
}

describe.each(WAYS)('maxConnections, on %s', (way) => {
  // Before TLS there is nobody to answer, and so it is not answered.
  const isAnswered = way !== 'tls';

  async function expectFull(started: Started): Promise<void> {
    if (isAnswered) expect(await ask(started)).toBe(503);
    else await expect(started.connect()).rejects.toMatchObject({ code: 'ECONNRESET' });
  }

  it('lets no more in than that, before a hook is asked, until one of them has ended', async () => {
    const started = await start(way, { maxConnections: 2 });
    const upgrade = vi.fn<() => undefined>();
    started.server.route('*', { upgrade });
    const [endFirst, endSecond] = [await open(started), await open(started)];
    upgrade.mockClear();
    await expectFull(started);
    await expectFull(started);
    expect(upgrade).not.toHaveBeenCalled();
    await endFirst();
    await open(started);
    await expectFull(started);
    await endSecond();
    await open(started);
  });

  it('counts those that are in their handshake', async () => {
    const started = await start(way, { maxConnections: 2 });
    let decide: (() => void) | undefined;
    const asked = new Promise<void>((resolve) => {
      started.server.route('/slow', {
        upgrade: () =>
          new Promise<undefined>((accept) => {
            decide = () => accept(undefined);
            resolve();
          }),
      });
    });
    started.server.route('*', {});
    const end = await open(started);
    const { peer } = await begin(started, rawRequest({}, 'GET /slow HTTP/1.1'));
    await asked;
    await expectFull(started);
    decide!();
    expect((await peer.readHead()).status).toBe(101);
    await expectFull(started);
    await end();
    await open(started);
  });
});

describe('maxConnections', () => {
  it('counts all together: what an http server hands over, and who is in the handshake of TLS', async () => {
    const started = await start('tls', { maxConnections: 2 });
    const httpServer = createServer();
    started.server.attach(httpServer);
    const port = await listenOn(httpServer);
    const byHttp = { ...started, connect: () => RawPeer.connect(port) };
    const raw = { ...started, connect: () => RawPeer.connect(boundPort(started.server)) };
    const silent = await begin(raw, '');
    const end = await open(byHttp);
    expect(await ask(byHttp)).toBe(503);
    await expect(started.connect()).rejects.toMatchObject({ code: 'ECONNRESET' });
    await end();
    expect(await ask(byHttp)).toBe(101);
    expect(await ask(byHttp)).toBe(503);
    silent.peer.reset();
    await silent.gone;
    expect(await ask(byHttp)).toBe(101);
    expect(await ask(byHttp)).toBe(503);
  });

  it('counts behind the handshake of TLS on a Unix socket, where nobody knows who is in it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'unix-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const path = join(folder, 'socket');
    const server = new WebSocketServer({ maxConnections: 1 });
    const accepted = follow(server);
    await server.listen({ path, tls: { key: KEY, cert: CERTIFICATE } });
    const raws = [connectNet({ path }), connectNet({ path })];
    await Promise.all(raws.map((raw) => once(raw, 'connect')));
    const [first, second] = [await secure(raws[0]!), await secure(raws[1]!)];
    await first.write(rawRequest());
    expect((await first.readHead()).status).toBe(101);
    expect((await second.readHead()).status).toBe(503);
    expect(accepted.length).toBe(1);
  });
});

/** By a reset, where the transport has one. */
function leave(peer: RawPeer): void {
  const { transport } = peer;
  if (transport instanceof NetSocket && transport.remotePort === undefined) transport.destroy();
  else peer.reset();
}

/** Tells that a hook was asked that never decides. */
const ASKED = new EventEmitter();

/** Each way in which a connection can end, or come to nothing. */
const ENDS: readonly [string, (started: Started) => Promise<unknown>][] = [
  ['is malformed', (started) => ask(started, rawRequest({ 'Sec-WebSocket-Key': 'x' }))],
  ['comes from another origin', (started) => ask(started, rawRequest({ Origin: 'null' }))],
  ['has no route', (started) => ask(started, rawRequest({}, 'GET /nowhere HTTP/1.1'))],
  ['is refused', (started) => ask(started, rawRequest({}, 'GET /refused HTTP/1.1'))],
  ['is refused later', (started) => ask(started, rawRequest({}, 'GET /later HTTP/1.1'))],
  ['has a hook that throws', (started) => ask(started, rawRequest({}, 'GET /throws HTTP/1.1'))],
  [
    'is ended by its hook',
    async (started) => await (await begin(started, rawRequest({}, 'GET /cut HTTP/1.1'))).gone,
  ],
  [
    'is ended by the event',
    async (started) => await (await begin(started, rawRequest({}, 'GET /dead HTTP/1.1'))).gone,
  ],
  [
    'is reset',
    async (started) => {
      const { peer, gone } = await begin(started);
      await peer.readHead();
      leave(peer);
      await gone;
    },
  ],
  [
    'leaves while its hook decides',
    async (started) => {
      const { peer, gone } = await begin(started, rawRequest({}, 'GET /never HTTP/1.1'));
      await once(ASKED, 'never');
      leave(peer);
      await gone;
    },
  ],
  [
    'breaks the protocol',
    async (started) => {
      const { peer, gone } = await begin(started);
      await peer.readHead();
      await peer.write(maskedFrame({ rsv: 7 }));
      await peer.readToEnd();
      peer.end();
      await gone;
    },
  ],
  [
    'closes',
    async (started) => {
      const { peer, gone } = await begin(started);
      await peer.readHead();
      await peer.write(maskedFrame({ opcode: 8 }));
      await peer.readToEnd();
      peer.end();
      await gone;
    },
  ],
];

function addRoutes(server: WebSocketServer): void {
  server.on('error', () => {});
  server.on('connection', (socket, { path }) => {
    if (path === '/dead') socket.terminate();
  });
  server.route('/refused', { upgrade: () => refuse(401) });
  server.route('/later', { upgrade: async () => await Promise.resolve(refuse(401)) });
  server.route('/throws', {
    upgrade() {
      throw new Error('a mistake of the application');
    },
  });
  server.route('/cut', { upgrade: ({ socket }) => void socket.destroy() });
  server.route('/never', {
    upgrade() {
      process.nextTick(() => ASKED.emit('never'));
      return new Promise<undefined>(() => {});
    },
  });
  server.route('/dead', {});
  server.route('/', {});
}

describe.each(WAYS)('on %s', (way) => {
  it.each(ENDS)('the place of one that %s is free again', async (_how, end) => {
    const started = await start(way, { maxConnections: 1, maxConnectionsPerAddress: 1 });
    addRoutes(started.server);
    for (let i = 0; i < 3; i++) await end(started);
    await vi.waitFor(() => expect(started.server.sockets.size).toBe(0), { interval: 2 });
    expect(await ask(started)).toBe(101);
  });
});

describe('a place', () => {
  it('is free again when somebody else takes the request', async () => {
    const httpServer = createServer();
    const server = new WebSocketServer({ maxConnections: 1, maxConnectionsPerAddress: 1 });
    const accepted = follow(server);
    server.route('/', {});
    server.route('/other', { upgrade: () => next() });
    server.attach(httpServer);
    const taken: Duplex[] = [];
    httpServer.on('upgrade', ({ url }: UpgradeRequest, transport: Duplex) => {
      if (url !== '/other') return;
      taken.push(transport);
      transport.write('HTTP/1.1 200 OK\r\n\r\n');
    });
    const port = await listenOn(httpServer);
    const started = { server, accepted, connect: () => RawPeer.connect(port) };
    for (let i = 0; i < 3; i++) {
      const { peer } = await begin(started, rawRequest({}, 'GET /other HTTP/1.1'));
      expect((await peer.readHead()).status).toBe(200);
    }
    expect(await ask(started)).toBe(101);
    for (const transport of taken) transport.destroy();
  });

  it('is free again when the time of its handshake is over', async () => {
    const options = { maxConnections: 1, maxConnectionsPerAddress: 1, handshakeTimeout: 50 };
    const started = await start('net', options);
    const { peer, gone } = await begin(started, 'GET / HTTP/1.1\r\n');
    expect((await peer.readHead()).status).toBe(408);
    peer.transport.destroy();
    await gone;
    expect(await ask(started)).toBe(101);
  });

  it('of one that has left before it was handed over is not taken', async () => {
    const server = new WebSocketServer({ maxConnections: 1, maxConnectionsPerAddress: 1 });
    const accepted = follow(server);
    const httpServer = createServer();
    httpServer.on('upgrade', (request, transport, head) => {
      if (request.url === '/') void server.handleUpgrade(request, transport, head);
      else {
        transport.destroy();
        void server.handleUpgrade(request, transport, head);
      }
    });
    const port = await listenOn(httpServer);
    const started = { server, accepted, connect: () => RawPeer.connect(port) };
    for (let i = 0; i < 2; i++) {
      await (
        await begin(started, rawRequest({}, 'GET /dead HTTP/1.1'))
      ).gone;
    }
    expect(await ask(started)).toBe(101);
    expect(await ask(started)).toBe(503);
  });
});

describe('maxConnectionsPerAddress', () => {
  /** Asks from another address of this machine. */
  function from(started: Started, localAddress: string): Started {
    const port = boundPort(started.server);
    return {
      ...started,
      async connect() {
        const transport = connectNet({
          port,
          host: '127.0.0.1',
          localAddress,
          allowHalfOpen: true,
        });
        onTestFinished(() => void transport.destroy());
        await once(transport, 'connect');
        return new RawPeer(transport);
      },
    };
  }

  it('lets no more of one address in, and others all the same', async () => {
    const started = await start('net', { maxConnectionsPerAddress: 2 });
    const other = from(started, '127.0.0.2');
    const [end] = [await open(started), await open(started)];
    expect(await ask(started)).toBe(503);
    await open(other);
    const endOther = await open(other);
    expect([await ask(started), await ask(other)]).toEqual([503, 503]);
    await endOther();
    expect([await ask(started), await ask(other)]).toEqual([503, 101]);
    await end();
    expect([await ask(started), await ask(other)]).toEqual([101, 503]);
  });

  it('counts who has not asked for anything yet, and answers the next before it does', async () => {
    const started = await start('net', { maxConnectionsPerAddress: 1 });
    const { peer, gone } = await begin(started, '');
    const refused = await begin(started, '');
    expect((await refused.peer.readHead()).status).toBe(503);
    expect(await ask(from(started, '127.0.0.2'))).toBe(101);
    peer.transport.destroy();
    await gone;
    expect(await ask(started)).toBe(101);
  });

  it('counts who is in the handshake of TLS', async () => {
    const started = await start('tls', { maxConnectionsPerAddress: 1 });
    const raw = from(started, '127.0.0.1');
    const silent = await begin(raw, '');
    const refused = await begin(raw, '');
    expect((await refused.peer.readToLeave()).length).toBe(0);
    silent.peer.transport.destroy();
    await silent.gone;
    const end = await open(started);
    await expect(started.connect()).rejects.toMatchObject({ code: 'ECONNRESET' });
    await end();
    await open(started);
  });

  it('is no limit on a Unix socket, where nobody has an address', async () => {
    const started = await start('unix', { maxConnectionsPerAddress: 1 });
    expect([await ask(started), await ask(started)]).toEqual([101, 101]);
  });
});

describe('who is refused before a word was said', () => {
  it('hears so although its request comes after that', async () => {
    const started = await start('net', { maxConnections: 1 });
    await open(started);
    const { peer, gone } = await begin(started, '');
    const head = await peer.readHead();
    expect([head.status, ...head.getAll('retry-after')]).toEqual([503]);
    await peer.write(rawRequest());
    expect((await peer.readToEnd()).toString()).toMatch(/^there are maxConnections already/);
    peer.end();
    await gone;
  });

  it('keeps no place for long: where many are, the next is ended at once', async () => {
    const started = await start('net', { maxConnections: 1, maxPendingUpgrades: 2 });
    await open(started);
    const patient = [await begin(started, ''), await begin(started, '')];
    for (const { peer } of patient) await peer.readToEnd();
    const { peer, gone } = await begin(started, '');
    expect(new RawHead((await peer.readToLeave()).toString()).status).toBe(503);
    // It has not ended its own side.
    await gone;
    for (const one of patient) {
      one.peer.end();
      await one.gone;
    }
  });
});

describe('who is refused when it has asked', () => {
  it('keeps no place for long either: where many are, the next is ended at once', async () => {
    const started = await start('net', { maxPendingUpgrades: 2, closeTimeout: 60_000 });
    const malformed = rawRequest({ 'Sec-WebSocket-Key': 'x' });
    for (let i = 0; i < 2; i++) {
      const { peer } = await begin(started, malformed);
      expect((await peer.readHead()).status).toBe(400);
    }
    const { peer, gone } = await begin(started, malformed);
    expect((await peer.readHead()).status).toBe(400);
    // It has not ended its own side.
    await gone;
  });
});

/** As it is when the peer was gone before the server came to accept it, with its request in the kernel. */
function leaveBeforeAccepted(): void {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what Node asks the kernel by.
  const prototype = NetSocket.prototype as unknown as { _getpeername(): object };
  vi.spyOn(prototype, '_getpeername').mockReturnValue({});
}

describe.each(['net', 'tls', 'http'] as const)('who left before it was accepted, on %s', (way) => {
  it.each<WebSocketServerOptions>([{ maxConnectionsPerAddress: 1 }, { trustedProxies: ['unix'] }])(
    'is nobody of whom a hook is asked, with %j',
    async (options) => {
      const started = await start(way, options);
      const upgrade = vi.fn<() => undefined>();
      started.server.route('*', { upgrade });
      leaveBeforeAccepted();
      const asking = begin(started).then(async ({ peer }) => await peer.readToLeave());
      // Before TLS it has no chance to say anything.
      const said = await asking.catch(() => null);
      expect(said?.length ?? 0).toBe(0);
      expect(upgrade).not.toHaveBeenCalled();
      vi.restoreAllMocks();
      expect(await ask(started)).toBe(101);
    },
  );
});

describe('who has no address', () => {
  it('comes in on a Unix socket, with all limits and proxies', async () => {
    const started = await start('unix', { maxConnectionsPerAddress: 1, trustedProxies: [] });
    expect([await ask(started), await ask(started)]).toEqual([101, 101]);
  });
});
