/**
 * Compressed payloads to messages: RFC 7692, section 7.2.2, by contexts of zlib that are kept. (The
 * public way is public-inflater.ts, the mirror is deflater.ts.)
 *
 * Knows where a message ends, and whether it ends as it must; does not know how large it may be, nor
 * whether it is a text.
 *
 * @module
 */

import { constants } from 'node:zlib';
import { violation } from '../frame/violation.ts';
import { ContextPool } from './context-pool.ts';
import { JOBS } from './jobs.ts';
import { MAX_PER_TURN, TurnBudget } from './turn-budget.ts';
import { type Written, ZlibContext, borrowOutput, returnOutput } from './zlib-context.ts';

/** What an inflater speaks to. */
export interface InflateSink {
  /** Bytes that the message may still have. */
  readonly inflatedRoom: number;
  /**
   * The next bytes of the message, `source[start, end)`, for as long as the call lasts. More than
   * {@link inflatedRoom} may come once: then the sink throws a `ProtocolError`.
   *
   * @param last - whether the message ends here
   */
  onInflated(source: Buffer, start: number, end: number, last: boolean): void;
}

/** What inflates the messages of one connection. */
export interface Inflater {
  /**
   * Inflates the next bytes of the payload of a message, joined over its frames.
   *
   * @returns true where all that came out was given to the sink; false where a large one is worked at
   *   elsewhere: `later` is called then, and nothing may be pushed before
   * @throws {ProtocolError} for what is no compressed message, and whatever the sink throws
   */
  push(source: Buffer, start: number, end: number, last: boolean): boolean;
  /** Frees its memory. `later` is not called any more. */
  close(): void;
}

/**
 * Called when a large message was worked at elsewhere: `finish` gives what came out to the sink, and
 * answers and throws as {@link Inflater.push}.
 */
export type Later = (finish: () => boolean) => void;

/** Compressed bytes that are worked at without leaving the thread. */
const MAX_INPUT = 16 * 1024;

/** What a DEFLATE stream that ends costs, as if it had given so many bytes: there may be thousands. */
const STREAM_COST = 4 * 1024;

/**
 * What section 7.2.2 appends to a message, and a byte behind it. A whole message stands within the
 * head of an empty stored block, which ends with the fourth of these bytes; told to stop at the end
 * of a block, zlib leaves the fifth. In any other state it reads it too.
 */
const TAIL_AND_ONE: Buffer = Buffer.of(0x00, 0x00, 0xff, 0xff, 0x00);

/** Where what comes out of that would go: a whole message gives nothing. */
const NOTHING: Buffer = Buffer.alloc(64);

const pool = new ContextPool();

