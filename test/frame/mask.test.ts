import { describe, expect, it } from 'vitest';
import { NO_WORDS, applyMask, maskOut, wordsOf } from '../../src/frame/mask.ts';
import { hex } from '../support/bytes.ts';

const KEY = hex('37 fa 21 3d');

/** What surrounds the bytes that are masked: not ASCII, so that a look at it would show. */
const FILL = 0xa5;

/** RFC 6455, section 5.3, to the letter and byte by byte. */
function maskByHand(payload: Buffer, key: Buffer, phase: number): Buffer {
  const masked = Buffer.alloc(payload.length);
  for (let i = 0; i < payload.length; i++) {
    masked[i] = payload.readUInt8(i) ^ key.readUInt8((phase + i) % 4);
  }
  return masked;
}

/** Bytes without a pattern that a shift by 1, 2, 4 or 64 would hide. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 151 + (i >> 2) * 29 + 77) & 0xff;
  return bytes;
}

interface Place {
  /** Where the view begins in its ArrayBuffer. */
  offset: number;
  /** How many bytes of the view stand before the payload, and behind it. */
  before: number;
  behind: number;
}

/** A view over its own ArrayBuffer, which ends where the view ends, with a payload in it. */
function place(payload: Buffer, { offset, before, behind }: Place): Uint8Array {
  const whole = new Uint8Array(offset + before + payload.length + behind).fill(FILL);
  whole.set(payload, offset + before);
  return whole.subarray(offset);
}

/** Masks a payload at a place. Returns the result, and what became of the bytes around it. */
function maskAt(where: Place, payload: Buffer, withWords: boolean, phase: number) {
  const view = place(payload, where);
  const words = withWords ? wordsOf(view) : NO_WORDS;
  const end = where.before + payload.length;
  const seen = applyMask(view, words, where.before, end, KEY.readInt32BE(), phase);
  return { seen, whole: Buffer.from(view.buffer).toString('hex') };
}

const WAYS = [
  ['with words', true],
  ['without words', false],
] as const;

const PLACES: Place[] = [];
for (const before of [0, 1, 2, 3, 6]) {
  for (const behind of [0, 1, 2, 3, 4, 9]) PLACES.push({ offset: 0, before, behind });
}

describe.each(WAYS)('applyMask %s', (_way, withWords) => {
  it.each([0, 1, 2, 3, 4, 5, 6, 7])(
    'equals the byte-by-byte model at buffer offset %i: lengths 0 to 70, every phase',
    (offset) => {
      const wrong: string[] = [];
      for (const around of PLACES) {
        const where = { ...around, offset };
        for (let length = 0; length <= 70; length++) {
          const payload = noise(length);
          for (let phase = 0; phase < 4; phase++) {
            const expected = place(maskByHand(payload, KEY, phase), where).buffer;
            const { whole } = maskAt(where, payload, withWords, phase);
            if (whole !== Buffer.from(expected).toString('hex')) {
              wrong.push(`${JSON.stringify(where)} length ${length} phase ${phase}`);
            }
          }
        }
      }
      expect(wrong).toEqual([]);
    },
  );

  it.each([0, 1, 2, 3, 4, 5, 6, 7])(
    'returns 0 for ASCII at buffer offset %i, whatever stands around it',
    (offset) => {
      const wrong: string[] = [];
      for (let length = 0; length <= 70; length++) {
        const ascii = noise(length).map((byte) => byte & 0x7f);
        for (let phase = 0; phase < 4; phase++) {
          const wire = maskByHand(Buffer.from(ascii), KEY, phase);
          for (const behind of [0, 5]) {
            const { seen } = maskAt({ offset, before: 3, behind }, wire, withWords, phase);
            if (seen !== 0) wrong.push(`length ${length} phase ${phase} behind ${behind}: ${seen}`);
          }
        }
      }
      expect(wrong).toEqual([]);
    },
  );

  it.each([0, 1, 2, 3])(
    'does not return 0 when one byte is not ASCII, wherever it is, at buffer offset %i',
    (offset) => {
      const wrong: string[] = [];
      for (let length = 1; length <= 40; length++) {
        for (let bad = 0; bad < length; bad++) {
          const text = Buffer.alloc(length, 'a');
          text[bad] = 0x80;
          for (const behind of [0, 5]) {
            const where = { offset, before: 0, behind };
            const { seen } = maskAt(where, maskByHand(text, KEY, 1), withWords, 1);
            if (seen === 0) wrong.push(`length ${length} bad ${bad} behind ${behind}`);
          }
        }
      }
      expect(wrong).toEqual([]);
    },
  );

  it.each([0, 1, 2, 3])(
    'is as right for the many words of a long payload, at buffer offset %i',
    (offset) => {
      const where = { offset, before: 3, behind: 2 };
      const wrong: string[] = [];
      for (let length = 120; length <= 300; length++) {
        const payload = noise(length);
        const phase = length & 3;
        const expected = place(maskByHand(payload, KEY, phase), where).buffer;
        const { whole } = maskAt(where, payload, withWords, phase);
        if (whole !== Buffer.from(expected).toString('hex')) wrong.push(`length ${length}`);
      }
      const text = Buffer.alloc(300, 'a');
      expect(maskAt(where, maskByHand(text, KEY, 1), withWords, 1).seen).toBe(0);
      for (let bad = 0; bad < 300; bad++) {
        const other = Buffer.from(text);
        other[bad] = 0x80;
        const { seen } = maskAt(where, maskByHand(other, KEY, 1), withWords, 1);
        if (seen === 0) wrong.push(`bad ${bad}`);
      }
      expect(wrong).toEqual([]);
    },
  );

  it.each([
    [2 ** 31, 0],
    [2 ** 31 + 1, 1],
    [2 ** 32 - 1, 3],
    [2 ** 32 + 2, 2],
    [2 ** 40 + 3, 3],
    [2 ** 52 + 1, 1],
  ])('takes a phase of %i as %i: a payload may be longer than 32 bits count', (phase, modulo) => {
    for (const length of [3, 21]) {
      const payload = noise(length);
      const expected = maskByHand(payload, KEY, modulo).toString('hex');
      expect(maskAt({ offset: 0, before: 0, behind: 0 }, payload, withWords, phase).whole).toBe(
        expected,
      );
    }
  });

  it.each(['00000000', '000000ff', 'ff000000', '80000000', '00800000', '7fffffff', 'ffffffff'])(
    'takes the key %s, signed or not',
    (text) => {
      const key = hex(text);
      const payload = noise(27);
      for (let phase = 0; phase < 4; phase++) {
        const expected = maskByHand(payload, key, phase).toString('hex');
        for (const value of [key.readInt32BE(), key.readUInt32BE()]) {
          const bytes = Buffer.from(Uint8Array.from(payload).buffer);
          const words = withWords ? wordsOf(bytes) : NO_WORDS;
          applyMask(bytes, words, 0, 27, value, phase);
          expect(bytes.toString('hex')).toBe(expected);
        }
      }
    },
  );

  it('unmasks the example of RFC 6455, section 5.7', () => {
    const bytes = hex('7f 9f 4d 51 58');
    const words = withWords ? wordsOf(bytes) : NO_WORDS;
    expect(applyMask(bytes, words, 0, 5, 0x37fa213d, 0)).toBe(0);
    expect(bytes.toString()).toBe('Hello');
  });

  it('gives the same in pieces as in one, when each piece goes on at the phase of the last', () => {
    const payload = noise(50);
    const expected = maskByHand(payload, KEY, 0).toString('hex');
    for (let first = 0; first <= 50; first++) {
      for (const second of [first, Math.min(first + 9, 50), 50]) {
        const bytes = Buffer.from(Uint8Array.from(payload).buffer);
        const words = withWords ? wordsOf(bytes) : NO_WORDS;
        const key = KEY.readInt32BE();
        applyMask(bytes, words, 0, first, key, 0);
        applyMask(bytes, words, first, second, key, first);
        applyMask(bytes, words, second, 50, key, second);
        expect(bytes.toString('hex')).toBe(expected);
      }
    }
  });
});

