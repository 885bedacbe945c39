import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeFrames,
  type Frame,
  fragment,
  FrameReader,
  headerSizeOf,
  type ReceivedFrame,
} from '../../src/conform/wire.ts';

/** All frames in bytes that come in pieces of these sizes. */
function read(bytes: Buffer, ...sizes: readonly number[]): ReceivedFrame[] {
  const reader = new FrameReader();
  const frames: ReceivedFrame[] = [];
  let start = 0;
  for (const size of [...sizes, bytes.length]) {
    reader.push(Buffer.from(bytes.subarray(start, start + size)));
    start += size;
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame);
  }
  return frames;
}

function hex(digits: string): Buffer {
  return Buffer.from(digits.replaceAll(' ', ''), 'hex');
}

describe('a frame to bytes', () => {
  it.each([
    ['a text', { opcode: 1, payload: Buffer.from('Hello') }, '81 05 48656c6c6f'],
    ['a fragment', { opcode: 1, fin: false, payload: Buffer.from('Hel') }, '01 03 48656c'],
    ['reserved bits', { opcode: 2, rsv: 0b101 }, 'd2 00'],
    ['a reserved opcode', { opcode: 15 }, '8f 00'],
  ] as const)('writes %s', (_name, frame, bytes) => {
    expect(encodeFrames([frame], false)).toEqual(hex(bytes));
  });

  it.each([
    [125, '82 7d'],
    [126, '82 7e007e'],
    [65_535, '82 7effff'],
    [65_536, '82 7f0000000000010000'],
  ])('writes the length %d in the fewest bytes', (length, header) => {
    const frame = { opcode: 2, payload: Buffer.alloc(length) };
    const size = headerSizeOf(frame, false);
    expect(encodeFrames([frame], false).subarray(0, size)).toEqual(hex(header));
    expect(headerSizeOf(frame, true)).toBe(size + 4);
  });

  it('masks by a new key each time, for as long as one likes', () => {
    const frame = { opcode: 1, payload: Buffer.from('Hello') };
    const keys = new Set<string>();
    for (let count = 0; count < 5000; count++) {
      const bytes = encodeFrames([frame], true);
      keys.add(bytes.toString('hex', 2, 6));
      expect(bytes.subarray(0, 2)).toEqual(hex('81 85'));
      expect(bytes[6]! ^ bytes[2]!).toBe(0x48);
    }
    expect(keys.size).toBeGreaterThan(4990);
  });

  it('leaves the payload as it was', () => {
    const payload = Buffer.from('Hello');
    encodeFrames([{ opcode: 1, payload }], true);
    expect(payload.toString()).toBe('Hello');
  });
});

describe('a message in fragments', () => {
  it('has the opcode and the reserved bits in the first one', () => {
    expect(fragment(1, Buffer.from('abcde'), 2, 4)).toEqual([
      { opcode: 1, payload: Buffer.from('ab'), fin: false, rsv: 4 },
      { opcode: 0, payload: Buffer.from('cd'), fin: false, rsv: 0 },
      { opcode: 0, payload: Buffer.from('e'), fin: true, rsv: 0 },
    ]);
  });

  it('ends in an empty one where nothing is left', () => {
    expect(fragment(2, Buffer.from('ab'), 2).map(({ fin, payload }) => [fin, payload])).toEqual([
      [false, Buffer.from('ab')],
      [true, Buffer.alloc(0)],
    ]);
    expect(fragment(2, Buffer.alloc(0), 2)).toHaveLength(1);
  });
});

describe('bytes to frames', () => {
  it('says how many bytes are left that are no whole frame', () => {
    const reader = new FrameReader();
    expect(reader.size).toBe(0);
    reader.push(hex('81'));
    expect(reader.size).toBe(1);
    reader.push(hex('03 61'));
    expect([reader.next(), reader.size]).toEqual([undefined, 2]);
    reader.push(hex('62 63'));
    expect([reader.next()?.payload.toString(), reader.size]).toEqual(['abc', 0]);
  });

  it('knows the size of a header whether there is a payload or not', () => {
    expect([headerSizeOf({ opcode: 9 }, false), headerSizeOf({ opcode: 9 }, true)]).toEqual([2, 6]);
  });

  it('unmasks what is masked, and keeps the header', () => {
    const bytes = hex('81 85 37fa213d 7f9f4d5158');
    expect(read(bytes)).toEqual([
      {
        opcode: 1,
        payload: Buffer.from('Hello'),
        fin: true,
        rsv: 0,
        isMasked: true,
        header: hex('81 85 37fa213d'),
        hasShortestLength: true,
      },
    ]);
  });

  it.each([
    ['81 7e 0005 48656c6c6f', false],
    ['81 7f 0000000000000005 48656c6c6f', false],
    ['81 05 48656c6c6f', true],
  ])('says whether the length has the fewest bytes: %s', (bytes, hasShortestLength) => {
    expect(read(hex(bytes))).toMatchObject([{ payload: Buffer.from('Hello'), hasShortestLength }]);
  });

  it('reads lengths of 64 bits', () => {
    const payload = Buffer.alloc(70_000, 'x');
    const [frame] = read(encodeFrames([{ opcode: 2, payload }], true), 3, 10, 5000);
    expect(frame?.payload.equals(payload)).toBe(true);
    expect(frame?.hasShortestLength).toBe(true);
  });

  it('refuses a length that no case can lead to', () => {
    expect(() => read(hex('82 7f 0000000004000001'))).toThrow(RangeError);
    expect(() => read(hex('82 7f ffffffffffffffff'))).toThrow(RangeError);
  });

  it('gives back any frames, however the bytes are cut', () => {
    const anyFrame: fc.Arbitrary<Frame> = fc.record({
      opcode: fc.nat(15),
      rsv: fc.nat(7),
      fin: fc.boolean(),
      payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    });
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 5 }),
        fc.boolean(),
        fc.array(fc.integer({ min: 1, max: 50 })),
        (frames, isMasked, sizes) => {
          const seen = read(encodeFrames(frames, isMasked), ...sizes);
          expect(
            seen.map(({ opcode, rsv, fin, payload }) => ({ opcode, rsv, fin, payload })),
          ).toEqual(frames);
          expect(seen.every((frame) => frame.isMasked === isMasked)).toBe(true);
        },
      ),
    );
  });
});
