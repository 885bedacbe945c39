/**
 * The receiving half of RFC 6455, section 5: bytes in, calls on a {@link FrameSink} out.
 *
 * The decoder knows frames and nothing above them: that a continuation must follow an unfinished
 * message (section 5.4), how large a message may grow, what a Close frame says, is the sink's
 * affair. It holds no payload: what arrives is unmasked where it lies and handed on at once, in
 * as many pieces as it came. All that it keeps between two chunks is a header cut in half.
 *
 * @module
 */

import { FIN, MASK, MAX_CONTROL_SIZE, MAX_HEADER_SIZE, RSV1 } from './header.ts';
import { NO_WORDS, applyMask, wordsOf } from './mask.ts';
import { OPCODE, isControl, isReserved } from './opcode.ts';
import { violation } from './violation.ts';

/** What a decoder speaks to. All methods may throw a `ProtocolError`. */
export interface FrameSink {
  /**
   * An unfragmented message that lies whole in `source[start, end)`, unmasked: what most frames are,
   * in one call instead of the two below. `opcode` is that of text or binary.
   */
  onWhole(opcode: number, source: Buffer, start: number, end: number, ascii: boolean): void;
  /** A frame begins. `length` is the length of its whole payload, in bytes. */
  onHead(opcode: number, fin: boolean, rsv1: boolean, length: number): void;
  /**
   * The bytes `source[start, end)` of its payload, unmasked. `remaining` more will follow; at 0
   * the frame is complete. Coordinates, and no view: a short text never needs one. The bytes are
   * the sink's for as long as the call lasts.
   *
   * @param ascii - true where these bytes are known to be ASCII; false where nobody looked
   */
  onPayload(source: Buffer, start: number, end: number, remaining: number, ascii: boolean): void;
}

const RESERVED_BITS = 0x70;
/** RSV2 and RSV3 have no meaning in any extension that we speak. */
const RSV2_AND_RSV3 = 0x30;

/** 2^53 - 1 has its 21 highest bits here: lengths above it would lose their last bits. */
const MAX_SAFE_HIGH_BITS = 0x1fffff;

/** The most that a header of up to 64 KiB of payload takes. What is shorter goes the other way. */
const MAX_SHORT_HEADER = 8;

/** From this chunk size on a view of its words pays for itself (measured: bench/micro.mjs). */
const WORDS_FROM = 256;

const NO_BYTES: Buffer = Buffer.alloc(0);

export class FrameDecoder {
  readonly #sink: FrameSink;
  /** Section 5.1: a client masks every frame that it sends, a server none. */
  readonly #expectMask: boolean;
  readonly #rsv1Claimed: boolean;

  /** A header whose end has not come yet: its first `#cutSize` bytes. Most peers never need it. */
  #cut: Buffer = NO_BYTES;
  #cutSize = 0;

  // The frame whose payload is arriving. Numbers from the start: a field that begins as undefined
  // keeps a slower representation in V8 for good.
  #remaining = 0;
  #received = 0;
  #key = 0;

  /** The words of the chunk that is being decoded. */
  #words = NO_WORDS;
  #running = true;

  /**
   * @param expectMask - true on a server: its peer masks
   * @param rsv1Claimed - whether an extension was negotiated that gives RSV1 a meaning
   */
  constructor(sink: FrameSink, expectMask: boolean, rsv1Claimed: boolean) {
    this.#sink = sink;
    this.#expectMask = expectMask;
    this.#rsv1Claimed = rsv1Claimed;
  }

  /** Whether it stands between two frames, and goes on with the next. */
  get isBetweenFrames(): boolean {
    return this.#remaining === 0 && this.#cutSize === 0 && this.#running;
  }

  /**
   * Stops behind the piece of payload that is being handed on, or that follows the head: {@link
   * push} returns where.
   */
  stop(): void {
    this.#running = false;
  }

  /** Lets {@link push} decode again, from the byte at which it stopped. */
  start(): void {
    this.#running = true;
  }

