import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  type AnyServerSocket,
  type Message,
  type MessageStream,
  type Next,
  type Params,
  type ParamsOf,
  type Refusal,
  type RouteHooks,
  type ServerSocket,
  type Socket,
  type UpgradeRequest,
  type UpgradeResult,
  WebSocketServer,
  next,
  refuse,
} from '../../src/index.ts';

interface User {
  readonly name: string;
}

function findUser(session: string | undefined): User | null {
  return session === undefined ? null : { name: session };
}

/** Compiled, and not run: what is inside is for the compiler alone. */
function compile(_program: (server: WebSocketServer) => void): void {
  expect(_program).toBeTypeOf('function');
}

describe('the type of socket.data', () => {
  it('is that of what upgrade returns', () => {
    compile((server) => {
      server.route('/', {
        upgrade: () => ({ data: { count: 1, user: { name: 'ann' } } }),
        open(socket) {
          expectTypeOf(socket.data).toEqualTypeOf<{ count: number; user: { name: string } }>();
          // @ts-expect-error -- no such property
          void socket.data.other;
          // @ts-expect-error -- a string is no count
          socket.data.count = 'one';
          // @ts-expect-error -- not what upgrade returns
          socket.data = { count: 2 };
          socket.data = { count: 2, user: { name: 'bob' } };
        },
      });
    });
  });

  it('is that of what an async upgrade resolves with', () => {
    compile((server) => {
      server.route('/', {
        async upgrade(request) {
          const user = await Promise.resolve(findUser(request.cookies['session']));
          return { data: { user } };
        },
        message: (socket) => {
          expectTypeOf(socket.data).toEqualTypeOf<{ user: User | null }>();
        },
      });
    });
  });

  it('is that of the one branch that accepts, beside refuse() and next()', () => {
    compile((server) => {
      server.route('/sync', {
        upgrade(request) {
          const user = findUser(request.cookies['session']);
          if (user === null) return refuse(401);
          return request.query.has('old') ? next() : { data: user };
        },
        open: (socket) => {
          expectTypeOf(socket.data).toEqualTypeOf<User>();
        },
      });
      server.route('/async', {
        async upgrade(request) {
          await Promise.resolve();
          const user = findUser(request.cookies['session']);
          return user === null ? refuse(401) : { data: { user }, headers: { 'X-Seen': '1' } };
        },
        close: (socket) => {
          expectTypeOf(socket.data).toEqualTypeOf<{ user: User }>();
        },
      });
    });
  });

  it('is undefined where there is no upgrade, and where it gives no data', () => {
    compile((server) => {
      server.route('/', {
        open: (socket) => {
          expectTypeOf(socket.data).toEqualTypeOf<undefined>();
        },
      });
      server.route('/', {
        upgrade: () => {},
        open: (socket) => {
          expectTypeOf(socket.data).toEqualTypeOf<undefined>();
        },
      });
      server.route('/', {
        upgrade: () => refuse(403),
        open: (socket) => {
          expectTypeOf(socket.data).toEqualTypeOf<undefined>();
        },
      });
    });
  });

  it('is known in every hook that stands behind upgrade', () => {
    compile((server) => {
      server.route('/', {
        upgrade: () => ({ data: 5 }),
        open: (socket) => void expectTypeOf(socket.data).toEqualTypeOf<number>(),
        message: (socket) => void expectTypeOf(socket.data).toEqualTypeOf<number>(),
        ping: (socket) => void expectTypeOf(socket.data).toEqualTypeOf<number>(),
        pong: (socket) => void expectTypeOf(socket.data).toEqualTypeOf<number>(),
        drain: (socket) => void expectTypeOf(socket.data).toEqualTypeOf<number>(),
        error: (socket) => void expectTypeOf(socket.data).toEqualTypeOf<number>(),
        close: (socket) => void expectTypeOf(socket.data).toEqualTypeOf<number>(),
        shutdown: (socket) => void expectTypeOf(socket.data).toEqualTypeOf<number>(),
      });
      server.route('/', {
        upgrade: () => ({ data: 5 }),
        stream: (socket) => void expectTypeOf(socket.data).toEqualTypeOf<number>(),
      });
    });
  });

  it('is known in hooks that stand before upgrade, where that names the type of its request', () => {
    compile((server) => {
      server.route('/chat/:room', {
        open: (socket) => void expectTypeOf(socket.data).toEqualTypeOf<{ room: string }>(),
        message(socket) {
          expectTypeOf(socket.data).toEqualTypeOf<{ room: string }>();
          expectTypeOf(socket.params.room).toEqualTypeOf<string>();
        },
        upgrade: ({ params }: UpgradeRequest<ParamsOf<'/chat/:room'>>) => ({
          data: { room: params.room },
        }),
      });
      server.route('/', {
        message: (socket) => void expectTypeOf(socket.data).toEqualTypeOf<{ at: Date }>(),
        upgrade: async (_request: UpgradeRequest) => ({ data: { at: new Date() } }),
      });
    });
  });

  it('is known in hooks that stand before upgrade, where that takes no request', () => {
    compile((server) => {
      server.route('/', {
        close: (socket) => void expectTypeOf(socket.data).toEqualTypeOf<{ id: number }>(),
        upgrade: () => ({ data: { id: 5 } }),
      });
    });
  });

  it('may be said, where it cannot be inferred', () => {
    compile((server) => {
      server.route<User>('/', {
        upgrade: (request) => ({ data: { name: request.host } }),
        open: (socket) => void expectTypeOf(socket.data).toEqualTypeOf<User>(),
      });
      server.route<User | null>('/', {
        upgrade: () => ({ data: null }),
        open: (socket) => void expectTypeOf(socket.data).toEqualTypeOf<User | null>(),
      });
      server.route<User, '/:id'>('/:id', {
        open: (socket) => void expectTypeOf(socket.params).toEqualTypeOf<ParamsOf<'/:id'>>(),
      });
      server.route<User>('/', {
        // @ts-expect-error -- no name
        upgrade: () => ({ data: {} }),
      });
    });
  });
});

