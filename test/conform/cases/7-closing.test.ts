import { describe, expect, it } from 'vitest';
import { CLOSINGS } from '../../../src/conform/cases/7-closing.ts';
import { findCase, judge, objectionsTo, recordOf } from '../../support/conform-judge.ts';

describe('group 7', () => {
  it.each(['server', 'client'] as const)(
    'is content with a %s that closes well',
    async (tested) => {
      expect(await objectionsTo(CLOSINGS, tested)).toEqual([]);
    },
  );

  it.each(['7.1.6', '7.13.1', '7.13.2'])('%s only says what it saw', async (id) => {
    for (const flaw of ['echoes bad close codes', 'never answers a Close'] as const) {
      expect(await judge(findCase(CLOSINGS, id), 'server', flaw)).toMatchObject({
        behavior: 'INFORMATIONAL',
        behaviorClose: 'INFORMATIONAL',
      });
    }
  });

  it.each([
    ['7.1.2', [8, 8]],
    ['7.1.3', [8, 9]],
    ['7.1.4', [8, 1]],
    ['7.1.5', [1, 8, 0]],
    ['7.1.6', [1, 1, 8, 9]],
  ] as const)('%s sends frames of the opcodes %j', async (id, opcodes) => {
    const { frames } = await recordOf(findCase(CLOSINGS, id));
    expect(frames.map(({ opcode }) => opcode)).toEqual(opcodes);
  });

  it('sends Close frames of every kind', async () => {
    const sizes = [];
    for (const id of ['7.3.1', '7.3.2', '7.3.3', '7.3.4', '7.3.5', '7.3.6', '7.5.1']) {
      const { frames } = await recordOf(findCase(CLOSINGS, id));
      sizes.push(frames[0]?.size);
    }
    expect(sizes).toEqual([0, 1, 2, 14, 125, 126, 22]);
  });

  it.each([
    ['7.1.1', 'closes with 1000 whatever happened', undefined],
    ['7.1.2', 'never answers a Close', 'OK UNCLEAN'],
    ['7.1.3', 'goes on after a Close', 'FAILED'],
    ['7.1.4', 'goes on after a Close', 'FAILED'],
    ['7.3.2', 'never answers a Close', 'FAILED FAILED BY CLIENT'],
    ['7.3.3', 'ends TCP without a Close', 'OK UNCLEAN'],
    ['7.5.1', 'takes bad reasons', 'FAILED WRONG CODE'],
    ['7.9.2', 'echoes bad close codes', 'FAILED WRONG CODE'],
    ['7.9.9', 'closes with 1000 whatever happened', 'FAILED WRONG CODE'],
  ] as const)('%s sees a server that %s', async (id, flaw, verdict) => {
    const objections = await objectionsTo([findCase(CLOSINGS, id)], 'server', flaw);
    if (verdict === undefined) expect(objections).toEqual([]);
    else expect(objections[0]).toContain(verdict);
  });

  it('lets a peer end TCP without a Close where it was told nonsense', async () => {
    for (const id of ['7.3.2', '7.3.6', '7.5.1', '7.9.1']) {
      const cases = [findCase(CLOSINGS, id)];
      expect(await objectionsTo(cases, 'server', 'ends TCP without a Close')).toEqual([]);
    }
  });
});
