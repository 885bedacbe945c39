import { beforeEach, describe, expect, it } from 'vitest';
import { Inbound, type InboundLimits, type MessageSink } from '../../src/connection/inbound.ts';
import type { InflateSink, Inflater } from '../../src/extension/inflater.ts';
import { hex } from '../support/bytes.ts';
import { breach, violationOf } from '../support/inbound-feed.ts';

const TEXT = 1;
const BINARY = 2;
const PING = 9;

/** An inflater that gives what it is told to, whatever was compressed. */
class ScriptedInflater implements Inflater {
  /** `hex` of what was pushed, `last hex` at the end of a message. */
  readonly pushes: string[] = [];
  /** What the next calls of `push` do. */
  readonly script: ((sink: InflateSink, last: boolean) => boolean)[] = [];
  sink: InflateSink | null = null;

  push(source: Buffer, start: number, end: number, last: boolean): boolean {
    this.pushes.push(`${last ? 'last ' : ''}${source.toString('hex', start, end)}`);
    return this.script.shift()!(this.sink!, last);
  }

  close(): void {}
}

function typeOf(opcode: number): string {
  return opcode === BINARY ? 'binary' : 'text';
}

/** Writes down what an {@link Inbound} found. */
class Messages implements MessageSink {
  readonly calls: string[] = [];
  readonly sources: Buffer[] = [];
  readonly inflater = new ScriptedInflater();

  onMessage(opcode: number, source: Buffer, start: number, end: number, ascii: boolean): void {
    this.calls.push(`${typeOf(opcode)} ${source.toString('utf8', start, end)}`);
    this.sources.push(source);
    if (ascii) expect(source.subarray(start, end).every((byte) => byte < 0x80)).toBe(true);
  }

  onPiece(opcode: number, source: Buffer, start: number, end: number, last: boolean): void {
    const bytes = source.toString('utf8', start, end);
    this.calls.push(`${last ? 'last ' : ''}piece ${typeOf(opcode)} ${bytes}`);
    this.sources.push(source);
  }

  inflaterFor(sink: InflateSink): Inflater {
    this.inflater.sink = sink;
    return this.inflater;
  }

  onInflating(): void {
    this.calls.push('inflating');
  }

  onControl(opcode: number, source: Buffer, start: number, end: number): void {
    this.calls.push(`control ${opcode} ${source.toString('utf8', start, end)}`);
  }
}

let messages: Messages;
let inbound: Inbound;

function open(limits: Partial<InboundLimits> = {}): void {
  messages = new Messages();
  inbound = new Inbound(messages, { maxPayload: 1_000, maxFragments: 10, ...limits });
}

beforeEach(() => open());

/** How the inflater gives bytes: in a buffer that is much larger, or just as large as they. */
type Room = 'wide' | 'tight';

/** An answer of the inflater: these pieces, of which the last ends the message where that ends. */
function gives(room: Room, ...pieces: (string | Buffer)[]) {
  return (sink: InflateSink, last: boolean): boolean => {
    for (const [at, piece] of pieces.entries()) {
      const bytes = Buffer.from(piece);
      const before = room === 'wide' ? 3 : 0;
      const source = Buffer.alloc(room === 'wide' ? 5 * bytes.length + 8 : bytes.length, 0xee);
      bytes.copy(source, before);
      sink.onInflated(source, before, before + bytes.length, last && at === pieces.length - 1);
      // The inflater uses its own memory again.
      source.fill(0xdd);
    }
    return true;
  };
}

function frame(opcode: number, rsv1: boolean, fin: boolean, payload: Uint8Array): void {
  inbound.onHead(opcode, fin, rsv1, payload.length);
  const source = Buffer.from(payload);
  inbound.onPayload(source, 0, source.length, 0, false);
}

/** A compressed frame whose payload means nothing but what the script says. */
function compressed(
  answer: (sink: InflateSink, last: boolean) => boolean,
  fin: boolean = true,
  opcode: number = TEXT,
): void {
  messages.inflater.script.push(answer);
  frame(opcode, opcode !== 0, fin, hex('01 02'));
}

