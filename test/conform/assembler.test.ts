import { describe, expect, it } from 'vitest';
import { Assembler } from '../../src/conform/assembler.ts';
import type { ReceivedFrame } from '../../src/conform/wire.ts';

function frameOf(opcode: number, payload: string | Buffer, fin: boolean, rsv = 0): ReceivedFrame {
  return {
    opcode,
    payload: Buffer.from(payload),
    fin,
    rsv,
    isMasked: false,
    header: Buffer.alloc(2),
    hasShortestLength: true,
  };
}

describe('a message of a peer', () => {
  it('is one frame, or as many as it takes', () => {
    const assembler = new Assembler();
    const whole = frameOf(2, 'a', true);
    expect(assembler.add(whole)).toEqual({ opcode: 2, rsv: 0, payload: Buffer.from('a') });
    expect(assembler.add(frameOf(1, 'b', false, 4))).toBeUndefined();
    expect(assembler.add(frameOf(0, '', false))).toBeUndefined();
    expect(assembler.isWithinMessage).toBe(true);
    expect(assembler.add(frameOf(0, 'c', true))).toEqual({
      opcode: 1,
      rsv: 4,
      payload: Buffer.from('bc'),
    });
    expect(assembler.isWithinMessage).toBe(false);
    expect(assembler.add(frameOf(1, '', true))?.payload).toHaveLength(0);
  });

  it('has an end by its size', () => {
    const assembler = new Assembler();
    const part = { ...frameOf(0, '', false), payload: Buffer.alloc(32 * 1024 * 1024) };
    assembler.add(part);
    assembler.add(part);
    expect(() => assembler.add(frameOf(0, 'x', false))).toThrow(
      'A message of 3 frames has 67108865 bytes so far',
    );
  });

  it('has an end by its fragments', () => {
    const assembler = new Assembler();
    const part = frameOf(0, '', false);
    for (let count = 0; count < 1_000_000; count++) assembler.add(part);
    expect(() => assembler.add(part)).toThrow('A message of 1000001 frames has 0 bytes so far');
  });
});
