/**
 * Messages to frames, and frames to writes: RFC 6455, sections 5.4 and 6.1.
 *
 * Knows how a message becomes frames, which bytes wait, and how many of them may; does not know
 * whether the connection is open. Frames are collected and leave by {@link Outbound.flush}, which
 * the connection calls at the end of a chunk, and its owner at the end of a turn.
 *
 * @module
 */

import { FrameEncoder, maxTextFrameSize } from '../frame/encoder.ts';
import { FIN, MAX_HEADER_SIZE, headerSize, writeHeader } from '../frame/header.ts';
import { type MessageOpcode, OPCODE } from '../frame/opcode.ts';
import { type Slab, SLAB_SIZE, slabWithRoom } from './slab.ts';
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

/** A payload from this size on is cheaper to leave where it is than to copy. */
const COPY_BELOW = 16 * 1024;

/** From this many code units on, measuring a text is cheaper than leaving so much of a slab unused. */
const MEASURE_FROM = 1024;

/** Automatic Pongs that may wait for the network before only the newest is kept. */
const MAX_PENDING_PONGS = 16;

/** Bytes to write, and the slab that they lie in, where they do. */
interface Part {
  readonly bytes: Uint8Array;
  readonly slab: Slab | null;
}

interface Message {
  readonly opcode: MessageOpcode;
  readonly data: string | Uint8Array;
  readonly size: number;
}

export class Outbound {
  readonly #encoder: FrameEncoder;
  readonly #transport: Transport;
  readonly #limits: OutboundLimits;
  readonly #mayOverwrite: boolean;
  /** Inside a call of the transport, which may call back. */
  #writing = false;

  /** The run of bytes in a slab to which the next frame may be added. */
  #slab: Slab | null = null;
  #runStart = 0;
  #runEnd = 0;
  /** What goes before that run, in order; with the slab that a part lies in, where it does. */
  #parts: Part[] | null = null;
  #pendingSize = 0;

  /** All bytes that the transport was given. */
  #writtenSize = 0;

  /** The transport asked for a pause, and has not drained since. */
  #blocked = false;
  #someoneWaitsForDrain = false;

