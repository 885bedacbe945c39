import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Role } from '../../src/connection/handler.ts';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { Socket } from '../../src/connection/socket.ts';
import { type SocketOptions, resolveSocketOptions } from '../../src/connection/socket-options.ts';
import { ConnectionClosedError, ProtocolError } from '../../src/errors.ts';
import { closeBody, hex, peerFrame, readFrames } from '../support/bytes.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { ROLES } from '../support/open-connection.ts';
import { type OpenSocket, makeSocket, openSocket } from '../support/open-socket.ts';

const opened: OpenSocket[] = [];

async function open(role: Role, options: SocketOptions = {}): Promise<OpenSocket> {
  const side = await openSocket(role, options);
  opened.push(side);
  return side;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((side) => side.dispose()));
  vi.restoreAllMocks();
});

const NO_BYTES = Buffer.alloc(0);

describe.each(ROLES)('a %s socket', (role) => {
  describe('messages', () => {
    it('hands out a text as a string and a binary as a Buffer, in their order', async () => {
      const side = await open(role);
      const messages = collect(side.socket, 5);
      await side.send(
        { payload: 'ASCII' },
        { payload: 'Grüße, 世界 🌍' },
        { payload: '' },
        { opcode: 2, payload: Buffer.from([0, 255]) },
        { opcode: 2 },
      );
      expect(await messages).toEqual([
        'ASCII',
        'Grüße, 世界 🌍',
        '',
        Buffer.from([0, 255]),
        NO_BYTES,
      ]);
    });

    it('sends a string as a text and bytes as a binary, masked where it is a client', async () => {
      const { socket, peer } = await open(role);
      expect(socket.send('é')).toBe(true);
      expect(socket.send(Buffer.from([1, 2]))).toBe(true);
      expect(socket.send(new Uint8Array([9, 8, 7, 6]).subarray(1, 3))).toBe(true);
      const frames = await peer.readFrames(3);
      expect(frames.map(({ opcode, payload }) => [opcode, payload.toString('hex')])).toEqual([
        [1, 'c3a9'],
        [2, '0102'],
        [2, '0807'],
      ]);
      expect(frames.map(({ masked }) => masked)).toEqual(
        Array.from({ length: 3 }, () => role === 'client'),
      );
    });

    it('lets what is sent in one tick leave in one write', async () => {
      const { stream } = memoryStream();
      const socket = makeSocket(role, stream);
      const write = vi.spyOn(stream, 'write');
      for (let i = 0; i < 10; i++) socket.send(`message ${i}`);
      expect(write).not.toHaveBeenCalled();
      await tick();
      expect(write).toHaveBeenCalledTimes(1);
      socket.terminate();
    });
  });

  describe('the bytes behind the handshake', () => {
    it('are decoded after the listeners of the same tick were added', async () => {
      const { stream } = memoryStream();
      const head = peerFrame(role, { payload: 'first' });
      const socket = makeSocket(role, stream, {}, head);
      const messages: unknown[] = [];
      socket.on('message', (message) => messages.push(message));
      expect(messages).toEqual([]);
      await tick();
      expect(messages).toEqual(['first']);
      socket.terminate();
    });
  });

  describe('control frames', () => {
    it('answers a Ping with its payload, and tells the application', async () => {
      const side = await open(role);
      const [[payload], frame] = await Promise.all([
        side.next('ping'),
        side.frame(),
        side.send({ opcode: 9, payload: 'are you there' }),
      ]);
      expect(payload).toEqual(Buffer.from('are you there'));
      expect([frame.opcode, frame.payload.toString()]).toEqual([10, 'are you there']);
    });

    it('leaves the answer to the application without autoPong', async () => {
      const side = await open(role, { autoPong: false });
      await Promise.all([side.next('ping'), side.send({ opcode: 9, payload: 'x' })]);
      side.socket.send('nothing before this');
      expect((await side.frame()).payload.toString()).toBe('nothing before this');
    });

    it('sends a Ping, and tells the application about the Pong', async () => {
      const side = await open(role);
      const answered = side.socket.ping(Buffer.from('42'));
      const frame = await side.frame();
      expect([frame.opcode, frame.payload.toString()]).toEqual([9, '42']);
      const [[payload]] = await Promise.all([
        side.next('pong'),
        side.send({ opcode: 10, payload: '42' }),
      ]);
      expect(payload).toEqual(Buffer.from('42'));
      expect(await answered).toBeGreaterThanOrEqual(0);
    });

    it('refuses a Ping of 126 bytes before anything is sent', async () => {
      const { socket, peer } = await open(role);
      expect(() => socket.ping(Buffer.alloc(126))).toThrow(RangeError);
      expect(() => socket.pong(Buffer.alloc(126))).toThrow(RangeError);
      void socket.ping(Buffer.alloc(125, 1));
      void socket.ping('');
      expect(socket.pong()).toBe(true);
      const frames = await peer.readFrames(3);
      expect(frames.map(({ opcode, payload }) => [opcode, payload])).toEqual([
        [9, bytes(1, 125)],
        [9, NO_BYTES],
        [10, NO_BYTES],
      ]);
    });
  });

  describe('its state', () => {
    it('is open, then closing, then closed', async () => {
      const side = await open(role);
      const { socket, peer } = side;
      expect([socket.readyState, socket.bufferedAmount, socket.latency]).toEqual([
        1,
        0,
        Number.NaN,
      ]);
      const closed = side.next('close');
      const ended = socket.close(4000, 'enough');
      expect(socket.readyState).toBe(2);
      expect(socket.send('too late')).toBe(false);
      expect(socket.pong()).toBe(false);
      await expect(socket.ping()).rejects.toThrow(ConnectionClosedError);
      const frame = await side.frame();
      expect([frame.opcode, frame.payload]).toEqual([8, closeBody(4000, 'enough')]);
      await side.send({ opcode: 8, payload: closeBody(4000) });
      peer.end();
      expect(await closed).toEqual([4000, '', true]);
      expect(await ended).toEqual({ code: 4000, reason: '', wasClean: true });
      expect(socket.readyState).toBe(3);
    });

    it('counts what waits for the network, and tells when there is room again', async () => {
      const side = await open(role, { highWaterMark: 1000 });
      const { socket, peer } = side;
      peer.transport.pause();
      const message = Buffer.alloc(512 * 1024, 5);
      let sent = 0;
      let hasRoom = true;
      while (hasRoom) {
        sent++;
        hasRoom = socket.send(message);
        await new Promise(setImmediate);
      }
      expect(socket.bufferedAmount).toBeGreaterThan(1000);
      const drained = side.next('drain');
      peer.transport.resume();
      await drained;
      expect(socket.bufferedAmount).toBe(0);
      expect(socket.send('more')).toBe(true);
      const frames = await peer.readFrames(sent + 1);
      expect(frames.pop()!.payload.toString()).toBe('more');
      expect(frames.every(({ payload }) => payload.equals(message))).toBe(true);
    });

    it('holds messages back while it is paused, and loses none', async () => {
      const side = await open(role);
      const { socket } = side;
      const messages: unknown[] = [];
      socket.on('message', (message) => {
        messages.push(message);
        if (message === 'one') socket.pause();
      });
      await Promise.all([side.next('message'), side.send({ payload: 'one' }, { payload: 'two' })]);
      await side.send({ payload: 'three' });
      expect(messages).toEqual(['one']);
      socket.resume();
      expect(messages).toEqual(['one', 'two']);
      await side.next('message');
      expect(messages).toEqual(['one', 'two', 'three']);
    });
  });

  describe('closing', () => {
    it('answers the Close of the peer, and tells its code and reason', async () => {
      const side = await open(role);
      const closed = side.next('close');
      await side.send({ opcode: 8, payload: closeBody(1001, 'gehe jetzt – tschüß') });
      const frame = await side.frame();
      expect([frame.opcode, frame.payload.subarray(0, 2)]).toEqual([8, closeBody(1001)]);
      // RFC 6455, section 7.1.1: the server closes TCP first; the client waits for it.
      if (role === 'server') await side.peer.readToEnd();
      expect(side.near.writableEnded).toBe(role === 'server');
      side.peer.end();
      expect(await closed).toEqual([1001, 'gehe jetzt – tschüß', true]);
      await side.peer.readToEnd();
    });

    it('reports a Close without a code as 1005', async () => {
      const side = await open(role);
      const closed = side.next('close');
      await side.send({ opcode: 8 });
      expect((await side.frame()).payload).toEqual(NO_BYTES);
      side.peer.end();
      expect(await closed).toEqual([1005, '', true]);
    });

    it('reports the end of the transport without a Close as 1006, and ends its side', async () => {
      const side = await open(role);
      const closed = side.next('close');
      side.peer.end();
      await side.peer.readToEnd();
      expect(await closed).toEqual([1006, '', false]);
    });

    it('reports a reset as 1006, and as no error', async () => {
      const side = await open(role);
      const onError = vi.fn<(error: Error) => void>();
      side.socket.on('error', onError);
      const closed = side.next('close');
      side.peer.reset();
      expect(await closed).toEqual([1006, '', false]);
      expect(onError).not.toHaveBeenCalled();
    });

    it('ends at once when it is terminated, in the middle of a chunk too', async () => {
      const side = await open(role);
      const messages: unknown[] = [];
      side.socket.on('message', (message) => {
        messages.push(message);
        side.socket.terminate();
      });
      const closed = side.next('close');
      await side.send({ payload: 'one' }, { payload: 'two' });
      expect(await closed).toEqual([1006, '', false]);
      expect(messages).toEqual(['one']);
    });

    it.each([1005, 1006, 1015, 999, 5000, 1.5])('refuses to close with %d', async (code) => {
      const { socket } = await open(role);
      expect(() => socket.close(code)).toThrow(RangeError);
      expect(socket.readyState).toBe(1);
    });
  });

  describe('what may be waited for', () => {
    it('is room, the way of all bytes to the kernel, and the end', async () => {
      const side = await open(role);
      const { socket, peer } = side;
      socket.send('first');
      await socket.drained();
      await socket.flushed();
      expect(socket.bufferedAmount).toBe(0);
      const { closed } = socket;
      peer.end(peerFrame(role, { opcode: 8, payload: closeBody(1000, 'bye') }));
      expect(await closed).toEqual({ code: 1000, reason: 'bye', wasClean: true });
      expect(await socket.closed).toEqual(await closed);
      await expect(socket.flushed()).rejects.toThrow(ConnectionClosedError);
    });

    it('is the end of what `using` has opened, which closes with 1000', async () => {
      const side = await open(role);
      const disposed = side.socket[Symbol.asyncDispose]();
      expect((await side.frame()).payload).toEqual(closeBody(1000));
      side.peer.end(peerFrame(role, { opcode: 8, payload: closeBody(1000) }));
      expect(await disposed).toBeUndefined();
      expect(side.socket.readyState).toBe(3);
    });
  });

  describe('the other ways to send and to receive', () => {
    it('take what was prepared, and the pieces of a text', async () => {
      const { socket, peer } = await open(role);
      expect(socket.send(new PreparedMessage('prepared'))).toBe(true);
      expect(await socket.sendText(['pi', Buffer.from('eces')])).toBe(true);
      const frames = await peer.readFrames(4);
      expect(frames.map(({ opcode, payload }) => `${opcode} ${payload.toString()}`)).toEqual([
        '1 prepared',
        '1 pi',
        '0 eces',
        '0 ',
      ]);
    });

    it('are a loop, which says when it holds messages back, and a stream of Node', async () => {
      const side = await open(role);
      const { socket } = side;
      socket.pause();
      expect(socket.isPaused).toBe(true);
      await side.send({ payload: 'one' }, { payload: 'two' });
      socket.resume();
      expect(socket.isPaused).toBe(false);
      for await (const message of socket) {
        expect(message).toBe('one');
        break;
      }
      const stream = socket.duplex();
      expect(await once(stream, 'data')).toEqual([Buffer.from('two')]);
      stream.write('three');
      expect((await side.frame()).payload.toString()).toBe('three');
      stream.destroy();
    });

    it('tell the subprotocol and the data that it was made with', () => {
      const { stream } = memoryStream();
      const options = resolveSocketOptions({});
      const socket = new Socket({ role, transport: stream, options, data: 5, protocol: 'chat' });
      expect([socket.protocol, socket.data]).toEqual(['chat', 5]);
      socket.terminate();
    });
  });

  describe('a peer that breaks the protocol', () => {
    it('is told why, and the application hears a ProtocolError', async () => {
      const side = await open(role);
      const [failed, closed] = [side.next('error'), side.next('close')];
      await side.send({ opcode: 3 });
      const [error] = await failed;
      expect(error).toBeInstanceOf(ProtocolError);
      expect(error).toMatchObject({ code: 'WS_ERR_RESERVED_OPCODE', closeCode: 1002 });
      expect((await side.frame()).payload.subarray(0, 2)).toEqual(closeBody(1002));
      side.peer.end();
      expect(await closed).toEqual([1006, '', false]);
    });

    it('does not end the process where nobody listens for errors', async () => {
      const side = await open(role);
      const closed = side.next('close');
      await side.send({ payload: hex('ff') });
      expect((await side.frame()).payload.subarray(0, 2)).toEqual(closeBody(1007));
      side.peer.end();
      expect(await closed).toEqual([1006, '', false]);
    });
  });

  describe('a listener that throws', () => {
    const mistake = new Error('a mistake of the application');

    it.each([
      ['message', 1],
      ['ping', 9],
      ['pong', 10],
    ] as const)('for "%s" closes with 1011, and is heard of', async (event, opcode) => {
      const side = await open(role);
      side.socket.on(event, () => {
        throw mistake;
      });
      const [failed, closed] = [side.next('error'), side.next('close')];
      await side.send({ opcode, payload: 'x' }, { payload: 'not delivered' });
      expect(await failed).toEqual([mistake]);
      const frame = await closeOf(side);
      expect(frame.subarray(0, 2)).toEqual(closeBody(1011));
      side.peer.end();
      expect(await closed).toEqual([1006, '', false]);
    });

    it('for "drain" closes with 1011, and is heard of', async () => {
      const { stream, written, unstick } = memoryStream(true);
      const socket = makeSocket(role, stream);
      socket.on('drain', () => {
        throw mistake;
      });
      const failed = once(socket, 'error');
      expect(socket.send(Buffer.alloc(100_000))).toBe(false);
      unstick();
      expect(await failed).toEqual([mistake]);
      const [, close] = readFrames(written());
      expect([close!.opcode, close!.payload]).toEqual([8, closeBody(1011)]);
      socket.terminate();
    });

    it('for "close" is heard of', async () => {
      const side = await open(role);
      side.socket.on('close', () => {
        throw mistake;
      });
      const failed = side.next('error');
      side.socket.terminate();
      expect(await failed).toEqual([mistake]);
      expect(side.socket.readyState).toBe(3);
    });

    it.each([
      ['an Error', mistake, mistake],
      ['a string', 'oops', new Error('oops')],
      ['undefined', undefined, new Error('undefined')],
      ['a symbol', Symbol('oops'), new Error('Symbol(oops)')],
      ['an object without a text', Object.create(null), expect.any(Error)],
    ])('becomes a warning where nobody listens for errors: %s', (_name, thrown, expected) => {
      const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
      const { stream, written } = memoryStream();
      const socket = makeSocket(role, stream);
      socket.on('message', () => {
        throw thrown;
      });
      expect(() => stream.emit('data', peerFrame(role, { payload: 'x' }))).not.toThrow();
      expect(warn.mock.calls).toEqual([[expected]]);
      expect(readFrames(written()).map(({ payload }) => payload)).toEqual([closeBody(1011)]);
      socket.terminate();
    });

    it.each([
      ['after a frame that breaks the protocol', { opcode: 3 }],
      ['after a listener that threw', { payload: 'x' }],
    ])('for "error" does not end the process %s', (_name, frame) => {
      const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
      const { stream } = memoryStream();
      const socket = makeSocket(role, stream);
      socket.on('message', () => {
        throw new Error('the first mistake');
      });
      socket.on('error', () => {
        throw mistake;
      });
      expect(() => stream.emit('data', peerFrame(role, frame))).not.toThrow();
      expect(warn).toHaveBeenCalledWith(mistake);
      expect(socket.readyState).toBe(2);
      socket.terminate();
    });
  });
});

function bytes(byte: number, size: number): Buffer {
  return Buffer.alloc(size, byte);
}

/** The next `count` messages. */
async function collect(socket: Socket, count: number): Promise<(string | Buffer)[]> {
  const messages: (string | Buffer)[] = [];
  await new Promise<void>((resolve) => {
    socket.on('message', (message) => {
      messages.push(message);
      if (messages.length === count) resolve();
    });
  });
  return messages;
}

/** The payload of the next Close that the peer gets, behind other control frames. */
async function closeOf(side: OpenSocket): Promise<Buffer> {
  const frame = await side.frame();
  return frame.opcode === 8 ? frame.payload : await closeOf(side);
}
/** Resolves when what was put off to the next tick has run. */
async function tick(): Promise<void> {
  await new Promise<void>((resolve) => {
    process.nextTick(resolve);
  });
}
