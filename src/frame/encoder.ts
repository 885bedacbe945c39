/**
 * The sending half of RFC 6455, section 5: a payload in, a frame out.
 *
 * The encoder knows one frame at a time and no message: which opcode may come now, what is queued
 * and when bytes leave is the affair of connection/outbound.ts. It writes where it is told to and
 * never into the payload that it was given.
 *
 * @module
 */

import { MAX_HEADER_SIZE, headerSize, writeHeader } from './header.ts';
import { applyMask, wordsOf } from './mask.ts';
import { nextMaskingKey } from './masking-key.ts';
import { writeUtf8 } from './text.ts';

/** UTF-8 takes at most three bytes for one UTF-16 code unit (and four for two). */
const MAX_BYTES_PER_UNIT = 3;

/** Room that is enough for a frame with this text, without measuring the text. */
export function maxTextFrameSize(text: string): number {
  return MAX_HEADER_SIZE + text.length * MAX_BYTES_PER_UNIT;
}

export class FrameEncoder {
  /**
   * Section 5.1: a client masks every frame, a server none. A value and not a subclass, so that
   * all calls have one shape.
   */
  readonly masked: boolean;

  constructor(masked: boolean) {
    this.masked = masked;
  }

  /**
   * Writes a frame at `at` and returns where it ends. `target` must have room for it.
   *
   * @param words - `wordsOf(target)`: masking happens in `target`, never in `payload`
   * @param first - FIN, RSV1 and the opcode: the first byte of the frame
   */
  encode(
    target: Buffer,
    words: Int32Array,
    at: number,
    first: number,
    payload: Uint8Array,
  ): number {
    const length = payload.length;
    const key = this.masked ? nextMaskingKey() : 0;
    const bodyAt = writeHeader(target, at, first, length, this.masked, key);
    const end = bodyAt + length;
    if (length > 0) target.set(payload, bodyAt);
    if (this.masked) applyMask(target, words, bodyAt, end, key, 0);
    return end;
  }

  /**
   * The same for a text, encoded as UTF-8 where it will stand. `target` must have
   * {@link maxTextFrameSize} bytes of room. An unpaired surrogate becomes U+FFFD.
   */
  encodeText(target: Buffer, words: Int32Array, at: number, first: number, text: string): number {
    // The header comes first and its size depends on the length, which only encoding tells. So
    // guess that the text is ASCII, and move it when that was wrong.
    const guess = at + headerSize(text.length, this.masked);
    const length = writeUtf8(target, text, guess);
    const key = this.masked ? nextMaskingKey() : 0;
    const bodyAt = at + headerSize(length, this.masked);
    if (bodyAt !== guess) target.copyWithin(bodyAt, guess, guess + length);
    writeHeader(target, at, first, length, this.masked, key);
    const end = bodyAt + length;
    if (this.masked) applyMask(target, words, bodyAt, end, key, 0);
    return end;
  }

  /** A frame in a buffer of its own, exactly as large as the frame. */
  encodeAlone(first: number, payload: Uint8Array | string): Buffer {
    const length = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length;
    const frame = Buffer.allocUnsafeSlow(headerSize(length, this.masked) + length);
    this.encodeInto(frame, 0, first, payload, length);
    return frame;
  }

  /**
   * The same at `at` of a buffer that has room for it.
   *
   * @param length - of the payload, in bytes
   */
  encodeInto(
    target: Buffer,
    at: number,
    first: number,
    payload: Uint8Array | string,
    length: number,
  ): void {
    const key = this.masked ? nextMaskingKey() : 0;
    const bodyAt = writeHeader(target, at, first, length, this.masked, key);
    if (typeof payload === 'string') target.write(payload, bodyAt);
    else target.set(payload, bodyAt);
    if (this.masked) applyMask(target, wordsOf(target), bodyAt, bodyAt + length, key, 0);
  }
}
