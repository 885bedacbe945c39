/**
 * How a connection ends, as far as that is known by now: RFC 6455, sections 7.1.5 and 7.1.6; and
 * when it must be over.
 *
 * @module
 */

import { CLOSE_CODE } from '../frame/close-code.ts';
import { readCloseCode, readCloseReason } from '../frame/close-payload.ts';

const NEVER = Number.POSITIVE_INFINITY;

export class Closing {
  /** Of the peer's Close; 1006 as long as none came. */
  code: number = CLOSE_CODE.ABNORMAL_CLOSURE;
  reason: string = '';
  /** When the transport is destroyed, whatever the peer does. */
  deadline: number = NEVER;

  /**
   * Reads the body of the peer's Close.
   *
   * @throws {ProtocolError} for a body that must not be sent
   */
  read(source: Buffer, start: number, end: number): void {
    this.code = readCloseCode(source, start, end);
    this.reason = readCloseReason(source, start, end);
  }

  /** The first one counts: a peer cannot put it off. */
  startTimeout(deadline: number): void {
    if (this.deadline === NEVER) this.deadline = deadline;
  }

  stopTimeout(): void {
    this.deadline = NEVER;
  }
}
