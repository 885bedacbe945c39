/**
 * A small implementation that echoes, to judge: right in all that the cases ask for (if not early with
 * UTF-8 within one frame), and wrong in one way where a test says so. It stands on the judge's own
 * frames, and knows one stream of bytes.
 */
import { isUtf8 } from 'node:buffer';
import type { Duplex } from 'node:stream';
import {
  encodeFrames,
  type Frame,
  FrameReader,
  type ReceivedFrame,
} from '../../src/conform/wire.ts';

/** In which way it is wrong. */
export const FLAWS = [
  'masks as a server, or does not as a client',
  'unmasks wrongly',
  'ignores reserved bits',
  'sets a reserved bit',
  'ignores reserved opcodes',
  'sends a reserved opcode',
  'closes with 1000 whatever happened',
  'sends no Pong',
  'sends Pongs without the payload',
  'answers Pongs',
  'sends Pongs in the wrong order',
  'sends Pongs after the message',
  'answers only the last Ping',
  'takes long Pings',
  'takes fragmented control frames',
  'takes continuations of nothing',
  'takes a message within a message',
  'forgets all fragments but the last',
  'takes text that is not UTF-8',
  'refuses noncharacters',
  'echoes text as binary',
  'echoes half of a message',
  'echoes twice',
  'begins a message before its Close',
  'echoes large messages wrongly',
  'loses one of many messages',
  'encodes lengths in too many bytes',
  'never answers a Close',
  'never ends TCP',
  'ends TCP without a Close',
  'goes on after a Close',
  'sends after its Close',
  'echoes bad close codes',
  'takes bad reasons',
  'sends half a code',
  'sends a close code that may not be sent',
  'ignores breaches',
  'does nothing at all',
] as const;
export type Flaw = (typeof FLAWS)[number];

/** What it may do, and does not have to. */
export type Habit =
  | 'Pings at the opening, and whenever a frame is not whole'
  | 'takes a second'
  | 'writes seven bytes at a time';

const DATA = new Set([0, 1, 2]);
const PROTOCOL_ERROR = 1002;
const LARGE = 100_000;

export class ConformEcho {
  readonly #stream: Duplex;
  readonly #isServer: boolean;
  readonly #flaw: Flaw | Habit | undefined;
  readonly #reader = new FrameReader();
  #parts: Buffer[] = [];
  #opcode = 0;
  #decoder = new TextDecoder('utf-8', { fatal: true });
  #pongs: Buffer[] = [];
  #hasClosed = false;
  #count = 0;

  /** What came, whole. */
  readonly messages: Buffer[] = [];
  readonly #rest: Buffer;

  constructor(
    stream: Duplex,
    role: 'client' | 'server',
    flaw?: Flaw | Habit,
    rest: Buffer = Buffer.alloc(0),
  ) {
    this.#stream = stream;
    this.#isServer = role === 'server';
    this.#flaw = flaw;
    this.#rest = rest;
  }

