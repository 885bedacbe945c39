/**
 * Contexts of zlib that nobody uses at the moment. Where messages do not refer to those before, a
 * context is needed for the length of a message only, and all connections share a few.
 *
 * @module
 */

import type { ZlibContext } from './zlib-context.ts';

/** Those that are kept of one kind: more are needed only while large messages are under way. */
const MAX_KEPT = 4;

/** Kinds that are kept: who uses more different options than that has to make contexts anew. */
const MAX_KINDS = 16;

export class ContextPool {
  readonly #kept = new Map<string, ZlibContext[]>();

  /** How many are kept now. */
  get size(): number {
    let size = 0;
    for (const contexts of this.#kept.values()) size += contexts.length;
    return size;
  }

  /** A context that remembers nothing. */
  take(kind: string, create: () => ZlibContext): ZlibContext {
    return this.#kept.get(kind)?.pop() ?? create();
  }

  /** Gives back what was taken, or another of its kind. It has failed, or remembers nothing. */
  give(kind: string, context: ZlibContext): void {
    let contexts = this.#kept.get(kind);
    if (contexts === undefined && this.#kept.size < MAX_KINDS) {
      contexts = [];
      this.#kept.set(kind, contexts);
    }
    if (context.isFailed || contexts === undefined || contexts.length >= MAX_KEPT) {
      context.close();
      return;
    }
    contexts.push(context);
  }
}
