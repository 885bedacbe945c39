/**
 * The head of an HTTP/1.1 message: RFC 9112, sections 2 to 5. Bytes in, however they are cut; a
 * head, or a refusal, out. Strict where leniency is what request smuggling lives on: lines end
 * with CR LF, fields do not fold, no space stands before a colon.
 *
 * A line is judged when its last byte has come, in order, and then forgotten; what is kept of
 * unfinished input is one line. So a head costs time and memory in proportion to its bytes, and
 * how it was cut changes nothing about the outcome.
 *
 * What the fields mean is not known here: Host, bodies and the rest are accept.ts and offer.ts.
 *
 * @module
 */

import { HeaderFields } from './fields.ts';
import { isFieldValue, isToken, isWhiteSpace, sliceTrimmed } from './grammar.ts';
import { type Refusal, refusal } from './refusal.ts';
import { type WholeHead, readWholeHead } from './whole-head.ts';

/** What a head may cost at most. */
export interface HeadLimits {
  /** Bytes of the whole head, line ends and interim responses included. Default: 16 KiB. */
  readonly maxHeadSize: number;
  /** Header fields. Default: 100. */
  readonly maxHeaderFields: number;
  /** Bytes of the request target. Default: 8 KiB. */
  readonly maxTargetSize: number;
}

export const DEFAULT_HEAD_LIMITS: HeadLimits = {
  maxHeadSize: 16 * 1024,
  maxHeaderFields: 100,
  maxTargetSize: 8 * 1024,
};

/** The head of a request. */
export interface RequestHead {
  /** As it was sent: methods have case (RFC 9110, section 9.1). */
  readonly method: string;
  readonly target: string;
  /** The 1 of HTTP/1.1. */
  readonly minorVersion: number;
  readonly fields: HeaderFields;
}

/** The head of a response. */
export interface ResponseHead {
  /** 100 to 999. */
  readonly status: number;
  readonly minorVersion: number;
  readonly fields: HeaderFields;
}

/** Room for a method, two spaces and a version beside the target of a request line. */
const REQUEST_LINE_ROOM = 64;