  begin(): void {
    const stream = this.#stream;
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    stream.on('end', () => {
      if (!this.#is('never ends TCP')) stream.end();
    });
    stream.on('error', () => stream.destroy());
    if (this.#is('Pings at the opening, and whenever a frame is not whole')) this.#ping();
    this.#onData(this.#rest);
    stream.resume();
  }

  #ping(): void {
    if (!this.#hasClosed) this.#send({ opcode: 9, payload: Buffer.from('still there?') });
  }

  #is(flaw: Flaw | Habit): boolean {
    return this.#flaw === flaw;
  }

  #onData(chunk: Buffer): void {
    if (this.#is('does nothing at all')) return;
    this.#reader.push(chunk);
    let count = 0;
    for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
      count++;
      if (!this.#hasClosed || this.#is('goes on after a Close')) this.#onFrame(frame);
    }
    if (this.#is('sends Pongs in the wrong order')) this.#flushPongs();
    const isPinging = this.#is('Pings at the opening, and whenever a frame is not whole');
    if (isPinging && count === 0) this.#ping();
  }

  #onFrame(frame: ReceivedFrame): void {
    const code = this.#findBreach(frame);
    if (code !== undefined) {
      if (!this.#is('ignores breaches')) this.#close(code);
    } else if (DATA.has(frame.opcode)) {
      this.#onDataFrame(frame);
    } else if (frame.opcode === 8) {
      this.#onClose(frame.payload);
    } else if (frame.opcode === 9) {
      this.#onPing(frame.payload);
    } else if (this.#is('answers Pongs')) {
      this.#send({ opcode: 10, payload: frame.payload });
    }
  }

  #findBreach({ opcode, rsv, fin, payload }: ReceivedFrame): number | undefined {
    if (rsv !== 0 && !this.#is('ignores reserved bits')) return PROTOCOL_ERROR;
    if ((opcode > 2 && opcode < 8) || opcode > 10) {
      return this.#is('ignores reserved opcodes') ? undefined : PROTOCOL_ERROR;
    }
    if (opcode >= 8) {
      if (!fin && !this.#is('takes fragmented control frames')) return PROTOCOL_ERROR;
      return payload.length > 125 && !this.#is('takes long Pings') ? PROTOCOL_ERROR : undefined;
    }
    if (opcode === 0 && this.#opcode === 0) {
      return this.#is('takes continuations of nothing') ? undefined : PROTOCOL_ERROR;
    }
    if (opcode !== 0 && this.#opcode !== 0) {
      return this.#is('takes a message within a message') ? undefined : PROTOCOL_ERROR;
    }
    return undefined;
  }

  #onDataFrame({ opcode, fin, payload }: ReceivedFrame): void {
    if (opcode !== 0) {
      this.#opcode = opcode;
      this.#parts = [];
    } else if (this.#is('forgets all fragments but the last')) {
      this.#parts = [];
    }
    this.#parts.push(payload);
    if (this.#opcode === 1 && !this.#isText(payload, fin)) {
      this.#close(1007);
    } else if (fin) {
      this.#echo(this.#opcode, Buffer.concat(this.#parts));
      this.#opcode = 0;
    }
  }

  #isText(payload: Buffer, fin: boolean): boolean {
    if (this.#is('takes text that is not UTF-8')) return true;
    try {
      const text = this.#decoder.decode(payload, { stream: !fin });
      return !(this.#is('refuses noncharacters') && /\p{Noncharacter_Code_Point}/u.test(text));
    } catch {
      return false;
    }
  }

  #echo(opcode: number, message: Buffer): void {
    this.#count++;
    this.messages.push(message);
    let payload = message;
    if (this.#is('unmasks wrongly')) payload = Buffer.from(message.map((byte) => byte ^ 1));
    if (this.#is('echoes half of a message')) payload = message.subarray(0, message.length / 2);
    if (this.#is('echoes large messages wrongly') && message.length > LARGE) {
      payload = Buffer.concat([message.subarray(16), message.subarray(0, 16)]);
    }
    if (this.#is('loses one of many messages') && this.#count === 500) return;
    const first = this.#is('echoes text as binary') ? 2 : opcode;
    if (this.#is('takes a second')) {
      setTimeout(() => this.#send({ opcode, payload }), 1);
      return;
    }
    this.#send({ opcode: first, payload, rsv: this.#is('sets a reserved bit') ? 2 : 0 });
    if (this.#is('echoes twice')) this.#send({ opcode, payload });
    if (this.#is('sends a reserved opcode')) this.#send({ opcode: 3 });
    this.#flushPongs();
  }

  #onPing(payload: Buffer): void {
    if (this.#is('sends no Pong')) return;
    if (this.#is('answers only the last Ping')) this.#pongs.length = 0;
    this.#pongs.push(this.#is('sends Pongs without the payload') ? Buffer.alloc(0) : payload);
    const waits = this.#is('sends Pongs after the message') && this.#opcode !== 0;
    if (this.#is('answers only the last Ping')) setImmediate(() => this.#flushPongs());
    else if (!waits && !this.#is('sends Pongs in the wrong order')) this.#flushPongs();
  }

  #flushPongs(): void {
    for (const payload of this.#pongs.splice(0).toReversed()) this.#send({ opcode: 10, payload });
  }

  #onClose(payload: Buffer): void {
    if (this.#is('never answers a Close')) return;
    this.#close(this.#answerTo(payload));
  }

  #answerTo(payload: Buffer): number {
    if (payload.length === 0) return 1000;
    if (payload.length === 1) return PROTOCOL_ERROR;
    const code = payload.readUInt16BE(0);
    const isGood =
      (code >= 3000 && code < 5000) ||
      (code >= 1000 && code < 1004) ||
      (code > 1006 && code < 1015);
    if (!isGood && !this.#is('echoes bad close codes')) return PROTOCOL_ERROR;
    if (!isUtf8(payload.subarray(2)) && !this.#is('takes bad reasons')) return 1007;
    return code;
  }

  #close(code: number): void {
    if (this.#hasClosed) return;
    this.#hasClosed = true;
    const payload = Buffer.alloc(this.#is('sends half a code') ? 1 : 2);
    if (payload.length === 2) {
      const is1000 = this.#is('closes with 1000 whatever happened');
      const isBad = this.#is('sends a close code that may not be sent');
      payload.writeUInt16BE(is1000 ? 1000 : isBad ? 1005 : code);
    }
    if (this.#is('begins a message before its Close')) this.#send({ opcode: 2, fin: false });
    if (!this.#is('ends TCP without a Close')) this.#send({ opcode: 8, payload });
    if (this.#is('sends after its Close')) this.#send({ opcode: 10 });
    if (this.#is('never ends TCP') || this.#is('goes on after a Close')) return;
    if (this.#isServer || this.#is('ends TCP without a Close')) this.#stream.end();
  }

  #write(bytes: Buffer): void {
    const size = this.#is('writes seven bytes at a time') ? 7 : bytes.length;
    for (let start = 0; start < bytes.length; start += size) {
      this.#stream.write(bytes.subarray(start, start + size));
    }
  }

  #send(frame: Frame): void {
    if (!this.#stream.writable) return;
    const isMasked = !this.#isServer !== this.#is('masks as a server, or does not as a client');
    if (this.#is('encodes lengths in too many bytes') && !isMasked) {
      const { opcode, payload = Buffer.alloc(0) } = frame;
      const header = Buffer.from([0x80 | opcode, 127, 0, 0, 0, 0, 0, 0, 0, 0]);
      header.writeUInt32BE(payload.length, 6);
      this.#stream.write(Buffer.concat([header, payload]));
    } else {
      this.#write(encodeFrames([frame], isMasked));
    }
  }
}
