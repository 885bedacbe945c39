/**
 * Which bytes are decoded now, and which wait. A connection may be told not to deliver messages,
 * or may have to stop reading because its replies cannot be written, or because others come first, in
 * the middle of a chunk: then the rest of the chunk is held here, and the transport is asked to hold
 * back the others.
 *
 * Decoding never enters itself: bytes that come while a chunk is being decoded wait their turn.
 *
 * @module
 */

import type { Share } from './share.ts';
import type { Transport } from './transport.ts';

/** What an {@link Intake} speaks to. */
export interface IntakeOwner {
  /** Decodes `chunk` from `from` on. Returns where it stopped: at the end, or where it was told. */
  decode(chunk: Buffer, from: number): number;
  /** Decoding stops behind the current call of the sink, or may go on. */
  onHold(holding: boolean): void;
  /** A chunk is done: what was sent meanwhile may leave. */
  onTurnEnd(): void;
  /** All that can be decoded now is decoded. */
  onIdle(): void;
  /** The transport has ended, and all that came before its end is decoded. */
  onEnd(): void;
  /** All others have had their turn: calls {@link Intake.endRest}. */
  onRested(): void;
}

const NO_BYTES: Buffer = Buffer.alloc(0);

const tellRested = (owner: IntakeOwner): void => owner.onRested();

export class Intake {
  readonly #owner: IntakeOwner;
  readonly #transport: Transport;
  readonly #share: Share;

  /** Bytes that came and were not decoded yet: from `#heldAt` on. */
  #held: Buffer = NO_BYTES;
  #heldAt = 0;
  /** What stands behind them: put together when it is decoded, since there may be thousands of it. */
  #behind: Buffer[] | null = null;
  /** The transport ended, behind the bytes that are held. */
  #ended = false;
  #stopped = false;
  #inTurn = false;

  /** The application does not want to be given messages. */
  #paused = false;
  /** Replies cannot be written, so nothing is read that would bring about more of them. */
  #congested = false;
  /** What was decoded is worked at elsewhere, and what follows comes behind it. */
  #busy = false;
  /** So much was done for this peer that others come first. */
  #resting = false;
  /** Nothing more will come: what is held is decoded without a rest. */
  #finishes = false;
  /** Gives it out, when it is done and may be given. */
  #give: (() => void) | null = null;

  /** @param share - of the connection, which keeps it for longer than this */
  constructor(owner: IntakeOwner, transport: Transport, share: Share) {
    this.#owner = owner;
    this.#transport = transport;
    this.#share = share;
  }

  /** A chunk is being decoded, further up the stack. */
  get isInTurn(): boolean {
    return this.#inTurn;
  }

  /** Nothing is read at the moment. */
  get isHolding(): boolean {
    return this.#paused || this.#congested || this.#busy || this.#resting;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  get isCongested(): boolean {
    return this.#congested;
  }

  /** Others come first at the moment. */
  get isResting(): boolean {
    return this.#resting;
  }

  /** Whether it holds no bytes, nothing holds it back, and nothing has ended it. */
  get isForgettable(): boolean {
    const isOver = this.#ended || this.#stopped;
    return this.#held === NO_BYTES && !isOver && !this.#inTurn && !this.isHolding;
  }

