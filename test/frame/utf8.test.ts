import { describe, expect, it } from 'vitest';
import { Utf8Validator, isAscii, isShortAscii, isValidUtf8 } from '../../src/frame/utf8.ts';
import { hex } from '../support/bytes.ts';

// The classes of Markus Kuhn's "UTF-8 decoder capability and stress test", by hand.

/** A name, and bytes that are valid. */
const VALID: readonly (readonly [name: string, bytes: string])[] = [
  ['nothing at all', ''],
  ['the Greek word kosme (1)', 'ce ba e1 bd b9 cf 83 ce bc ce b5'],
  ['the first character of 1 byte, U+0000 (2.1.1)', '00'],
  ['the first character of 2 bytes, U+0080 (2.1.2)', 'c2 80'],
  ['the first character of 3 bytes, U+0800 (2.1.3)', 'e0 a0 80'],
  ['the first character of 4 bytes, U+10000 (2.1.4)', 'f0 90 80 80'],
  ['the last character of 1 byte, U+007F (2.2.1)', '7f'],
  ['the last character of 2 bytes, U+07FF (2.2.2)', 'df bf'],
  ['the last character of 3 bytes, U+FFFF (2.2.3)', 'ef bf bf'],
  ['the last before the surrogates, U+D7FF (2.3.1)', 'ed 9f bf'],
  ['the first behind the surrogates, U+E000 (2.3.2)', 'ee 80 80'],
  ['the replacement character, U+FFFD (2.3.3)', 'ef bf bd'],
  ['the last of all, U+10FFFF (2.3.4)', 'f4 8f bf bf'],
  ['U+0FFF and U+1000, on both sides of the lead byte E1', 'e0 bf bf e1 80 80'],
  ['U+3FFFF and U+40000, on both sides of the lead byte F1', 'f0 bf bf bf f1 80 80 80'],
  ['U+FFFFF and U+100000, on both sides of the lead byte F4', 'f3 bf bf bf f4 80 80 80'],
  ['a byte order mark', 'ef bb bf 61'],
  ['the noncharacters U+FFFE and U+FFFF (5.3.1)', 'ef bf be ef bf bf'],
  ['the noncharacters U+FDD0 to U+FDEF (5.3.3)', 'ef b7 90 ef b7 af'],
  ['the noncharacters U+1FFFE and U+10FFFE (5.3.4)', 'f0 9f bf be f4 8f bf be'],
];

