import { afterEach, describe, expect, it, vi } from 'vitest';
import type { AnyServerSocket } from '../../src/server/server-socket.ts';
import type { UpgradeRequest } from '../../src/server/request.ts';
import { next, refuse } from '../../src/server/route.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { follow, listenLocally } from '../support/open-pair.ts';
import { RawHead, SAMPLE_ACCEPT, rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

afterEach(() => void vi.restoreAllMocks());

type Hook = (request: UpgradeRequest) => unknown;

/** Adds a route as a caller without types may write it. */
function addRoute(server: WebSocketServer, pattern: string, hooks: object): void {
  const route: unknown = Reflect.get(server, 'route');
  if (typeof route === 'function') Reflect.apply(route, server, [pattern, hooks]);
}

/** Each way in which a hook may give its result. */
const TIMES: readonly [string, (result: () => unknown) => Hook][] = [
  ['at once', (result) => () => result()],
  ['as a promise that is there', (result) => async () => await Promise.resolve(result())],
  [
    'later',
    (result) => async () => {
      await new Promise(setImmediate);
      return result();
    },
  ],
  [
    'as a thenable of its own',
    (result) => () => ({
      // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
      then: (resolve: (value: unknown) => void) => resolve(result()),
    }),
  ],
];

interface Answered {
  readonly head: RawHead;
  readonly body: string;
}

async function askAt(port: number, request: string = rawRequest()): Promise<Answered> {
  const peer = await RawPeer.connect(port);
  await peer.write(request);
  const head = await peer.readHead();
  if (head.status === 101) return { head, body: '' };
  const body = (await peer.readToEnd()).toString();
  peer.end();
  await peer.closed();
  return { head, body };
}

/** A server with one route for all. */
async function serve(
  upgrade: Hook,
  more: object = {},
  options: ConstructorParameters<typeof WebSocketServer>[0] = {},
): Promise<{ server: WebSocketServer; port: number; accepted: ReturnType<typeof follow> }> {
  const server = new WebSocketServer(options);
  const accepted = follow(server);
  addRoute(server, '*', { ...more, upgrade });
  return { server, accepted, port: await listenLocally(server) };
}

describe.each(TIMES)('a hook that gives its result %s', (_when, give) => {
  it('accepts with nothing at all, and with an empty object', async () => {
    for (const result of [undefined, {}]) {
      const { port, accepted } = await serve(give(() => result));
      const { head } = await askAt(port);
      expect([head.startLine, ...head.fields]).toEqual([
        'HTTP/1.1 101 Switching Protocols',
        ['upgrade', 'websocket'],
        ['connection', 'Upgrade'],
        ['sec-websocket-accept', SAMPLE_ACCEPT],
      ]);
      expect(accepted[0]!.socket.data).toBeUndefined();
    }
  });

  it('gives the socket its data, the same object', async () => {
    const data = { user: 'Ada' };
    const { port, accepted } = await serve(give(() => ({ data })));
    await askAt(port);
    expect(accepted[0]!.socket.data).toBe(data);
  });

  it('adds fields and cookies to the answer, each as often as it is given', async () => {
    const result = {
      headers: { 'X-One': '1', 'X-Many': ['2', '3'] },
      cookies: { sid: 'abc', theme: { value: 'dark', path: '/', httpOnly: true } },
    };
    const { port } = await serve(give(() => result));
    const { head } = await askAt(port);
    expect(head.status).toBe(101);
    expect(head.fields.slice(3)).toEqual([
      ['x-one', '1'],
      ['x-many', '2'],
      ['x-many', '3'],
      ['set-cookie', expect.stringMatching(/^sid=abc(?:;|$)/)],
      ['set-cookie', expect.stringMatching(/^theme=dark; (?=.*Path=\/)(?=.*HttpOnly)/)],
    ]);
  });

  it('adds cookies beside Set-Cookie fields of its own', async () => {
    const result = { headers: [['Set-Cookie', 'a=1']], cookies: { b: '2' } };
    const { port } = await serve(give(() => result));
    const { head } = await askAt(port);
    const cookies = head.getAll('set-cookie').map((cookie) => cookie.split(';')[0]);
    expect(cookies).toEqual(['a=1', 'b=2']);
  });

  it('refuses with its status, fields and body, and opens no socket', async () => {
    const { server, port, accepted } = await serve(
      give(() => refuse(401, { 'WWW-Authenticate': 'Basic realm="x"' }, 'wer da? 🌍')),
    );
    const { head, body } = await askAt(port);
    expect([head.status, head.getAll('www-authenticate'), body]).toEqual([
      401,
      ['Basic realm="x"'],
      'wer da? 🌍',
    ]);
    expect(head.getAll('connection')).toEqual(['close']);
    expect(accepted).toEqual([]);
    expect(server.sockets.size).toBe(0);
  });

  it('sends elsewhere, by a status of 3xx with its Location', async () => {
    const { port } = await serve(give(() => refuse(307, { Location: 'wss://other.example/' })));
    const { head, body } = await askAt(port);
    expect([head.status, head.getAll('location'), body]).toEqual([
      307,
      ['wss://other.example/'],
      '',
    ]);
  });

  it('leaves the request to the route behind its own, and so on to 404', async () => {
    const server = new WebSocketServer();
    const accepted = follow(server);
    const asked: string[] = [];
    const route = (name: string, pattern: string, result: () => unknown): void => {
      const decide = give(result);
      const upgrade: Hook = (request) => {
        asked.push(`${name} ${JSON.stringify(request.params)}`);
        return decide(request);
      };
      addRoute(server, pattern, { upgrade });
    };
    route('first', '/chat/:room', () => next());
    route('other', '/files/*', () => ({}));
    route('second', '/:place/7', () => next());
    route('third', '/chat/*', () => ({ data: 'third' }));
    const port = await listenLocally(server);
    expect((await askAt(port, rawRequest({}, 'GET /chat/7 HTTP/1.1'))).head.status).toBe(101);
    expect(accepted[0]!.socket.data).toBe('third');
    expect(asked).toEqual(['first {"room":"7"}', 'second {"place":"chat"}', 'third {"*":"7"}']);
    expect((await askAt(port, rawRequest({}, 'GET /users/7 HTTP/1.1'))).head.status).toBe(404);
    expect(asked.at(-1)).toBe('second {"place":"users"}');
    expect((await askAt(port, rawRequest({}, 'GET /none HTTP/1.1'))).head.status).toBe(404);
    expect(asked.length).toBe(4);
  });

  it.each([
    ['false', false],
    ['null', null],
    ['a number', 5],
    ['a string', '/'],
    ['true', true],
    ['a function', () => ({})],
    ['a symbol', Symbol('yes')],
  ])(
    'is answered with 500 for %s, which is told, and the server goes on',
    async (_what, result) => {
      const { server, port, accepted } = await serve(give(() => result));
      const onError = vi.fn<(...values: unknown[]) => void>();
      server.on('error', onError);
      for (let i = 1; i <= 2; i++) {
        expect((await askAt(port)).head.status).toBe(500);
        expect(onError.mock.calls.length).toBe(i);
        expect(onError.mock.calls[0]).toEqual([expect.any(TypeError)]);
      }
      expect(accepted).toEqual([]);
    },
  );

  it.each([
    ['a field with a line break', { headers: { 'X-A': 'a\r\nX-B: b' } }, TypeError],
    ['a name that is none', { headers: { 'X A': 'a' } }, TypeError],
    ['a field of the handshake', { headers: { 'Sec-WebSocket-Accept': 'x' } }, TypeError],
    ['a value that is no string', { headers: { 'X-A': 5 } }, TypeError],
    ['a cookie with a semicolon in its name', { cookies: { 'a;b': 'c' } }, TypeError],
    ['a cookie that is none', { cookies: { a: 5 } }, TypeError],
    ['cookies that are none', { cookies: null }, TypeError],
    ['a subprotocol that was not offered', { protocol: 'v9' }, RangeError],
    ['a subprotocol that is no string', { protocol: 5 }, RangeError],
    ['no subprotocol that has a name', { protocol: '' }, RangeError],
  ])('is answered with 500 for %s, and nothing of it is sent', async (_what, result, kind) => {
    const { server, port, accepted } = await serve(give(() => result));
    const onError = vi.fn<(...values: unknown[]) => void>();
    server.on('error', onError);
    const { head } = await askAt(port, rawRequest({ 'Sec-WebSocket-Protocol': 'v1' }));
    expect(head.status).toBe(500);
    expect(head.fields.map(([name]) => name)).toEqual([
      'date',
      'connection',
      'content-type',
      'content-length',
    ]);
    expect(onError.mock.calls).toEqual([[expect.any(kind)]]);
    expect(accepted).toEqual([]);
  });

  it('is answered with 500 where reading its result throws', async () => {
    for (const name of ['data', 'headers', 'cookies', 'protocol']) {
      const mistake = new Error(`no ${name}`);
      const result = Object.defineProperty({}, name, {
        enumerable: true,
        get() {
          throw mistake;
        },
      });
      const { server, port, accepted } = await serve(give(() => result));
      const onError = vi.fn<(...values: unknown[]) => void>();
      server.on('error', onError);
      expect((await askAt(port)).head.status).toBe(500);
      expect(onError.mock.calls).toEqual([[mistake]]);
      expect(accepted).toEqual([]);
    }
  });
});

describe('a subprotocol', () => {
  const offer = rawRequest({ 'Sec-WebSocket-Protocol': 'v3, v2, v1' });

  it.each([
    ['is the one that the hook names, whatever the route speaks', { protocol: 'v1' }, ['v2'], 'v1'],
    ['is the first offer that the route speaks, where the hook names none', {}, ['v1', 'v2'], 'v2'],
    ['is that of the server, where the route says nothing', {}, undefined, 'v3'],
    ['is none, where the route speaks none of them', {}, ['v9'], undefined],
    ['is none, where the route speaks none at all', {}, [], undefined],
  ])('%s', async (_name, result, subprotocols, chosen) => {
    const { port, accepted } = await serve(
      () => result,
      { subprotocols },
      { subprotocols: ['v3'] },
    );
    const { head } = await askAt(port, offer);
    expect(head.getAll('sec-websocket-protocol')).toEqual(chosen === undefined ? [] : [chosen]);
    expect(accepted[0]!.socket.protocol).toBe(chosen ?? '');
    expect(accepted[0]!.request.protocols).toEqual(['v3', 'v2', 'v1']);
  });

  it('is never one that the client did not offer', async () => {
    const { server, port } = await serve(() => ({ protocol: 'v4' }));
    const onError = vi.fn<(...values: unknown[]) => void>();
    server.on('error', onError);
    expect((await askAt(port, offer)).head.status).toBe(500);
    expect((await askAt(port)).head.status).toBe(500);
    expect(onError.mock.calls.map(([error]) => String(error))).toEqual([
      expect.stringContaining('v4'),
      expect.stringContaining('v4'),
    ]);
  });
});

describe('a request without any hook', () => {
  it('is accepted on its path, with nothing but a socket', async () => {
    const server = new WebSocketServer();
    const accepted = follow(server);
    server.route('/chat/:room', {});
    const port = await listenLocally(server);
    const target = 'GET /chat/a%20b?c=d HTTP/1.1';
    expect((await askAt(port, rawRequest({}, target))).head.status).toBe(101);
    const { socket, request } = accepted[0]!;
    const any: AnyServerSocket = socket;
    expect([any.data, any.params, request.url]).toEqual([
      undefined,
      { room: 'a b' },
      '/chat/a%20b?c=d',
    ]);
    expect((await askAt(port)).head.status).toBe(404);
  });
});

describe('a hook, where proxies are trusted', () => {
  it('is asked with the request of the client', async () => {
    const seen: (string | undefined)[] = [];
    const upgrade: Hook = ({ remoteAddress }) => void seen.push(remoteAddress);
    const { port } = await serve(upgrade, {}, { trustedProxies: ['loopback'] });
    await askAt(port, rawRequest({ 'X-Forwarded-For': '192.0.2.1' }));
    expect(seen).toEqual(['192.0.2.1']);
  });
});
