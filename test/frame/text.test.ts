import { transcode } from 'node:buffer';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detourOf, readerBy, utf8ToString } from '../../src/frame/text.ts';

/** A text between other bytes, which are not its own. */
function framed(content: string): { source: Buffer; start: number; end: number } {
  const bytes = Buffer.from(content);
  const source = Buffer.concat([Buffer.from([0xff, 0x41]), bytes, Buffer.from([0x42, 0xff])]);
  return { source, start: 2, end: 2 + bytes.length };
}

it('goes round about on a Node that is slow otherwise, where it can', () => {
  expect(detourOf('20.19.0', transcode)).toBe(transcode);
  expect(detourOf('22.23.1', transcode)).toBe(transcode);
  expect(detourOf('22.0.0', undefined)).toBe(undefined);
  expect(detourOf('23.0.0', transcode)).toBe(undefined);
  expect(detourOf('24.1.0', transcode)).toBe(undefined);
});

it('goes round about from 1024 bytes on, wherever they lie', () => {
  const taken: [size: number, from: string | undefined, to: string | undefined][] = [];
  const read = readerBy((bytes, from, to) => {
    taken.push([bytes.length, from, to]);
    return transcode(bytes, from, to);
  });
  for (const size of [0, 1, 1023, 1024, 1025]) {
    const { source, start, end } = framed('x'.repeat(size));
    expect(read(source, start, end)).toBe('x'.repeat(size));
  }
  expect(taken).toEqual([
    [1024, 'utf8', 'ucs2'],
    [1025, 'utf8', 'ucs2'],
  ]);
});

describe.each([
  ['round about', readerBy(transcode)],
  ['straight', readerBy(undefined)],
  ['as this Node does', utf8ToString],
])('%s', (_name, read) => {
  it('reads UTF-8 from the middle of a buffer', () => {
    const text = fc.string({ unit: 'binary', size: 'large' });
    fc.assert(
      fc.property(text, (content) => {
        const { source, start, end } = framed(content);
        expect(read(source, start, end)).toBe(Buffer.from(content).toString());
      }),
    );
  });

  it.each([0, 1, 1023, 1024, 1025, 5000, 100_000])('reads UTF-8 of %i letters', (length) => {
    for (const letter of ['ж', 'é', '漢', '🎉', 'a\ufeff']) {
      const content = letter.repeat(length);
      const { source, start, end } = framed(content);
      expect(read(source, start, end)).toBe(content);
    }
  });
});
