import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import {
  type Bytes,
  checkControl,
  checkMessage,
  copyBytes,
  isBlob,
  isBytes,
  isKeptAsView,
  ownBytes,
  ownBytesOfBlock,
  ownPiece,
  toBytes,
  toTextBytes,
} from '../../src/connection/payload.ts';
import { hex } from '../support/bytes.ts';

/** 00 01 … 0f, in memory that every view of it shares. */
const memory = Uint8Array.from({ length: 16 }, (_, i) => i).buffer;

function shared(...bytes: number[]): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  return buffer;
}

const FORMS: [name: string, data: Bytes, bytes: string][] = [
  ['an ArrayBuffer', memory.slice(0, 3), '000102'],
  ['an empty ArrayBuffer', new ArrayBuffer(0), ''],
  ['a SharedArrayBuffer', shared(7, 8), '0708'],
  ['a Uint8Array', Uint8Array.of(1, 2, 255), '0102ff'],
  ['a part of a Uint8Array', new Uint8Array(memory, 5, 3), '050607'],
  ['a Uint8Array of shared memory', new Uint8Array(shared(1, 2, 3), 1), '0203'],
  ['a Buffer', Buffer.from('ab'), '6162'],
  ['a slice of a Buffer', Buffer.from('abcdef').subarray(2, 4), '6364'],
  ['an Int8Array', Int8Array.of(-1, 1), 'ff01'],
  ['a Uint8ClampedArray', Uint8ClampedArray.of(300, 1), 'ff01'],
  ['a part of a Uint16Array', new Uint16Array(memory, 2, 2), '02030405'],
  ['a Float32Array', new Float32Array([1]), '0000803f'],
  ['a part of a Float64Array', new Float64Array(memory, 8, 1), '08090a0b0c0d0e0f'],
  ['a BigInt64Array', BigInt64Array.of(1n), '0100000000000000'],
  ['a DataView', new DataView(memory, 3, 2), '0304'],
  ['an empty DataView at an odd place', new DataView(memory, 3, 0), ''],
];

const NO_BYTES: unknown[] = [
  5,
  0,
  -1,
  Number.NaN,
  true,
  null,
  undefined,
  5n,
  'text',
  Symbol('bytes'),
  {},
  [1, 2, 3],
  new Date(),
  () => {},
  new Blob(['x']),
  { byteLength: 3, byteOffset: 0, buffer: memory },
];

describe('bytes', () => {
  it.each(FORMS)('may be %s', (_, data, bytes) => {
    expect(isBytes(data)).toBe(true);
    expect(Buffer.from(toBytes(data)).toString('hex')).toBe(bytes);
  });

  it('are not copied', () => {
    const buffer = Buffer.from('abc');
    expect(toBytes(buffer)).toBe(buffer);
    expect(toBytes(memory).buffer).toBe(memory);
    expect(toBytes(new DataView(memory, 3, 2)).buffer).toBe(memory);
  });

  it('may come from another realm, as they do in a test runner', () => {
    for (const [code, bytes] of [
      ['new ArrayBuffer(2)', '0000'],
      ['new SharedArrayBuffer(2)', '0000'],
      ['new Uint8Array([1, 2])', '0102'],
      ['new Uint16Array([1])', '0100'],
      ['new DataView(new Uint8Array([1, 2, 3]).buffer, 1)', '0203'],
    ] as const) {
      const data: unknown = runInNewContext(code);
      expect(isBytes(data), code).toBe(true);
      expect(Buffer.from(toBytes(data)).toString('hex'), code).toBe(bytes);
    }
  });

  it('follow a buffer that was resized', () => {
    const buffer = Reflect.construct(ArrayBuffer, [2, { maxByteLength: 8 }]);
    const view = new Uint8Array(buffer);
    Reflect.apply(Reflect.get(ArrayBuffer.prototype, 'resize'), buffer, [4]);
    expect([toBytes(buffer).length, toBytes(view).length]).toEqual([4, 4]);
  });

  it('are nothing else', () => {
    for (const data of NO_BYTES) {
      expect(isBytes(data)).toBe(false);
      expect(() => toBytes(data)).toThrow(TypeError);
      expect(() => toTextBytes(data)).toThrow(TypeError);
    }
  });
});

