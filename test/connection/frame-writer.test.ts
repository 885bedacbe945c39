import { afterEach, describe, expect, it, vi } from 'vitest';
import { FrameWriter } from '../../src/connection/frame-writer.ts';
import { SLAB_SIZE, type Slab, slabWithRoom } from '../../src/connection/slab.ts';
import { type ReadFrame, hex, rawFrame, readFrames } from '../support/bytes.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

const KIB = 1024;
/** FIN and the opcode. */
const TEXT = 0x81;
const BINARY = 0x82;
const PING = 0x89;

/** The side that masks, and the side that does not. */
const SIDES: [side: string, masked: boolean][] = [
  ['a client', true],
  ['a server', false],
];

/** A transport that holds what it is given as it is, and counts it once it was uncorked. */
class HoldingTransport extends MemoryTransport {
  readonly held: Uint8Array[] = [];
  #corkedSize = 0;
  #corked = 0;

  override write(bytes: Uint8Array): boolean {
    this.held.push(bytes);
    if (this.#corked > 0) this.#corkedSize += bytes.length;
    return super.write(bytes);
  }

  override cork(): void {
    this.calls.push('cork');
    this.#corked++;
  }

  override uncork(): void {
    this.calls.push('uncork');
    this.#corked--;
  }

  /** Bytes that were written between `cork` and `uncork`. */
  get corkedSize(): number {
    return this.#corkedSize;
  }
}

function open(
  masked: boolean,
  mayOverwrite: boolean = true,
): { writer: FrameWriter; transport: HoldingTransport } {
  const transport = new HoldingTransport();
  return { writer: new FrameWriter(masked, transport, mayOverwrite), transport };
}

/** A slab in which nothing lies: what follows begins at its first byte. */
function emptySlab(): Slab {
  return slabWithRoom(SLAB_SIZE);
}

/** Bytes of which no two neighbours are the same. */
function pattern(size: number, seed: number = 0): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 7 + seed) & 0xff));
}

