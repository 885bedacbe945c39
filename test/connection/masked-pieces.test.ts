import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PIECE_SIZE, writeMasked } from '../../src/connection/masked-pieces.ts';
import { MAX_HEADER_SIZE } from '../../src/frame/header.ts';
import { maskedFrame } from '../support/bytes.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

/** The key of the examples in RFC 6455, section 5.7, which `maskedFrame` uses too. */
vi.mock('../../src/frame/masking-key.ts', () => ({ nextMaskingKey: vi.fn(() => 0x37fa213d) }));

/** A transport that keeps what it is given as it is, and takes so many writes at once. */
class HoldingTransport extends MemoryTransport {
  readonly held: Uint8Array[] = [];
  takes = Infinity;

  override write(bytes: Uint8Array): boolean {
    this.held.push(bytes);
    this.stuck = this.writes.length >= this.takes;
    return super.write(bytes);
  }
}

/** Bytes of which no two neighbours are the same, and no two pieces. */
function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = i * 7 + (i >> 16);
  return bytes;
}

let transport: HoldingTransport;

beforeEach(() => {
  transport = new HoldingTransport();
});

afterEach(() => {
  vi.restoreAllMocks();
});

describe('writeMasked', () => {
  it.each([65_536, PIECE_SIZE - 1, PIECE_SIZE, PIECE_SIZE + 1, 3 * PIECE_SIZE, 1_000_003])(
    'writes a masked frame of %i bytes, and leaves the payload as it was',
    (size) => {
      const payload = pattern(size);
      expect(writeMasked(transport, 0x82, payload)).toBe(true);
      expect(transport.wire.equals(maskedFrame({ opcode: 2, payload }))).toBe(true);
      expect(transport.writes).toHaveLength(Math.ceil(size / PIECE_SIZE));
      expect(payload.equals(pattern(size))).toBe(true);
    },
  );

  it('takes a part of a larger buffer, at any place of it', () => {
    for (const offset of [1, 2, 3, 4]) {
      transport = new HoldingTransport();
      const payload = pattern(300_000).subarray(offset, 280_000 + offset);
      writeMasked(transport, 0x02, payload);
      const expected = maskedFrame({ opcode: 2, fin: false, payload });
      expect(transport.wire.equals(expected)).toBe(true);
    }
  });

  it('uses its memory again, for the pieces of a frame and for the next frame', () => {
    writeMasked(transport, 0x82, pattern(600_000));
    writeMasked(new HoldingTransport(), 0x82, pattern(70_000));
    writeMasked(transport, 0x82, pattern(70_000));
    expect(transport.held).toHaveLength(4);
    expect(new Set(transport.held.map(({ buffer }) => buffer)).size).toBe(1);
  });

  it.each([0, 1, 2])(
    'overwrites nothing that the network has not taken: it takes %i writes',
    (takes) => {
      transport.takes = takes;
      const payload = pattern(3 * PIECE_SIZE);
      expect(writeMasked(transport, 0x82, payload)).toBe(false);
      // The piece that it holds, and the rest of the frame.
      expect(transport.writes).toHaveLength(takes < 2 ? takes + 2 : 3);
      const held = transport.held.slice(takes);
      const other = new HoldingTransport();
      writeMasked(other, 0x82, Buffer.alloc(3 * PIECE_SIZE, 0xff));
      expect(other.held.every(({ buffer }) => held.every((bytes) => bytes.buffer !== buffer))).toBe(
        true,
      );
      const wire = Buffer.concat([...transport.writes.slice(0, takes), ...held]);
      expect(wire.equals(maskedFrame({ opcode: 2, payload }))).toBe(true);
    },
  );

  it('takes no more memory than a frame needs, where the network is slow with each', () => {
    transport.takes = 0;
    // The first one has the memory that others used before.
    writeMasked(transport, 0x82, pattern(70_000));
    writeMasked(transport, 0x82, pattern(70_000));
    expect(transport.held[1]?.buffer.byteLength).toBe(70_000 + MAX_HEADER_SIZE);
  });

  it('destroys the transport where there is no memory for the rest of a frame', () => {
    const refused = new RangeError('Array buffer allocation failed');
    transport.takes = 0;
    writeMasked(new HoldingTransport(), 0x82, pattern(PIECE_SIZE));
    vi.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation(() => {
      throw refused;
    });
    expect(() => writeMasked(transport, 0x82, pattern(2 * PIECE_SIZE))).toThrow(refused);
    expect([transport.writes.length, transport.destroyed]).toEqual([1, true]);
  });

  it('gives its memory to nobody else while a transport may call back', () => {
    const payload = pattern(3 * PIECE_SIZE);
    const inner = new HoldingTransport();
    const write = transport.write.bind(transport);
    vi.spyOn(transport, 'write').mockImplementation((bytes) => {
      writeMasked(inner, 0x82, Buffer.alloc(PIECE_SIZE, 0xff));
      return write(bytes);
    });
    writeMasked(transport, 0x82, payload);
    expect(transport.wire.equals(maskedFrame({ opcode: 2, payload }))).toBe(true);
    expect(inner.held[0]?.buffer).not.toBe(transport.held[0]?.buffer);
  });
});
