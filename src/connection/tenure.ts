/**
 * How long a connection may stay: a {@link Keepalive} that also knows `idleTimeout` and `maxLifetime`,
 * for those connections that have one of the two.
 *
 * Idle is a peer from which no part of a message has come. Pings and Pongs do not count: a Pong answers
 * our own heartbeat, which would keep every peer for ever. Nor does what we send, since a peer that only
 * listens takes as much memory as any other. But who waits for our answer is not idle, and who takes
 * what we have sent is not either, for as long as that goes on.
 *
 * @module
 */

import {
  Keepalive,
  type KeepaliveOptions,
  type KeepaliveStep,
  type Progress,
} from './keepalive.ts';
import type { Clock } from './transport.ts';

export interface TenureOptions extends KeepaliveOptions {
  /** Milliseconds without a message of the peer, or a part of one; then 1001. Default: 0, for ever. */
  readonly idleTimeout: number;
  /**
   * Milliseconds that a connection may be open; then 1001. Each is closed up to a tenth earlier, by
   * chance, so that those that came together do not all leave together. Default: 0, for ever.
   */
  readonly maxLifetime: number;
}

/** The reason of our Close, for each step that ends a tenure. */
export const LEAVE_REASON = {
  idle: 'no message came within idleTimeout',
  old: 'the connection is as old as maxLifetime allows',
} as const;

const NEVER = Number.POSITIVE_INFINITY;

/** The part of `maxLifetime` by which connections leave earlier, at the most. */
const SPREAD = 0.1;

export class Tenure extends Keepalive {
  readonly #idleTimeout: number;
  #idleAt = NEVER;
  #oldAt = NEVER;
  /** What the network had taken when we last looked. */
  #taken = 0;

  /** @param chance - from 0 to 1: which part of the spread is this connection's */
  constructor(options: TenureOptions, now: number, chance: number = Math.random()) {
    super(options, now);
    const { idleTimeout, maxLifetime } = options;
    this.#idleTimeout = idleTimeout;
    if (idleTimeout > 0) this.#idleAt = Math.ceil(now + idleTimeout);
    if (maxLifetime > 0) this.#oldAt = Math.ceil(now + maxLifetime * (1 - SPREAD * chance));
  }

  override get deadline(): number {
    return Math.min(super.deadline, this.#idleAt, this.#oldAt);
  }

  override hearMessage(now: number): void {
    if (this.#idleAt !== NEVER) this.#idleAt = Math.ceil(now + this.#idleTimeout);
  }

  /** What the peer sends now could not be read before. */
  override hearAgain(now: number): void {
    super.hearAgain(now);
    this.hearMessage(now);
  }

  override advance(now: number, progress: Progress): KeepaliveStep {
    if (now >= this.#oldAt) {
      this.#oldAt = NEVER;
      return 'old';
    }
    if (now >= this.#idleAt) {
      const isReading = progress.waiting > 0 && progress.taken > this.#taken;
      this.#taken = progress.taken;
      if (!isReading && !progress.answering) {
        this.#idleAt = NEVER;
        return 'idle';
      }
      this.hearMessage(now);
    }
    return super.advance(now, progress);
  }

  override stop(): void {
    super.stop();
    this.#idleAt = NEVER;
    this.#oldAt = NEVER;
  }
}

/** What a connection with these options needs, and no more. */
export function createKeepalive(options: TenureOptions, clock: Clock): Keepalive {
  const { pingInterval, idleTimeout, maxLifetime } = options;
  if (idleTimeout > 0 || maxLifetime > 0) return new Tenure(options, clock.now());
  return new Keepalive(options, pingInterval > 0 ? clock.now() : 0);
}
