import { transcode } from 'node:buffer';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DOCUMENTED_TEXT,
  asciiToString,
  detourOf,
  textCodecOf,
  utf8ReaderOf,
  utf8ToString,
  writeText,
} from '../../src/frame/text.ts';

/** Both ways: what this Node has, and the methods that every Node documents. */
const CODECS = [
  ['direct', textCodecOf(Buffer.prototype)],
  ['documented', DOCUMENTED_TEXT],
] as const;

const text = fc.string({ unit: 'binary' });
/** A text between other bytes, which are not its own. */
function framed(content: string): { source: Buffer; start: number; end: number } {
  const bytes = Buffer.from(content);
  const source = Buffer.concat([Buffer.from([0xff, 0x41]), bytes, Buffer.from([0x42, 0xff])]);
  return { source, start: 2, end: 2 + bytes.length };
}

describe.each(CODECS)('text, the %s way', (_name, codec) => {
  it('reads ASCII from the middle of a buffer', () => {
    const ascii = fc.string({ unit: 'grapheme-ascii' });
    fc.assert(
      fc.property(ascii, (content) => {
        const { source, start, end } = framed(content);
        expect(codec.fromAscii(source, start, end)).toBe(content);
      }),
    );
  });

  it('reads UTF-8 from the middle of a buffer', () => {
    fc.assert(
      fc.property(text, (content) => {
        const { source, start, end } = framed(content);
        expect(codec.fromUtf8(source, start, end)).toBe(Buffer.from(content).toString());
      }),
    );
  });

  it('writes UTF-8, and nothing around it', () => {
    fc.assert(
      fc.property(text, (content) => {
        const bytes = Buffer.from(content);
        const target = Buffer.alloc(bytes.length + 6, 0xee);
        expect(codec.write(target, content, 3)).toBe(bytes.length);
        expect(target.subarray(3, 3 + bytes.length)).toEqual(bytes);
        expect([...target.subarray(0, 3), ...target.subarray(-3)]).toEqual(Array(6).fill(0xee));
      }),
    );
  });

  it('writes U+FFFD for half a surrogate pair', () => {
    const target = Buffer.alloc(9);
    expect(codec.write(target, 'a\ud800b', 2)).toBe(5);
    expect(target.toString('utf8', 2, 7)).toBe('a\ufffdb');
  });
});

describe('text', () => {
  it('takes the documented way where one of the direct methods is not there', () => {
    expect(textCodecOf({})).toBe(DOCUMENTED_TEXT);
    expect(textCodecOf({ latin1Slice() {}, utf8Slice() {} })).toBe(DOCUMENTED_TEXT);
    const has = { latin1Slice() {}, utf8Slice() {}, utf8Write() {} };
    expect(textCodecOf(has)).not.toBe(DOCUMENTED_TEXT);
  });

  it('reads and writes with what this Node has', () => {
    const { source, start, end } = framed('plain');
    expect(asciiToString(source, start, end)).toBe('plain');
    const target = Buffer.alloc(8);
    expect(writeText(target, 'grün', 1)).toBe(5);
    expect(target.toString('utf8', 1, 6)).toBe('grün');
  });

  it('goes round about on a Node that is slow otherwise, where it can', () => {
    expect(detourOf('20.19.0', transcode)).toBe(transcode);
    expect(detourOf('22.0.0', undefined)).toBe(undefined);
    expect(detourOf('24.1.0', transcode)).toBe(undefined);
  });

  describe.each([
    ['round about', utf8ReaderOf(DOCUMENTED_TEXT, transcode)],
    ['straight', utf8ReaderOf(DOCUMENTED_TEXT, undefined)],
    ['as this Node does', utf8ToString],
  ])('%s', (_name, read) => {
    it.each([0, 1, 1023, 1024, 1025, 5000, 100_000])('reads UTF-8 of %i letters', (length) => {
      for (const letter of ['ж', 'é', '漢', '🎉', 'a\ufeff']) {
        const content = letter.repeat(length);
        const { source, start, end } = framed(content);
        expect(read(source, start, end)).toBe(content);
      }
    });
  });
});
