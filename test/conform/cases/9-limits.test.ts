import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/conform/cases/9-limits.ts';
import { findCase, judge, objectionsTo, recordOf } from '../../support/conform-judge.ts';

/** One of each kind. All of them take their time, and run elsewhere. */
const SOME = ['9.1.1', '9.2.2', '9.3.6', '9.4.8', '9.5.6', '9.6.6', '9.7.1', '9.8.3'];

describe('group 9', () => {
  it.each(['server', 'client'] as const)('is content with a %s that echoes', async (tested) => {
    const cases = SOME.map((id) => findCase(LIMITS, id));
    expect(await objectionsTo(cases, tested)).toEqual([]);
  });

  it('sends the largest ones whole', async () => {
    const { frames } = await recordOf(findCase(LIMITS, '9.1.6'), 'does nothing at all');
    expect(frames[0]).toEqual({ opcode: 1, fin: true, rsv: 0, size: 16 * 1024 * 1024 });
  });

  it('sends as many fragments as the official case does', async () => {
    const { frames } = await recordOf(findCase(LIMITS, '9.4.2'), 'does nothing at all');
    // 16,384 of 256 bytes, an empty one, and the Close.
    expect(frames).toHaveLength(16_384 + 1 + 1);
    expect(frames[0]).toEqual({ opcode: 2, fin: false, rsv: 0, size: 256 });
    expect(frames.at(-2)).toEqual({ opcode: 0, fin: true, rsv: 0, size: 0 });
  });

  it('sends a thousand messages, each after the one before it', async () => {
    const { frames } = await recordOf(findCase(LIMITS, '9.8.2'));
    expect(frames).toHaveLength(1000 + 1);
    expect(frames[999]).toEqual({ opcode: 2, fin: true, rsv: 0, size: 16 });
  });

  it.each([
    ['9.7.1', 'does nothing at all'],
    ['9.1.1', 'begins a message before its Close'],
    ['9.8.1', 'begins a message before its Close'],
  ] as const)('%s is no more patient than it must be, with one that %s', async (id, flaw) => {
    const { behavior } = await judge(findCase(LIMITS, id), 'client', flaw);
    expect(behavior).toBe('FAILED');
  });

  it('gives the official time to a thousand messages, and no more', async () => {
    // 60 seconds for all of them, of which each takes one.
    const settings = { second: 1, messages: 1 };
    const result = await judge(findCase(LIMITS, '9.7.2'), 'server', 'takes a second', settings);
    expect(result.sentence).toMatch(/^Message \d+ did not come back as it was sent\.$/);
  });

  it.each([
    ['9.1.1', 'does nothing at all', 'The message did not come back.'],
    ['9.2.2', 'echoes large messages wrongly', 'What came back is not what was sent.'],
    ['9.1.1', 'echoes twice', 'More came back than one.'],
    ['9.7.2', 'loses one of many messages', 'Message 500 did not come back as it was sent.'],
    ['9.7.1', 'echoes twice', 'More came back than was sent.'],
    ['9.8.3', 'echoes twice', 'Message 2 did not come back as it was sent.'],
    ['9.7.1', 'echoes text as binary', 'Message 1 did not come back as it was sent.'],
  ] as const)('%s objects to a server that %s', async (id, flaw, sentence) => {
    expect(await judge(findCase(LIMITS, id), 'server', flaw)).toMatchObject({
      behavior: 'FAILED',
      sentence,
    });
  });
});
