import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect as connectNet } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import type { UpgradeRequest } from '../../src/server/request.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { boundPort, follow, listenBy } from '../support/open-pair.ts';
import { type FieldChanges, type RawHead, rawRequest } from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';

interface Started {
  readonly server: WebSocketServer;
  readonly accepted: ReturnType<typeof follow>;
  /** Asks with these fields. */
  readonly ask: (changes?: FieldChanges) => Promise<{ head: RawHead; peer: RawPeer }>;
}

async function start(
  options: WebSocketServerOptions,
  way: 'net' | 'tls' | 'unix' | 'http' = 'net',
): Promise<Started> {
  const server = new WebSocketServer(options);
  const accepted = follow(server);
  let connect: () => Promise<RawPeer>;
  if (way === 'http') {
    const httpServer = createServer();
    server.attach(httpServer);
    const port = await listenOn(httpServer);
    connect = () => RawPeer.connect(port);
  } else {
    connect = await listenBy(way, server);
  }
  return {
    server,
    accepted,
    async ask(changes) {
      const peer = await connect();
      await peer.write(rawRequest(changes));
      return { head: await peer.readHead(), peer };
    },
  };
}

/** What a server of these options makes of a request. */
async function known(
  options: WebSocketServerOptions,
  changes: FieldChanges,
  way?: 'net' | 'tls' | 'unix' | 'http',
): Promise<Partial<UpgradeRequest>> {
  const { ask, accepted } = await start(options, way);
  expect((await ask(changes)).head.status).toBe(101);
  const { remoteAddress, host, isSecure } = accepted[0]!.request;
  return { remoteAddress, host, isSecure };
}

const CLAIMS = {
  'X-Forwarded-For': '198.51.100.1, 192.0.2.1',
  'X-Forwarded-Host': 'a.example',
  'X-Forwarded-Proto': 'https',
  Forwarded: 'for=192.0.2.2;host=b.example;proto=https',
};
const TRUSTED = { trustedProxies: ['127.0.0.1'] };

describe.each(['net', 'tls', 'http'] as const)('on %s, what is claimed', (way) => {
  const isSecure = way === 'tls';

  it('counts for nothing where no proxy is trusted, or others are', async () => {
    const direct = { remoteAddress: '127.0.0.1', host: 'localhost', isSecure };
    expect(await known({}, CLAIMS, way)).toEqual(direct);
    expect(await known({ trustedProxies: [] }, CLAIMS, way)).toEqual(direct);
    expect(await known({ trustedProxies: ['127.0.0.2', 'unix'] }, CLAIMS, way)).toEqual(direct);
  });

  it('counts by a trusted proxy, by the fields that it writes', async () => {
    expect(await known(TRUSTED, CLAIMS, way)).toEqual({
      remoteAddress: '192.0.2.1',
      host: 'a.example',
      isSecure: true,
    });
    expect(await known({ ...TRUSTED, forwardedFields: 'forwarded' }, CLAIMS, way)).toEqual({
      remoteAddress: '192.0.2.2',
      host: 'b.example',
      isSecure: true,
    });
    expect(await known(TRUSTED, { 'X-Forwarded-For': '192.0.2.1' }, way)).toEqual({
      remoteAddress: '192.0.2.1',
      host: 'localhost',
      isSecure,
    });
  });
});

describe('what is claimed', () => {
  it('counts on a Unix socket where these are trusted', async () => {
    expect(await known({ trustedProxies: ['unix'] }, CLAIMS, 'unix')).toMatchObject({
      remoteAddress: '192.0.2.1',
    });
    expect(await known({ trustedProxies: ['127.0.0.1'] }, CLAIMS, 'unix')).toMatchObject({
      remoteAddress: undefined,
    });
  });

  it('is the same when the connection has ended', async () => {
    const { ask, accepted } = await start(TRUSTED);
    const { peer } = await ask(CLAIMS);
    const [{ log, request }] = [accepted[0]!];
    peer.transport.destroy();
    await log.until('close');
    expect(request.remoteAddress).toBe('192.0.2.1');
    expect(request.fields.get('host')).toBe('localhost');
  });

  it('is what hooks and policies are asked with', async () => {
    const origins = vi.fn<(origin: string | undefined, host: string) => boolean>(() => true);
    const { ask, server } = await start({ ...TRUSTED, origins, hosts: ['a.example'] });
    const seen: unknown[] = [];
    server.route('*', {
      upgrade: ({ remoteAddress, host }) => void seen.push(remoteAddress, host),
    });
    await ask(CLAIMS);
    expect(seen).toEqual(['192.0.2.1', 'a.example']);
    expect(origins.mock.calls).toEqual([[undefined, 'a.example']]);
    // The Host of the proxy’s own request is not what was asked for.
    expect((await ask({ ...CLAIMS, 'X-Forwarded-Host': 'localhost' })).head.status).toBe(421);
  });
});

