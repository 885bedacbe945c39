/** What the limits that a server sets are held against: crowds from one address, and lies about that address. */
import { once } from 'node:events';
import { connect as connectNet } from 'node:net';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { LEAVE_REASON } from '../../src/connection/tenure.ts';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { closeBody, maskedFrame } from '../support/bytes.ts';
import {
  endWithTest,
  join,
  listenLocally,
  portOfServer,
  statusAt,
} from '../support/joined-peer.ts';
import { type LiveSocket, openLive } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

afterEach(() => void vi.useRealTimers());

interface Started {
  readonly server: WebSocketServer;
  readonly port: number;
  /** Those that have come, as the application sees them. */
  readonly addresses: (string | undefined)[];
}

async function start(options: WebSocketServerOptions, proxyProtocol = false): Promise<Started> {
  const server = endWithTest(new WebSocketServer(options));
  const addresses: (string | undefined)[] = [];
  server.route('/', {
    open: ({ request }) => void addresses.push(request.remoteAddress),
    message: (socket, message) => void socket.send(message),
  });
  await server.listen({ port: 0, host: '127.0.0.1', proxyProtocol });
  return { server, port: portOfServer(server), addresses };
}

/** From another address of this machine. */
async function connectFrom(localAddress: string, port: number): Promise<RawPeer> {
  const transport = connectNet({ port, host: '127.0.0.1', localAddress, allowHalfOpen: true });
  onTestFinished(() => void transport.destroy());
  await once(transport, 'connect');
  return new RawPeer(transport);
}

describe('a flood of connections', () => {
  it('connection flood: no more are open than maxConnections, and those that are do not notice', async () => {
    const { server, port } = await start({ maxConnections: 3 });
    const open = [await join(port), await join(port), await join(port)];
    for (let i = 0; i < 50; i++) expect(await statusAt(port, '/')).toBe(503);
    expect(server.sockets.size).toBe(3);
    await open[0]!.write(maskedFrame({ payload: 'still there' }));
    expect((await open[0]!.readFrames(1))[0]!.payload.toString()).toBe('still there');
    open[1]!.reset();
    await vi.waitFor(() => expect(server.sockets.size).toBe(2), { interval: 2 });
    await join(port);
  });

  it('connection flood: one address has no more than maxConnectionsPerAddress, and others have their own', async () => {
    const { port } = await start({ maxConnectionsPerAddress: 2 });
    // Who says nothing counts as well.
    await RawPeer.connect(port);
    await join(port);
    for (let i = 0; i < 50; i++) expect(await statusAt(port, '/')).toBe(503);
    const other = await connectFrom('127.0.0.2', port);
    await other.write(rawRequest());
    expect((await other.readHead()).status).toBe(101);
  });
});

