/**
 * Messages to frames: RFC 6455, sections 5.4 and 6.1.
 *
 * Knows how a message becomes frames, which messages wait for their turn, and how many bytes may
 * wait; does not know whether the connection is open. Frames are collected and leave by
 * {@link Outbound.flush}, which the connection calls at the end of a chunk, and its owner at the
 * end of a turn.
 *
 * @module
 */

import { FIN, MAX_HEADER_SIZE, RSV1 } from '../frame/header.ts';
import { type MessageOpcode, OPCODE } from '../frame/opcode.ts';
import { type Deflating, LATER } from './deflating.ts';
import { FrameWriter } from './frame-writer.ts';
import type { OutboundLimits } from './outbound-limits.ts';
import { Pongs } from './pongs.ts';
import type { PreparedMessage } from './prepared.ts';
import type { Transport } from './transport.ts';
import { type Turn, Waiting, type WaitingMessage, keepMessage, sizeOf } from './waiting.ts';

/** What became of a message. */
export const SENT = 0;
export const DROPPED = 1;
/** There is no room, and the policy is to close. */
export const OVERFLOW = 2;
export type SendResult = typeof SENT | typeof DROPPED | typeof OVERFLOW;

export class Outbound {
  readonly #writer: FrameWriter;
  readonly #limits: OutboundLimits;
  readonly #deflating: Deflating | null;

  /** Who was told that there is no room: for messages, or for the fragments of one. */
  #messagesWait = false;
  #fragmentsWait = false;

  /** A message is being sent as fragments: others wait, since they must not interleave. */
  #inMessage = false;
  /** Whether the next fragment is the first one of its message. */
  #isFirstFragment = true;
  #compressesFragments = false;
  /** The size of a message that is compressed elsewhere: what is sent meanwhile waits. */
  #deflatingSize = 0;
  #isDeflating = false;
  /** No message is sent any more: what is compressed elsewhere comes too late. */
  #isOver = false;
  #waiting: Waiting | null = null;
  /** The message that policy `'latest'` keeps. */
  #latest: WaitingMessage | null = null;
  #dropped = 0;

  /** Made when the first Ping comes. */
  #pongs: Pongs | null = null;

  /**
   * @param mayOverwrite - whether the transport is done with bytes as soon as its `writableLength`
   *   is 0, so that the memory of frames can be used again
   * @param deflating - where permessage-deflate was negotiated
   */
  constructor(
    masked: boolean,
    transport: Transport,
    limits: OutboundLimits,
    mayOverwrite: boolean,
    deflating: Deflating | null = null,
  ) {
    this.#deflating = deflating;
    this.#writer = new FrameWriter(masked, transport, mayOverwrite);
    this.#limits = limits;
  }

  /** Bytes that wait, here and in the transport. */
  get bufferedAmount(): number {
    return this.heldSize + this.#writer.unsentSize;
  }

  /** Bytes that the transport was not given yet. */
  private get heldSize(): number {
    const latest = this.#latest === null ? 0 : this.#latest.size;
    return this.#writer.pendingSize + this.waitingSize + latest;
  }

