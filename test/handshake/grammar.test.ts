import { describe, expect, it } from 'vitest';
import {
  hasToken,
  isFieldValue,
  isToken,
  isWhiteSpace,
  sliceTrimmed,
  splitList,
} from '../../src/handshake/grammar.ts';

/** All characters of one byte, and some beyond. */
const CHARACTERS = Array.from({ length: 0x180 }, (_, code) => String.fromCharCode(code));

/** RFC 9110, section 5.6.2, written out. */
const TCHAR = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** What looks like white space to `trim()`, but is none in HTTP. */
const NO_WHITE_SPACE = ['\n', '\r', '\v', '\f', '\u00a0', '\u2003', '\ufeff', 'a', '', '\0'];

describe('isToken', () => {
  it('takes the 77 characters of the RFC and no other', () => {
    expect(CHARACTERS.filter(isToken).toSorted()).toEqual(TCHAR.split('').toSorted());
  });

  it('takes all of them together', () => {
    expect(isToken(TCHAR)).toBe(true);
  });

  it.each(['', ' ', 'a b', ' a', 'a ', 'a\n', '\na', 'a\r\n', 'a,b', 'a"', 'ä', 'a\0', '\u212a'])(
    'refuses %j',
    (text) => {
      expect(isToken(text)).toBe(false);
    },
  );

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'a'.repeat(100_000)])(
    'takes %.20s, which is a word like any other',
    (text) => {
      expect(isToken(text)).toBe(true);
    },
  );
});

describe('isFieldValue', () => {
  it('takes the tab, visible ASCII with the space, and bytes from 0x80, and no other', () => {
    const expected = CHARACTERS.filter((_, code) => {
      return code === 9 || (code >= 32 && code <= 126) || (code >= 128 && code <= 255);
    });
    expect(CHARACTERS.filter(isFieldValue)).toEqual(expected);
  });

  it('takes nothing at all, which is a value too', () => {
    expect(isFieldValue('')).toBe(true);
  });

  it.each(['a\n', 'a\r\nb', '\r', 'a\0b', '\x7f', '€', '\ud83d\ude00'])('refuses %j', (text) => {
    expect(isFieldValue(text)).toBe(false);
  });
});

describe('isWhiteSpace', () => {
  it('takes the space and the tab', () => {
    expect(CHARACTERS.filter((text) => isWhiteSpace(text.charCodeAt(0)))).toEqual(['\t', ' ']);
  });

  it('is false behind the end of a string', () => {
    expect(isWhiteSpace(''.charCodeAt(0))).toBe(false);
  });
});

describe('sliceTrimmed', () => {
  it.each([
    ['  a b\t', 0, 6, 'a b'],
    ['abc', 1, 2, 'b'],
    ['abc', 1, 1, ''],
    [' \t ', 0, 3, ''],
    ['', 0, 0, ''],
    ['x: \t y \t', 2, 8, 'y'],
    ['a  b', 0, 3, 'a'],
    ['a  b', 1, 4, 'b'],
  ])('of %j from %i to %i gives %j to %j', (text, start, end, expected) => {
    expect(sliceTrimmed(text, start, end)).toBe(expected);
  });

  it.each(NO_WHITE_SPACE)('leaves %j where it stands', (character) => {
    const text = `${character}x${character}`;
    expect(sliceTrimmed(text, 0, text.length)).toBe(text);
  });
});

describe('splitList', () => {
  it.each([
    [[], []],
    [[''], []],
    [[' , ,\t,'], []],
    [['a'], ['a']],
    [['a,b'], ['a', 'b']],
    [[' a\t, b ,c'], ['a', 'b', 'c']],
    [
      ['a,', ',b', '', 'c,,d'],
      ['a', 'b', 'c', 'd'],
    ],
    [['a b, c'], ['a b', 'c']],
    [
      ['a', 'a'],
      ['a', 'a'],
    ],
    [['a;b=c, d'], ['a;b=c', 'd']],
  ])('of %j is %j', (values, expected) => {
    expect(splitList(values)).toEqual(expected);
  });

  it('keeps what only looks like white space', () => {
    expect(splitList(['\u00a0a\u00a0, b\f'])).toEqual(['\u00a0a\u00a0', 'b\f']);
  });

  it('finishes with a list of a hundred thousand commas', () => {
    expect(splitList([','.repeat(100_000), `${' '.repeat(100_000)}x`])).toEqual(['x']);
  });
});

describe('hasToken', () => {
  it.each([
    [['upgrade'], true],
    [['Upgrade'], true],
    [['keep-alive, UPGRADE'], true],
    [['keep-alive', 'close', ' uPgRaDe\t'], true],
    [['upgrade,'], true],
    [[], false],
    [[''], false],
    [['upgrade-insecure'], false],
    [['xupgrade'], false],
    [['up grade'], false],
    [['upgrade/13'], false],
    [['upgrade;q=1'], false],
    [['"upgrade"'], false],
    [['keep-alive upgrade'], false],
    [['upgrade\u00a0'], false],
  ])('of %j for "upgrade" is %j', (values, expected) => {
    expect(hasToken(values, 'upgrade')).toBe(expected);
  });

  it('takes k and K of all that one byte may be', () => {
    const bytes = CHARACTERS.slice(0, 0x100);
    const taken = bytes.filter((letter) => hasToken([`websoc${letter}et`], 'websocket'));
    expect(taken).toEqual(['K', 'k']);
  });
});
