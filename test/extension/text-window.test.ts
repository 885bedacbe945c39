import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TextWindow } from '../../src/extension/text-window.ts';

const ABC = Buffer.from('abc');

describe('a window of text', () => {
  it('is empty at first', () => {
    expect(new TextWindow(9, true).text).toEqual(Buffer.alloc(0));
  });

  it('has what has come, in its order', () => {
    const window = new TextWindow(9, true);
    window.remember(ABC, false);
    window.remember(Buffer.from('de'), false);
    expect(window.text.toString()).toBe('abcde');
  });

  it('goes on behind the end of a message', () => {
    const window = new TextWindow(9, true);
    window.remember(ABC, true);
    window.remember(ABC, true);
    expect(window.text.toString()).toBe('abcabc');
  });

  it('is empty behind the end of a message where there is no takeover', () => {
    const window = new TextWindow(9, false);
    window.remember(ABC, false);
    window.remember(ABC, false);
    expect(window.text.toString()).toBe('abcabc');
    window.remember(ABC, true);
    expect(window.text.length).toBe(0);
  });

  it('is empty when it was told to forget', () => {
    const window = new TextWindow(9, true);
    window.remember(ABC, true);
    window.forget();
    expect(window.text.length).toBe(0);
    window.remember(ABC, true);
    expect(window.text.toString()).toBe('abc');
  });

  it.each([9, 10, 11, 12, 13, 14, 15])('of %d bits keeps as many bytes', (bits) => {
    const size = 2 ** bits;
    for (const more of [-1, 0, 1]) {
      const bytes = Buffer.alloc(size + more, 'x');
      bytes[0] = 0x61;
      const window = new TextWindow(bits, true);
      window.remember(bytes, true);
      expect(window.text.equals(bytes.subarray(-size))).toBe(true);
    }
  });

  it('does not change when the bytes that it was given do', () => {
    for (const size of [3, 511, 512, 600]) {
      const window = new TextWindow(9, true);
      const bytes = Buffer.alloc(size, 'a');
      window.remember(bytes, true);
      bytes.fill('b');
      expect(window.text).toEqual(Buffer.alloc(Math.min(size, 512), 'a'));
    }
  });

  it('holds no more memory than its size, whatever it was given', () => {
    const window = new TextWindow(9, true);
    window.remember(Buffer.alloc(100_000), true);
    expect(window.text.buffer.byteLength).toBe(512);
    window.remember(Buffer.from('small'), true);
    expect(window.text.buffer.byteLength).toBe(512);
  });

  it('takes any bytes', () => {
    const window = new TextWindow(9, true);
    window.remember(new Uint8Array([1, 2, 3, 4]).subarray(1, 3), false);
    window.remember(new Uint8Array(0), true);
    expect([...window.text]).toEqual([2, 3]);
  });

  it('is the end of all that has come, however it came', () => {
    const size = fc.oneof(fc.integer({ max: 40, min: 0 }), fc.integer({ max: 1200, min: 480 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(size, fc.boolean()), { maxLength: 12 }), (pieces) => {
        const window = new TextWindow(9, true);
        let all = Buffer.alloc(0);
        for (const [length, last] of pieces) {
          const bytes = Buffer.from(Array.from({ length }, (_, at) => (at + all.length) % 251));
          window.remember(bytes, last);
          all = Buffer.concat([all, bytes]);
          expect(window.text.equals(all.subarray(-512))).toBe(true);
        }
      }),
    );
  });
});