export class KeptInflater implements Inflater {
  readonly #sink: InflateSink;
  readonly #later: Later;
  readonly #windowBits: number;
  readonly #takeover: boolean;
  readonly #budget: TurnBudget;
  readonly #kind: string;
  #context: ZlibContext | null = null;
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
    this.#takeover = takeover;
    this.#budget = budget;
    this.#kind = `inflate ${windowBits}`;
  }

  push(source: Buffer, start: number, end: number, last: boolean): boolean {
    const context = (this.#context ??= pool.take(this.#kind, () =>
      ZlibContext.inflater(this.#windowBits),
    ));
    if (end - start > MAX_INPUT || this.#budget.isSpent) {
      this.inflateLater(context, Buffer.from(source.subarray(start, end)), last);
      return false;
    }
    return this.inflate(context, source, start, end, last, false);
  }

  close(): void {
    this.#isClosed = true;
    this.#context?.close();
    this.#context = null;
  }

  /**
   * Inflates on this thread, up to what one turn may cost.
   *
   * @param isOurs - whether `source` stays as it is
   */
  private inflate(
    context: ZlibContext,
    source: Buffer,
    start: number,
    end: number,
    last: boolean,
    isOurs: boolean,
  ): boolean {
    const output = borrowOutput();
    try {
      for (let at = start; ;) {
        const size = context.write(constants.Z_SYNC_FLUSH, source, at, end, output);
        if (context.isFailed) throw violation('INVALID_DEFLATE');
        at = end - context.unread;
        if (size < output.length) {
          if (at === end) {
            this.#budget.spendInflated(size);
            if (last) this.endMessage(context);
            if (last || size > 0) this.#sink.onInflated(output, 0, size, last);
            return true;
          }
          // "BFINAL" was set: the message goes on with another stream.
          context.reset();
          this.#budget.spend(STREAM_COST);
        }
        if (size > 0) this.#sink.onInflated(output, 0, size, false);
        // By what the sink has brought about.
        if (this.#isClosed) return true;
        this.#budget.spend(size);
        if (!this.#budget.isSpent) continue;
        const rest = source.subarray(at, end);
        this.inflateLater(context, isOurs ? rest : Buffer.from(rest), last);
        return false;
      }
    } finally {
      returnOutput(output);
    }
  }

  /** Others have their turn meanwhile: while a thread of zlib works, or before our next turn. */
  private inflateLater(context: ZlibContext, rest: Buffer, last: boolean): void {
    if (rest.length <= MAX_INPUT) {
      setImmediate(() => {
        if (this.#isClosed) return;
        this.#later(() => this.inflate(context, rest, 0, rest.length, last, true));
      });
      return;
    }
    this.work(context, rest, last, (done) => {
      // No more than a sink takes in a turn, which may hold us back behind it.
      context.writeLater(rest, MAX_PER_TURN, done);
    });
  }

  /** @param begin - lets a thread inflate what comes next of `input` */
  private work(
    context: ZlibContext,
    input: Buffer,
    last: boolean,
    begin: (done: (written: Written) => void) => void,
  ): void {
    JOBS.run(
      (release) => {
        if (this.#isClosed) {
          release();
          return;
        }
        begin((written) => {
          release();
          if (this.#isClosed) return;
          this.#later(() => this.finish(context, written, input, last));
        });
      },
      (error) => this.fail(error),
    );
  }

  /** Here too, there is no memory for it. */
  private fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#later(() => {
      throw error;
    });
  }

  /** Gives out what a thread has made, and goes on behind it. */
  private finish(
    context: ZlibContext,
    { chunks, unread, isPaused }: Written,
    input: Buffer,
    last: boolean,
  ): boolean {
    const rest = input.subarray(input.length - unread);
    const final = chunks.at(-1);
    // By the end of the message, the context may be somebody else's.
    const { isFailed } = context;
    const isAll = rest.length === 0 && !isFailed && !isPaused;
    if (isAll && last) this.endMessage(context);
    for (const chunk of chunks) {
      this.#budget.spend(chunk.length);
      this.#sink.onInflated(chunk, 0, chunk.length, isAll && last && chunk === final);
      if (this.#isClosed) return true;
    }
    if (isFailed) throw violation('INVALID_DEFLATE');
    if (isAll) {
      if (last && final === undefined) this.#sink.onInflated(rest, 0, 0, true);
      return true;
    }
    if (isPaused) {
      this.work(context, input, last, (done) => context.writeOn(done));
      return false;
    }
    context.reset();
    if (!this.#budget.isSpent) return this.inflate(context, rest, 0, rest.length, last, true);
    this.inflateLater(context, rest, last);
    return false;
  }

  /**
   * Reads what is not sent at the end of a message, and looks whether it stood where it must.
   *
   * @throws {ProtocolError} for a message that was cut
   */
  private endMessage(context: ZlibContext): void {
    const { length } = TAIL_AND_ONE;
    const size = context.write(constants.Z_BLOCK, TAIL_AND_ONE, 0, length, NOTHING);
    const { unread } = context;
    // Nothing is read behind a stream that has ended: section 7.2.3.4 asks for one more byte there,
    // and some leave it out.
    const hasEnded = unread === length;
    if (context.isFailed || size > 0 || (unread !== 1 && !hasEnded)) {
      throw violation('INVALID_DEFLATE');
    }
    if (hasEnded || !this.#takeover) context.reset();
    if (this.#takeover) return;
    this.#context = null;
    pool.give(this.#kind, context);
  }
}
