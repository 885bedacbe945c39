import { once } from 'node:events';
import {
  type ListenOptions,
  type Socket,
  type UpgradeRequest,
  WebSocketServer,
  connect,
} from 'tautline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { ExampleProcess } from './example-process.ts';
import { type Changes, type Haproxy, startHaproxy } from './haproxy-process.ts';

const FILE = 'examples/behind-haproxy.mjs';

interface Started {
  readonly server: ExampleProcess;
  readonly haproxy: Haproxy;
}

async function start(
  variables: Readonly<Record<string, string>> = {},
  changes: Changes = {},
  certificate: string | null = null,
): Promise<Started> {
  const server = await ExampleProcess.start(FILE, { TCP_PORT: '0', ...variables });
  const tcpPort = Number(await server.printed(/^behind TCP on ws:\/\/127\.0\.0\.1:(\d+)/m));
  const backends = { httpPort: server.port, tcpPort };
  return { server, haproxy: await startHaproxy(backends, changes, certificate) };
}

/** Lets a server of this process listen, as what stands behind HAProxy. */
async function listen(server: WebSocketServer, options: ListenOptions): Promise<Haproxy> {
  onTestFinished(() => server.close());
  await server.listen({ port: 0, host: '127.0.0.1', ...options });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return { httpPort: address.port, tcpPort: address.port };
}

async function expectEcho(socket: Socket): Promise<void> {
  const messages = socket[Symbol.asyncIterator]();
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 1024 * 1024]) {
    const text = 'é'.repeat(size / 2) + '.'.repeat(size % 2);
    const bytes = Buffer.alloc(size, 'bytes');
    socket.send(text);
    socket.send(bytes);
    expect((await messages.next()).value === text).toBe(true);
    const { value } = await messages.next();
    expect(Buffer.isBuffer(value) && value.equals(bytes)).toBe(true);
  }
  expect(await socket.close(4000)).toEqual({ code: 4000, reason: '', wasClean: true });
}

describe('examples/behind-haproxy.mjs, behind examples/haproxy/haproxy.cfg', () => {
  it.each(['httpPort', 'tcpPort'] as const)('echoes 0 to 1 MiB, in order, by %s', async (way) => {
    const { server, haproxy } = await start();
    await expectEcho(await connect(`ws://127.0.0.1:${haproxy[way]}/echo`));
    expect(await server.stop()).toBe('0: ');
  });

  it.each(['httpPort', 'tcpPort'] as const)('echoes by TLS too, by %s', async (way) => {
    const { server, haproxy } = await start({}, {}, KEY + CERTIFICATE);
    const url = `wss://localhost:${haproxy[way]}/echo`;
    await expectEcho(await connect(url, { tls: { ca: CERTIFICATE } }));
    const scheme = way === 'httpPort' ? 'https' : 'http';
    expect(await server.printed(/^.* came by .*$/m)).toBe(`127.0.0.1 came by ${scheme}`);
    expect(await server.stop()).toBe('0: ');
  });

  it.each<[string, 'httpPort' | 'tcpPort', Changes]>([
    ['X-Forwarded-For', 'httpPort', {}],
    ['version 2 of the PROXY protocol', 'tcpPort', {}],
    ['version 1 of it', 'tcpPort', { 'send-proxy-v2': 'send-proxy' }],
  ])('knows the client by %s, and not by what it says itself', async (_what, way, changes) => {
    const { server, haproxy } = await start({}, changes);
    const headers = {
      'X-Forwarded-For': '192.0.2.1',
      'X-Forwarded-Proto': 'https',
      Forwarded: 'for=192.0.2.2',
    };
    // The address of HAProxy is another.
    const client = new WebSocket(`ws://127.0.0.1:${haproxy[way]}/echo`, {
      headers,
      localAddress: '127.0.0.2',
    });
    await once(client, 'open');
    expect(await server.printed(/^.* came by .*$/m)).toBe('127.0.0.2 came by http');
    client.close();
    await once(client, 'close');
    expect(await server.stop()).toBe('0: ');
  });

  it('knows it by Forwarded too, where HAProxy writes that', async () => {
    const server = new WebSocketServer({
      trustedProxies: ['127.0.0.1'],
      forwardedFields: 'forwarded',
    });
    const backends = await listen(server, {});
    const { httpPort } = await startHaproxy(backends, {
      'del-header Forwarded': 'set-header Forwarded for=%[src];proto=https;host=a.example',
    });
    const accepted = once(server, 'connection');
    const client = new WebSocket(`ws://127.0.0.1:${httpPort}/`, {
      headers: { Forwarded: 'for=192.0.2.1', 'X-Forwarded-For': '192.0.2.2' },
      localAddress: '127.0.0.2',
    });
    await once(client, 'open');
    const [, request]: UpgradeRequest[] = await accepted;
    const { remoteAddress, host, isSecure } = request!;
    expect([remoteAddress, host, isSecure]).toEqual(['127.0.0.2', 'a.example', true]);
    client.close();
    await once(client, 'close');
  });

  it.each(['send-proxy', 'send-proxy-v2'])(
    'knows it by %s before TLS that is ours',
    async (send) => {
      const server = new WebSocketServer({ trustedProxies: ['127.0.0.1'] });
      const tls = { key: KEY, cert: CERTIFICATE };
      const backends = await listen(server, { tls, proxyProtocol: true });
      const { tcpPort } = await startHaproxy(backends, { 'send-proxy-v2': send });
      const accepted = once(server, 'connection');
      const client = new WebSocket(`wss://127.0.0.1:${tcpPort}/`, {
        ca: CERTIFICATE,
        localAddress: '127.0.0.2',
      });
      await once(client, 'open');
      const [, request]: UpgradeRequest[] = await accepted;
      expect([request!.remoteAddress, request!.isSecure]).toEqual(['127.0.0.2', true]);
      client.close();
      await once(client, 'close');
    },
  );

  it('lets pages of the address of HAProxy in, and no others', async () => {
    const { server, haproxy } = await start();
    const url = `ws://127.0.0.1:${haproxy.httpPort}/echo`;
    await connect(url, { origin: `http://127.0.0.1:${haproxy.httpPort}` });
    for (const origin of ['http://example.com', `http://127.0.0.1:${server.port}`]) {
      await expect(connect(url, { origin })).rejects.toMatchObject({ status: 403 });
    }
    expect(await server.stop()).toBe('0: ');
  });

  it('keeps a silent connection by its Pings, which HAProxy would end', async () => {
    const changes = { 'timeout tunnel 75s': 'timeout tunnel 2s' };
    const [kept, silent] = await Promise.all([
      start({ PING_INTERVAL: '500' }, changes),
      start({ PING_INTERVAL: '0' }, changes),
    ]);
    const urlOf = ({ haproxy }: Started): string => `ws://127.0.0.1:${haproxy.httpPort}/echo`;
    const socket = await connect(urlOf(kept), { pingInterval: 0 });
    const cut = await connect(urlOf(silent), { pingInterval: 0 });
    expect(await cut.closed).toMatchObject({ code: 1006, wasClean: false });
    // The next one comes after more than the timeout of HAProxy, whenever the first one did.
    for (let i = 0; i < 6; i++) await once(socket, 'ping');
    socket.send('still there?');
    expect(await once(socket, 'message')).toEqual(['still there?', false]);
    expect(await socket.close()).toMatchObject({ wasClean: true });
    expect(await Promise.all([kept.server.stop(), silent.server.stop()])).toEqual(['0: ', '0: ']);
  });
});
