import { afterEach, describe, expect, it, vi } from 'vitest';
import type { InboundLimits } from '../../src/connection/inbound.ts';
import { hex } from '../support/bytes.ts';
import { Feed, breach, violationOf } from '../support/inbound-feed.ts';

const MIB = 1024 * 1024;
const UNLIMITED: InboundLimits = { maxPayload: Infinity, maxFragments: Infinity };
/** U+1F600, four bytes of UTF-8. */
const SMILE = hex('f0 9f 98 80');

/** Counts the bytes that are allocated to keep what comes. */
function countAllocations(): () => number {
  const spy = vi.spyOn(Buffer, 'allocUnsafeSlow');
  return () => spy.mock.calls.reduce((sum, [size]) => sum + size, 0);
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a message in one frame', () => {
  it('is passed on where it lies, without a copy', () => {
    const allocated = countAllocations();
    const { sink, inbound } = new Feed();
    const chunk = Buffer.from('..hello.');
    inbound.onHead(1, true, false, 5);
    inbound.onPayload(chunk, 2, 7, 0, true);
    expect(sink.calls).toEqual(['ascii 68656c6c6f']);
    expect(sink.sources[0]).toBe(chunk);
    expect(allocated()).toBe(0);
  });

  it('may be empty, as a text and as a binary', () => {
    const feed = new Feed();
    feed.frame(1, true, '');
    feed.frame(2, true, '');
    expect(feed.calls).toEqual(['ascii ', 'binary ']);
  });

  it('is a text of any language, or any bytes', () => {
    const feed = new Feed();
    feed.frame(1, true, SMILE);
    feed.frame(2, true, hex('ff fe c0'));
    expect(feed.calls).toEqual(['text f09f9880', 'binary fffec0']);
  });

  it('may come in many pieces', () => {
    const feed = new Feed();
    feed.frame(2, true, hex('01'), hex('02 03'), hex('04'));
    expect(feed.calls).toEqual(['binary 01020304']);
  });

  it('is known to be ASCII only where all of it is', () => {
    const feed = new Feed();
    feed.frame(1, true, 'ab', 'cd');
    feed.frame(1, true, 'ab', 'é', 'cd');
    feed.frame(1, true, 'é', 'cd');
    feed.frame(1, true, 'ab', 'cd');
    expect(feed.calls).toEqual([
      'ascii 61626364',
      'text 6162c3a96364',
      'text c3a96364',
      'ascii 61626364',
    ]);
  });

  it.each([1, 127, 128, 129, 5_000])('of %d bytes that nobody looked at is valid text', (size) => {
    const feed = new Feed();
    feed.looks = false;
    feed.frame(1, true, 'x'.repeat(size - 1) + '~');
    feed.frame(1, true, 'x'.repeat(size - 1) + 'é');
    expect(feed.calls.map((call) => call.replace(/^ascii/, 'text'))).toEqual([
      `text ${'78'.repeat(size - 1)}7e`,
      `text ${'78'.repeat(size - 1)}c3a9`,
    ]);
    // A text that is not ASCII must never be called so.
    expect(feed.calls[1]).toMatch(/^text/);
  });
});