  /** Takes bytes off the wire. */
  take(chunk: Buffer): void {
    if (this.#stopped || chunk.length === 0) return;
    this.holdBehind(chunk);
    this.decodeHeld();
  }

  /** The transport has ended: `onEnd` is called when the bytes before its end are decoded. */
  end(): void {
    this.#ended = true;
    this.decodeHeld();
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    this.apply();
  }

  congest(congested: boolean): void {
    this.#congested = congested;
    this.apply();
  }

  /** Decodes nothing until {@link goOn}. */
  wait(): void {
    this.#busy = true;
    this.apply();
  }

  /**
   * What was worked at elsewhere is done.
   *
   * @param give - gives it out, now or when nothing holds it back: as a part of the turn that begins
   */
  goOn(give: () => void): void {
    if (this.#stopped) return;
    this.#give = give;
    this.apply();
  }

  /** The share is spent: decodes nothing until all others had their turn. */
  rest(): void {
    if (this.#resting || this.#stopped || this.#finishes) return;
    this.#resting = true;
    this.#share.rest();
    // Not unreferenced: a transport that is paused keeps no process alive.
    setImmediate(tellRested, this.#owner);
    this.apply();
  }

  /** All others have had their turn. */
  endRest(): void {
    this.#share.renew();
    if (!this.#resting) return;
    this.#resting = false;
    if (this.isHolding || this.#held === NO_BYTES) {
      this.apply();
      return;
    }
    // The transport goes on when what is held is decoded, which may take many rests.
    this.#owner.onHold(false);
    this.decodeHeld();
    if (!this.isHolding && !this.#stopped) this.#transport.resume();
  }

  /** The transport is gone. Others wait for what it had brought, which is a chunk or two. */
  finish(): void {
    this.#finishes = true;
    if (!this.#resting) return;
    this.#resting = false;
    this.apply();
  }

  /** Reads on, where the application or its replies were the reason not to. */
  release(): void {
    this.#paused = false;
    this.#congested = false;
    this.apply();
  }

  /**
   * Decodes nothing any more. What still comes is read and dropped: unread bytes would turn the
   * end of the transport into a reset.
   */
  stop(): void {
    this.#stopped = true;
    this.#held = NO_BYTES;
    this.#behind = null;
    this.#paused = false;
    this.#congested = false;
    this.#busy = false;
    this.#resting = false;
    this.#give = null;
    this.#owner.onHold(true);
    this.#transport.resume();
  }

  /** Brings the decoder and the transport in line with what may be read. */
  private apply(): void {
    if (this.#stopped) return;
    if (this.#give !== null && !this.#paused && !this.#congested && !this.#resting) {
      this.giveOut(this.#give);
      if (this.#stopped) return;
    }
    this.#owner.onHold(this.isHolding);
    if (this.isHolding) {
      this.#transport.pause();
      return;
    }
    this.#transport.resume();
    this.decodeHeld();
  }

  private giveOut(give: () => void): void {
    this.#give = null;
    this.#busy = false;
    this.#inTurn = true;
    try {
      give();
      this.#owner.onTurnEnd();
    } finally {
      this.#inTurn = false;
    }
    // What was sent at the end of the turn has nobody else to send it.
    this.#owner.onIdle();
  }

  private decodeHeld(): void {
    if (this.#inTurn) return;
    this.#inTurn = true;
    try {
      while (this.#held !== NO_BYTES && !this.isHolding) {
        this.decodeOnce();
        this.#owner.onTurnEnd();
      }
    } finally {
      this.#inTurn = false;
    }
    this.#owner.onIdle();
    if (!this.#ended || this.#busy || this.#held !== NO_BYTES) return;
    this.#ended = false;
    this.#owner.onEnd();
  }

  private decodeOnce(): void {
    if (this.#behind !== null) this.join(this.#behind);
    const chunk = this.#held;
    const from = this.#heldAt;
    this.#held = NO_BYTES;
    this.#share.begin(chunk.length - from);
    const at = this.#owner.decode(chunk, from);
    if (this.#share.end()) this.rest();
    if (at === chunk.length || this.#stopped) return;
    // Decoding was stopped inside the chunk. What came meanwhile stands behind the rest.
    if (this.#held !== NO_BYTES) this.#behind = [this.#held, ...(this.#behind ?? [])];
    this.#held = chunk;
    this.#heldAt = at;
  }

  private holdBehind(chunk: Buffer): void {
    if (this.#held !== NO_BYTES) {
      (this.#behind ??= []).push(chunk);
      return;
    }
    this.#held = chunk;
    this.#heldAt = 0;
  }

  private join(behind: Buffer[]): void {
    this.#behind = null;
    this.#held = Buffer.concat([this.#held.subarray(this.#heldAt), ...behind]);
    this.#heldAt = 0;
  }
}
