import { describe, expect, it } from 'vitest';
import { FRAGMENTS } from '../../../src/conform/cases/10-fragments.ts';
import { findCase, objectionsTo, recordOf } from '../../support/conform-judge.ts';

describe('group 10', () => {
  it.each(['server', 'client'] as const)('is content with a %s that echoes', async (tested) => {
    expect(await objectionsTo(FRAGMENTS, tested)).toEqual([]);
  });

  it('sends 51 fragments', async () => {
    const { frames } = await recordOf(findCase(FRAGMENTS, '10.1.1'));
    expect(frames).toHaveLength(51 + 1);
    expect(frames[0]).toEqual({ opcode: 1, fin: false, rsv: 0, size: 1300 });
    expect(frames[50]).toEqual({ opcode: 0, fin: true, rsv: 0, size: 65_536 - 50 * 1300 });
  });
});
