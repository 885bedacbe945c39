import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import { describe, expect, it, vi } from 'vitest';
import { connect } from '../../src/index.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { endWithTest, listenLocally, statusAt } from '../support/joined-peer.ts';
import { memoryStream } from '../support/memory-stream.ts';

/** Calls a method as somebody without types may. */
function call(
  server: WebSocketServer,
  name: keyof WebSocketServer & string,
  ...values: unknown[]
): unknown {
  const method: unknown = server[name];
  if (typeof method !== 'function') throw new Error(`no method ${name}`);
  return Reflect.apply(method, server, values);
}

function make(...values: unknown[]): unknown {
  return Reflect.construct(WebSocketServer, values);
}

describe('a callback that a server is given', () => {
  const callback = (): never => expect.fail('it is called by nobody');

  it('as it is made is refused, with the event that there is instead', () => {
    const refusal = new TypeError('a WebSocketServer takes no callback: listen for `listening`');
    expect(() => make({}, callback)).toThrow(refusal);
    expect(() => make({ port: 0 }, callback)).toThrow(refusal);
    expect(() => make(callback)).toThrow(refusal);
  });

  it.each([
    ['close', [callback], /^close takes no callback: .*promise/],
    ['handleUpgrade', [{}, memoryStream().stream, Buffer.alloc(0), callback], /promise/],
  ] as const)(
    'by %s is refused, with the promise that there is instead',
    (name, values, message) => {
      const server = new WebSocketServer();
      expect(() => call(server, name, ...values)).toThrow(TypeError);
      expect(() => call(server, name, ...values)).toThrow(message);
    },
  );

  it('by close does not close it', async () => {
    const server = new WebSocketServer();
    const port = await listenLocally(server);
    expect(() => call(server, 'close', callback)).toThrow(TypeError);
    expect(await statusAt(port, '/')).toBe(101);
  });

  it('by listen is refused, and nothing listens', async () => {
    const server = new WebSocketServer();
    for (const values of [
      [0, callback],
      [0, '127.0.0.1', callback],
      [{ port: 0 }, callback],
    ]) {
      await expect(call(server, 'listen', ...values)).rejects.toThrow(
        /^listen takes no callback: .*promise/,
      );
    }
    expect(server.address()).toBeNull();
  });

  it('by shutdown is refused', async () => {
    const server = new WebSocketServer();
    await expect(call(server, 'shutdown', callback)).rejects.toThrow(TypeError);
  });
});

describe('what a server is attached to', () => {
  const app = Object.assign((): void => {}, EventEmitter.prototype);
  const refusal = new TypeError(
    'attach takes the http server, as http.createServer(app) returns it',
  );

  it.each([
    ['an application of Express', app],
    ['an object', {}],
    ['a port', 3000],
    ['an emitter', new EventEmitter()],
    ['nothing', undefined],
    ['null', null],
  ])('is not %s', (_what, server) => {
    const own = new WebSocketServer();
    expect(() => call(own, 'attach', server)).toThrow(refusal);
    if (server !== undefined) expect(() => make({ server })).toThrow(refusal);
  });

  it('is a server of http, or one of http2 that speaks HTTP/1.1 too', () => {
    const options = { allowHTTP1: true, key: KEY, cert: CERTIFICATE };
    for (const server of [createServer(), createSecureServer(options)]) {
      const own = endWithTest(new WebSocketServer());
      expect(call(own, 'attach', server)).toBe(own);
    }
  });
});

describe('the port of a server', () => {
  it.each([Number.NaN, 1.5, -1, 70_000, 65_536, Infinity])('is not %d', async (port) => {
    const refusal = new RangeError('a port is a whole number from 0 to 65535');
    expect(() => make({ port })).toThrow(refusal);
    const server = new WebSocketServer();
    for (const where of [port, { port }]) {
      await expect(call(server, 'listen', where)).rejects.toThrow(refusal);
    }
  });

  it.each(['x', '', '30x', '1.5', null, true, {}])('is not %j', async (port) => {
    const refusal = new TypeError('a port is a number; a Unix socket is { path }');
    expect(() => make({ port })).toThrow(refusal);
    const server = new WebSocketServer();
    await expect(call(server, 'listen', { port })).rejects.toThrow(refusal);
  });

  it('may stand in digits, as the environment has it', async () => {
    const server: unknown = make({ port: '0', host: '127.0.0.1' });
    if (!(server instanceof WebSocketServer)) throw new Error('no server');
    endWithTest(server);
    await once(server, 'listening');
    expect(server.address()).toMatchObject({ address: '127.0.0.1' });
    expect(() => make({ port: '70000' })).toThrow(RangeError);
  });
});

describe('who may connect', () => {
  it.each(['https://a.com', 'a.com', '', 5, true, {}])('is not %j, which is no list', (origins) => {
    expect(() => make({ origins })).toThrow(
      new TypeError(
        "origins is a list, such as ['https://example.com'], or 'same-origin', '*' or a function",
      ),
    );
  });
});

describe('what `upgrade` returns that is no answer', () => {
  class Session {
    readonly user = 'Ann';
  }

  it.each([
    ['false', false, 'false'],
    ['true', true, 'true'],
    ['null', null, 'null'],
    ['a string', 'secret', 'a string'],
    ['a number', 401, 'a number'],
    ['a function', (): void => {}, 'a function'],
    ['a Response', new Response('no', { status: 401 }), 'a Response'],
    ['an object of a class', new Session(), 'a Session'],
    ['an array', ['Ann'], 'an array'],
    ['an object of no class', Object.create(Object.create(Object.create(null))), 'an object'],
    ['another name', { user: 'Ann' }, 'an object with `user`'],
    ['a refusal of another copy', { status: 401, response: '' }, 'an object with `status`'],
  ])('is told with its route: %s', async (_what, result, name) => {
    const server = new WebSocketServer();
    const onError = vi.fn<(error: Error) => void>();
    server.on('error', onError);
    call(server, 'route', '/chat/:room', { upgrade: () => result });
    const port = await listenLocally(server);
    expect(await statusAt(port, '/chat/7')).toBe(500);
    expect(onError.mock.calls).toEqual([
      [
        new TypeError(
          `the hook upgrade of /chat/:room returned ${name}: \`return refuse(403)\` to refuse; to accept, return nothing or { data, headers, cookies, protocol }; or next()`,
        ),
      ],
    ]);
  });
});

describe('connect with what is no option', () => {
  it.each([[['chat']], ['chat']])('tells where subprotocols go: %j', async (protocols) => {
    const attempt: unknown = Reflect.apply(connect, undefined, ['ws://127.0.0.1:1', protocols]);
    await expect(attempt).rejects.toThrow(
      new TypeError('connect takes subprotocols by an option: { protocols }'),
    );
  });
});

describe('the PROXY protocol without proxies that are trusted', () => {
  it('is refused, and the server may listen all the same', async () => {
    const server = endWithTest(new WebSocketServer());
    const where = { port: 0, host: '127.0.0.1', proxyProtocol: true };
    await expect(server.listen(where)).rejects.toThrow(/^proxyProtocol needs trustedProxies/);
    await server.listen({ ...where, proxyProtocol: false });
    expect(server.address()).toMatchObject({ address: '127.0.0.1' });
  });
});
