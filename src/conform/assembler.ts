/**
 * Messages of a peer, put together from their frames, and no more of them than can be meant well: a
 * judge that runs out of memory has no verdict. Knows neither text nor compression.
 *
 * @module
 */

import { MAX_PAYLOAD_SIZE, type ReceivedFrame } from './wire.ts';

/** A message as it came: a compressed one is so still. */
export interface AssembledMessage {
  readonly opcode: number;
  readonly rsv: number;
  readonly payload: Buffer;
}

/** No case leads to more: 4 MiB come back in 65,537 fragments, if they are as long as those sent. */
const MAX_FRAGMENTS = 1_000_000;

export class Assembler {
  #first: ReceivedFrame | undefined;
  #parts: Buffer[] = [];
  #size = 0;
  #count = 0;

  /** Whether a message was begun that has not ended. */
  get isWithinMessage(): boolean {
    return this.#first !== undefined;
  }

  /**
   * @returns the message that the frame is the end of, if it is one
   * @throws {RangeError} for a message that no case can lead to
   */
  add(frame: ReceivedFrame): AssembledMessage | undefined {
    this.#first ??= frame;
    this.#count++;
    this.#size += frame.payload.length;
    if (this.#size > MAX_PAYLOAD_SIZE || this.#count > MAX_FRAGMENTS) {
      throw new RangeError(`A message of ${this.#count} frames has ${this.#size} bytes so far`);
    }
    if (frame.payload.length > 0) this.#parts.push(frame.payload);
    if (!frame.fin) return undefined;
    const { opcode, rsv } = this.#first;
    const payload = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    this.#first = undefined;
    this.#parts = [];
    this.#size = 0;
    this.#count = 0;
    return { opcode, rsv, payload };
  }
}