function payloads(frames: ReadFrame[]): string[] {
  return frames.map(({ payload }) => payload.toString());
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(SIDES)('the frames of %s', (_, masked) => {
  it('are masked by a client alone', () => {
    const { writer, transport } = open(masked);
    expect(writer.isMasked).toBe(masked);
    writer.frame(TEXT, 'a text');
    writer.frame(BINARY, hex('00 ff'));
    writer.write();
    const frames = readFrames(transport.wire);
    expect(frames.map((frame) => [frame.opcode, frame.fin, frame.masked])).toEqual([
      [1, true, masked],
      [2, true, masked],
    ]);
    expect(frames[0]?.payload.toString()).toBe('a text');
    expect(frames[1]?.payload).toEqual(hex('00 ff'));
  });

  it('keep the bits of their first byte as they were given', () => {
    const { writer, transport } = open(masked);
    for (const first of [0x01, 0x00, 0x80, 0xc1, PING]) writer.frame(first, 'x');
    writer.write();
    const frames = readFrames(transport.wire);
    expect(frames.map(({ fin, rsv, opcode }) => [fin, rsv, opcode])).toEqual([
      [false, 0, 1],
      [false, 0, 0],
      [true, 0, 0],
      [true, 4, 1],
      [true, 0, 9],
    ]);
  });

  it('wait for write, and leave together', () => {
    const { writer, transport } = open(masked);
    const size = masked ? 7 : 3;
    for (const text of ['a', 'b', 'c']) writer.frame(TEXT, text);
    expect([writer.pendingSize, writer.unsentSize, writer.takenSize]).toEqual([3 * size, 0, 0]);
    expect(transport.calls).toEqual([]);
    writer.write();
    expect(transport.calls).toEqual(['write']);
    expect([writer.pendingSize, writer.unsentSize, writer.takenSize]).toEqual([0, 0, 3 * size]);
    writer.write();
    expect(transport.calls).toEqual(['write']);
  });

  it('are counted as unsent until the network has taken them', () => {
    const { writer, transport } = open(masked);
    transport.stuck = true;
    writer.frame(BINARY, pattern(1_000));
    const size = writer.pendingSize;
    expect(size).toBe(masked ? 1_008 : 1_004);
    writer.write();
    expect([writer.pendingSize, writer.unsentSize, writer.takenSize]).toEqual([0, size, 0]);
    transport.unstick();
    expect([writer.unsentSize, writer.takenSize]).toEqual([0, size]);
  });

  it('keep their order, whatever they are and wherever they lie', () => {
    const { writer, transport } = open(masked);
    const sizes = [1, 20_000, 0, 16_383, 16_384, 3, 70_000, 16_000, 16_000, 16_000, 16_000, 5];
    sizes.forEach((size, i) => {
      if (i % 3 === 2) writer.append(rawFrame({ opcode: 2, payload: pattern(size, i) }));
      else writer.frame(BINARY, pattern(size, i));
    });
    writer.write();
    const frames = readFrames(transport.wire);
    expect(frames.map(({ payload }) => payload.length)).toEqual(sizes);
    expect(frames.every(({ payload }, i) => payload.equals(pattern(payload.length, i)))).toBe(true);
    expect(writer.takenSize).toBe(transport.wire.length);
  });

  it('leave by themselves as soon as they fill a slab', () => {
    const { writer, transport } = open(masked);
    while (transport.writes.length === 0) {
      expect(writer.pendingSize).toBeLessThan(SLAB_SIZE);
      writer.frame(BINARY, pattern(1_000));
    }
    expect(writer.pendingSize).toBe(0);
    expect(writer.takenSize).toBeGreaterThanOrEqual(SLAB_SIZE);
    expect(writer.takenSize).toBeLessThan(SLAB_SIZE + 2_000);
  });

  // In UTF-16 units and in bytes these lie on different sides of every bound there is.
  it.each([
    ['x', 1_024],
    ['x', 1_025],
    ['x', 5_461],
    ['x', 5_462],
    ['x', 16_383],
    ['x', 16_384],
    ['語', 1_024],
    ['語', 1_025],
    ['語', 5_461],
    ['語', 5_462],
    ['\u{1f600}', 512],
    ['\u{1f600}', 513],
    ['\u{1f600}', 4_096],
  ])('may be a text of %s, %d times', (character, times) => {
    const { writer, transport } = open(masked);
    const text = character.repeat(times);
    writer.frame(TEXT, 'before');
    writer.frame(TEXT, text);
    writer.frame(TEXT, 'behind');
    const size = writer.takenSize + writer.pendingSize;
    writer.write();
    expect(transport.wire).toHaveLength(size);
    expect(payloads(readFrames(transport.wire))).toEqual(['before', text, 'behind']);
  });

  it('lie apart from those of another connection in the same slab', () => {
    emptySlab();
    const one = open(masked);
    const other = open(!masked);
    for (let i = 0; i < 5; i++) {
      one.writer.frame(TEXT, `one ${i}`);
      other.writer.frame(TEXT, `other ${i}`);
    }
    one.writer.write();
    other.writer.write();
    expect(one.transport.calls).toEqual(['cork', ...Array(5).fill('write'), 'uncork']);
    expect(payloads(readFrames(one.transport.wire))).toEqual(
      [0, 1, 2, 3, 4].map((i) => `one ${i}`),
    );
    expect(payloads(readFrames(other.transport.wire))).toEqual(
      [0, 1, 2, 3, 4].map((i) => `other ${i}`),
    );
  });

  it('are copied together from 16 KiB on by a client, and left where they are by a server', () => {
    const { writer, transport } = open(masked);
    const payload = pattern(16 * KIB);
    writer.frame(BINARY, payload);
    if (masked) {
      expect([transport.held.length, writer.pendingSize]).toEqual([0, 16 * KIB + 8]);
      payload.fill(0);
      writer.write();
      expect(transport.held).toHaveLength(1);
      expect(readFrames(transport.wire)[0]?.payload.equals(pattern(16 * KIB))).toBe(true);
    } else {
      // At once, so that the caller may use the bytes again where the network takes them.
      expect([transport.held.length, writer.pendingSize]).toEqual([2, 0]);
      expect(transport.held[0]).toHaveLength(4);
      expect(transport.held[1]).toBe(payload);
    }
  });
});

describe('a frame that was made before', () => {
  it('is copied where it is small, and lies with the others', () => {
    const { writer, transport } = open(false);
    const frame = rawFrame({ payload: 'prepared' });
    writer.frame(TEXT, 'one');
    writer.append(frame);
    frame.fill(0xee);
    writer.frame(TEXT, 'two');
    writer.write();
    expect(transport.calls).toEqual(['write']);
    expect(payloads(readFrames(transport.wire))).toEqual(['one', 'prepared', 'two']);
  });

  it('is not copied where it is large, also where bytes wait already', () => {
    const { writer, transport } = open(false);
    const frame = rawFrame({ opcode: 2, payload: pattern(16 * KIB) });
    writer.frame(TEXT, 'one');
    writer.append(frame);
    writer.frame(TEXT, 'two');
    expect(transport.calls).toEqual([]);
    expect(writer.pendingSize).toBe(frame.length + 10);
    transport.stuck = true;
    writer.write();
    writer.append(frame);
    writer.write();
    expect(transport.held.filter((bytes) => bytes === frame)).toHaveLength(2);
    const frames = readFrames(transport.wire);
    expect(frames.map(({ payload }) => payload.length)).toEqual([3, 16 * KIB, 3, 16 * KIB]);
  });

  it('leaves at once where it fills a slab', () => {
    const { writer, transport } = open(false);
    writer.append(rawFrame({ opcode: 2, payload: pattern(SLAB_SIZE) }));
    expect(transport.calls).toEqual(['cork', 'write', 'uncork']);
    expect(writer.pendingSize).toBe(0);
    const small = rawFrame({ payload: pattern(1_020) });
    for (let i = 1; i < SLAB_SIZE / small.length; i++) writer.append(small);
    expect(writer.pendingSize).toBe(SLAB_SIZE - small.length);
    writer.append(small);
    expect(writer.pendingSize).toBe(0);
  });
});

describe('what is given to the transport', () => {
  it('is memory of the slab where that may be overwritten, which is used again', () => {
    const slab = emptySlab();
    const { writer, transport } = open(false);
    writer.frame(TEXT, 'one');
    writer.write();
    expect(transport.held[0]?.buffer).toBe(slab.bytes.buffer);
    expect(slab.end).toBe(0);
    writer.frame(TEXT, 'two');
    writer.write();
    expect(transport.held[1]?.byteOffset).toBe(transport.held[0]?.byteOffset);
    expect(payloads(readFrames(transport.wire))).toEqual(['one', 'two']);
  });

  it('is not overwritten while the network has not taken it', () => {
    const slab = emptySlab();
    const { writer, transport } = open(false);
    transport.stuck = true;
    writer.frame(TEXT, 'one');
    writer.write();
    const other = open(false);
    for (let i = 0; i < 200; i++) {
      other.writer.frame(BINARY, pattern(1_000));
      other.writer.write();
    }
    expect(slab.end).toBeGreaterThan(0);
    expect(payloads(readFrames(Buffer.concat(transport.held)))).toEqual(['one']);
  });

  it('is not overwritten where it is several parts that the network has not taken', () => {
    const slab = emptySlab();
    const { writer, transport } = open(false);
    transport.stuck = true;
    writer.frame(TEXT, 'one');
    writer.append(rawFrame({ opcode: 2, payload: pattern(16 * KIB) }));
    writer.frame(TEXT, 'two');
    writer.write();
    expect(transport.held[0]?.buffer).toBe(slab.bytes.buffer);
    const other = open(false);
    for (let i = 0; i < 100; i++) {
      other.writer.frame(BINARY, pattern(1_000));
      other.writer.write();
    }
    const frames = readFrames(Buffer.concat(transport.held));
    expect([frames[0], frames[2]].map((frame) => frame?.payload.toString())).toEqual([
      'one',
      'two',
    ]);
  });

  it('is copied where bytes wait already, so that it keeps no slab', () => {
    const slab = emptySlab();
    const { writer, transport } = open(false);
    transport.stuck = true;
    transport.writableLength = 1;
    writer.frame(TEXT, 'one');
    writer.write();
    expect(transport.held[0]?.buffer).not.toBe(slab.bytes.buffer);
    expect(transport.held[0]?.buffer.byteLength).toBe(5);
    expect(slab.end).toBe(0);
    // The same for several parts, of which those outside of a slab stay where they are.
    const large = pattern(20_000);
    writer.frame(TEXT, 'two');
    writer.frame(BINARY, large);
    writer.frame(TEXT, 'three');
    writer.write();
    expect(transport.held.slice(1).every(({ buffer }) => buffer !== slab.bytes.buffer)).toBe(true);
    expect(transport.held).toContain(large);
    expect(slab.end).toBe(0);
    expect(readFrames(Buffer.concat(transport.held)).map(({ payload }) => payload.length)).toEqual([
      3, 3, 20_000, 5,
    ]);
  });

  it('is copied for a transport that may keep what it was given', () => {
    const slab = emptySlab();
    const { writer, transport } = open(false, false);
    const other = open(false, false);
    writer.frame(TEXT, 'first');
    other.writer.frame(TEXT, 'other');
    writer.frame(TEXT, 'secnd');
    writer.write();
    other.writer.write();
    for (const text of ['third', 'forth']) {
      writer.frame(TEXT, text);
      writer.write();
    }
    expect(transport.held.every(({ buffer }) => buffer !== slab.bytes.buffer)).toBe(true);
    expect(payloads(readFrames(Buffer.concat(transport.held)))).toEqual([
      'first',
      'secnd',
      'third',
      'forth',
    ]);
    expect(slab.end).toBe(0);
  });

  it('is corked where it does not lie together', () => {
    const { writer, transport } = open(false);
    writer.frame(TEXT, 'small');
    writer.frame(BINARY, pattern(20_000));
    expect(transport.calls).toEqual(['cork', 'write', 'write', 'uncork']);
    expect(transport.corkedSize).toBe(7 + 4 + 20_000);
  });
});

describe('a transport that asks for a pause', () => {
  it('blocks from the write on that it answers with false', () => {
    const { writer, transport } = open(false);
    transport.stuck = true;
    transport.highWaterMark = 100;
    writer.frame(BINARY, pattern(90));
    writer.write();
    expect(writer.isBlocked).toBe(false);
    writer.frame(BINARY, pattern(90));
    writer.write();
    expect(writer.isBlocked).toBe(true);
    transport.unstick();
    expect(writer.isBlocked).toBe(true);
    writer.unblock();
    expect(writer.isBlocked).toBe(false);
  });

  it('does not block where the network has taken all by then', () => {
    const { writer, transport } = open(false);
    transport.highWaterMark = 0;
    writer.frame(BINARY, pattern(90));
    writer.write();
    writer.frame(BINARY, pattern(20_000));
    expect(transport.held).toHaveLength(3);
    expect(writer.isBlocked).toBe(false);
  });

  it('blocks by the last of several parts', () => {
    const { writer, transport } = open(false);
    transport.stuck = true;
    writer.frame(BINARY, pattern(16 * KIB));
    expect(writer.isBlocked).toBe(true);
  });

  it('may call back inside write: frames are not torn, and none is left behind', () => {
    for (const mayOverwrite of [true, false]) {
      const { writer, transport } = open(false, mayOverwrite);
      let rest = 3;
      const write = transport.write.bind(transport);
      vi.spyOn(transport, 'write').mockImplementation((bytes) => {
        if (rest-- > 0) {
          writer.frame(PING, `${rest}`);
          writer.write();
        }
        return write(bytes);
      });
      writer.frame(TEXT, 'small');
      writer.frame(BINARY, pattern(20_000));
      writer.write();
      expect(readFrames(transport.wire).map(({ opcode }) => opcode)).toEqual([1, 2, 9, 9, 9]);
      expect([writer.pendingSize, writer.takenSize]).toEqual([0, transport.wire.length]);
    }
  });

  it('may throw: the next frames leave all the same', () => {
    const { writer, transport } = open(false);
    vi.spyOn(transport, 'write').mockImplementationOnce(() => {
      throw new Error('from the transport');
    });
    writer.frame(TEXT, 'lost');
    expect(() => writer.write()).toThrow('from the transport');
    writer.frame(TEXT, 'next');
    writer.write();
    expect(payloads(readFrames(transport.wire))).toEqual(['next']);
  });
});

describe('what is discarded', () => {
  it('is never written, and leaves its slab to others', () => {
    const slab = emptySlab();
    const { writer, transport } = open(false);
    const other = open(false);
    writer.frame(TEXT, 'one');
    other.writer.frame(TEXT, 'other');
    writer.frame(TEXT, 'two');
    writer.append(rawFrame({ opcode: 2, payload: pattern(20_000) }));
    writer.frame(TEXT, 'three');
    writer.discard();
    expect(writer.pendingSize).toBe(0);
    writer.write();
    expect(transport.calls).toEqual([]);
    expect(slab.end).toBeGreaterThan(0);
    other.writer.write();
    expect(slab.end).toBe(0);
    expect(payloads(readFrames(other.transport.wire))).toEqual(['other']);
  });

  it('may be nothing', () => {
    const { writer } = open(true);
    writer.discard();
    writer.frame(TEXT, 'x');
    writer.write();
    writer.discard();
    expect([writer.pendingSize, writer.takenSize]).toEqual([0, 7]);
  });

  it('may be discarded by a transport that is lost inside write', () => {
    const slab = emptySlab();
    const { writer, transport } = open(false);
    const other = open(false);
    vi.spyOn(transport, 'write').mockImplementation(() => {
      writer.frame(TEXT, 'more');
      writer.discard();
      return false;
    });
    writer.frame(TEXT, 'one');
    other.writer.frame(TEXT, 'other');
    writer.frame(TEXT, 'two');
    writer.write();
    expect([writer.pendingSize, writer.isBlocked]).toEqual([0, false]);
    other.writer.write();
    expect(slab.end).toBe(0);
  });
});
