import { describe, expect, it } from 'vitest';
import { resolveSocketOptions } from '../../src/connection/socket-options.ts';
import { Next, Refusal, Route, next, refuse } from '../../src/server/route.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { join, listenLocally } from '../support/joined-peer.ts';
import { RawHead } from '../support/raw-http.ts';

const BASE = resolveSocketOptions({ maxPayload: 1000, text: 'buffer' });

function routeOf(hooks: object, pattern: string | null = '/'): Route {
  return new Route(pattern, hooks, undefined, BASE, ['chat']);
}

/** As somebody without types would call it. */
function addRoute(pattern: unknown, hooks: unknown): void {
  const server = new WebSocketServer();
  Reflect.apply(server.route.bind(server), undefined, [pattern, hooks]);
}

describe('refuse', () => {
  it('makes a whole response', () => {
    const refusal = refuse(401, { 'WWW-Authenticate': 'Basic' }, 'who are you? é');
    expect(refusal).toBeInstanceOf(Refusal);
    expect(refusal.status).toBe(401);
    const head = new RawHead(refusal.response);
    expect(head.startLine).toBe('HTTP/1.1 401 Unauthorized');
    expect(head.getAll('www-authenticate')).toEqual(['Basic']);
    expect(head.getAll('connection')).toEqual(['close']);
    expect(head.getAll('content-length')).toEqual(['15']);
    expect(refusal.response.endsWith('\r\n\r\nwho are you? Ã©')).toBe(true);
  });

  it('needs no more than a status', () => {
    const { response } = refuse(307, [['Location', 'wss://other.example/']]);
    expect(new RawHead(response).getAll('location')).toEqual(['wss://other.example/']);
    expect(new RawHead(refuse(599).response).getAll('content-length')).toEqual(['0']);
  });

  it.each([101, 200, 299, 600, 404.5, Number.NaN])('has no status %d', (status) => {
    expect(() => refuse(status)).toThrow(RangeError);
  });

  it.each([
    ['a line break in a value', { 'X-Evil': 'a\r\nSet-Cookie: b' }],
    ['a name that is no token', { 'X Evil': 'a' }],
    ['a field that is ours', { 'Content-Length': '5' }],
  ])('sends no field that must not be: %s', (_what, headers) => {
    expect(() => refuse(403, headers)).toThrow(TypeError);
  });
});

describe('next', () => {
  it('is the same each time', () => {
    expect(next()).toBeInstanceOf(Next);
    expect(next()).toBe(next());
    expect(next().isNext).toBe(true);
  });
});

describe('a route', () => {
  it('takes the paths of its pattern', () => {
    const route = routeOf({}, '/chat/:room');
    expect({ ...route.match('/chat/7') }).toEqual({ room: '7' });
    expect(route.match('/chat')).toBeNull();
  });

  it('without a pattern takes every path, even one that cannot be decoded', () => {
    expect(routeOf({}, null).match('/%ff')).toEqual({});
    expect(routeOf({}, '*').match('/%ff')).toBeNull();
  });

  it('tells its pattern as it was written, and a star where it has none', () => {
    expect(routeOf({}, '/chat/:room').pattern).toBe('/chat/:room');
    expect(routeOf({}, null).pattern).toBe('*');
  });

  it('has the options of its server, but for those that it sets itself', () => {
    const plain = routeOf({});
    expect(plain.options).toEqual(BASE);
    expect(plain.subprotocols).toEqual(['chat']);
    const own = routeOf({ maxPayload: 5, maxQueue: undefined, subprotocols: ['soap'] });
    expect(own.options).toEqual({ ...BASE, maxPayload: 5 });
    expect(own.subprotocols).toEqual(['soap']);
    expect(own.netOptions).toEqual({ ...BASE, maxPayload: 5, mayOverwrite: true });
  });

  it('may be an object of a class, with its hooks as methods', () => {
    class Chat {
      readonly maxPayload = 7;
      message(): void {}
    }
    const hooks = new Chat();
    const route = routeOf(hooks);
    expect(route.hooks).toBe(hooks);
    expect(route.options.maxPayload).toBe(7);
  });
});

describe('route() of a server', () => {
  it('gives the server, so that one may go on', () => {
    const server = new WebSocketServer();
    expect(server.route('/a', {}).route('/b', {})).toBe(server);
  });

  it.each([
    'upgrade',
    'open',
    'message',
    'stream',
    'ping',
    'pong',
    'drain',
    'error',
    'close',
    'shutdown',
  ])('refuses a hook that is no function: %s', (name) => {
    for (const hook of [null, 5, 'function', {}, true]) {
      expect(() => addRoute('/', { [name]: hook })).toThrow(TypeError);
    }
    expect(() => addRoute('/', { [name]: undefined })).not.toThrow();
    expect(() => addRoute('/', { [name]: () => {} })).not.toThrow();
  });

  it('refuses messages that are to be whole and streams at once', () => {
    expect(() => addRoute('/', { message: () => {}, stream: () => {} })).toThrow(TypeError);
  });

  it.each<[string, object, ErrorConstructor]>([
    ['a limit that is no number', { maxPayload: '5' }, TypeError],
    ['a limit below zero', { maxPayload: -1 }, RangeError],
    ['a limit that is not whole', { maxQueue: 1.5 }, RangeError],
    ['a queue that holds nothing', { maxQueueSize: 0 }, RangeError],
    ['a time that no timer has', { pingInterval: 2 ** 31 }, RangeError],
    ['a text that there is not', { text: 'bytes' }, TypeError],
    ['a policy that there is not', { backpressurePolicy: 'wait' }, TypeError],
    ['a subprotocol that is no token', { subprotocols: ['a b'] }, TypeError],
    ['a subprotocol that stands twice', { subprotocols: ['a', 'a'] }, TypeError],
    ['subprotocols that are no list', { subprotocols: 'chat' }, TypeError],
  ])('refuses an option that cannot be: %s', (_what, hooks, kind) => {
    expect(() => addRoute('/', hooks)).toThrow(kind);
  });

  it.each([
    ['a pattern without a slash', 'chat', {}],
    ['a pattern with a query', '/chat?a', {}],
    ['a pattern that is no string', 5, {}],
    ['no hooks', '/', undefined],
    ['hooks that are null', '/', null],
  ])('refuses %s', (_what, pattern, hooks) => {
    expect(() => addRoute(pattern, hooks)).toThrow(TypeError);
  });

  it('adds nothing where it has refused: without a route, every path is served', async () => {
    const server = new WebSocketServer();
    const port = await listenLocally(server);
    const route = Reflect.get(server, 'route').bind(server);
    expect(() => Reflect.apply(route, undefined, ['/a', { open: 5 }])).toThrow(TypeError);
    expect(() => Reflect.apply(route, undefined, ['/a', { maxPayload: -1 }])).toThrow(RangeError);
    await join(port, '/b');
  });
});
