/**
 * How long one connection may keep the thread before all others have had theirs. libuv reads up to 32
 * chunks of 64 KiB from one socket in a turn of the event loop: 300,000 messages of one byte, each of
 * which calls a handler. Who has had its share rests until a `setImmediate`.
 *
 * A share is renewed by resting and by nothing else, so nobody has to know when a turn begins: a peer
 * that sends little rests once in a long while, for nothing and at no cost. It is counted in
 * microseconds. Where a chunk is large enough to be worth it the clock is asked, and knows what messages,
 * bytes and handlers cost; a message costs something by itself, since a handler that is async does its
 * work when nobody looks at the clock.
 *
 * @module
 */

import type { Clock } from './transport.ts';

/** Microseconds for one connection. */
const MOST = 4_000;
/** For all that have to rest, together: each has its part of them, but {@link LEAST}. */
const MOST_OF_ALL = 16_000;
const LEAST = 250;

/** What a message costs at least. (An echo of one byte takes 0.45 µs: bench/fairness.mjs.) */
const MESSAGE_COST = 2;
/** So many messages are counted together. To ask for the time takes 70 ns, which is little for 16. */
const LOOK_EVERY = 16;
/** Bytes of a chunk from which on the clock is asked. */
const TIMED_FROM = 4 * 1024;

/** How many connections rest at the moment. */
let resting = 0;

export class Share {
  readonly #clock: Clock;
  #left = MOST;
  /** Messages that are not paid yet. */
  #messages = 0;
  #isTimed = false;
  /** When what is paid by time was paid last; of microseconds the lowest 32 bits. */
  #paidAt = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** So many bytes are being decoded from here on. */
  begin(size: number): void {
    // Chunks that bring no message to its end are not for nothing either.
    this.#messages++;
    this.#isTimed = size >= TIMED_FROM;
    if (this.#isTimed) this.#paidAt = this.now();
  }

  /** A message was given out, or a control frame. Answers whether the share is spent. */
  count(): boolean {
    this.#messages++;
    return this.#messages >= LOOK_EVERY && this.pay();
  }

  /** What was being decoded is decoded. Answers whether the share is spent. */
  end(): boolean {
    const isSpent = (this.#isTimed || this.#messages >= LOOK_EVERY) && this.pay();
    this.#isTimed = false;
    return isSpent;
  }

  /** The connection rests; {@link renew} follows. */
  rest(): void {
    resting++;
  }

  renew(): void {
    this.#left = Math.max(LEAST, Math.min(MOST, MOST_OF_ALL / resting)) | 0;
    this.#messages = 0;
    resting--;
  }

  private pay(): boolean {
    let cost = this.#messages * MESSAGE_COST;
    this.#messages = 0;
    if (this.#isTimed) {
      const now = this.now();
      cost = Math.max(cost, (now - this.#paidAt) | 0);
      this.#paidAt = now;
    }
    this.#left -= cost;
    return this.#left <= 0;
  }

  /** Small integers are cheaper than other numbers, and a difference is right all the same. */
  private now(): number {
    return (this.#clock.now() * 1_000) | 0;
  }
}