  /** Bytes of messages that wait for the end of another, and of one that is compressed elsewhere. */
  private get waitingSize(): number {
    return (this.#waiting?.size ?? 0) + this.#deflatingSize;
  }

  /** Messages that were dropped for want of room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** All bytes that the network has taken so far. */
  get takenSize(): number {
    return this.#writer.takenSize;
  }

  /** Whether all is sent, nobody waits and nothing was counted: a new one would go on just as well. */
  get isForgettable(): boolean {
    const isUsed = this.mustWait || this.#latest !== null || this.#dropped > 0 || this.#isOver;
    const isWaitedFor = this.#messagesWait || this.#fragmentsWait;
    return this.#deflating === null && this.#writer.isIdle && !isUsed && !isWaitedFor;
  }

  /** Whether there is something to do for {@link flush}. */
  get isPending(): boolean {
    return (
      this.#writer.pendingSize > 0 ||
      (!this.#writer.isBlocked &&
        (this.areMessagesDue() || this.areFragmentsDue() || this.isLatestDue()))
    );
  }

  /**
   * Whether more than the high-water mark waits for the transport, which will say when it drains, or
   * for a message that is compressed elsewhere; or enough was compressed in this turn.
   */
  get isBlocked(): boolean {
    if (this.#deflating?.isResting === true) return true;
    if (!this.#writer.isBlocked && !this.#isDeflating) return false;
    const { highWaterMark } = this.#limits;
    if (this.#isDeflating && this.waitingSize > highWaterMark) return true;
    return this.#writer.isBlocked && this.#writer.unsentSize > highWaterMark;
  }

  /** Whether there is still room below the high-water mark. Remembers who was told no. */
  hasRoom(): boolean {
    if (this.isBelowHighWaterMark()) return true;
    this.#messagesWait = true;
    return false;
  }

  /**
   * The same for the fragments of a message that is being sent: what waits for its end must not
   * keep it from ending.
   */
  hasFragmentRoom(size: number): boolean {
    const { framedSize } = this;
    const { highWaterMark, maxBackpressure } = this.#limits;
    const fits = framedSize === 0 || framedSize + size + MAX_HEADER_SIZE <= maxBackpressure;
    if (fits && framedSize <= highWaterMark) return true;
    this.#fragmentsWait = true;
    return false;
  }

  /** Whether a control frame of ours has room: one that waits behind too much is none. */
  hasControlRoom(): boolean {
    if (this.framedSize + this.waitingSize <= this.#limits.maxBackpressure) return true;
    this.#messagesWait = true;
    return false;
  }

  private areMessagesDue(): boolean {
    return this.#messagesWait && this.isBelowHighWaterMark();
  }

  private areFragmentsDue(): boolean {
    return this.#fragmentsWait && this.framedSize <= this.#limits.highWaterMark;
  }

  /** Bytes of frames that were not taken yet. */
  private get framedSize(): number {
    return this.#writer.pendingSize + this.blockedSize;
  }

  private isBelowHighWaterMark(): boolean {
    return this.heldSize + this.blockedSize <= this.#limits.highWaterMark;
  }

  /**
   * What a transport holds that has asked for a pause. What it took without asking does not count
   * for any limit: it would not tell when that is gone, so nobody could be told to go on.
   */
  private get blockedSize(): number {
    return this.#writer.isBlocked ? this.#writer.unsentSize : 0;
  }

  /**
   * Sends a whole message where nothing is in its way, and there is still room behind it: what nearly
   * every message meets, asked at once. The rest of this class is for the others.
   *
   * @returns false where it did nothing
   */
  sendAtOnce(opcode: MessageOpcode, data: string | Uint8Array): boolean {
    if (!this.isFree(typeof data === 'string' ? 3 * data.length : data.length)) return false;
    this.#writer.frame(FIN | opcode, data);
    return true;
  }

  /** The same for a message whose frame was made before. */
  sendPreparedAtOnce(message: PreparedMessage): boolean {
    if (this.#writer.isMasked || !this.isFree(message.data.length)) return false;
    this.appendPrepared(message, message.frame);
    return true;
  }

  /** Whether that is still so behind it: the writer may have written, to a transport that was stuck. */
  hasRoomBehind(): boolean {
    return !this.#writer.isBlocked || this.hasRoom();
  }

  private isFree(size: number): boolean {
    const writer = this.#writer;
    if (writer.isBlocked || this.#latest !== null || this.#deflating !== null) return false;
    if (this.#inMessage || this.#waiting !== null) return false;
    const buffered = writer.pendingSize + size + MAX_HEADER_SIZE;
    return buffered <= this.#limits.highWaterMark && buffered <= this.#limits.maxBackpressure;
  }

  /**
   * Sends a whole message, or lets the policy decide where there is no room for it.
   *
   * @param compress - whether it may be compressed, where that was negotiated
   */
  sendMessage(
    opcode: MessageOpcode,
    data: string | Uint8Array,
    compress: boolean = true,
  ): SendResult {
    if (!this.makesRoom(data, true)) return this.refuseMessage(opcode, data, compress, null);
    // What was kept is older, and there is something newer now.
    if (this.#latest !== null) this.dropLatest();
    if (this.mustWait) this.wait(keepMessage(opcode, data, compress, null));
    else this.frameMessage(opcode, data, compress);
    return SENT;
  }

  /**
   * Sends a message whose frame was made before, for many connections. Unmasked, as a frame of a
   * server is; so a client makes one of its own (section 5.3).
   *
   * @param compress - as for {@link sendMessage}: once for all connections of a kind
   */
  sendPrepared(message: PreparedMessage, compress: boolean = true): SendResult {
    const { opcode, data } = message;
    if (this.#writer.isMasked) return this.sendMessage(opcode, data, compress);
    if (!this.makesRoom(data, true)) return this.refuseMessage(opcode, data, compress, message);
    if (this.#latest !== null) this.dropLatest();
    if (this.mustWait) this.wait(keepMessage(opcode, data, compress, message));
    else this.framePrepared(message, compress);
    return SENT;
  }

  private framePrepared(message: PreparedMessage, compress: boolean): void {
    const deflating = compress ? this.#deflating : null;
    const frame = deflating?.frameOf(message, (bytes) => {
      if (this.endDeflating()) this.#writer.append(bytes);
      this.releaseWaiting();
    });
    if (frame === LATER) this.beginDeflating(message.data);
    else this.appendPrepared(message, frame ?? message.frame);
  }

  private appendPrepared(message: PreparedMessage, frame: Uint8Array): void {
    const { page, pageStart: start } = message;
    if (page === null || frame !== message.frame) this.#writer.append(frame);
    else this.#writer.appendShared(page, start, start + frame.length);
  }

  /** Frames a message now, or when it was compressed elsewhere: then the next ones wait. */
  private frameMessage(opcode: MessageOpcode, data: string | Uint8Array, compress: boolean): void {
    const deflating = compress ? this.#deflating : null;
    if (deflating === null) {
      this.#writer.frame(FIN | opcode, data);
      return;
    }
    const payload = deflating.payloadOf(data, (bytes) => {
      if (this.endDeflating()) this.#writer.frame(FIN | RSV1 | opcode, bytes);
      this.releaseWaiting();
    });
    if (payload === LATER) this.beginDeflating(data);
    else if (payload === null) this.#writer.frame(FIN | opcode, data);
    else this.#writer.frame(FIN | RSV1 | opcode, payload);
  }

  private frameKept({ opcode, data, compress, prepared }: WaitingMessage): void {
    if (prepared === null) this.frameMessage(opcode, data, compress);
    else this.framePrepared(prepared, compress);
  }

  private beginDeflating(data: string | Uint8Array): void {
    // It has failed, or will come too late: nobody waits for it.
    if (this.#isOver) return;
    this.#isDeflating = true;
    this.#deflatingSize = sizeOf(data);
  }

  /** Answers whether it may still be sent. */
  private endDeflating(): boolean {
    if (this.#isOver) return false;
    this.#isDeflating = false;
    this.#deflatingSize = 0;
    return true;
  }

  /**
   * Asks for the turn to send a message as fragments, or to do what has to come behind all that
   * was sent so far. Where nothing is under way, it comes at once.
   */
  takeTurn(turn: Turn): void {
    if (this.mustWait) (this.#waiting ??= new Waiting()).push(turn);
    else turn(true);
  }

  /**
   * Begins a message of fragments before the first of them is known: what is sent now waits.
   *
   * @param compress - whether its fragments are compressed, where that was negotiated
   */
  beginMessage(compress: boolean = true): void {
    this.#inMessage = true;
    this.#isFirstFragment = true;
    this.#compressesFragments = compress && (this.#deflating?.compressesFragments ?? false);
  }

  /**
   * Sends a fragment: the first with the opcode of the message, the others as continuations. A
   * fragment that finds no room is never dropped alone: that would tear its message. What waits
   * for the end of the message takes no room from it.
   */
  sendFragment(opcode: MessageOpcode, data: string | Uint8Array, fin: boolean): SendResult {
    if (!this.makesRoom(data, false)) return OVERFLOW;
    // Who has not asked for a turn is not torn apart by it either.
    if (!this.#isDeflating) return this.frameFragment(opcode, data, fin) ? SENT : DROPPED;
    (this.#waiting ??= new Waiting()).pushFragment(opcode, data, fin);
    return SENT;
  }

  private frameFragment(opcode: MessageOpcode, data: string | Uint8Array, fin: boolean): boolean {
    // Nobody reads it any more, or zlib has failed at a fragment before.
    if (this.#isOver) return false;
    // RFC 7692, section 6.1: RSV1 stands on the first frame of a message alone.
    const rsv1 = this.#compressesFragments ? RSV1 : 0;
    const first = this.#isFirstFragment ? opcode | rsv1 : OPCODE.CONTINUATION;
    const payload = rsv1 === 0 ? data : this.#deflating!.partOf(data, fin);
    if (payload === null) return false;
    this.#inMessage = !fin;
    this.#isFirstFragment = fin;
    if (fin) this.#compressesFragments = false;
    this.#writer.frame(fin ? FIN | first : first, payload);
    if (fin) this.releaseWaiting();
    return true;
  }

  /** Sends a control frame, between the fragments of a message if need be (section 5.4). */
  sendControl(opcode: number, payload: Uint8Array): void {
    this.#writer.frame(FIN | opcode, payload);
  }

  /** Answers a Ping. */
  sendPong(source: Buffer, start: number, end: number): void {
    (this.#pongs ??= new Pongs(this.#writer)).answer(source, start, end);
  }

  /** No more messages will be sent: forgets those that wait for their turn. */
  endMessages(): void {
    this.#isOver = true;
    const waiting = this.#waiting?.takeAll() ?? [];
    this.#waiting = null;
    this.#deflatingSize = 0;
    if (this.#isDeflating) this.#dropped++;
    this.#isDeflating = false;
    if (this.#latest !== null) this.dropLatest();
    for (const next of waiting) {
      if (typeof next === 'function') next(false);
      else this.#dropped++;
    }
  }

  /** Nothing at all will be sent but what is in frames already, and a Close. */
  end(): void {
    this.endMessages();
    this.#pongs?.end();
    this.#messagesWait = false;
    this.#fragmentsWait = false;
  }

  /** The transport is gone: forgets the frames too. */
  discard(): void {
    this.end();
    this.#writer.discard();
  }

  /**
   * Gives the transport all that waits, in one write where it lies together.
   *
   * @returns true when somebody who was told to wait need not any more
   */
  flush(): boolean {
    if (this.#writer.pendingSize > 0) this.#writer.write();
    if (this.#writer.isBlocked) return false;
    this.sendLatest();
    const messagesDue = this.areMessagesDue();
    const fragmentsDue = this.areFragmentsDue();
    if (messagesDue) this.#messagesWait = false;
    if (fragmentsDue) this.#fragmentsWait = false;
    return messagesDue || fragmentsDue;
  }

  /**
   * The transport has room again.
   *
   * @returns true when somebody who was told to wait need not any more
   */
  drain(): boolean {
    this.#writer.unblock();
    this.#pongs?.drain();
    return this.flush();
  }

  /**
   * Whether the frame of `data` has room, perhaps after what is pending went to the transport.
   *
   * @param behindWaiting - whether it goes behind the messages that wait for their turn
   */
  private makesRoom(data: string | Uint8Array, behindWaiting: boolean): boolean {
    if (this.fits(data, behindWaiting)) return true;
    if (this.#writer.pendingSize === 0) return false;
    this.#writer.write();
    return this.fits(data, behindWaiting);
  }

  private fits(data: string | Uint8Array, behindWaiting: boolean): boolean {
    // What `'latest'` keeps does not count: it gives way to anything newer.
    const buffered = behindWaiting ? this.framedSize + this.waitingSize : this.framedSize;
    // A single message fits, whatever its size.
    if (buffered === 0) return true;
    const room = this.#limits.maxBackpressure - buffered - MAX_HEADER_SIZE;
    if (typeof data !== 'string') return data.length <= room;
    // Measuring a text is dear, and nearly never needed.
    return data.length * 3 <= room || Buffer.byteLength(data) <= room;
  }

  private refuseMessage(
    opcode: MessageOpcode,
    data: string | Uint8Array,
    compress: boolean,
    prepared: PreparedMessage | null,
  ): SendResult {
    const policy = this.#limits.backpressurePolicy;
    if (policy === 'close') return OVERFLOW;
    this.#messagesWait = true;
    if (policy === 'drop') {
      this.#dropped++;
      return DROPPED;
    }
    if (this.#latest !== null) this.dropLatest();
    this.#latest = keepMessage(opcode, data, compress, prepared);
    return SENT;
  }

  private dropLatest(): void {
    this.#latest = null;
    this.#dropped++;
  }

  /** Whether there is room by now for the message that policy `'latest'` kept. */
  private isLatestDue(): boolean {
    return this.#latest !== null && !this.mustWait && this.fits(this.#latest.data, true);
  }

  private sendLatest(): void {
    const latest = this.#latest;
    if (latest === null || !this.isLatestDue()) return;
    this.#latest = null;
    this.frameKept(latest);
    if (this.#writer.pendingSize > 0) this.#writer.write();
  }

  private wait(message: WaitingMessage): void {
    (this.#waiting ??= new Waiting()).push(message);
  }

  /**
   * A message has ended that was sent as fragments, or compressed elsewhere: those that waited for it
   * go now, in their order, up to the next such one.
   */
  private releaseWaiting(): void {
    // What is sent meanwhile is newer, and goes behind what waits.
    while (this.#waiting !== null && !this.#inMessage && !this.#isDeflating) {
      const next = this.#waiting.shift();
      if (next === undefined) {
        this.#waiting = null;
      } else if (typeof next === 'function') {
        next(true);
      } else if ('parts' in next) {
        for (const [data, fin] of next.parts) this.frameFragment(next.opcode, data, fin);
      } else {
        this.frameKept(next);
      }
    }
  }

  /** Whether a message is under way, or others wait for their turn. */
  get mustWait(): boolean {
    return this.#inMessage || this.#isDeflating || this.#waiting !== null;
  }
}