describe("origins: 'same-origin'", () => {
  it.each([
    ['https://a.example', 101],
    ['https://a.example:443', 101],
    ['https://localhost', 403],
    ['https://b.example', 403],
    // A page that anybody on the way may have changed.
    ['http://a.example', 403],
  ])('lets a page of %s in by a proxy for https://a.example: %d', async (origin, status) => {
    const { ask } = await start(TRUSTED);
    expect((await ask({ ...CLAIMS, Origin: origin })).head.status).toBe(status);
  });

  it('does not ask for the scheme where it is not known, or is that of a proxy in between', async () => {
    const { ask } = await start(TRUSTED);
    for (const proto of ['http', null]) {
      for (const Origin of ['http://a.example', 'https://a.example']) {
        const { head } = await ask({ ...CLAIMS, 'X-Forwarded-Proto': proto, Origin });
        expect(head.status).toBe(101);
      }
    }
  });

  it('asks for Host where nobody is trusted, whatever is claimed', async () => {
    const { ask } = await start({});
    const origin = async (Origin: string): Promise<number> =>
      (await ask({ ...CLAIMS, Origin })).head.status;
    expect(await origin('https://a.example')).toBe(403);
    expect(await origin('http://localhost')).toBe(101);
  });

  it('asks for Host where the one that is told is none', async () => {
    const { ask } = await start(TRUSTED);
    const fields = { 'X-Forwarded-Host': 'a b', Origin: 'http://localhost' };
    expect((await ask(fields)).head.status).toBe(101);
  });
});

describe('maxConnectionsPerAddress', () => {
  const by = (address: string): FieldChanges => ({ 'X-Forwarded-For': address });

  it.each(['net', 'http'] as const)('counts clients and not their proxy, on %s', async (way) => {
    const { ask, accepted, server } = await start({ ...TRUSTED, maxConnectionsPerAddress: 1 }, way);
    const upgrade = vi.fn<() => undefined>();
    server.route('*', { upgrade });
    const { peer } = await ask(by('192.0.2.1'));
    expect((await ask(by('192.0.2.2'))).head.status).toBe(101);
    upgrade.mockClear();
    expect((await ask(by('198.51.100.9, 192.0.2.1'))).head.status).toBe(503);
    expect((await ask(by('192.0.2.1:4711'))).head.status).toBe(503);
    expect(upgrade).not.toHaveBeenCalled();
    peer.transport.destroy();
    await accepted[0]!.log.until('close');
    expect((await ask(by('192.0.2.1'))).head.status).toBe(101);
    expect((await ask(by('2001:db8::1'))).head.status).toBe(101);
    expect((await ask(by('2001:db8::2'))).head.status).toBe(503);
  });

  it('counts for the proxy those of whom it tells nothing', async () => {
    const { ask } = await start({ ...TRUSTED, maxConnectionsPerAddress: 1 });
    expect((await ask({})).head.status).toBe(101);
    expect((await ask(by('unknown'))).head.status).toBe(503);
  });

  it('is not got around by who is no proxy, and says so', async () => {
    const { ask, server } = await start({
      trustedProxies: ['127.0.0.2'],
      maxConnectionsPerAddress: 1,
    });
    expect((await ask(by('192.0.2.1'))).head.status).toBe(101);
    expect((await ask(by('192.0.2.2'))).head.status).toBe(503);
    const where = { port: boundPort(server), host: '127.0.0.1', localAddress: '127.0.0.2' };
    const transport = connectNet({ ...where, allowHalfOpen: true });
    onTestFinished(() => void transport.destroy());
    await once(transport, 'connect');
    const proxy = new RawPeer(transport);
    await proxy.write(rawRequest(by('192.0.2.2')));
    expect((await proxy.readHead()).status).toBe(101);
  });
});

describe('a function that decides about proxies', () => {
  it('and throws is told, and nobody is trusted', async () => {
    const mistake = new Error('a mistake of the application');
    const { ask, server, accepted } = await start({
      trustedProxies: () => {
        throw mistake;
      },
    });
    const onError = vi.fn<(error: Error) => void>();
    server.on('error', onError);
    expect((await ask(CLAIMS)).head.status).toBe(101);
    expect(accepted[0]!.request.remoteAddress).toBe('127.0.0.1');
    expect(onError).toHaveBeenCalledWith(mistake);
  });
});

describe('the PROXY protocol', () => {
  it('says who is counted, and refused', async () => {
    const server = new WebSocketServer({ ...TRUSTED, maxConnectionsPerAddress: 1 });
    const accepted = follow(server);
    await server.listen({ port: 0, host: '127.0.0.1', proxyProtocol: true });
    const ask = async (address: string): Promise<number> => {
      const peer = await RawPeer.connect(boundPort(server));
      await peer.write(`PROXY TCP4 ${address} 127.0.0.1 4711 80\r\n${rawRequest()}`);
      return (await peer.readHead()).status;
    };
    expect([await ask('192.0.2.1'), await ask('192.0.2.1')]).toEqual([101, 503]);
    expect(await ask('192.0.2.2')).toBe(101);
    expect(accepted.map(({ request }) => request.remoteAddress)).toEqual([
      '192.0.2.1',
      '192.0.2.2',
    ]);
  });
});
