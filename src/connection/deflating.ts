/**
 * Which messages of a connection are compressed, and when: a small one at once, a large one in a
 * thread. Knows payloads; frames and queues are those of outbound.ts.
 *
 * @module
 */

import { PerMessageDeflate } from '../extension/permessage-deflate.ts';
import type { PreparedMessage } from './prepared.ts';

/** What a {@link Deflating} asks of the connection that it belongs to. */
export interface DeflatingOwner {
  /** What was compressed elsewhere is framed now. */
  onDeflated(): void;
  /** It could not be: zlib has no memory. */
  onDeflateFailed(): void;
}

/** Bytes of a code unit in UTF-8, at the most. */
const MAX_UNIT_SIZE = 3;

/** Where short texts are encoded, one at a time: none of them is large enough for a thread. */
const text: Buffer = Buffer.allocUnsafeSlow(12 * 1024);

/** A payload is compressed elsewhere, and will come. */
export const LATER: unique symbol = Symbol('later');

/** Is given what was compressed elsewhere. */
export type Deflated = (bytes: Uint8Array) => void;

export class Deflating {
  readonly #deflate: PerMessageDeflate;
  readonly #owner: DeflatingOwner;
  #isResting = false;

  constructor(deflate: PerMessageDeflate, owner: DeflatingOwner) {
    this.#deflate = deflate;
    this.#owner = owner;
  }

  /**
   * Whether so much was done in this turn that others have theirs first: nothing is to be read that may
   * bring about more. The owner is told when that is over, as if something had been compressed elsewhere.
   */
  get isResting(): boolean {
    return this.#isResting;
  }

  /** Whether a message whose size nobody knows yet is compressed: as if it were large enough. */
  get compressesFragments(): boolean {
    return this.#deflate.compresses(Number.POSITIVE_INFINITY);
  }

  /**
   * The compressed payload of a whole message, to be framed before anything else is compressed; null
   * where it is sent as it is; {@link LATER} where `later` is called with it, and nothing may be
   * compressed before.
   */
  payloadOf(data: string | Uint8Array, later: Deflated): Uint8Array | typeof LATER | null {
    const deflate = this.#deflate;
    // Measuring a text is dear.
    const most = data.length * (typeof data === 'string' ? MAX_UNIT_SIZE : 1);
    const { threshold } = deflate.options;
    if (most < threshold) return null;
    // To encode it for nothing is dearer: 900 characters 511 ns, and 30 to measure them.
    const isUnsure = typeof data === 'string' && data.length < threshold;
    if (isUnsure && Buffer.byteLength(data) < threshold) return null;
    const bytes = bytesOf(data);
    if (!deflate.compresses(bytes.length)) return null;
    if (!PerMessageDeflate.isLarge(bytes.length)) {
      const payload = this.deflate(bytes);
      // Where the next message refers to this one, the peer must have it compressed.
      const isUseful = payload === LATER || payload.length < bytes.length;
      return isUseful || deflate.terms.ownTakeover ? payload : null;
    }
    // A thread knows them by a bare pointer, and may read on when the connection is over: the application
    // may have given them away by then.
    const kept = bytes === data ? Buffer.from(bytes) : bytes;
    deflate.deflater.deflateLater(kept, (payload) => {
      deflate.run(() => this.settle(payload, later));
    });
    return LATER;
  }

  /** The same for the frame of a message that was prepared. */
  frameOf(message: PreparedMessage, later: Deflated): Uint8Array | typeof LATER {
    const deflate = this.#deflate;
    if (!deflate.compresses(message.data.length)) return message.frame;
    // It refers to nothing before it, and our compressor does not see it: nothing may refer to it.
    deflate.forget();
    const frame = this.attempt(() =>
      message.deflated(deflate, (late) => deflate.run(() => this.settle(late, later))),
    );
    this.rest();
    return frame ?? LATER;
  }

  /** The compressed payload of a fragment; null where zlib has no memory, and the connection has failed. */
  partOf(data: string | Uint8Array, last: boolean): Uint8Array | null {
    const bytes = bytesOf(data);
    this.#deflate.budget.spendDeflated(bytes.length);
    this.rest();
    return this.attempt(() => this.#deflate.deflater.deflatePart(bytes, last));
  }

  private rest(): void {
    if (this.#isResting || !this.#deflate.budget.isSpent) return;
    this.#isResting = true;
    setImmediate(() => {
      this.#isResting = false;
      // Not as a part of what was sent last.
      this.#deflate.run(() => this.#owner.onDeflated());
    });
  }

  /** Where zlib has no memory, the connection has failed, and nothing will come. */
  private deflate(bytes: Uint8Array): Uint8Array | typeof LATER {
    this.#deflate.budget.spendDeflated(bytes.length);
    this.rest();
    return this.attempt(() => this.#deflate.deflater.deflate(bytes)) ?? LATER;
  }

  private attempt(compress: () => Uint8Array | null): Uint8Array | null {
    try {
      return compress();
    } catch {
      this.#owner.onDeflateFailed();
      return null;
    }
  }

  private settle(bytes: Uint8Array | null, later: Deflated): void {
    if (bytes === null) {
      this.#owner.onDeflateFailed();
      return;
    }
    later(bytes);
    this.#owner.onDeflated();
  }
}

/**
 * Those of a short text lie in memory that the next one overwrites: nobody needs them once they are
 * compressed. (To make a buffer for each costs some 0.7 µs for 1 KiB: bench/servers.mjs.)
 */
function bytesOf(data: string | Uint8Array): Uint8Array {
  if (typeof data !== 'string') return data;
  if (data.length * MAX_UNIT_SIZE > text.length) return Buffer.from(data);
  return text.subarray(0, text.write(data));
}
