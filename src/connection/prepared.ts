/**
 * A message that was framed once, to be sent to many.
 *
 * @module
 */

import { FrameEncoder } from '../frame/encoder.ts';
import { PerMessageDeflate } from '../extension/permessage-deflate.ts';
import { FIN, RSV1, headerSize } from '../frame/header.ts';
import { type MessageOpcode, OPCODE } from '../frame/opcode.ts';
import { type Bytes, toBytes } from './payload.ts';
import { type SharedPage, pageWithRoom } from './shared-page.ts';

/** Is given the frame, or null where zlib has failed. */
type Waiting = (frame: Uint8Array | null) => void;

const ENCODER = new FrameEncoder(false);

/**
 * A text or a binary in the one frame that every connection of a server sends. The bytes were
 * copied, so the caller may use its own again.
 */
export class PreparedMessage {
  /** Text or binary (RFC 6455, section 5.2). */
  readonly opcode: MessageOpcode;
  /** The payload: UTF-8 for a text. */
  readonly data: Uint8Array;
  /** The whole unmasked frame. */
  readonly frame: Uint8Array;
  /**
   * Where that lies, if it was framed to be sent at once: behind the one before it.
   *
   * @internal
   */
  readonly page: SharedPage | null = null;
  /** @internal */
  readonly pageStart: number = 0;
  /**
   * The same compressed, for each kind of compressor that its connections have; or who waits for
   * it.
   */
  #deflated: Map<string, Uint8Array | Waiting[]> | null = null;
  /** The same in memory of its own, where somebody keeps it. */
  #kept: PreparedMessage | null = null;

  /**
   * @throws {TypeError} for data that is neither a string nor bytes
   */
  constructor(data: string | Bytes);
  /**
   * @param passes - whether it is sent at once, to be forgotten then: what is kept must not keep the
   *   frames of others in memory. Default: false
   * @internal
   */
  constructor(data: string | Bytes, passes?: boolean);
  constructor(data: string | Bytes, passes: boolean = false) {
    this.opcode = typeof data === 'string' ? OPCODE.TEXT : OPCODE.BINARY;
    const payload = typeof data === 'string' ? data : toBytes(data);
    const size = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length;
    const frameSize = headerSize(size, false) + size;
    this.page = passes ? pageWithRoom(frameSize) : null;
    if (this.page === null) {
      this.frame = ENCODER.encodeAlone(FIN | this.opcode, payload);
    } else {
      this.pageStart = this.page.end;
      this.page.end += frameSize;
      this.frame = this.page.bytes.subarray(this.pageStart, this.page.end);
      ENCODER.encodeInto(this.page.bytes, this.pageStart, FIN | this.opcode, payload, size);
    }
    this.data = this.frame.subarray(frameSize - size);
  }

  /**
   * The same, to be kept for a while: a page would keep the frames of others in memory with it. One for
   * all who keep it.
   *
   * @internal
   */
  keep(): PreparedMessage {
    if (this.page === null) return this;
    const { opcode, data } = this;
    this.#kept ??= new PreparedMessage(
      opcode === OPCODE.TEXT ? Buffer.from(data).toString() : data,
    );
    return this.#kept;
  }

  /**
   * The whole unmasked frame with the message compressed, once for all connections of a kind. It
   * refers to nothing but itself.
   *
   * @param later - is given it where it is worked at elsewhere
   * @returns null where `later` will be called
   * @internal
   */
  deflated(deflate: PerMessageDeflate, later: Waiting): Uint8Array | null {
    const frames = (this.#deflated ??= new Map<string, Uint8Array | Waiting[]>());
    const { kind } = deflate;
    const known = frames.get(kind);
    if (known instanceof Uint8Array) return known;
    if (known !== undefined) {
      known.push(later);
      return null;
    }
    const deflater = deflate.createAlone();
    if (!PerMessageDeflate.isLarge(this.data.length)) {
      deflate.budget.spendDeflated(this.data.length);
      const frame = this.frameOf(deflater.deflate(this.data));
      frames.set(kind, frame);
      return frame;
    }
    const waiting = [later];
    frames.set(kind, waiting);
    deflater.deflateLater(this.data, (payload) => {
      const frame = payload === null ? null : this.frameOf(payload);
      if (frame === null) frames.delete(kind);
      else frames.set(kind, frame);
      const errors: unknown[] = [];
      for (const give of waiting) {
        try {
          give(frame);
        } catch (error) {
          // The others are no worse for it.
          errors.push(error);
        }
      }
      if (errors.length > 0) throw errors[0];
    });
    return null;
  }

  /** What does not become smaller is sent as it is. */
  private frameOf(payload: Uint8Array): Uint8Array {
    if (payload.length >= this.data.length) return this.frame;
    return ENCODER.encodeAlone(FIN | RSV1 | this.opcode, payload);
  }
}