describe('the bytes of a text', () => {
  it.each(['', 'ASCII', 'Grüße, 世界 🌍', 'é'.repeat(1_000)])('are UTF-8: %s', (text) => {
    const bytes = Buffer.from(text);
    expect(toTextBytes(bytes)).toBe(bytes);
    const memoryOfText = new SharedArrayBuffer(bytes.length);
    new Uint8Array(memoryOfText).set(bytes);
    expect(Buffer.from(toTextBytes(memoryOfText)).toString()).toBe(text);
    expect(Buffer.from(toTextBytes(new DataView(memoryOfText))).toString()).toBe(text);
  });

  it.each(['ff', '80', 'c0 af', 'ed a0 80', 'f4 90 80 80', 'f0 9f 98'])(
    'must not be %s',
    (bytes) => {
      for (const before of ['', 'é'.repeat(50)]) {
        const text = Buffer.concat([Buffer.from(before), hex(bytes)]);
        expect(() => toTextBytes(text)).toThrow(new TypeError('a text must be valid UTF-8'));
      }
    },
  );

  it('are looked at where the view begins, and no further than where it ends', () => {
    const bytes = Buffer.from([0xff, 0x61, 0xc3, 0xa9, 0xff]);
    expect(() => toTextBytes(bytes.subarray(1, 4))).not.toThrow();
    expect(() => toTextBytes(bytes.subarray(1, 3))).toThrow(TypeError);
    expect(() => toTextBytes(bytes.subarray(1))).toThrow(TypeError);
  });
});

describe('a Blob', () => {
  it('is a Blob or a File, and nothing else', () => {
    const files: unknown[] = [new Blob([]), new File(['x'], 'name')];
    expect(files.map((file) => isBlob(file))).toEqual([true, true]);
    expect(NO_BYTES.filter((data) => isBlob(data))).toEqual([expect.any(Blob)]);
    expect(FORMS.some(([, data]) => isBlob(data))).toBe(false);
  });
});

describe('what a connection takes', () => {
  it('is a string or a Uint8Array, as a text or as a binary', () => {
    const foreign = runInNewContext('new Uint8Array(1)');
    for (const opcode of [1, 2]) {
      for (const data of ['', 'x', Buffer.alloc(1), new Uint8Array(1), foreign]) {
        expect(() => checkMessage(opcode, data)).not.toThrow();
      }
    }
  });

  it('is no other opcode', () => {
    for (const opcode of [0, 3, 8, 9, 10, Number.NaN, '1', null]) {
      // @ts-expect-error: the type is wrong on purpose.
      expect(() => checkMessage(opcode, 'x')).toThrow(TypeError);
    }
  });

  it('is nothing else, nor for a control frame', () => {
    const others = [...NO_BYTES.filter((data) => data !== 'text'), memory, new DataView(memory)];
    for (const data of [...others, new Uint16Array(2), { length: 3, [Symbol.iterator]: null }]) {
      // @ts-expect-error: the type is wrong on purpose.
      expect(() => checkMessage(1, data)).toThrow(TypeError);
      // @ts-expect-error: the type is wrong on purpose.
      expect(() => checkControl(data)).toThrow(TypeError);
    }
    // @ts-expect-error: the type is wrong on purpose.
    expect(() => checkControl('text')).toThrow(TypeError);
  });

  it('is UTF-8 in a text, however long it is', () => {
    for (const size of [0, 1, 128, 129, 5000]) {
      const ascii = Buffer.alloc(size, 'a');
      const other = Buffer.concat([ascii, Buffer.from('é')]);
      expect([toTextBytes(ascii), toTextBytes(other)]).toEqual([ascii, other]);
      expect(() => toTextBytes(other.subarray(0, -1))).toThrow(TypeError);
    }
  });

  it('is at most 125 bytes in a control frame', () => {
    expect(() => checkControl(Buffer.alloc(125))).not.toThrow();
    expect(() => checkControl(Buffer.alloc(126))).toThrow(RangeError);
  });
});

