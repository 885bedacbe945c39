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

/** A payload is compressed elsewhere, and will come. */
export const LATER: unique symbol = Symbol('later');

/** Is given what was compressed elsewhere. */
export type Deflated = (bytes: Uint8Array) => void;

export class Deflating {
  readonly #deflate: PerMessageDeflate;
  readonly #owner: DeflatingOwner;
  readonly #mayKeep: boolean;

  /**
   * @param mayKeep - whether large bytes that were given to be sent do not change before they are:
   *   otherwise they are copied for the thread
   */
  constructor(deflate: PerMessageDeflate, owner: DeflatingOwner, mayKeep: boolean) {
    this.#deflate = deflate;
    this.#owner = owner;
    this.#mayKeep = mayKeep;
  }

  /** Whether a message whose size nobody knows yet is compressed: as if it were large enough. */
  get compressesFragments(): boolean {
    return this.#deflate.compresses(Number.POSITIVE_INFINITY);
  }

  /**
   * The compressed payload of a whole message; null where it is sent as it is; {@link LATER} where
   * `later` is called with it, and nothing may be compressed before.
   */
  payloadOf(data: string | Uint8Array, later: Deflated): Uint8Array | typeof LATER | null {
    const deflate = this.#deflate;
    // Measuring a text is dear: it has three bytes for a code unit at the most.
    const most = data.length * (typeof data === 'string' ? 3 : 1);
    if (most < deflate.options.threshold) return null;
    const bytes = bytesOf(data);
    if (!deflate.compresses(bytes.length)) return null;
    if (!PerMessageDeflate.isLarge(bytes.length)) {
      const payload = this.deflate(bytes);
      // Where the next message refers to this one, the peer must have it compressed.
      const isUseful = payload === LATER || payload.length < bytes.length;
      return isUseful || deflate.terms.ownTakeover ? payload : null;
    }
    const kept = this.#mayKeep || bytes !== data ? bytes : Buffer.from(bytes);
    deflate.deflater.deflateLater(kept, (payload) => this.settle(payload, later));
    return LATER;
  }

  /** The same for the frame of a message that was prepared. */
  frameOf(message: PreparedMessage, later: Deflated): Uint8Array | typeof LATER {
    const deflate = this.#deflate;
    if (!deflate.compresses(message.data.length)) return message.frame;
    // It refers to nothing before it, and our compressor does not see it: nothing may refer to it.
    deflate.forget();
    return message.deflated(deflate, (frame) => this.settle(frame, later)) ?? LATER;
  }

  /** The compressed payload of a fragment. */
  partOf(data: string | Uint8Array, last: boolean): Uint8Array {
    return this.#deflate.deflater.deflatePart(bytesOf(data), last);
  }

  /** Where zlib has no memory, the connection has failed, and nothing will come. */
  private deflate(bytes: Uint8Array): Uint8Array | typeof LATER {
    try {
      return this.#deflate.deflater.deflate(bytes);
    } catch {
      this.#owner.onDeflateFailed();
      return LATER;
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

function bytesOf(data: string | Uint8Array): Uint8Array {
  return typeof data === 'string' ? Buffer.from(data) : data;
}
