/**
 * Whose turn it is to connect: RFC 6455, section 4.1, item 2. "If multiple connections to the same
 * IP address are attempted simultaneously, the client MUST serialize them so that there is no more
 * than one connection at a time". First come, first served.
 *
 * It knows no connection: who took a turn gives it back, however its attempt ended.
 *
 * @module
 */

import { refusal } from '../handshake/refusal.ts';

/** Attempts that may wait for one place. Section 4.1: a client may limit them. */
const MAX_WAITING = 1_000;

interface Waiter {
  readonly begin: () => void;
}

export class Turns {
  readonly #maxWaiting: number;
  /** For each place to which somebody is connecting: those who want to as well. */
  readonly #places = new Map<string, Waiter[]>();

  constructor(maxWaiting: number = MAX_WAITING) {
    this.#maxWaiting = maxWaiting;
  }

  /** Places to which somebody is connecting. */
  get size(): number {
    return this.#places.size;
  }

  /**
   * Waits for the turn to connect to a place. Whoever got it must call {@link give} once.
   *
   * Rejects with a `HandshakeError` where too many wait already, or with the reason of `signal`.
   */
  take(place: string, signal?: AbortSignal): Promise<void> {
    const waiting = this.#places.get(place);
    if (waiting === undefined) {
      this.#places.set(place, []);
      return Promise.resolve();
    }
    if (waiting.length >= this.#maxWaiting) return Promise.reject(refusal('TOO_MANY_WAITING'));
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        waiting.splice(waiting.indexOf(waiter), 1);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        begin: () => {
          signal?.removeEventListener('abort', leave);
          resolve();
        },
      };
      signal?.addEventListener('abort', leave, { once: true });
      waiting.push(waiter);
    });
  }

  /** The attempt is over: the next one begins. */
  give(place: string): void {
    const next = this.#places.get(place)?.shift();
    if (next === undefined) this.#places.delete(place);
    else next.begin();
  }
}
