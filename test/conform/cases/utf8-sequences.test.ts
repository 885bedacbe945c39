import { isUtf8 } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { SEQUENCES } from '../../../src/conform/cases/utf8-sequences.ts';

function hexOf(group: number): string[] {
  return SEQUENCES[group - 5]!.sequences.map(({ bytes }) => bytes.toString('hex'));
}

describe('the sequences of UTF-8', () => {
  it('are as valid as Node says', () => {
    for (const { sequences } of SEQUENCES) {
      for (const { bytes, isValid } of sequences) expect(isUtf8(bytes)).toBe(isValid);
    }
  });

  it('are the official ones', () => {
    expect(hexOf(6).at(-2)).toBe('cebae1bdb9cf83cebcce');
    expect(hexOf(12)).toEqual([
      '80',
      'bf',
      '80bf',
      '80bf80',
      '80bf80bf',
      '80bf80bf80',
      '80bf80bf80bf',
      '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbe',
    ]);
    expect(hexOf(13).slice(2)).toEqual(['f020f120f220f320f420f520f620', 'f820f920fa20', 'fc20']);
    expect(hexOf(15)).toEqual(['c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf']);
    expect(hexOf(21).slice(0, 3)).toEqual(['eda080edb080', 'eda080edbfbf', 'edadbfedb080']);
    expect(hexOf(22).slice(0, 4)).toEqual(['efbfbe', 'efbfbf', 'f09fbfbe', 'f09fbfbf']);
    expect(hexOf(22).at(-1)).toBe('f48fbfbf');
  });
});
