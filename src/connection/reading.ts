/**
 * The parts that read, from bytes to messages: decoder.ts, inbound.ts, and intake.ts, which says when.
 * They come together with the first bytes and go when nothing is left to remember, so that a connection
 * on which nothing happens does without them. (That is 400 bytes for each: bench/memory.mjs.)
 *
 * @module
 */

import { FrameDecoder } from '../frame/decoder.ts';
import type { ConnectionOptions } from './handler.ts';
import { Inbound } from './inbound.ts';
import { Intake, type IntakeOwner } from './intake.ts';
import { MeteredInbound, type MeterOwner, isMetered } from './metered-inbound.ts';
import type { Share } from './share.ts';
import type { Transport } from './transport.ts';

/** What a {@link Reading} speaks to. */
export interface ReadingOwner extends MeterOwner, IntakeOwner {}

export class Reading {
  readonly decoder: FrameDecoder;
  readonly inbound: Inbound;
  readonly intake: Intake;

  /**
   * @param expectMask - true on a server
   * @param rsv1Claimed - whether permessage-deflate was negotiated
   * @param share - of the connection: a new one with each chunk would never be spent
   */
  constructor(
    owner: ReadingOwner,
    transport: Transport,
    options: ConnectionOptions,
    expectMask: boolean,
    rsv1Claimed: boolean,
    share: Share,
  ) {
    this.intake = new Intake(owner, transport, share);
    const lendsTexts = options.text === 'string';
    this.inbound = isMetered(options)
      ? new MeteredInbound(owner, options, lendsTexts, expectMask)
      : new Inbound(owner, options, lendsTexts);
    this.decoder = new FrameDecoder(this.inbound, expectMask, rsv1Claimed);
  }

  /** Whether a new one would go on just as well. */
  get isForgettable(): boolean {
    return (
      this.intake.isForgettable && this.decoder.isBetweenFrames && this.inbound.isBetweenMessages
    );
  }
}
