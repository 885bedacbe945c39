import { describe, expect, it } from 'vitest';
import {
  Allowance,
  type RateLimit,
  type RateLimitOptions,
  readExcessAnswer,
  resolveRateLimit,
} from '../../src/connection/rate-limit.ts';

describe('the option rateLimit', () => {
  it('is none where it is false, and where it was none before', () => {
    expect([resolveRateLimit(false), resolveRateLimit(null)]).toEqual([null, null]);
  });

  it('has defaults beside a rate', () => {
    expect(resolveRateLimit({ messages: 10 })).toEqual({
      messages: 10,
      bytes: Infinity,
      burst: 1,
      onExceeded: 'close',
    });
    expect(resolveRateLimit({ bytes: 0.5, burst: 0.1, onExceeded: 'drop' })).toEqual({
      messages: Infinity,
      bytes: 0.5,
      burst: 0.1,
      onExceeded: 'drop',
    });
  });

  it('may be resolved again', () => {
    const limit = resolveRateLimit({ messages: 10, burst: 3 });
    expect(resolveRateLimit(limit)).toEqual(limit);
  });

  it.each<[object | number | true, string]>([
    [true, 'rateLimit is false or an object'],
    [10, 'rateLimit is false or an object'],
    [{}, 'rateLimit limits messages, bytes or both'],
    [{ burst: 2 }, 'rateLimit limits messages, bytes or both'],
    [{ messages: 10, message: 5 }, 'rateLimit has no option message'],
    [{ messages: '10' }, 'messages of rateLimit must be a number'],
    [{ bytes: null }, 'bytes of rateLimit must be a number'],
    [{ messages: 10, onExceeded: 'take' }, "onExceeded is 'close' or 'drop'"],
  ])('must not be %j', (options, message) => {
    // An option may come from a file, where no compiler looks.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is what nobody may give
    const given = options as RateLimitOptions;
    expect(() => resolveRateLimit(given)).toThrow(new TypeError(message));
  });

  it.each([0, -1, Number.NaN])('must not hold a rate of %d', (value) => {
    for (const name of ['messages', 'bytes', 'burst']) {
      const options = { messages: 1, [name]: value };
      expect(() => resolveRateLimit(options)).toThrow(
        new RangeError(`${name} of rateLimit must be above 0`),
      );
    }
  });

  it('must not allow any burst', () => {
    expect(() => resolveRateLimit({ messages: 1, burst: Infinity })).toThrow(
      new RangeError('burst of rateLimit must be a number of seconds'),
    );
  });
});

describe('what a hook answers', () => {
  it.each(['close', 'drop', 'take', undefined] as const)('may be %s', (answer) => {
    expect(readExcessAnswer(answer)).toBe(answer);
  });

  it.each([null, true, 'Close', Promise.resolve('drop')])('must not be %s', (answer) => {
    expect(() => readExcessAnswer(answer)).toThrow(
      new TypeError("the hook excess answers 'close', 'drop', 'take' or nothing"),
    );
  });
});

describe('an allowance', () => {
  const limit: RateLimit = { messages: 10, bytes: 1_000, burst: 2, onExceeded: 'close' };

  /** How many messages of that size are let in at once, up to 1,000. */
  function take(allowance: Allowance, now: number, size: number): number {
    for (let count = 0; count < 1_000; count++) {
      if (allowance.exceeded(now) !== null) return count;
      allowance.spend(1, size);
    }
    return 1_000;
  }

  it('lets in at once what may come in burst seconds', () => {
    const allowance = new Allowance(limit, 5_000);
    expect(take(allowance, 5_000, 1)).toBe(20);
    expect(allowance.exceeded(5_000)).toBe('messages');
    const other = new Allowance(limit, 5_000);
    expect(take(other, 5_000, 200)).toBe(10);
    expect(other.exceeded(5_000)).toBe('bytes');
  });

  it('fills up again by its rate, and to the top at the most', () => {
    const allowance = new Allowance(limit, 0);
    take(allowance, 0, 1);
    expect(take(allowance, 500, 1)).toBe(5);
    expect(take(allowance, 1_500, 1)).toBe(10);
    expect(take(allowance, 1_000_000, 1)).toBe(20);
  });

  it('lets in what is larger than the bucket, and asks for all of it back', () => {
    const allowance = new Allowance(limit, 0);
    allowance.spend(1, 12_000);
    expect(allowance.exceeded(9_999)).toBe('bytes');
    expect(allowance.exceeded(10_001)).toBe(null);
  });

  it('holds on average, however it is used', () => {
    const allowance = new Allowance(limit, 0);
    let taken = 0;
    for (let now = 0; now <= 100_000; now += 7) taken += take(allowance, now, 1);
    // The burst at the beginning, and what is let in because the bucket was not quite empty.
    expect(taken).toBeGreaterThanOrEqual(1_000);
    expect(taken).toBeLessThanOrEqual(1_000 + 20 + 1);
  });

  it('has no end where there is no limit', () => {
    const allowance = new Allowance({ ...limit, bytes: Infinity }, 0);
    allowance.spend(1, 1e15);
    expect([allowance.exceeded(0), allowance.exceeded(1_000)]).toEqual([null, null]);
  });

  it('lets one message in where the rate is less than one', () => {
    const allowance = new Allowance({ ...limit, messages: 0.1, burst: 1 }, 0);
    expect([0, 9_000, 9_999, 19_000, 19_999].map((now) => take(allowance, now, 1))).toEqual([
      1, 0, 1, 0, 1,
    ]);
  });
});
