/**
 * The Pings of an application that wait for their Pong: RFC 6455, sections 5.5.2 and 5.5.3. (The
 * Pings of the keepalive are its own affair: keepalive.ts.)
 *
 * @module
 */

import type { Clock } from './transport.ts';
import { Waiters } from './waiters.ts';

/** Pings that may wait for their Pong at the same time. */
const MAX_PENDING_PINGS = 64;

/** Unlike the four bytes of the keepalive, so that no Pong is taken for both. */
const PAYLOAD_SIZE = 8;

interface PendingPing {
  readonly payload: Buffer;
  readonly sentAt: number;
  readonly waiters: Waiters<number>;
}

export class PendingPings {
  readonly #clock: Clock;
  /** In the order in which they were sent. */
  #pending: PendingPing[] = [];
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isFull(): boolean {
    return this.#pending.length >= MAX_PENDING_PINGS;
  }

  /** A payload that tells a Ping from the others. */
  payload(): Buffer {
    const payload = Buffer.alloc(PAYLOAD_SIZE);
    payload.writeUIntBE(++this.#count, PAYLOAD_SIZE - 6, 6);
    return payload;
  }

  /** Remembers a Ping that was sent now. Resolves with milliseconds until its Pong. */
  wait(payload: Uint8Array, signal: AbortSignal | undefined): Promise<number> {
    const ping = {
      payload: Buffer.from(payload),
      sentAt: this.#clock.now(),
      waiters: new Waiters<number>(),
    };
    this.#pending.push(ping);
    return ping.waiters.wait(signal);
  }

  /**
   * A Pong came. It answers the Ping with its payload, and those before it: an endpoint may answer
   * the most recent one alone (section 5.5.3).
   */
  hearPong(source: Buffer, start: number, end: number): void {
    const answered = this.#pending.findIndex(
      ({ payload }) => source.compare(payload, 0, payload.length, start, end) === 0,
    );
    if (answered === -1) return;
    const now = this.#clock.now();
    const pings = this.#pending.splice(0, answered + 1);
    for (const { sentAt, waiters } of pings) waiters.resolve(now - sentAt);
  }

  /** None of them will be answered. */
  reject(error: Error): void {
    for (const { waiters } of this.#pending.splice(0)) waiters.reject(error);
  }
}