/** A name, bytes that are not valid, and the index of the first byte that no valid text has. */
const INVALID: readonly (readonly [name: string, bytes: string, bad: number])[] = [
  ['the first sequence of 5 bytes (2.1.5)', 'f8 88 80 80 80', 0],
  ['the first sequence of 6 bytes (2.1.6)', 'fc 84 80 80 80 80', 0],
  ['the last sequence of 4 bytes, U+1FFFFF (2.2.4)', 'f7 bf bf bf', 0],
  ['the last sequence of 5 bytes (2.2.5)', 'fb bf bf bf bf', 0],
  ['the last sequence of 6 bytes (2.2.6)', 'fd bf bf bf bf bf', 0],
  ['the first above the last character, U+110000 (2.3.5)', 'f4 90 80 80', 1],
  ['U+13FFFF', 'f4 bf bf bf', 1],
  ['U+140000', 'f5 80 80 80', 0],
  ['the first continuation byte, alone (3.1.1)', '80', 0],
  ['the last continuation byte, alone (3.1.2)', 'bf', 0],
  ['2 continuation bytes (3.1.3)', '80 bf', 0],
  ['3 continuation bytes (3.1.4)', '80 bf 80', 0],
  ['4 continuation bytes (3.1.5)', '80 bf 80 bf', 0],
  ['7 continuation bytes (3.1.8)', '80 bf 80 bf 80 bf 80', 0],
  ['a continuation byte behind a character of 1 byte', '61 80', 1],
  ['a continuation byte behind a character of 2 bytes', 'c3 a4 80', 2],
  ['a continuation byte behind a character of 3 bytes', 'e2 82 ac bf', 3],
  ['a continuation byte behind a character of 4 bytes', 'f0 9f 98 80 80', 4],
  ['a start of 2 bytes, then a space (3.2.1)', 'df 20', 1],
  ['a start of 3 bytes, then a space (3.2.2)', 'ef 20', 1],
  ['a start of 4 bytes, then a space (3.2.3)', 'f3 20', 1],
  ['a character of 3 bytes without its last, then a letter (3.3.2)', 'e2 82 61', 2],
  ['a character of 4 bytes without its last, then a letter (3.3.3)', 'f0 9f 98 61', 3],
  ['a character of 4 bytes without its last two, then a letter', 'f0 9f 61', 2],
  ['two starts of 2 bytes (3.4)', 'c3 c3', 1],
  ['a character of 3 bytes cut by another (3.4)', 'e2 82 e2 82 ac', 2],
  ['a character of 4 bytes cut by another (3.4)', 'f0 9f 98 f0 9f 98 80', 3],
  ['the impossible byte FE (3.5.1)', 'fe', 0],
  ['the impossible byte FF (3.5.2)', 'ff', 0],
  ['both of them, twice (3.5.3)', 'fe fe ff ff', 0],
  ['an overlong slash of 2 bytes (4.1.1)', 'c0 af', 0],
  ['an overlong slash of 3 bytes (4.1.2)', 'e0 80 af', 1],
  ['an overlong slash of 4 bytes (4.1.3)', 'f0 80 80 af', 1],
  ['an overlong slash of 5 bytes (4.1.4)', 'f8 80 80 80 af', 0],
  ['an overlong slash of 6 bytes (4.1.5)', 'fc 80 80 80 80 af', 0],
  ['the greatest overlong form of 2 bytes (4.2.1)', 'c1 bf', 0],
  ['the greatest overlong form of 3 bytes (4.2.2)', 'e0 9f bf', 1],
  ['the greatest overlong form of 4 bytes (4.2.3)', 'f0 8f bf bf', 1],
  ['an overlong NUL of 2 bytes (4.3.1)', 'c0 80', 0],
  ['an overlong NUL of 3 bytes (4.3.2)', 'e0 80 80', 1],
  ['an overlong NUL of 4 bytes (4.3.3)', 'f0 80 80 80', 1],
  ['the first high surrogate, U+D800 (5.1.1)', 'ed a0 80', 1],
  ['the last high surrogate, U+DBFF (5.1.4)', 'ed af bf', 1],
  ['the first low surrogate, U+DC00 (5.1.5)', 'ed b0 80', 1],
  ['the last low surrogate, U+DFFF (5.1.7)', 'ed bf bf', 1],
  ['a pair of surrogates, U+D800 U+DC00 (5.2.1)', 'ed a0 80 ed b0 80', 1],
  ['a pair of surrogates, U+DBFF U+DFFF (5.2.8)', 'ed af bf ed bf bf', 1],
];

/** A name, and bytes that are a text cut inside its last character (3.3). */
const TRUNCATED: readonly (readonly [name: string, bytes: string])[] = [
  ['2 bytes without the last', 'c3'],
  ['3 bytes without the last', 'e2 82'],
  ['3 bytes without the last two', 'e2'],
  ['the lowest 3 bytes without the last', 'e0 a0'],
  ['the lead byte E0', 'e0'],
  ['the lead byte ED', 'ed'],
  ['the last before the surrogates without its last', 'ed 9f'],
  ['4 bytes without the last', 'f0 9f 98'],
  ['4 bytes without the last two', 'f0 9f'],
  ['4 bytes without the last three', 'f0'],
  ['the lead byte F1', 'f1'],
  ['the lead byte F4', 'f4'],
  ['the highest 4 bytes without the last', 'f4 8f bf'],
];

/** What stands before the bytes: characters of every length, so many that each path is taken. */
const LEADS = [
  '',
  'abc',
  'ä',
  '€uro',
  '😀',
  'a'.repeat(23),
  'ä'.repeat(12),
  `${'€'.repeat(9)}x`,
  '😀'.repeat(15),
  'aä€😀'.repeat(9),
].map((text) => Buffer.from(text));

const TRAILS = ['', 'b', 'aä€😀'.repeat(7)].map((text) => Buffer.from(text));

/** The verdict on bytes, which is the same whatever stands around [start, end). */
function isValid(bytes: Buffer): boolean {
  const verdict = isValidUtf8(bytes, 0, bytes.length);
  for (const outside of [0xff, 0x80, 0xc3, 0x61]) {
    const around = Buffer.alloc(bytes.length + 8, outside);
    bytes.copy(around, 4);
    expect(isValidUtf8(around, 4, 4 + bytes.length)).toBe(verdict);
  }
  return verdict;
}

/** Pushes [start, end) of bytes, with something else around it. */
function pushPart(validator: Utf8Validator, bytes: Buffer, start: number, end: number): boolean {
  const around = Buffer.alloc(end - start + 6, 0xff);
  bytes.copy(around, 3, start, end);
  return validator.push(around, 3, 3 + end - start);
}