describe('maskOut', () => {
  it.each([0, 1, 2, 3, 4, 5, 6, 7])(
    'equals the byte-by-byte model at buffer offset %i: lengths 0 to 70, every phase',
    (offset) => {
      const wrong: string[] = [];
      for (const around of PLACES) {
        const where = { ...around, offset };
        for (let length = 0; length <= 70; length++) {
          const payload = noise(length);
          for (let phase = 0; phase < 4; phase++) {
            const expected = place(maskByHand(payload, KEY, phase), where).buffer;
            const view = place(payload, where);
            const end = where.before + length;
            maskOut(view, wordsOf(view), where.before, end, KEY.readInt32BE(), phase);
            if (!Buffer.from(view.buffer).equals(Buffer.from(expected))) {
              wrong.push(`${JSON.stringify(where)} length ${length} phase ${phase}`);
            }
          }
        }
      }
      expect(wrong).toEqual([]);
    },
  );

  it.each(['00000000', '000000ff', 'ff000000', '80000000', '00800000', '7fffffff', 'ffffffff'])(
    'takes the key %s, signed or not',
    (text) => {
      const key = hex(text);
      const payload = noise(27);
      const expected = maskByHand(payload, key, 2).toString('hex');
      for (const value of [key.readInt32BE(), key.readUInt32BE()]) {
        const bytes = Buffer.from(Uint8Array.from(payload).buffer);
        maskOut(bytes, wordsOf(bytes), 0, 27, value, 2);
        expect(bytes.toString('hex')).toBe(expected);
      }
    },
  );
});

describe('wordsOf', () => {
  it.each([
    // [offset of the bytes, their length, first byte of the words, how many words]
    [0, 16, 0, 4],
    [0, 17, 0, 4],
    [0, 19, 0, 4],
    [0, 3, 0, 0],
    [0, 0, 0, 0],
    [1, 15, 0, 4],
    [1, 14, 0, 3],
    [2, 16, 0, 4],
    [3, 17, 0, 5],
    [3, 1, 0, 1],
    [4, 8, 4, 2],
    [7, 9, 4, 3],
    [7, 0, 4, 0],
  ])(
    'covers bytes at offset %i, %i of them, from the word that holds the first one',
    (offset, length, at, count) => {
      const whole = new ArrayBuffer(offset + length);
      const words = wordsOf(new Uint8Array(whole, offset, length));
      expect(words.buffer).toBe(whole);
      expect(words.byteOffset).toBe(at);
      expect(words).toHaveLength(count);
      // Never a byte behind the ones that it was given.
      expect(words.byteOffset + words.byteLength).toBeLessThanOrEqual(offset + length);
    },
  );

  it('looks at the bytes and does not copy them', () => {
    const bytes = new Uint8Array(8);
    const words = wordsOf(bytes);
    words.fill(-1);
    expect([...bytes]).toEqual([255, 255, 255, 255, 255, 255, 255, 255]);
  });
});
