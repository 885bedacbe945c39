import { describe, expect, it } from 'vitest';
import { resolveLimits } from '../../src/connection/limits.ts';
import { Reading, type ReadingOwner } from '../../src/connection/reading.ts';
import { violationCode } from '../support/inbound-feed.ts';
import { type RawFrame, hex, peerFrame } from '../support/bytes.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryTransport } from '../support/memory-transport.ts';
import { Share } from '../../src/connection/share.ts';
import { ROLES } from '../support/open-connection.ts';
import type { Role } from '../../src/connection/handler.ts';

/** Does for a {@link Reading} what a connection does, and no more. */
class Reader implements ReadingOwner {
  readonly transport = new MemoryTransport();
  readonly reading: Reading;
  readonly log: string[] = [];
  /** Whether it was so while a message was given out. */
  wasForgettable = false;
  readonly #role: Role;

  constructor(
    role: Role,
    rsv1Claimed: boolean = false,
    text: 'string' | 'buffer' = 'string',
    idleTimeout: number = 0,
  ) {
    this.#role = role;
    this.reading = new Reading(
      this,
      this.transport,
      { ...resolveLimits({ maxPayload: 300_000, idleTimeout }), text },
      role === 'server',
      rsv1Claimed,
      new Share(new ManualClock()),
    );
  }

  receive(...frames: RawFrame[]): void {
    this.receiveBytes(Buffer.concat(frames.map((frame) => peerFrame(this.#role, frame))));
  }

  receiveBytes(bytes: Uint8Array): void {
    this.reading.intake.take(Buffer.from(bytes));
  }

  decode(chunk: Buffer, from: number): number {
    return this.reading.decoder.push(chunk, from);
  }

  onHold(holding: boolean): void {
    if (holding) this.reading.decoder.stop();
    else this.reading.decoder.start();
  }

  onTurnEnd(): void {}

  onExcess(): 'close' {
    return 'close';
  }

  onFrame(isMessage: boolean): number {
    this.log.push(isMessage ? 'message frame' : 'control frame');
    return 0;
  }

  onIdle(): void {}

  onRested(): void {
    this.reading.intake.endRest();
  }

  onEnd(): void {
    this.log.push('end');
  }

  /** The bytes of a text are kept as they are, which only who said `'buffer'` may. */
  readonly texts: Buffer[] = [];

  onMessage(opcode: number, source: Buffer, start: number, end: number): void {
    this.texts.push(source);
    this.log.push(`message ${opcode} ${source.toString('utf8', start, end)}`);
    this.wasForgettable ||= this.reading.isForgettable;
  }

  onPiece(opcode: number, source: Buffer, start: number, end: number, last: boolean): void {
    this.log.push(`piece ${opcode} ${source.toString('utf8', start, end)} ${last}`);
  }

  inflaterFor(): never {
    throw new Error('nothing is compressed here');
  }

  onInflating(): void {}

  onControl(opcode: number, source: Buffer, start: number, end: number): void {
    this.log.push(`control ${opcode} ${source.toString('utf8', start, end)}`);
  }
}

describe.each(ROLES)('what a %s reads by', (role) => {
  it('are the three parts, which make messages of bytes', () => {
    const reader = new Reader(role);
    reader.receive({ payload: 'text' }, { opcode: 9, payload: 'ping' }, { opcode: 2 });
    expect(reader.log).toEqual(['message 1 text', 'control 9 ping', 'message 2 ']);
  });

  it('tells of each frame where there is an idleTimeout, and not otherwise', () => {
    const reader = new Reader(role, false, 'string', 1_000);
    reader.receive({ opcode: 2, payload: 'one' });
    expect(reader.log).toEqual(['message frame', 'message 2 one']);
    expect(reader.reading.isForgettable).toBe(true);
  });

  it('expects a mask from a client alone', () => {
    const other = role === 'server' ? 'client' : 'server';
    const code = role === 'server' ? 'WS_ERR_MASK_MISSING' : 'WS_ERR_MASK_UNEXPECTED';
    const reader = new Reader(role);
    expect(violationCode(() => reader.receiveBytes(peerFrame(other, { payload: 'a' })))).toBe(code);
  });

  it('takes RSV1 where permessage-deflate was negotiated', () => {
    const compressed = { rsv: 4, payload: 'a' };
    expect(violationCode(() => new Reader(role).receive(compressed))).toBe('WS_ERR_RESERVED_BITS');
    expect(() => new Reader(role, true).receive(compressed)).toThrow('nothing is compressed here');
  });

  it('uses the memory of texts again, unless somebody may keep them', () => {
    for (const text of ['string', 'buffer'] as const) {
      const reader = new Reader(role, false, text);
      for (const letter of ['a', 'b']) {
        reader.receive({ fin: false, payload: letter.repeat(70_000) });
        reader.receive({ opcode: 0, payload: letter });
      }
      const [first, second] = reader.texts;
      expect(first!.buffer === second!.buffer).toBe(text === 'string');
    }
  });

  it('can be forgotten when nothing has come, and behind a whole message', () => {
    const reader = new Reader(role);
    expect(reader.reading.isForgettable).toBe(true);
    reader.receive({ payload: 'text' }, { opcode: 9, payload: 'ping' }, { payload: '' });
    expect(reader.reading.isForgettable).toBe(true);
    expect(reader.wasForgettable).toBe(false);
  });

  it('must be kept wherever the wire is cut, but between messages', () => {
    const frames: RawFrame[] = [
      { fin: false, payload: 'é' },
      { opcode: 9, payload: 'ping' },
      { opcode: 0, payload: '' },
      { opcode: 2, payload: 'x'.repeat(200) },
    ];
    const wires = frames.map((frame) => peerFrame(role, frame));
    const ends = new Set([wires.slice(0, 3), wires].map((some) => Buffer.concat(some).length));
    const wire = Buffer.concat(wires);
    for (let at = 1; at <= wire.length; at++) {
      const reader = new Reader(role);
      reader.receiveBytes(wire.subarray(0, at));
      expect([at, reader.reading.isForgettable]).toEqual([at, ends.has(at)]);
    }
  });

  it('must be kept while it is held back, and what is held', () => {
    const reader = new Reader(role);
    const { intake } = reader.reading;
    intake.pause(true);
    expect(reader.reading.isForgettable).toBe(false);
    reader.receive({ payload: 'text' });
    expect([reader.reading.isForgettable, reader.log]).toEqual([false, []]);
    intake.pause(false);
    expect([reader.reading.isForgettable, reader.log]).toEqual([true, ['message 1 text']]);
  });

  it('must be kept when it was told something about messages to come', () => {
    const reader = new Reader(role);
    const { inbound } = reader.reading;
    inbound.giveInPieces(true);
    expect(reader.reading.isForgettable).toBe(false);
    inbound.giveInPieces(false);
    expect(reader.reading.isForgettable).toBe(true);
    inbound.discardMessages();
    expect(reader.reading.isForgettable).toBe(false);
  });

  it('must be kept when it was stopped', () => {
    const reader = new Reader(role);
    reader.reading.intake.stop();
    expect(reader.reading.isForgettable).toBe(false);
    reader.receiveBytes(hex('81 00'));
    expect(reader.log).toEqual([]);
  });
});
