import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type Socket as NetSocket, connect as connectNet } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type ListenOptions, readListenOptions } from '../../src/server/listener.ts';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { nextAccepted } from '../support/accepted.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { hex, maskedFrame } from '../support/bytes.ts';
import { boundPort, follow, secure } from '../support/open-pair.ts';
import { type FieldChanges, rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

const TLS = { key: KEY, cert: CERTIFICATE };
const TCP4 = 'PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\r\n';
const TCP4_BINARY = hex('0d0a0d0a000d0a515549540a 21 11 000c c0000201 7f000001 1267 0050');
const LOCAL = hex('0d0a0d0a000d0a515549540a 20 00 0000');

interface Started {
  readonly server: WebSocketServer;
  readonly accepted: ReturnType<typeof follow>;
  readonly port: number;
}

async function start(
  options: WebSocketServerOptions = {},
  where: ListenOptions = {},
): Promise<Started> {
  const server = new WebSocketServer({ trustedProxies: ['127.0.0.1'], ...options });
  const accepted = follow(server);
  await server.listen({ port: 0, host: '127.0.0.1', proxyProtocol: true, ...where });
  return { server, accepted, port: boundPort(server) };
}

async function dial(port: number, localAddress = '127.0.0.1'): Promise<NetSocket> {
  const raw = connectNet({ port, host: '127.0.0.1', localAddress, allowHalfOpen: true });
  onTestFinished(() => void raw.destroy());
  await once(raw, 'connect');
  return raw;
}

/** Asks behind a header, and by TLS where that is wanted. */
async function ask(
  { port }: Started,
  header: string | Buffer,
  changes: FieldChanges = {},
  isSecure = false,
): Promise<{ peer: RawPeer; status: number }> {
  const raw = await dial(port);
  raw.write(header);
  const peer = isSecure ? await secure(raw) : new RawPeer(raw);
  await peer.write(rawRequest(changes));
  return { peer, status: (await peer.readHead()).status };
}

describe.each([
  ['without TLS', {}],
  ['with TLS', { tls: TLS }],
])('a listener for the PROXY protocol %s', (_how, where) => {
  const isSecure = 'tls' in where;

  it.each([
    ['version 1', TCP4],
    ['version 2', TCP4_BINARY],
  ])('knows the client by a header of %s', async (_version, header) => {
    const started = await start({}, where);
    const { peer, status } = await ask(started, header, {}, isSecure);
    expect(status).toBe(101);
    const [{ request, log, socket }] = [started.accepted[0]!];
    expect([request.remoteAddress, request.isSecure]).toEqual(['192.0.2.1', isSecure]);
    await peer.write(maskedFrame({ payload: 'hello' }));
    await log.until('text hello');
    socket.send('hello to you');
    expect((await peer.readFrames(1))[0]!.payload.toString()).toBe('hello to you');
  });

  it('ends one whose header is none, or does not come', async () => {
    const { port, accepted } = await start({ handshakeTimeout: 100 }, where);
    for (const bytes of [rawRequest(), 'PROXY TCP4 192.0.2.1', '']) {
      const peer = new RawPeer(await dial(port));
      if (bytes !== '') await peer.write(bytes);
      expect((await peer.readToLeave()).length).toBe(0);
    }
    expect(accepted).toEqual([]);
  });

  it('ends at once whoever is no proxy', async () => {
    const { port } = await start({}, where);
    const peer = new RawPeer(await dial(port, '127.0.0.2'));
    expect((await peer.readToLeave()).length).toBe(0);
  });

  it('counts those as pending whose header is still to come', async () => {
    const started = await start({ maxPendingUpgrades: 1 }, where);
    const accepting = nextAccepted();
    const silent = await dial(started.port);
    const near = await accepting;
    const refused = new RawPeer(await dial(started.port));
    expect((await refused.readToLeave()).length).toBe(0);
    const gone = once(near, 'close');
    silent.end();
    await gone;
    expect((await ask(started, TCP4, {}, isSecure)).status).toBe(101);
  });

  it('counts clients and not their proxy', async () => {
    const started = await start({ maxConnectionsPerAddress: 1 }, where);
    const { peer } = await ask(started, TCP4, {}, isSecure);
    expect((await ask(started, TCP4_BINARY, {}, isSecure)).status).toBe(503);
    const other = 'PROXY TCP4 192.0.2.2 127.0.0.1 4711 80\r\n';
    expect((await ask(started, other, {}, isSecure)).status).toBe(101);
    peer.transport.destroy();
    await started.accepted[0]!.log.until('close');
    expect((await ask(started, TCP4, {}, isSecure)).status).toBe(101);
  });

  it.each([
    ['a FIN', (raw: NetSocket) => void raw.end()],
    ['a reset', (raw: NetSocket) => void raw.resetAndDestroy()],
  ])('the place of one that leaves by %s is free again, at whichever byte', async (_by, leave) => {
    const limits = { maxConnections: 1, maxConnectionsPerAddress: 1, maxPendingUpgrades: 1 };
    const started = await start(limits, where);
    // What no TLS would begin with, too: then that fails by itself.
    const bytes = Buffer.concat([TCP4_BINARY, hex('1603010200'), Buffer.from(rawRequest())]);
    for (const end of [0, 1, 16, TCP4_BINARY.length, TCP4_BINARY.length + 5, bytes.length - 1]) {
      const accepting = nextAccepted();
      const raw = await dial(started.port);
      raw.on('error', () => {});
      const near = await accepting;
      const gone = new Promise((resolve) => {
        near.once('close', resolve);
      });
      if (end > 0) await new RawPeer(raw).write(bytes.subarray(0, end));
      raw.resume();
      leave(raw);
      await gone;
    }
    expect((await ask(started, TCP4, {}, isSecure)).status).toBe(101);
  });

  it('ends those with itself whose header is still to come', async () => {
    const { server, port } = await start({}, where);
    const accepting = nextAccepted();
    const peer = new RawPeer(await dial(port));
    await accepting;
    await server.close();
    expect((await peer.readToLeave()).length).toBe(0);
  });
});

describe('behind a header of the PROXY protocol', () => {
  const claims = { 'X-Forwarded-For': '198.51.100.1' };

  it('what a request says counts only where the client is a trusted proxy itself', async () => {
    const started = await start({ trustedProxies: ['127.0.0.1', '192.0.2.9'] });
    await ask(started, TCP4, claims);
    await ask(started, 'PROXY TCP4 192.0.2.9 127.0.0.1 4711 80\r\n', claims);
    const addresses = started.accepted.map(({ request }) => request.remoteAddress);
    expect(addresses).toEqual(['192.0.2.1', '198.51.100.1']);
  });

  it('that names nobody, nobody is believed, and the proxy is the client', async () => {
    const started = await start();
    await ask(started, LOCAL, claims);
    await ask(started, 'PROXY UNKNOWN\r\n', claims);
    const addresses = started.accepted.map(({ request }) => request.remoteAddress);
    expect(addresses).toEqual(['127.0.0.1', '127.0.0.1']);
  });

  it('the handshake of TLS has the time that the header has left', async () => {
    const { port, accepted } = await start({ handshakeTimeout: 200 }, { tls: TLS });
    const raw = await dial(port);
    const peer = new RawPeer(raw);
    await peer.write(TCP4);
    expect((await peer.readToLeave()).length).toBe(0);
    expect(accepted).toEqual([]);
  });

  it('each handshake of TLS has its own client, also of two from the same port to two addresses of ours', async () => {
    const { port, accepted } = await start({}, { tls: TLS, host: '0.0.0.0' });
    const first = await dial(port);
    const localPort = first.localPort!;
    const second = connectNet({ port, host: '127.0.0.2', localAddress: '127.0.0.1', localPort });
    onTestFinished(() => void second.destroy());
    await once(second, 'connect');
    first.write(TCP4);
    second.write('PROXY TCP4 192.0.2.2 127.0.0.2 4711 80\r\n');
    // The second to come is the first whose handshake is over.
    for (const raw of [second, first]) {
      const peer = await secure(raw);
      await peer.write(rawRequest());
      expect((await peer.readHead()).status).toBe(101);
    }
    const addresses = accepted.map(({ request }) => request.remoteAddress);
    expect(addresses).toEqual(['192.0.2.2', '192.0.2.1']);
  });

  it('what comes is read whole, however it was cut', async () => {
    const { port, accepted } = await start();
    const bytes = Buffer.from(`${TCP4}${rawRequest()}`);
    const peer = new RawPeer(await dial(port));
    for (let at = 0; at < bytes.length; at += 7) {
      await peer.write(bytes.subarray(at, at + 7));
      await new Promise(setImmediate);
    }
    expect((await peer.readHead()).status).toBe(101);
    expect(accepted[0]!.request.remoteAddress).toBe('192.0.2.1');
  });
});

describe('the PROXY protocol', () => {
  it('may be spoken on a Unix socket, where that is trusted', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'unix-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const path = join(folder, 'socket');
    const server = new WebSocketServer({ trustedProxies: ['unix'] });
    const accepted = follow(server);
    await server.listen({ path, proxyProtocol: true });
    const raw = connectNet({ path });
    onTestFinished(() => void raw.destroy());
    await once(raw, 'connect');
    const peer = new RawPeer(raw);
    await peer.write(`${TCP4}${rawRequest()}`);
    expect((await peer.readHead()).status).toBe(101);
    expect(accepted[0]!.request.remoteAddress).toBe('192.0.2.1');
  });

  it('needs proxies that are trusted', async () => {
    const server = new WebSocketServer();
    const listening = server.listen({ port: 0, proxyProtocol: true });
    await expect(listening).rejects.toThrow(/trustedProxies/);
    await expect(listening).rejects.toBeInstanceOf(TypeError);
    expect(server.address()).toBeNull();
  });

  it('is spoken or not, and not with TLS on a Unix socket', () => {
    const read = (options: object): unknown =>
      Reflect.apply(readListenOptions, undefined, [options, undefined]);
    expect(() => read({ proxyProtocol: 'v1' })).toThrow(TypeError);
    expect(() => read({ proxyProtocol: true, path: '/x', tls: TLS })).toThrow(/not a path/);
    expect(read({ proxyProtocol: false, path: '/x', tls: TLS })).toMatchObject({ path: '/x' });
  });

  it('is not asked for by default: then its header is no request', async () => {
    const server = new WebSocketServer({ trustedProxies: ['127.0.0.1'] });
    follow(server);
    await server.listen(0, '127.0.0.1');
    const peer = new RawPeer(await dial(boundPort(server)));
    await peer.write(TCP4);
    expect((await peer.readHead()).status).toBe(400);
  });

  it('tells a function of the application about each proxy', async () => {
    const trustedProxies = vi.fn<(address: string | undefined) => boolean>(
      (address) => address === '127.0.0.1',
    );
    const started = await start({ trustedProxies });
    await ask(started, TCP4);
    const asked = new Set(trustedProxies.mock.calls.map(([address]) => address));
    expect(asked).toEqual(new Set(['127.0.0.1', '192.0.2.1']));
  });
});
