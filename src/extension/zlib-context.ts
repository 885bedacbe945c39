/**
 * A context of zlib that is kept from message to message, and driven synchronously. The only file
 * that knows what Node does not document: the `writeSync` of a stream's handle, the two numbers that
 * it leaves behind, and the buffer into which the stream writes. (Its public ways are a stream, which
 * takes a thread and some 50 µs for each message, and functions that forget everything.) Whether it
 * works is tried once, and who uses it has a public way beside it.
 *
 * @module
 */

/* oxlint-disable no-underscore-dangle -- names that Node has given. */

import { AsyncResource } from 'node:async_hooks';
import {
  type DeflateRaw,
  type InflateRaw,
  constants,
  createDeflateRaw,
  createInflateRaw,
} from 'node:zlib';

/** What we know of a stream of zlib beside its types. Null once it is closed. */
interface Internals {
  _handle: {
    writeSync(
      flush: number,
      input: Uint8Array,
      inputAt: number,
      inputSize: number,
      output: Uint8Array,
      outputAt: number,
      outputSize: number,
    ): void;
  } | null;
  /** Of the last write: room that is left in the output, bytes that are left of the input. */
  readonly _writeState: Uint32Array;
  _outBuffer: Buffer;
  _outOffset: number;
  _chunkSize: number;
}

type ZlibStream = (DeflateRaw | InflateRaw) & Internals;

/** What one context gives for one piece of input. */
const OUTPUT_SIZE = 64 * 1024;

/** A stream of zlib has an output buffer from its beginning, which we need for large messages only. */
const SMALLEST_CHUNK = 64;

const NO_BYTES: Buffer = Buffer.alloc(0);

/** Contexts are made here: one that is shared must not keep what an AsyncLocalStorage held for one user. */
const OUTSIDE = new AsyncResource('TAUTLINE_ZLIB', { requireManualDestroy: true });

/** Bytes that came out of a large input, and whether zlib read all of it. */
export interface Written {
  readonly chunks: readonly Buffer[];
  /** Bytes of the input that were not read: behind the end of a DEFLATE stream, or before a pause. */
  readonly unread: number;
  /** Whether so much came out that the rest waits for {@link ZlibContext.writeOn}. */
  readonly isPaused: boolean;
}

type OnWritten = (written: Written) => void;

/**
 * Where the output of the synchronous calls goes, while nobody reads it. More than one is needed
 * where who is given an output sends something meanwhile.
 */
const spare: Buffer[] = [];
const MAX_SPARE = 4;

/** Lends the memory for one output, which is used by one reader at a time. */
export function borrowOutput(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(OUTPUT_SIZE);
}

export function returnOutput(output: Buffer): void {
  if (spare.length < MAX_SPARE) spare.push(output);
}

export class ZlibContext {
  readonly #stream: ZlibStream;
  #isFailed = false;
  /** Collects what a large input gives; null between two of them. */
  #chunks: Buffer[] | null = null;
  #maxSize = 0;
  #room = 0;
  /** No thread works, and more is to come out of a large input. */
  #isPaused = false;
  #inputEnd = 0;
  #done: OnWritten | null = null;

  private constructor(stream: ZlibStream) {
    this.#stream = stream;
    stream.on('error', () => {
      this.#isFailed = true;
    });
    // Nobody reads the stream: what comes out is taken before it gets that far.
    stream.push = (chunk: Buffer | null): boolean => chunk === null || this.collect(chunk);
  }

  static deflater(level: number, memLevel: number, windowBits: number): ZlibContext {
    const flush = constants.Z_SYNC_FLUSH;
    const options = { level, memLevel, windowBits, flush, chunkSize: SMALLEST_CHUNK };
    return OUTSIDE.runInAsyncScope(() => new ZlibContext(asInternal(createDeflateRaw(options))));
  }

  static inflater(windowBits: number): ZlibContext {
    const flush = constants.Z_SYNC_FLUSH;
    const options = { windowBits, flush, chunkSize: SMALLEST_CHUNK };
    return OUTSIDE.runInAsyncScope(() => new ZlibContext(asInternal(createInflateRaw(options))));
  }

  /**
   * For the trial: whether the stream writes where {@link writeLater} says. Native code would take a
   * size for a buffer that is smaller, and end the process.
   */
  get hasOutput(): boolean {
    const stream = this.#stream;
    const isOurs = ['_outBuffer', '_outOffset', '_chunkSize'].every(
      (name) => Object.getOwnPropertyDescriptor(stream, name)?.writable === true,
    );
    return (
      isOurs &&
      stream._outBuffer.length === SMALLEST_CHUNK &&
      stream._chunkSize === SMALLEST_CHUNK &&
      stream._outOffset === 0
    );
  }

  /** Whether zlib has refused what it was given, or has no memory. It is of no use any more. */
  get isFailed(): boolean {
    return this.#isFailed;
  }

  /** After {@link write}: bytes of the input that were not read. */
  get unread(): number {
    return this.#stream._writeState[1]!;
  }

