import { describe, expect, it } from 'vitest';
import { CLOSE_CODE, isWireCloseCode } from '../../src/frame/close-code.ts';

/** RFC 6455, section 7.4, and the IANA registry, written out by hand: first and last. */
const WIRE_RANGES = [
  [1000, 1003],
  [1007, 1014],
  [3000, 4999],
] as const;

describe('isWireCloseCode', () => {
  it('judges all 65,536 codes as section 7.4 and the IANA registry do', () => {
    const allowed = [];
    for (let code = 0; code <= 0xffff; code++) if (isWireCloseCode(code)) allowed.push(code);

    const expected = [];
    for (const [first, last] of WIRE_RANGES) {
      for (let code = first; code <= last; code++) expected.push(code);
    }
    expect(allowed).toEqual(expected);
    expect(allowed).toHaveLength(4 + 8 + 2000);
  });

  it.each([1004, 1005, 1006, 1015])('refuses %i, which must never be on the wire', (code) => {
    expect(isWireCloseCode(code)).toBe(false);
  });

  it.each([
    -1,
    -1000,
    999.999,
    1000.5,
    1002.000_000_1,
    3000.5,
    65_536 + 1000,
    2 ** 32 + 1000,
    NaN,
    Infinity,
    -Infinity,
  ])('refuses %d, which no status code can be', (code) => {
    expect(isWireCloseCode(code)).toBe(false);
  });
});

describe('CLOSE_CODE', () => {
  it('names the codes of section 7.4.1 and those that IANA registered later', () => {
    expect(CLOSE_CODE).toEqual({
      NORMAL_CLOSURE: 1000,
      GOING_AWAY: 1001,
      PROTOCOL_ERROR: 1002,
      UNSUPPORTED_DATA: 1003,
      NO_STATUS_RECEIVED: 1005,
      ABNORMAL_CLOSURE: 1006,
      INVALID_PAYLOAD: 1007,
      POLICY_VIOLATION: 1008,
      MESSAGE_TOO_BIG: 1009,
      MANDATORY_EXTENSION: 1010,
      INTERNAL_ERROR: 1011,
      SERVICE_RESTART: 1012,
      TRY_AGAIN_LATER: 1013,
      BAD_GATEWAY: 1014,
      TLS_HANDSHAKE: 1015,
    });
  });
});
