import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { next, refuse } from '../../src/server/route.ts';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { maskedFrame } from '../support/bytes.ts';
import { askFor, endWithTest, join, listenLocally, statusAt } from '../support/joined-peer.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';
import type { TestHooks } from '../support/test-hooks.ts';

/** A server whose routes tell, in the order in which they are given, who they are. */
async function serve(
  routes: readonly (readonly [pattern: string, hooks: TestHooks])[],
  options: WebSocketServerOptions = {},
): Promise<{ server: WebSocketServer; port: number }> {
  const server = new WebSocketServer({ closeTimeout: 200, ...options });
  for (const [i, [pattern, hooks]] of routes.entries()) {
    server.route(pattern, {
      open: (socket) =>
        socket.send(
          `${i} ${pattern} ${JSON.stringify(socket.params)} ${JSON.stringify(socket.data)}`,
        ),
      ...hooks,
    });
  }
  return { server, port: await listenLocally(server) };
}

async function greeting(port: number, path: string): Promise<string> {
  const peer = await join(port, path);
  return (await peer.readFrames(1))[0]!.payload.toString();
}

describe('the routes of a server', () => {
  it('are asked in their order: the first that fits has it', async () => {
    const { port } = await serve([
      ['/chat/lobby', {}],
      ['/chat/:room', {}],
      ['/chat/*', {}],
      ['*', {}],
    ]);
    expect(await greeting(port, '/chat/lobby')).toBe('0 /chat/lobby {} undefined');
    expect(await greeting(port, '/chat/a%2Fb?x=y')).toBe('1 /chat/:room {"room":"a/b"} undefined');
    expect(await greeting(port, '/chat/a/b')).toBe('2 /chat/* {"*":"a/b"} undefined');
    expect(await greeting(port, '/')).toBe('3 * {"*":""} undefined');
  });

  it('leave with 404 what fits none of them, once there is one', async () => {
    const { server, port } = await serve([]);
    await join(port, '/anywhere');
    server.route('/chat', {});
    expect([
      await statusAt(port, '/anywhere'),
      await statusAt(port, '/chat/'),
      await statusAt(port, '/chat'),
    ]).toEqual([404, 404, 101]);
  });

  it('may be added while the server listens', async () => {
    const { server, port } = await serve([['/a', {}]]);
    expect(await statusAt(port, '/b')).toBe(404);
    server.route('/b', { open: (socket) => socket.send('new') });
    expect(await greeting(port, '/b')).toBe('new');
  });

  it('begin with that of the option "path"', async () => {
    const { server, port } = await serve([['/:any', {}]], { path: '/events' });
    server.on('connection', (socket, { params }) => {
      if (socket.request.path === '/events') socket.send(`by path ${JSON.stringify(params)}`);
    });
    expect(await greeting(port, '/events')).toBe('by path {}');
    expect(await greeting(port, '/other')).toBe('0 /:any {"any":"other"} undefined');
    expect(await statusAt(port, '/a/b')).toBe(404);
  });

  it('never fit a path that cannot be decoded, where they name something in it', async () => {
    const { port } = await serve([
      ['/:a', {}],
      ['*', {}],
    ]);
    expect(await statusAt(port, '/%ff')).toBe(404);
    const { port: without } = await serve([]);
    expect(await statusAt(without, '/%ff')).toBe(101);
  });

  it('give their sockets what upgrade returned, and each its own params', async () => {
    const { port } = await serve([
      ['/:a/x', { upgrade: ({ params }) => ({ data: params }) }],
      ['/a/:b', { upgrade: async () => ({ data: [1, null, { deep: true }] }) }],
      ['/none/:b/:c', { upgrade: () => ({}) }],
      ['/null', { upgrade: () => ({ data: null }) }],
    ]);
    expect(await greeting(port, '/1/x')).toBe('0 /:a/x {"a":"1"} {"a":"1"}');
    expect(await greeting(port, '/a/2')).toBe('1 /a/:b {"b":"2"} [1,null,{"deep":true}]');
    expect(await greeting(port, '/none/1/2')).toBe('2 /none/:b/:c {"b":"1","c":"2"} undefined');
    expect(await greeting(port, '/null')).toBe('3 /null {} null');
  });

  it('tell the request and its params to the event "connection"', async () => {
    const { server, port } = await serve([['/chat/:room', {}]]);
    const seen: unknown[] = [];
    server.on('connection', (socket, request) => {
      seen.push(request === socket.request, request.url, socket.params['room'], request.params);
    });
    await greeting(port, '/chat/7?x');
    expect(seen).toEqual([true, '/chat/7?x', '7', { room: '7' }]);
  });
});

