import { describe, expect, it } from 'vitest';
import { CLOSING, type ConformCase } from '../../src/conform/case.ts';
import type { Ending } from '../../src/conform/peer.ts';
import { type PeerEvent, text, timeout } from '../../src/conform/peer-event.ts';
import { decide, type Observation, type Verdict } from '../../src/conform/verdict.ts';

const ECHOED: ConformCase = {
  id: '0.1',
  title: 'a test',
  expected: { OK: [text('a')], 'NON-STRICT': [] },
  closing: CLOSING.NORMAL,
  run: () => Promise.resolve(undefined),
};
const FAILED: ConformCase = {
  ...ECHOED,
  expected: { OK: [timeout('A')] },
  closing: CLOSING.PROTOCOL_ERROR,
};
const CLEAN: Ending = {
  isByJudge: true,
  isDroppedByJudge: false,
  wasClean: true,
  hasPeerClosed: true,
  peerCode: 1000,
  peerReason: '',
  judgeCode: 1000,
  breach: undefined,
  isWithinMessage: false,
};
const BROKEN_OFF: Ending = { ...CLEAN, isByJudge: false, peerCode: 1002 };

interface Seen extends Partial<Observation> {
  readonly conformCase?: ConformCase;
}

function verdictOn(ending: Partial<Ending>, seen: Seen = {}): Verdict {
  const { conformCase = ECHOED, ...observation } = seen;
  const isEchoed = conformCase.closing === CLOSING.NORMAL;
  return decide(conformCase, {
    events: isEchoed ? [text('a')] : [timeout('A')],
    role: 'client',
    ...observation,
    ending: { ...(isEchoed ? CLEAN : BROKEN_OFF), ...ending },
  });
}

function behaviorOn(events: readonly PeerEvent[], conformCase?: ConformCase): string {
  return verdictOn({}, { events, ...(conformCase !== undefined && { conformCase }) }).behavior;
}

describe('the behaviour', () => {
  it('is what the events are expected to say', () => {
    expect(behaviorOn([text('a')])).toBe('OK');
    expect(behaviorOn([])).toBe('NON-STRICT');
    expect(behaviorOn([text('b')])).toBe('FAILED');
    expect(behaviorOn([text('a'), text('a')])).toBe('FAILED');
  });

  it('is what the case says itself, if it does', () => {
    const outcome = { behavior: 'UNIMPLEMENTED', sentence: 'no' } as const;
    expect(verdictOn({}, { events: [], outcome })).toMatchObject(outcome);
  });

  it('is FAILED where the protocol is broken, whatever the case says', () => {
    const outcome = { behavior: 'OK', sentence: 'well done' } as const;
    expect(verdictOn({ breach: 'A masked frame' }, { outcome })).toMatchObject({
      behavior: 'FAILED',
      sentence: 'A masked frame',
    });
  });

  it('is FAILED where the connection must be failed, and nothing is done', () => {
    const dropped = { isDroppedByJudge: true, hasPeerClosed: false, peerCode: undefined };
    expect(verdictOn(dropped, { conformCase: FAILED })).toMatchObject({
      behavior: 'FAILED',
      behaviorClose: 'FAILED BY CLIENT',
      sentence: 'The peer did not fail the connection.',
    });
    const wrong = { conformCase: FAILED, events: [] };
    expect(verdictOn(dropped, wrong).sentence).toBe('What came is not what must come.');
  });

  it('is OK where TCP is ended without a Close, and that is enough', () => {
    const dropped = { hasPeerClosed: false, peerCode: undefined, wasClean: false };
    expect(verdictOn(dropped, { conformCase: FAILED })).toMatchObject({
      behavior: 'OK',
      behaviorClose: 'OK',
    });
  });

  it('is FAILED for a wrong code where that is what the case is about', () => {
    expect(verdictOn({ peerCode: 1001 })).toMatchObject({
      behavior: 'OK',
      behaviorClose: 'WRONG CODE',
    });
    const conformCase = { ...ECHOED, needsRightCode: true };
    expect(verdictOn({ peerCode: 1001 }, { conformCase })).toMatchObject({
      behavior: 'FAILED',
      sentence: 'The close code should have been 1000, not 1001.',
    });
  });

  it('is INFORMATIONAL where nothing can be wrong', () => {
    const conformCase = { ...ECHOED, isInformational: true, needsRightCode: true };
    for (const ending of [{}, { peerCode: 5000 }, { isByJudge: false }]) {
      expect(verdictOn(ending, { conformCase })).toMatchObject({
        behavior: 'INFORMATIONAL',
        behaviorClose: 'INFORMATIONAL',
      });
    }
  });
});

describe('a breach', () => {
  it('fails also the cases in which nothing else can be wrong', () => {
    const conformCase = { ...ECHOED, isInformational: true };
    expect(verdictOn({ breach: 'A server masked a frame' }, { conformCase })).toMatchObject({
      behavior: 'FAILED',
      behaviorClose: 'OK',
      sentence: 'A server masked a frame',
    });
  });
});

describe('the close', () => {
  it.each([
    ['OK', {}, {}],
    ['OK', { peerCode: undefined }, {}],
    ['FAILED', { isByJudge: false }, {}],
    ['FAILED', { isByJudge: true }, { conformCase: FAILED }],
    ['UNCLEAN', { wasClean: false }, {}],
    ['OK', { wasClean: false }, { conformCase: FAILED }],
    ['WRONG CODE', { peerCode: 1000 }, { conformCase: FAILED }],
    ['FAILED BY CLIENT', { isDroppedByJudge: true }, {}],
    ['OK', { isDroppedByJudge: true }, { role: 'server' }],
  ] as const)('is %s for %j with %j', (close, ending, seen) => {
    expect(verdictOn(ending, seen).behaviorClose).toBe(close);
  });

  it('says who should have closed', () => {
    expect(verdictOn({ isByJudge: false }).closeSentence).toContain('by the judge');
    expect(verdictOn({ isByJudge: true }, { conformCase: FAILED }).closeSentence).toContain(
      'by the peer',
    );
  });
});
