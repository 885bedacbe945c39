/** Results of cases as a run has them, without a run. */
import type { CaseResult } from '../../src/conform/result.ts';
import { WireLog } from '../../src/conform/wire-log.ts';

export function makeResult(changes: Partial<CaseResult> = {}): CaseResult {
  return {
    id: '1.1.1',
    title: 'A test',
    agent: 'echo',
    behavior: 'OK',
    behaviorClose: 'OK',
    sentence: 'All came.',
    closeSentence: 'Well closed.',
    started: new Date('2026-01-02T03:04:05Z'),
    duration: 7,
    expected: new Map([['OK', ['text, 0 bytes']]]),
    received: ['text, 0 bytes'],
    ending: {
      isByJudge: true,
      isDroppedByJudge: false,
      wasClean: true,
      hasPeerClosed: true,
      peerCode: 1000,
      peerReason: '',
      judgeCode: 1000,
      breach: undefined,
      isWithinMessage: false,
    },
    log: new WireLog(),
    ...changes,
  };
}

/** Takes what is written. */
export class TextOutput {
  text = '';
  readonly isTTY: boolean;

  constructor(isTTY: boolean = false) {
    this.isTTY = isTTY;
  }

  write(text: string): void {
    this.text += text;
  }
}