  /** A message is being sent as fragments: others wait, since they must not interleave. */
  #inMessage = false;
  #waiting: Message[] | null = null;
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
    this.#encoder = new FrameEncoder(masked);
    this.#transport = transport;
    this.#limits = limits;
    this.#mayOverwrite = mayOverwrite;
  }

  /** Bytes that wait, here and in the transport. */
  get bufferedAmount(): number {
    return this.heldSize + this.#transport.writableLength;
  }

  /** Bytes that the transport was not given yet. */
  private get heldSize(): number {
    const latest = this.#latest === null ? 0 : this.#latest.size;
    return this.#pendingSize + this.#waitingSize + latest;
  }

  /** Messages that were dropped for want of room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** All bytes that the network has taken so far. */
  get takenSize(): number {
    return this.#writtenSize - this.#transport.writableLength;
  }

  /** Whether anything waits for {@link flush}. */
  get isPending(): boolean {
    return this.#pendingSize > 0;
  }

  /** Bytes that the network has not taken yet. */
  get unsentSize(): number {
    return this.#transport.writableLength;
  }

  /** Whether the transport holds more than the high-water mark, and will say when it drains. */
  get isBlocked(): boolean {
    return this.#blocked && this.#transport.writableLength > this.#limits.highWaterMark;
  }

  /** Whether there is still room below the high-water mark. Remembers who was told no. */
  hasRoom(): boolean {
    if (this.isBelowHighWaterMark()) return true;
    this.#someoneWaitsForDrain = true;
    return false;
  }

  private isBelowHighWaterMark(): boolean {
    return this.heldSize + this.blockedSize <= this.#limits.highWaterMark;
  }

  /**
   * What a transport holds that has asked for a pause. What it took without asking does not count
   * for any limit: it would not tell when that is gone, so nobody could be told to go on.
   */
  private get blockedSize(): number {
    return this.#blocked ? this.#transport.writableLength : 0;
  }

  /** Sends a whole message, or lets the policy decide where there is no room for it. */
  sendMessage(opcode: MessageOpcode, data: string | Uint8Array): SendResult {
    if (!this.makesRoom(data, true)) return this.refuseMessage(opcode, data);
    // What was kept is older, and there is something newer now.
    if (this.#latest !== null) this.dropLatest();
    if (this.#inMessage) {
      const message = keepMessage(opcode, data);
      (this.#waiting ??= []).push(message);
      this.#waitingSize += message.size;
      return SENT;
    }
    this.frame(FIN | opcode, data);
    return SENT;
  }

  /**
   * Sends a fragment: the first with the opcode of the message, the others as continuations. A
   * fragment that finds no room is never dropped alone: that would tear its message. What waits
   * for the end of the message takes no room from it.
   */
  sendFragment(opcode: MessageOpcode, data: string | Uint8Array, fin: boolean): SendResult {
    if (!this.makesRoom(data, false)) return OVERFLOW;
    const first = this.#inMessage ? OPCODE.CONTINUATION : opcode;
    this.#inMessage = !fin;
    this.frame(fin ? FIN | first : first, data);
    if (fin) this.releaseWaiting();
    return SENT;
  }

  /** Sends a control frame, between the fragments of a message if need be (section 5.4). */
  sendControl(opcode: number, payload: Uint8Array): void {
    this.frame(FIN | opcode, payload);
  }

  /**
   * Answers a Ping. "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in
   * response to previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only the
   * most recently processed Ping frame" (section 5.5.3): so it is done when the network takes
   * nothing and enough Pongs wait.
   */
  sendPong(source: Buffer, start: number, end: number): void {
    if (this.#blocked && ++this.#pendingPongs > MAX_PENDING_PONGS) {
      this.#unansweredPing = Buffer.from(source.subarray(start, end));
      return;
    }
    this.frame(FIN | OPCODE.PONG, source.subarray(start, end));
  }

  /** No more messages will be sent: forgets those that wait for their turn. */
  endMessages(): void {
    this.#dropped += this.#waiting?.length ?? 0;
    this.#waiting = null;
    this.#waitingSize = 0;
    if (this.#latest !== null) this.dropLatest();
  }

  /** Nothing at all will be sent but what is in frames already, and a Close. */
  end(): void {
    this.endMessages();
    this.#unansweredPing = null;
    this.#someoneWaitsForDrain = false;
  }

  /** The transport is gone: forgets the frames too. */
  discard(): void {
    this.end();
    this.sealRun();
    for (const { slab } of this.#parts ?? []) slab?.settle(true);
    this.#parts = null;
    this.#pendingSize = 0;
  }

  /**
   * Gives the transport all that waits, in one write where it lies together.
   *
   * @returns true when somebody who was told to wait need not any more
   */
  flush(): boolean {
    if (this.#pendingSize > 0) this.write();
    if (this.#blocked) return false;
    this.sendLatest();
    if (!this.#someoneWaitsForDrain || !this.isBelowHighWaterMark()) return false;
    this.#someoneWaitsForDrain = false;
    return true;
  }

  /**
   * The transport has room again.
   *
   * @returns true when somebody who was told to wait need not any more
   */
  drain(): boolean {
    this.#blocked = false;
    this.#pendingPongs = 0;
    const ping = this.#unansweredPing;
    this.#unansweredPing = null;
    if (ping !== null) this.frame(FIN | OPCODE.PONG, ping);
    return this.flush();
  }

  /**
   * Whether the frame of `data` has room, perhaps after what is pending went to the transport.
   *
   * @param behindWaiting - whether it goes behind the messages that wait for their turn
   */
  private makesRoom(data: string | Uint8Array, behindWaiting: boolean): boolean {
    if (this.fits(data, behindWaiting)) return true;
    if (this.#pendingSize === 0) return false;
    this.write();
    return this.fits(data, behindWaiting);
  }

  private fits(data: string | Uint8Array, behindWaiting: boolean): boolean {
    // What `'latest'` keeps does not count: it gives way to anything newer.
    const inFrames = this.#pendingSize + this.blockedSize;
    const buffered = behindWaiting ? inFrames + this.#waitingSize : inFrames;
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
    this.#someoneWaitsForDrain = true;
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
    if (latest === null || this.#inMessage || !this.fits(latest.data, true)) return;
    this.#latest = null;
    this.frame(FIN | latest.opcode, latest.data);
    if (this.#pendingSize > 0) this.write();
  }

  /** A fragmented message has ended: those that waited for it go now, in their order. */
  private releaseWaiting(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    this.#waitingSize = 0;
    for (const { opcode, data } of waiting) this.frame(FIN | opcode, data);
  }

  /** Puts one frame behind all that waits. */
  private frame(first: number, data: string | Uint8Array): void {
    if (isLarge(data)) {
      this.largeFrame(first, data);
    } else {
      const isText = typeof data === 'string';
      const slab = this.claim(isText ? textRoom(data) : MAX_HEADER_SIZE + data.length);
      const start = slab.end;
      slab.end = isText
        ? this.#encoder.encodeText(slab.bytes, slab.words, start, first, data)
        : this.#encoder.encode(slab.bytes, slab.words, start, first, data);
      this.#runEnd = slab.end;
      this.#pendingSize += slab.end - start;
    }
    // What waits stays below the size of a slab, and the first bytes leave while more is made.
    if (this.#pendingSize >= SLAB_SIZE) this.write();
  }

  /**
   * A frame that is too large to be copied into a slab. Unmasked bytes stay where they are: they
   * are the caller's, who must not change them before they were sent.
   */
  private largeFrame(first: number, data: string | Uint8Array): void {
    if (typeof data === 'string' || this.#encoder.masked) {
      const frame = this.#encoder.encodeAlone(first, data);
      this.sealRun();
      this.addPart(frame, null);
      this.#pendingSize += frame.length;
      return;
    }
    const size = headerSize(data.length, false);
    const slab = this.claim(size);
    slab.end = writeHeader(slab.bytes, slab.end, first, data.length, false, 0);
    this.#runEnd = slab.end;
    this.sealRun();
    this.addPart(data, null);
    this.#pendingSize += size + data.length;
    // At once, so that the caller may use the bytes again where the network takes them.
    this.write();
  }

  /** A slab with room at its end, where a run of ours ends or begins. */
  private claim(size: number): Slab {
    const slab = slabWithRoom(size);
    if (this.#slab === slab && this.#runEnd === slab.end) return slab;
    this.sealRun();
    slab.claim();
    this.#slab = slab;
    this.#runStart = slab.end;
    this.#runEnd = slab.end;
    return slab;
  }

  /** Ends the run: the next frame will not lie behind it. */
  private sealRun(): void {
    const slab = this.#slab;
    if (slab === null) return;
    this.#slab = null;
    this.addPart(slab.bytes.subarray(this.#runStart, this.#runEnd), slab);
  }

  private addPart(bytes: Uint8Array, slab: Slab | null): void {
    (this.#parts ??= []).push({ bytes, slab });
  }

  private write(): void {
    // A transport that calls back inside `write` must not get frames between parts of another.
    if (this.#writing) return;
    this.#writing = true;
    try {
      while (this.#pendingSize > 0) this.writeOnce();
    } finally {
      this.#writing = false;
    }
  }

  private writeOnce(): void {
    const transport = this.#transport;
    // Where bytes wait already, these will have to wait too, and would keep a whole slab from being
    // used again: a peer that reads nothing would cost many times the bytes that wait for it.
    const copies = !this.#mayOverwrite || transport.writableLength > 0;
    const slab = this.#slab;
    let parts = this.#parts;
    let accepted = true;

    // The state is right before the transport is called.
    this.#parts = null;
    this.#slab = null;
    this.#writtenSize += this.#pendingSize;
    this.#pendingSize = 0;

    if (parts === null && slab !== null) {
      accepted = transport.write(this.runOf(slab, copies));
      slab.settle(copies || transport.writableLength === 0);
    } else {
      if (slab !== null) (parts ??= []).push({ bytes: this.runOf(slab, false), slab });
      accepted = this.writeParts(parts ?? [], copies);
    }
    if (!accepted && transport.writableLength > 0) this.#blocked = true;
  }

  private runOf(slab: Slab, copies: boolean): Buffer {
    const run = slab.bytes.subarray(this.#runStart, this.#runEnd);
    return copies ? copyExactly(run) : run;
  }

  private writeParts(parts: readonly Part[], copies: boolean): boolean {
    const transport = this.#transport;
    let accepted = true;
    transport.cork();
    for (const { bytes, slab } of parts) {
      accepted = transport.write(copies && slab !== null ? copyExactly(bytes) : bytes);
    }
    transport.uncork();
    // Whether the network took them is known after uncork, which a transport may put off.
    const taken = transport.writableLength === 0;
    for (const { slab } of parts) slab?.settle(copies || taken);
    return accepted;
  }
}

/** A copy in memory of its own: one in a pool would keep that whole pool from being freed. */
function copyExactly(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

/** Room for the frame of a text: guessed for a short one, measured where a guess would be wide. */
function textRoom(text: string): number {
  if (text.length <= MEASURE_FROM) return maxTextFrameSize(text);
  return MAX_HEADER_SIZE + Buffer.byteLength(text);
}

/** Whether a payload is not copied into a slab. Where its length decides, it is not measured. */
function isLarge(data: string | Uint8Array): boolean {
  if (data.length >= COPY_BELOW) return true;
  if (typeof data !== 'string' || data.length * 3 < COPY_BELOW) return false;
  return Buffer.byteLength(data) >= COPY_BELOW;
}

/** Keeps a message for later, with bytes that nobody else can change. */
function keepMessage(opcode: MessageOpcode, data: string | Uint8Array): Message {
  const kept = typeof data === 'string' ? data : Buffer.from(data);
  const size = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
  return { opcode, data: kept, size: size + MAX_HEADER_SIZE };
}