describe('isAscii', () => {
  it('takes all 128 characters, in texts of every length and whatever stands around them', () => {
    for (let length = 0; length <= 140; length++) {
      const around = Buffer.alloc(length + 8, 0xff);
      for (let i = 0; i < length; i++) around[4 + i] = (i + length) % 128;
      expect(isAscii(around, 4, 4 + length)).toBe(true);
    }
  });

  it('refuses each of the other 128 bytes, wherever it is', () => {
    const text = Buffer.from('abcdefghijklmnopq');
    for (let length = 1; length <= text.length; length++) {
      for (let at = 0; at < length; at++) {
        for (let byte = 0x80; byte <= 0xff; byte++) {
          const bytes = Buffer.from(text);
          bytes[at] = byte;
          expect(isAscii(bytes, 0, length)).toBe(false);
        }
      }
    }
  });
});

describe('isValidUtf8', () => {
  it.each(VALID)('takes %s', (_name, bytes) => {
    for (const lead of LEADS) {
      for (const trail of TRAILS) {
        expect(isValid(Buffer.concat([lead, hex(bytes), trail]))).toBe(true);
      }
    }
  });

  it.each(INVALID)('refuses %s', (_name, bytes) => {
    for (const lead of LEADS) {
      for (const trail of TRAILS) {
        expect(isValid(Buffer.concat([lead, hex(bytes), trail]))).toBe(false);
      }
    }
  });

  it.each(TRUNCATED)('refuses a text that ends inside a character: %s', (_name, bytes) => {
    for (const lead of LEADS) expect(isValid(Buffer.concat([lead, hex(bytes)]))).toBe(false);
  });

  // Every code point is taken, and of all sequences exactly as many as there are code points.
  it('takes every code point that is no surrogate', () => {
    const refused: number[] = [];
    for (let point = 0; point <= 0x10ffff; point++) {
      if (point >= 0xd800 && point <= 0xdfff) continue;
      const bytes = Buffer.from(String.fromCodePoint(point));
      if (!isValidUtf8(bytes, 0, bytes.length)) refused.push(point);
    }
    expect(refused).toEqual([]);
  });

  it('takes nothing else: 128 sequences of 1 byte, 1,920 of 2 and 61,440 of 3', () => {
    const bytes = Buffer.alloc(3);
    const count = [0, 0, 0, 0];
    for (let lead = 0; lead <= 0xff; lead++) {
      bytes[0] = lead;
      if (isValidUtf8(bytes, 0, 1)) count[1]!++;
      if (lead < 0x80) continue;
      for (let second = 0; second <= 0xff; second++) {
        bytes[1] = second;
        if (isValidUtf8(bytes, 0, 2)) count[2]!++;
        for (let third = 0; third <= 0xff; third++) {
          bytes[2] = third;
          if (isValidUtf8(bytes, 0, 3)) count[3]!++;
        }
      }
    }
    // 4,096 for each of 16 lead bytes, without 2,048 overlong forms and 2,048 surrogates; and the
    // characters of 2 bytes with an ASCII byte behind them.
    expect(count).toEqual([0, 128, 1_920, 16 * 4_096 - 2 * 2_048 + 1_920 * 128]);
  });

  it('takes nothing else: 1,048,576 sequences of 4 bytes', () => {
    // The edges of what a last byte may be stand for all of them: 2 of 64 are looked at.
    const bytes = Buffer.alloc(4);
    let count = 0;
    for (let lead = 0xf0; lead <= 0xff; lead++) {
      bytes[0] = lead;
      for (let second = 0; second <= 0xff; second++) {
        bytes[1] = second;
        for (let third = 0; third <= 0xff; third++) {
          bytes[2] = third;
          for (const last of [0x7f, 0x80, 0xbf, 0xc0]) {
            bytes[3] = last;
            if (isValidUtf8(bytes, 0, 4)) count++;
          }
        }
      }
    }
    expect(count).toBe((1_048_576 / 64) * 2);
  });
});

