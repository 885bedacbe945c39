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

import { FIN, MAX_HEADER_SIZE } from '../frame/header.ts';
import { type MessageOpcode, OPCODE } from '../frame/opcode.ts';
import { Fifo } from './fifo.ts';
import { FrameWriter } from './frame-writer.ts';
import type { Transport } from './transport.ts';

/** What happens to a message for which `maxBackpressure` has no room. */
export type BackpressurePolicy =
  /** The connection is failed with 1013. */
  | 'close'
  /** The message is dropped. */
  | 'drop'
  /** It waits, and the message that waited before it is dropped. */
  | 'latest';

export interface OutboundLimits {
  /**
   * Bytes that may wait before `send` answers false. Those that the transport has taken without
   * asking for a pause do not count. Default: 64 KiB.
   */
  readonly highWaterMark: number;
  /**
   * Bytes that may wait at all, one message of any size excepted; counted as for
   * `highWaterMark`. Default: 4 MiB.
   */
  readonly maxBackpressure: number;
  /** Default: `'close'`. */
  readonly backpressurePolicy: BackpressurePolicy;
}

/** What became of a message. */
export const SENT = 0;
export const DROPPED = 1;
/** There is no room, and the policy is to close. */
export const OVERFLOW = 2;
export type SendResult = typeof SENT | typeof DROPPED | typeof OVERFLOW;

/** Automatic Pongs that may wait for the network before only the newest is kept. */
const MAX_PENDING_PONGS = 16;

interface Message {
  readonly opcode: MessageOpcode;
  readonly data: string | Uint8Array;
  readonly size: number;
}

/**
 * Called when all that was sent before is in frames, and no other message is under way: with
 * false where that will never be.
 */
export type Turn = (granted: boolean) => void;

export class Outbound {
  readonly #writer: FrameWriter;
  readonly #limits: OutboundLimits;

  /** Who was told that there is no room: for messages, or for the fragments of one. */
  #messagesWait = false;
  #fragmentsWait = false;

  /** A message is being sent as fragments: others wait, since they must not interleave. */
  #inMessage = false;
  /** Whether the next fragment is the first one of its message. */
  #isFirstFragment = true;
  #waiting: Fifo<Message | Turn> | null = null;
  #waitingSize = 0;
  /** The message that policy `'latest'` keeps. */
  #latest: Message | null = null;
  #dropped = 0;

  #pendingPongs = 0;
  /** The newest Ping payload that could not be answered yet. */
  #unansweredPing: Buffer | null = null;

  /**
   * @param mayOverwrite - whether the transport is done with bytes as soon as its `writableLength`
   *   is 0, so that the memory of frames can be used again
   */
  constructor(
    masked: boolean,
    transport: Transport,
    limits: OutboundLimits,
    mayOverwrite: boolean,
  ) {
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
    return this.#writer.pendingSize + this.#waitingSize + latest;
  }

  /** Messages that were dropped for want of room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** All bytes that the network has taken so far. */
  get takenSize(): number {
    return this.#writer.takenSize;
  }

