import { describe, expect, it } from 'vitest';
import { describeFrame, quote, WireLog } from '../../src/conform/wire-log.ts';

const TEXT = { opcode: 1, payload: Buffer.from('Hello') };

describe('a log of the wire', () => {
  it('keeps frames as bytes and as words', () => {
    const log = new WireLog();
    log.addFrame('judge', Buffer.from('8105', 'hex'), TEXT);
    log.addFrame('peer', Buffer.from('8800', 'hex'), { opcode: 8 });
    log.addNote('waits for 1 s');
    expect(log.entries).toMatchObject([
      {
        from: 'judge',
        header: '8105',
        payload: '48656c6c6f',
        payloadLength: 5,
        meaning: 'text, 5 bytes: "Hello"',
      },
      { from: 'peer', header: '8800', payload: '', payloadLength: 0, meaning: 'Close, 0 bytes' },
      { from: 'note', header: '', payload: '', payloadLength: 0, meaning: 'waits for 1 s' },
    ]);
    expect(log.entries.every(({ time }) => time >= 0)).toBe(true);
  });

  it('keeps the beginning of a long payload', () => {
    const log = new WireLog();
    log.addFrame('judge', Buffer.alloc(2), { opcode: 2, payload: Buffer.alloc(1000) });
    expect(log.entries[0]).toMatchObject({ payload: '00'.repeat(128), payloadLength: 1000 });
  });

  it('keeps the first entries and the last ones, and counts those between', () => {
    const log = new WireLog();
    for (let count = 0; count < 100; count++) log.addNote(String(count));
    const meanings = log.entries.map(({ meaning }) => meaning);
    expect(log.firstCount).toBe(60);
    expect(log.leftOut).toBe(20);
    expect(meanings).toHaveLength(80);
    expect(meanings.slice(59, 61)).toEqual(['59', '80']);
    expect(meanings.at(-1)).toBe('99');
  });

  it('only counts frames while it is paused', () => {
    const log = new WireLog();
    log.addNote('before');
    log.pause();
    log.addFrame('judge', Buffer.alloc(2), TEXT);
    log.addFrame('peer', Buffer.alloc(2), TEXT);
    log.resume();
    log.addNote('after');
    expect(log.entries.map(({ meaning }) => meaning)).toEqual(['before', 'after']);
    expect([log.firstCount, log.leftOut]).toEqual([1, 2]);
  });
});

describe('a frame in words', () => {
  it.each([
    [{ opcode: 0, fin: false, payload: Buffer.from('x') }, 'continuation, not final, 1 byte: "x"'],
    [{ opcode: 2, rsv: 4, payload: Buffer.from([255]) }, 'binary, RSV 4, 1 byte: 0xff'],
    [{ opcode: 9 }, 'Ping, 0 bytes'],
    [{ opcode: 10 }, 'Pong, 0 bytes'],
    [{ opcode: 5 }, 'reserved opcode 5, 0 bytes'],
    [{ opcode: 8, payload: Buffer.from([3, 232]) }, 'Close, 2 bytes: 1000'],
    [{ opcode: 8, payload: Buffer.from('\u0003\u0000bye', 'latin1') }, 'Close, 5 bytes: 768 "bye"'],
    [{ opcode: 8, payload: Buffer.from([3]) }, 'Close, 1 byte: "\\u0003"'],
  ])('%j', (frame, words) => {
    expect(describeFrame(frame)).toBe(words);
  });
});

describe('bytes in words', () => {
  it('are as long as fits a line', () => {
    expect(quote(Buffer.from('ü'.repeat(60)))).toBe(`"${'ü'.repeat(60)}"`);
    expect(quote(Buffer.from('𤭢'.repeat(61)))).toBe(`"${'𤭢'.repeat(60)}"…`);
    expect(quote(Buffer.alloc(30, 0xff))).toBe(`0x${'ff'.repeat(30)}`);
    expect(quote(Buffer.alloc(31, 0xff))).toBe(`0x${'ff'.repeat(30)}…`);
  });
});
