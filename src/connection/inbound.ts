/**
 * Frames to messages: RFC 6455, sections 5.4 and 6.2. Control frames may stand between the
 * fragments of a message and are passed through at once.
 *
 * Knows what one message may cost and how fragments join; does not know what a message or a
 * control frame brings about.
 *
 * @module
 */

import type { InflateSink, Inflater } from '../extension/inflater.ts';
import type { FrameSink } from '../frame/decoder.ts';
import { MAX_CONTROL_SIZE } from '../frame/header.ts';
import { type MessageOpcode, OPCODE, isControl } from '../frame/opcode.ts';
import { Utf8Validator, isShortAscii, isValidUtf8 } from '../frame/utf8.ts';
import { violation } from '../frame/violation.ts';
import { isKeptAsView } from './payload.ts';
import { TEXT_MEMORY } from './text-memory.ts';

/** What an {@link Inbound} speaks to. The bytes are the receiver's for as long as the call lasts. */
export interface MessageSink {
  /**
   * A whole message, `source[start, end)`. A text is valid UTF-8.
   *
   * @param opcode - of its first frame: text or binary
   * @param ascii - true where it is known to be ASCII; false where nobody looked
   */
  onMessage(
    opcode: MessageOpcode,
    source: Buffer,
    start: number,
    end: number,
    ascii: boolean,
  ): void;
  /**
   * The next bytes of a message, perhaps none, where messages are given in pieces. A text is valid
   * so far; a piece may end within a character.
   */
  onPiece(opcode: MessageOpcode, source: Buffer, start: number, end: number, last: boolean): void;
  /** The inflater for a compressed message: only where that was negotiated. */
  inflaterFor(sink: InflateSink): Inflater;
  /** A message is inflated elsewhere: no byte may come before that is done. */
  onInflating(): void;
  /** A whole Close, Ping or Pong with its payload. */
  onControl(opcode: number, source: Buffer, start: number, end: number): void;
}

/** What a peer may make us keep. */
export interface InboundLimits {
  /** Bytes of one message. Beyond: 1009, before a byte of the frame is kept. Default: 1 MiB. */
  readonly maxPayload: number;
  /** Frames of one message, empty ones too. Beyond: 1008. Default: 16,384. */
  readonly maxFragments: number;
}

const NO_BYTES: Buffer = Buffer.alloc(0);
const NO_MESSAGE = 0;

/**
 * How far room may be made beyond what has come, towards what was announced: a peer that announces
 * much and sends little costs little. 1 MiB that begins with a chunk of the network, 64 KiB, is not
 * moved at all. (A factor of 4 has 320 KiB copied and twice the page faults: bench/servers.mjs, `1m`.)
 */
const GROWTH_TOWARDS_ANNOUNCED = 16;

/**
 * The most that zlib makes of so many bytes which cannot be compressed, whatever its memory is: a
 * message that is as large as it may be must not be refused for that.
 */
function maxDeflatedSize(size: number): number {
  return size + (size >>> 3) + (size >>> 6) + 64;
}

/** What another flush may add to that: who sends a message in fragments flushes each of them. */
const FLUSH_SIZE = 16;

export class Inbound implements FrameSink, InflateSink {
  readonly #sink: MessageSink;
  readonly #limits: InboundLimits;
  /** Whether the sink is done with a text when the call ends: its memory is used again then. */
  readonly #lendsTexts: boolean;

  // The frame whose payload is arriving.
  #frameOpcode = 0;
  #fin = false;

  /** The type of the message that is not finished yet. */
  #opcode: MessageOpcode | typeof NO_MESSAGE = NO_MESSAGE;
  #fragments = 0;
  /** Whether it is compressed, and how many bytes of its payload were announced so far. */
  #compressed = false;
  #deflatedSize = 0;
  /** The bytes of the message so far: the first `#size` of `#message`. */
  #message: Buffer = NO_BYTES;
  #size = 0;
  #ascii = true;
  #discards = false;
  /** Whether the next message is given in pieces, and whether this one is. */
  #nextInPieces = false;
  #inPieces = false;

  /** Made for the first text that does not come whole. */
  #validator: Utf8Validator | null = null;

  /** A control frame that came in pieces: its first `#controlSize` bytes. */
  #control: Buffer = NO_BYTES;
  #controlSize = 0;

  constructor(sink: MessageSink, limits: InboundLimits, lendsTexts: boolean = false) {
    this.#sink = sink;
    this.#limits = limits;
    this.#lendsTexts = lendsTexts;
  }

