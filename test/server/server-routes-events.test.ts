import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocketServer } from '../../src/server/server.ts';
import { closeBody, maskedFrame } from '../support/bytes.ts';
import {
  askFor,
  endWithTest,
  join,
  listenLocally,
  numbered,
  portOfServer,
} from '../support/joined-peer.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';

afterEach(() => void vi.restoreAllMocks());

const mistake = new Error('a mistake of the application');

function throwMistake(): never {
  throw mistake;
}

async function rejectMistake(): Promise<void> {
  await Promise.resolve();
  throw mistake;
}

/** As somebody without types, or with an async function, would call it. */
function listenTo(server: WebSocketServer, event: string, listener: () => unknown): void {
  Reflect.apply(server.on.bind(server), undefined, [event, listener]);
}

function nextError(server: WebSocketServer): Promise<unknown[]> {
  return new Promise((resolve) => {
    server.once('error', (...values) => resolve(values));
  });
}

function nextWarning(): Promise<unknown> {
  return new Promise((resolve) => {
    vi.spyOn(process, 'emitWarning').mockImplementation((warning) => resolve(warning));
  });
}

describe('the event "headers"', () => {
  it('may add fields to the answer, and knows the request', async () => {
    const server = new WebSocketServer({ closeTimeout: 200 });
    const urls: string[] = [];
    server.on('headers', (headers, request) => {
      urls.push(request.url);
      headers.push(['X-Served-By', 'one'], ['Set-Cookie', 'a=b']);
    });
    const port = await listenLocally(server);
    const head = await askFor(await RawPeer.connect(port), '/x?y');
    expect([head.status, head.getAll('x-served-by'), head.getAll('set-cookie'), urls]).toEqual([
      101,
      ['one'],
      ['a=b'],
      ['/x?y'],
    ]);
  });

  it('whose listener throws makes the answer a 500, and the server tells', async () => {
    const server = new WebSocketServer({ closeTimeout: 200 });
    const told = nextError(server);
    server.on('headers', throwMistake);
    const port = await listenLocally(server);
    expect((await askFor(await RawPeer.connect(port), '/')).status).toBe(500);
    expect(await told).toEqual([mistake]);
    expect(server.sockets.size).toBe(0);
  });

  it('whose listener rejects has its error told', async () => {
    const server = new WebSocketServer({ closeTimeout: 200 });
    const told = nextError(server);
    listenTo(server, 'headers', rejectMistake);
    await join(await listenLocally(server));
    expect(await told).toEqual([mistake]);
  });
});

describe('the event "connection"', () => {
  it.each([
    ['throws', throwMistake],
    ['rejects', rejectMistake],
  ])(
    'whose listener %s closes that socket with 1011, and the server tells',
    async (_how, listener) => {
      const server = new WebSocketServer({ closeTimeout: 200 });
      const told = nextError(server);
      listenTo(server, 'connection', listener);
      const peer = await join(await listenLocally(server));
      const sockets = [...server.sockets];
      const [close] = await peer.readFrames(1);
      expect([close!.opcode, close!.payload]).toEqual([8, closeBody(1011)]);
      expect(numbered(await told, sockets)).toEqual([mistake, '#0']);
    },
  );
});

