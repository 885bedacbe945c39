import { describe, expect, it } from 'vitest';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { Waiting, keepMessage, sizeOf } from '../../src/connection/waiting.ts';

const TEXT = 1;
const BINARY = 2;
/** A header is 14 bytes at the most. */
const HEADER = 14;

describe('what waits', () => {
  it('comes back in its order, and is counted until then', () => {
    const waiting = new Waiting();
    const turn = (): void => {};
    const [first, second] = [
      keepMessage(TEXT, 'äb', true, null),
      keepMessage(BINARY, Buffer.from('abc'), false, null),
    ];
    waiting.push(first);
    waiting.push(turn);
    waiting.push(second);
    expect(waiting.size).toBe(3 + HEADER + 3 + HEADER);
    expect(waiting.shift()).toBe(first);
    expect(waiting.size).toBe(3 + HEADER);
    expect(waiting.shift()).toBe(turn);
    expect(waiting.shift()).toBe(second);
    expect([waiting.size, waiting.shift()]).toEqual([0, undefined]);
  });

  it('keeps the fragments of a message together, whatever comes between them', () => {
    const waiting = new Waiting();
    waiting.pushFragment(TEXT, 'ä', false);
    const between = keepMessage(TEXT, 'x', true, null);
    waiting.push(between);
    waiting.pushFragment(TEXT, Buffer.from('b'), true);
    waiting.pushFragment(BINARY, 'next', false);
    expect(waiting.size).toBe(2 + 1 + HEADER + 1 + 4);
    expect(waiting.shift()).toEqual({
      opcode: TEXT,
      parts: [
        ['ä', false],
        [Buffer.from('b'), true],
      ],
    });
    expect(waiting.shift()).toBe(between);
    expect(waiting.shift()).toEqual({ opcode: BINARY, parts: [['next', false]] });
    expect(waiting.size).toBe(0);
  });

  it('begins anew with a fragment that comes when those before it wait no more', () => {
    const waiting = new Waiting();
    waiting.pushFragment(TEXT, 'a', false);
    waiting.shift();
    waiting.pushFragment(TEXT, 'b', true);
    expect(waiting.shift()).toEqual({ opcode: TEXT, parts: [['b', true]] });
  });

  it('may be taken all at once', () => {
    const waiting = new Waiting();
    const message = keepMessage(TEXT, 'a', true, null);
    waiting.push(message);
    waiting.pushFragment(TEXT, 'b', false);
    expect(waiting.takeAll()).toEqual([message, { opcode: TEXT, parts: [['b', false]] }]);
    expect([waiting.size, waiting.shift()]).toEqual([0, undefined]);
    waiting.pushFragment(TEXT, 'c', true);
    expect(waiting.takeAll()).toEqual([{ opcode: TEXT, parts: [['c', true]] }]);
  });
});

describe('a message that is kept', () => {
  it('is not changed with the bytes that it was made of', () => {
    const bytes = Buffer.from('abc');
    const { data } = keepMessage(BINARY, bytes, true, null);
    const waiting = new Waiting();
    waiting.pushFragment(BINARY, bytes, true);
    bytes.fill('x');
    expect(data).toEqual(Buffer.from('abc'));
    expect(waiting.shift()).toEqual({ opcode: BINARY, parts: [[Buffer.from('abc'), true]] });
  });

  it('keeps no page in memory where it was prepared to be sent at once', () => {
    const prepared = new PreparedMessage('abc', true);
    const kept = keepMessage(prepared.opcode, prepared.data, true, prepared);
    expect(kept.prepared?.page).toBe(null);
    expect(kept.data.length).toBe(3);
    expect(kept.data).toBe(kept.prepared?.data);
    // All who wait for it keep the same.
    expect(keepMessage(TEXT, prepared.data, true, prepared).prepared).toBe(kept.prepared);
  });

  it('is not copied where it was prepared: nobody can change that', () => {
    const prepared = new PreparedMessage('abc');
    const kept = keepMessage(prepared.opcode, prepared.data, true, prepared);
    expect(kept.data).toBe(prepared.data);
    expect(kept).toMatchObject({ opcode: TEXT, size: 3 + HEADER, compress: true, prepared });
  });
});

it('sizes are bytes', () => {
  expect([sizeOf('ä€'), sizeOf(Buffer.alloc(5)), sizeOf('')]).toEqual([5, 5, 0]);
});
