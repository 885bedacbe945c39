/**
 * Compressed payloads to messages by the public functions of `node:zlib`, where contexts cannot be kept
 * (inflater.ts). A message is gathered, and inflated with the text before it as its dictionary:
 * that is all that a context would remember.
 *
 * @module
 */

import { constants as bufferConstants } from 'node:buffer';
import {
  type InflateRaw,
  type ZlibOptions,
  constants,
  inflateRaw,
  inflateRawSync,
} from 'node:zlib';
import { violation } from '../frame/violation.ts';
import type { InflateSink, Inflater, Later } from './inflater.ts';
import { JOBS } from './jobs.ts';
import { TextWindow } from './text-window.ts';
import { MAX_PER_TURN, TurnBudget } from './turn-budget.ts';
import { SYNC_FLUSH_TAIL } from './zlib-context.ts';

/** Compressed bytes that are inflated at once, without leaving the thread. */
const MAX_INPUT = 16 * 1024;

/** What a call of zlib costs, which makes a context each time, as if it had given so many bytes. */
const CALL_COST = 16 * 1024;

/** A last, empty stored block: a stream that was cut does not end with it. */
const FINAL_BLOCK: Buffer = Buffer.of(0x01, 0x00, 0x00, 0xff, 0xff);

/** What stands behind the payload of a message: section 7.2.2, and an end that zlib looks for. */
const BEHIND: Buffer = Buffer.concat([SYNC_FLUSH_TAIL, FINAL_BLOCK]);

const NO_BYTES: Buffer = Buffer.alloc(0);

/** With the option `info`. Its type says nothing of it. */
interface Inflated {
  readonly buffer: Buffer;
  readonly engine: InflateRaw;
}

export class PublicInflater implements Inflater {
  readonly #sink: InflateSink;
  readonly #later: Later;
  readonly #windowBits: number;
  readonly #window: TextWindow;
  readonly #budget: TurnBudget;
  /** The payload so far: the first `#size` bytes. */
  #payload: Buffer = NO_BYTES;
  #size = 0;
  #isClosed = false;

  constructor(
    sink: InflateSink,
    later: Later,
    windowBits: number,
    takeover: boolean,
    budget: TurnBudget = new TurnBudget(),
  ) {
    this.#sink = sink;
    this.#later = later;
    this.#windowBits = windowBits;
    this.#window = new TextWindow(windowBits, takeover);
    this.#budget = budget;
  }

  push(source: Buffer, start: number, end: number, last: boolean): boolean {
    this.keep(source, start, end);
    if (!last) return true;
    this.keep(BEHIND, 0, BEHIND.length);
    const message = this.#payload.subarray(0, this.#size);
    this.#payload = NO_BYTES;
    this.#size = 0;
    return this.inflate(message);
  }

  close(): void {
    this.#isClosed = true;
    this.#payload = NO_BYTES;
  }

