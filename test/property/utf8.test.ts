import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Utf8Validator, isAscii, isValidUtf8 } from '../../src/frame/utf8.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Another implementation than ours: the one of the Encoding Standard. */
function isValidByStandard(bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes);
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

/** All that a character may still need: up to three bytes, of which one of these two fits. */
const ENDINGS: readonly (readonly number[])[] = [0, 1, 2, 3].flatMap((length) =>
  Array.from({ length: 2 ** length }, (_, choice) =>
    Array.from({ length }, (_byte, i) => (((choice >> i) & 1) === 1 ? 0xa0 : 0x80)),
  ),
);

/** Whether any valid text begins with these bytes: slow, and knows no state and no table. */
function canBecomeValid(bytes: Uint8Array): boolean {
  return ENDINGS.some((ending) => isValidByStandard(Uint8Array.from([...bytes, ...ending])));
}

const character = fc.string({ unit: 'binary', minLength: 1, maxLength: 1 });

/** Bytes that are valid, or nearly, or not at all. */
const piece: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 6, arbitrary: character.map((text) => new Uint8Array(Buffer.from(text))) },
  { weight: 3, arbitrary: fc.nat({ max: 60 }).map((n) => new Uint8Array(Buffer.alloc(n, 'a'))) },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.constantFrom(0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xed), {
        maxLength: 3,
      })
      .map((bytes) => Uint8Array.from(bytes)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom(0xc0, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5),
        fc.constantFrom(0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0),
        fc.subarray([0x80, 0xbf]),
      )
      .map(([lead, second, rest]) => Uint8Array.of(lead, second, ...rest)),
  },
);

const bytesLikeUtf8 = fc.oneof(
  { weight: 5, arbitrary: fc.array(piece, { maxLength: 12 }).map((all) => Buffer.concat(all)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 80 }).map((all) => Buffer.from(all)) },
);

/** Cuts at up to six places, which may be the same. */
const cutBytes = fc
  .tuple(bytesLikeUtf8, fc.array(fc.nat(), { maxLength: 6 }))
  .map(([bytes, numbers]) => {
    const cuts = numbers.map((n) => n % (bytes.length + 1)).toSorted((a, b) => a - b);
    return { bytes, cuts: [...cuts, bytes.length] };
  });

const RUNS = { numRuns: 1_000 };

describe('UTF-8 validation', () => {
  it('of a whole text equals a fatal TextDecoder', () => {
    fc.assert(
      fc.property(bytesLikeUtf8, fc.nat({ max: 5 }), (bytes, before) => {
        const source = Buffer.concat([Buffer.alloc(before, 0xe2), bytes, Buffer.alloc(2, 0x82)]);
        const verdict = isValidUtf8(source, before, before + bytes.length);
        expect(verdict).toBe(isValidByStandard(bytes));
      }),
      RUNS,
    );
  });

  it('tells ASCII from all else as a regular expression does', () => {
    const mostlyAscii = fc.oneof(
      bytesLikeUtf8,
      fc.uint8Array({ max: 0x7f, maxLength: 150, size: 'max' }).map((all) => Buffer.from(all)),
    );
    fc.assert(
      fc.property(mostlyAscii, fc.nat({ max: 9 }), (bytes, before) => {
        const source = Buffer.concat([Buffer.alloc(before, 0x80), bytes, Buffer.alloc(3, 0xff)]);
        const verdict = isAscii(source, before, before + bytes.length);
        expect(verdict).toBe(/^[^\x80-\xff]*$/.test(bytes.toString('latin1')));
      }),
      RUNS,
    );
  });

  it('takes every string that Node encodes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200, size: 'max' }), (text) => {
        const bytes = Buffer.from(text);
        expect(isValidUtf8(bytes, 0, bytes.length)).toBe(true);
      }),
      RUNS,
    );
  });

  it('of a text in two pieces equals a fatal TextDecoder at every split', () => {
    fc.assert(
      fc.property(bytesLikeUtf8, (bytes) => {
        const expected = isValidByStandard(bytes);
        for (let cut = 0; cut <= bytes.length; cut++) {
          const validator = new Utf8Validator();
          const first = validator.push(bytes, 0, cut);
          const second = validator.push(bytes, cut, bytes.length);
          const finished = validator.finish();
          expect(first && second && finished).toBe(expected);
          expect(finished).toBe(expected);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is false exactly from the first piece on after which no valid text could follow', () => {
    fc.assert(
      fc.property(cutBytes, ({ bytes, cuts }) => {
        const validator = new Utf8Validator();
        let at = 0;
        for (const cut of cuts) {
          expect(validator.push(bytes, at, cut)).toBe(canBecomeValid(bytes.subarray(0, cut)));
          at = cut;
        }
        expect(validator.finish()).toBe(isValidByStandard(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it('is false at the first bad byte when the bytes come one by one', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 4 }), (pieces) => {
        const bytes = Buffer.concat(pieces);
        const validator = new Utf8Validator();
        for (let at = 0; at < bytes.length; at++) {
          const expected = canBecomeValid(bytes.subarray(0, at + 1));
          expect(validator.push(bytes, at, at + 1)).toBe(expected);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('begins each text anew, however the one before it ended', () => {
    fc.assert(
      fc.property(fc.array(cutBytes, { maxLength: 5 }), (texts) => {
        const validator = new Utf8Validator();
        for (const { bytes, cuts } of texts) {
          let at = 0;
          for (const cut of cuts) {
            validator.push(bytes, at, cut);
            at = cut;
          }
          expect(validator.finish()).toBe(isValidByStandard(bytes));
        }
      }),
      RUNS,
    );
  });
});