describe('a message in fragments', () => {
  it('is joined in order, with the type of its first frame', () => {
    const feed = new Feed();
    feed.frame(1, false, 'a');
    feed.frame(0, false, 'b', 'c');
    feed.frame(0, true, 'd');
    feed.frame(2, false, hex('ff'));
    feed.frame(0, true, hex('fe'));
    expect(feed.calls).toEqual(['ascii 61626364', 'binary fffe']);
  });

  it('may have empty fragments anywhere, and nothing else', () => {
    const feed = new Feed();
    feed.frame(1, false, '');
    feed.frame(0, false, 'x');
    feed.frame(0, true, '');
    feed.frame(2, false, '');
    feed.frame(0, true, '');
    feed.frame(2, false, '');
    feed.frame(0, true, 'y');
    expect(feed.calls).toEqual(['ascii 78', 'binary ', 'binary 79']);
  });

  it('does not end before its last frame', () => {
    const feed = new Feed();
    feed.frame(2, false, 'x');
    feed.frame(0, false, '');
    expect(feed.calls).toEqual([]);
    feed.frame(0, true, '');
    expect(feed.calls).toEqual(['binary 78']);
  });

  it('gives the next message bytes of its own', () => {
    const feed = new Feed();
    feed.frame(2, false, '1');
    feed.frame(0, true, '2');
    feed.frame(2, false, '3');
    feed.frame(0, true, '4');
    expect(feed.sink.sources[0]?.buffer).not.toBe(feed.sink.sources[1]?.buffer);
    expect(feed.sink.sources[0]?.subarray(0, 2).toString()).toBe('12');
  });

  it('must not begin inside another', () => {
    for (const opcode of [1, 2]) {
      const feed = new Feed();
      feed.frame(1, false, 'a');
      expect(violationOf(() => feed.inbound.onHead(opcode, true, false, 0))).toEqual(
        breach('WS_ERR_CONTINUATION_EXPECTED', 1002),
      );
    }
  });

  it('must not be continued when there is none', () => {
    const feed = new Feed();
    const unexpected = breach('WS_ERR_CONTINUATION_UNEXPECTED', 1002);
    expect(violationOf(() => feed.inbound.onHead(0, true, false, 0))).toEqual(unexpected);
    expect(violationOf(() => feed.inbound.onHead(0, false, false, 0))).toEqual(unexpected);
    feed.frame(1, false, 'a');
    feed.frame(0, true, 'b');
    expect(violationOf(() => feed.inbound.onHead(0, true, false, 0))).toEqual(unexpected);
    feed.frame(1, true, 'c');
    expect(violationOf(() => feed.inbound.onHead(0, true, false, 0))).toEqual(unexpected);
  });

  it('is forgotten by release', () => {
    const feed = new Feed();
    feed.frame(1, false, 'a');
    feed.inbound.release();
    expect(violationOf(() => feed.inbound.onHead(0, true, false, 0))).toEqual(
      breach('WS_ERR_CONTINUATION_UNEXPECTED', 1002),
    );
    feed.frame(1, true, 'b', 'c');
    expect(feed.calls).toEqual(['ascii 6263']);
  });

  it('is over before the sink is called, which may throw', () => {
    const feed = new Feed();
    feed.frame(1, false, 'a');
    feed.sink.during = () => {
      throw new Error('from the sink');
    };
    expect(() => feed.frame(0, true, 'b')).toThrow('from the sink');
    expect(() => feed.frame(1, true, 'c')).toThrow('from the sink');
    feed.sink.during = () => {};
    feed.frame(1, true, 'd', 'e');
    feed.frame(1, true, 'f');
    expect(feed.calls).toEqual(['ascii 6162', 'ascii 63', 'ascii 6465', 'ascii 66']);
  });
});

describe('a control frame', () => {
  it('is passed on at once between the fragments of a message', () => {
    const feed = new Feed();
    feed.frame(1, false, 'a');
    feed.frame(9, true, hex('01 02'));
    feed.frame(0, false, 'b');
    feed.frame(10, true, '');
    feed.frame(8, true, hex('03 e8'));
    feed.frame(0, true, 'c');
    expect(feed.calls).toEqual(['control 9 0102', 'control 10 ', 'control 8 03e8', 'ascii 616263']);
  });

  it('comes whole, however it is cut', () => {
    const payload = Buffer.from('0123456789');
    for (let at = 1; at < payload.length; at++) {
      const feed = new Feed();
      feed.frame(2, false, 'a');
      feed.frame(9, true, payload.subarray(0, at), payload.subarray(at));
      feed.frame(9, true, ...[...payload].map((byte) => Buffer.of(byte)));
      feed.frame(0, true, 'b');
      expect(feed.calls).toEqual([
        `control 9 ${payload.toString('hex')}`,
        `control 9 ${payload.toString('hex')}`,
        'binary 6162',
      ]);
    }
  });

  it('may have 125 bytes in pieces, again and again, in the same memory', () => {
    const allocated = countAllocations();
    const feed = new Feed();
    const payload = Buffer.alloc(125, 7);
    for (let i = 0; i < 10; i++) {
      feed.frame(9, true, payload.subarray(0, 124), payload.subarray(124));
    }
    expect(feed.calls).toEqual(Array(10).fill(`control 9 ${payload.toString('hex')}`));
    expect(allocated()).toBe(125);
  });

  it('is no fragment, and is no part of the size of the message', () => {
    const feed = new Feed({ maxPayload: 2, maxFragments: 2 });
    feed.frame(2, false, 'a');
    for (let i = 0; i < 5; i++) feed.frame(9, true, 'much too large for a message');
    feed.frame(0, true, 'b');
    expect(feed.calls.at(-1)).toBe('binary 6162');
  });

  it('is over before the sink is called, which may throw', () => {
    const feed = new Feed();
    feed.sink.during = () => {
      throw new Error('from the sink');
    };
    expect(() => feed.frame(9, true, 'a', 'b')).toThrow('from the sink');
    feed.sink.during = () => {};
    feed.frame(9, true, 'c', 'd');
    expect(feed.calls.at(-1)).toBe('control 9 6364');
  });
});

