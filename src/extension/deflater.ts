/**
 * Messages to compressed payloads: RFC 7692, section 7.2.1, by contexts of zlib that are kept. (The
 * public way is public-deflater.ts, the mirror is inflater.ts.)
 *
 * @module
 */

import { constants } from 'node:zlib';
import { ContextPool } from './context-pool.ts';
import type { ResolvedDeflateOptions } from './deflate-options.ts';
import { JOBS } from './jobs.ts';
import { ZlibContext, borrowOutput, returnOutput } from './zlib-context.ts';

/** What compresses the messages of one connection, in their order, one at a time. */
export interface Deflater {
  /**
   * Compresses a whole message. A payload below {@link LENT_BELOW} is lent: it is to be read before
   * anything else is compressed or inflated, by whomever. A larger one is a copy.
   *
   * @throws {Error} where zlib has no memory
   */
  deflate(data: Uint8Array): Buffer;
  /**
   * The same off the main thread. `data` must not change meanwhile.
   *
   * @param done - called later, unless the deflater is closed meanwhile: with the payload, or with
   *   null where zlib has failed
   */
  deflateLater(data: Uint8Array, done: (payload: Buffer | null) => void): void;
  /**
   * Compresses the next part of a message that is sent as fragments.
   *
   * @throws {Error} where zlib has no memory
   */
  deflatePart(data: Uint8Array, last: boolean): Buffer;
  /** A message was sent that this deflater does not know of: it refers to nothing before it. */
  forget(): void;
  close(): void;
}

/**
 * Bytes of a payload that go from the shared output into a frame without another copy. (With a copy
 * for each, a message of 1 KiB costs some 0.4 µs more, and garbage: bench/servers.mjs.)
 */
export const LENT_BELOW: number = 8 * 1024;

/** Section 7.2.1: the 4 bytes that end every flush are not sent. */
const TAIL_SIZE = 4;

/** Section 7.2.3.6: a message of no bytes is the first byte of an empty stored block. */
const EMPTY: Buffer = Buffer.of(0x00);

const FULL = 'zlib has no memory for a compressor';

const pool = new ContextPool();

export class KeptDeflater implements Deflater {
  readonly #options: ResolvedDeflateOptions;
  readonly #windowBits: number;
  readonly #takeover: boolean;
  readonly #key: string;
  #context: ZlibContext | null = null;
  #mustReset = false;
  #isClosed = false;

  constructor(options: ResolvedDeflateOptions, windowBits: number, takeover: boolean) {
    this.#options = options;
    this.#windowBits = windowBits;
    this.#takeover = takeover;
    this.#key = `deflate ${options.level} ${options.memoryLevel} ${windowBits}`;
  }

  deflate(data: Uint8Array): Buffer {
    const payload = this.write(data, true);
    return payload.length < LENT_BELOW ? payload : Buffer.from(payload);
  }

  deflatePart(data: Uint8Array, last: boolean): Buffer {
    return Buffer.from(this.write(data, last));
  }

  /** The payload may lie in the shared output. */
  private write(data: Uint8Array, last: boolean): Buffer {
    const context = this.begin();
    // Where nothing may refer to what was before, the last flush forgets it: a reset behind it would
    // be a call more.
    const forgets = last && !this.#takeover;
    const flush = forgets ? constants.Z_FULL_FLUSH : constants.Z_SYNC_FLUSH;
    const output = borrowOutput();
    let payload: Buffer | null = null;
    try {
      payload = writeAll(context, data, output, flush);
    } finally {
      returnOutput(output);
      if (last || payload === null) this.end(payload === null);
    }
    if (payload === null) throw new Error(FULL);
    return last ? withoutTail(payload) : payload;
  }

  deflateLater(data: Uint8Array, done: (payload: Buffer | null) => void): void {
    JOBS.run((release) => {
      if (this.#isClosed) {
        release();
        return;
      }
      const context = this.begin();
      const input = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      context.writeLater(input, Number.POSITIVE_INFINITY, ({ chunks }) => {
        release();
        if (this.#isClosed) return;
        const isFailed = context.isFailed;
        if (!this.#takeover) context.reset();
        this.end(isFailed);
        done(isFailed ? null : withoutTail(Buffer.concat(chunks)));
      });
    }, this.failed(done));
  }

  /** Told as every failure of zlib. */
  private failed(done: (payload: null) => void): () => void {
    return () => {
      if (!this.#isClosed) done(null);
    };
  }

  forget(): void {
    this.#mustReset = true;
  }

  close(): void {
    this.#isClosed = true;
    this.#context?.close();
    this.#context = null;
  }

  private begin(): ZlibContext {
    const { level, memoryLevel } = this.#options;
    const isNew = this.#context === null;
    const context = (this.#context ??= pool.take(this.#key, () =>
      ZlibContext.deflater(level, memoryLevel, this.#windowBits),
    ));
    if (this.#mustReset && !isNew) context.reset();
    this.#mustReset = false;
    return context;
  }

  /** The message is done. Without takeover, the context has forgotten it. */
  private end(isFailed: boolean): void {
    const context = this.#context;
    if (context === null || (this.#takeover && !isFailed)) return;
    this.#context = null;
    pool.give(this.#key, context);
  }
}

/**
 * All that zlib makes of `data`, up to the end of a byte: within `output` where it fits. Null where it
 * has failed.
 */
function writeAll(
  context: ZlibContext,
  data: Uint8Array,
  output: Buffer,
  flush: number,
): Buffer | null {
  const chunks: Buffer[] = [];
  let at = 0;
  for (;;) {
    const size = context.write(flush, data, at, data.length, output);
    if (context.isFailed) return null;
    const isAll = size < output.length;
    if (isAll && chunks.length === 0) return output.subarray(0, size);
    chunks.push(Buffer.from(output.subarray(0, size)));
    if (isAll) return Buffer.concat(chunks);
    at = data.length - context.unread;
  }
}

/**
 * A flush ends with 00 00 FF FF. One that follows another has nothing to write, not even that.
 */
export function withoutTail(payload: Buffer): Buffer {
  return payload.length < TAIL_SIZE ? EMPTY : payload.subarray(0, payload.length - TAIL_SIZE);
}
