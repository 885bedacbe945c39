import { randomFillSync } from 'node:crypto';
import { beforeEach, describe, expect, it, vi } from 'vitest';

vi.mock('node:crypto', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:crypto')>();
  return { ...original, randomFillSync: vi.fn(original.randomFillSync) };
});

const source = vi.mocked(randomFillSync);

/** The module as it is when a process has just loaded it: its pool is empty. */
async function loadFresh(): Promise<() => number> {
  vi.resetModules();
  const { nextMaskingKey } = await import('../../src/frame/masking-key.ts');
  return nextMaskingKey;
}

let nextMaskingKey: () => number;

beforeEach(async () => {
  source.mockReset();
  nextMaskingKey = await loadFresh();
});

function take(count: number): number[] {
  return Array.from({ length: count }, () => nextMaskingKey());
}

/** Makes the source of entropy give the words 1, 2, 3, …, and keeps what it gave. */
function countInsteadOfRandom(): number[] {
  const given: number[] = [];
  source.mockImplementation((view) => {
    const words = new Int32Array(view.buffer, view.byteOffset, view.byteLength / 4);
    for (let i = 0; i < words.length; i++) {
      words[i] = given.length + 1;
      given.push(given.length + 1);
    }
    return view;
  });
  return given;
}

describe('nextMaskingKey, with the entropy of the system', () => {
  it('gives integers that fit into 32 bits', () => {
    for (const key of take(10_000)) expect(key | 0).toBe(key);
  });

  it('predictable mask keys: repeats no key beyond chance in 10,000', () => {
    // By chance 0.012 pairs are equal; three or more happen once in four million runs.
    expect(new Set(take(10_000)).size).toBeGreaterThan(9_997);
  });

  it('gives every byte value in each of the four bytes', () => {
    const keys = take(10_000);
    // A value is missing by chance once in 10^14 runs.
    for (const shift of [0, 8, 16, 24]) {
      expect(new Set(keys.map((key) => (key >>> shift) & 0xff)).size).toBe(256);
    }
  });

  it('has as many ones as zeros, in each of the 32 bits and in all (monobit)', () => {
    const keys = take(10_000);
    let total = 0;
    for (let bit = 0; bit < 32; bit++) {
      const ones = keys.filter((key) => ((key >>> bit) & 1) === 1).length;
      total += ones;
      // Seven standard deviations of 50.
      expect(Math.abs(ones - 5_000)).toBeLessThan(350);
    }
    // Seven standard deviations of 283.
    expect(Math.abs(total - 160_000)).toBeLessThan(1_980);
  });

  it('changes from bit to bit half of the time (runs)', () => {
    const bits = take(10_000).flatMap((key) =>
      Array.from({ length: 32 }, (_, bit) => (key >>> (31 - bit)) & 1),
    );
    const changes = bits.filter((bit, i) => i > 0 && bit !== bits[i - 1]).length;
    expect(Math.abs(changes - 160_000)).toBeLessThan(1_980);
  });

  it('does not tell the next key: half of the bits change from key to key', () => {
    const keys = take(10_000);
    let changed = 0;
    for (let i = 1; i < keys.length; i++) {
      for (let word = keys[i - 1]! ^ keys[i]!; word !== 0; word &= word - 1) changed++;
    }
    expect(Math.abs(changed - 160_000)).toBeLessThan(2_000);
  });
});

describe('nextMaskingKey, with a source of entropy that counts', () => {
  it('asks for no entropy before the first key is wanted', () => {
    expect(source).not.toHaveBeenCalled();
    nextMaskingKey();
    expect(source).toHaveBeenCalledTimes(1);
  });

  it('predictable mask keys: gives out each four bytes of the source once, over several fillings of its pool', () => {
    const given = countInsteadOfRandom();
    nextMaskingKey();
    const poolSize = given.length;
    const keys = [1, ...take(3 * poolSize)];

    expect(source).toHaveBeenCalledTimes(4);
    expect(new Set(keys).size).toBe(keys.length);
    // Every key is made of the source's bytes and of nothing else.
    const fromSource = new Set(given);
    expect(keys.every((key) => fromSource.has(key))).toBe(true);
  });

  it('fills the pool again when its last key is gone, neither before nor after', () => {
    const given = countInsteadOfRandom();
    nextMaskingKey();
    const poolSize = given.length;
    expect(poolSize).toBeGreaterThan(0);
    take(poolSize - 1);
    expect(source).toHaveBeenCalledTimes(1);
    nextMaskingKey();
    expect(source).toHaveBeenCalledTimes(2);
    take(poolSize - 1);
    expect(source).toHaveBeenCalledTimes(2);
    nextMaskingKey();
    expect(source).toHaveBeenCalledTimes(3);
  });

  it('asks the source for the whole pool, and not for a part of it', () => {
    countInsteadOfRandom();
    nextMaskingKey();
    expect(source.mock.lastCall).toHaveLength(1);
  });

  it('gives out no old key when the source fails, and goes on when it works again', () => {
    const given = countInsteadOfRandom();
    nextMaskingKey();
    const poolSize = given.length;
    take(poolSize - 1);

    source.mockImplementation(() => {
      throw new Error('no entropy');
    });
    expect(() => nextMaskingKey()).toThrow('no entropy');
    expect(() => nextMaskingKey()).toThrow('no entropy');

    source.mockImplementation((view) => {
      new Int32Array(view.buffer, view.byteOffset, view.byteLength / 4).fill(-77);
      return view;
    });
    expect(nextMaskingKey()).toBe(-77);
  });
});