describe('Utf8Validator', () => {
  it.each(VALID)('takes %s at every cut', (_name, bytes) => {
    for (const lead of LEADS) {
      for (const trail of TRAILS) {
        const text = Buffer.concat([lead, hex(bytes), trail]);
        const validator = new Utf8Validator();
        for (let cut = 0; cut <= text.length; cut++) {
          expect(pushPart(validator, text, 0, cut)).toBe(true);
          expect(pushPart(validator, text, cut, text.length)).toBe(true);
          expect(validator.finish()).toBe(true);
        }
      }
    }
  });

  it.each(INVALID)('refuses %s at every cut, at the first bad byte', (_name, bytes, bad) => {
    for (const lead of LEADS) {
      for (const trail of TRAILS) {
        const text = Buffer.concat([lead, hex(bytes), trail]);
        const badAt = lead.length + bad;
        for (let cut = 0; cut <= text.length; cut++) {
          const validator = new Utf8Validator();
          // The piece that holds the bad byte, and not the next.
          expect(pushPart(validator, text, 0, cut)).toBe(cut <= badAt);
          expect(pushPart(validator, text, cut, text.length)).toBe(false);
          expect(validator.finish()).toBe(false);
        }
      }
    }
  });

  it.each(INVALID)('refuses %s byte by byte, at the first bad byte', (_name, bytes, bad) => {
    const text = hex(bytes);
    const validator = new Utf8Validator();
    for (let at = 0; at < text.length; at++) {
      expect(pushPart(validator, text, at, at + 1)).toBe(at < bad);
    }
  });

  it.each(TRUNCATED)(
    'waits for the rest of %s, and refuses a text that ends there',
    (_n, bytes) => {
      for (const lead of LEADS) {
        const text = Buffer.concat([lead, hex(bytes)]);
        const validator = new Utf8Validator();
        for (let cut = 0; cut <= text.length; cut++) {
          expect(pushPart(validator, text, 0, cut)).toBe(true);
          expect(pushPart(validator, text, cut, text.length)).toBe(true);
          expect(validator.finish()).toBe(false);
        }
      }
    },
  );

  it('takes a text of characters of every length byte by byte', () => {
    const text = Buffer.from('aä€😀\u{10FFFF}\u{FFFF}\u{7FF}'.repeat(20));
    const validator = new Utf8Validator();
    for (let at = 0; at < text.length; at++) {
      expect(pushPart(validator, text, at, at + 1)).toBe(true);
    }
    expect(validator.finish()).toBe(true);
  });

  it('takes a text in pieces of every size', () => {
    const text = Buffer.from('aä€😀'.repeat(30));
    for (let size = 1; size <= 60; size++) {
      const validator = new Utf8Validator();
      for (let at = 0; at < text.length; at += size) {
        expect(pushPart(validator, text, at, Math.min(at + size, text.length))).toBe(true);
      }
      expect(validator.finish()).toBe(true);
    }
  });

  it.each(['c3 a4', 'e2 82 ac', 'f0 9f 98 80'])(
    'refuses the end of %s, whose beginning stands before the piece and is no part of it',
    (character) => {
      const source = Buffer.concat([Buffer.alloc(30, 'a'), hex(character), Buffer.alloc(30, 'a')]);
      for (let start = 31; start < 30 + hex(character).length; start++) {
        for (let end = start + 1; end < source.length; end++) {
          expect(new Utf8Validator().push(source, start, end)).toBe(false);
        }
      }
    },
  );

  it('takes empty pieces anywhere, also inside a character', () => {
    const validator = new Utf8Validator();
    for (const piece of ['', 'f0', '', '9f98', '', '80', '']) {
      expect(validator.push(hex(piece), 0, piece.length / 2)).toBe(true);
    }
    expect(validator.finish()).toBe(true);
  });

  it('takes a text without any piece', () => {
    expect(new Utf8Validator().finish()).toBe(true);
  });

  it('goes on to refuse once it has refused, whatever comes, until the text is finished', () => {
    const validator = new Utf8Validator();
    expect(validator.push(hex('ff'), 0, 1)).toBe(false);
    expect(validator.push(hex(''), 0, 0)).toBe(false);
    expect(validator.push(Buffer.from('a'.repeat(40)), 0, 40)).toBe(false);
    expect(validator.finish()).toBe(false);
    expect(validator.push(Buffer.from('a'), 0, 1)).toBe(true);
    expect(validator.finish()).toBe(true);
  });

  it('carries nothing over from a text that ended inside a character into the next', () => {
    const validator = new Utf8Validator();
    expect(validator.push(hex('f0 9f'), 0, 2)).toBe(true);
    expect(validator.finish()).toBe(false);
    expect(validator.push(hex('98 80'), 0, 2)).toBe(false);
  });

  it('keeps two texts apart', () => {
    const one = new Utf8Validator();
    const other = new Utf8Validator();
    expect(one.push(hex('e2'), 0, 1)).toBe(true);
    expect(other.push(hex('61'), 0, 1)).toBe(true);
    expect(one.push(hex('82 ac'), 0, 2)).toBe(true);
    expect(one.finish() && other.finish()).toBe(true);
  });
});

it('looks for ASCII in what is short alone', () => {
  const bytes = Buffer.alloc(200, 'a');
  expect([isShortAscii(bytes, 10, 138), isShortAscii(bytes, 10, 139)]).toEqual([true, false]);
  bytes[20] = 0x80;
  expect([isShortAscii(bytes, 10, 20), isShortAscii(bytes, 10, 21)]).toEqual([true, false]);
});
