import { describe, expect, it } from 'vitest';
import { Closing } from '../../src/connection/closing.ts';
import { ProtocolError } from '../../src/errors.ts';
import { closeBody } from '../support/bytes.ts';

describe('how a connection ends', () => {
  it('is without a Close, as long as none came', () => {
    const closing = new Closing();
    expect([closing.code, closing.reason, closing.deadline]).toEqual([1006, '', Infinity]);
  });

  it('is what the Close says', () => {
    const closing = new Closing();
    const body = Buffer.concat([
      Buffer.from('xx'),
      closeBody(4001, 'genug, tschüß'),
      Buffer.from('y'),
    ]);
    closing.read(body, 2, body.length - 1);
    expect([closing.code, closing.reason]).toEqual([4001, 'genug, tschüß']);
  });

  it('is 1005 where the Close says nothing', () => {
    const closing = new Closing();
    closing.read(Buffer.alloc(0), 0, 0);
    expect([closing.code, closing.reason]).toEqual([1005, '']);
  });

  it('stays what it was where the Close is malformed', () => {
    const closing = new Closing();
    expect(() => closing.read(Buffer.from([3]), 0, 1)).toThrow(ProtocolError);
    expect(() => closing.read(closeBody(1005), 0, 2)).toThrow(ProtocolError);
    expect([closing.code, closing.reason]).toEqual([1006, '']);
  });
});

describe('the deadline of the end', () => {
  it('is the first that is set, until it is over', () => {
    const closing = new Closing();
    closing.startTimeout(100);
    closing.startTimeout(50);
    closing.startTimeout(200);
    expect(closing.deadline).toBe(100);
    closing.stopTimeout();
    expect(closing.deadline).toBe(Infinity);
    closing.startTimeout(300);
    expect(closing.deadline).toBe(300);
  });
});