// The only characters that may follow one another without end are those of one class, with one
// quantifier each and a separator that is not in the class: both are linear.
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP\/([0-9])\.([0-9])$/;
const STATUS_LINE = /^HTTP\/1\.([0-9]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?$/;

const LF = 0x0a;
const CR = 0x0d;

const NO_BYTES: Buffer = Buffer.alloc(0);

abstract class HeadParser<Head> {
  protected readonly limits: HeadLimits;
  protected readonly maxStartLineSize: number;

  /** A line whose end has not come yet: its first `#keptSize` bytes. */
  #kept: Buffer = NO_BYTES;
  #keptSize = 0;

  /** All bytes so far, the kept ones included. */
  #size = 0;
  #fields = new HeaderFields();
  #inFields = false;
  #head: Head | null = null;

  protected constructor(limits: HeadLimits, maxStartLineSize: number) {
    this.limits = limits;
    this.maxStartLineSize = maxStartLineSize;
  }

  /** The head, as soon as {@link push} found its end; null before. */
  get head(): Head | null {
    return this.#head;
  }

  /**
   * Takes the next bytes, `chunk` from `at` on.
   *
   * @returns the position behind the head, where other bytes may already stand; -1 while more of
   *   the head has to come
   * @throws {HandshakeError} after which it must not be called again
   */
  push(chunk: Buffer, at: number = 0): number {
    const end = chunk.length;
    while (at < end) {
      if (!this.#inFields && this.#keptSize === 0) this.checkFirstByte(chunk[at]!);
      const lineFeed = chunk.indexOf(LF, at);
      const stop = lineFeed === -1 ? end : lineFeed + 1;
      this.count(stop - at);
      if (lineFeed === -1) {
        this.keep(chunk, at, end);
        return -1;
      }
      const line = this.takeLine(chunk, at, stop);
      at = stop;
      if (this.takesLine(line)) return at;
    }
    return -1;
  }

  /** Whether bytes have come. */
  protected get hasBegun(): boolean {
    return this.#size > 0;
  }

  /** The head was read as a whole. */
  protected end(head: Head): void {
    this.#head = head;
  }

  /** Reads the first line into fields of the subclass, or refuses it. */
  protected abstract readStartLine(line: string): void;
  /** Builds the head at its end; null for an interim head that another one follows. */
  protected abstract build(fields: HeaderFields): Head | null;
  protected abstract refusal(name: Refusal): Error;
  /** What is refused when the first line is longer than it may be. */
  protected abstract readonly startLineRefusal: Refusal;

  /**
   * Whoever speaks TLS, or no HTTP at all, is told at its first byte, and not when some line feed
   * comes by.
   */
  private checkFirstByte(byte: number): void {
    if (byte === CR || byte === LF) return;
    if (!isToken(String.fromCharCode(byte))) throw this.refusal('START_LINE');
  }

  /**
   * Holds the limits on size, before the bytes are kept. Where several are passed at once it is
   * the one that would have been passed first, had the bytes come one by one.
   */
  private count(size: number): void {
    const lineRoom = this.#inFields
      ? Number.POSITIVE_INFINITY
      : this.maxStartLineSize - this.#keptSize;
    const headRoom = this.limits.maxHeadSize - this.#size;
    if (size > lineRoom || size > headRoom) {
      throw this.refusal(lineRoom <= headRoom ? this.startLineRefusal : 'HEAD_TOO_LARGE');
    }
    this.#size += size;
  }

  /** Keeps the beginning of a line, growing by doubling so that single bytes stay linear. */
  private keep(chunk: Buffer, start: number, end: number): void {
    const need = this.#keptSize + end - start;
    if (need > this.#kept.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(need, 2 * this.#kept.length, 64));
      this.#kept.copy(grown, 0, 0, this.#keptSize);
      this.#kept = grown;
    }
    this.#keptSize += chunk.copy(this.#kept, this.#keptSize, start, end);
  }

  /** The line that ends with the line feed before `stop`, without its line end. */
  private takeLine(chunk: Buffer, start: number, stop: number): string {
    let bytes = chunk;
    if (this.#keptSize > 0) {
      this.keep(chunk, start, stop);
      bytes = this.#kept;
      start = 0;
      stop = this.#keptSize;
      this.#keptSize = 0;
    }
    // Section 2.2 allows a recipient to take a lone line feed; that is how smuggling begins.
    if (stop - start < 2 || bytes[stop - 2] !== CR) throw this.refusal('LINE_END');
    return bytes.toString('latin1', start, stop - 2);
  }

  /** Takes one line. True when it was the last of the head. */
  private takesLine(line: string): boolean {
    if (!this.#inFields) {
      // Section 2.2: "a server SHOULD ignore at least one empty line" before the request line.
      if (line === '') return false;
      this.readStartLine(line);
      this.#inFields = true;
      return false;
    }
    if (line !== '') {
      this.takeField(line);
      return false;
    }
    this.#head = this.build(this.#fields);
    this.#kept = NO_BYTES;
    if (this.#head !== null) return true;
    this.#inFields = false;
    this.#fields = new HeaderFields();
    return false;
  }

  private takeField(line: string): void {
    if (isWhiteSpace(line.charCodeAt(0))) throw this.refusal('FIELD_FOLDED');
    const colon = line.indexOf(':');
    // Section 5.1: "No whitespace is allowed between the field name and colon": no token has any.
    const name = colon === -1 ? '' : line.slice(0, colon);
    if (!isToken(name)) throw this.refusal('FIELD_LINE');
    const value = sliceTrimmed(line, colon + 1, line.length);
    if (!isFieldValue(value)) throw this.refusal('FIELD_VALUE');
    if (this.#fields.size === this.limits.maxHeaderFields) throw this.refusal('TOO_MANY_FIELDS');
    this.#fields.append(name, value);
  }
}

/**
 * Reads the head of a request that is all there and has no mistake, as nearly every one comes.
 *
 * @returns null for every other one, which is for a {@link RequestHeadParser}
 */
export function readRequestHead(
  chunk: Buffer,
  limits: HeadLimits,
  at: number = 0,
): WholeHead | null {
  return readWholeHead(chunk, at, limits, limits.maxTargetSize + REQUEST_LINE_ROOM);
}

/** Parses the head of a request, as a server does. */
export class RequestHeadParser extends HeadParser<RequestHead> {
  protected readonly startLineRefusal = 'TARGET_TOO_LONG';
  readonly #maxTargetSize: number;
  #method = '';
  #target = '';
  #minorVersion = 0;

  constructor(limits: HeadLimits = DEFAULT_HEAD_LIMITS) {
    super(limits, limits.maxTargetSize + REQUEST_LINE_ROOM);
    this.#maxTargetSize = limits.maxTargetSize;
  }

  override push(chunk: Buffer, at: number = 0): number {
    if (this.hasBegun) return super.push(chunk, at);
    const whole = readRequestHead(chunk, this.limits, at);
    if (whole === null) return super.push(chunk, at);
    this.#method = whole.method;
    this.end(whole);
    return whole.end;
  }

  /** As soon as the request line was read; '' before. */
  get method(): string {
    return this.#method;
  }

  protected readStartLine(line: string): void {
    const match = REQUEST_LINE.exec(line);
    if (match === null) throw refusal('START_LINE');
    this.#method = match[1]!;
    this.#target = match[2]!;
    this.#minorVersion = Number(match[4]);
    if (this.#target.length > this.#maxTargetSize) throw refusal('TARGET_TOO_LONG');
    if (match[3] !== '1') throw refusal('HTTP_VERSION');
  }

  protected build(fields: HeaderFields): RequestHead {
    return {
      method: this.#method,
      target: this.#target,
      minorVersion: this.#minorVersion,
      fields,
    };
  }

  protected refusal(name: Refusal): Error {
    return refusal(name);
  }
}

/**
 * Parses the head of a response, as a client does. Interim responses before it, such as 100 and
 * 103, are read over (RFC 9110, section 15.2); they count towards `maxHeadSize`.
 */
export class ResponseHeadParser extends HeadParser<ResponseHead> {
  protected readonly startLineRefusal = 'HEAD_TOO_LARGE';
  #status = 0;
  #minorVersion = 0;

  constructor(limits: HeadLimits = DEFAULT_HEAD_LIMITS) {
    super(limits, limits.maxHeadSize);
  }

  protected readStartLine(line: string): void {
    const match = STATUS_LINE.exec(line);
    if (match === null) throw this.refusal('START_LINE');
    this.#minorVersion = Number(match[1]);
    this.#status = Number(match[2]);
  }

  protected build(fields: HeaderFields): ResponseHead | null {
    if (this.#status < 200 && this.#status !== 101) return null;
    return { status: this.#status, minorVersion: this.#minorVersion, fields };
  }

  /** What the server sent is no HTTP: there is no status of its own to tell. */
  protected refusal(name: Refusal): Error {
    return refusal(name, 0);
  }
}
