import { describe, expect, it } from 'vitest';
import { CASES } from '../../../src/conform/cases/all.ts';

/** How many cases the official groups have, in their order. */
const OFFICIAL: readonly (readonly [group: string, count: number])[] = [
  ['1.1', 8],
  ['1.2', 8],
  ['2', 11],
  ['3', 7],
  ['4.1', 5],
  ['4.2', 5],
  ['5', 20],
  ['6.1', 3],
  ['6.2', 4],
  ['6.3', 2],
  ['6.4', 4],
  ['6.5', 5],
  ['6.6', 11],
  ['6.7', 4],
  ['6.8', 2],
  ['6.9', 4],
  ['6.10', 3],
  ['6.11', 5],
  ['6.12', 8],
  ['6.13', 5],
  ['6.14', 10],
  ['6.15', 1],
  ['6.16', 3],
  ['6.17', 5],
  ['6.18', 5],
  ['6.19', 5],
  ['6.20', 7],
  ['6.21', 8],
  ['6.22', 34],
  ['6.23', 7],
  ['7.1', 6],
  ['7.3', 6],
  ['7.5', 1],
  ['7.7', 13],
  ['7.9', 9],
  ['7.13', 2],
  ['9.1', 6],
  ['9.2', 6],
  ['9.3', 9],
  ['9.4', 9],
  ['9.5', 6],
  ['9.6', 6],
  ['9.7', 6],
  ['9.8', 6],
  ['10.1', 1],
  ...[1, 2, 3, 4, 5].map((part) => [`12.${part}`, 18] as const),
  ...[1, 2, 3, 4, 5, 6, 7].map((part) => [`13.${part}`, 18] as const),
];

describe('the cases', () => {
  it('are numbered as the official ones, and in their order', () => {
    const ids = OFFICIAL.flatMap(([group, count]) =>
      Array.from({ length: count }, (_, index) => `${group}.${index + 1}`),
    );
    expect(CASES.map(({ id }) => id)).toEqual(ids);
  });

  it('have a title each, and none that another has', () => {
    for (const { title } of CASES) expect(title).toMatch(/^\S.*\S$/);
    const titles = CASES.filter(({ id }) => !id.startsWith('6.')).map(({ title }) => title);
    expect(new Set(titles).size).toBe(titles.length);
  });

  it('leave three to the implementation', () => {
    const open = CASES.filter(({ isInformational }) => isInformational === true);
    expect(open.map(({ id }) => id)).toEqual(['7.1.6', '7.13.1', '7.13.2']);
  });

  it('want the connection closed by the judge, or failed by the peer', () => {
    const failed = CASES.filter(({ closing }) => !closing.isByJudge);
    expect(failed.filter(({ closing }) => closing.codes[0] === 1002)).toHaveLength(30);
    expect(failed.filter(({ closing }) => closing.codes[0] === 1007)).toHaveLength(75);
    expect(failed.every(({ closing }) => !closing.mustBeClean)).toBe(true);
  });

  it('can be passed not strictly in fifteen ways', () => {
    const lenient = CASES.filter(({ expected }) => expected['NON-STRICT'] !== undefined);
    expect(lenient.map(({ id }) => id)).toEqual([
      '3.2',
      '3.3',
      '3.4',
      '4.1.3',
      '4.1.4',
      '4.1.5',
      '4.2.3',
      '4.2.4',
      '4.2.5',
      '5.15',
      '6.4.1',
      '6.4.2',
      '6.4.3',
      '6.4.4',
      '7.1.6',
    ]);
  });
});
