import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import {
  SYNC_FLUSH_TAIL,
  type Written,
  ZlibContext,
  areContextsUsable,
  borrowOutput,
  returnOutput,
} from '../../src/extension/zlib-context.ts';
import { noise } from '../support/deflate-reference.ts';

const { Z_SYNC_FLUSH, Z_BLOCK, Z_FINISH } = constants;
const FLUSHED = { finishFlush: Z_SYNC_FLUSH };

const open: ZlibContext[] = [];

/** Contexts cost memory that the garbage collector does not see. */
afterEach(() => {
  for (const context of open.splice(0)) context.close();
});

function deflater(level = 6, memLevel = 8, windowBits = 15): ZlibContext {
  const context = ZlibContext.deflater(level, memLevel, windowBits);
  open.push(context);
  return context;
}

function inflater(windowBits = 15): ZlibContext {
  const context = ZlibContext.inflater(windowBits);
  open.push(context);
  return context;
}

/** All that comes out of `input`, by outputs of `size` bytes. */
function writeAll(context: ZlibContext, input: Uint8Array, size = 64 * 1024): Buffer {
  const output = Buffer.alloc(size);
  const chunks: Buffer[] = [];
  for (let at = 0; ;) {
    const given = context.write(Z_SYNC_FLUSH, input, at, input.length, output);
    expect(context.isFailed).toBe(false);
    chunks.push(Buffer.from(output.subarray(0, given)));
    at = input.length - context.unread;
    if (given < size) return Buffer.concat(chunks);
  }
}

function writeLater(
  context: ZlibContext,
  input: Buffer,
  maxSize = Number.POSITIVE_INFINITY,
): Promise<Written> {
  return new Promise((resolve) => {
    context.writeLater(input, maxSize, resolve);
  });
}

function writeOn(context: ZlibContext): Promise<Written> {
  return new Promise((resolve) => {
    context.writeOn(resolve);
  });
}

const TEXT = Buffer.from('a text, a text, and once more a text');
/** Compresses to a third, and to more than one output. */
const LARGE = Buffer.from(noise(100_000).toString('hex'));

describe('a context that deflates', () => {
  it('writes what zlib inflates, ending with a flush', () => {
    const deflated = writeAll(deflater(), TEXT);
    expect(deflated.subarray(-4)).toEqual(SYNC_FLUSH_TAIL);
    expect(inflateRawSync(deflated, FLUSHED)).toEqual(TEXT);
  });

  it('writes the same as the public function', () => {
    for (const [level, memLevel, windowBits] of [
      [1, 9, 15],
      [3, 8, 12],
      [9, 1, 9],
    ] as const) {
      const options = { level, memLevel, windowBits, ...FLUSHED };
      expect(writeAll(deflater(level, memLevel, windowBits), LARGE)).toEqual(
        deflateRawSync(LARGE, options),
      );
    }
  });

  it('refers to what came before', () => {
    const context = deflater();
    const first = writeAll(context, TEXT);
    const second = writeAll(context, TEXT);
    expect(second.length).toBeLessThan(first.length);
    expect(inflateRawSync(Buffer.concat([first, second]), FLUSHED)).toEqual(
      Buffer.concat([TEXT, TEXT]),
    );
  });

  it('forgets it when it is reset', () => {
    const context = deflater();
    const first = writeAll(context, TEXT);
    context.reset();
    expect(writeAll(context, TEXT)).toEqual(first);
  });

  it('reads no more than it was told to', () => {
    const context = deflater();
    const output = Buffer.alloc(1024);
    const size = context.write(Z_SYNC_FLUSH, TEXT, 2, 6, output);
    expect(context.unread).toBe(0);
    expect(inflateRawSync(output.subarray(0, size), FLUSHED).toString()).toBe('text');
  });

  it('goes on where an output was full, until all has come', () => {
    const whole = deflateRawSync(LARGE, { level: 6, ...FLUSHED });
    for (const size of [1000, 4096, whole.length - 2, whole.length, whole.length + 1]) {
      const deflated = writeAll(deflater(), LARGE, size);
      expect(inflateRawSync(deflated, FLUSHED).equals(LARGE)).toBe(true);
      // Where an output ends within a flush, or with it, zlib flushes once more.
      expect([0, 5]).toContain(deflated.length - whole.length);
    }
  });

  it('writes nothing behind a flush where nothing came in', () => {
    const context = deflater();
    writeAll(context, TEXT);
    expect(writeAll(context, Buffer.alloc(0)).length).toBe(0);
  });

  it('takes bytes that are no Buffer', () => {
    const deflated = writeAll(deflater(), new Uint8Array([1, 2, 3]));
    expect([...inflateRawSync(deflated, FLUSHED)]).toEqual([1, 2, 3]);
  });
});

