import { describe, expect, it } from 'vitest';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { hex, readFrames } from '../support/bytes.ts';

describe('a prepared message', () => {
  it('is a text where it is made of a string, and a binary where of bytes', () => {
    const text = new PreparedMessage('Grüße');
    expect([text.opcode, Buffer.from(text.data).toString()]).toEqual([1, 'Grüße']);
    const binary = new PreparedMessage(hex('00 ff'));
    expect([binary.opcode, Buffer.from(binary.data)]).toEqual([2, hex('00 ff')]);
  });

  it.each([0, 1, 125, 126, 16_384, 65_535, 65_536])(
    'of %d bytes is one whole frame without a mask',
    (size) => {
      for (const data of ['x'.repeat(size), Buffer.alloc(size, 'x')]) {
        const message = new PreparedMessage(data);
        const frames = readFrames(message.frame);
        expect(frames).toHaveLength(1);
        expect(frames[0]).toMatchObject({
          fin: true,
          rsv: 0,
          opcode: typeof data === 'string' ? 1 : 2,
          masked: false,
          lengthBits: size < 126 ? 7 : size < 65_536 ? 16 : 64,
        });
        expect(frames[0]!.payload.equals(Buffer.alloc(size, 'x'))).toBe(true);
        expect(message.data).toHaveLength(size);
        expect(frames[0]!.payload.equals(message.data)).toBe(true);
      }
    },
  );

  it('keeps the bytes that it was made of, whatever the caller does to its own', () => {
    const large = Buffer.alloc(100_000, 'a');
    const small = Buffer.from('small');
    const messages = [new PreparedMessage(large), new PreparedMessage(small)];
    large.fill('z');
    small.fill('z');
    expect(Buffer.from(messages[0]!.data).equals(Buffer.alloc(100_000, 'a'))).toBe(true);
    expect(Buffer.from(messages[1]!.data).toString()).toBe('small');
  });

  it('keeps no more than its frame alive', () => {
    const message = new PreparedMessage('a few bytes');
    expect(message.frame.buffer.byteLength).toBe(13);
    expect(message.data.buffer).toBe(message.frame.buffer);
  });

  it('has its frame behind the one before it where both are sent at once, and otherwise alone', () => {
    for (;;) {
      const [one, two] = [new PreparedMessage('ä', true), new PreparedMessage(hex('00 ff'), true)];
      // Otherwise a page was full between them.
      if (one.page !== two.page) continue;
      expect(two.pageStart).toBe(one.pageStart + one.frame.length);
      const { bytes } = one.page!;
      const together = bytes.subarray(one.pageStart, two.pageStart + two.frame.length);
      expect(together).toEqual(hex('81 02 c3 a4 82 02 00 ff'));
      expect([Buffer.from(one.data), Buffer.from(two.data)]).toEqual([hex('c3 a4'), hex('00 ff')]);
      break;
    }
    expect(new PreparedMessage('kept').page).toBe(null);
    const large = new PreparedMessage('x'.repeat(20_000), true);
    expect([large.page, large.frame.length, large.data.length]).toEqual([null, 20_004, 20_000]);
  });

  it('is kept in memory of its own, once for all who keep it', () => {
    for (const data of ['Grüße', hex('00 ff')]) {
      const message = new PreparedMessage(data, true);
      const kept = message.keep();
      expect(kept.page).toBe(null);
      expect(kept.frame.buffer.byteLength).toBe(kept.frame.length);
      expect(Buffer.from(kept.frame)).toEqual(Buffer.from(message.frame));
      expect([kept.opcode, message.keep(), kept.keep()]).toEqual([message.opcode, kept, kept]);
    }
    const alone = new PreparedMessage('alone');
    expect(alone.keep()).toBe(alone);
  });

  it('means exactly the bytes that a view shows', () => {
    const memory = Uint8Array.from([0, 1, 2, 3, 4, 5, 6, 7]).buffer;
    const shared = new SharedArrayBuffer(3);
    new Uint8Array(shared).set([7, 8, 9]);
    expect(
      [
        memory.slice(2, 5),
        new DataView(memory, 1, 3),
        new Uint16Array(memory, 2, 2),
        Buffer.from(memory, 3, 2),
        shared,
      ].map((data) => Buffer.from(new PreparedMessage(data).data).toString('hex')),
    ).toEqual(['020304', '010203', '02030405', '0304', '070809']);
  });

  it('has U+FFFD where a surrogate has no partner', () => {
    expect(Buffer.from(new PreparedMessage('a\ud800').data)).toEqual(hex('61 ef bf bd'));
  });

  it.each([5, null, undefined, {}, [1], true, 5n, new Blob(['x'])])('is not made of %s', (data) => {
    // @ts-expect-error: the type is wrong on purpose.
    expect(() => new PreparedMessage(data)).toThrow(TypeError);
  });
});
