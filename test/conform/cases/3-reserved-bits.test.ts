import { describe, expect, it } from 'vitest';
import { RESERVED_BITS } from '../../../src/conform/cases/3-reserved-bits.ts';
import { findCase, objectionsTo, recordOf } from '../../support/conform-judge.ts';

describe('group 3', () => {
  it.each(['server', 'client'] as const)('is content with a %s that fails', async (tested) => {
    expect(await objectionsTo(RESERVED_BITS, tested)).toEqual([]);
  });

  it('sets each combination of the bits, in each kind of frame', async () => {
    const set = [];
    for (const { id } of RESERVED_BITS) {
      const { frames } = await recordOf(findCase(RESERVED_BITS, id), 'ignores breaches');
      set.push(frames.filter(({ rsv }) => rsv !== 0).map(({ opcode, rsv }) => [opcode, rsv]));
    }
    expect(set).toEqual([[[1, 1]], [[1, 2]], [[1, 3]], [[1, 4]], [[2, 5]], [[9, 6]], [[8, 7]]]);
  });

  it.each(RESERVED_BITS.map(({ id }) => id))(
    '%s objects to a server that takes them',
    async (id) => {
      const cases = [findCase(RESERVED_BITS, id)];
      expect(await objectionsTo(cases, 'server', 'ignores reserved bits')).toHaveLength(1);
      expect(await objectionsTo(cases, 'server', 'ignores breaches')).toHaveLength(1);
    },
  );
});
