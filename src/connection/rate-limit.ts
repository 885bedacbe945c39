/**
 * How fast a peer may send: the option `rateLimit`, and the buckets that hold a peer to it (RFC 6455,
 * section 10.4). It knows no frame, and no timer: it is told the time.
 *
 * @module
 */

/** What becomes of a message that comes too fast. */
export type ExcessPolicy = 'close' | 'drop';

/** The same, where it is decided for each. `'take'`: it is taken all the same. */
export type ExcessAnswer = ExcessPolicy | 'take';

/** Which of the two is exceeded. */
export type RateName = 'messages' | 'bytes';

export interface RateLimitOptions {
  /** Messages in a second, on average. Default: `Infinity`. */
  readonly messages?: number | undefined;
  /**
   * Bytes in a second, on average: as they come, headers and all, before they are inflated. Default:
   * `Infinity`.
   */
  readonly bytes?: number | undefined;
  /** Seconds: what may come in so many may also come at once. Default: 1. */
  readonly burst?: number | undefined;
  /**
   * Beyond it, `'close'`: 1008; `'drop'`: the message is dropped, and counted by `socket.ignored`.
   * A hook `excess` decides for each. Default: `'close'`.
   */
  readonly onExceeded?: ExcessPolicy | undefined;
}

export interface RateLimit {
  readonly messages: number;
  readonly bytes: number;
  readonly burst: number;
  readonly onExceeded: ExcessPolicy;
}

export const RATE_LIMIT_OPTION_NAMES: ReadonlySet<string> = new Set([
  'messages',
  'bytes',
  'burst',
  'onExceeded',
]);

/**
 * Fills in the defaults.
 *
 * @returns null for no limit
 * @throws {TypeError} for what is no such limit, or limits nothing
 * @throws {RangeError} for a rate or a burst that is not above 0
 */
export function resolveRateLimit(options: RateLimitOptions | false | null): RateLimit | null {
  const given: unknown = options;
  if (options === false || options === null) return null;
  if (typeof given !== 'object') throw new TypeError('rateLimit is false or an object');
  const unknown = Object.keys(options).find((name) => !RATE_LIMIT_OPTION_NAMES.has(name));
  if (unknown !== undefined) throw new TypeError(`rateLimit has no option ${unknown}`);
  if (options.messages === undefined && options.bytes === undefined) {
    throw new TypeError('rateLimit limits messages, bytes or both');
  }
  const { messages = Infinity, bytes = Infinity, burst = 1, onExceeded = 'close' } = options;
  for (const [name, value] of Object.entries({ messages, bytes, burst })) checkRate(name, value);
  if (burst === Infinity) throw new RangeError('burst of rateLimit must be a number of seconds');
  if (!POLICIES.has(onExceeded)) throw new TypeError("onExceeded is 'close' or 'drop'");
  return { messages, bytes, burst, onExceeded };
}

const POLICIES: ReadonlySet<ExcessPolicy> = new Set(['close', 'drop']);

function checkRate(name: string, value: unknown): void {
  if (typeof value !== 'number') throw new TypeError(`${name} of rateLimit must be a number`);
  // Not `value <= 0`: a NaN would switch it off without a word.
  if (!(value > 0)) throw new RangeError(`${name} of rateLimit must be above 0`);
}

/**
 * Reads what a hook has answered.
 *
 * @throws {TypeError} for anything else: a promise of an answer comes too late
 */
export function readExcessAnswer(answer: unknown): ExcessAnswer | undefined {
  if (answer === undefined || answer === 'close' || answer === 'drop' || answer === 'take') {
    return answer;
  }
  throw new TypeError("the hook excess answers 'close', 'drop', 'take' or nothing");
}

/** A message that comes at the rate, but for what a clock or a network may make of it. */
const ONE = 0.99;

/**
 * What is left of a rate: two buckets, which fill by themselves. That of bytes lets the next message in
 * where it is not empty, whatever the size, and is in debt then: on average the rate holds, and a message
 * that is larger than the bucket is not impossible.
 */
export class Allowance {
  readonly #limit: RateLimit;
  #messages: number;
  #bytes: number;
  #at: number;

  /** Full. */
  constructor(limit: RateLimit, now: number) {
    this.#limit = limit;
    this.#messages = roomOf(limit.messages, limit);
    this.#bytes = roomOf(limit.bytes, limit);
    this.#at = now;
  }

  /** Which of the two is spent, and lets nothing in. */
  exceeded(now: number): RateName | null {
    const limit = this.#limit;
    const seconds = (now - this.#at) / 1000;
    this.#at = now;
    if (seconds > 0) {
      const { messages, bytes } = limit;
      this.#messages = Math.min(this.#messages + messages * seconds, roomOf(messages, limit));
      this.#bytes = Math.min(this.#bytes + bytes * seconds, roomOf(bytes, limit));
    }
    if (this.#messages < ONE) return 'messages';
    return this.#bytes <= 0 ? 'bytes' : null;
  }

  /** So much was let in. */
  spend(messages: number, bytes: number): void {
    this.#messages -= messages;
    this.#bytes -= bytes;
  }
}

/** Less than one would let nobody in for less than a moment. */
function roomOf(rate: number, { burst }: RateLimit): number {
  return Math.max(1, rate * burst);
}