describe('maxPayload', () => {
  const tooBig = breach('WS_ERR_MESSAGE_TOO_BIG', 1009);

  it('is a size that is still allowed', () => {
    const feed = new Feed({ maxPayload: 10 });
    feed.frame(2, true, Buffer.alloc(10));
    feed.frame(2, false, Buffer.alloc(4), Buffer.alloc(1));
    feed.frame(0, true, Buffer.alloc(5));
    expect(feed.calls).toEqual(Array(2).fill(`binary ${'00'.repeat(10)}`));
  });

  it('refuses from the header what will be too big, before it keeps any of it', () => {
    const allocated = countAllocations();
    const { inbound } = new Feed({ maxPayload: 10 });
    expect(violationOf(() => inbound.onHead(2, true, false, 11))).toEqual(tooBig);
    expect(allocated()).toBe(0);
  });

  it('counts all fragments of a message together', () => {
    const allocated = countAllocations();
    const feed = new Feed({ maxPayload: 10 });
    feed.frame(2, false, Buffer.alloc(6));
    const before = allocated();
    expect(violationOf(() => feed.inbound.onHead(0, false, false, 5))).toEqual(tooBig);
    expect(allocated()).toBe(before);
  });

  it('counts each message for itself', () => {
    const feed = new Feed({ maxPayload: 3 });
    for (let i = 0; i < 4; i++) {
      feed.frame(2, false, 'ab');
      feed.frame(0, true, 'c');
      feed.frame(2, true, 'abc');
    }
    expect(feed.calls).toHaveLength(8);
  });

  it('of 0 allows empty messages alone', () => {
    const feed = new Feed({ maxPayload: 0 });
    feed.frame(1, true, '');
    expect(feed.calls).toEqual(['ascii ']);
    expect(violationOf(() => feed.inbound.onHead(1, true, false, 1))).toEqual(tooBig);
  });
});

describe('maxFragments', () => {
  const tooMany = breach('WS_ERR_TOO_MANY_FRAGMENTS', 1008);

  it('counts empty fragments too', () => {
    const feed = new Feed({ maxFragments: 3 });
    feed.frame(1, false, '');
    feed.frame(0, false, '');
    feed.frame(0, false, '');
    expect(violationOf(() => feed.inbound.onHead(0, true, false, 0))).toEqual(tooMany);
  });

  it('is a number that is still allowed, for each message anew', () => {
    const feed = new Feed({ maxFragments: 2 });
    for (let i = 0; i < 3; i++) {
      feed.frame(1, false, 'a');
      feed.frame(0, true, 'b');
    }
    expect(feed.calls).toEqual(Array(3).fill('ascii 6162'));
  });

  it('of 1 allows no fragments', () => {
    const feed = new Feed({ maxFragments: 1 });
    feed.frame(1, true, 'a', 'b');
    feed.frame(1, false, 'a');
    expect(violationOf(() => feed.inbound.onHead(0, true, false, 1))).toEqual(tooMany);
  });
});

