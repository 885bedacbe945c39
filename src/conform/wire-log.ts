/**
 * What went over one connection, for people to read: each frame as bytes and as words, and what was
 * done beside frames. Keeps the first entries and the last ones, and only the beginning of a payload,
 * so that a case of 65,536 frames has a log that can be read. Judges nothing.
 *
 * @module
 */

import { isUtf8 } from 'node:buffer';
import { OPCODE } from './wire.ts';

export interface WireEntry {
  /** Milliseconds since the connection was opened. */
  readonly time: number;
  readonly from: 'judge' | 'peer' | 'note';
  /** The header, in hexadecimal digits; empty for a note. */
  readonly header: string;
  /** The beginning of the payload (unmasked), in hexadecimal digits. */
  readonly payload: string;
  /** Bytes of the payload, of which `payload` may be the beginning only. */
  readonly payloadLength: number;
  /** What it means. */
  readonly meaning: string;
}

/** What the log wants to know of a frame. */
interface LoggedFrame {
  readonly opcode: number;
  readonly payload?: Buffer;
  readonly fin?: boolean;
  readonly rsv?: number;
}

const MAX_FIRST = 60;
const MAX_LAST = 20;
const MAX_PAYLOAD = 128;
const MAX_TEXT = 60;
const NAMES = new Map<number, string>([
  [OPCODE.CONTINUATION, 'continuation'],
  [OPCODE.TEXT, 'text'],
  [OPCODE.BINARY, 'binary'],
  [OPCODE.CLOSE, 'Close'],
  [OPCODE.PING, 'Ping'],
  [OPCODE.PONG, 'Pong'],
]);

export class WireLog {
  /** The request and the response of the opening handshake, each as it was. */
  readonly handshake: string[] = [];
  readonly #start = performance.now();
  readonly #first: WireEntry[] = [];
  readonly #last: WireEntry[] = [];
  #left = 0;
  #isPaused = false;

  /** For cases whose frames are many and alike: they are counted, and no more. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
  }

  get entries(): readonly WireEntry[] {
    return [...this.#first, ...this.#last];
  }

  /** How many entries are missing between the first and the last ones. */
  get leftOut(): number {
    return this.#left;
  }

  /** How many entries come before those that are missing. */
  get firstCount(): number {
    return this.#first.length;
  }

  addNote(meaning: string): void {
    this.#add({
      time: this.#now(),
      from: 'note',
      header: '',
      payload: '',
      payloadLength: 0,
      meaning,
    });
  }

  addFrame(from: 'judge' | 'peer', header: Buffer, frame: LoggedFrame): void {
    if (this.#isPaused) {
      this.#left++;
      return;
    }
    const payload = frame.payload ?? Buffer.alloc(0);
    this.#add({
      time: this.#now(),
      from,
      header: header.toString('hex'),
      payload: payload.toString('hex', 0, MAX_PAYLOAD),
      payloadLength: payload.length,
      meaning: describeFrame(frame),
    });
  }

  #now(): number {
    return Math.round((performance.now() - this.#start) * 10) / 10;
  }

  #add(entry: WireEntry): void {
    if (this.#left === 0 && this.#first.length < MAX_FIRST) {
      this.#first.push(entry);
      return;
    }
    this.#last.push(entry);
    if (this.#last.length > MAX_LAST) {
      this.#last.shift();
      this.#left++;
    }
  }
}

/** A frame in words: `text, 5 bytes: "Hello"`. */
export function describeFrame(frame: LoggedFrame): string {
  const { opcode, payload = Buffer.alloc(0), fin = true, rsv = 0 } = frame;
  const name = NAMES.get(opcode) ?? `reserved opcode ${opcode}`;
  const flags = (fin ? '' : ', not final') + (rsv === 0 ? '' : `, RSV ${rsv}`);
  const size = `, ${payload.length} ${payload.length === 1 ? 'byte' : 'bytes'}`;
  const isClose = opcode === OPCODE.CLOSE && payload.length >= 2;
  const content = isClose
    ? `${payload.readUInt16BE(0)}${payload.length > 2 ? ` ${quote(payload.subarray(2))}` : ''}`
    : quote(payload);
  return `${name}${flags}${size}${payload.length === 0 ? '' : `: ${content}`}`;
}

/** Bytes as text where they are text, in hexadecimal digits otherwise; not more than fits a line. */
export function quote(bytes: Buffer): string {
  if (!isUtf8(bytes)) {
    const more = bytes.length > MAX_TEXT / 2 ? '…' : '';
    return `0x${bytes.toString('hex', 0, MAX_TEXT / 2)}${more}`;
  }
  // Whole signs, not halves of a pair.
  const signs = Array.from(bytes.toString('utf8', 0, 4 * MAX_TEXT + 4));
  const text = signs.slice(0, MAX_TEXT).join('');
  return `${JSON.stringify(text)}${signs.length > MAX_TEXT ? '…' : ''}`;
}
