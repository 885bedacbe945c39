import { describe, expect, it } from 'vitest';
import { UTF8 } from '../../../src/conform/cases/6-utf8.ts';
import { findCase, judge, objectionsTo, recordOf } from '../../support/conform-judge.ts';

describe('group 6', () => {
  it.each(['server', 'client'] as const)(
    'is content with a %s that knows UTF-8, and with one that waits for the end of a frame',
    async (tested) => {
      expect(await objectionsTo(UTF8, tested)).toEqual([
        '6.4.3 NON-STRICT OK',
        '6.4.4 NON-STRICT OK',
      ]);
    },
  );

  it('objects 75 times to a server that does not look', async () => {
    const objections = await objectionsTo(UTF8, 'server', 'takes text that is not UTF-8');
    expect(objections).toHaveLength(75);
    expect(objections.every((line) => line.endsWith('FAILED FAILED'))).toBe(true);
  });

  it('objects to one that refuses noncharacters', async () => {
    const objections = await objectionsTo(UTF8, 'server', 'refuses noncharacters');
    // Thirty-four of 6.22, two of 6.23, and the last signs of three and of four bytes.
    expect(objections.length).toBeGreaterThan(36);
    expect(objections).toContain('6.22.34 FAILED FAILED');
  });

  it.each(['6.4.1', '6.4.2'])('%s takes it well if the second part is refused', async (id) => {
    const result = await judge(findCase(UTF8, id), 'server');
    expect(result).toMatchObject({ behavior: 'OK', behaviorClose: 'OK' });
    expect(result.received).toEqual(['nothing until timeout A']);
  });

  it.each([
    ['6.4.1', [17, 10, 12]],
    ['6.4.2', [18, 7, 14]],
    ['6.4.3', [17, 4, 6]],
    ['6.4.4', [18, 1, 8]],
  ] as const)('%s writes three parts of %j bytes', async (id, sizes) => {
    const { writes } = await recordOf(findCase(UTF8, id), 'takes text that is not UTF-8');
    expect(writes.slice(0, 3)).toEqual(sizes);
  });

  it.each([
    ['6.4.1', ['text, not final', 'waits for', 'continuation, not final', 'Close', 'Close']],
    ['6.4.3', ['text', 'sends 13', 'waits for', 'sends 4 ', 'waits for', 'sends 6 ']],
  ] as const)('%s says in its log when what was sent', async (id, begins) => {
    const { log } = await judge(findCase(UTF8, id), 'client');
    const meanings = log.entries.map(({ meaning }) => meaning).slice(0, begins.length);
    for (const [index, begin] of begins.entries()) {
      expect(meanings[index]).toMatch(new RegExp(`^${begin}`));
    }
  });

  it('cuts signs in fragments of one byte', async () => {
    const { frames } = await recordOf(findCase(UTF8, '6.2.4'));
    // Eleven bytes, an empty last fragment, and the Close.
    expect(frames.map(({ size }) => size)).toEqual([...Array<number>(11).fill(1), 0, 2]);
  });
});
