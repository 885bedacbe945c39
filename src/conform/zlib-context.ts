/**
 * A deflater or an inflater that lives as long as a connection, on plain `node:zlib`. There are two of
 * each: the public streams work on other threads and cost a turn of the event loop and more for each
 * message; what lies beneath them can be called at once, and a run of all cases is then several
 * times as fast. As that is not public, it is tried first, and the streams are what remains.
 *
 * Knows DEFLATE, and no message.
 *
 * @module
 */

import {
  constants,
  createDeflateRaw,
  createInflateRaw,
  type DeflateRaw,
  type InflateRaw,
} from 'node:zlib';

export interface ZlibContext {
  /**
   * Puts all of the parts in, flushes, and returns what came out. Behind a block that says it is the
   * last, an inflater begins anew.
   *
   * @throws {Error} (the promise rejects) with zlib's words, or when more comes out than is allowed
   */
  run(parts: readonly Buffer[]): Promise<Buffer>;
  /** Forgets what came before. */
  reset(): void;
  close(): void;
}

export interface ContextOptions {
  readonly kind: 'deflate' | 'inflate';
  /** 8 to 15. */
  readonly windowBits: number;
}

type ZlibStream = DeflateRaw | InflateRaw;

/** The part of Node that is not public. */
interface ZlibHandle {
  writeSync(
    flush: number,
    source: Buffer,
    sourceStart: number,
    sourceSize: number,
    target: Buffer,
    targetStart: number,
    targetSize: number,
  ): void;
  reset(): void;
}

interface Internals {
  readonly _handle: ZlibHandle;
  /** What is left, after a call, of the target and of the source. */
  readonly _writeState: Uint32Array;
}

function hasInternals(stream: object): stream is Internals {
  return '_handle' in stream && '_writeState' in stream;
}

/** No case has longer messages than 128 KiB. */
const MAX_OUTPUT = 16 * 1024 * 1024;
const TOO_LONG = `it makes more than ${MAX_OUTPUT} bytes`;
const CLOSED = 'the connection is over';
const NO_PROGRESS = 'zlib does not go on';
const SCRATCH_SIZE = 256 * 1024;
/** A stream does not take a smaller `chunkSize`. */
const MIN_OUTPUT = 64;
const MIN_DEFLATE_BITS = 9;
const MAX_BITS = 15;
/** Finds what repeats, and is by far the fastest: the judge is not to be the slower of the two. */
const LEVEL = 1;

function createStream({ kind, windowBits }: ContextOptions): ZlibStream {
  if (kind === 'inflate') {
    return createInflateRaw({ windowBits, chunkSize: outputSizeOf({ kind, windowBits }) });
  }
  // zlib cannot deflate with 8. With 9 it looks 512 - 262 bytes back, which fits a window of 256.
  return createDeflateRaw({ windowBits: Math.max(windowBits, MIN_DEFLATE_BITS), level: LEVEL });
}

/**
 * How much zlib may write in one step. Inflating, it objects to a distance that is longer than the
 * window and what it wrote in the same step: a small window needs small steps, or it is not checked.
 */
function outputSizeOf({ kind, windowBits }: ContextOptions): number {
  if (kind === 'deflate' || windowBits === MAX_BITS) return SCRATCH_SIZE;
  return Math.max(MIN_OUTPUT, (1 << windowBits) / 8);
}

let scratch = Buffer.allocUnsafeSlow(SCRATCH_SIZE);

/** What comes out goes here at first. All contexts share it, as none is interrupted. */
function growScratch(): void {
  if (scratch.length >= MAX_OUTPUT) throw new Error(TOO_LONG);
  const longer = Buffer.allocUnsafeSlow(2 * scratch.length);
  scratch.copy(longer);
  scratch = longer;
}

/** By what lies beneath a stream of Node. */
export class DirectContext implements ZlibContext {
  readonly #stream: ZlibStream;
  readonly #handle: ZlibHandle;
  readonly #state: Uint32Array;
  readonly #outputSize: number;
  #error: string | undefined;
  #isClosed = false;

