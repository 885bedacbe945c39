/**
 * What stands in for a TCP socket: nothing leaves the process. The other end is whoever calls `push`.
 *
 * @module
 */

import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';

/** Turns in which all that follows from what came has happened, where no thread is at work. */
const TURNS = 6;

export class MemoryWire extends Duplex {
  readonly #chunks: Buffer[] = [];

  constructor() {
    super({ allowHalfOpen: true });
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(Buffer.from(chunk));
    done();
  }

  setNoDelay(): this {
    return this;
  }

  get written(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Until nothing more follows from what came. */
  async settle(): Promise<void> {
    for (let left = TURNS; left > 0; left--) {
      await turn();
      // A thread works for it, or it has to wait for others.
      if (this.isPaused() && !this.destroyed) left = TURNS;
    }
  }

  /** Gives it these pieces, then FIN, and then nothing is left of it. */
  async play(pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces) if (!this.destroyed && piece.length > 0) this.push(piece);
    await this.settle();
    if (!this.destroyed) this.push(null);
    await this.settle();
    this.destroy();
    await this.settle();
  }
}
