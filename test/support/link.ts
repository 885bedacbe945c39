import type { Transport } from '../../src/connection/transport.ts';

/** Who is told what happens to an end of a {@link Link}. */
export interface LinkOwner {
  receive(chunk: Buffer): void;
  receiveEnd(): void;
  receiveDrain(): void;
  receiveTransportClose(): void;
  terminate(): void;
}

/** `write` returns false from this many bytes on, as a `net.Socket` of Node 20 does. */
const HIGH_WATER_MARK = 16 * 1024;

/**
 * One end of a connection in memory. It does what a `net.Socket` may do: what it was told happens
 * later, in {@link LinkEnd.runEvents}; what is written it holds as it is until the network takes
 * it, and copies it only then, so that whoever writes over it is found out.
 */
export class LinkEnd implements Transport {
  other: LinkEnd;
  owner: LinkOwner | null = null;

  /** All that the network took from this end. */
  readonly log: Buffer[] = [];
  writableLength = 0;
  paused = false;
  stuck = false;
  destroyed = false;
  ended = false;
  wroteAfterEnd = false;

  readonly #highWaterMark: number;
  #held: Uint8Array[] = [];
  #corked = 0;
  #needsDrain = false;
  /** Bytes on their way to the other end, and whether FIN is behind them. */
  #way: Buffer = Buffer.alloc(0);
  #finOnTheWay = false;
  #heardEnd = false;
  #closed = false;
  readonly #events: (() => void)[] = [];

  private constructor(highWaterMark: number) {
    this.#highWaterMark = highWaterMark;
    this.other = this;
  }

  static pair(highWaterMark: number = HIGH_WATER_MARK): [LinkEnd, LinkEnd] {
    const [one, two] = [new LinkEnd(highWaterMark), new LinkEnd(highWaterMark)];
    one.other = two;
    two.other = one;
    return [one, two];
  }

  write(bytes: Uint8Array): boolean {
    if (this.destroyed) return false;
    if (this.ended) this.wroteAfterEnd = true;
    this.#held.push(bytes);
    this.writableLength += bytes.length;
    const accepted = this.writableLength < this.#highWaterMark;
    if (!accepted) this.#needsDrain = true;
    this.takeWhatItMay();
    return accepted;
  }

  cork(): void {
    this.#corked++;
  }

  uncork(): void {
    this.#corked--;
    this.takeWhatItMay();
  }

  end(): void {
    this.ended = true;
    this.takeWhatItMay();
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#held = [];
    this.writableLength = 0;
    this.#finOnTheWay = true;
    this.other.#way = Buffer.alloc(0);
    this.close();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  // ── What the test does with the network ───────────────────────────────────────────────────

  unstick(): void {
    this.stuck = false;
    this.takeWhatItMay();
  }

  /** The network takes up to `size` bytes of what waits. */
  take(size: number): void {
    if (this.destroyed) return;
    while (size > 0 && this.#held.length > 0) {
      const bytes = this.#held.shift()!;
      const taken = Math.min(size, bytes.length);
      if (taken < bytes.length) this.#held.unshift(bytes.subarray(taken));
      size -= taken;
      this.writableLength -= taken;
      const copy = Buffer.from(bytes.subarray(0, taken));
      this.log.push(copy);
      if (!this.other.destroyed) this.#way = Buffer.concat([this.#way, copy]);
    }
    if (this.writableLength > 0) return;
    if (this.#needsDrain) {
      this.#needsDrain = false;
      this.#events.push(() => this.owner?.receiveDrain());
    }
    if (this.ended && !this.#finOnTheWay) {
      this.#finOnTheWay = true;
      this.closeWhenBothEnded();
    }
  }

  /** Up to `size` bytes from the other end arrive here, or its FIN. Whether anything did. */
  deliver(size: number): boolean {
    if (this.destroyed || this.#heardEnd) return false;
    const chunk = Buffer.from(this.other.#way.subarray(0, size));
    if (chunk.length > 0) {
      this.other.#way = this.other.#way.subarray(chunk.length);
      this.owner?.receive(chunk);
      return true;
    }
    if (!this.other.#finOnTheWay) return false;
    this.#heardEnd = true;
    this.owner?.receiveEnd();
    this.closeWhenBothEnded();
    return true;
  }

  /** RST in both directions: what is on its way is lost. */
  reset(): void {
    for (const end of [this, this.other]) {
      end.#way = Buffer.alloc(0);
      end.#held = [];
      end.writableLength = 0;
      end.destroyed = true;
      if (!end.#closed) end.#events.push(() => end.owner?.terminate());
      end.close();
    }
  }

  /** Tells the owner what happened. Whether anything did. */
  runEvents(): boolean {
    const events = this.#events.splice(0);
    for (const event of events) event();
    return events.length > 0;
  }

  private takeWhatItMay(): void {
    if (!this.stuck && this.#corked === 0 && !this.destroyed) this.take(Infinity);
  }

  private closeWhenBothEnded(): void {
    if (this.#heardEnd && this.#finOnTheWay) this.close();
  }

  private close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#events.push(() => this.owner?.receiveTransportClose());
  }
}