describe.each([
  ['at once', <Value>(value: Value): Value => value],
  [
    'later',
    async <Value>(value: Value): Promise<Value> => {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      return value;
    },
  ],
])('upgrade that answers %s', (_when, answer) => {
  it('next() leaves the request to the routes after it, each with its params', async () => {
    const asked: unknown[] = [];
    const pass: TestHooks = {
      upgrade({ params, path }) {
        asked.push(path, params);
        return answer(next());
      },
    };
    const { port } = await serve([
      ['/chat/:room', pass],
      ['/other', pass],
      ['/:a/:b', pass],
      ['/chat/*', {}],
      ['/chat/7', { upgrade: () => expect.fail('the route before it has it') }],
    ]);
    expect(await greeting(port, '/chat/7')).toBe('3 /chat/* {"*":"7"} undefined');
    expect(asked).toEqual(['/chat/7', { room: '7' }, '/chat/7', { a: 'chat', b: '7' }]);
    expect(await statusAt(port, '/other')).toBe(404);
  });

  it('refuse() refuses, and no later route is asked', async () => {
    const { port } = await serve([
      ['/chat', { upgrade: () => answer(refuse(401, { 'WWW-Authenticate': 'Basic' }, 'who?')) }],
      ['*', { upgrade: () => expect.fail('the route before it has refused') }],
    ]);
    const peer = await RawPeer.connect(port);
    const head = await askFor(peer, '/chat');
    expect([head.status, head.getAll('www-authenticate')]).toEqual([401, ['Basic']]);
    expect((await peer.readToEnd()).toString()).toBe('who?');
  });

  it('something else than it may gets 500, and the server tells', async () => {
    for (const wrong of [true, 5, 'yes', null, Symbol('yes'), false]) {
      const hooks: object = { upgrade: () => answer(wrong) };
      const { server, port } = await serve([['/', hooks]]);
      const told = new Promise<unknown>((resolve) => {
        server.once('error', resolve);
      });
      expect(await statusAt(port, '/')).toBe(500);
      expect(await told).toBeInstanceOf(TypeError);
      expect(server.sockets.size).toBe(0);
    }
  });
});

describe('routes behind handleUpgrade', () => {
  it('decide as on a listener of our own, and the promise tells', async () => {
    const server = endWithTest(new WebSocketServer({ closeTimeout: 200 }));
    server.route('/yes/:id', { message: (socket, message) => socket.send(message) });
    server.route('/no', { upgrade: () => refuse(403) });
    const outcomes: Promise<unknown>[] = [];
    const http = createServer();
    http.on('upgrade', (request, transport, head) => {
      outcomes.push(
        server.handleUpgrade(request, transport, head).then(
          (socket) => socket.params,
          (error: unknown) => error,
        ),
      );
    });
    const port = await listenOn(http);
    const peer = await RawPeer.connect(port);
    await peer.write(
      Buffer.concat([
        Buffer.from(rawRequest({}, 'GET /yes/7 HTTP/1.1')),
        maskedFrame({ payload: 'early' }),
      ]),
    );
    expect((await peer.readHead()).status).toBe(101);
    expect((await peer.readFrames(1))[0]!.payload.toString()).toBe('early');
    expect(await statusAt(port, '/no')).toBe(403);
    expect(await statusAt(port, '/nowhere')).toBe(404);
    expect(await Promise.all(outcomes)).toEqual([
      { id: '7' },
      expect.objectContaining({ code: 'WS_ERR_REFUSED', status: 403 }),
      expect.objectContaining({ code: 'WS_ERR_NOT_FOUND', status: 404 }),
    ]);
  });
});
