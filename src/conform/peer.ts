/**
 * One open connection with the implementation under test: sends what a case wants to be sent, byte by
 * byte if need be, notes what comes, and knows how the connection ended. It does by itself only what
 * both ends of any connection must do: it answers Pings and Close frames, and no wait is for ever.
 *
 * It knows neither cases nor verdicts, nor how the connection was opened.
 *
 * @module
 */

import { isUtf8 } from 'node:buffer';
import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { Assembler, type AssembledMessage } from './assembler.ts';
import { Conduct } from './conduct.ts';
import type { MessageCoder } from './extension.ts';
import type { PeerEvent } from './peer-event.ts';
import { sentenceOf } from './sentence.ts';
import { Sender } from './sender.ts';
import { type Settings, WAIT } from './settings.ts';
import {
  type Frame,
  FrameReader,
  MAX_PAYLOAD_SIZE,
  OPCODE,
  type ReceivedFrame,
  RSV1,
} from './wire.ts';
import { WireLog } from './wire-log.ts';

export interface PeerOptions {
  /** What the judge is. Its frames are masked if it is a client. */
  readonly role: 'client' | 'server';
  readonly settings: Settings;
  /** What became of the extension, if one was agreed upon. */
  readonly coder?: MessageCoder | undefined;
  readonly log?: WireLog;
  /** Bytes that came together with the end of the opening handshake. */
  readonly rest?: Buffer;
}

/** How the connection ended. */
export interface Ending {
  /** Whether the judge's Close frame was the first. */
  readonly isByJudge: boolean;
  /** Whether the judge ended TCP where it was not its turn. */
  readonly isDroppedByJudge: boolean;
  /** Whether both sent a Close frame, and the server then ended TCP. */
  readonly wasClean: boolean;
  /** Whether there was a Close frame of the peer at all. */
  readonly hasPeerClosed: boolean;
  /** What stood in it. */
  readonly peerCode: number | undefined;
  readonly peerReason: string | undefined;
  readonly judgeCode: number | undefined;
  /** Whether the peer began a message that it did not end. */
  readonly isWithinMessage: boolean;
  /** What the peer sent and may not send, whatever the case. */
  readonly breach: string | undefined;
}

/** How the bytes of frames are cut. Default: all in one write. */
export interface Chops {
  /** Bytes of a write: each frame is cut by itself, and its last piece may be shorter. */
  readonly size?: number;
  /** Each frame in a write of its own. Default: `false`. */
  readonly isFrameWise?: boolean;
}

interface Waiter {
  readonly test: () => boolean;
  readonly resolve: (isMet: boolean) => void;
  readonly timer: NodeJS.Timeout;
}

/** Events that nobody has taken, and their bytes. Ten Pongs are the most that a case waits for. */
const MAX_EVENTS = 1000;
const MAX_EVENTS_SIZE = 2 * MAX_PAYLOAD_SIZE;
/** Pings of one connection. */
const MAX_PINGS = 100_000;
const NORMAL_CLOSURE = 1000;
const PROTOCOL_ERROR = 1002;

export class Peer {
  /** What came so far: whole messages and Pongs. */
  readonly events: PeerEvent[] = [];
  readonly log: WireLog;
  readonly role: 'client' | 'server';
  /** What became of the extension, if one was agreed upon. */
  readonly coder: MessageCoder | undefined;
  readonly ended: Promise<Ending>;
  readonly #stream: Duplex;
  readonly #second: number;
  readonly #sender: Sender;
  readonly #reader = new FrameReader();
  readonly #conduct: Conduct;
  readonly #assembler = new Assembler();
  readonly #waiters = new Set<Waiter>();
  #resolveEnded!: (ending: Ending) => void;
  #timer: NodeJS.Timeout | undefined;
  #pings = 0;
  #compressedCount = 0;
  #isDecoding = false;
  #isStreamClosed = false;
  #isOver = false;
  #hasPeerEnded = false;
  #isByJudge = false;
  #isDroppedByJudge = false;
  #judgeClose: Buffer | undefined;
  #peerClose: Buffer | undefined;
  #breach: string | undefined;