describe('hooks that are written elsewhere', () => {
  type Room = ParamsOf<'/chat/:room'>;
  const chat: RouteHooks<User, Room> = {
    message(socket, message) {
      expectTypeOf(socket.data).toEqualTypeOf<User>();
      expectTypeOf(socket.params).toEqualTypeOf<{ readonly room: string }>();
      socket.publish(socket.params.room, message);
    },
    upgrade(request) {
      expectTypeOf(request.params.room).toEqualTypeOf<string>();
      return { data: { name: request.params.room } };
    },
  };

  it('fit the route whose params they read', () => {
    expect(new WebSocketServer().route('/chat/:room', chat)).toBeInstanceOf(WebSocketServer);
    compile((server) => {
      server.route('/:house/:room', chat);
      // @ts-expect-error -- that pattern names no room
      server.route('/chat/:name', chat);
    });
  });

  it('may be single functions', () => {
    const upgrade = (request: UpgradeRequest<Room>): UpgradeResult<User> => ({
      data: { name: request.params.room },
    });
    const greet = (socket: ServerSocket<User, Room>): void => {
      socket.send(socket.data.name + socket.params.room);
    };
    expect(() =>
      new WebSocketServer().route('/chat/:room', { open: greet, upgrade }),
    ).not.toThrow();
    compile((server) => {
      // @ts-expect-error -- the data of that route have no name
      server.route('/chat/:room', { upgrade: () => ({ data: 5 }), open: greet });
    });
  });

  it('may be for any socket at all', () => {
    const log = (socket: AnyServerSocket): void => {
      expectTypeOf(socket.data).toBeUnknown();
      expectTypeOf(socket.params).toBeUnknown();
    };
    const count = (socket: Socket): number => socket.bufferedAmount;
    compile((server) => {
      server.route('/chat/:room', { upgrade: () => ({ data: 5 }), open: log, drain: count });
      for (const socket of server.sockets) log(socket);
    });
  });
});

describe('the type of params', () => {
  it('is what the pattern names, in upgrade and in the other hooks', () => {
    compile((server) => {
      server.route('/chat/:room/:user', {
        upgrade({ params }) {
          expectTypeOf(params).toEqualTypeOf<{ readonly room: string; readonly user: string }>();
          // @ts-expect-error -- not named
          void params.other;
        },
        open({ params, request }) {
          expectTypeOf(params).toEqualTypeOf<{ readonly room: string; readonly user: string }>();
          expectTypeOf(request.params).toEqualTypeOf(params);
          // @ts-expect-error -- not named
          void params.other;
          // @ts-expect-error -- readonly
          params.room = '8';
        },
      });
      server.route('/files/*', {
        open: ({ params }) => void expectTypeOf(params).toEqualTypeOf<{ readonly '*': string }>(),
      });
      server.route('/none', {
        // @ts-expect-error -- nothing is named
        open: ({ params }) => params.room,
      });
    });
  });

  it('is open where the pattern is not known', () => {
    compile((server) => {
      const pattern: string = '/chat/:room';
      server.route(pattern, {
        open: ({ params }) => void expectTypeOf(params).toEqualTypeOf<Params>(),
      });
      server.on('connection', (socket, request) => {
        expectTypeOf(socket).toEqualTypeOf<ServerSocket>();
        expectTypeOf(socket.params).toEqualTypeOf<Params>();
        expectTypeOf(socket.data).toBeUnknown();
        expectTypeOf(request).toEqualTypeOf<UpgradeRequest>();
      });
    });
  });
});

