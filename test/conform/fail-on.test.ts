import { describe, expect, it } from 'vitest';
import { FAIL_ON, isFailure } from '../../src/conform/fail-on.ts';

describe('a verdict', () => {
  it.each([
    ['OK', 'OK', []],
    ['INFORMATIONAL', 'INFORMATIONAL', []],
    ['UNIMPLEMENTED', 'OK', ['unimplemented']],
    ['NON-STRICT', 'OK', ['non-strict', 'unimplemented']],
    ['OK', 'FAILED BY CLIENT', ['non-strict', 'unimplemented']],
    ['OK', 'WRONG CODE', FAIL_ON],
    ['OK', 'UNCLEAN', FAIL_ON],
    ['OK', 'FAILED', FAIL_ON],
    ['FAILED', 'OK', FAIL_ON],
  ] as const)('of %s, close %s, is a failure for %j', (behavior, behaviorClose, levels) => {
    const failing = FAIL_ON.filter((level) => isFailure({ behavior, behaviorClose }, level));
    expect(failing).toEqual(levels);
  });
});