describe('what a connection gives', () => {
  it('is a view where the bytes fill a 32nd of a large chunk, and a copy where they do not', () => {
    for (const size of [257, 300, 3000]) {
      const chunk = Buffer.alloc(32 * size, 'a');
      const part = ownBytes(chunk, 5, 5 + size);
      const less = ownBytes(chunk, 5, 4 + size);
      expect([part.length, less.length]).toEqual([size, size - 1]);
      chunk.fill('z');
      expect(part.toString()).toBe('z'.repeat(size));
      expect(less.toString()).toBe('a'.repeat(size - 1));
      expect(isKeptAsView(size, chunk.length)).toBe(true);
      expect(isKeptAsView(size - 1, chunk.length)).toBe(false);
    }
  });

  it('is a view in a small chunk, which keeps no more alive than a copy in the pool of Node', () => {
    // As large as the pool of Node 20 and 22; that of later ones is larger.
    const size = 8 * 1024;
    const chunk = Buffer.alloc(size, 'a');
    const part = ownBytes(chunk, 7, 8);
    const less = ownBytes(Buffer.alloc(size + 1, 'a'), 7, 8);
    chunk.fill('z');
    expect([part.toString(), less.toString()]).toEqual(['z', 'a']);
    expect([isKeptAsView(1, size), isKeptAsView(1, size + 1)]).toEqual([true, false]);
  });

  it('is copied in blocks, where it is small in a large chunk that is not masked', () => {
    const chunk = Buffer.from(Array.from({ length: 60_000 }, (_, i) => i & 0xff));
    const expected = Buffer.from(chunk);
    const given: [bytes: Buffer, start: number][] = [];
    const sizes = [0, 1, 5, 40, 125, 1024, 1025, 1800, 3000];
    for (
      let start = 3, i = 0;
      start + 3000 < chunk.length;
      start += sizes[i++ % sizes.length]! + 2
    ) {
      const size = sizes[i % sizes.length]!;
      given.push([ownBytesOfBlock(chunk, start, start + size), start]);
    }
    // What nobody has asked for in its order.
    given.push([ownBytesOfBlock(chunk, 59_999, 60_000), 59_999], [ownBytesOfBlock(chunk, 1, 2), 1]);
    for (const [bytes, start] of given) {
      expect(bytes.equals(expected.subarray(start, start + bytes.length))).toBe(true);
      const isView = bytes.length * 32 >= chunk.length;
      expect(bytes.buffer === chunk.buffer).toBe(isView);
    }
    expect(new Set(given.map(([{ buffer }]) => buffer)).size).toBeLessThan(given.length / 3);
  });

  it('is copied from the chunk that it lies in, and not from one before', () => {
    for (const size of [10_000, 100_000]) {
      for (const letter of 'abc') {
        const chunk = Buffer.alloc(size, letter);
        const [first, second] = [ownBytesOfBlock(chunk, 5, 8), ownBytesOfBlock(chunk, 10, 12)];
        chunk.fill('z');
        expect([first.toString(), second.toString()]).toEqual([letter.repeat(3), letter.repeat(2)]);
      }
    }
    const small = Buffer.from('abc');
    expect(ownBytesOfBlock(small, 1, 2).buffer).toBe(small.buffer);
  });

  it('is a piece that keeps at most twice its size', () => {
    const chunk = Buffer.from('0123456789');
    const half = ownPiece(chunk, 3, 8);
    expect([half.toString(), half.buffer === chunk.buffer]).toEqual(['34567', true]);
    const less = ownPiece(chunk, 3, 7);
    chunk.fill('z');
    expect([half.toString(), less.toString()]).toEqual(['zzzzz', '3456']);
  });

  /** As an application does that gives a message to a worker. */
  function transfer(bytes: Buffer): unknown {
    const { buffer } = bytes;
    return structuredClone(bytes, buffer instanceof ArrayBuffer ? { transfer: [buffer] } : {});
  }

  it('cannot be transferred where others may have views of the same bytes', () => {
    const chunk = Buffer.alloc(100_000);
    const part = ownBytes(chunk, 8, 50_000);
    // Node 20 copies it all the same, and later ones refuse.
    let refusal: unknown = null;
    try {
      transfer(part);
    } catch (error) {
      refusal = error;
    }
    if (refusal !== null) expect(refusal).toMatchObject({ name: 'DataCloneError' });
    expect([chunk.length, part.length]).toEqual([100_000, 49_992]);
    expect(structuredClone(part)).toHaveLength(49_992);
    const whole = ownBytes(Buffer.alloc(100_000), 0, 100_000);
    transfer(whole);
    expect(whole).toHaveLength(0);
  });

  it('may be empty', () => {
    expect(ownBytes(Buffer.alloc(0), 0, 0)).toHaveLength(0);
    expect(ownBytes(Buffer.alloc(5), 5, 5)).toHaveLength(0);
    expect(copyBytes(Buffer.alloc(5), 2, 2)).toHaveLength(0);
  });

  it('is copied where it is asked for', () => {
    const chunk = Buffer.from('0123456789');
    const copy = copyBytes(chunk, 1, 10);
    chunk.fill('z');
    expect(copy.toString()).toBe('123456789');
  });
});