  /** Whether there is something to do for {@link flush}. */
  get isPending(): boolean {
    return (
      this.#writer.pendingSize > 0 ||
      (!this.#writer.isBlocked && (this.areMessagesDue() || this.areFragmentsDue()))
    );
  }

  /** Bytes that the network has not taken yet. */
  get unsentSize(): number {
    return this.#writer.unsentSize;
  }

  /** Whether the transport holds more than the high-water mark, and will say when it drains. */
  get isBlocked(): boolean {
    return this.#writer.isBlocked && this.#writer.unsentSize > this.#limits.highWaterMark;
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
    if (this.framedSize + this.#waitingSize <= this.#limits.maxBackpressure) return true;
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

  /** Sends a whole message, or lets the policy decide where there is no room for it. */
  sendMessage(opcode: MessageOpcode, data: string | Uint8Array): SendResult {
    if (!this.makesRoom(data, true)) return this.refuseMessage(opcode, data);
    // What was kept is older, and there is something newer now.
    if (this.#latest !== null) this.dropLatest();
    if (this.mustWait) this.wait(opcode, data);
    else this.#writer.frame(FIN | opcode, data);
    return SENT;
  }

  /**
   * Sends a message whose frame was made before, for many connections. Unmasked, as a frame of a
   * server is; so a client makes one of its own (section 5.3).
   *
   * @param frame - the whole frame of `data`; it must never change
   */
  sendPrepared(opcode: MessageOpcode, data: Uint8Array, frame: Uint8Array): SendResult {
    if (this.#writer.isMasked || this.mustWait) return this.sendMessage(opcode, data);
    if (!this.makesRoom(data, true)) return this.refuseMessage(opcode, data);
    if (this.#latest !== null) this.dropLatest();
    this.#writer.append(frame);
    return SENT;
  }

  /**
   * Asks for the turn to send a message as fragments, or to do what has to come behind all that
   * was sent so far. Where nothing is under way, it comes at once.
   */
  takeTurn(turn: Turn): void {
    if (this.mustWait) (this.#waiting ??= new Fifo()).push(turn);
    else turn(true);
  }

  /** Begins a message of fragments before the first of them is known: what is sent now waits. */
  beginMessage(): void {
    this.#inMessage = true;
    this.#isFirstFragment = true;
  }

  /**
   * Sends a fragment: the first with the opcode of the message, the others as continuations. A
   * fragment that finds no room is never dropped alone: that would tear its message. What waits
   * for the end of the message takes no room from it.
   */
  sendFragment(opcode: MessageOpcode, data: string | Uint8Array, fin: boolean): SendResult {
    if (!this.makesRoom(data, false)) return OVERFLOW;
    const first = this.#isFirstFragment ? opcode : OPCODE.CONTINUATION;
    this.#inMessage = !fin;
    this.#isFirstFragment = fin;
    this.#writer.frame(fin ? FIN | first : first, data);
    if (fin) this.releaseWaiting();
    return SENT;
  }

  /** Sends a control frame, between the fragments of a message if need be (section 5.4). */
  sendControl(opcode: number, payload: Uint8Array): void {
    this.#writer.frame(FIN | opcode, payload);
  }

  /**
   * Answers a Ping. "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in
   * response to previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only the
   * most recently processed Ping frame" (section 5.5.3): so it is done when the network takes
   * nothing and enough Pongs wait.
   */
  sendPong(source: Buffer, start: number, end: number): void {
    if (this.#writer.isBlocked && ++this.#pendingPongs > MAX_PENDING_PONGS) {
      this.#unansweredPing = Buffer.from(source.subarray(start, end));
      return;
    }
    this.#writer.frame(FIN | OPCODE.PONG, source.subarray(start, end));
  }

  /** No more messages will be sent: forgets those that wait for their turn. */
  endMessages(): void {
    const waiting = this.#waiting?.takeAll() ?? [];
    this.#waiting = null;
    this.#waitingSize = 0;
    if (this.#latest !== null) this.dropLatest();
    for (const next of waiting) {
      if (typeof next === 'function') next(false);
      else this.#dropped++;
    }
  }

  /** Nothing at all will be sent but what is in frames already, and a Close. */
  end(): void {
    this.endMessages();
    this.#unansweredPing = null;
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
    this.#pendingPongs = 0;
    const ping = this.#unansweredPing;
    this.#unansweredPing = null;
    if (ping !== null) this.#writer.frame(FIN | OPCODE.PONG, ping);
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
    const buffered = behindWaiting ? this.framedSize + this.#waitingSize : this.framedSize;
    // A single message fits, whatever its size.
    if (buffered === 0) return true;
    const room = this.#limits.maxBackpressure - buffered - MAX_HEADER_SIZE;
    if (typeof data !== 'string') return data.length <= room;
    // Measuring a text is dear, and nearly never needed.
    return data.length * 3 <= room || Buffer.byteLength(data) <= room;
  }

  private refuseMessage(opcode: MessageOpcode, data: string | Uint8Array): SendResult {
    const policy = this.#limits.backpressurePolicy;
    if (policy === 'close') return OVERFLOW;
    this.#messagesWait = true;
    if (policy === 'drop') {
      this.#dropped++;
      return DROPPED;
    }
    if (this.#latest !== null) this.dropLatest();
    this.#latest = keepMessage(opcode, data);
    return SENT;
  }

  private dropLatest(): void {
    this.#latest = null;
    this.#dropped++;
  }

  /** Sends the message that policy `'latest'` kept, where there is room for it by now. */
  private sendLatest(): void {
    const latest = this.#latest;
    if (latest === null || this.mustWait || !this.fits(latest.data, true)) return;
    this.#latest = null;
    this.#writer.frame(FIN | latest.opcode, latest.data);
    if (this.#writer.pendingSize > 0) this.#writer.write();
  }

  private wait(opcode: MessageOpcode, data: string | Uint8Array): void {
    const message = keepMessage(opcode, data);
    (this.#waiting ??= new Fifo()).push(message);
    this.#waitingSize += message.size;
  }

  /**
   * A fragmented message has ended: those that waited for it go now, in their order, up to the
   * next one that is sent as fragments.
   */
  private releaseWaiting(): void {
    // What is sent meanwhile is newer, and goes behind what waits.
    while (this.#waiting !== null && !this.#inMessage) {
      const next = this.#waiting.shift();
      if (next === undefined) {
        this.#waiting = null;
      } else if (typeof next === 'function') {
        next(true);
      } else {
        this.#waitingSize -= next.size;
        this.#writer.frame(FIN | next.opcode, next.data);
      }
    }
  }

  /** Whether a message is under way, or others wait for their turn. */
  get mustWait(): boolean {
    return this.#inMessage || this.#waiting !== null;
  }
}

/** Keeps a message for later, with bytes that nobody else can change. */
function keepMessage(opcode: MessageOpcode, data: string | Uint8Array): Message {
  const kept = typeof data === 'string' ? data : Buffer.from(data);
  const size = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
  return { opcode, data: kept, size: size + MAX_HEADER_SIZE };
}
