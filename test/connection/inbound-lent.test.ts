import { beforeEach, describe, expect, it } from 'vitest';
import { TEXT_MEMORY } from '../../src/connection/text-memory.ts';
import { Feed } from '../support/inbound-feed.ts';

const KIB = 1024;
const TEXT = 1;
const BINARY = 2;

/** Sends a message in two chunks, and answers where it was put together. */
function memoryOf(feed: Feed, opcode: number, first: string, second: string): ArrayBufferLike {
  feed.frame(opcode, true, first, second);
  return feed.sink.sources.at(-1)!.buffer;
}

beforeEach(() => {
  // All that it keeps, whatever its size.
  for (let size = 8 * KIB; size <= 256 * KIB; size *= 2) {
    for (let i = 0; i < 4; i++) TEXT_MEMORY.take(size);
  }
  expect(TEXT_MEMORY.size).toBe(0);
});

describe('a text that its receiver does not keep', () => {
  it('lies where the one before it lay', () => {
    const feed = new Feed({}, true);
    const memory = memoryOf(feed, TEXT, 'a'.repeat(40 * KIB), 'b'.repeat(24 * KIB));
    const other = new Feed({}, true);
    expect(memoryOf(other, TEXT, 'é'.repeat(20 * KIB), 'ß')).toBe(memory);
    const expected = Buffer.from(`${'é'.repeat(20 * KIB)}ß`).toString('hex');
    expect(other.calls).toEqual([`text ${expected}`]);
  });

  it('shares no memory with one that comes at the same time', () => {
    const feed = new Feed({}, true);
    const other = new Feed({}, true);
    memoryOf(feed, TEXT, 'a'.repeat(40 * KIB), 'b'.repeat(24 * KIB));
    const half = 'x'.repeat(10 * KIB);
    for (const one of [feed, other]) {
      one.calls.length = 0;
      one.frame(TEXT, false, half);
    }
    feed.frame(0, true, 'of one');
    other.frame(0, true, 'of other');
    const hex = (text: string): string => Buffer.from(text).toString('hex');
    expect(feed.calls).toEqual([`ascii ${hex(`${half}of one`)}`]);
    expect(other.calls).toEqual([`ascii ${hex(`${half}of other`)}`]);
  });

  it('is not overwritten by what comes while it is read', () => {
    const feed = new Feed({}, true);
    const other = new Feed({}, true);
    let before = '';
    feed.sink.during = () => {
      const [source] = feed.sink.sources;
      other.frame(TEXT, true, 'y'.repeat(20 * KIB), 'y');
      before = source!.toString('utf8', 0, 3);
    };
    feed.frame(TEXT, true, 'x'.repeat(20 * KIB), 'x');
    expect(before).toBe('xxx');
  });
});

describe('what its receiver may keep', () => {
  it.each([
    ['a binary', true, BINARY],
    ['a text', false, TEXT],
  ])('is never overwritten: %s', (_, lendsTexts, opcode) => {
    const feed = new Feed({}, lendsTexts);
    const memory = memoryOf(feed, opcode, 'a'.repeat(40 * KIB), 'b');
    expect(memoryOf(feed, opcode, 'c'.repeat(40 * KIB), 'd')).not.toBe(memory);
    expect(TEXT_MEMORY.size).toBe(0);
  });
});