describe.each<Room>(['wide', 'tight'])('a compressed message from a buffer that is %s', (room) => {
  it('is given whole', () => {
    compressed(gives(room, 'Grüße'));
    compressed(gives(room, 'bytes'), true, BINARY);
    compressed(gives(room, ''));
    expect(messages.calls).toEqual(['text Grüße', 'binary bytes', 'text ']);
    expect(messages.inflater.pushes).toEqual(['last 0102', 'last 0102', 'last 0102']);
  });

  it('is joined from what comes out of it, over all its frames', () => {
    compressed(gives(room, 'one ', 'two '), false);
    frame(PING, false, true, Buffer.from('between'));
    compressed(gives(room), false, 0);
    compressed(gives(room, '', 'thr€e'), true, 0);
    compressed(gives(room, 'next'));
    expect(messages.calls).toEqual(['control 9 between', 'text one two thr€e', 'text next']);
  });

  it('may be kept by whom it is given to where it came in several parts', () => {
    compressed(gives(room, 'x'.repeat(100), 'y'.repeat(100)));
    expect(messages.sources[0]!.toString('utf8', 0, 200)).toBe('x'.repeat(100) + 'y'.repeat(100));
  });

  it('is a text of which every byte is looked at as it comes', () => {
    const euro = Buffer.from('€');
    compressed(gives(room, euro.subarray(0, 1), euro.subarray(1)));
    expect(messages.calls).toEqual(['text €']);
    for (const pieces of [
      [hex('ff')],
      ['a', hex('ff')],
      [euro.subarray(0, 2)],
      [euro, hex('c3')],
    ]) {
      open();
      const step = (): void => compressed(gives(room, ...pieces));
      expect(violationOf(step)).toEqual(breach('WS_ERR_INVALID_UTF8', 1007));
    }
    // Not the end of the message is waited for, nor that of its frame.
    open();
    const step = (): void => compressed(gives(room, hex('ff')), false);
    expect(violationOf(step)).toEqual(breach('WS_ERR_INVALID_UTF8', 1007));
  });

  it('is bytes of which none is looked at', () => {
    compressed(gives(room, hex('ff'), hex('c3')), true, BINARY);
    expect(messages.calls).toHaveLength(1);
  });

  it('may have maxPayload bytes when it is inflated, counted over all that comes out', () => {
    compressed(gives(room, 'x'.repeat(1_000)));
    compressed(gives(room, 'x'.repeat(400)), false);
    compressed(gives(room, 'x'.repeat(600)), true, 0);
    expect(messages.calls.map(({ length }) => length)).toEqual([1_005, 1_005]);
    const whole = (): void => compressed(gives(room, 'x'.repeat(1_001)));
    expect(violationOf(whole)).toEqual(breach('WS_ERR_MESSAGE_TOO_BIG', 1009));
    open();
    compressed(gives(room, 'x'.repeat(400)), false);
    const second = (): void => compressed(gives(room, 'x'.repeat(601)), false, 0);
    expect(violationOf(second)).toEqual(breach('WS_ERR_MESSAGE_TOO_BIG', 1009));
  });

  it('tells the inflater how much may still come', () => {
    const rooms: number[] = [];
    const look = (sink: InflateSink): boolean => rooms.push(sink.inflatedRoom) > 0;
    compressed((sink, last) => look(sink) && gives(room, 'x'.repeat(300))(sink, last), false);
    compressed((sink, last) => look(sink) && gives(room, 'x')(sink, last), true, 0);
    compressed((sink, last) => look(sink) && gives(room, '')(sink, last));
    expect(rooms).toEqual([1_000, 700, 1_000]);
  });

  it('is given in pieces where that was asked for', () => {
    inbound.giveInPieces(true);
    compressed(gives(room, 'one ', '€'), false);
    compressed(gives(room, ''), true, 0);
    expect(messages.calls).toEqual(['piece text one ', 'piece text €', 'last piece text ']);
    compressed(gives(room, Buffer.from('€').subarray(0, 2)), false);
    const step = (): void => compressed(gives(room, ''), true, 0);
    expect(violationOf(step)).toEqual(breach('WS_ERR_INVALID_UTF8', 1007));
  });

  it('is bounded in pieces too', () => {
    inbound.giveInPieces(true);
    compressed(gives(room, 'x'.repeat(600)), false);
    const step = (): void => compressed(gives(room, 'x'.repeat(401)), true, 0);
    expect(violationOf(step)).toEqual(breach('WS_ERR_MESSAGE_TOO_BIG', 1009));
  });

  it('may come later, when it was inflated elsewhere', () => {
    compressed(() => false);
    expect(messages.calls).toEqual(['inflating']);
    gives(room, 'late')(messages.inflater.sink!, true);
    expect(messages.calls).toEqual(['inflating', 'text late']);
  });

  it('is dropped where messages are discarded before it comes', () => {
    compressed(() => false);
    inbound.discardMessages();
    gives(room, 'late', ' and more')(messages.inflater.sink!, true);
    // That nobody listens, the sink knows.
    expect(messages.calls.join(' ')).not.toMatch(/late|more/);
    frame(TEXT, false, true, Buffer.from('next'));
    expect(messages.calls.at(-1)).toBe('text next');
  });
});

