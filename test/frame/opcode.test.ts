import { describe, expect, it } from 'vitest';
import { OPCODE, isControl, isReserved } from '../../src/frame/opcode.ts';

// RFC 6455, section 5.2, written out by hand: what each of the sixteen opcodes is.
const MEANINGS = [
  [0x0, 'data'],
  [0x1, 'data'],
  [0x2, 'data'],
  [0x3, 'reserved data'],
  [0x4, 'reserved data'],
  [0x5, 'reserved data'],
  [0x6, 'reserved data'],
  [0x7, 'reserved data'],
  [0x8, 'control'],
  [0x9, 'control'],
  [0xa, 'control'],
  [0xb, 'reserved control'],
  [0xc, 'reserved control'],
  [0xd, 'reserved control'],
  [0xe, 'reserved control'],
  [0xf, 'reserved control'],
] as const;

describe('OPCODE', () => {
  it('holds the six opcodes of RFC 6455, section 5.2, and no other', () => {
    expect(OPCODE).toEqual({ CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 });
  });
});

describe.each(MEANINGS)('opcode 0x%x', (opcode, meaning) => {
  it(`is known to be ${meaning}`, () => {
    expect(isControl(opcode)).toBe(meaning.endsWith('control'));
    expect(isReserved(opcode)).toBe(meaning.startsWith('reserved'));
  });
});