describe('a context that inflates', () => {
  it('gives what zlib has deflated', () => {
    expect(writeAll(inflater(), deflateRawSync(TEXT, FLUSHED))).toEqual(TEXT);
  });

  it('goes on where an output was full, until all has come', () => {
    const deflated = deflateRawSync(LARGE, FLUSHED);
    for (const size of [1000, 65_536, LARGE.length, LARGE.length + 1]) {
      expect(writeAll(inflater(), deflated, size).equals(LARGE)).toBe(true);
    }
  });

  it('takes a stream that comes byte by byte', () => {
    const deflated = deflateRawSync(TEXT, FLUSHED);
    const context = inflater();
    const bytes = Array.from(deflated, (_, at) => writeAll(context, deflated.subarray(at, at + 1)));
    expect(Buffer.concat(bytes)).toEqual(TEXT);
  });

  it('knows what came before, until it is reset', () => {
    const other = deflater();
    const context = inflater();
    expect(writeAll(context, writeAll(other, TEXT))).toEqual(TEXT);
    const second = writeAll(other, TEXT);
    expect(writeAll(context, second)).toEqual(TEXT);
    context.reset();
    context.write(Z_SYNC_FLUSH, second, 0, second.length, Buffer.alloc(1024));
    expect(context.isFailed).toBe(true);
  });

  it('leaves unread what stands behind a final block', () => {
    const context = inflater();
    const final = deflateRawSync(TEXT);
    const input = Buffer.concat([final, Buffer.from('rest')]);
    const output = Buffer.alloc(1024);
    expect(context.write(Z_SYNC_FLUSH, input, 0, input.length, output)).toBe(TEXT.length);
    expect(context.unread).toBe(4);
    // Nothing more is read until it is reset.
    expect(context.write(Z_SYNC_FLUSH, input, final.length, input.length, output)).toBe(0);
    expect(context.unread).toBe(4);
    expect(context.isFailed).toBe(false);
    context.reset();
    expect(writeAll(context, final)).toEqual(TEXT);
  });

  it('stops behind a block where it is told to', () => {
    const context = inflater();
    const deflated = deflateRawSync(TEXT, FLUSHED);
    const output = Buffer.alloc(1024);
    const end = deflated.length - 4;
    context.write(Z_SYNC_FLUSH, deflated, 0, end, output);
    expect(context.unread).toBe(0);
    const behind = Buffer.of(0x00, 0x00, 0xff, 0xff, 0x00);
    expect(context.write(Z_BLOCK, behind, 0, behind.length, output)).toBe(0);
    expect(context.unread).toBe(1);
    expect(context.isFailed).toBe(false);
  });

  it('remembers no more than its window', () => {
    const other = deflater();
    const text = noise(5000);
    const [first, second] = [writeAll(other, text), writeAll(other, text)];
    const wide = inflater(15);
    expect([first, second].map((deflated) => writeAll(wide, deflated))).toEqual([text, text]);
    const narrow = inflater(9);
    expect(writeAll(narrow, first)).toEqual(text);
    narrow.write(Z_SYNC_FLUSH, second, 0, second.length, Buffer.alloc(10_000));
    expect(narrow.isFailed).toBe(true);
  });
});

describe('a context that has failed', () => {
  const BAD = Buffer.of(0x07, 0xff, 0xff, 0xff);

  it('says so at once, gives nothing, and is not heard of otherwise', async () => {
    const context = inflater();
    expect(context.isFailed).toBe(false);
    expect(context.write(Z_SYNC_FLUSH, BAD, 0, BAD.length, Buffer.alloc(64))).toBe(0);
    expect(context.isFailed).toBe(true);
    // An 'error' that nobody listens to would end the process.
    await new Promise(setImmediate);
  });

  it('stays as it is, whatever is done to it', async () => {
    const context = inflater();
    context.write(Z_SYNC_FLUSH, BAD, 0, BAD.length, Buffer.alloc(64));
    context.reset();
    const good = deflateRawSync(TEXT);
    expect(context.write(Z_SYNC_FLUSH, good, 0, good.length, Buffer.alloc(64))).toBe(0);
    expect(context.isFailed).toBe(true);
    await new Promise(setImmediate);
    expect(context.write(Z_SYNC_FLUSH, good, 0, good.length, Buffer.alloc(64))).toBe(0);
    context.close();
    context.close();
    expect(context.isFailed).toBe(true);
  });

  it('answers one that writes later', async () => {
    const context = inflater();
    context.write(Z_SYNC_FLUSH, BAD, 0, BAD.length, Buffer.alloc(64));
    const { chunks } = await writeLater(context, deflateRawSync(TEXT));
    expect(chunks).toEqual([]);
    expect(context.isFailed).toBe(true);
  });
});