  constructor(options: ContextOptions) {
    const stream = createStream(options);
    if (!hasInternals(stream)) throw new Error('This Node has another zlib beneath its streams');
    const { _handle: handle, _writeState: state } = stream;
    this.#stream = stream;
    this.#handle = handle;
    this.#state = state;
    this.#outputSize = outputSizeOf(options);
    const onerror = (message: string): void => {
      this.#error = message;
    };
    Object.assign(this.#handle, { onerror });
  }

  async run(parts: readonly Buffer[]): Promise<Buffer> {
    return this.runNow(parts);
  }

  /** The same, at once. */
  runNow(parts: readonly Buffer[]): Buffer {
    // What is closed is not there any more: Node would end the process.
    if (this.#isClosed) throw new Error(CLOSED);
    let size = 0;
    for (const part of parts) size = this.#runPart(part, size);
    return Buffer.from(scratch.subarray(0, size));
  }

  /** @returns how much of `scratch` is then full */
  #runPart(part: Buffer, full: number): number {
    let at = full;
    let left = part.length;
    let isFresh = false;
    for (;;) {
      if (at === scratch.length) growScratch();
      const space = Math.min(this.#outputSize, scratch.length - at);
      const start = part.length - left;
      this.#handle.writeSync(constants.Z_SYNC_FLUSH, part, start, left, scratch, at, space);
      if (this.#error !== undefined) throw new Error(this.#error);
      const spaceLeft = this.#state[0]!;
      const nextLeft = this.#state[1]!;
      at += space - spaceLeft;
      const isSourceTaken = nextLeft < left;
      left = nextLeft;
      if (spaceLeft === 0) continue;
      if (left === 0) return at;
      // There is room, and zlib takes no more: it is behind the last block of its stream.
      if (isFresh && !isSourceTaken) throw new Error(NO_PROGRESS);
      this.#handle.reset();
      isFresh = true;
    }
  }

  reset(): void {
    if (!this.#isClosed) this.#handle.reset();
  }

  close(): void {
    this.#isClosed = true;
    this.#stream.close();
  }
}

/** By the streams that Node documents. */
export class StreamContext implements ZlibContext {
  readonly #options: ContextOptions;
  #stream: ZlibStream;
  #output: Buffer[] = [];
  #outputSize = 0;
  #isClosed = false;

  constructor(options: ContextOptions) {
    this.#options = options;
    this.#stream = this.#open();
  }

  async run(parts: readonly Buffer[]): Promise<Buffer> {
    this.#output = [];
    this.#outputSize = 0;
    for (const part of parts) await this.#runPart(part);
    return Buffer.concat(this.#output);
  }

  async #runPart(part: Buffer): Promise<void> {
    let left = part;
    let isFresh = false;
    while (left.length > 0) {
      const before = this.#stream.bytesWritten;
      if (!this.#isClosed) await this.#write(left);
      if (this.#outputSize > MAX_OUTPUT) throw new Error(TOO_LONG);
      if (this.#isClosed) throw new Error(CLOSED);
      const taken = this.#stream.bytesWritten - before;
      left = left.subarray(taken);
      if (left.length === 0) return;
      if (isFresh && taken === 0) throw new Error(NO_PROGRESS);
      this.#stream.close();
      this.#stream = this.#open();
      isFresh = true;
    }
  }

  async #write(bytes: Buffer): Promise<void> {
    const stream = this.#stream;
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void => {
        stream.off('error', settle).off('close', settle);
        if (error === undefined) resolve();
        else reject(error);
      };
      stream.on('error', settle).on('close', settle);
      stream.write(bytes);
      stream.flush(constants.Z_SYNC_FLUSH, () => settle());
    });
  }

  #open(): ZlibStream {
    const stream = createStream(this.#options);
    stream.on('data', (chunk: Buffer) => {
      this.#output.push(chunk);
      this.#outputSize += chunk.length;
      if (this.#outputSize > MAX_OUTPUT) stream.destroy();
    });
    // An error that nobody waits for any more, as the connection is over, is no error.
    return stream.on('error', () => {});
  }

  reset(): void {
    if (!this.#isClosed) this.#stream.reset();
  }

  close(): void {
    this.#isClosed = true;
    this.#stream.close();
  }
}

type DirectClass = new (options: ContextOptions) => Pick<DirectContext, 'runNow' | 'close'>;

const TRIAL = Buffer.from('a context that is kept');
const NO_DEFLATE = Buffer.from([0xff, 0xff]);

/**
 * Whether what is not public is there, and does what it did when this was written: keeps a context
 * from one call to the next, and tells of errors.
 */
export function isUsable(Context: DirectClass = DirectContext): boolean {
  try {
    const deflater = new Context({ kind: 'deflate', windowBits: MAX_BITS });
    const inflater = new Context({ kind: 'inflate', windowBits: MAX_BITS });
    const first = deflater.runNow([TRIAL]);
    const second = deflater.runNow([TRIAL]);
    const isKept =
      second.length < first.length &&
      inflater.runNow([first]).equals(TRIAL) &&
      inflater.runNow([second]).equals(TRIAL);
    const hasErrors = throws(() => inflater.runNow([NO_DEFLATE]));
    deflater.close();
    inflater.close();
    return isKept && hasErrors;
  } catch {
    return false;
  }
}

function throws(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch {
    return true;
  }
}

let canBeDirect: boolean | undefined;

/**
 * @param isDirect whether to call what lies beneath the streams. Default: where that works
 */
export function createContext(
  options: ContextOptions,
  isDirect: boolean = (canBeDirect ??= isUsable()),
): ZlibContext {
  return isDirect ? new DirectContext(options) : new StreamContext(options);
}