  /**
   * Gives zlib `input[start, end)`, and `output` for what comes out.
   *
   * @param flush - one of the constants of zlib
   * @returns how many bytes came out; where that is all of `output`, more may follow for no input
   */
  write(flush: number, input: Uint8Array, start: number, end: number, output: Buffer): number {
    const stream = this.#stream;
    const handle = stream._handle;
    if (handle === null) {
      this.#isFailed = true;
      return 0;
    }
    handle.writeSync(flush, input, start, end - start, output, 0, output.length);
    // The stream destroys itself at an error, and tells later.
    if (stream.destroyed) this.#isFailed = true;
    return this.#isFailed ? 0 : output.length - stream._writeState[0]!;
  }

  /**
   * The same off the main thread, for a large input, which must not change meanwhile.
   *
   * @param maxSize - bytes that may come out; a pause comes soon behind them
   * @param done - called later, also where the context has failed or was closed
   */
  writeLater(input: Buffer, maxSize: number, done: OnWritten): void {
    const stream = this.#stream;
    // First: there may be no memory for it.
    const output = Buffer.allocUnsafeSlow(OUTPUT_SIZE);
    this.#maxSize = maxSize;
    this.collectFor(done);
    stream._chunkSize = OUTPUT_SIZE;
    stream._outBuffer = output;
    stream._outOffset = 0;
    this.#inputEnd = stream.bytesWritten + input.length;
    let isDone = false;
    const finish = (): void => {
      if (isDone) return;
      isDone = true;
      stream.off('close', finish);
      this.#isPaused = false;
      // Now no thread writes into it any more.
      stream._outBuffer = NO_BYTES;
      if (this.#isFailed) stream.close();
      this.give();
    };
    // A stream that an error has destroyed does not call back.
    stream.once('close', finish);
    stream.write(input, finish);
  }

  /**
   * Goes on behind a pause, for as many bytes again.
   *
   * @param done - as for {@link writeLater}
   */
  writeOn(done: OnWritten): void {
    this.collectFor(done);
    this.#isPaused = false;
    // As every stream that was full and is read.
    this.#stream._read(OUTPUT_SIZE);
  }

  /** Forgets everything. */
  reset(): void {
    if (!this.#isFailed) this.#stream.reset();
  }

  /**
   * Frees its memory: now, or when no thread works with it any more, which knows the output by a bare
   * pointer.
   */
  close(): void {
    this.#isFailed = true;
    if (this.#chunks === null || this.#isPaused) this.#stream.close();
  }

  private collectFor(done: OnWritten): void {
    this.#chunks = [];
    this.#room = this.#maxSize;
    this.#done = done;
  }

  /**
   * Takes what came out. No thread works during this call, and none goes on if the stream ends.
   *
   * @returns false where the stream is to pause. It does not where this was all.
   */
  private collect(chunk: Buffer): boolean {
    if (this.#chunks === null) return true;
    if (this.#isFailed) {
      this.#stream.close();
      return true;
    }
    this.#chunks.push(chunk);
    this.#room -= chunk.length;
    if (this.#room > 0) return true;
    this.#isPaused = true;
    queueMicrotask(() => {
      if (this.#isPaused) this.give();
    });
    return false;
  }

  private give(): void {
    const done = this.#done;
    const chunks = this.#chunks ?? [];
    // Who is told may begin with the next at once.
    this.#done = null;
    this.#chunks = null;
    const unread = this.#inputEnd - this.#stream.bytesWritten;
    done?.({ chunks, unread, isPaused: this.#isPaused });
  }
}

function asInternal(stream: DeflateRaw | InflateRaw): ZlibStream {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- tried by `areContextsUsable`
  return stream as ZlibStream;
}

let areUsable: boolean | null = null;

/**
 * Whether this version of Node does what is assumed here. Tried once, with a message each way; of large
 * ones, which go to a thread, the names alone.
 */
export function areContextsUsable(): boolean {
  areUsable ??= tryContexts();
  return areUsable;
}

function tryContexts(): boolean {
  const text = Buffer.from('tried once, tried once');
  const output = Buffer.alloc(256);
  try {
    const deflater = ZlibContext.deflater(6, 8, 15);
    const inflater = ZlibContext.inflater(15);
    try {
      if (!deflater.hasOutput || !inflater.hasOutput) return false;
      let size = deflater.write(constants.Z_SYNC_FLUSH, text, 0, text.length, output);
      const deflated = Buffer.from(output.subarray(0, size));
      if (deflater.unread !== 0 || !deflated.subarray(-4).equals(SYNC_FLUSH_TAIL)) return false;
      size = inflater.write(constants.Z_SYNC_FLUSH, deflated, 0, deflated.length, output);
      return inflater.unread === 0 && output.subarray(0, size).equals(text);
    } finally {
      deflater.close();
      inflater.close();
    }
  } catch {
    // Whatever it was, it is not what we know: the public way is taken.
    return false;
  }
}

/** RFC 7692, section 7.2.1: the end of an empty stored block, which is left out of a message. */
export const SYNC_FLUSH_TAIL: Buffer = Buffer.of(0x00, 0x00, 0xff, 0xff);