describe('the event "error"', () => {
  it.each([
    ['throws', throwMistake],
    ['rejects', rejectMistake],
  ])('whose listener %s is a warning of the process', async (_how, listener) => {
    const warned = nextWarning();
    const server = new WebSocketServer({ closeTimeout: 200 });
    listenTo(server, 'error', listener);
    server.subscribe('news', () => {
      throw new Error('heard');
    });
    server.publish('news', 'one');
    expect(await warned).toBe(mistake);
  });

  it('that nobody listens to is a warning of the process', async () => {
    const warned = nextWarning();
    const server = new WebSocketServer({ closeTimeout: 200 });
    server.subscribe('news', throwMistake);
    server.publish('news', 'one');
    expect(await warned).toBe(mistake);
  });

  it('tells what a handler threw of what a socket has published', async () => {
    const server = new WebSocketServer({ closeTimeout: 200 }).route('/', {
      message: (socket, message) => socket.publish('news', message),
    });
    server.subscribe('news', throwMistake);
    const told = nextError(server);
    const peer = await join(await listenLocally(server));
    await peer.write(maskedFrame({ payload: 'one' }));
    expect(await told).toEqual([mistake]);
    await peer.write(maskedFrame({ opcode: 9 }));
    // The socket has done nothing wrong.
    expect((await peer.readFrames(1))[0]!.opcode).toBe(10);
  });

  it('tells where a port of the constructor cannot be had', async () => {
    const taken = createServer();
    const port = await listenOn(taken);
    const server = new WebSocketServer({ port, host: '127.0.0.1' });
    expect(await nextError(server)).toMatchObject([{ code: 'EADDRINUSE' }]);
    expect(server.address()).toBeNull();
    await listenLocally(server);
  });
});

describe('the event "listening"', () => {
  it('tells of our own listener, and of the http servers that we are attached to', async () => {
    const http = createHttpServer();
    const server = new WebSocketServer().attach(http);
    let heard = 0;
    server.on('listening', () => heard++);
    await listenLocally(server);
    expect(heard).toBe(1);
    await listenOn(http);
    expect(heard).toBe(2);
    expect(portOfServer(server)).not.toBe(portOfServer(http));
  });
});

describe('the event "close"', () => {
  it('comes once for an end, however often that is asked for, and once more for the next', async () => {
    const server = new WebSocketServer({ closeTimeout: 200 });
    let ends = 0;
    server.on('close', () => ends++);
    await listenLocally(server);
    await Promise.all([server.close(), server.shutdown(), server.close()]);
    expect(ends).toBe(1);
    await server.listen(0, '127.0.0.1');
    await server[Symbol.asyncDispose]();
    expect(ends).toBe(2);
  });

  it('comes when the last socket has ended, and until then one cannot begin anew', async () => {
    const server = new WebSocketServer({ closeTimeout: 200 });
    let ends = 0;
    server.on('close', () => ends++);
    const peer = await join(await listenLocally(server));
    const closed = server.close();
    await expect(server.listen(0, '127.0.0.1')).rejects.toThrow(/listens already|closing/);
    expect(() => server.attach(createHttpServer())).toThrow('closing');
    expect(ends).toBe(0);
    peer.end(maskedFrame({ opcode: 8 }));
    await closed;
    expect([ends, server.sockets.size]).toEqual([1, 0]);
  });
});

describe('a server that is attached', () => {
  it('may be attached twice, which is once, and not while it closes', async () => {
    const http = createHttpServer();
    const server = endWithTest(new WebSocketServer({ closeTimeout: 200 }));
    const port = await listenOn(http);
    server.attach(http).attach(http);
    const peer = await join(port);
    const closed = server.close();
    await expect(server.listen(0, '127.0.0.1')).rejects.toThrow('closing');
    expect(() => server.attach(http)).toThrow('closing');
    peer.end(maskedFrame({ opcode: 8 }));
    await closed;
    server.attach(http);
    await join(port);
  });
});

describe('a hook shutdown that throws', () => {
  it('is told as an error of the server, with its socket', async () => {
    const server = endWithTest(new WebSocketServer({ closeTimeout: 200 }));
    server.route('/', { shutdown: throwMistake });
    const told = nextError(server);
    await server.listen(0, '127.0.0.1');
    const peer = await join(portOfServer(server));
    const sockets = [...server.sockets];
    const ended = server.shutdown();
    expect((await peer.readFrames(1))[0]!.payload).toEqual(closeBody(1011));
    peer.end();
    expect(await ended).toEqual({ closed: 1, terminated: 0 });
    expect(numbered(await told, sockets)).toEqual([mistake, '#0']);
  });
});
