import { beforeEach, describe, expect, it } from 'vitest';
import { Share } from '../../src/connection/share.ts';
import { ManualClock } from '../support/manual-clock.ts';

const LARGE = 64 * 1024;
const SMALL = 100;

let clock: ManualClock;
let share: Share;

beforeEach(() => {
  clock = new ManualClock();
  share = new Share(clock);
});

/** How many messages of one small chunk it takes until the share is spent. */
function countUntilSpent(of: Share = share): number {
  of.begin(SMALL);
  let count = 1;
  while (!of.count()) count++;
  of.end();
  return count;
}

function renew(of: Share = share): void {
  of.rest();
  of.renew();
}

describe('the share of a connection', () => {
  it('is spent by some thousands of messages, whatever they cost', () => {
    expect(countUntilSpent()).toBeGreaterThanOrEqual(1_000);
    renew();
    expect(countUntilSpent()).toBeLessThanOrEqual(4_000);
  });

  it('is spent by messages of many small chunks alike', () => {
    let count = 0;
    for (let isSpent = false; !isSpent; count++) {
      share.begin(SMALL);
      isSpent = share.count() || share.end();
    }
    expect(count).toBeLessThanOrEqual(4_000);
  });

  it('is spent by chunks alone, where no message comes to its end', () => {
    let count = 0;
    for (let isSpent = false; !isSpent; count++) {
      share.begin(SMALL);
      isSpent = share.end();
    }
    expect(count).toBeLessThanOrEqual(4_000);
  });

  it('is spent by the time that messages take, and soon', () => {
    share.begin(LARGE);
    let count = 1;
    for (clock.advance(1); !share.count(); clock.advance(1)) count++;
    expect(count).toBeLessThanOrEqual(16);
  });

  it('is spent by the time that a chunk takes', () => {
    share.begin(LARGE);
    clock.advance(2);
    expect(share.end()).toBe(false);
    // Nothing is decoded meanwhile.
    clock.advance(1_000);
    share.begin(LARGE);
    clock.advance(1);
    expect(share.end()).toBe(false);
    share.begin(LARGE);
    clock.advance(1);
    expect(share.end()).toBe(true);
  });

  it('does not ask for the time of small chunks', () => {
    share.begin(SMALL);
    clock.advance(1_000);
    expect(share.end()).toBe(false);
  });

  it('knows the time also when it has become large', () => {
    // Where the lowest 32 bits of the microseconds become negative, and begin anew.
    for (const milliseconds of [2 ** 31 / 1_000 - 2, 2 ** 32 / 1_000 - 2]) {
      const late = new ManualClock();
      late.advance(milliseconds - late.now());
      const other = new Share(late);
      other.begin(LARGE);
      late.advance(3);
      expect(other.end()).toBe(false);
      other.begin(LARGE);
      late.advance(3);
      expect(other.end()).toBe(true);
    }
  });

  it('is there again when it is renewed, and no more than that', () => {
    const first = countUntilSpent();
    expect(share.count()).toBe(false);
    for (let i = 0; i < 3; i++) {
      renew();
      expect(countUntilSpent()).toBe(first);
    }
    renew();
    renew();
    expect(countUntilSpent()).toBe(first);
  });

  it('is no smaller because one message took long', () => {
    const first = countUntilSpent();
    renew();
    share.begin(LARGE);
    clock.advance(1_000);
    expect(share.end()).toBe(true);
    renew();
    expect(countUntilSpent()).toBe(first);
  });

  it('is smaller where many rest, so that they all take no longer than some', () => {
    const first = countUntilSpent();
    const countOf = (many: number): number[] => {
      const shares = Array.from({ length: many }, () => new Share(clock));
      for (const each of shares) each.rest();
      // Who goes on rests again, as peers do that flood.
      for (const each of shares) {
        each.renew();
        each.rest();
      }
      for (const each of shares) each.renew();
      // Those that are the last to go on rest with few others: the first ones tell.
      return shares.map((each) => countUntilSpent(each));
    };
    expect(countOf(4)[0]).toBe(first);
    expect(countOf(16)[0]).toBeLessThanOrEqual(first / 3);
    expect(countOf(10_000)[0]).toBeGreaterThanOrEqual(64);
    expect(countUntilSpent(new Share(clock))).toBe(first);
  });
});
