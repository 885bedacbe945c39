/**
 * RFC 6455, section 5.2: frames to bytes, and bytes to frames. Writes any frame that it is asked for,
 * right or wrong, and reads any that has a whole header: what a peer may send is judged elsewhere
 * (conduct.ts). It shares nothing with the codec of the library, so that a fault there cannot hide here.
 *
 * @module
 */

import { randomFillSync } from 'node:crypto';

export const OPCODE = {
  CONTINUATION: 0x0,
  TEXT: 0x1,
  BINARY: 0x2,
  CLOSE: 0x8,
  PING: 0x9,
  PONG: 0xa,
} as const;

/** The reserved bits as one number: RSV1 is the highest of three. */
export const RSV1 = 0b100;

/** A frame to send. */
export interface Frame {
  readonly opcode: number;
  /** Default: none. */
  readonly payload?: Buffer;
  /** Default: `true`. */
  readonly fin?: boolean;
  /** 0 to 7. Default: 0. */
  readonly rsv?: number;
}

/** A frame that came. */
export interface ReceivedFrame {
  readonly opcode: number;
  /** Unmasked. */
  readonly payload: Buffer;
  readonly fin: boolean;
  readonly rsv: number;
  readonly isMasked: boolean;
  /** The header as it came, with its masking-key. */
  readonly header: Buffer;
  /** Section 5.2: "the minimal number of bytes MUST be used to encode the length". */
  readonly hasShortestLength: boolean;
}

const MASK_BIT = 0x80;
const FIN_BIT = 0x80;
const KEY_SIZE = 4;
const MAX_LENGTH_IN_7_BITS = 125;
const LENGTH_IN_16_BITS = 126;
const LENGTH_IN_64_BITS = 127;
const MAX_16_BITS = 0xffff;
/** No case needs a longer one: the longest that is sent has 16 MiB. */
export const MAX_PAYLOAD_SIZE: number = 64 * 1024 * 1024;

const keys = Buffer.allocUnsafeSlow(16_384);
let nextKey = keys.length;

/** Section 5.3: a new one for each frame, not to be foreseen. */
function takeMaskingKey(): Buffer {
  if (nextKey === keys.length) {
    randomFillSync(keys);
    nextKey = 0;
  }
  nextKey += KEY_SIZE;
  return keys.subarray(nextKey - KEY_SIZE, nextKey);
}

function applyMask(bytes: Buffer, start: number, end: number, key: Buffer): void {
  for (let index = start; index < end; index++) {
    bytes[index] = bytes[index]! ^ key[(index - start) & 3]!;
  }
}

function lengthSizeOf(payloadLength: number): number {
  if (payloadLength <= MAX_LENGTH_IN_7_BITS) return 0;
  return payloadLength <= MAX_16_BITS ? 2 : 8;
}

function frameSizeOf(frame: Frame, isMasked: boolean): number {
  const length = frame.payload?.length ?? 0;
  return 2 + lengthSizeOf(length) + (isMasked ? KEY_SIZE : 0) + length;
}

/** @returns where the frame ends */
function writeFrame(target: Buffer, start: number, frame: Frame, isMasked: boolean): number {
  const { opcode, payload, fin = true, rsv = 0 } = frame;
  const length = payload?.length ?? 0;
  const lengthSize = lengthSizeOf(length);
  const maskBit = isMasked ? MASK_BIT : 0;
  target[start] = (fin ? FIN_BIT : 0) | (rsv << 4) | opcode;
  let at = start + 2;
  if (lengthSize === 0) {
    target[start + 1] = maskBit | length;
  } else if (lengthSize === 2) {
    target[start + 1] = maskBit | LENGTH_IN_16_BITS;
    target.writeUInt16BE(length, at);
  } else {
    target[start + 1] = maskBit | LENGTH_IN_64_BITS;
    target.writeUInt32BE(0, at);
    target.writeUInt32BE(length, at + 4);
  }
  at += lengthSize;
  if (!isMasked) return at + (payload?.copy(target, at) ?? 0);
  const key = takeMaskingKey();
  at += key.copy(target, at);
  payload?.copy(target, at);
  applyMask(target, at, at + length, key);
  return at + length;
}

