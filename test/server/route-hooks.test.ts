import { afterEach, describe, expect, it, vi } from 'vitest';
import { ProtocolError } from '../../src/errors.ts';
import type { AnyServerSocket } from '../../src/server/server-socket.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { closeBody, maskedFrame } from '../support/bytes.ts';
import { join, listenLocally, numbered } from '../support/joined-peer.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';
import type { TestHooks } from '../support/test-hooks.ts';

afterEach(() => void vi.restoreAllMocks());

async function serve(hooks: TestHooks): Promise<{ server: WebSocketServer; port: number }> {
  const server = new WebSocketServer({ closeTimeout: 200 }).route('/', hooks);
  return { server, port: await listenLocally(server) };
}

/** Something that a test waits for, and what it was. */
function signal<Value = void>(): { promise: Promise<Value>; done: (value: Value) => void } {
  let done: (value: Value) => void = () => {};
  const promise = new Promise<Value>((resolve) => {
    done = resolve;
  });
  return { promise, done };
}

describe('the hook open', () => {
  it('is called after the event "connection" and before all messages, with the same socket', async () => {
    const log: unknown[] = [];
    const over = signal();
    const { server, port } = await serve({
      open: (socket) => void log.push('open', socket),
      message(socket, message) {
        log.push(message, socket);
        over.done();
      },
    });
    const seen: AnyServerSocket[] = [];
    server.on('connection', (socket) => {
      log.push('connection', socket);
      seen.push(socket);
    });
    const peer = await RawPeer.connect(port);
    await peer.write(
      Buffer.concat([Buffer.from(rawRequest()), maskedFrame({ payload: 'at once' })]),
    );
    await over.promise;
    expect(numbered(log, seen)).toEqual(['connection', '#0', 'open', '#0', 'at once', '#0']);
    expect(numbered([...server.sockets], seen)).toEqual(['#0']);
  });

  it('may be async: messages wait for it, and Pings do not', async () => {
    const log: string[] = [];
    const opened = signal();
    const over = signal();
    const { port } = await serve({
      async open() {
        log.push('open');
        await opened.promise;
        log.push('opened');
      },
      message(_socket, message) {
        log.push(String(message));
        if (message === 'two') over.done();
      },
    });
    const peer = await join(port);
    await peer.write(
      Buffer.concat([
        maskedFrame({ payload: 'one' }),
        maskedFrame({ opcode: 9, payload: 'are you there?' }),
        maskedFrame({ payload: 'two' }),
      ]),
    );
    const [pong] = await peer.readFrames(1);
    expect([pong!.opcode, pong!.payload.toString()]).toEqual([10, 'are you there?']);
    expect(log).toEqual(['open']);
    opened.done();
    await over.promise;
    expect(log).toEqual(['open', 'opened', 'one', 'two']);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('a mistake');
      },
    ],
    ['rejects', () => Promise.reject(new Error('a mistake'))],
  ])('closes the socket with 1011 where it %s, and no message is given out', async (_how, open) => {
    const log: unknown[] = [];
    const over = signal();
    const { port } = await serve({
      open,
      message: () => void log.push('message'),
      error: (_socket, error) => void log.push(error.message),
      close(_socket, code) {
        log.push(code);
        over.done();
      },
    });
    const peer = await RawPeer.connect(port);
    await peer.write(Buffer.concat([Buffer.from(rawRequest()), maskedFrame({ payload: 'lost' })]));
    expect((await peer.readHead()).status).toBe(101);
    const [close] = await peer.readFrames(1);
    expect([close!.opcode, close!.payload]).toEqual([8, closeBody(1011)]);
    peer.end(maskedFrame({ opcode: 8, payload: closeBody(1011) }));
    await over.promise;
    // A connection that was failed reads no Close any more (section 7.1.7).
    expect(log).toEqual(['a mistake', 1006]);
  });
});

describe('the hook message', () => {
  it('is given texts as strings and binaries as Buffers, as a method of its object', async () => {
    const log: unknown[] = [];
    const over = signal();
    const hooks = {
      message(this: unknown, _socket: unknown, message: string | Buffer, binary: boolean): void {
        log.push(this === hooks, message, binary);
        if (binary) over.done();
      },
    };
    const { port } = await serve(hooks);
    const peer = await join(port);
    await peer.write(
      Buffer.concat([
        maskedFrame({ payload: 'texté' }),
        maskedFrame({ payload: '' }),
        maskedFrame({ opcode: 2, payload: Buffer.from([0, 255]) }),
      ]),
    );
    await over.promise;
    expect(log).toEqual([true, 'texté', false, true, '', false, true, Buffer.from([0, 255]), true]);
  });

  it('is called for one message at a time, where it is async', async () => {
    const log: string[] = [];
    const over = signal();
    let running = 0;
    const { port } = await serve({
      async message(socket, message) {
        running++;
        log.push(`${String(message)} with ${running}`);
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
        running--;
        socket.send(`done ${String(message)}`);
        if (message === '3') over.done();
      },
    });
    const peer = await join(port);
    await peer.write(Buffer.concat(['1', '2', '3'].map((payload) => maskedFrame({ payload }))));
    await over.promise;
    expect(log).toEqual(['1 with 1', '2 with 1', '3 with 1']);
    const frames = await peer.readFrames(3);
    expect(frames.map(({ payload }) => payload.toString())).toEqual(['done 1', 'done 2', 'done 3']);
  });

  it('stands beside listeners of the event', async () => {
    const log: string[] = [];
    const over = signal();
    const { server, port } = await serve({
      message: (_socket, message) => void log.push(`hook ${String(message)}`),
    });
    server.on('connection', (socket) => {
      socket.on('message', (message) => {
        log.push(`listener ${String(message)}`);
        over.done();
      });
    });
    const peer = await join(port);
    await peer.write(maskedFrame({ payload: 'both' }));
    await over.promise;
    expect(log.toSorted()).toEqual(['hook both', 'listener both']);
  });
});