  /** Room grows by doubling: the payload may come byte by byte. */
  private keep(source: Buffer, start: number, end: number): void {
    const need = this.#size + end - start;
    if (need > this.#payload.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.max(need + BEHIND.length, 2 * this.#payload.length),
      );
      this.#payload.copy(grown, 0, 0, this.#size);
      this.#payload = grown;
    }
    this.#size += source.copy(this.#payload, this.#size, start, end);
  }

  /** Inflates streams up to the last. Where one is large, or more are left, others have their turn. */
  private inflate(message: Buffer): boolean {
    if (message.length > MAX_INPUT) {
      this.inflateLater(message);
      return false;
    }
    if (this.#budget.isSpent) {
      this.inflateNext(message);
      return false;
    }
    const options = this.options();
    const maxOutputLength = Math.min(options.maxOutputLength, MAX_PER_TURN);
    let result: Inflated;
    try {
      result = inflateNow(message, { ...options, maxOutputLength });
    } catch (error) {
      const isWide = maxOutputLength < options.maxOutputLength && isTooLarge(error);
      if (!isWide) throw asViolation(error);
      // A thread begins again: this one could not go on later.
      this.#budget.spend(maxOutputLength);
      this.inflateLater(message);
      return false;
    }
    this.#budget.spend(result.buffer.length + CALL_COST);
    if (mayBeCut(message, result)) {
      const alone = inflateNow(payloadOf(message), this.optionsAlone());
      this.#budget.spend(alone.buffer.length + CALL_COST);
      if (isCut(result, alone)) throw violation('INVALID_DEFLATE');
    }
    return this.give(message, result);
  }

  private inflateNext(message: Buffer): void {
    setImmediate(() => {
      if (!this.#isClosed) this.#later(() => this.inflate(message));
    });
  }

  private inflateLater(message: Buffer): void {
    JOBS.run((release) => {
      if (this.#isClosed) release();
      else void this.work(message, release);
    }, raise);
  }

  private async work(message: Buffer, release: () => void): Promise<void> {
    let finish: () => boolean;
    try {
      const result = await this.inflateElsewhere(message);
      finish = () => {
        this.#budget.spend(result.buffer.length);
        return this.give(message, result);
      };
    } catch (error) {
      finish = () => raise(asViolation(error));
    }
    release();
    if (!this.#isClosed) this.#later(finish);
  }

  /** In a thread, both times. */
  private async inflateElsewhere(message: Buffer): Promise<Inflated> {
    const result = await inflateAsync(message, this.options());
    if (this.#isClosed || !mayBeCut(message, result)) return result;
    const alone = await inflateAsync(payloadOf(message), this.optionsAlone());
    if (isCut(result, alone)) throw violation('INVALID_DEFLATE');
    return result;
  }

  private give(message: Buffer, { buffer, engine }: Inflated): boolean {
    const rest = message.subarray(engine.bytesWritten);
    // What is left behind a stream that has ended is another one, or nothing but what was not sent.
    const last = rest.length === 0 || rest.equals(BEHIND);
    this.#window.remember(buffer, last);
    // As a context does: a stream that has ended is forgotten.
    if (rest.length > 0) this.#window.forget();
    this.#sink.onInflated(buffer, 0, buffer.length, last);
    if (last || this.#isClosed) return true;
    this.inflateNext(rest);
    return false;
  }

  private optionsAlone(): ZlibOptions {
    return { ...this.options(), finishFlush: constants.Z_SYNC_FLUSH };
  }

  private options(): ZlibOptions & { readonly info: true; readonly maxOutputLength: number } {
    const dictionary = this.#window.text;
    return {
      windowBits: this.#windowBits,
      // One more than there may be: that it is too much, the sink tells.
      maxOutputLength: Math.min(this.#sink.inflatedRoom + 1, bufferConstants.MAX_LENGTH),
      finishFlush: constants.Z_FINISH,
      info: true,
      ...(dictionary.length > 0 && { dictionary }),
    };
  }
}

/**
 * Whether what stands behind the payload was needed, perhaps as a part of it: a message that was cut may
 * go on into those bytes, and end there as if it were whole.
 */
function mayBeCut(message: Buffer, { engine }: Inflated): boolean {
  return engine.bytesWritten > message.length - BEHIND.length;
}

function payloadOf(message: Buffer): Buffer {
  return message.subarray(0, message.length - BEHIND.length);
}

/** A payload that was cut gives less when it is inflated alone. */
function isCut(whole: Inflated, alone: Inflated): boolean {
  return alone.buffer.length < whole.buffer.length;
}

function inflateNow(message: Buffer, options: ZlibOptions): Inflated {
  return asInflated(inflateRawSync(message, options));
}

/** Where not even a context can be made, that is told like all else. */
function inflateAsync(message: Buffer, options: ZlibOptions): Promise<Inflated> {
  return new Promise((resolve, reject) => {
    inflateRaw(message, options, (error, result) => {
      if (error === null) resolve(asInflated(result));
      else reject(error);
    });
  });
}

function raise(error: unknown): never {
  throw error;
}

function asInflated(result: unknown): Inflated {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- documented for `info`
  return result as Inflated;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function isTooLarge(error: unknown): boolean {
  return codeOf(error) === 'ERR_BUFFER_TOO_LARGE';
}

/** What else may go wrong is no fault of the peer. */
function asViolation(error: unknown): unknown {
  if (isTooLarge(error)) return violation('MESSAGE_TOO_BIG');
  const code = codeOf(error);
  return code.startsWith('Z_') ? violation('INVALID_DEFLATE') : error;
}
