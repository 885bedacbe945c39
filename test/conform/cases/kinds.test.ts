import { describe, expect, it } from 'vitest';
import { CLOSING } from '../../../src/conform/case.ts';
import { answered, failed } from '../../../src/conform/cases/kinds.ts';
import { text } from '../../../src/conform/peer-event.ts';
import { judge } from '../../support/conform-judge.ts';

const HELLO = { opcode: 1, payload: Buffer.from('hello') };
const ROW = { id: '0.1', title: 'a test', frames: [HELLO] };

describe('a case whose frames are answered', () => {
  it('closes when the answer is there', async () => {
    const result = await judge(answered(ROW, [text('hello')]), 'server');
    expect(result).toMatchObject({ behavior: 'OK', behaviorClose: 'OK' });
    expect(result.ending).toMatchObject({ isByJudge: true, judgeCode: 1000, peerCode: 1000 });
  });

  it('does not wait for the rest of an answer that is wrong', async () => {
    const patient = { second: 60_000, messages: 1 };
    const expected = [text('Hello'), text('something else')];
    const result = await judge(answered(ROW, expected), 'server', undefined, patient);
    expect(result).toMatchObject({ behavior: 'FAILED', behaviorClose: 'OK' });
  });

  it('is failed where more was begun than the answer', async () => {
    const flaw = 'begins a message before its Close';
    const result = await judge(answered(ROW, [text('hello')]), 'server', flaw);
    expect(result).toMatchObject({ behavior: 'FAILED' });
    expect(result.sentence).toContain('begun, and not ended');
  });

  it('closes at once where no answer is expected', async () => {
    const pong = { ...ROW, frames: [{ opcode: 10 }] };
    expect(await judge(answered(pong, []), 'client')).toMatchObject({ behavior: 'OK' });
  });
});

describe('a case that must be failed', () => {
  const bad = { ...ROW, frames: [HELLO, { opcode: 3 }] };

  it('expects the answer to what was good', async () => {
    const strict = failed(bad, CLOSING.PROTOCOL_ERROR, [text('hello')]);
    expect(await judge(strict, 'server')).toMatchObject({ behavior: 'OK', behaviorClose: 'OK' });
  });

  it('is passed without that answer as well, though not strictly', async () => {
    const silent = { ...bad, frames: [{ opcode: 3 }, HELLO] };
    const lenient = failed(silent, CLOSING.PROTOCOL_ERROR, [text('hello')]);
    expect(await judge(lenient, 'server')).toMatchObject({ behavior: 'NON-STRICT' });
  });

  it('drops a peer that goes on', async () => {
    const result = await judge(failed(bad, CLOSING.PROTOCOL_ERROR), 'server', 'ignores breaches');
    expect(result).toMatchObject({ behavior: 'FAILED', behaviorClose: 'FAILED BY CLIENT' });
    expect(result.ending).toMatchObject({ isDroppedByJudge: true, hasPeerClosed: false });
  });
});
