/**
 * A message that was framed once, to be sent to many.
 *
 * @module
 */

import { FrameEncoder } from '../frame/encoder.ts';
import { FIN } from '../frame/header.ts';
import { type MessageOpcode, OPCODE } from '../frame/opcode.ts';
import { type Bytes, toBytes } from './payload.ts';

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
   * @throws {TypeError} for data that is neither a string nor bytes
   */
  constructor(data: string | Bytes) {
    this.opcode = typeof data === 'string' ? OPCODE.TEXT : OPCODE.BINARY;
    const payload = typeof data === 'string' ? data : toBytes(data);
    const frame = ENCODER.encodeAlone(FIN | this.opcode, payload);
    const size = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length;
    this.frame = frame;
    this.data = frame.subarray(frame.length - size);
  }
}
