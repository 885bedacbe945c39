import { describe, expect, it } from 'vitest';
import {
  type ConnectionLimits,
  DEFAULT_LIMITS,
  checkLimit,
  resolveLimits,
} from '../../src/connection/limits.ts';

const SIZES_FROM_0 = ['maxPayload', 'highWaterMark', 'maxBackpressure'] as const;
const TIMES_FROM_0 = ['pingInterval', 'idleTimeout', 'maxLifetime'] as const;
const TIMES_FROM_1 = ['pingTimeout', 'closeTimeout'] as const;

describe('resolveLimits', () => {
  it('has the documented defaults', () => {
    const defaults: ConnectionLimits = {
      maxPayload: 1_048_576,
      maxFragments: 16_384,
      highWaterMark: 65_536,
      maxBackpressure: 4_194_304,
      backpressurePolicy: 'close',
      pingInterval: 30_000,
      pingTimeout: 10_000,
      closeTimeout: 10_000,
      idleTimeout: 0,
      maxLifetime: 0,
    };
    expect(resolveLimits()).toEqual(defaults);
    expect(resolveLimits({})).toEqual(defaults);
    expect(DEFAULT_LIMITS).toEqual(defaults);
  });

  it('takes each limit as it is given', () => {
    const given: ConnectionLimits = {
      maxPayload: 1,
      maxFragments: 2,
      highWaterMark: 3,
      maxBackpressure: 4,
      backpressurePolicy: 'latest',
      pingInterval: 5,
      pingTimeout: 6,
      closeTimeout: 7,
      idleTimeout: 8,
      maxLifetime: 9,
    };
    expect(resolveLimits(given)).toEqual(given);
  });

  it('fills in only what is missing', () => {
    expect(resolveLimits({ maxPayload: 9, backpressurePolicy: 'drop' })).toEqual({
      ...DEFAULT_LIMITS,
      maxPayload: 9,
      backpressurePolicy: 'drop',
    });
  });

  it('takes nothing along that is not a limit', () => {
    const more = { maxPayload: 9, autoPong: false };
    expect(resolveLimits(more)).not.toHaveProperty('autoPong');
  });

  it('names the limit that is wrong', () => {
    expect(() => resolveLimits({ maxFragments: -1 })).toThrow(
      new RangeError('maxFragments must be a whole number from 1 to Infinity'),
    );
    expect(() => resolveLimits({ closeTimeout: 0 })).toThrow(
      new RangeError('closeTimeout must be a whole number from 1 to 2147483647'),
    );
    expect(() => resolveLimits({ maxPayload: -1 })).toThrow(
      new RangeError('maxPayload must be a whole number from 0 to Infinity'),
    );
  });

  it('checks every limit', () => {
    for (const name of [...SIZES_FROM_0, ...TIMES_FROM_1, 'maxFragments', ...TIMES_FROM_0]) {
      expect(() => resolveLimits({ [name]: Number.NaN }), name).toThrow(RangeError);
      expect(() => resolveLimits({ [name]: '10' }), name).toThrow(TypeError);
    }
  });

  it('refuses a policy that there is not', () => {
    // An option may come from a file, where no compiler looks.
    const options: object = { backpressurePolicy: 'newest' };
    expect(() => resolveLimits(options)).toThrow(
      new TypeError('backpressurePolicy is one of close, drop, latest'),
    );
  });

  it.each(['close', 'drop', 'latest'] as const)('takes the policy %s', (backpressurePolicy) => {
    expect(resolveLimits({ backpressurePolicy }).backpressurePolicy).toBe(backpressurePolicy);
  });
});

describe('checkLimit', () => {
  it.each([...SIZES_FROM_0, ...TIMES_FROM_0])('lets %s be 0', (name) => {
    expect(() => checkLimit(name, 0)).not.toThrow();
    expect(() => checkLimit(name, -1)).toThrow(RangeError);
  });

  it.each([...TIMES_FROM_1, 'maxFragments', 'maxConnections'])(
    'wants %s to be 1 or more',
    (name) => {
      expect(() => checkLimit(name, 1)).not.toThrow();
      expect(() => checkLimit(name, 0)).toThrow(RangeError);
    },
  );

  it.each([...SIZES_FROM_0, 'maxFragments'])('lets %s be Infinity', (name) => {
    expect(() => checkLimit(name, Number.POSITIVE_INFINITY)).not.toThrow();
    expect(() => checkLimit(name, Number.MAX_SAFE_INTEGER)).not.toThrow();
  });

  it.each([...TIMES_FROM_1, ...TIMES_FROM_0, 'handshakeTimeout'])(
    'wants %s to fit a timer of Node',
    (name) => {
      expect(() => checkLimit(name, 2_147_483_647)).not.toThrow();
      expect(() => checkLimit(name, 2_147_483_648)).toThrow(RangeError);
      expect(() => checkLimit(name, Number.POSITIVE_INFINITY)).toThrow(RangeError);
    },
  );

  it.each([0.5, 1.000_001, Number.NaN, Number.NEGATIVE_INFINITY])('refuses %d', (value) => {
    expect(() => checkLimit('maxPayload', value)).toThrow(
      new RangeError('maxPayload must be a whole number from 0 to Infinity'),
    );
  });

  it.each([undefined, null, '1', 1n, true, {}])('refuses what is no number: %s', (value) => {
    expect(() => checkLimit('maxPayload', value)).toThrow(
      new TypeError('maxPayload must be a number'),
    );
  });
});
