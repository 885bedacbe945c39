/**
 * What one connection may cost, and for how long: the limits of RFC 6455, section 10.4, and the
 * deadlines, with their defaults.
 *
 * @module
 */

import type { InboundLimits } from './inbound.ts';
import type { BackpressurePolicy, OutboundLimits } from './outbound-limits.ts';
import type { TenureOptions } from './tenure.ts';

export interface ConnectionLimits extends InboundLimits, OutboundLimits, TenureOptions {
  /**
   * Milliseconds from our Close to the end of the transport; then it is destroyed. Default: 10,000.
   */
  readonly closeTimeout: number;
}

export const DEFAULT_LIMITS: ConnectionLimits = {
  maxPayload: 1024 * 1024,
  maxFragments: 16_384,
  highWaterMark: 64 * 1024,
  maxBackpressure: 4 * 1024 * 1024,
  backpressurePolicy: 'close',
  pingInterval: 30_000,
  pingTimeout: 10_000,
  closeTimeout: 10_000,
  idleTimeout: 0,
  maxLifetime: 0,
};

const POLICIES: readonly BackpressurePolicy[] = ['close', 'drop', 'latest'];

/** What a timer of Node can wait for at the most: 2^31 - 1 milliseconds, or 24.8 days. */
const MAX_TIME = 0x7fffffff;

/** The limits in which 0 has a meaning: no Pings; `send` answers false as soon as a byte waits. */
const ZERO_ALLOWED = new Set([
  'pingInterval',
  'highWaterMark',
  'maxPayload',
  'maxBackpressure',
  'idleTimeout',
  'maxLifetime',
]);

/**
 * Fills in the defaults.
 *
 * @throws {TypeError} for a limit that is no number, or a policy that there is not
 * @throws {RangeError} for a limit that is negative, not whole, or 0 where it must not be. A size
 *   or a count may be `Infinity`: then there is no limit. A time may have 2,147,483,647 ms.
 */
export function resolveLimits(
  limits: { readonly [name in keyof ConnectionLimits]?: ConnectionLimits[name] | undefined } = {},
): ConnectionLimits {
  const resolved: ConnectionLimits = {
    maxPayload: limits.maxPayload ?? DEFAULT_LIMITS.maxPayload,
    maxFragments: limits.maxFragments ?? DEFAULT_LIMITS.maxFragments,
    highWaterMark: limits.highWaterMark ?? DEFAULT_LIMITS.highWaterMark,
    maxBackpressure: limits.maxBackpressure ?? DEFAULT_LIMITS.maxBackpressure,
    backpressurePolicy: limits.backpressurePolicy ?? DEFAULT_LIMITS.backpressurePolicy,
    pingInterval: limits.pingInterval ?? DEFAULT_LIMITS.pingInterval,
    pingTimeout: limits.pingTimeout ?? DEFAULT_LIMITS.pingTimeout,
    closeTimeout: limits.closeTimeout ?? DEFAULT_LIMITS.closeTimeout,
    idleTimeout: limits.idleTimeout ?? DEFAULT_LIMITS.idleTimeout,
    maxLifetime: limits.maxLifetime ?? DEFAULT_LIMITS.maxLifetime,
  };
  const { backpressurePolicy, ...sizes } = resolved;
  for (const [name, value] of Object.entries(sizes)) checkLimit(name, value);
  if (!POLICIES.includes(backpressurePolicy)) {
    throw new TypeError(`backpressurePolicy is one of ${POLICIES.join(', ')}`);
  }
  // Nobody could be told to wait by a mark that lies above the end.
  const highWaterMark = Math.min(resolved.highWaterMark, resolved.maxBackpressure);
  return { ...resolved, highWaterMark };
}

/**
 * Checks one limit. A NaN in a comparison would switch it off without a word, and a timer that
 * is told to wait too long fires at once.
 *
 * @throws {TypeError | RangeError} as {@link resolveLimits}
 */
export function checkLimit(name: string, value: unknown): void {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number`);
  const smallest = ZERO_ALLOWED.has(name) ? 0 : 1;
  const isTime = /(?:timeout|Timeout|Interval|Lifetime)$/.test(name);
  const largest = isTime ? MAX_TIME : Number.POSITIVE_INFINITY;
  const whole = Number.isInteger(value) || value === Number.POSITIVE_INFINITY;
  if (!whole || value < smallest || value > largest) {
    throw new RangeError(`${name} must be a whole number from ${smallest} to ${largest}`);
  }
}
