/**
 * An {@link Inbound} that looks at each frame before it is taken: for connections with an `idleTimeout`,
 * it tells when a part of a message came, and for those with a `rateLimit` it lets in no more than that.
 * It comes instead of the other where one of these is asked for, so that all others pay nothing.
 *
 * Whether a message is let in is decided by its first frame. What follows of it is counted, and never
 * refused: half a message would be worse than none. Control frames have an allowance of their own, of the
 * same size, so that a Ping is not the one too many behind large messages; a Close is always let in.
 *
 * @module
 */

import { headerSize } from '../frame/header.ts';
import { OPCODE, isControl } from '../frame/opcode.ts';
import { violation } from '../frame/violation.ts';
import type { ConnectionOptions } from './handler.ts';
import { Inbound, type MessageSink } from './inbound.ts';
import { Allowance, type ExcessAnswer, type RateLimit, type RateName } from './rate-limit.ts';

/** What a {@link MeteredInbound} speaks to. */
export interface MeterOwner extends MessageSink {
  /**
   * A frame came, or the next bytes of one.
   *
   * @param isMessage - whether of a message, and not a control frame
   * @returns when, by the clock
   */
  onFrame(isMessage: boolean): number;
  /** More comes than `rateLimit` lets in. Answers what becomes of this message, or control frame. */
  onExcess(rate: RateName): ExcessAnswer;
}

/** Whether a connection with these options needs one. */
export function isMetered(options: ConnectionOptions): boolean {
  return options.idleTimeout > 0 || (options.rateLimit ?? null) !== null;
}

/**
 * A fragment of fewer bytes, neither the first nor the last of its message, counts as a message: each
 * costs what a message does, and who sends large messages in large fragments sends none of these.
 */
const SMALL_FRAGMENT = 1024;

export class MeteredInbound extends Inbound {
  readonly #owner: MeterOwner;
  readonly #limit: RateLimit | null;
  readonly #isMasked: boolean;
  #ofMessages: Allowance | null = null;
  #ofControls: Allowance | null = null;
  /** Messages and control frames that were dropped. */
  #ignored = 0;
  /** Pings of ours whose Pongs did not come. */
  #awaited = 0;

  /** Whether the frame is one of a message, and whether no byte of its payload has come yet. */
  #isMessage = false;
  #isNew = false;
  /** A message is under way, of which there will be more frames. */
  #isWithin = false;
  /** The frame is dropped, and the message that is under way is. */
  #dropsFrame = false;
  #dropsMessage = false;
  /** A message is inflated, and given to nobody: those behind it refer to it. */
  #isMute = false;
  #muteSize = 0;

  /** @param isMasked - whether frames have a masking-key: on a server */
  constructor(
    owner: MeterOwner,
    options: ConnectionOptions,
    lendsTexts: boolean,
    isMasked: boolean,
  ) {
    super(owner, options, lendsTexts);
    this.#owner = owner;
    this.#limit = options.rateLimit ?? null;
    this.#isMasked = isMasked;
  }

  override get ignored(): number {
    return this.#ignored;
  }

  /** A new one would have a full allowance. */
  override get isBetweenMessages(): boolean {
    return this.#limit === null && super.isBetweenMessages;
  }

  override expectPong(): void {
    this.#awaited++;
  }

  override onWhole(
    opcode: number,
    source: Buffer,
    start: number,
    end: number,
    ascii: boolean,
  ): void {
    this.onHead(opcode, true, false, end - start);
    if (!this.#dropsFrame) super.onPayload(source, start, end, 0, ascii);
  }

  override onHead(opcode: number, fin: boolean, rsv1: boolean, length: number): void {
    this.#isMessage = !isControl(opcode);
    this.#isNew = true;
    const now = this.#owner.onFrame(this.#isMessage);
    if (this.#limit !== null) {
      const size = headerSize(length, this.#isMasked) + length;
      this.#dropsFrame = this.#isMessage
        ? !this.admitsData(this.#limit, opcode, fin, rsv1, size, now)
        : !this.admitsControl(this.#limit, opcode, size, now);
      if (this.#dropsFrame) return;
    }
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
    if (!this.#dropsFrame) super.onPayload(source, start, end, remaining, ascii);
  }

  private admitsData(
    limit: RateLimit,
    opcode: number,
    fin: boolean,
    rsv1: boolean,
    size: number,
    now: number,
  ): boolean {
    const allowance = (this.#ofMessages ??= new Allowance(limit, now));
    if (opcode === OPCODE.CONTINUATION || this.#isWithin) {
      // One that begins inside another is refused below, unless nobody there knows of that other.
      if (this.#dropsMessage && opcode !== OPCODE.CONTINUATION) {
        throw violation('CONTINUATION_EXPECTED');
      }
      this.#isWithin = !fin;
      const isDropped = this.#dropsMessage;
      if (fin) this.#dropsMessage = false;
      if (!isDropped && !this.#isMute) allowance.spend(!fin && size < SMALL_FRAGMENT ? 1 : 0, size);
      return !isDropped;
    }
    const admits = this.admits(allowance, size, now);
    this.#isWithin = !fin;
    if (!admits && rsv1) {
      this.#isMute = true;
      return true;
    }
    this.#dropsMessage = !admits && !fin;
    return admits;
  }

  private admitsControl(limit: RateLimit, opcode: number, size: number, now: number): boolean {
    if (opcode === OPCODE.CLOSE) return true;
    // Who answers us does what it must (section 5.5.2).
    if (opcode === OPCODE.PONG && this.#awaited > 0) {
      this.#awaited--;
      return true;
    }
    return this.admits((this.#ofControls ??= new Allowance(limit, now)), size, now);
  }

  private admits(allowance: Allowance, size: number, now: number): boolean {
    const rate = allowance.exceeded(now);
    if (rate !== null) {
      const answer = this.#owner.onExcess(rate);
      if (answer === 'close') throw violation('SENDS_TOO_FAST');
      if (answer === 'drop') {
        this.#ignored++;
        return false;
      }
    }
    allowance.spend(1, size);
    return true;
  }

  override get inflatedRoom(): number {
    return super.inflatedRoom - this.#muteSize;
  }

  override onInflated(source: Buffer, start: number, end: number, last: boolean): void {
    if (!this.#isMute) {
      super.onInflated(source, start, end, last);
      return;
    }
    // It is a bomb all the same.
    if (end - start > this.inflatedRoom) throw violation('MESSAGE_TOO_BIG');
    this.#muteSize += end - start;
    if (!last) return;
    this.#isMute = false;
    this.#muteSize = 0;
    this.release();
  }
}
