import { afterEach, describe, expect, it, vi } from 'vitest';
import { FrameWriter } from '../../src/connection/frame-writer.ts';
import { SLAB_SIZE } from '../../src/connection/slab.ts';
import { readFrames } from '../support/bytes.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

/** FIN and the opcode. */
const TEXT = 0x81;
const BINARY = 0x82;

/** A transport that holds what it is given as it is. */
class HoldingTransport extends MemoryTransport {
  readonly held: Uint8Array[] = [];

  override write(bytes: Uint8Array): boolean {
    this.held.push(bytes);
    return super.write(bytes);
  }
}

function open(
  masked: boolean,
  mayOverwrite: boolean = true,
): { writer: FrameWriter; transport: HoldingTransport } {
  const transport = new HoldingTransport();
  return { writer: new FrameWriter(masked, transport, mayOverwrite), transport };
}

/** Bytes of which no two neighbours are the same. */
function pattern(size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 7) & 0xff));
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a large frame of a client', () => {
  const payload = pattern(SLAB_SIZE);
  const sizes = (transport: MemoryTransport) =>
    readFrames(transport.wire).map((frame) => frame.payload.length);

  it('leaves at once, behind what waits, in memory that is used again', () => {
    const { writer, transport } = open(true);
    writer.frame(TEXT, 'small');
    writer.frame(BINARY, payload);
    expect(transport.calls).toEqual(['write', 'write']);
    expect([writer.pendingSize, writer.takenSize]).toEqual([0, transport.wire.length]);
    writer.frame(BINARY, payload);
    expect(transport.held[2]?.buffer).toBe(transport.held[1]?.buffer);
    expect(readFrames(transport.wire)[2]?.payload.equals(payload)).toBe(true);
    expect(sizes(transport)).toEqual([5, SLAB_SIZE, SLAB_SIZE]);
  });

  it('lies in a slab like any other where it fits one', () => {
    const { writer, transport } = open(true);
    const fitting = pattern(SLAB_SIZE - 14);
    writer.frame(BINARY, fitting);
    expect(writer.pendingSize).toBe(SLAB_SIZE - 14 + 8);
    writer.write();
    expect(transport.held[0]?.buffer.byteLength).toBe(SLAB_SIZE);
    writer.frame(BINARY, pattern(SLAB_SIZE - 13));
    expect(writer.pendingSize).toBe(0);
    expect(sizes(transport)).toEqual([SLAB_SIZE - 14, SLAB_SIZE - 13]);
    expect(readFrames(transport.wire)[0]?.payload.equals(fitting)).toBe(true);
  });

  it('has memory of its own where bytes wait already, or the transport may keep them', () => {
    for (const mayOverwrite of [true, false]) {
      const { writer, transport } = open(true, mayOverwrite);
      transport.stuck = mayOverwrite;
      writer.frame(TEXT, 'small');
      writer.frame(BINARY, payload);
      writer.frame(BINARY, payload);
      const [last, before] = transport.held.toReversed();
      expect(last?.buffer).not.toBe(before?.buffer);
      expect(writer.pendingSize).toBe(0);
      expect(writer.isBlocked).toBe(mayOverwrite);
      expect(sizes(transport)).toEqual([5, SLAB_SIZE, SLAB_SIZE]);
    }
  });

  it('blocks where the network does not take it', () => {
    const { writer, transport } = open(true);
    transport.stuck = true;
    writer.frame(BINARY, payload);
    expect(writer.isBlocked).toBe(true);
    expect([writer.takenSize, writer.unsentSize]).toEqual([0, transport.wire.length]);
  });

  it('does not block where the network has taken all that it asked a pause for', () => {
    const { writer, transport } = open(true);
    transport.highWaterMark = 0;
    writer.frame(BINARY, payload);
    expect(writer.isBlocked).toBe(false);
  });

  it('is not torn by a transport that calls back, which may send a large one too', () => {
    const { writer, transport } = open(true);
    const write = transport.write.bind(transport);
    vi.spyOn(transport, 'write').mockImplementationOnce((bytes) => {
      writer.frame(TEXT, 'small');
      writer.frame(BINARY, payload);
      return write(bytes);
    });
    writer.frame(BINARY, pattern(600_000));
    expect(sizes(transport)).toEqual([600_000, 5, SLAB_SIZE]);
    expect([writer.pendingSize, writer.takenSize]).toEqual([0, transport.wire.length]);
  });

  it('may be lost by a transport that throws: the next ones leave all the same', () => {
    const { writer, transport } = open(true);
    vi.spyOn(transport, 'write').mockImplementationOnce(() => {
      throw new Error('from the transport');
    });
    expect(() => writer.frame(BINARY, payload)).toThrow('from the transport');
    writer.frame(BINARY, payload);
    expect(sizes(transport)).toEqual([SLAB_SIZE]);
  });
});
