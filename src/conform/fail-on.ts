/**
 * Which verdicts make a run a failure: the exit code.
 *
 * @module
 */

import type { Verdict } from './verdict.ts';

/** From what on a run has failed. Each one includes those before it. */
export const FAIL_ON: readonly ['failed', 'non-strict', 'unimplemented'] = [
  'failed',
  'non-strict',
  'unimplemented',
];
export type FailOn = (typeof FAIL_ON)[number];

/** Whether a verdict makes the run fail. A connection that was closed wrongly is a failure as well. */
export function isFailure(
  { behavior, behaviorClose }: Pick<Verdict, 'behavior' | 'behaviorClose'>,
  failOn: FailOn,
): boolean {
  const level = FAIL_ON.indexOf(failOn);
  if (behavior === 'FAILED') return true;
  if (behaviorClose !== 'OK' && behaviorClose !== 'INFORMATIONAL') {
    return behaviorClose !== 'FAILED BY CLIENT' || level >= FAIL_ON.indexOf('non-strict');
  }
  if (behavior === 'NON-STRICT') return level >= FAIL_ON.indexOf('non-strict');
  return behavior === 'UNIMPLEMENTED' && level >= FAIL_ON.indexOf('unimplemented');
}
