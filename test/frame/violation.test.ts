import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../src/errors.ts';
import { isWireCloseCode } from '../../src/frame/close-code.ts';
import { VIOLATION, type Violation, violation } from '../../src/frame/violation.ts';

/** Written by hand from RFC 6455, sections 7.4.1 and 8.1, and the IANA registry. */
const CLOSE_CODES: Readonly<Record<Violation, number>> = {
  RESERVED_BITS: 1002,
  RESERVED_OPCODE: 1002,
  LENGTH_NOT_MINIMAL: 1002,
  LENGTH_SIGN_BIT: 1002,
  MASK_MISSING: 1002,
  MASK_UNEXPECTED: 1002,
  CONTROL_FRAGMENTED: 1002,
  CONTROL_TOO_LONG: 1002,
  CONTINUATION_UNEXPECTED: 1002,
  CONTINUATION_EXPECTED: 1002,
  CLOSE_LENGTH: 1002,
  CLOSE_CODE: 1002,
  INVALID_UTF8: 1007,
  INVALID_DEFLATE: 1007,
  TOO_MANY_FRAGMENTS: 1008,
  SENDS_TOO_FAST: 1008,
  MESSAGE_TOO_BIG: 1009,
  READS_TOO_SLOWLY: 1013,
};

function isName(key: string): key is Violation {
  return Object.hasOwn(VIOLATION, key);
}

const NAMES = Object.keys(VIOLATION).filter(isName);

describe('VIOLATION', () => {
  it('has a row for every breach that is known here, and no other', () => {
    expect(NAMES.toSorted()).toEqual(Object.keys(CLOSE_CODES).toSorted());
  });

  it('says no sentence twice', () => {
    expect(new Set(NAMES.map((name) => VIOLATION[name][2])).size).toBe(NAMES.length);
  });
});

describe.each(NAMES)('violation(%s)', (name) => {
  const error = violation(name);

  it('is a ProtocolError whose code is WS_ERR_ and the name of the row', () => {
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error.code).toBe(`WS_ERR_${name}`);
  });

  it('carries the close code that RFC 6455 asks for, which may stand in a Close frame', () => {
    expect(error.closeCode).toBe(CLOSE_CODES[name]);
    expect(isWireCloseCode(error.closeCode)).toBe(true);
  });

  it('has a message that fits into a Close frame as its reason: 1 to 123 bytes of UTF-8', () => {
    const size = new TextEncoder().encode(error.message).length;
    expect(size).toBeGreaterThan(0);
    expect(size).toBeLessThanOrEqual(123);
  });

  it('names the section that was broken behind one sentence without a stop', () => {
    expect(error.message).toMatch(
      /^[a-zA-Z][^.]*[^. ] \(RFC (?:6455|7692), section \d+(?:\.\d+)*\)$/,
    );
  });

  it('is built anew for each breach, so that its stack tells where', () => {
    expect(violation(name)).not.toBe(error);
  });
});
