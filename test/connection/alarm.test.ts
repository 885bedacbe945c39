import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Alarm, Alarms } from '../../src/connection/alarm.ts';

/** Remembers when it was woken. */
class Sleeper {
  readonly woken: number[] = [];
  readonly alarm: Alarm;

  constructor(alarms: Alarms | null) {
    this.alarm = new Alarm(this, alarms);
  }

  tick(): void {
    this.woken.push(Math.floor(performance.now()));
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  // What is due as its second begins is a millisecond late.
  vi.advanceTimersByTime(5);
});
afterEach(() => {
  vi.useRealTimers();
});

describe.each([
  ['alone', (): Alarms | null => null],
  ['among others', (): Alarms | null => new Alarms()],
])('an alarm that is %s', (_name, make) => {
  it.each([0, 1, 500, 1999, 2000, 2001, 30_000, 86_400_000])('wakes after %i ms, once', (rest) => {
    vi.advanceTimersByTime(1234);
    const sleeper = new Sleeper(make());
    const deadline = performance.now() + rest;
    sleeper.alarm.set(deadline);
    if (rest > 0) vi.advanceTimersByTime(rest - 1);
    expect(sleeper.woken).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(sleeper.woken).toEqual([deadline]);
    vi.advanceTimersByTime(100_000);
    expect(sleeper.woken).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('waits as long as a timer can, where it is set to more', () => {
    const sleeper = new Sleeper(make());
    sleeper.alarm.set(performance.now() + 2 ** 31 + 5_000);
    vi.advanceTimersByTime(86_400_000);
    expect(sleeper.woken).toEqual([]);
    sleeper.alarm.set(Number.POSITIVE_INFINITY);
  });

  it('wakes as early as it was ever set to, and not at all where it is never time', () => {
    for (const [first, second, expected] of [
      [30_000, 10_000, 10_000],
      [10_000, 30_000, 10_000],
      [30_000, 100, 100],
      [100, 30_000, 100],
      [100, 50, 50],
    ] as const) {
      const sleeper = new Sleeper(make());
      const start = performance.now();
      sleeper.alarm.set(start + first);
      sleeper.alarm.set(start + second);
      vi.advanceTimersByTime(40_000);
      expect(sleeper.woken).toEqual([start + expected]);
    }
    for (const rest of [100, 30_000]) {
      const sleeper = new Sleeper(make());
      sleeper.alarm.set(performance.now() + rest);
      sleeper.alarm.set(Number.POSITIVE_INFINITY);
      expect(vi.getTimerCount()).toBe(0);
      sleeper.alarm.set(Number.POSITIVE_INFINITY);
      vi.advanceTimersByTime(40_000);
      expect(sleeper.woken).toEqual([]);
    }
  });

  it('may be set anew by whom it wakes', () => {
    const sleeper = new Sleeper(make());
    const start = performance.now();
    vi.spyOn(sleeper, 'tick').mockImplementationOnce(() => {
      sleeper.woken.push(performance.now());
      sleeper.alarm.set(start + 60_000);
    });
    sleeper.alarm.set(start + 30_000);
    vi.advanceTimersByTime(70_000);
    expect(sleeper.woken).toEqual([start + 30_000, start + 60_000]);
  });

  it('keeps no process alive', () => {
    vi.useRealTimers();
    const unref = vi.spyOn(setTimeout(() => {}, 0).constructor.prototype, 'unref');
    for (const rest of [100, 30_000]) {
      const sleeper = new Sleeper(make());
      sleeper.alarm.set(performance.now() + rest);
      expect(unref).toHaveBeenCalledOnce();
      unref.mockClear();
      sleeper.alarm.set(Number.POSITIVE_INFINITY);
    }
    unref.mockRestore();
  });
});

describe('alarms', () => {
  it('that ring in the same second have one timer, until that second comes', () => {
    const alarms = new Alarms();
    const sleepers = Array.from({ length: 100 }, () => new Sleeper(alarms));
    for (const [i, { alarm }] of sleepers.entries()) alarm.set(30_001 + 9 * i);
    expect([vi.getTimerCount(), alarms.size]).toEqual([1, 1]);
    vi.advanceTimersByTime(29_994);
    expect(alarms.size).toBe(1);
    vi.advanceTimersByTime(1);
    expect(alarms.size).toBe(0);
    vi.advanceTimersByTime(1000);
    expect(sleepers.map(({ woken }) => woken)).toEqual(sleepers.map((_, i) => [30_001 + 9 * i]));
  });

  it('leave their second in any order, and take its timer with them', () => {
    const order = fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 });
    fc.assert(
      fc.property(order, fc.nat({ max: 5 }), (all, count) => {
        const alarms = new Alarms();
        const start = performance.now();
        const sleepers = all.map(() => new Sleeper(alarms));
        for (const { alarm } of sleepers) alarm.set(start + 30_000);
        const gone = all.slice(0, count);
        for (const i of gone) sleepers[i]!.alarm.set(Number.POSITIVE_INFINITY);
        expect([vi.getTimerCount(), alarms.size]).toEqual(count === 5 ? [0, 0] : [1, 1]);
        vi.advanceTimersByTime(40_000);
        const woken = sleepers.map((sleeper) => sleeper.woken.length);
        expect(woken).toEqual(sleepers.map((_, i) => (gone.includes(i) ? 0 : 1)));
        expect(vi.getTimerCount()).toBe(0);
      }),
    );
  });
});
