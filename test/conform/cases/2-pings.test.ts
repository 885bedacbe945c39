import { describe, expect, it } from 'vitest';
import { PINGS } from '../../../src/conform/cases/2-pings.ts';
import { findCase, objectionsTo, recordOf } from '../../support/conform-judge.ts';

describe('group 2', () => {
  it.each(['server', 'client'] as const)('is content with a %s that answers', async (tested) => {
    expect(await objectionsTo(PINGS, tested)).toEqual([]);
  });

  it('sends Pings of no, of few, of 125 and of 126 bytes', async () => {
    const sizes = [];
    for (const id of ['2.1', '2.2', '2.3', '2.4', '2.5']) {
      const { frames } = await recordOf(findCase(PINGS, id));
      expect(frames[0]).toMatchObject({ opcode: 9, fin: true });
      sizes.push(frames[0]?.size);
    }
    expect(sizes).toEqual([0, 13, 8, 125, 126]);
  });

  it.each([
    ['2.6', 1],
    ['2.11', 10],
  ] as const)('%s writes byte by byte', async (id, count) => {
    const { frames, writes } = await recordOf(findCase(PINGS, id));
    expect(frames).toHaveLength(count + 1);
    expect(writes.slice(0, -1).every((size) => size === 1)).toBe(true);
  });

  it.each([
    ['2.1', 'sends no Pong'],
    ['2.2', 'sends Pongs without the payload'],
    ['2.5', 'takes long Pings'],
    ['2.7', 'answers Pongs'],
    ['2.9', 'answers Pongs'],
    ['2.10', 'sends Pongs in the wrong order'],
    ['2.10', 'answers only the last Ping'],
  ] as const)('%s objects to a server that %s', async (id, flaw) => {
    const [objection] = await objectionsTo([findCase(PINGS, id)], 'server', flaw);
    expect(objection).toMatch(/FAILED/);
  });
});