  constructor(stream: Duplex, options: PeerOptions) {
    this.#stream = stream;
    this.role = options.role;
    this.log = options.log ?? new WireLog();
    this.coder = options.coder;
    this.#second = options.settings.second;
    this.#sender = new Sender(stream, options.role === 'client', this.log);
    this.#conduct = new Conduct({
      mustMask: options.role === 'server',
      mayCompress: options.coder !== undefined,
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    stream.on('end', () => this.#onStreamEnd());
    // A reset is an end like others: what it means depends on what was sent before it.
    stream.on('error', (error: Error) => this.log.addNote(`TCP: ${error.message}`));
    stream.on('close', () => this.#onStreamClosed());
    if (options.rest !== undefined) this.#onData(options.rest);
    // Whoever read the opening handshake has paused it.
    stream.resume();
  }

  /** Whether neither sent a Close frame yet, nor ended TCP. */
  get isOpen(): boolean {
    return (
      this.#judgeClose === undefined &&
      this.#peerClose === undefined &&
      !this.#isOver &&
      !this.#hasPeerEnded &&
      !this.#isStreamClosed
    );
  }

  /** How many of its messages the peer has compressed. */
  get compressedCount(): number {
    return this.#compressedCount;
  }

  /**
   * Sends frames, whether right or wrong, also after a Close frame. What cannot be sent any more, as
   * the peer has ended the connection, is left out.
   */
  async send(frames: Frame | readonly Frame[], chops: Chops = {}): Promise<void> {
    const list = 'opcode' in frames ? [frames] : frames;
    if (chops.isFrameWise === true) {
      for (const frame of list) {
        this.#sender.send([frame]);
        await nextTurn();
      }
    } else if (chops.size === undefined) {
      this.#sender.send(list);
    } else {
      for (const frame of list) await this.#sendInPieces(frame, chops.size);
    }
  }

  /**
   * Begins a frame whose bytes `sendPiece` sends. What else is to be sent waits for its end.
   *
   * @returns how many of its bytes are its header
   */
  beginFrame(frame: Frame): number {
    return this.#sender.begin(frame);
  }

  /** Sends the next bytes of the frame that was begun, and notes that. */
  sendPiece(size: number): void {
    if (!this.#sender.isWithinFrame) return;
    this.log.addNote(`sends ${size} bytes of the frame`);
    this.#sender.sendPiece(size);
  }

  /** Lets the peer close with these codes, also where they may not be sent otherwise. */
  allowCloseCodes(codes: readonly number[]): void {
    this.#conduct.allowCodes(codes);
  }

  /** Begins the closing handshake, if that is not done. */
  sendClose(code: number = NORMAL_CLOSURE): void {
    if (!this.isOpen) return;
    this.sendCloseFrame(payloadOf(code));
  }

  /** Sends a Close frame of any content. It begins the closing handshake, however wrong it is. */
  sendCloseFrame(payload: Buffer): void {
    if (this.#judgeClose === undefined) {
      this.#judgeClose = payload;
      this.#isByJudge = this.#peerClose === undefined;
      this.#dropAfter(WAIT.CLOSING, 'The peer did not answer the Close frame');
    }
    this.#sender.finish();
    // Last, as the answer may come before this returns.
    this.#sender.send([{ opcode: OPCODE.CLOSE, payload }]);
  }

  /**
   * Waits until `test` holds. It is asked again after each event.
   *
   * @returns whether it holds; it does not when the connection ends or the time is over
   */
  async until(test: () => boolean, seconds: number): Promise<boolean> {
    if (test()) return true;
    if (this.#isOver) return false;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#settle(waiter, false), seconds * this.#second);
      const waiter: Waiter = { test, resolve, timer };
      this.#waiters.add(waiter);
    });
  }

  /** Takes the next event out of `events`, or `undefined` if none comes in time. */
  async takeEvent(seconds: number): Promise<PeerEvent | undefined> {
    await this.until(() => this.events.length > 0, seconds);
    return this.events.shift();
  }

  /**
   * Waits for a time in which the peer is to do nothing, and notes an event of that name.
   *
   * @returns whether the connection is open still
   */
  async pause(seconds: number, name?: string): Promise<boolean> {
    this.log.addNote(`waits for ${seconds} s${name === undefined ? '' : ` (${name})`}`);
    await this.until(() => !this.isOpen, seconds);
    if (this.isOpen && name !== undefined) this.events.push({ kind: 'timeout', name });
    return this.isOpen;
  }

  /** Ends TCP, unless both ends have ended the connection. */
  drop(why: string): void {
    if (this.#isOver || this.#isStreamClosed) return;
    // Who has ended TCP, and does not read what is left for it, has ended it.
    this.#isDroppedByJudge ||= !this.#hasPeerEnded;
    this.log.addNote(`drops TCP: ${why}`);
    this.#stream.destroy();
  }

  /** Lets each piece go before the next. */
  async #sendInPieces(frame: Frame, size: number): Promise<void> {
    if (!this.#stream.writable || this.#peerClose !== undefined) return;
    this.#sender.begin(frame);
    while (this.#sender.isWithinFrame) {
      this.#sender.sendPiece(size);
      await this.#waitForNextWrite(size);
    }
  }

  /**
   * Single bytes are to come as single bytes, also to one who needs a millisecond to answer: it is
   * about as slow with the official suite. Larger pieces only have to be written one by one.
   */
  async #waitForNextWrite(size: number): Promise<void> {
    const milliseconds = this.#second / 1000;
    if (size > 1 || milliseconds < 1) await nextTurn();
    else await delay(milliseconds);
  }

  #onData(chunk: Buffer): void {
    // What comes after a breach does not count.
    if (this.#breach !== undefined) return;
    this.#reader.push(chunk);
    this.#readFrames();
    if (this.#isDecoding && this.#reader.size > MAX_PAYLOAD_SIZE) this.#stream.pause();
  }

  #readFrames(): void {
    // While a message is decoded, what comes after it waits.
    while (!this.#isDecoding && this.#breach === undefined) {
      const frame = this.#nextFrame();
      if (frame === undefined) break;
      this.log.addFrame('peer', frame.header, frame);
      const breach = this.#conduct.check(frame);
      this.#onFrame(frame, breach !== undefined);
      if (breach !== undefined) this.#fail(breach);
    }
    this.#checkWaiters();
    if (this.#isStreamClosed && !this.#isDecoding) this.#finish();
  }

  #nextFrame(): ReceivedFrame | undefined {
    try {
      return this.#reader.next();
    } catch (error) {
      this.#fail(sentenceOf(error));
      return undefined;
    }
  }

  #onFrame(frame: ReceivedFrame, isBad: boolean): void {
    switch (frame.opcode) {
      case OPCODE.PING:
        if (++this.#pings > MAX_PINGS) this.#fail(`More than ${MAX_PINGS} Pings came`);
        if (this.isOpen) this.#sender.send([{ opcode: OPCODE.PONG, payload: frame.payload }]);
        break;
      case OPCODE.PONG:
        this.#addEvent({ kind: 'pong', payload: frame.payload });
        break;
      case OPCODE.CLOSE:
        this.#onClose(frame.payload, isBad);
        break;
      default:
        this.#onDataFrame(frame);
        break;
    }
  }

  #onDataFrame(frame: ReceivedFrame): void {
    let message: AssembledMessage | undefined;
    try {
      message = this.#assembler.add(frame);
    } catch (error) {
      this.#fail(sentenceOf(error));
    }
    if (message === undefined) return;
    const { opcode, rsv, payload } = message;
    const isBinary = opcode === OPCODE.BINARY;
    if (this.coder === undefined || (rsv & RSV1) === 0) this.#addMessage(isBinary, payload);
    else void this.#decode(this.coder, isBinary, payload);
  }

  async #decode(coder: MessageCoder, isBinary: boolean, payload: Buffer): Promise<void> {
    this.#isDecoding = true;
    try {
      this.#addMessage(isBinary, await coder.decode(payload));
      this.#compressedCount++;
    } catch (error) {
      this.#fail(sentenceOf(error));
    }
    this.#isDecoding = false;
    this.#stream.resume();
    this.#readFrames();
  }