describe('a context that was closed', () => {
  it('takes nothing any more', () => {
    const context = deflater();
    writeAll(context, TEXT);
    context.close();
    expect(context.isFailed).toBe(true);
    expect(context.write(Z_SYNC_FLUSH, TEXT, 0, TEXT.length, Buffer.alloc(64))).toBe(0);
    context.reset();
    context.close();
  });

  it('answers one that writes later, but not at once', async () => {
    const context = deflater();
    context.close();
    const answers: Written[] = [];
    context.writeLater(LARGE, Number.POSITIVE_INFINITY, (written) => answers.push(written));
    expect(answers).toEqual([]);
    await new Promise(setImmediate);
    expect(answers.map(({ chunks }) => chunks)).toEqual([[]]);
  });
});

describe('ZlibContext.writeLater', () => {
  it('deflates what the public function does', async () => {
    const { chunks, unread } = await writeLater(deflater(), LARGE);
    expect(unread).toBe(0);
    // 108 KB by pieces of 64 KiB: each is a way to the threads and back.
    expect(chunks.length).toBe(2);
    expect(Buffer.concat(chunks)).toEqual(deflateRawSync(LARGE, FLUSHED));
  });

  it('inflates it', async () => {
    const { chunks, unread } = await writeLater(inflater(), deflateRawSync(LARGE, FLUSHED));
    expect(unread).toBe(0);
    expect(chunks.length).toBeGreaterThan(1);
    expect(Buffer.concat(chunks).equals(LARGE)).toBe(true);
  });

  it('answers once, and not at once', async () => {
    let answers = 0;
    const context = deflater();
    const done = new Promise<void>((resolve) => {
      context.writeLater(LARGE, Number.POSITIVE_INFINITY, () => {
        answers++;
        resolve();
      });
    });
    expect(answers).toBe(0);
    await done;
    context.close();
    await new Promise(setImmediate);
    expect(answers).toBe(1);
  });

  it('may be mixed with write in any order, on one history', async () => {
    const ours = deflater();
    const theirs = inflater();
    for (const input of [TEXT, LARGE, TEXT, TEXT, LARGE, Buffer.alloc(0), LARGE]) {
      const isLarge = input === LARGE;
      const deflated = isLarge
        ? Buffer.concat((await writeLater(ours, input)).chunks)
        : writeAll(ours, input);
      if (input.length > 0) expect(deflated.subarray(-4)).toEqual(SYNC_FLUSH_TAIL);
      const inflated = isLarge
        ? Buffer.concat((await writeLater(theirs, deflated)).chunks)
        : writeAll(theirs, deflated);
      expect(inflated.equals(input)).toBe(true);
    }
  });

  it('answers for no input as well', async () => {
    expect(await writeLater(inflater(), Buffer.alloc(0))).toEqual({
      chunks: [],
      unread: 0,
      isPaused: false,
    });
  });

  it('tells what stands behind a final block', async () => {
    const context = inflater();
    const first = await writeLater(context, Buffer.concat([deflateRawSync(TEXT), TEXT]));
    expect(first).toEqual({ chunks: [TEXT], unread: TEXT.length, isPaused: false });
    expect(context.isFailed).toBe(false);
    context.reset();
    // Counted anew for each.
    const second = await writeLater(context, Buffer.concat([deflateRawSync(LARGE), TEXT]));
    expect(second.unread).toBe(TEXT.length);
    expect(Buffer.concat(second.chunks).equals(LARGE)).toBe(true);
  });

  it('tells it where the text before it fills an output to the byte', async () => {
    const text = Buffer.alloc(2 * 64 * 1024, 'ab');
    const context = inflater();
    const { chunks, unread } = await writeLater(
      context,
      Buffer.concat([deflateRawSync(text), TEXT]),
    );
    expect(unread).toBe(TEXT.length);
    expect(Buffer.concat(chunks).equals(text)).toBe(true);
  });

  it('gives what came out before bad data, and has failed', async () => {
    const context = inflater();
    const good = deflateRawSync(LARGE, FLUSHED);
    const bad = Buffer.concat([good, Buffer.of(0x07, 0xff, 0xff)]);
    const { chunks } = await writeLater(context, bad);
    expect(context.isFailed).toBe(true);
    const text = Buffer.concat(chunks);
    expect(text.length).toBeGreaterThan(0);
    expect(text.equals(LARGE.subarray(0, text.length))).toBe(true);
  });

  it('pauses soon behind what may come out, and goes on for as much again', async () => {
    const text = Buffer.concat([LARGE, Buffer.alloc(1024 * 1024), LARGE]);
    const input = Buffer.concat([deflateRawSync(text), TEXT]);
    for (const most of [1, 65_536, 100_000]) {
      const context = inflater();
      const pieces: Buffer[] = [];
      let written = await writeLater(context, input, most);
      for (; written.isPaused; written = await writeOn(context)) {
        pieces.push(Buffer.concat(written.chunks));
        expect(pieces.at(-1)!.length).toBeGreaterThanOrEqual(most);
        expect(pieces.at(-1)!.length).toBeLessThan(most + 64 * 1024);
      }
      pieces.push(...written.chunks);
      expect([context.isFailed, written.unread]).toEqual([false, TEXT.length]);
      expect(Buffer.concat(pieces).equals(text)).toBe(true);
    }
  });

  it('makes nothing while it pauses, and can be closed then', async () => {
    const context = inflater();
    const bomb = deflateRawSync(Buffer.alloc(16 * 1024 * 1024));
    const first = await writeLater(context, bomb, 100_000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([first.isPaused, Buffer.concat(first.chunks).length]).toEqual([true, 131_072]);
    context.close();
    expect(context.isFailed).toBe(true);
  });

  it('does not pause where that was all', async () => {
    const context = inflater();
    const input = deflateRawSync(LARGE, FLUSHED);
    const { chunks, isPaused } = await writeLater(context, input, LARGE.length);
    expect([isPaused, context.isFailed]).toEqual([false, false]);
    expect(Buffer.concat(chunks).length).toBe(LARGE.length);
  });

  it('gives chunks that later writes do not change', async () => {
    const context = deflater();
    const { chunks } = await writeLater(context, LARGE);
    const before = Buffer.concat(chunks);
    await writeLater(context, noise(100_000));
    writeAll(context, TEXT);
    expect(Buffer.concat(chunks)).toEqual(before);
  });

  it('is not troubled by others that work at the same time', async () => {
    const inputs = Array.from({ length: 8 }, (_, at) => Buffer.alloc(200_000, `${at}, `));
    const outputs = await Promise.all(inputs.map((input) => writeLater(deflater(), input)));
    for (const [at, { chunks }] of outputs.entries()) {
      expect(inflateRawSync(Buffer.concat(chunks), FLUSHED).equals(inputs[at]!)).toBe(true);
    }
  });

  it('writes the end of a stream only where write is told to', async () => {
    const context = deflater();
    const { chunks } = await writeLater(context, LARGE);
    const output = Buffer.alloc(64);
    const size = context.write(Z_FINISH, LARGE, 0, 0, output);
    const whole = Buffer.concat([...chunks, output.subarray(0, size)]);
    // Without a flush it would be refused as cut.
    expect(inflateRawSync(whole).equals(LARGE)).toBe(true);
  });
});

describe('the output that is lent', () => {
  it('is the same again when it was returned', () => {
    const output = borrowOutput();
    expect(output.length).toBe(64 * 1024);
    returnOutput(output);
    expect(borrowOutput()).toBe(output);
    returnOutput(output);
  });

  it('is another while somebody reads it', () => {
    const output = borrowOutput();
    const other = borrowOutput();
    expect(other.buffer).not.toBe(output.buffer);
    expect(other.length).toBe(64 * 1024);
    returnOutput(other);
    returnOutput(output);
  });

  it('is kept four times', () => {
    const outputs = Array.from({ length: 6 }, borrowOutput);
    expect(new Set(outputs.map(({ buffer }) => buffer)).size).toBe(6);
    for (const output of outputs) returnOutput(output);
    const again = Array.from({ length: 5 }, borrowOutput);
    for (const output of again.slice(0, 4)) expect(outputs).toContain(output);
    expect(outputs).not.toContain(again[4]);
    for (const output of again) returnOutput(output);
  });
});

describe('areContextsUsable', () => {
  it('finds that this version of Node does what is assumed', () => {
    expect(areContextsUsable()).toBe(true);
    expect(areContextsUsable()).toBe(true);
  });
});
