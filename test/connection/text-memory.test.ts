import { describe, expect, it } from 'vitest';
import { TextMemory } from '../../src/connection/text-memory.ts';

const KIB = 1024;

describe('memory for texts', () => {
  it('is of its own, and of the size that was asked for, where none was given back', () => {
    const memory = new TextMemory();
    for (const size of [0, 1, 8 * KIB, 64 * KIB]) {
      const bytes = memory.take(size);
      expect([bytes.length, bytes.buffer.byteLength]).toEqual([size, size]);
    }
    expect(memory.size).toBe(0);
  });

  it('is that which was given back, where it has room', () => {
    const memory = new TextMemory();
    const bytes = memory.take(64 * KIB);
    memory.give(bytes);
    expect(memory.size).toBe(64 * KIB);
    expect(memory.take(64 * KIB + 1)).not.toBe(bytes);
    expect(memory.take(64 * KIB)).toBe(bytes);
    expect(memory.size).toBe(0);
  });

  it('belongs to one at a time', () => {
    const memory = new TextMemory();
    const bytes = memory.take(64 * KIB);
    memory.give(bytes);
    const first = memory.take(30 * KIB);
    expect(first).toBe(bytes);
    expect(memory.take(30 * KIB)).not.toBe(first);
  });

  it('is not kept where it is small, nor where it is large', () => {
    const memory = new TextMemory();
    for (const size of [0, 8 * KIB - 1, 256 * KIB + 1]) memory.give(memory.take(size));
    expect(memory.size).toBe(0);
    for (const size of [8 * KIB, 256 * KIB]) memory.give(Buffer.alloc(size));
    expect(memory.size).toBe(264 * KIB);
  });

  it('is not lent to a small text, which needs little', () => {
    const memory = new TextMemory();
    memory.give(Buffer.alloc(64 * KIB));
    expect(memory.take(8 * KIB - 1)).toHaveLength(8 * KIB - 1);
    expect(memory.size).toBe(64 * KIB);
  });

  it('is not lent where more than four times as much would be kept alive', () => {
    const memory = new TextMemory();
    memory.give(Buffer.alloc(256 * KIB));
    expect(memory.take(64 * KIB - 1)).toHaveLength(64 * KIB - 1);
    expect(memory.take(64 * KIB)).toHaveLength(256 * KIB);
  });

  it('is kept of four, without the smallest', () => {
    const memory = new TextMemory();
    for (const size of [64, 16, 128, 32, 256]) memory.give(Buffer.alloc(size * KIB));
    expect(memory.size).toBe((64 + 128 + 32 + 256) * KIB);
    memory.give(Buffer.alloc(8 * KIB));
    expect(memory.size).toBe((64 + 128 + 32 + 256) * KIB);
  });
});
