import type { EventEmitter } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { closeBody } from '../support/bytes.ts';
import { listenLocally } from '../support/open-pair.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

const mistake = new Error('a mistake of the application');

/** What an async listener is to whoever calls it. */
function rejects(): unknown {
  return Promise.reject(mistake);
}

const servers: WebSocketServer[] = [];

async function startServer(
  options: WebSocketServerOptions,
): Promise<{ server: WebSocketServer; port: number }> {
  const server = new WebSocketServer({ closeTimeout: 100, ...options });
  servers.push(server);
  return { server, port: await listenLocally(server) };
}

afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

describe('an async function of the application', () => {
  it('that rejects as a listener for "connection" closes that socket with 1011', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const { server, port } = await startServer({});
    server.on('connection', rejects);
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest());
    expect((await peer.readHead()).status).toBe(101);
    const [close] = await peer.readFrames(1);
    expect([close!.opcode, close!.payload]).toEqual([8, closeBody(1011)]);
    expect(warn.mock.calls).toEqual([[mistake]]);
  });

  it('that rejects as another listener of the server is warned of', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const { server } = await startServer({});
    const emitter: EventEmitter = server;
    emitter.on('newListener', rejects);
    server.on('connection', () => {});
    await vi.waitFor(() => expect(warn.mock.calls).toEqual([[mistake]]));
  });

  it('that should judge origins lets nobody pass: a promise is not a yes', async () => {
    const judge = (): unknown => Promise.resolve(true);
    const server: unknown = Reflect.construct(WebSocketServer, [
      { origins: judge, closeTimeout: 100 },
    ]);
    if (!(server instanceof WebSocketServer)) throw new Error('it is no server');
    servers.push(server);
    const peer = await RawPeer.connect(await listenLocally(server));
    await peer.write(rawRequest({ Origin: 'https://example.com' }));
    expect((await peer.readHead()).status).toBe(403);
  });
});

describe('an option that cannot be', () => {
  it.each([
    ['a path without a slash', { path: 'chat' }],
    ['a path with a query', { path: '/chat?a=b' }],
    ['a subprotocol that is no token', { subprotocols: ['a b'] }],
    ['a subprotocol that stands twice', { subprotocols: ['a', 'a'] }],
  ])('is refused with a TypeError: %s', (_what, options) => {
    expect(() => new WebSocketServer(options)).toThrow(TypeError);
  });
});
