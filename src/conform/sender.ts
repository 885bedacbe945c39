/**
 * The judge's frames on their way out: whole, or one of them in pieces. Whatever else is to be sent
 * meanwhile waits for the end of that frame, since no frame may stand within another (RFC 6455,
 * section 5.2). Knows no meaning of a frame.
 *
 * @module
 */

import type { Duplex } from 'node:stream';
import { encodeFrames, type Frame, headerSizeOf } from './wire.ts';
import type { WireLog } from './wire-log.ts';

/** Frames that wait; of more, the oldest are forgotten, as section 5.5.3 allows for Pongs. */
const MAX_WAITING = 100;

export class Sender {
  readonly #stream: Duplex;
  readonly #isMasked: boolean;
  readonly #log: WireLog;
  /** What is left of the frame that is sent in pieces. */
  #rest: Buffer = Buffer.alloc(0);
  #waiting: Frame[] = [];

  constructor(stream: Duplex, isMasked: boolean, log: WireLog) {
    this.#stream = stream;
    this.#isMasked = isMasked;
    this.#log = log;
  }

  /** Whether a frame was begun that is not at its end, and can get there. */
  get isWithinFrame(): boolean {
    return this.#rest.length > 0 && this.#stream.writable;
  }

  /** Sends frames at once, in one write; behind the frame that is under way, if there is one. */
  send(frames: readonly Frame[]): void {
    if (!this.#stream.writable) return;
    if (this.isWithinFrame) this.#waiting = [...this.#waiting, ...frames].slice(-MAX_WAITING);
    else this.#stream.write(this.#encode(frames));
  }

  /**
   * Begins a frame that is sent in pieces.
   *
   * @returns how many of its bytes are its header
   */
  begin(frame: Frame): number {
    this.#rest = this.#encode([frame]);
    return headerSizeOf(frame, this.#isMasked);
  }

  /** Sends the next bytes of that frame; behind the last of them, what has waited. */
  sendPiece(size: number): void {
    if (!this.isWithinFrame) return;
    const piece = this.#rest.subarray(0, size);
    // First, as the answer may come before `write` returns.
    this.#rest = this.#rest.subarray(size);
    this.#stream.write(piece);
    if (this.#rest.length > 0 || this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.send(waiting);
  }

  /** Sends what is left of that frame at once, as a Close frame is next. Nothing else waits for that. */
  finish(): void {
    this.#waiting = [];
    if (!this.isWithinFrame) return;
    this.#log.addNote(`sends the other ${this.#rest.length} bytes of the frame, to send a Close`);
    this.sendPiece(this.#rest.length);
  }

  #encode(frames: readonly Frame[]): Buffer {
    const bytes = encodeFrames(frames, this.#isMasked);
    let at = 0;
    for (const frame of frames) {
      const size = headerSizeOf(frame, this.#isMasked);
      this.#log.addFrame('judge', bytes.subarray(at, at + size), frame);
      at += size + (frame.payload?.length ?? 0);
    }
    return bytes;
  }
}
