import { describe, expect, it } from 'vitest';
import { FRAMING } from '../../../src/conform/cases/1-framing.ts';
import { findCase, objectionsTo, recordOf } from '../../support/conform-judge.ts';

describe('group 1', () => {
  it.each(['server', 'client'] as const)('is content with a %s that echoes', async (tested) => {
    expect(await objectionsTo(FRAMING, tested)).toEqual([]);
  });

  it('sends one frame, of each encoding of the length', async () => {
    const sizes = [0, 125, 126, 127, 128, 65_535, 65_536, 65_536];
    for (const [index, size] of sizes.entries()) {
      const text = await recordOf(findCase(FRAMING, `1.1.${index + 1}`));
      expect(text.frames).toEqual([{ opcode: 1, fin: true, rsv: 0, size }, CLOSE]);
      const binary = await recordOf(findCase(FRAMING, `1.2.${index + 1}`));
      expect(binary.frames).toEqual([{ opcode: 2, fin: true, rsv: 0, size }, CLOSE]);
    }
  });

  it('writes the last one in pieces', async () => {
    const { writes } = await recordOf(findCase(FRAMING, '1.1.8'));
    expect(writes.slice(0, 2)).toEqual([997, 997]);
    expect(writes.slice(0, -1).reduce((sum, size) => sum + size, 0)).toBe(65_536 + 14);
  });

  it.each(['echoes text as binary', 'echoes twice', 'unmasks wrongly'] as const)(
    'objects to a server that %s',
    async (flaw) => {
      expect(await objectionsTo([findCase(FRAMING, '1.1.2')], 'server', flaw)).toEqual([
        '1.1.2 FAILED OK',
      ]);
    },
  );
});

const CLOSE = { opcode: 8, fin: true, rsv: 0, size: 2 };
