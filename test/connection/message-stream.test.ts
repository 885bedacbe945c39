import { describe, expect, it } from 'vitest';
import { MessageStream, PieceQueue, dropStream } from '../../src/connection/message-stream.ts';
import { turns } from '../support/live-socket.ts';

const DONE = { done: true, value: undefined };
const lost = new Error('the connection is lost');

/** A queue, its reading end, and what it has told so far. */
function make(asText: boolean = false): {
  queue: PieceQueue;
  stream: MessageStream;
  told: { size: number; most: number; done: number };
} {
  const told = { size: 0, most: 0, done: 0 };
  const queue = new PieceQueue(
    {
      onSize(difference) {
        told.size += difference;
        told.most = Math.max(told.most, told.size);
      },
      onDone: () => void told.done++,
    },
    asText,
  );
  return { queue, stream: new MessageStream(queue, !asText), told };
}

async function readAll(stream: MessageStream): Promise<unknown[]> {
  const pieces: unknown[] = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}

describe('a message stream', () => {
  it('knows whether it is binary', () => {
    expect([make(false).stream.binary, make(true).stream.binary]).toEqual([true, false]);
  });

  it('gives the pieces that came, and those that come, in order', async () => {
    const { queue, stream, told } = make();
    queue.push(Buffer.from('one'), false);
    const reading = readAll(stream);
    await turns();
    queue.push(Buffer.from('two'), false);
    queue.push(Buffer.alloc(0), false);
    await turns();
    queue.push(Buffer.from('three'), true);
    expect(await reading).toEqual(['one', 'two', 'three'].map((text) => Buffer.from(text)));
    expect(told).toMatchObject({ size: 0, done: 1 });
    // Never more than one piece, and what an object costs that holds it.
    expect(told.most).toBeLessThan(200);
    expect(queue.isDone).toBe(true);
  });

  it('gives a message without bytes as none at all', async () => {
    const { queue, stream, told } = make();
    queue.push(Buffer.alloc(0), true);
    expect(told.done).toBe(0);
    expect(await readAll(stream)).toEqual([]);
    expect(told.done).toBe(1);
  });

  it('gives a message that was whole already, once', async () => {
    for (const whole of ['text', Buffer.from('bytes'), '']) {
      const { queue, stream, told } = make();
      queue.pushWhole(whole);
      expect(told.size > 0).toBe(whole.length > 0);
      expect(await readAll(stream)).toEqual(whole === '' ? [] : [whole]);
      expect(told).toMatchObject({ size: 0, done: 1 });
    }
  });

  it('decodes text across the cuts', async () => {
    const bytes = Buffer.from('a, é, 世, 🌍');
    const { queue, stream, told } = make(true);
    for (const [i, byte] of bytes.entries())
      queue.push(Buffer.from([byte]), i === bytes.length - 1);
    const pieces = await readAll(stream);
    expect(pieces.join('')).toBe('a, é, 世, 🌍');
    expect(pieces).not.toContain('');
    expect(told).toMatchObject({ size: 0, done: 1 });
  });

  it('is done when its end was read, and not when it came', async () => {
    const { queue, stream, told } = make();
    const iterator = stream[Symbol.asyncIterator]();
    queue.push(Buffer.from('all'), true);
    expect([told.done, queue.isDone]).toEqual([0, false]);
    await iterator.next();
    expect(told.done).toBe(0);
    expect(await iterator.next()).toEqual(DONE);
    expect([told.done, queue.isDone]).toEqual([1, true]);
    expect(await iterator.next()).toEqual(DONE);
    expect(told.done).toBe(1);
  });

  it('answers many calls of next() in order', async () => {
    const { queue, stream } = make();
    const iterator = stream[Symbol.asyncIterator]();
    const reads = [iterator.next(), iterator.next(), iterator.next(), iterator.next()];
    queue.push(Buffer.from('1'), false);
    queue.push(Buffer.from('2'), true);
    expect(await Promise.all(reads)).toEqual([
      { done: false, value: Buffer.from('1') },
      { done: false, value: Buffer.from('2') },
      DONE,
      DONE,
    ]);
  });

  it('can be cancelled before, while and after it comes', async () => {
    for (const at of [0, 1, 2]) {
      const { queue, stream, told } = make();
      if (at > 0) queue.push(Buffer.from('some'), false);
      if (at > 1) queue.push(Buffer.from('more'), true);
      stream.cancel();
      expect(told).toMatchObject({ size: 0, done: 1 });
      queue.push(Buffer.from('late'), true);
      queue.fail(lost);
      stream.cancel();
      expect(await readAll(stream)).toEqual([]);
      expect(told).toMatchObject({ size: 0, done: 1 });
    }
  });

  it('can be dropped before anybody was given it: nobody has to hear that it is done', async () => {
    const { queue, stream, told } = make();
    queue.push(Buffer.from('some'), false);
    dropStream(stream);
    expect(told).toMatchObject({ size: 0, done: 0 });
    expect(queue.isDone).toBe(true);
    queue.push(Buffer.from('late'), true);
    stream.cancel();
    expect(told).toMatchObject({ size: 0, done: 0 });
    expect(await readAll(stream)).toEqual([]);
  });

  it('ends those who wait when it is cancelled', async () => {
    const { stream, told } = make();
    const iterator = stream[Symbol.asyncIterator]();
    const reads = [iterator.next(), iterator.next()];
    stream.cancel();
    expect(await Promise.all(reads)).toEqual([DONE, DONE]);
    expect(told.done).toBe(1);
  });

  it('is cancelled by a break', async () => {
    const { queue, stream, told } = make();
    queue.push(Buffer.from('one'), false);
    queue.push(Buffer.from('two'), false);
    for await (const piece of stream) {
      expect(piece).toEqual(Buffer.from('one'));
      break;
    }
    expect(told).toMatchObject({ size: 0, done: 1 });
  });

  it('rejects once where it was cut, behind what had come', async () => {
    const { queue, stream, told } = make();
    queue.push(Buffer.from('half'), false);
    queue.fail(lost);
    const iterator = stream[Symbol.asyncIterator]();
    expect(await iterator.next()).toEqual({ done: false, value: Buffer.from('half') });
    await expect(iterator.next()).rejects.toBe(lost);
    expect(told).toMatchObject({ size: 0, done: 1 });
    expect(await iterator.next()).toEqual(DONE);
  });

  it('rejects who waits where it is cut, and ends the others', async () => {
    const { queue, stream, told } = make(true);
    const iterator = stream[Symbol.asyncIterator]();
    const [first, second] = [iterator.next(), iterator.next()];
    const rejected = expect(first).rejects.toBe(lost);
    queue.fail(lost);
    await rejected;
    expect(await second).toEqual(DONE);
    expect(told.done).toBe(1);
  });

  it('cannot be cut when all of it came', async () => {
    const { queue, stream } = make();
    queue.push(Buffer.from('all'), true);
    queue.fail(lost);
    expect(await readAll(stream)).toEqual([Buffer.from('all')]);
  });

  it('cancelled after it was cut rejects nobody', async () => {
    const { queue, stream, told } = make();
    queue.fail(lost);
    stream.cancel();
    expect(await readAll(stream)).toEqual([]);
    expect(told.done).toBe(1);
  });

  it('takes more from whoever fills it inside of what it tells', async () => {
    const pieces = ['a', 'b', 'c', 'd'].map((text) => Buffer.from(text));
    const queue: PieceQueue = new PieceQueue(
      {
        // As a transport that is resumed, and has some bytes at once.
        onSize(difference) {
          if (difference >= 0) return;
          const next = pieces.shift();
          if (next !== undefined) queue.push(next, pieces.length === 0);
        },
        onDone() {},
      },
      false,
    );
    queue.push(pieces.shift()!, false);
    const read = await readAll(new MessageStream(queue, true));
    expect(read.map(String)).toEqual(['a', 'b', 'c', 'd']);
  });
});
