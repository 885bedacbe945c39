import { describe, expect, it } from 'vitest';
import { OPCODES } from '../../../src/conform/cases/4-opcodes.ts';
import { findCase, objectionsTo, recordOf } from '../../support/conform-judge.ts';

describe('group 4', () => {
  it.each(['server', 'client'] as const)('is content with a %s that fails', async (tested) => {
    expect(await objectionsTo(OPCODES, tested)).toEqual([]);
  });

  it('sends each reserved opcode, some with a payload', async () => {
    const sent = [];
    for (const { id } of OPCODES) {
      const { frames } = await recordOf(findCase(OPCODES, id), 'ignores breaches');
      const bad = frames.find(({ opcode }) => ![1, 8, 9].includes(opcode));
      sent.push([bad?.opcode, bad?.size]);
    }
    expect(sent).toEqual([
      ...[3, 4, 5, 6, 7].map((opcode, index) => [opcode, [0, 13, 0, 13, 13][index]]),
      ...[11, 12, 13, 14, 15].map((opcode, index) => [opcode, [0, 13, 0, 13, 13][index]]),
    ]);
  });

  it.each(OPCODES.map(({ id }) => id))('%s objects to a server that ignores it', async (id) => {
    const cases = [findCase(OPCODES, id)];
    expect(await objectionsTo(cases, 'server', 'ignores reserved opcodes')).toHaveLength(1);
  });
});
