/**
 * Where frames are written before they are sent: memory that all connections of a process share.
 *
 * A connection appends its frames at the end of the current slab. As long as nobody else appends
 * in between, they lie side by side and leave in one write, which is what makes many small
 * messages cheap: a write to a socket costs some microseconds, a frame in a slab less than a
 * tenth of one (the second is measured: bench/micro.mjs).
 * Ten thousand connections that send one small frame each in the same turn share a few slabs,
 * where a buffer of its own for each would cost a thousand times as much memory.
 *
 * A slab is used again from its beginning as soon as the network has taken all of it. Where a
 * write is still under way, the slab is left to it and to the garbage collector: a peer that does not
 * read keeps one alive for its first bytes that are stuck (64 KiB; 256 for a long text), besides
 * what `bufferedAmount` says; what follows is written to slabs that are not full. One slab that was
 * full is kept for the next time: who sends more than a slab holds in a turn would otherwise need new
 * memory in each (64 messages of 1 KiB in a turn: 1.7 µs for each, and 2.0 without it:
 * bench/clients.mjs, `client-send-1k`).
 *
 * @module
 */

import { wordsOf } from '../frame/mask.ts';

export const SLAB_SIZE: number = 64 * 1024;

/** One slab of a process is larger, for long texts: nobody knows how long before they are encoded. */
export const WIDE_SLAB_SIZE: number = 256 * 1024;

/** Where frames of a connection lie side by side until they leave. */
export interface FrameMemory {
  /** Somebody begins a run of bytes. */
  claim(): void;
  /** That run was given to a transport, which has taken it at once or holds it still. */
  settle(taken: boolean): void;
  view(start: number, end: number): Buffer;
}

export class Slab implements FrameMemory {
  readonly bytes: Buffer;
  readonly words: Int32Array;
  /** Where the next frame goes. */
  end = 0;
  /** Runs of bytes that were not given to a transport yet. */
  #waiting = 0;
  /** A transport still holds some of the bytes, so none may be overwritten. */
  #pinned = false;

  constructor(size: number = SLAB_SIZE) {
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.words = wordsOf(this.bytes);
  }

  claim(): void {
    this.#waiting++;
  }

  view(start: number, end: number): Buffer {
    return this.bytes.subarray(start, end);
  }

  settle(taken: boolean): void {
    this.#waiting--;
    if (!taken) this.#pinned = true;
    if (this.#waiting > 0 || this.#pinned) return;
    this.end = 0;
    keepSpare(this);
  }
}

let current: Slab | null = null;
let currentWide: Slab | null = null;
/** A slab that was left when it was full, and that nobody holds any more. */
let spare: Slab | null = null;

function keepSpare(slab: Slab): void {
  if (slab !== current && slab.bytes.length === SLAB_SIZE) spare = slab;
}

/** The current slab, or an empty one where `size` bytes do not fit it any more. */
export function slabWithRoom(size: number): Slab {
  if (current === null || current.end + size > SLAB_SIZE) {
    current = spare ?? new Slab();
    spare = null;
  }
  return current;
}

/** The same of the larger ones, for up to {@link WIDE_SLAB_SIZE} bytes. */
export function wideSlabWithRoom(size: number): Slab {
  if (currentWide === null || currentWide.end + size > WIDE_SLAB_SIZE) {
    currentWide = new Slab(WIDE_SLAB_SIZE);
  }
  return currentWide;
}