describe('the memory of a message', () => {
  it('is linear in its bytes, however small the fragments are', () => {
    const allocated = countAllocations();
    const feed = new Feed(UNLIMITED);
    const expected = Buffer.alloc(100_000, 'abcdefg');
    for (let i = 0; i < expected.length; i++) {
      feed.frame(i === 0 ? 2 : 0, i === expected.length - 1, expected.subarray(i, i + 1));
    }
    expect(feed.calls).toEqual([`binary ${expected.toString('hex')}`]);
    expect(feed.sink.sources[0]?.buffer.byteLength).toBeLessThanOrEqual(200_000);
    expect(allocated()).toBeLessThanOrEqual(400_000);
  });

  it('is not more than maxPayload while it grows', () => {
    const feed = new Feed({ maxPayload: 100, maxFragments: Infinity });
    for (let i = 0; i < 100; i++) feed.frame(i === 0 ? 2 : 0, i === 99, 'x');
    expect(feed.sink.sources[0]?.buffer.byteLength).toBe(100);
  });

  it('is little when a peer announces much and sends little', () => {
    const allocated = countAllocations();
    const feed = new Feed();
    feed.inbound.onHead(2, true, false, MIB);
    feed.piece(Buffer.of(1), MIB - 1);
    expect(allocated()).toBeLessThanOrEqual(16);
    for (let sent = 2; sent <= 1_000; sent++) feed.piece(Buffer.of(1), MIB - sent);
    expect(allocated()).toBeLessThanOrEqual(8_000);
  });

  it('is the message alone when it comes in chunks of the network', () => {
    const allocated = countAllocations();
    const feed = new Feed();
    const expected = Buffer.alloc(MIB, 'abcdefghijk');
    const chunks = Array.from({ length: 16 }, (_, i) =>
      expected.subarray(i * 65_536, (i + 1) * 65_536),
    );
    feed.frame(2, true, ...chunks);
    expect(feed.sink.sources[0]?.equals(expected)).toBe(true);
    expect(feed.sink.sources[0]?.buffer.byteLength).toBe(MIB);
    expect(allocated()).toBe(MIB);
  });

  it('does not hold the chunk that a small fragment came in', () => {
    const { sink, inbound } = new Feed();
    const chunk = Buffer.alloc(65_536, 'x');
    inbound.onHead(2, false, false, 5);
    inbound.onPayload(chunk, 100, 105, 0, true);
    inbound.onHead(0, true, false, 5);
    inbound.onPayload(chunk, 200, 205, 0, true);
    expect(sink.calls).toEqual([`binary ${'78'.repeat(10)}`]);
    expect(sink.sources[0]?.buffer).not.toBe(chunk.buffer);
    expect(sink.sources[0]?.buffer.byteLength).toBeLessThanOrEqual(64);
  });

  it('is not what the chunk becomes when it is used again', () => {
    const { sink, inbound } = new Feed();
    const chunk = Buffer.from('abcd');
    inbound.onHead(2, true, false, 4);
    inbound.onPayload(chunk, 0, 2, 2, true);
    chunk.fill('z', 0, 2);
    inbound.onPayload(chunk, 2, 4, 0, true);
    expect(sink.calls).toEqual(['binary 61626364']);
  });
});

describe('what is discarded', () => {
  it('is not kept, counts all the same, and is checked to its end', () => {
    const feed = new Feed();
    feed.frame(2, false, 'kept');
    feed.inbound.discardMessages();
    const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
    feed.frame(0, false, 'x'.repeat(100));
    expect(allocate).not.toHaveBeenCalled();
    allocate.mockRestore();
    expect(violationOf(() => feed.inbound.onHead(1, true, false, 0))).toEqual(
      breach('WS_ERR_CONTINUATION_EXPECTED', 1002),
    );
    expect(violationOf(() => feed.inbound.onHead(0, true, false, 2 ** 40))).toEqual(
      breach('WS_ERR_MESSAGE_TOO_BIG', 1009),
    );
  });
});

describe('one that looks at no rate', () => {
  it('ignores nothing, whatever it is told to expect', () => {
    const feed = new Feed();
    feed.inbound.expectPong();
    feed.frame(10, true, '');
    feed.frame(10, true, '');
    expect([feed.inbound.ignored, feed.calls.length]).toEqual([0, 2]);
  });
});
