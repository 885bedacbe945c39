/**
 * An {@link Inbound} that looks at each frame before it is taken, for connections with an
 * `idleTimeout`: it tells when a part of a message came. It comes instead of the other where one of
 * these is asked for, so that all others pay nothing.
 *
 * @module
 */

import { isControl } from '../frame/opcode.ts';
import type { ConnectionOptions } from './handler.ts';
import { Inbound, type MessageSink } from './inbound.ts';

/** What a {@link MeteredInbound} speaks to. */
export interface MeterOwner extends MessageSink {
  /**
   * A frame came, or the next bytes of one.
   *
   * @param isMessage - whether of a message, and not a control frame
   * @returns when, by the clock
   */
  onFrame(isMessage: boolean): number;
}

/** Whether a connection with these options needs one. */
export function isMetered(options: ConnectionOptions): boolean {
  return options.idleTimeout > 0;
}

export class MeteredInbound extends Inbound {
  readonly #owner: MeterOwner;
  /** Whether the frame is one of a message, and whether no byte of its payload has come yet. */
  #isMessage = false;
  #isNew = false;

  constructor(owner: MeterOwner, options: ConnectionOptions, lendsTexts: boolean) {
    super(owner, options, lendsTexts);
    this.#owner = owner;
  }

  override onWhole(
    opcode: number,
    source: Buffer,
    start: number,
    end: number,
    ascii: boolean,
  ): void {
    this.onHead(opcode, true, false, end - start);
    super.onPayload(source, start, end, 0, ascii);
  }

  override onHead(opcode: number, fin: boolean, rsv1: boolean, length: number): void {
    this.#isMessage = !isControl(opcode);
    this.#isNew = true;
    this.#owner.onFrame(this.#isMessage);
    super.onHead(opcode, fin, rsv1, length);
  }

  override onPayload(
    source: Buffer,
    start: number,
    end: number,
    remaining: number,
    ascii: boolean,
  ): void {
    // The first bytes come with the head, at the same time.
    if (this.#isMessage && !this.#isNew) this.#owner.onFrame(true);
    this.#isNew = false;
    super.onPayload(source, start, end, remaining, ascii);
  }
}
