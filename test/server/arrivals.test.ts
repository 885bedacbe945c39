import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Arrivals, type Pending } from '../../src/server/arrivals.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

class Waiter implements Pending {
  previous: Pending | null = null;
  next: Pending | null = null;
  deadline: number | null = null;
  readonly name: string;
  readonly #giveUp: (waiter: Waiter) => void;

  constructor(name: string, giveUp: (waiter: Waiter) => void) {
    this.name = name;
    this.#giveUp = giveUp;
  }

  giveUp(): void {
    this.#giveUp(this);
  }
}

function waiters(): { arrivals: Arrivals<Waiter>; told: string[]; make: (name: string) => Waiter } {
  const arrivals = new Arrivals<Waiter>();
  const told: string[] = [];
  const giveUp = (waiter: Waiter): void => {
    arrivals.delete(waiter);
    told.push(waiter.name);
  };
  return { arrivals, told, make: (name) => new Waiter(name, giveUp) };
}

describe('those who are in their handshake', () => {
  it('are given up when their time is over, each at its own', () => {
    const { arrivals, told, make } = waiters();
    arrivals.add(make('slow'), 100);
    arrivals.add(make('quick'), 10);
    arrivals.add(make('between'), 50);
    vi.advanceTimersByTime(9);
    arrivals.add(make('late'), 50);
    expect([told, arrivals.size]).toEqual([[], 4]);
    vi.advanceTimersByTime(1);
    expect(told).toEqual(['quick']);
    vi.advanceTimersByTime(40);
    expect(told).toEqual(['quick', 'between']);
    vi.advanceTimersByTime(9);
    expect(told).toEqual(['quick', 'between', 'late']);
    vi.advanceTimersByTime(41);
    expect([told, arrivals.size]).toEqual([['quick', 'between', 'late', 'slow'], 0]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leave in any order, and are given up no more', () => {
    const { arrivals, told, make } = waiters();
    const all = ['a', 'b', 'c', 'd'].map(make);
    for (const waiter of all) arrivals.add(waiter, 10);
    expect(arrivals.all().map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
    for (const i of [1, 0, 3]) expect(arrivals.delete(all[i]!)).toBe(true);
    expect(arrivals.delete(all[1]!)).toBe(false);
    expect(all.map((waiter) => arrivals.has(waiter))).toEqual([false, false, true, false]);
    expect([arrivals.size, arrivals.all()]).toEqual([1, [all[2]]]);
    expect(all.filter(({ previous, next }) => previous !== null || next !== null)).toEqual([]);
    vi.advanceTimersByTime(10);
    expect([told, arrivals.size]).toEqual([['c'], 0]);
  });

  it('have one timer, which is not made anew for each', () => {
    const { arrivals, told, make } = waiters();
    const set = vi.spyOn(globalThis, 'setTimeout');
    for (let i = 0; i < 5; i++) {
      const waiter = make(`${i}`);
      arrivals.add(waiter, 10);
      vi.advanceTimersByTime(1);
      arrivals.delete(waiter);
    }
    arrivals.add(make('last'), 10);
    expect([set.mock.calls.length, vi.getTimerCount()]).toEqual([1, 1]);
    vi.advanceTimersByTime(9);
    expect(told).toEqual([]);
    vi.advanceTimersByTime(1);
    expect([told, vi.getTimerCount()]).toEqual([['last'], 0]);
  });

  it('leave no timer behind where that is asked', () => {
    const { arrivals, make } = waiters();
    const waiter = make('one');
    arrivals.add(waiter, 10);
    arrivals.rest();
    expect(vi.getTimerCount()).toBe(1);
    arrivals.delete(waiter);
    for (let i = 0; i < 2; i++) {
      arrivals.rest();
      expect(vi.getTimerCount()).toBe(0);
    }
    arrivals.add(waiter, 5);
    expect(vi.getTimerCount()).toBe(1);
  });

  it('are looked at again where giving one up fails', () => {
    const arrivals = new Arrivals<Waiter>();
    const told: string[] = [];
    const waiter = new Waiter('once', (self) => {
      if (told.push(self.name) === 1) throw new Error('not yet');
      arrivals.delete(self);
    });
    arrivals.add(waiter, 10);
    expect(() => vi.advanceTimersByTime(10)).toThrow('not yet');
    vi.advanceTimersByTime(1);
    expect([told, arrivals.size]).toEqual([['once', 'once'], 0]);
  });
});
