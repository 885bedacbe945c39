import { describe, expect, it } from 'vitest';
import { FRAGMENTATION } from '../../../src/conform/cases/5-fragmentation.ts';
import { findCase, objectionsTo, recordOf } from '../../support/conform-judge.ts';

describe('group 5', () => {
  it.each(['server', 'client'] as const)('is content with a %s that echoes', async (tested) => {
    expect(await objectionsTo(FRAGMENTATION, tested)).toEqual([]);
  });

  it.each([
    ['5.1', [9, 0]],
    ['5.2', [10, 0]],
    ['5.3', [1, 0]],
    ['5.6', [1, 9, 0]],
    ['5.9', [0, 1]],
    ['5.12', [0, 1]],
    ['5.15', [1, 0, 0, 1]],
    ['5.16', [0, 1, 0, 0, 1, 0]],
    ['5.17', [0, 1, 0, 0, 1, 0]],
    ['5.18', [1, 1]],
    ['5.19', [1, 0, 9, 0, 0, 9, 0]],
    ['5.20', [1, 0, 9, 0, 0, 9, 0]],
  ] as const)('%s sends frames of the opcodes %j', async (id, opcodes) => {
    const { frames } = await recordOf(findCase(FRAGMENTATION, id), 'ignores breaches');
    const sent = frames.map(({ opcode }) => opcode);
    expect(sent.filter((opcode) => opcode !== 8)).toEqual(opcodes);
  });

  it.each([
    ['5.3', 'at once', [30 + 4]],
    ['5.4', 'frame by frame', [15, 15]],
  ] as const)('%s writes two frames %s', async (id, _how, sizes) => {
    const { writes } = await recordOf(findCase(FRAGMENTATION, id));
    // Two headers of 6 bytes, and 9 bytes each.
    expect(writes.slice(0, -1)).toEqual(id === '5.3' ? [30] : sizes);
  });

  it('writes some of them byte by byte', async () => {
    const { writes } = await recordOf(findCase(FRAGMENTATION, '5.5'));
    expect(writes.slice(0, -1)).toEqual(Array.from({ length: 30 }, () => 1));
  });

  it.each([
    ['5.1', 'takes fragmented control frames'],
    ['5.3', 'forgets all fragments but the last'],
    ['5.6', 'sends Pongs after the message'],
    ['5.9', 'takes continuations of nothing'],
    ['5.14', 'takes continuations of nothing'],
    ['5.18', 'takes a message within a message'],
    ['5.19', 'sends Pongs after the message'],
    ['5.20', 'sends no Pong'],
  ] as const)('%s objects to a server that %s', async (id, flaw) => {
    const [objection] = await objectionsTo([findCase(FRAGMENTATION, id)], 'server', flaw);
    expect(objection).toMatch(/FAILED/);
  });
});
