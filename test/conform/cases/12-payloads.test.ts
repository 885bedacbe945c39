import { createHash } from 'node:crypto';
import { isAscii } from 'node:buffer';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Slices, SOURCE, type Source } from '../../../src/conform/cases/12-payloads.ts';

describe('the sources of compressed messages', () => {
  it.each([
    ['JSON', 194_056, 0.05, 0.15],
    ['BITMAP', 263_222, 0.8, 0.95],
    ['GERMAN', 222_218, 0.1, 0.4],
    ['HTML', 263_527, 0.1, 0.3],
    ['PDF', 1_042_328, 0.7, 0.9],
  ] as const)(
    'have the lengths of the official ones, and compress as such do: %s',
    (name, size, least, most) => {
      const bytes = SOURCE[name].read();
      expect(bytes.length).toBe(size);
      const share = deflateRawSync(bytes).length / size;
      expect(share).toBeGreaterThan(least);
      expect(share).toBeLessThan(most);
    },
  );

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
        "7dae472939a1db10",
        "e02a4a5de25264bd",
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
