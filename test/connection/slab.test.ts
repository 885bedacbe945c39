import { describe, expect, it } from 'vitest';
import {
  SLAB_SIZE,
  Slab,
  WIDE_SLAB_SIZE,
  slabWithRoom,
  wideSlabWithRoom,
} from '../../src/connection/slab.ts';

/** The current slab is the process's: a test begins with one that nobody else has. */
function freshSlab(): Slab {
  const slab = slabWithRoom(SLAB_SIZE);
  if (slab.end > 0) throw new Error('a slab with this much room must be empty');
  // From here on it has no room for that much, so nobody gets it by asking the same.
  slab.end = 1;
  return slab;
}

describe('a slab', () => {
  it('has 64 KiB of its own, which a garbage collector can give back alone', () => {
    const slab = new Slab();
    expect(SLAB_SIZE).toBe(65_536);
    expect(slab.bytes.length).toBe(65_536);
    expect(slab.bytes.buffer.byteLength).toBe(65_536);
    expect(slab.end).toBe(0);
  });

  it('has words that lie on its bytes', () => {
    const slab = new Slab();
    slab.bytes.fill(0);
    slab.words[1] = -1;
    expect([...slab.bytes.subarray(0, 12)]).toEqual([0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0]);
    expect(slab.words.length).toBe(16_384);
  });

  it('shows the bytes of a run', () => {
    const slab = new Slab();
    slab.bytes.write('abcdef');
    expect(slab.view(1, 4).toString()).toBe('bcd');
    expect(slab.view(1, 4).buffer).toBe(slab.bytes.buffer);
  });

  it('begins anew when its only run was taken', () => {
    const slab = new Slab();
    slab.claim();
    slab.end = 100;
    slab.settle(true);
    expect(slab.end).toBe(0);
  });

  it('does not begin anew while another run waits', () => {
    const slab = new Slab();
    slab.claim();
    slab.claim();
    slab.end = 100;
    slab.settle(true);
    expect(slab.end).toBe(100);
    slab.settle(true);
    expect(slab.end).toBe(0);
  });

  it('can be used again and again', () => {
    const slab = new Slab();
    for (let i = 0; i < 3; i++) {
      slab.claim();
      slab.end = 40;
      slab.settle(true);
      expect(slab.end).toBe(0);
    }
  });

  it('never begins anew once a transport has kept some of it', () => {
    const slab = new Slab();
    slab.claim();
    slab.end = 10;
    slab.settle(false);
    expect(slab.end).toBe(10);
    slab.claim();
    slab.end = 20;
    slab.settle(true);
    expect(slab.end).toBe(20);
  });

  it('does not begin anew when the run that was kept is settled before others', () => {
    const slab = new Slab();
    slab.claim();
    slab.claim();
    slab.end = 20;
    slab.settle(false);
    slab.settle(true);
    expect(slab.end).toBe(20);
  });
});

describe('slabWithRoom', () => {
  it('gives the current slab as long as there is room', () => {
    const slab = freshSlab();
    expect(slabWithRoom(1)).toBe(slab);
    slab.end = SLAB_SIZE - 10;
    expect(slabWithRoom(10)).toBe(slab);
  });

  it('gives a new one where the bytes do not fit', () => {
    const slab = freshSlab();
    slab.end = SLAB_SIZE - 10;
    const next = slabWithRoom(11);
    expect(next).not.toBe(slab);
    expect(next.end).toBe(0);
    expect(slabWithRoom(1)).toBe(next);
  });

  it('gives the bytes of a slab that was left to nobody else', () => {
    const slab = freshSlab();
    slab.claim();
    slab.end = SLAB_SIZE;
    const next = slabWithRoom(1);
    slab.settle(true);
    expect(slabWithRoom(1)).toBe(next);
    expect(next.bytes.buffer).not.toBe(slab.bytes.buffer);
  });

  it('gives a slab that was full and then taken instead of new memory, and only once', () => {
    const slab = freshSlab();
    slab.claim();
    slab.end = SLAB_SIZE;
    const second = slabWithRoom(1);
    slab.settle(true);
    second.end = SLAB_SIZE;
    expect(slabWithRoom(1)).toBe(slab);
    slab.end = SLAB_SIZE;
    expect([slab, second]).not.toContain(slabWithRoom(1));
  });

  it('gives no slab again of which a transport holds some', () => {
    const slab = freshSlab();
    slab.claim();
    slab.end = SLAB_SIZE;
    const second = slabWithRoom(1);
    slab.settle(false);
    second.end = SLAB_SIZE;
    expect(slabWithRoom(1)).not.toBe(slab);
  });

  it('gives the same slab again when all of it was taken', () => {
    const slab = freshSlab();
    slab.claim();
    slab.end = SLAB_SIZE;
    slab.settle(true);
    expect(slabWithRoom(SLAB_SIZE)).toBe(slab);
  });
});

describe('wideSlabWithRoom', () => {
  it('gives one of 256 KiB, which is another', () => {
    const slab = wideSlabWithRoom(WIDE_SLAB_SIZE);
    expect(WIDE_SLAB_SIZE).toBe(262_144);
    expect(slab.bytes.buffer.byteLength).toBe(262_144);
    expect(slab.words).toHaveLength(65_536);
    expect(slabWithRoom(1)).not.toBe(slab);
  });

  it('gives the same as long as there is room, and a new one where there is none', () => {
    const slab = wideSlabWithRoom(WIDE_SLAB_SIZE);
    slab.end = WIDE_SLAB_SIZE - 10;
    expect(wideSlabWithRoom(10)).toBe(slab);
    const next = wideSlabWithRoom(11);
    expect(next).not.toBe(slab);
    expect(wideSlabWithRoom(1)).toBe(next);
  });
});