describe('somebody who claims to be a proxy', () => {
  const claims = (address: string): Record<string, string> => ({
    'X-Forwarded-For': address,
    'X-Forwarded-Host': 'bank.example',
    'X-Forwarded-Proto': 'https',
    Forwarded: `for=${address};host=bank.example;proto=https`,
  });

  it.each([
    ['no proxy is trusted', {}],
    ['others are', { trustedProxies: ['192.0.2.1', '10.0.0.0/8'] }],
  ])('spoofed X-Forwarded-For: counts for nothing where %s', async (_where, options) => {
    const { port, addresses } = await start({ ...options, maxConnectionsPerAddress: 2 });
    await join(port, '/', claims('198.51.100.1'));
    await join(port, '/', claims('198.51.100.2'));
    expect(await statusAt(port, '/', claims('198.51.100.3'))).toBe(503);
    expect(addresses).toEqual(['127.0.0.1', '127.0.0.1']);
  });

  it('spoofed X-Forwarded-For: makes nobody of the same origin, and no name one of ours', async () => {
    const { port } = await start({ hosts: ['localhost'] });
    const changes = { ...claims('198.51.100.1'), Host: 'localhost' };
    const origin = { Origin: 'https://bank.example' };
    expect(await statusAt(port, '/', { ...changes, ...origin })).toBe(403);
    const hosts = { 'X-Forwarded-Host': 'localhost', Host: 'bank.example' };
    expect(await statusAt(port, '/', { ...changes, ...hosts })).toBe(421);
  });

  it.each(['198.51.100.1, 203.0.113.5', '127.0.0.1, 203.0.113.5', 'unknown, "", 203.0.113.5'])(
    'spoofed X-Forwarded-For: of %s, from a proxy that adds to what it was sent, the last counts',
    async (list) => {
      const { port, addresses } = await start({
        trustedProxies: ['loopback'],
        maxConnectionsPerAddress: 1,
      });
      await join(port, '/', { 'X-Forwarded-For': list });
      expect(addresses).toEqual(['203.0.113.5']);
      const again = { 'X-Forwarded-For': '198.51.100.77, 203.0.113.5' };
      expect(await statusAt(port, '/', again)).toBe(503);
    },
  );

  const HEADER = 'PROXY TCP4 198.51.100.1 127.0.0.1 4711 80\r\n';

  it('spoofed PROXY header: is no request where that is not spoken', async () => {
    const { port, addresses } = await start({ trustedProxies: ['loopback'] });
    const peer = await RawPeer.connect(port);
    await peer.write(`${HEADER}${rawRequest()}`);
    expect((await peer.readHead()).status).toBe(400);
    expect(addresses).toEqual([]);
  });

  it('spoofed PROXY header: from who is no proxy ends the connection, and so does none from a proxy', async () => {
    const { port, addresses } = await start({ trustedProxies: ['127.0.0.1'] }, true);
    const stranger = await connectFrom('127.0.0.2', port);
    stranger.transport.write(`${HEADER}${rawRequest()}`);
    expect((await stranger.readToLeave()).length).toBe(0);
    const proxy = await RawPeer.connect(port);
    proxy.transport.write(rawRequest());
    expect((await proxy.readToLeave()).length).toBe(0);
    expect(addresses).toEqual([]);
  });

  it('spoofed PROXY header: a second one, which a client has sent, is no request', async () => {
    const { port, addresses } = await start({ trustedProxies: ['127.0.0.1'] }, true);
    const peer = await RawPeer.connect(port);
    await peer.write(`PROXY TCP4 203.0.113.5 127.0.0.1 4711 80\r\n${HEADER}${rawRequest()}`);
    expect((await peer.readHead()).status).toBe(400);
    expect(addresses).toEqual([]);
  });
});

describe('a flood of messages', () => {
  it('message flood: is over at its rate, with 1008, and others do not notice', async () => {
    const server = new WebSocketServer({ rateLimit: { messages: 5 } });
    const got: string[] = [];
    server.on('error', () => {});
    server.route('/', {
      message(socket, message) {
        got.push(String(message));
        socket.send(message);
      },
    });
    const port = await listenLocally(server);
    const [flooder, other] = [await join(port), await join(port)];
    const flood = maskedFrame({ payload: 'x' });
    flooder.transport.write(Buffer.concat(Array.from({ length: 10_000 }, () => flood)));
    for (;;) {
      const [frame] = await flooder.readFrames(1);
      if (frame!.opcode !== 8) continue;
      expect(frame!.payload.readUInt16BE()).toBe(1008);
      break;
    }
    expect(got.length).toBeLessThan(100);
    await other.write(maskedFrame({ payload: 'still there' }));
    expect((await other.readFrames(1))[0]!.payload.toString()).toBe('still there');
  });
});

describe.each(ROLES)('a peer of a %s that only keeps its place', (role) => {
  async function answersPings(live: LiveSocket): Promise<void> {
    await live.send({ opcode: 10 });
    await live.readAll();
  }

  it.each([
    ['idleTimeout', { idleTimeout: 20_000 }, LEAVE_REASON.idle],
    ['maxLifetime', { maxLifetime: 20_000 }, LEAVE_REASON.old],
  ])('idle peer: is closed by %s, although it answers each Ping', async (_name, limit, reason) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const live = await openLive(role, {
      options: { ...limit, pingInterval: 0 },
      hooks: { message: () => {} },
    });
    for (let second = 4; second < 18; second += 4) {
      vi.advanceTimersByTime(4_000);
      await answersPings(live);
    }
    expect(live.socket.readyState).toBe(1);
    vi.advanceTimersByTime(4_000);
    expect(await live.answerClose()).toMatchObject({ payload: closeBody(1001, reason) });
  });
});