describe('pieces that come out of a large part of their buffer', () => {
  it('may be kept: the inflater uses its own again', () => {
    inbound.giveInPieces(true);
    compressed(gives('tight', 'kept'));
    expect(messages.sources[0]!.toString()).toBe('kept');
  });
});

describe('the frames of a compressed message', () => {
  it('are pushed as they come, but those of no bytes', () => {
    inbound.onHead(TEXT, false, true, 3);
    messages.inflater.script.push(gives('wide'), gives('wide'), gives('wide', 'x'));
    inbound.onPayload(hex('01 02 03'), 0, 2, 1, false);
    inbound.onPayload(hex('01 02 03'), 2, 3, 0, false);
    frame(0, false, false, hex(''));
    frame(0, false, true, hex(''));
    expect(messages.inflater.pushes).toEqual(['0102', '03', 'last ']);
    expect(messages.calls).toEqual(['text x']);
  });

  it('are counted, whatever comes out of them', () => {
    for (let count = 0; count < 10; count++) compressed(gives('wide'), false, count > 0 ? 0 : TEXT);
    const step = (): void => compressed(gives('wide'), false, 0);
    expect(violationOf(step)).toEqual(breach('WS_ERR_TOO_MANY_FRAGMENTS', 1008));
  });

  it('may announce what zlib may need for a message that cannot be compressed', () => {
    const most = 1_000 + 125 + 15 + 64;
    inbound.onHead(TEXT, true, true, most);
    open();
    const step = (): void => inbound.onHead(TEXT, true, true, most + 1);
    expect(violationOf(step)).toEqual(breach('WS_ERR_MESSAGE_TOO_BIG', 1009));
  });

  it('may announce that together, with 16 bytes for each flush but one, and no more', () => {
    inbound.onHead(TEXT, false, true, 1_000);
    inbound.onHead(0, false, false, 204 + 16);
    inbound.onHead(0, false, false, 16);
    const step = (): void => inbound.onHead(0, false, false, 17);
    expect(violationOf(step)).toEqual(breach('WS_ERR_MESSAGE_TOO_BIG', 1009));
  });

  it('may announce anything where there is no limit', () => {
    open({ maxPayload: Number.POSITIVE_INFINITY });
    inbound.onHead(BINARY, true, true, Number.MAX_SAFE_INTEGER);
    expect(messages.calls).toEqual([]);
  });

  it('must not stand between those of another message', () => {
    compressed(gives('wide'), false);
    const step = (): void => frame(TEXT, true, true, hex('00'));
    expect(violationOf(step)).toEqual(breach('WS_ERR_CONTINUATION_EXPECTED', 1002));
  });

  it('are not inflated where messages are discarded, and end as they do', () => {
    compressed(gives('wide', 'one'), false);
    inbound.discardMessages();
    frame(0, false, true, hex('ff'));
    frame(TEXT, true, false, hex('ff'));
    frame(0, false, true, hex(''));
    frame(TEXT, false, true, Buffer.from('plain'));
    expect(messages.inflater.pushes).toEqual(['0102']);
    expect(messages.calls).toEqual(['text plain']);
  });

  it('leave no half character behind for the next text, where they are dropped', () => {
    compressed(gives('wide', Buffer.from('€').subarray(0, 2)), false);
    inbound.discardMessages();
    frame(0, false, true, hex('00'));
    const euro = Buffer.from('€');
    frame(TEXT, false, false, euro.subarray(0, 1));
    frame(0, false, true, euro.subarray(1));
    expect(messages.calls).toHaveLength(1);
  });

  it('take their compression from the first alone', () => {
    compressed(gives('wide', 'a'), false);
    compressed(gives('wide', 'b'), true, 0);
    frame(TEXT, false, false, Buffer.from('c'));
    frame(0, false, true, Buffer.from('d'));
    expect(messages.calls).toEqual(['text ab', 'text cd']);
    expect(messages.inflater.pushes).toHaveLength(2);
  });
});