  /**
   * Takes the next bytes off the wire, `chunk` from `at` on, and unmasks them in place.
   *
   * @returns the position behind the last byte that was taken: `chunk.length`, unless the sink
   *   stopped the decoder
   * @throws {ProtocolError} after which it must not be called again
   */
  push(chunk: Buffer, at: number = 0): number {
    if (this.#expectMask && chunk.length - at >= WORDS_FROM) this.#words = wordsOf(chunk);
    try {
      return this.decode(chunk, at, chunk.length);
    } finally {
      // A view of its words would keep the chunk alive.
      this.#words = NO_WORDS;
    }
  }

  private decode(chunk: Buffer, at: number, end: number): number {
    if (this.#remaining > 0 && this.#running) at = this.payload(chunk, at, end);
    if (this.#cutSize > 0) at = this.mendHeader(chunk, at, end);

    while (at < end && this.#running) {
      const stop = this.whole(chunk, at, end);
      if (stop !== 0) {
        at = stop;
        continue;
      }
      const bodyAt = this.header(chunk, at, end);
      if (bodyAt === 0) {
        if (this.#cut === NO_BYTES) this.#cut = Buffer.allocUnsafeSlow(MAX_HEADER_SIZE);
        this.#cutSize = chunk.copy(this.#cut, 0, at, end);
        return end;
      }
      at = this.payload(chunk, bodyAt, end);
    }
    return at;
  }

  /**
   * The short way for what nearly all frames are: an unfragmented message below 64 KiB that lies whole
   * in the chunk, of no extension. It keeps nothing, so there is nothing to write down.
   *
   * @returns where the next frame begins; 0 for any other frame, of which nothing was taken
   */
  private whole(chunk: Buffer, at: number, end: number): number {
    const opcode = chunk[at]! ^ FIN;
    // Bits that should not be there, or are not, make it another number.
    if ((opcode !== OPCODE.TEXT && opcode !== OPCODE.BINARY) || end - at < MAX_SHORT_HEADER)
      return 0;
    const masked = this.#expectMask;
    let length = chunk[at + 1]! ^ (masked ? MASK : 0);
    let start = at + 2;
    if (length === 126) {
      length = (chunk[at + 2]! << 8) | chunk[at + 3]!;
      if (length < 126) return 0;
      start = at + 4;
    } else if (length > 126) {
      return 0;
    }
    if (masked) start += 4;
    const stop = start + length;
    if (stop > end) return 0;
    let ascii = false;
    if (masked) {
      const key =
        (chunk[start - 4]! << 24) |
        (chunk[start - 3]! << 16) |
        (chunk[start - 2]! << 8) |
        chunk[start - 1]!;
      ascii = applyMask(chunk, this.#words, start, stop, key, 0) === 0;
    }
    this.#sink.onWhole(opcode, chunk, start, stop, ascii);
    return stop;
  }

  /** Completes a header that was cut in half. Returns where the decoder stands in `chunk`. */
  private mendHeader(chunk: Buffer, at: number, end: number): number {
    const cut = this.#cut;
    while (at < end && this.#running) {
      cut[this.#cutSize++] = chunk[at++]!;
      if (this.header(cut, 0, this.#cutSize) !== 0) {
        this.#cutSize = 0;
        return this.payload(chunk, at, end);
      }
    }
    return at;
  }

  /**
   * Reads a header at `at` (section 5.2). Returns where its payload begins, or 0 where bytes of
   * the header are still missing. (A payload never begins at 0: a header has 2 bytes or more.)
   * Each rule is checked as soon as its field is there, so a cut header may be checked again.
   */
  private header(bytes: Buffer, at: number, end: number): number {
    if (end - at < 2) return 0;
    const first = bytes[at]!;
    const second = bytes[at + 1]!;
    const opcode = first & 0x0f;
    const masked = second >= 0x80;
    // One test for the frames that are nothing but data, which nearly all are.
    if (opcode > 2 || (first & RESERVED_BITS) !== 0 || masked !== this.#expectMask) {
      this.check(first, second);
    }

    let length = second & 0x7f;
    let bodyAt = at + 2;
    if (length === 126) {
      bodyAt = at + 4;
      if (bodyAt > end) return 0;
      length = bytes.readUInt16BE(at + 2);
      if (length < 126) throw violation('LENGTH_NOT_MINIMAL');
    } else if (length === 127) {
      bodyAt = at + 10;
      if (bodyAt > end) return 0;
      const high = bytes.readUInt32BE(at + 2);
      // "The most significant bit MUST be 0."
      if (high >= 0x80000000) throw violation('LENGTH_SIGN_BIT');
      if (high > MAX_SAFE_HIGH_BITS) throw violation('MESSAGE_TOO_BIG');
      length = high * 2 ** 32 + bytes.readUInt32BE(at + 6);
      if (length < 65_536) throw violation('LENGTH_NOT_MINIMAL');
    }

    if (masked) {
      bodyAt += 4;
      if (bodyAt > end) return 0;
      this.#key =
        (bytes[bodyAt - 4]! << 24) |
        (bytes[bodyAt - 3]! << 16) |
        (bytes[bodyAt - 2]! << 8) |
        bytes[bodyAt - 1]!;
    }

    this.#remaining = length;
    this.#received = 0;
    this.#sink.onHead(opcode, (first & FIN) !== 0, (first & RSV1) !== 0, length);
    return bodyAt;
  }

  /** The rules for the first two bytes of a header. */
  private check(first: number, second: number): void {
    const opcode = first & 0x0f;
    if ((first & RSV2_AND_RSV3) !== 0) throw violation('RESERVED_BITS');
    if (isReserved(opcode)) throw violation('RESERVED_OPCODE');
    // RFC 7692, section 6.1: RSV1 stands on the first frame of a message, never on a
    // continuation and never on a control frame.
    const beginsMessage = opcode === OPCODE.TEXT || opcode === OPCODE.BINARY;
    if ((first & RSV1) !== 0 && !(this.#rsv1Claimed && beginsMessage)) {
      throw violation('RESERVED_BITS');
    }
    if (second >= 0x80 !== this.#expectMask) {
      throw violation(this.#expectMask ? 'MASK_MISSING' : 'MASK_UNEXPECTED');
    }
    if (!isControl(opcode)) return;
    if ((first & FIN) === 0) throw violation('CONTROL_FRAGMENTED');
    if ((second & 0x7f) > MAX_CONTROL_SIZE) throw violation('CONTROL_TOO_LONG');
  }

  /** Hands on what `chunk` holds of the payload. Returns where the decoder stands in it. */
  private payload(chunk: Buffer, at: number, end: number): number {
    const remaining = this.#remaining;
    const size = remaining < end - at ? remaining : end - at;
    if (size === 0 && remaining > 0) return at;

    const stop = at + size;
    let ascii = false;
    if (this.#expectMask) {
      ascii = applyMask(chunk, this.#words, at, stop, this.#key, this.#received) === 0;
    }
    // The state is right before the sink is called: the sink may throw, or stop us.
    this.#remaining = remaining - size;
    this.#received += size;
    this.#sink.onPayload(chunk, at, stop, remaining - size, ascii);
    return stop;
  }
}
