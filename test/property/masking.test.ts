import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_WORDS, applyMask, wordsOf } from '../../src/frame/mask.ts';

const FILL = 0xc3;

/** RFC 6455, section 5.3: octet i with octet i modulo 4 of the key. */
function maskByHand(payload: Uint8Array, key: Uint8Array, phase: number): number[] {
  return Array.from(payload, (byte, i) => byte ^ (key[(phase + i) % 4] ?? 0));
}

/** A payload in a view of an ArrayBuffer, with other bytes before and behind it. */
const placed = fc
  .record({
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 400, size: 'max' }),
      fc.uint8Array({ maxLength: 100, max: 0x7f }),
    ),
    offset: fc.nat({ max: 9 }),
    before: fc.nat({ max: 20 }),
    behind: fc.nat({ max: 20 }),
    key: fc.uint8Array({ minLength: 4, maxLength: 4 }),
    phase: fc.oneof(
      fc.nat({ max: 8 }),
      fc.maxSafeNat().map((n) => Math.floor(n / 2)),
    ),
    withWords: fc.boolean(),
  })
  .map(({ payload, offset, before, behind, key, phase, withWords }) => {
    const end = before + payload.length;
    /** A fresh view with `bytes` where the payload stands. */
    const view = (bytes: ArrayLike<number>): Uint8Array => {
      const fresh = new Uint8Array(new ArrayBuffer(offset + end + behind), offset).fill(FILL);
      fresh.set(bytes, before);
      return fresh;
    };
    const mask = (bytes: Uint8Array, from: number, to: number, at: number): number => {
      const words = withWords ? wordsOf(bytes) : NO_WORDS;
      return applyMask(bytes, words, from, to, Buffer.from(key).readInt32BE(), at);
    };
    return { payload, before, end, key, phase, view, mask };
  });

const RUNS = { numRuns: 1_000 };

describe('masking', () => {
  it('equals a byte-by-byte model at every phase, offset and length, and touches no other byte', () => {
    fc.assert(
      fc.property(placed, ({ payload, before, end, key, phase, view, mask }) => {
        const bytes = view(payload);
        mask(bytes, before, end, phase);
        expect(bytes).toEqual(view(maskByHand(payload, key, phase)));
      }),
      RUNS,
    );
  });

  it('returns 0 when what comes out is ASCII, and only then', () => {
    fc.assert(
      fc.property(placed, ({ payload, before, end, key, phase, view, mask }) => {
        const bytes = view(maskByHand(payload, key, phase));
        const seen = mask(bytes, before, end, phase);
        expect(seen === 0).toBe(payload.every((byte) => byte < 0x80));
      }),
      RUNS,
    );
  });

  it('is its own inverse', () => {
    fc.assert(
      fc.property(placed, ({ payload, before, end, phase, view, mask }) => {
        const bytes = view(payload);
        mask(bytes, before, end, phase);
        mask(bytes, before, end, phase);
        expect(bytes).toEqual(view(payload));
      }),
      RUNS,
    );
  });

  it('gives the same in any pieces as in one', () => {
    fc.assert(
      fc.property(
        placed,
        fc.array(fc.nat(), { maxLength: 5 }),
        ({ payload, before, end, key, phase, view, mask }, numbers) => {
          const bytes = view(payload);
          const cuts = numbers.map((n) => before + (n % (payload.length + 1)));
          let at = before;
          for (const cut of [...cuts.toSorted((a, b) => a - b), end]) {
            mask(bytes, at, cut, phase + (at - before));
            at = cut;
          }
          expect(bytes).toEqual(view(maskByHand(payload, key, phase)));
        },
      ),
      RUNS,
    );
  });
});
