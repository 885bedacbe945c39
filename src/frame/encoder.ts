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
import { maskOut, wordsOf } from './mask.ts';
import { nextMaskingKey } from './masking-key.ts';

/** UTF-8 takes at most three bytes for one UTF-16 code unit (and four for two). */
const MAX_BYTES_PER_UNIT = 3;

/**
 * Up to so many UTF-16 units, a text that is ASCII is cheaper written by a loop, which masks it on
 * the way, than by a call of native code (masked, 32 units: 65 ns and 122; on Node 24 54 and 68;
 * measured: `bench/micro.mjs`).
 */
const LOOP_UP_TO = 40;

const MAX_ASCII = 0x7f;

/** Bytes are copied and masked in blocks of this size, which are still in the cache when they are masked. */
const BLOCK_SIZE = 8 * 1024;

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
    if (this.masked) copyMasked(target, words, bodyAt, payload, key);
    else if (length > 0) target.set(payload, bodyAt);
    return end;
  }

  /**
   * The same for a text, encoded as UTF-8 where it will stand. `target` must have
   * {@link maxTextFrameSize} bytes of room. An unpaired surrogate becomes U+FFFD.
   */
  encodeText(target: Buffer, words: Int32Array, at: number, first: number, text: string): number {
    const key = this.masked ? nextMaskingKey() : 0;
    if (text.length <= LOOP_UP_TO) {
      const end = this.encodeAscii(target, at, first, text, key);
      if (end > 0) return end;
    }
    // The header comes first and its size depends on the length, which only encoding tells. So
    // guess that the text is ASCII, and move it when that was wrong.
    const guess = at + headerSize(text.length, this.masked);
    const length = target.write(text, guess);
    const bodyAt = at + headerSize(length, this.masked);
    if (bodyAt !== guess) target.copyWithin(bodyAt, guess, guess + length);
    writeHeader(target, at, first, length, this.masked, key);
    const end = bodyAt + length;
    if (this.masked) maskOut(target, words, bodyAt, end, key, 0);
    return end;
  }

  /** The same for a short text. Returns 0 where it is not ASCII: then all has to be written again. */
  private encodeAscii(
    target: Buffer,
    at: number,
    first: number,
    text: string,
    key: number,
  ): number {
    const { length } = text;
    let to = writeHeader(target, at, first, length, this.masked, key);
    const k0 = key >>> 24;
    const k1 = (key >>> 16) & 0xff;
    const k2 = (key >>> 8) & 0xff;
    const k3 = key & 0xff;
    let i = 0;
    for (const whole = length & ~3; i < whole; i += 4, to += 4) {
      const c0 = text.charCodeAt(i);
      const c1 = text.charCodeAt(i + 1);
      const c2 = text.charCodeAt(i + 2);
      const c3 = text.charCodeAt(i + 3);
      if ((c0 | c1 | c2 | c3) > MAX_ASCII) return 0;
      target[to] = c0 ^ k0;
      target[to + 1] = c1 ^ k1;
      target[to + 2] = c2 ^ k2;
      target[to + 3] = c3 ^ k3;
    }
    let turned = key;
    for (; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > MAX_ASCII) return 0;
      turned = (turned << 8) | (turned >>> 24);
      target[to++] = code ^ turned;
    }
    return to;
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
    if (typeof payload !== 'string') {
      if (this.masked) copyMasked(target, wordsOf(target), bodyAt, payload, key);
      else target.set(payload, bodyAt);
      return;
    }
    target.write(payload, bodyAt);
    if (this.masked) maskOut(target, wordsOf(target), bodyAt, bodyAt + length, key, 0);
  }
}

/** Copies a payload, or a part of one that begins at a multiple of four, and masks the copy. */
export function copyMasked(
  target: Buffer,
  words: Int32Array,
  at: number,
  payload: Uint8Array,
  key: number,
): void {
  const { length } = payload;
  if (length <= BLOCK_SIZE) {
    target.set(payload, at);
    maskOut(target, words, at, at + length, key, 0);
    return;
  }
  for (let from = 0; from < length; from += BLOCK_SIZE) {
    const to = Math.min(from + BLOCK_SIZE, length);
    target.set(payload.subarray(from, to), at + from);
    maskOut(target, words, at + from, at + to, key, 0);
  }
}
