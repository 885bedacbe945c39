import { createHash } from 'node:crypto';
import { isAscii } from 'node:buffer';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Slices, SOURCE, type Source } from '../../../src/conform/cases/12-payloads.ts';

describe('the sources of compressed messages', () => {
  it('have the lengths of the official ones, and compress as their like do', () => {
    const facts = Object.entries(SOURCE).map(([name, source]) => {
      const bytes = source.read();
      return [name, bytes.length, Math.round((10 * deflateRawSync(bytes).length) / bytes.length)];
    });
    expect(facts).toEqual([
      ['JSON', 194_056, 1],
      ['BITMAP', 263_222, 9],
      ['GERMAN', 222_218, 3],
      ['HTML', 263_527, 2],
      ['PDF', 1_042_328, 8],
    ]);
  });

  it('are cut anywhere, and so are ASCII where they are text', () => {
    for (const source of Object.values(SOURCE)) {
      expect(isAscii(source.read())).toBe(!source.isBinary);
    }
  });

  it('are the same each time', () => {
    const digests = Object.values(SOURCE).map((source) => {
      expect(source.read()).toBe(source.read());
      return createHash('sha256').update(source.read()).digest('hex').slice(0, 16);
    });
    expect(digests).toMatchInlineSnapshot(`
      [
        "5ad58e58494016b8",
        "ae4c50778bb034f0",
        "f8cd08df1439a64b",
        "e91d1da21977b439",
        "87117a31aad5dc70",
      ]
    `);
  });
});

describe('slices of a source', () => {
  it('follow one another, and begin again behind the end', () => {
    const source: Source = { name: 'x', isBinary: false, read: () => Buffer.from('abcdefg') };
    const slices = new Slices(source, 3);
    const found = Array.from({ length: 7 }, () => slices.next().toString());
    expect(found).toEqual(['abc', 'def', 'gab', 'cde', 'fga', 'bcd', 'efg']);
    expect(slices.next().toString()).toBe('abc');
  });
});