describe('the hook stream', () => {
  it('is given a message while it arrives, and the next when that was read', async () => {
    const log: unknown[] = [];
    const over = signal();
    const { port } = await serve({
      async stream(socket, stream) {
        log.push(stream.binary);
        for await (const piece of stream) {
          log.push(piece);
          socket.send(`read ${String(piece)}`);
        }
        log.push('end');
        if (stream.binary) over.done();
      },
    });
    const peer = await join(port);
    await peer.write(maskedFrame({ fin: false, payload: 'one' }));
    expect((await peer.readFrames(1))[0]!.payload.toString()).toBe('read one');
    await peer.write(
      Buffer.concat([
        maskedFrame({ opcode: 0, payload: 'two' }),
        maskedFrame({ opcode: 2, payload: 'three' }),
      ]),
    );
    await over.promise;
    expect(log).toEqual([false, 'one', 'two', 'end', true, Buffer.from('three'), 'end']);
  });
});

describe('the hooks ping and pong', () => {
  it('are given the socket and the payload; a Ping is answered all the same', async () => {
    const log: unknown[] = [];
    const over = signal();
    const { server, port } = await serve({
      ping: (socket, payload) => void log.push('ping', socket, payload),
      pong(socket, payload) {
        log.push('pong', socket, payload);
        over.done();
      },
    });
    const peer = await join(port);
    await peer.write(
      Buffer.concat([
        maskedFrame({ opcode: 9, payload: 'there?' }),
        maskedFrame({ opcode: 10, payload: 'unasked' }),
      ]),
    );
    await over.promise;
    expect(numbered(log, server.sockets)).toEqual([
      'ping',
      '#0',
      Buffer.from('there?'),
      'pong',
      '#0',
      Buffer.from('unasked'),
    ]);
    const [pong] = await peer.readFrames(1);
    expect([pong!.opcode, pong!.payload.toString()]).toEqual([10, 'there?']);
  });
});

describe('the hook drain', () => {
  it('is called when there is room again', async () => {
    const log: unknown[] = [];
    const over = signal();
    const { server, port } = await serve({
      highWaterMark: 0,
      open: (socket) => void log.push(socket.send('more than nothing')),
      drain(socket) {
        log.push('drain', socket, socket.bufferedAmount);
        over.done();
      },
    });
    const peer = await join(port);
    await over.promise;
    expect(numbered(log, server.sockets)).toEqual([false, 'drain', '#0', 0]);
    expect((await peer.readFrames(1))[0]!.payload.toString()).toBe('more than nothing');
  });
});

describe('the hooks error and close', () => {
  it('tell what the peer did wrong, and then the end', async () => {
    const log: unknown[] = [];
    const over = signal();
    const { server, port } = await serve({
      error: (socket, error) => void log.push('error', socket, error),
      close(socket, code, reason, wasClean) {
        log.push('close', socket, code, reason, wasClean);
        over.done();
      },
    });
    const peer = await join(port);
    const sockets = [...server.sockets];
    await peer.write(maskedFrame({ rsv: 4 }));
    const [close] = await peer.readFrames(1);
    expect(close!.payload.readUInt16BE()).toBe(1002);
    peer.end();
    await over.promise;
    expect(log[2]).toBeInstanceOf(ProtocolError);
    expect(log[2]).toMatchObject({ code: 'WS_ERR_RESERVED_BITS', closeCode: 1002 });
    expect(numbered([log[0], log[1], log[3], log[4], log[7]], sockets)).toEqual([
      'error',
      '#0',
      'close',
      '#0',
      false,
    ]);
  });

  it.each([
    ['a code and a reason', closeBody(4321, 'done'), [4321, 'done', true]],
    ['nothing', Buffer.alloc(0), [1005, '', true]],
  ])('close is given what the Close of the peer held: %s', async (_what, payload, expected) => {
    const closed = signal<unknown[]>();
    const { port } = await serve({
      close: (_socket, ...how) => closed.done(how),
    });
    const peer = await join(port);
    peer.end(maskedFrame({ opcode: 8, payload }));
    expect(await closed.promise).toEqual(expected);
  });

  it('close is given 1006 where the peer has left without a Close', async () => {
    const closed = signal<unknown[]>();
    const { server, port } = await serve({
      close: (_socket, ...how) => closed.done([...how, server.sockets.size]),
    });
    (await join(port)).reset();
    expect(await closed.promise).toEqual([1006, '', false, 0]);
  });
});

describe('the hook shutdown', () => {
  it('is called with the socket, which may still send', async () => {
    const log: unknown[] = [];
    const { server, port } = await serve({
      shutdown(socket) {
        log.push(socket);
        socket.send('closing for an update');
      },
    });
    const peer = await join(port);
    const sockets = [...server.sockets];
    const ended = server.shutdown();
    const [message, close] = await peer.readFrames(2);
    expect(message!.payload.toString()).toBe('closing for an update');
    expect(close!.payload).toEqual(closeBody(1001));
    peer.end(maskedFrame({ opcode: 8, payload: closeBody(1001) }));
    await ended;
    expect(numbered(log, sockets)).toEqual(['#0']);
  });
});