  onHead(opcode: number, fin: boolean, rsv1: boolean, length: number): void {
    this.#frameOpcode = opcode;
    if (isControl(opcode)) return;

    if (opcode === OPCODE.CONTINUATION) {
      if (this.#opcode === NO_MESSAGE) throw violation('CONTINUATION_UNEXPECTED');
    } else {
      if (this.#opcode !== NO_MESSAGE) throw violation('CONTINUATION_EXPECTED');
      this.#opcode = opcode === OPCODE.TEXT ? OPCODE.TEXT : OPCODE.BINARY;
      this.#fragments = 0;
      this.#ascii = true;
      this.#inPieces = this.#nextInPieces;
      this.#compressed = rsv1;
      this.#deflatedSize = 0;
    }
    // Before a byte of it is kept: a peer must not make us hold what we will refuse.
    const { maxPayload } = this.#limits;
    if (this.#compressed) {
      this.#deflatedSize += length;
      const flushes = FLUSH_SIZE * this.#fragments;
      if (this.#deflatedSize > maxDeflatedSize(maxPayload) + flushes) {
        throw violation('MESSAGE_TOO_BIG');
      }
    } else if (this.#size + length > maxPayload) {
      throw violation('MESSAGE_TOO_BIG');
    }
    if (++this.#fragments > this.#limits.maxFragments) throw violation('TOO_MANY_FRAGMENTS');
    this.#fin = fin;
  }

  onWhole(opcode: number, source: Buffer, start: number, end: number, ascii: boolean): void {
    const { maxPayload, maxFragments } = this.#limits;
    const isPlain = this.#opcode === NO_MESSAGE && !this.#nextInPieces && maxFragments >= 1;
    if (!isPlain || end - start > maxPayload) {
      // It breaks a rule, or is wanted in pieces: there it is told which.
      this.onHead(opcode, true, false, end - start);
      this.onPayload(source, start, end, 0, ascii);
    } else if (opcode === OPCODE.TEXT) {
      this.giveText(source, start, end, ascii);
    } else {
      this.#sink.onMessage(OPCODE.BINARY, source, start, end, ascii);
    }
  }

  onPayload(source: Buffer, start: number, end: number, remaining: number, ascii: boolean): void {
    if (isControl(this.#frameOpcode)) {
      this.onControlPayload(source, start, end, remaining);
      return;
    }
    const last = remaining === 0 && this.#fin;
    if (this.#compressed) {
      this.inflate(source, start, end, last);
      return;
    }
    if (this.#inPieces) {
      this.onPiece(source, start, end, last, ascii);
      return;
    }

    // The common case: one frame, one chunk, one message. Nothing is copied.
    if (last && this.#size === 0 && this.#fragments === 1) {
      this.giveWhole(source, start, end, ascii);
      return;
    }

    if (this.#opcode === OPCODE.TEXT) this.validate(source, start, end, last, ascii);
    this.#ascii = this.#ascii && ascii;
    this.keep(source, start, end, remaining);
    if (last) this.giveKept();
  }

  /** A message that lies in one piece. */
  private giveWhole(source: Buffer, start: number, end: number, ascii: boolean): void {
    if (this.#opcode === OPCODE.TEXT) {
      this.giveText(source, start, end, ascii);
      return;
    }
    this.#opcode = NO_MESSAGE;
    this.#sink.onMessage(OPCODE.BINARY, source, start, end, ascii);
  }

  private giveText(source: Buffer, start: number, end: number, ascii: boolean): void {
    if (!ascii) {
      // What a server sends was not unmasked, so nobody has looked at it yet.
      ascii = isShortAscii(source, start, end);
      if (!ascii && !isValidUtf8(source, start, end)) throw violation('INVALID_UTF8');
    }
    this.#opcode = NO_MESSAGE;
    this.#sink.onMessage(OPCODE.TEXT, source, start, end, ascii);
  }

  private giveKept(): void {
    // The state is right before the sink is called: it may throw, or stop us.
    const opcode = this.#opcode === OPCODE.TEXT ? OPCODE.TEXT : OPCODE.BINARY;
    const message = this.#message;
    const size = this.#size;
    this.release();
    this.#sink.onMessage(opcode, message, 0, size, this.#ascii);
    if (this.#lendsTexts && opcode === OPCODE.TEXT) TEXT_MEMORY.give(message);
  }

  // ── A compressed message: RFC 7692, section 6.2 ───────────────────────────────────────────

  private inflate(source: Buffer, start: number, end: number, last: boolean): void {
    // Nobody is given it, nor a later one that refers to it.
    if (this.#discards) {
      if (last) {
        // Half a character of it is nobody's.
        this.#validator?.finish();
        this.release();
      }
      return;
    }
    if (start === end && !last) return;
    const isDone = this.#sink.inflaterFor(this).push(source, start, end, last);
    if (!isDone) this.#sink.onInflating();
  }

  get inflatedRoom(): number {
    return this.#limits.maxPayload - this.#size;
  }

  /** What came out of it is treated as if it had come like that. */
  onInflated(source: Buffer, start: number, end: number, last: boolean): void {
    if (end - start > this.inflatedRoom) throw violation('MESSAGE_TOO_BIG');
    // What would be kept as a view is copied: the inflater uses its buffer again.
    const isSmall = !isKeptAsView(end - start, source.length);
    if (this.#inPieces) {
      if (isSmall) this.onPiece(source, start, end, last, false);
      else this.onPiece(Buffer.from(source.subarray(start, end)), 0, end - start, last, false);
      return;
    }
    if (last && this.#size === 0 && isSmall) {
      this.giveWhole(source, start, end, false);
      return;
    }
    if (this.#opcode === OPCODE.TEXT) this.validate(source, start, end, last, false);
    this.#ascii = false;
    this.keep(source, start, end, 0);
    if (last) this.giveKept();
  }

  /** Whether no message is under way, and the next one is given whole. */
  get isBetweenMessages(): boolean {
    return (
      this.#opcode === NO_MESSAGE &&
      this.#controlSize === 0 &&
      !this.#nextInPieces &&
      !this.#discards
    );
  }

  /** Messages and control frames that were dropped: for metered-inbound.ts, as the next one. */
  get ignored(): number {
    return 0;
  }

  /** A Ping was sent. */
  expectPong(): void {}

  /** Whether messages are given in pieces as they come, from the next one on. */
  giveInPieces(inPieces: boolean): void {
    this.#nextInPieces = inPieces;
  }

  /** Keeps nothing any more: what still comes is only checked, up to the Close behind it. */
  discardMessages(): void {
    this.#discards = true;
    this.#message = NO_BYTES;
  }

  /** Gives up the message that is not finished: nobody will ask for it any more. */
  release(): void {
    this.#opcode = NO_MESSAGE;
    this.#message = NO_BYTES;
    this.#size = 0;
  }

  /** Nothing of it is kept; its size is counted all the same. */
  private onPiece(source: Buffer, start: number, end: number, last: boolean, ascii: boolean): void {
    const opcode = this.#opcode === OPCODE.TEXT ? OPCODE.TEXT : OPCODE.BINARY;
    if (opcode === OPCODE.TEXT) this.validate(source, start, end, last, ascii);
    this.#ascii = this.#ascii && ascii;
    this.#size += end - start;
    if (last) this.release();
    this.#sink.onPiece(opcode, source, start, end, last);
  }

  /** Section 8.1, for a text that comes in pieces: judged piece by piece. */
  private validate(
    source: Buffer,
    start: number,
    end: number,
    last: boolean,
    ascii: boolean,
  ): void {
    // As long as all was ASCII there is nothing to validate, and nothing to remember.
    if (this.#ascii && ascii) return;
    const validator = (this.#validator ??= new Utf8Validator());
    if (!validator.push(source, start, end)) throw violation('INVALID_UTF8');
    if (last && !validator.finish()) throw violation('INVALID_UTF8');
  }

  private onControlPayload(source: Buffer, start: number, end: number, remaining: number): void {
    if (remaining === 0 && this.#controlSize === 0) {
      this.#sink.onControl(this.#frameOpcode, source, start, end);
      return;
    }
    if (this.#control === NO_BYTES) this.#control = Buffer.allocUnsafeSlow(MAX_CONTROL_SIZE);
    this.#controlSize += source.copy(this.#control, this.#controlSize, start, end);
    if (remaining > 0) return;
    const size = this.#controlSize;
    this.#controlSize = 0;
    this.#sink.onControl(this.#frameOpcode, this.#control, 0, size);
  }

  /**
   * Appends to the message. Room grows by doubling, so that many small fragments stay linear in
   * time and in memory.
   */
  private keep(source: Buffer, start: number, end: number, remaining: number): void {
    const need = this.#size + end - start;
    if (this.#discards) {
      this.#size = need;
      return;
    }
    if (need > this.#message.length) {
      const announced = Math.min(need + remaining, GROWTH_TOWARDS_ANNOUNCED * need);
      const room = Math.max(announced, Math.min(2 * this.#message.length, this.#limits.maxPayload));
      const grown = this.allocate(room);
      this.#message.copy(grown, 0, 0, this.#size);
      this.#message = grown;
    }
    this.#size += source.copy(this.#message, this.#size, start, end);
  }

  private allocate(room: number): Buffer {
    const isLent = this.#lendsTexts && this.#opcode === OPCODE.TEXT;
    return isLent ? TEXT_MEMORY.take(room) : Buffer.allocUnsafeSlow(room);
  }
}
