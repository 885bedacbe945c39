import { describe, expect, it } from 'vitest';
import { CLOSING } from '../../src/conform/case.ts';

describe('the ways to close', () => {
  it('are the ones of the official suite', () => {
    expect(CLOSING).toEqual({
      NORMAL: { isByJudge: true, codes: [1000], mustBeClean: true },
      PROTOCOL_ERROR: { isByJudge: false, codes: [1002], mustBeClean: false },
      INVALID_TEXT: { isByJudge: false, codes: [1007], mustBeClean: false },
    });
  });
});