  #addMessage(isBinary: boolean, payload: Buffer): void {
    this.#addEvent({ kind: 'message', isBinary, payload });
    if (!isBinary && !isUtf8(payload)) this.#fail('A text message is not UTF-8 (section 8.1)');
  }

  #addEvent(event: PeerEvent): void {
    this.events.push(event);
    let size = 0;
    for (const one of this.events) size += one.kind === 'timeout' ? 0 : one.payload.length;
    if (this.events.length > MAX_EVENTS || size > MAX_EVENTS_SIZE) {
      this.#fail(`${this.events.length} messages and Pongs came that nobody asked for`);
    }
  }

  /** @param isBad whether the frame is a breach, to which its own code is no answer */
  #onClose(payload: Buffer, isBad: boolean): void {
    if (this.#peerClose !== undefined) return;
    this.#peerClose = payload;
    if (this.#judgeClose === undefined) {
      this.sendCloseFrame(isBad ? payloadOf(PROTOCOL_ERROR) : payload.subarray(0, 2));
    }
    // Section 7.1.1: it is the server that ends TCP first.
    if (this.role === 'server') this.#stream.end();
    this.#dropAfter(WAIT.TCP_END, 'The peer did not end TCP');
  }

  /** Fails the connection (section 7.1.7): nothing that comes later counts. */
  #fail(breach: string): void {
    if (this.#breach !== undefined) return;
    this.log.addNote(`fails the connection: ${breach}`);
    this.sendClose(PROTOCOL_ERROR);
    this.#breach = breach;
    this.#isDroppedByJudge = true;
    this.#stream.end();
    this.#dropAfter(WAIT.TCP_END, 'The peer did not end TCP');
  }

  #dropAfter(seconds: number, why: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.drop(why), seconds * this.#second);
  }

  #onStreamEnd(): void {
    this.#hasPeerEnded = true;
    this.log.addNote('The peer ended TCP');
    this.#stream.end();
    // What is left to be written may never be read.
    if (this.#timer === undefined) this.#dropAfter(WAIT.TCP_END, 'The peer does not read any more');
    this.#checkWaiters();
  }

  #onStreamClosed(): void {
    this.#isStreamClosed = true;
    this.#readFrames();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.coder?.close();
    for (const waiter of this.#waiters) this.#settle(waiter, waiter.test());
    const peerClose = this.#peerClose;
    if (peerClose !== undefined && this.#reader.size > 0) {
      this.#breach ??= 'Bytes came after the Close frame (section 5.5.1)';
    }
    const hasBoth = peerClose !== undefined && this.#judgeClose !== undefined;
    this.#resolveEnded({
      isByJudge: this.#isByJudge,
      isDroppedByJudge: this.#isDroppedByJudge,
      wasClean: hasBoth && (this.role === 'server' || !this.#isDroppedByJudge),
      hasPeerClosed: peerClose !== undefined,
      peerCode: codeOf(peerClose),
      peerReason: peerClose?.toString('utf8', 2),
      judgeCode: codeOf(this.#judgeClose),
      isWithinMessage: this.#assembler.isWithinMessage,
      breach: this.#breach,
    });
  }

  #checkWaiters(): void {
    for (const waiter of this.#waiters) if (waiter.test()) this.#settle(waiter, true);
  }

  #settle(waiter: Waiter, isMet: boolean): void {
    clearTimeout(waiter.timer);
    this.#waiters.delete(waiter);
    waiter.resolve(isMet);
  }
}

/** What a Close frame with this code holds. */
function payloadOf(code: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return payload;
}

function codeOf(payload: Buffer | undefined): number | undefined {
  return payload !== undefined && payload.length >= 2 ? payload.readUInt16BE(0) : undefined;
}
