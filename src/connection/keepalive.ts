/**
 * Whether the peer is still there: RFC 6455, sections 5.5.2 and 5.5.3. Knows when a Ping is due and
 * when silence means that the peer is gone; does not know a timer: it is told the time.
 *
 * Any byte of the peer is a sign of life, not only a Pong, which may stand behind a large message
 * that is still arriving. And where bytes wait because the network does not take them, it is one
 * that some of them are taken: the Ping stands behind them, and only a peer that reads makes room.
 * Bytes that the network takes at once say nothing, since it takes a lot for a peer that is gone.
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
export type KeepaliveStep = 'nothing' | 'ping' | 'dead' | 'idle' | 'old';

/** What is known about the connection when the time has come. */
export interface Progress {
  /** Bytes that the network has taken from us so far. */
  readonly taken: number;
  /** Bytes that it has not taken yet. */
  readonly waiting: number;
  /** Whether we do not read at the moment, so that silence says nothing about the peer. */
  readonly deaf: boolean;
  /** Whether the peer may well wait for us: what it sent is still being handled, or not read yet. */
  readonly answering: boolean;
}

/** Stands for no deadline. Every connection has these numbers: what is a small integer takes no object. */
const NEVER = 0;

/** Our Pings carry their number, so that a Pong tells which of them it answers. */
const PAYLOAD_SIZE = 4;

export class Keepalive {
  readonly #options: KeepaliveOptions;
  /** When {@link advance} has something to do. */
  #deadline: number;
  /** Since the last Ping, or the last look, the peer was not heard. */
  #listens = false;
  #heard = false;
  /** When the last Ping was sent; the time until its Pong is the latency. Null before there was one. */
  #pingedAt: number | null = null;
  #count = 0;
  #unanswered = false;
  #latency: number | null = null;
  /** What was known when we last looked. */
  #taken = 0;
  #waiting = 0;
  #deafSince = 0;

  constructor(options: KeepaliveOptions, now: number) {
    this.#options = options;
    this.#deadline = options.pingInterval > 0 ? Math.ceil(now + options.pingInterval) : NEVER;
  }

  get deadline(): number {
    return this.#deadline === NEVER ? Number.POSITIVE_INFINITY : this.#deadline;
  }

  /** Milliseconds from the last answered Ping to its Pong; NaN before there was one. */
  get latency(): number {
    return this.#latency ?? Number.NaN;
  }

  /** Bytes came. Called for every chunk, so it does not ask for the time. */
  hear(): void {
    this.#heard = true;
  }

  /** A part of a message came. Of no matter for a heartbeat; it is for tenure.ts. */
  hearMessage(_now: number): void {}

  /** Looks at the time. After `'ping'`, {@link sent} is due. */
  advance(now: number, progress: Progress): KeepaliveStep {
    if (this.#deadline === NEVER || now < this.#deadline) return 'nothing';
    if (this.#listens && !this.#heard) return this.judge(now, progress);

    const nextAt = this.nextPingAt;
    if (this.#listens && now < nextAt) {
      // The peer was heard: whether or not that was the Pong, the next Ping is the next thing.
      this.#listens = false;
      this.#deadline = Math.ceil(nextAt);
      return 'nothing';
    }
    return this.ping(now);
  }

  private ping(now: number): KeepaliveStep {
    this.#listens = true;
    this.#heard = false;
    this.#unanswered = true;
    this.#pingedAt = now;
    this.#count = (this.#count + 1) >>> 0;
    this.#deadline = Math.ceil(now + this.#options.pingTimeout);
    return 'ping';
  }

  /** The Ping has gone as far as it gets. */
  sent({ taken, waiting }: Progress): void {
    this.#taken = taken;
    this.#waiting = waiting;
  }

  /** The payload of the Ping that {@link advance} asked for. */
  payload(): Buffer {
    const payload = Buffer.allocUnsafe(PAYLOAD_SIZE);
    payload.writeUInt32BE(this.#count);
    return payload;
  }

  /** A Pong came, for us or unsolicited. The time is asked for only where it is ours. */
  hearPong(source: Buffer, start: number, end: number, clock: Clock): void {
    if (!this.#unanswered || end - start !== PAYLOAD_SIZE) return;
    if (source.readUInt32BE(start) !== this.#count) return;
    const now = clock.now();
    this.#unanswered = false;
    this.#listens = false;
    this.#latency = now - this.#pingedAt!;
    this.#deadline = Math.ceil(Math.max(this.nextPingAt, now));
  }

  private get nextPingAt(): number {
    return (this.#pingedAt ?? 0) + this.#options.pingInterval;
  }

  /** We do not read from here on. */
  hearNothing(now: number): void {
    this.#deafSince = Math.ceil(now);
  }

  /** We read again: the time in which we did not is given back to the peer. */
  hearAgain(now: number): void {
    if (!this.#listens) return;
    const later = this.#deadline + now - this.#deafSince;
    this.#deadline = Math.ceil(Math.min(later, now + this.#options.pingTimeout));
  }

  /** The connection is closing: other deadlines hold from here on. */
  stop(): void {
    this.#deadline = NEVER;
    this.#listens = false;
    this.#unanswered = false;
  }

  /** The peer was not heard for `pingTimeout`. */
  private judge(now: number, progress: Progress): KeepaliveStep {
    const reads = this.#waiting > 0 && progress.taken > this.#taken;
    // Bytes began to wait since we last looked: from now on they tell whether the peer reads.
    const mayRead = this.#waiting === 0 && progress.waiting > 0;
    const isUnknown = progress.deaf && progress.waiting === 0;
    if (!reads && !mayRead && !isUnknown) return 'dead';
    // We hear nothing; but where the peer is gone, its network answers what we send with a reset.
    if (isUnknown && now >= this.nextPingAt) return this.ping(now);
    this.sent(progress);
    this.#deadline = Math.ceil(now + this.#options.pingTimeout);
    return 'nothing';
  }
}