/** The bytes of frames one after another. A client masks each of them. */
export function encodeFrames(frames: readonly Frame[], isMasked: boolean): Buffer {
  let size = 0;
  for (const frame of frames) size += frameSizeOf(frame, isMasked);
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const frame of frames) at = writeFrame(bytes, at, frame, isMasked);
  return bytes;
}

/** How many bytes of a frame stand before its payload. */
export function headerSizeOf(frame: Frame, isMasked: boolean): number {
  return frameSizeOf(frame, isMasked) - (frame.payload?.length ?? 0);
}

/**
 * Section 5.4: a message as frames of `fragmentSize` bytes of payload; the reserved bits stand in the
 * first of them. The last one is shorter, and empty where nothing is left for it: so does the official
 * suite, which sends 16,385 frames where 16,384 would do.
 */
export function fragment(
  opcode: number,
  payload: Buffer,
  fragmentSize: number,
  rsv: number = 0,
): Frame[] {
  const frames: Frame[] = [];
  for (let start = 0; start <= payload.length; start += fragmentSize) {
    frames.push({
      opcode: start === 0 ? opcode : OPCODE.CONTINUATION,
      payload: payload.subarray(start, start + fragmentSize),
      fin: start + fragmentSize > payload.length,
      rsv: start === 0 ? rsv : 0,
    });
  }
  return frames;
}

interface Header {
  readonly bytes: Buffer;
  readonly payloadLength: number;
}

/** Finds frames in a stream of bytes, wherever that was cut. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #size = 0;
  #header: Header | undefined;

  /** Bytes that are no whole frame yet. A header that was read is not counted, but for one byte. */
  get size(): number {
    return this.#size + (this.#header === undefined ? 0 : 1);
  }

  /** Takes bytes as they came. They are unmasked where they lie. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  /**
   * @returns the next frame, or `undefined` as long as some of it is missing
   * @throws {RangeError} for a length that no case can lead to
   */
  next(): ReceivedFrame | undefined {
    this.#header ??= this.#readHeader();
    if (this.#header === undefined || this.#size < this.#header.payloadLength) return undefined;
    const { bytes: header, payloadLength } = this.#header;
    this.#header = undefined;
    const payload = this.#take(payloadLength);
    const isMasked = (header[1]! & MASK_BIT) !== 0;
    if (isMasked) applyMask(payload, 0, payloadLength, header.subarray(-KEY_SIZE));
    return {
      opcode: header[0]! & 0x0f,
      payload,
      fin: (header[0]! & FIN_BIT) !== 0,
      rsv: (header[0]! >> 4) & 0b111,
      isMasked,
      header,
      hasShortestLength:
        header.length === 2 + lengthSizeOf(payloadLength) + (isMasked ? KEY_SIZE : 0),
    };
  }

  #readHeader(): Header | undefined {
    if (this.#size < 2) return undefined;
    const second = this.#peek(2)[1]!;
    const lengthBits = second & 0x7f;
    const lengthSize =
      lengthBits < LENGTH_IN_16_BITS ? 0 : lengthBits === LENGTH_IN_16_BITS ? 2 : 8;
    const size = 2 + lengthSize + ((second & MASK_BIT) === 0 ? 0 : KEY_SIZE);
    if (this.#size < size) return undefined;
    const bytes = Buffer.from(this.#take(size));
    const payloadLength =
      lengthSize === 0
        ? lengthBits
        : lengthSize === 2
          ? bytes.readUInt16BE(2)
          : Number(bytes.readBigUInt64BE(2));
    if (payloadLength > MAX_PAYLOAD_SIZE) {
      throw new RangeError(`A frame that says it has ${payloadLength} bytes`);
    }
    return { bytes, payloadLength };
  }

  /** The first bytes, in one piece. There must be as many. */
  #peek(size: number): Buffer {
    if (this.#chunks[0]!.length < size) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!;
  }

  #take(size: number): Buffer {
    this.#size -= size;
    const parts: Buffer[] = [];
    let missing = size;
    while (missing > 0) {
      const chunk = this.#chunks[0]!;
      parts.push(chunk.subarray(0, missing));
      if (chunk.length > missing) this.#chunks[0] = chunk.subarray(missing);
      else this.#chunks.shift();
      missing -= Math.min(missing, chunk.length);
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, size);
  }
}
