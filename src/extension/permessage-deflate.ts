/**
 * permessage-deflate on one connection: RFC 7692. What was negotiated becomes a compressor and an
 * inflater, each made when it is first needed.
 *
 * @module
 */

import { AsyncResource } from 'node:async_hooks';
import { type ResolvedDeflateOptions, USUAL_WINDOW_BITS } from './deflate-options.ts';
import type { DeflateTerms } from './deflate-params.ts';
import { type Deflater, KeptDeflater } from './deflater.ts';
import { type InflateSink, type Inflater, KeptInflater, type Later } from './inflater.ts';
import { PublicDeflater } from './public-deflater.ts';
import { PublicInflater } from './public-inflater.ts';
import { TurnBudget } from './turn-budget.ts';
import { areContextsUsable } from './zlib-context.ts';

/**
 * The smallest window with which zlib compresses: under a limit of 8 bits nothing is compressed, which
 * section 6 allows for every message. To inflate with a larger window does no harm.
 */
const LEAST_WINDOW_BITS = 9;

/** Bytes up to which a message is compressed at once; larger ones go to a thread. */
const MAX_AT_ONCE = 16 * 1024;

export class PerMessageDeflate {
  readonly options: ResolvedDeflateOptions;
  readonly terms: DeflateTerms;
  /** The window of our compressor: that which was agreed on, or a smaller one. */
  readonly #windowBits: number;
  /** For both directions together. */
  readonly budget: TurnBudget = new TurnBudget();
  #deflater: Deflater | null = null;
  #inflater: Inflater | null = null;
  #isClosed = false;
  /**
   * What was going on when the connection was made: a context of zlib calls back where it was made
   * itself, perhaps for another connection, and what an AsyncLocalStorage held there is not for us.
   */
  readonly #scope = new AsyncResource('TAUTLINE_DEFLATE');

  constructor(options: ResolvedDeflateOptions, terms: DeflateTerms) {
    this.options = options;
    this.terms = terms;
    const most = options.windowBits === undefined ? USUAL_WINDOW_BITS : terms.ownWindowBits;
    this.#windowBits = Math.min(terms.ownWindowBits, most);
  }

  /** Whether a message of so many bytes is compressed. */
  compresses(size: number): boolean {
    return (
      size >= this.options.threshold && !this.#isClosed && this.#windowBits >= LEAST_WINDOW_BITS
    );
  }

  /** Whether a message of so many bytes is compressed in a thread. */
  static isLarge(size: number): boolean {
    return size > MAX_AT_ONCE;
  }

  get deflater(): Deflater {
    return (this.#deflater ??= this.createDeflater());
  }

  inflater(sink: InflateSink, later: Later): Inflater {
    return (this.#inflater ??= this.createInflater(sink, (finish) => {
      this.run(() => later(finish));
    }));
  }

  /** Runs what follows from the work of zlib, on behalf of this connection and nobody else. */
  run(work: () => void): void {
    this.#scope.runInAsyncScope(work);
  }

  /** Makes a compressor of the same kind for a single message, which refers to nothing. */
  createAlone(): Deflater {
    return createDeflater(this.options, this.#windowBits, false);
  }

  /** What two connections have in common whose compressors write the same for the same message. */
  get kind(): string {
    const { level, memoryLevel, keepContexts } = this.options;
    return `${level} ${memoryLevel} ${this.#windowBits} ${keepContexts}`;
  }

  /** A message was sent that the compressor has not seen. */
  forget(): void {
    this.#deflater?.forget();
  }

  /** The connection is over: frees the memory. */
  close(): void {
    this.#isClosed = true;
    this.#deflater?.close();
    this.#inflater?.close();
  }

  private createDeflater(): Deflater {
    return createDeflater(this.options, this.#windowBits, this.terms.ownTakeover);
  }

  private createInflater(sink: InflateSink, later: Later): Inflater {
    const { peerTakeover } = this.terms;
    const windowBits = Math.max(this.terms.peerWindowBits, LEAST_WINDOW_BITS);
    return this.options.keepContexts && areContextsUsable()
      ? new KeptInflater(sink, later, windowBits, peerTakeover, this.budget)
      : new PublicInflater(sink, later, windowBits, peerTakeover, this.budget);
  }
}

function createDeflater(
  options: ResolvedDeflateOptions,
  windowBits: number,
  takeover: boolean,
): Deflater {
  return options.keepContexts && areContextsUsable()
    ? new KeptDeflater(options, windowBits, takeover)
    : new PublicDeflater(options, windowBits, takeover);
}
