import { expectTypeOf, describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocketServer, connect, refuse } from '../../src/index.ts';

async function listen(server: WebSocketServer): Promise<string> {
  await server.listen('0', '127.0.0.1');
  onTestFinished(async () => void (await server.shutdown({ timeout: 0 })));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return `ws://127.0.0.1:${address.port}`;
}

describe('a route whose upgrade stands before its hooks', () => {
  it('infers the data, whatever comes first in the hooks', async () => {
    const server = new WebSocketServer();
    server.route(
      '/rooms/:room',
      (request) => {
        const user = request.headers['x-user'];
        return user === undefined ? refuse(401) : { data: { user } };
      },
      {
        message(socket, message) {
          expectTypeOf(socket.data).toEqualTypeOf<{ user: string }>();
          expectTypeOf(socket.params.room).toEqualTypeOf<string>();
          socket.send(`${socket.data.user} in ${socket.params.room}: ${message.toString()}`);
        },
      },
    );
    const url = `${await listen(server)}/rooms/7`;
    await expect(connect(url)).rejects.toMatchObject({ status: 401 });
    const socket = await connect(url, { headers: { 'x-user': 'Ann' } });
    socket.send('hello');
    for await (const message of socket) {
      expect(message).toBe('Ann in 7: hello');
      break;
    }
    await socket.close();
  });

  it('needs no other hooks, and has no second one of its kind', async () => {
    const server = new WebSocketServer();
    Reflect.apply(server.route.bind(server), undefined, ['/no', () => refuse(403)]);
    await expect(connect(`${await listen(server)}/no`)).rejects.toMatchObject({ status: 403 });
    const twice = ['/', () => refuse(401), { upgrade: () => ({}) }];
    expect(() => Reflect.apply(server.route.bind(server), undefined, twice)).toThrow(TypeError);
  });
});

describe('the hooks of a class', () => {
  it('may have fields of their own', async () => {
    class Echo {
      prefix = 'echo ';
      upgrade(): object {
        return { data: this.prefix };
      }
    }
    const server = new WebSocketServer();
    const data = new Promise<unknown>((resolve) => {
      server.on('connection', (socket) => resolve(socket.data));
    });
    server.route('/', new Echo());
    const socket = await connect(await listen(server));
    expect(await data).toBe('echo ');
    await socket.close();
  });
});

describe('what is no option', () => {
  it.each([
    [{ verifyClient: () => true }, /no option verifyClient: the hook `upgrade`/],
    [{ maxPayLoad: 5 }, /no option maxPayLoad$/],
  ])('is refused by a server: %o', (options, message) => {
    expect(() => Reflect.construct(WebSocketServer, [options])).toThrow(message);
  });

  it('is refused by a route, by listen and by connect', async () => {
    const server = new WebSocketServer();
    const route = server.route.bind(server);
    const call = (method: (...values: never[]) => unknown, ...values: unknown[]): unknown =>
      Reflect.apply(method, undefined, values);
    expect(() => call(route, '/', { onMessage: () => {} })).toThrow(/no option onMessage/);
    expect(() => call(route, '/', null)).toThrow(TypeError);
    const listening = server.listen.bind(server);
    await expect(call(listening, { porrt: 5 })).rejects.toThrow(/no option porrt/);
    await expect(call(listening, 'http')).rejects.toThrow(TypeError);
    await expect(call(connect, 'ws://127.0.0.1:1', { protocol: 'a' })).rejects.toThrow(TypeError);
  });
});

describe('a listener for `close` that throws', () => {
  it('is told as an error, and close resolves', async () => {
    const server = new WebSocketServer();
    const mistake = new Error('mistake');
    const told = vi.fn();
    server.on('error', told);
    server.on('close', () => {
      throw mistake;
    });
    await listen(server);
    await server.close();
    expect(told.mock.calls).toEqual([[mistake]]);
  });
});

describe('a function for `origins` that is async and rejects', () => {
  it('lets nobody pass, and is told as an error', async () => {
    const mistake = new Error('mistake');
    const options = { origins: () => Promise.reject(mistake) };
    const server: WebSocketServer = Reflect.construct(WebSocketServer, [options]);
    const told = new Promise((resolve) => void server.on('error', resolve));
    await expect(connect(await listen(server))).rejects.toMatchObject({ status: 403 });
    expect(await told).toBe(mistake);
  });
});
