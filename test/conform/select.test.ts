import { describe, expect, it } from 'vitest';
import { selectCases } from '../../src/conform/select.ts';

const CASES = ['1.1.1', '1.1.10', '1.10.1', '2.1', '2.10', '10.1.1'].map((id) => ({ id }));

function select(patterns: string, exclude?: string): string[] {
  return selectCases(CASES, patterns, exclude).map(({ id }) => id);
}

describe('a selection', () => {
  it.each([
    ['*', ['1.1.1', '1.1.10', '1.10.1', '2.1', '2.10', '10.1.1']],
    ['1.*', ['1.1.1', '1.1.10', '1.10.1']],
    ['1.1.*', ['1.1.1', '1.1.10']],
    ['1.1', ['1.1.1', '1.1.10']],
    ['1', ['1.1.1', '1.1.10', '1.10.1']],
    ['2.1', ['2.1']],
    ['*.1', ['1.1.1', '1.10.1', '2.1', '10.1.1']],
    ['2.1*', ['2.1', '2.10']],
    [' 10.* , 2.10,', ['2.10', '10.1.1']],
  ])('%s', (patterns, ids) => {
    expect(select(patterns)).toEqual(ids);
  });

  it('leaves out what is excluded', () => {
    expect(select('1.*,2.*', '1.1.*,2.10')).toEqual(['1.10.1', '2.1']);
  });

  it.each([
    ['3.*', undefined, 'There is no case "3.*"'],
    ['*', '9', 'There is no case "9"'],
    ['x', undefined, 'This is no pattern: "x"'],
    ['1', '*', 'There is no case left to be run'],
    ['', undefined, 'There is no case left to be run'],
  ])('of %j without %j is refused', (patterns, exclude, reason) => {
    expect(() => select(patterns, exclude)).toThrow(new RangeError(reason));
  });
});
