import { describe, expect, it } from 'vitest';
import {
  FIN,
  MAX_CONTROL_SIZE,
  MAX_HEADER_SIZE,
  RSV1,
  headerSize,
  writeHeader,
} from '../../src/frame/header.ts';
import { hex } from '../support/bytes.ts';

// A length, and the second byte of the header and what follows it, for a frame without a mask;
// by hand from RFC 6455, section 5.2.
const LENGTHS = [
  [0, '00'],
  [1, '01'],
  [124, '7c'],
  [125, '7d'],
  [126, '7e 007e'],
  [127, '7e 007f'],
  [128, '7e 0080'],
  [255, '7e 00ff'],
  [256, '7e 0100'],
  [32_768, '7e 8000'],
  [65_534, '7e fffe'],
  [65_535, '7e ffff'],
  [65_536, '7f 0000000000010000'],
  [65_537, '7f 0000000000010001'],
  [2 ** 24 + 3, '7f 0000000001000003'],
  [2 ** 31 - 1, '7f 000000007fffffff'],
  [2 ** 31, '7f 0000000080000000'],
  [2 ** 32 - 1, '7f 00000000ffffffff'],
  [2 ** 32, '7f 0000000100000000'],
  [2 ** 32 + 5, '7f 0000000100000005'],
  [2 ** 45 + 2 ** 31, '7f 0000200080000000'],
  [2 ** 53 - 2, '7f 001ffffffffffffe'],
  [2 ** 53 - 1, '7f 001fffffffffffff'],
] as const;

/** What no header may touch. */
const FILL = 0xee;

describe('headerSize', () => {
  it.each(LENGTHS)('counts the fewest bytes for a length of %i', (length, bytes) => {
    const size = 1 + hex(bytes).length;
    expect(headerSize(length, false)).toBe(size);
    expect(headerSize(length, true)).toBe(size + 4);
  });

  it('never exceeds MAX_HEADER_SIZE, and reaches it', () => {
    expect(MAX_HEADER_SIZE).toBe(14);
    expect(headerSize(Number.MAX_SAFE_INTEGER, true)).toBe(MAX_HEADER_SIZE);
  });
});

describe('writeHeader', () => {
  it.each(LENGTHS)('writes a length of %i without a mask', (length, bytes) => {
    const expected = Buffer.concat([hex('82'), hex(bytes)]);
    const target = Buffer.alloc(20, FILL);
    expect(writeHeader(target, 3, 0x82, length, false, 0)).toBe(3 + expected.length);
    expect(target).toEqual(
      Buffer.concat([
        Buffer.alloc(3, FILL),
        expected,
        Buffer.alloc(20 - 3 - expected.length, FILL),
      ]),
    );
  });

  it.each(LENGTHS)('writes a length of %i with the mask bit and the key', (length, bytes) => {
    const expected = Buffer.concat([hex('82'), hex(bytes), hex('37fa213d')]);
    expected[1]! += 0x80;
    const target = Buffer.alloc(20, FILL);
    expect(writeHeader(target, 1, 0x82, length, true, 0x37fa213d)).toBe(1 + expected.length);
    expect(target).toEqual(
      Buffer.concat([
        Buffer.alloc(1, FILL),
        expected,
        Buffer.alloc(20 - 1 - expected.length, FILL),
      ]),
    );
  });

  it('writes the first byte as it is given: FIN, RSV1 and the opcode', () => {
    expect(FIN).toBe(0b1000_0000);
    expect(RSV1).toBe(0b0100_0000);
    const target = Buffer.alloc(2);
    for (let first = 0; first <= 0xff; first++) {
      writeHeader(target, 0, first, 5, false, 0);
      expect(target.toString('hex')).toBe(Buffer.from([first, 5]).toString('hex'));
    }
  });

  it.each([
    [0, '00000000'],
    [1, '00000001'],
    [-1, 'ffffffff'],
    [-2_147_483_648, '80000000'],
    [-2_147_483_647, '80000001'],
    [2_147_483_647, '7fffffff'],
    [0xdeadbeef, 'deadbeef'],
  ])('writes the key %i big-endian, whatever its sign', (key, bytes) => {
    const target = Buffer.alloc(6);
    expect(writeHeader(target, 0, 0x81, 0, true, key)).toBe(6);
    expect(target.toString('hex')).toBe(`8180${bytes}`);
  });

  it('writes no key where nothing is masked, though one is given', () => {
    const target = Buffer.alloc(6, FILL);
    expect(writeHeader(target, 0, 0x81, 0, false, 0x37fa213d)).toBe(2);
    expect(target.toString('hex')).toBe('8100eeeeeeee');
  });

  it('writes into a Uint8Array that is a part of a larger one', () => {
    const whole = new Uint8Array(12).fill(FILL);
    expect(writeHeader(whole.subarray(5), 1, 0x82, 256, false, 0)).toBe(5);
    expect(Buffer.from(whole).toString('hex')).toBe('eeeeeeeeeeee827e0100eeee');
  });
});

describe('MAX_CONTROL_SIZE', () => {
  it('is the 125 bytes of section 5.5', () => {
    expect(MAX_CONTROL_SIZE).toBe(125);
  });
});
