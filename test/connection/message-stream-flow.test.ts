import { describe, expect, it } from 'vitest';
import type { MessageStream } from '../../src/connection/message-stream.ts';
import { ConnectionClosedError } from '../../src/errors.ts';
import { type RawFrame, closeBody, peerFrame } from '../support/bytes.ts';
import { Gate, type LiveSocket, openLive, turns, watchRejections } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

const TEXT = 'a, é, 世, 🌍';
const MIB = 1024 * 1024;

async function readAll(stream: MessageStream): Promise<unknown[]> {
  const pieces: unknown[] = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}

/** Streams as they are given out, for a test to read. */
class Streams {
  readonly all: MessageStream[] = [];

  constructor({ socket }: LiveSocket) {
    socket.on('stream', (stream) => void this.all.push(stream));
  }

  async next(): Promise<MessageStream> {
    while (this.all.length === 0) await turns(1);
    return this.all.shift()!;
  }
}

function begin(payload: string | Uint8Array, opcode: number = 1): RawFrame {
  return { fin: false, opcode, payload };
}

function end(payload: string | Uint8Array = ''): RawFrame {
  return { fin: true, opcode: 0, payload };
}

describe.each(ROLES)('a message that a %s is given as a stream', (role) => {
  it('begins before it has ended, and its pieces come as they come', async () => {
    const live = await openLive(role);
    const streams = new Streams(live);
    await live.send(begin('one'));
    const stream = await streams.next();
    const iterator = stream[Symbol.asyncIterator]();
    expect(await iterator.next()).toEqual({ done: false, value: 'one' });
    const second = iterator.next();
    await live.send({ fin: false, opcode: 0, payload: 'two' });
    expect(await second).toEqual({ done: false, value: 'two' });
    const third = iterator.next();
    await live.send(end());
    expect(await third).toEqual({ done: true, value: undefined });
    expect(stream.binary).toBe(false);
  });

  it('gives parts of one frame before the frame is whole', async () => {
    const live = await openLive(role);
    const streams = new Streams(live);
    const frame = peerFrame(role, { opcode: 2, payload: Buffer.alloc(1000, 'x') });
    await live.peer.write(frame.subarray(0, 500));
    const iterator = (await streams.next())[Symbol.asyncIterator]();
    const first = await iterator.next();
    expect(first.value?.length).toBeLessThan(500);
    await live.peer.write(frame.subarray(500));
    const second = await iterator.next();
    expect((first.value?.length ?? 0) + (second.value?.length ?? 0)).toBe(1000);
    expect((await iterator.next()).done).toBe(true);
  });

  it('is decoded as text across its cuts, whichever bytes come alone', async () => {
    const live = await openLive(role);
    const streams = new Streams(live);
    const wire = peerFrame(role, { payload: TEXT });
    const reading = streams.next().then(readAll);
    for (const byte of wire) await live.peer.write(Buffer.from([byte]));
    const pieces = await reading;
    expect(pieces.every((piece) => typeof piece === 'string')).toBe(true);
    expect(pieces.join('')).toBe(TEXT);
  });

  it('is Buffers where texts are wanted so', async () => {
    const live = await openLive(role, { options: { text: 'buffer' } });
    const streams = new Streams(live);
    await live.sendTexts(TEXT);
    const stream = await streams.next();
    expect(stream.binary).toBe(false);
    const pieces: Buffer[] = [];
    for await (const piece of stream) {
      if (typeof piece === 'string') throw new Error('a string was given out');
      pieces.push(piece);
    }
    expect(Buffer.concat(pieces).toString()).toBe(TEXT);
  });

  it('comes to the hook and to listeners, and to no consumer of messages', async () => {
    const told: string[] = [];
    const live = await openLive(role, {
      hooks: {
        stream: async (socket, stream) => {
          told.push(`hook ${socket === live.socket}`);
          told.push((await readAll(stream)).join(''));
        },
        message: () => void told.push('message'),
      },
    });
    live.socket.on('stream', function listen(this: unknown) {
      told.push(`listener ${this === live.socket}`);
    });
    live.socket.on('message', () => void told.push('message'));
    await live.sendTexts('text', '');
    await live.readAll();
    expect(told).toEqual(['hook true', 'listener true', 'text', 'hook true', 'listener true', '']);
  });

  it('holds back the next one until it was read to its end', async () => {
    const live = await openLive(role);
    const streams = new Streams(live);
    await live.sendTexts('one', 'two', 'three');
    await live.readAll();
    const first = await streams.next();
    await turns();
    expect(streams.all).toHaveLength(0);
    const iterator = first[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toBe('one');
    await turns();
    expect(streams.all).toHaveLength(0);
    expect((await iterator.next()).done).toBe(true);
    expect(await readAll(await streams.next())).toEqual(['two']);
    expect(await readAll(await streams.next())).toEqual(['three']);
  });

  it('holds back the next one until its handler is done, though it was read', async () => {
    const live = await openLive(role);
    const gate = new Gate();
    const told: string[] = [];
    live.onStream(async (stream) => {
      told.push((await readAll(stream)).join(''));
      await gate.passed;
    });
    await live.sendTexts('one', 'two');
    await live.readAll();
    expect(told).toEqual(['one']);
    gate.open();
    await turns();
    expect(told).toEqual(['one', 'two']);
  });

  it('lets the next one come when it is cancelled, and drops the rest of it', async () => {
    const live = await openLive(role);
    const streams = new Streams(live);
    await live.send(begin('one'));
    const first = await streams.next();
    first.cancel();
    await live.send({ fin: false, opcode: 0, payload: 'dropped' }, end('dropped'), {
      payload: 'two',
    });
    expect(await readAll(await streams.next())).toEqual(['two']);
    expect(await readAll(first)).toEqual([]);
  });

  it('lets the next one come when its loop is left', async () => {
    const live = await openLive(role);
    const got: unknown[] = [];
    live.onStream(async (stream) => {
      for await (const piece of stream) {
        got.push(piece);
        break;
      }
    });
    await live.send(begin('one'), end('dropped'), begin('two'), end('dropped'), {
      payload: 'three',
    });
    await live.readAll();
    expect(got).toEqual(['one', 'two', 'three']);
  });

  it('lets Pings through in its middle', async () => {
    const live = await openLive(role);
    const streams = new Streams(live);
    await live.send(begin('one'), { opcode: 9, payload: 'between' }, end('two'));
    expect((await live.frame()).payload.toString()).toBe('between');
    expect((await readAll(await streams.next())).join('')).toBe('onetwo');
  });

  describe('where nobody reads it', () => {
    it('holds the transport near maxQueueSize, whatever its size', async () => {
      const live = await openLive(role, { options: { maxPayload: 100 * MIB } });
      const streams = new Streams(live);
      const size = 100 * MIB;
      const head = peerFrame(role, { opcode: 2, payload: Buffer.alloc(size) });
      const before = process.memoryUsage().arrayBuffers;
      let written = 0;
      const { transport } = live.peer;
      while (written < size && transport.writableLength < 4 * MIB) {
        transport.write(head.subarray(written, written + MIB));
        written += MIB;
        await turns(2);
      }
      expect(written).toBeLessThan(size);
      expect(live.near.isPaused()).toBe(true);
      await turns(20);
      const kept = process.memoryUsage().arrayBuffers - before;
      // The queue, the chunk that filled it, and what waits at the other end of this process.
      expect(kept).toBeLessThan(16 * MIB);
      transport.write(head.subarray(written));
      let read = 0;
      for await (const piece of await streams.next()) read += piece.length;
      expect(read).toBe(size);
      expect(live.near.isPaused()).toBe(false);
    });

    it('goes on when it is cancelled', async () => {
      const live = await openLive(role, { options: { maxQueueSize: 1000 } });
      const streams = new Streams(live);
      await live.send(begin(Buffer.alloc(1000), 2));
      const stream = await streams.next();
      while (!live.near.isPaused()) await turns(1);
      stream.cancel();
      expect(live.near.isPaused()).toBe(false);
      await live.send({ fin: false, opcode: 0, payload: Buffer.alloc(5000) }, end());
      await live.readAll();
      expect(live.near.isPaused()).toBe(false);
    });

    it('counts what waits in it and behind it, and forgets what was read', async () => {
      const live = await openLive(role, { options: { maxQueueSize: 10_000 } });
      const streams = new Streams(live);
      await live.send({ payload: 'a'.repeat(4000) }, { payload: 'b'.repeat(4000) });
      await live.readAll();
      await live.send({ payload: 'c'.repeat(4000) });
      while (!live.near.isPaused()) await turns(1);
      for (const letter of ['a', 'b', 'c']) {
        expect((await readAll(await streams.next())).join('')).toBe(letter.repeat(4000));
      }
      expect(live.near.isPaused()).toBe(false);
    });

    it('waits while the socket is paused', async () => {
      const live = await openLive(role);
      const streams = new Streams(live);
      live.socket.pause();
      await live.sendTexts('one');
      await turns(20);
      expect(streams.all).toHaveLength(0);
      live.socket.resume();
      expect(await readAll(await streams.next())).toEqual(['one']);
    });
  });

  describe('where it is cut', () => {
    it.each([
      ['the connection is lost', (live: LiveSocket) => live.peer.reset(), 1006],
      ['the peer ends without a Close', (live: LiveSocket) => live.peer.end(), 1006],
      ['the peer closes in its middle', (live: LiveSocket) => live.closeByPeer(4000), 4000],
      ['we terminate', (live: LiveSocket) => live.socket.terminate(), 1006],
      [
        'we close',
        (live: LiveSocket) => {
          void live.socket.close(4001);
          return live.answerClose();
        },
        4001,
      ],
    ])('rejects with how the connection ended when %s', async (_name, cut, closeCode) => {
      const rejections = watchRejections();
      const live = await openLive(role);
      const streams = new Streams(live);
      await live.send(begin('half'));
      const iterator = (await streams.next())[Symbol.asyncIterator]();
      expect((await iterator.next()).value).toBe('half');
      const reading = iterator.next();
      await Promise.all([
        expect(reading).rejects.toMatchObject({ name: 'ConnectionClosedError', closeCode }),
        Promise.resolve(cut(live)),
      ]);
      expect((await iterator.next()).done).toBe(true);
      await live.closed;
      expect(rejections).toEqual([]);
    });

    it('rejects where its bytes turn out to be no UTF-8, and tells the error', async () => {
      const live = await openLive(role);
      const order: string[] = [];
      live.onStream(async (stream) => {
        try {
          for await (const piece of stream) order.push(String(piece));
        } catch (error) {
          order.push(error instanceof ConnectionClosedError ? 'cut' : 'another error');
        }
      });
      live.socket.on('error', () => void order.push('error'));
      live.socket.on('close', () => void order.push('close'));
      await live.send(begin('good'));
      await live.readAll();
      await live.send({ fin: false, opcode: 0, payload: Buffer.from([0xff]) });
      expect((await live.answerClose()).payload.readUInt16BE()).toBe(1007);
      await live.closed;
      expect(order).toEqual(['good', 'cut', 'error', 'close']);
    });

    it('is refused with 1009 where it grows beyond maxPayload', async () => {
      const live = await openLive(role, { options: { maxPayload: 100 }, hooks: { error() {} } });
      const streams = new Streams(live);
      await live.send(begin('a'.repeat(60)));
      const reading = readAll(await streams.next());
      const rejected = expect(reading).rejects.toThrow(ConnectionClosedError);
      await live.send(end('a'.repeat(60)));
      expect((await live.answerClose()).payload.readUInt16BE()).toBe(1009);
      await rejected;
    });

    it('is no error of a handler that was reading it: `close` tells', async () => {
      const errors: unknown[] = [];
      const live = await openLive(role, {
        hooks: {
          stream: async (_socket, stream) => void (await readAll(stream)),
          error: (_socket, error) => void errors.push(error),
        },
      });
      await live.send(begin('half'));
      await live.readAll();
      live.peer.reset();
      await live.closed;
      await turns();
      expect(errors).toEqual([]);
    });

    it('is told to nobody where nobody reads it', async () => {
      const rejections = watchRejections();
      const errors: unknown[] = [];
      const live = await openLive(role, {
        hooks: { error: (_, error) => void errors.push(error) },
      });
      live.socket.on('stream', (stream) => stream.cancel());
      await live.send(begin('half'));
      await live.readAll();
      live.peer.reset();
      expect(await live.closed).toEqual([1006, '', false]);
      expect([rejections, errors]).toEqual([[], []]);
    });
  });

  it('is whole and can be read after the connection has ended, within closeTimeout', async () => {
    const live = await openLive(role);
    const streams = new Streams(live);
    await live.send({ payload: 'all of it' }, { opcode: 8, payload: closeBody(1000) });
    live.peer.end();
    const stream = await streams.next();
    await live.peer.closed();
    await turns();
    expect(await readAll(stream)).toEqual(['all of it']);
    expect(await live.closed).toEqual([1000, '', true]);
  });
});
