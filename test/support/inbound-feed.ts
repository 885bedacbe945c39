import { expect } from 'vitest';
import { Inbound, type InboundLimits, type MessageSink } from '../../src/connection/inbound.ts';
import { ProtocolError } from '../../src/errors.ts';
import type { InflateSink, Inflater } from '../../src/extension/inflater.ts';
import { hex } from './bytes.ts';

/** Writes down what an {@link Inbound} found. */
export class RecordingMessages implements MessageSink {
  /** `text hex`, `binary hex`, `ascii hex` for a text known to be ASCII, `control 9 hex`. */
  readonly calls: string[] = [];
  readonly sources: Buffer[] = [];
  during: () => void = () => {};

  onMessage(opcode: number, source: Buffer, start: number, end: number, ascii: boolean): void {
    const type = opcode === 2 ? 'binary' : ascii ? 'ascii' : 'text';
    this.calls.push(`${type} ${source.toString('hex', start, end)}`);
    this.sources.push(source);
    this.during();
  }

  onPiece(opcode: number, source: Buffer, start: number, end: number, last: boolean): void {
    const type = opcode === 2 ? 'binary' : 'text';
    this.calls.push(`${last ? 'last ' : ''}piece ${type} ${source.toString('hex', start, end)}`);
    this.sources.push(source);
    this.during();
  }

  inflaterFor(_sink: InflateSink): Inflater {
    throw new Error('nothing is compressed here');
  }

  onInflating(): void {}

  onControl(opcode: number, source: Buffer, start: number, end: number): void {
    this.calls.push(`control ${opcode} ${source.toString('hex', start, end)}`);
    this.during();
  }
}

/** What stands before a frame in its chunk, and behind it: never part of a message. */
const BEFORE = hex('ee ee ee');
const BEHIND = hex('dd dd');

/** Gives an {@link Inbound} frames, as a decoder does. */
export class Feed {
  readonly sink = new RecordingMessages();
  readonly inbound: Inbound;
  /** Whether the decoder looks for ASCII: it does where it unmasks. */
  looks = true;

  constructor(limits: Partial<InboundLimits> = {}, lendsTexts: boolean = false) {
    this.inbound = new Inbound(
      this.sink,
      { maxPayload: 1024 * 1024, maxFragments: 16_384, ...limits },
      lendsTexts,
    );
  }

  /** One frame whose payload comes in these pieces, each inside a chunk of its own. */
  frame(opcode: number, fin: boolean, ...pieces: (string | Uint8Array)[]): void {
    const payloads = pieces.map((piece) => Buffer.from(piece));
    let remaining = payloads.reduce((sum, piece) => sum + piece.length, 0);
    this.inbound.onHead(opcode, fin, false, remaining);
    for (const piece of payloads) {
      remaining -= piece.length;
      this.piece(piece, remaining);
    }
  }

  piece(piece: Buffer, remaining: number): void {
    const chunk = Buffer.concat([BEFORE, piece, BEHIND]);
    const ascii = this.looks && piece.every((byte) => byte < 0x80);
    this.inbound.onPayload(chunk, 3, 3 + piece.length, remaining, ascii);
  }

  get calls(): string[] {
    return this.sink.calls;
  }
}

/** What a call throws: its code and close code. */
export function violationOf(step: () => void): unknown {
  try {
    step();
  } catch (error) {
    return error;
  }
  return 'nothing was thrown';
}

/** The `ProtocolError` that is expected. */
export function breach(code: string, closeCode: number): unknown {
  return expect.objectContaining({ name: 'ProtocolError', code, closeCode });
}

/** The code of the `ProtocolError` that a call throws. */
export function violationCode(step: () => void): unknown {
  const error = violationOf(step);
  return error instanceof ProtocolError ? error.code : error;
}
