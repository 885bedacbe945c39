/**
 * Automatic answers to Pings: RFC 6455, section 5.5.3. A peer that sends Pings and reads nothing must
 * not make us keep a Pong for each.
 *
 * @module
 */

import { FIN } from '../frame/header.ts';
import { OPCODE } from '../frame/opcode.ts';
import type { FrameWriter } from './frame-writer.ts';

/** Pongs that may wait for the network before only the newest is kept. */
const MAX_PENDING = 16;

export class Pongs {
  readonly #writer: FrameWriter;
  #pending = 0;
  /** The newest Ping payload that could not be answered yet. */
  #unanswered: Buffer | null = null;

  constructor(writer: FrameWriter) {
    this.#writer = writer;
  }

  /**
   * Answers a Ping. "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in
   * response to previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only the
   * most recently processed Ping frame": so it is done when the network takes nothing and enough
   * Pongs wait.
   */
  answer(source: Buffer, start: number, end: number): void {
    if (this.#writer.isBlocked && ++this.#pending > MAX_PENDING) {
      this.#unanswered = Buffer.from(source.subarray(start, end));
      return;
    }
    this.#writer.frame(FIN | OPCODE.PONG, source.subarray(start, end));
  }

  /** The network takes more. */
  drain(): void {
    this.#pending = 0;
    const ping = this.#unanswered;
    this.#unanswered = null;
    if (ping !== null) this.#writer.frame(FIN | OPCODE.PONG, ping);
  }

  /** Nothing will be answered any more. */
  end(): void {
    this.#unanswered = null;
  }
}
