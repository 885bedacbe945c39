import { describe, expect, it } from 'vitest';
import { FrameWriter } from '../../src/connection/frame-writer.ts';
import { readFrames } from '../support/bytes.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

/** FIN and the opcode. */
const TEXT = 0x81;
const BINARY = 0x82;

describe.each([
  ['a client', true],
  ['a server', false],
])('the frames of %s', (_, masked) => {
  it('leave nothing behind where the network has taken them', () => {
    const transport = new MemoryTransport();
    const writer = new FrameWriter(masked, transport, true);
    expect(writer.isIdle).toBe(true);
    writer.frame(TEXT, 'text');
    expect(writer.isIdle).toBe(false);
    writer.write();
    expect(writer.isIdle).toBe(true);
  });

  it('leave something where it takes none, or was to pause and has not drained', () => {
    const transport = new MemoryTransport();
    const writer = new FrameWriter(masked, transport, true);
    transport.stuck = true;
    writer.frame(TEXT, 'text');
    writer.write();
    expect([writer.isIdle, writer.isBlocked]).toEqual([false, false]);
    writer.frame(BINARY, Buffer.alloc(20_000));
    writer.write();
    transport.unstick();
    expect([writer.isIdle, writer.isBlocked]).toEqual([false, true]);
    writer.unblock();
    expect(writer.isIdle).toBe(true);
  });

  it('leave something until the call of the transport has returned, which may call back', () => {
    for (const size of [5, 100_000]) {
      const idle: boolean[] = [];
      const transport = new (class extends MemoryTransport {
        override write(bytes: Uint8Array): boolean {
          idle.push(writer.isIdle);
          return super.write(bytes);
        }
      })();
      const writer = new FrameWriter(masked, transport, true);
      writer.frame(BINARY, Buffer.alloc(size));
      writer.write();
      expect(new Set(idle)).toEqual(new Set([false]));
      expect(writer.isIdle).toBe(true);
      expect(readFrames(transport.wire).map(({ payload }) => payload.length)).toEqual([size]);
    }
  });

  it('leave nothing behind where they are forgotten', () => {
    const writer = new FrameWriter(masked, new MemoryTransport(), true);
    writer.frame(TEXT, 'text');
    writer.discard();
    expect(writer.isIdle).toBe(true);
  });
});
