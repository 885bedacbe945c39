/**
 * Whether the peer is still there: RFC 6455, sections 5.5.2 and 5.5.3. Knows when a Ping is due and
 * when silence means that the peer is gone; does not know a timer: it is told the time.
 *
 * Any byte of the peer is a sign of life, not only a Pong, which may stand behind a large message
 * that is still arriving. And bytes that the network takes from us are one too: a Pong cannot
 * come while our Ping waits behind what a slow peer is still reading.
 *
 * @module
 */

import type { Clock } from './transport.ts';

export interface KeepaliveOptions {
  /** Milliseconds from one Ping to the next; 0 for none. Default: 30,000. */
  readonly pingInterval: number;
  /** Milliseconds without a sign of life after a Ping. Default: 10,000. */
  readonly pingTimeout: number;
}

/** What has to be done now. */
export type KeepaliveStep = 'nothing' | 'ping' | 'dead';

const NEVER = Number.POSITIVE_INFINITY;

/** Our Pings carry their number, so that a Pong tells which of them it answers. */
const PAYLOAD_SIZE = 4;

export class Keepalive {
  readonly #options: KeepaliveOptions;
  /** When {@link advance} has something to do. */
  #deadline: number;
  /** When the last Ping was sent; the time until its Pong is the latency. */
  #pingedAt = 0;
  #count = 0;
  #awaitsPong = false;
  #heard = false;
  #latency = Number.NaN;
  /** How many bytes the network had taken when we last looked. */
  #progress = 0;

  constructor(options: KeepaliveOptions, now: number) {
    this.#options = options;
    this.#deadline = options.pingInterval > 0 ? now + options.pingInterval : NEVER;
  }

  get deadline(): number {
    return this.#deadline;
  }

  /** Milliseconds from the last answered Ping to its Pong; NaN before there was one. */
  get latency(): number {
    return this.#latency;
  }

  /** Bytes came. Called for every chunk, so it does not ask for the time. */
  hear(): void {
    this.#heard = true;
  }

  /**
   * Looks at the time.
   *
   * @param progress - how many bytes the network has taken from us so far
   * @param deaf - whether we do not read at the moment: then only what the network takes counts,
   *   and where nothing waits to be taken nothing can be known
   * @param waiting - whether the network still has bytes to take
   */
  advance(now: number, progress: number, deaf: boolean, waiting: boolean): KeepaliveStep {
    if (now < this.#deadline) return 'nothing';
    const { pingTimeout } = this.#options;

    if (this.#awaitsPong) {
      const alive = this.#heard || progress > this.#progress || (deaf && !waiting);
      if (!alive) return 'dead';
      this.#heard = false;
      this.#progress = progress;
      this.#deadline = now + pingTimeout;
      return 'nothing';
    }

    this.#awaitsPong = true;
    this.#heard = false;
    this.#progress = progress;
    this.#pingedAt = now;
    this.#count = (this.#count + 1) >>> 0;
    this.#deadline = now + pingTimeout;
    return 'ping';
  }

  /** The payload of the Ping that {@link advance} asked for. */
  payload(): Buffer {
    const payload = Buffer.allocUnsafe(PAYLOAD_SIZE);
    payload.writeUInt32BE(this.#count);
    return payload;
  }

  /** A Pong came, for us or unsolicited. The time is asked for only where it is ours. */
  hearPong(source: Buffer, start: number, end: number, clock: Clock): void {
    if (!this.#awaitsPong || end - start !== PAYLOAD_SIZE) return;
    if (source.readUInt32BE(start) !== this.#count) return;
    this.#awaitsPong = false;
    const answeredAt = clock.now();
    this.#latency = answeredAt - this.#pingedAt;
    this.#deadline = Math.max(this.#pingedAt + this.#options.pingInterval, answeredAt);
  }

  /** We read again after we did not: what the peer has to say gets its full time. */
  hearAgain(now: number): void {
    if (this.#awaitsPong) this.#deadline = now + this.#options.pingTimeout;
  }

  /** The connection is closing: other deadlines hold from here on. */
  stop(): void {
    this.#deadline = NEVER;
  }
}