describe('the arguments of hooks', () => {
  it('have their types without being named', () => {
    compile((server) => {
      server.route('/', {
        message: (_socket, message, binary) => {
          expectTypeOf(message).toEqualTypeOf<Message>();
          expectTypeOf(message).toEqualTypeOf<string | Buffer>();
          expectTypeOf(binary).toEqualTypeOf<boolean>();
        },
        close: (_socket, code, reason, wasClean) => {
          expectTypeOf(code).toEqualTypeOf<number>();
          expectTypeOf(reason).toEqualTypeOf<string>();
          expectTypeOf(wasClean).toEqualTypeOf<boolean>();
        },
        error: (_socket, error) => void expectTypeOf(error).toEqualTypeOf<Error>(),
        ping: (_socket, payload) => void expectTypeOf(payload).toEqualTypeOf<Buffer>(),
      });
      server.route('/', {
        stream: async (_socket, stream) => {
          expectTypeOf(stream).toEqualTypeOf<MessageStream>();
          for await (const piece of stream) expectTypeOf(piece).toEqualTypeOf<string | Buffer>();
        },
      });
    });
  });

  it('are what upgrade may return, and no more', () => {
    expectTypeOf(refuse(401)).toEqualTypeOf<Refusal>();
    expectTypeOf(next()).toEqualTypeOf<Next>();
    compile((server) => {
      // @ts-expect-error -- false is not a refusal
      server.route('/', { upgrade: () => false });
      // @ts-expect-error -- a string is nothing
      server.route('/', { upgrade: () => 'yes' });
      // @ts-expect-error -- a protocol is a string
      server.route('/', { upgrade: () => ({ data: 1, protocol: 5 }) });
      // @ts-expect-error -- the same, later
      server.route('/', { upgrade: async () => ({ headers: { 'X-Number': 5 } }) });
    });
  });
});

describe('a wrong use', () => {
  it('of a socket does not compile', () => {
    compile((server) => {
      server.route('/', {
        open(socket) {
          // @ts-expect-error -- a number is no message
          void socket.send(5);
          // @ts-expect-error -- nor is an object
          void socket.send({ a: 1 });
          // @ts-expect-error -- nor is nothing
          void socket.send();
          // @ts-expect-error -- a code is a number
          void socket.close('1000');
          // @ts-expect-error -- a topic is a string
          socket.subscribe(5);
          // @ts-expect-error -- no data
          socket.publish('topic');
          // @ts-expect-error -- there is no such event
          socket.on('mesage', () => {});
          // @ts-expect-error -- a count is no message
          socket.on('message', (message: number) => message);
          // @ts-expect-error -- readonly
          socket.request = null;
          expectTypeOf(socket.send('x')).toEqualTypeOf<boolean>();
          expectTypeOf(socket.send(new Blob([]))).toEqualTypeOf<Promise<boolean>>();
        },
      });
    });
  });

  it('of a socket that is of no server does not compile: it has no topics and no request', () => {
    compile(() => {
      const use = (socket: Socket): void => {
        // @ts-expect-error -- topics are of a server
        socket.subscribe('news');
        // @ts-expect-error -- topics are of a server
        socket.publish('news', 'text');
        // @ts-expect-error -- a request is of a server
        void socket.request;
        // @ts-expect-error -- a path is of a server
        void socket.params;
      };
      void use;
    });
  });

  it('of hooks and options does not compile', () => {
    compile((server) => {
      // @ts-expect-error -- no such hook
      server.route('/', { mesage: () => {} });
      // @ts-expect-error -- no such option
      server.route('/', { maxPayloadSize: 5 });
      // @ts-expect-error -- an option of the server, and not of a route
      server.route('/', { origins: '*' });
      // @ts-expect-error -- a size is a number
      server.route('/', { maxPayload: '5' });
      // @ts-expect-error -- there are two forms of text
      server.route('/', { text: 'bytes' });
      // @ts-expect-error -- a hook is a function
      server.route('/', { open: 5 });
      // @ts-expect-error -- a route has hooks
      server.route('/');
      // @ts-expect-error -- a pattern is a string
      server.route(/chat/, {});
      // @ts-expect-error -- no such option
      void new WebSocketServer({ prot: 80 });
      // @ts-expect-error -- a port is a number
      void new WebSocketServer({ port: '80' });
    });
  });

  it('of what a server sends does not compile', () => {
    compile((server) => {
      // @ts-expect-error -- a number is no message
      server.broadcast(5);
      // @ts-expect-error -- a filter answers at once
      server.broadcast('text', { filter: async () => true });
      // @ts-expect-error -- no topic
      server.publish('text');
      // @ts-expect-error -- no such option
      server.publish('topic', 'text', { exept: undefined });
      // @ts-expect-error -- a handler is a function
      server.subscribe('topic', 'handler');
      // @ts-expect-error -- no such option
      void server.shutdown({ batch: 5 });
      // @ts-expect-error -- there is no such event
      server.on('conection', () => {});
    });
  });
});

describe('a socket of whatever route', () => {
  it('may be excepted from what is sent to many', () => {
    compile((server) => {
      server.route('/chat/:room', {
        upgrade: () => ({ data: { id: 5 } }),
        message(socket, message) {
          server.broadcast(message, { except: socket });
          server.publish('news', message, { except: socket });
          expectTypeOf(server.sockets.has(socket)).toEqualTypeOf<boolean>();
        },
      });
    });
  });
});
