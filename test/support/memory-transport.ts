import type { Transport } from '../../src/connection/transport.ts';

/** A transport that keeps what is written, and takes as much of it as the test says. */
export class MemoryTransport implements Transport {
  /** One entry for each call of `write`, copied as the contract asks. */
  readonly writes: Buffer[] = [];
  /** `write`, `end`, `destroy`, `pause`, `resume`, in the order in which they were called. */
  readonly calls: string[] = [];
  writableLength = 0;
  ended = false;
  destroyed = false;
  paused = false;
  /** While true, the network takes nothing: `writableLength` grows. */
  stuck = false;
  /** `write` returns false from this many bytes on, as a `net.Socket` does. */
  highWaterMark = 16 * 1024;

  write(bytes: Uint8Array): boolean {
    this.calls.push('write');
    this.writes.push(Buffer.from(bytes));
    if (this.stuck) this.writableLength += bytes.length;
    return this.writableLength < this.highWaterMark;
  }

  cork(): void {}

  uncork(): void {}

  end(): void {
    this.calls.push('end');
    this.ended = true;
  }

  destroy(): void {
    this.calls.push('destroy');
    this.destroyed = true;
  }

  pause(): void {
    this.calls.push('pause');
    this.paused = true;
  }

  resume(): void {
    this.calls.push('resume');
    this.paused = false;
  }

  /** Everything that was written, in one piece. */
  get wire(): Buffer {
    return Buffer.concat(this.writes);
  }

  /** The network takes all that waits; the test then calls `receiveDrain`. */
  unstick(): void {
    this.stuck = false;
    this.writableLength = 0;
  }
}
