import { describe, expect, it } from 'vitest';
import { FrameWriter } from '../../src/connection/frame-writer.ts';
import {
  SLAB_SIZE,
  type Slab,
  WIDE_SLAB_SIZE,
  wideSlabWithRoom,
} from '../../src/connection/slab.ts';
import { readFrames } from '../support/bytes.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

const KIB = 1024;
const TEXT = 0x81;

/** A transport that remembers what it was given as it is. */
class HoldingTransport extends MemoryTransport {
  readonly held: Uint8Array[] = [];

  override write(bytes: Uint8Array): boolean {
    this.held.push(bytes);
    return super.write(bytes);
  }
}

function open(masked: boolean): { writer: FrameWriter; transport: HoldingTransport } {
  const transport = new HoldingTransport();
  return { writer: new FrameWriter(masked, transport, true), transport };
}

function emptySlab(): Slab {
  return wideSlabWithRoom(WIDE_SLAB_SIZE);
}

/** Texts of so many code units that take 1, 2, 3 and, of two units, 4 bytes each. */
const FILLINGS: [name: string, character: string][] = [
  ['ASCII', 'a'],
  ['Latin', 'ä'],
  ['Greek and ASCII', 'αb'],
  ['kana', 'い'],
  ['emoji', '🎉'],
  ['unpaired surrogates', '\ud83c'],
];

describe.each([
  ['a client', true],
  ['a server', false],
])('a long text of %s', (_, masked) => {
  it.each(FILLINGS)('is sent whole, wherever its size ends up: %s', (_name, character) => {
    const { writer, transport } = open(masked);
    const texts = [5_000, 5_500, 16_384, 21_846, 32_768, 65_536, 87_376, 87_377, 100_000].map(
      (length) => character.repeat(length).slice(0, length),
    );
    for (const text of texts) writer.frame(TEXT, text);
    writer.write();
    const payloads = readFrames(transport.wire).map(({ payload }) => payload);
    expect(payloads).toHaveLength(texts.length);
    for (const [i, text] of texts.entries()) {
      expect(payloads[i]?.equals(Buffer.from(text))).toBe(true);
    }
  });

  it('is encoded where other long ones were, once those were taken', () => {
    const slab = emptySlab();
    const { writer, transport } = open(masked);
    for (const text of ['a'.repeat(20 * KIB), 'ß'.repeat(40 * KIB), 'い'.repeat(30 * KIB)]) {
      writer.frame(TEXT, text);
      writer.write();
    }
    expect(transport.held.map(({ buffer }) => buffer === slab.bytes.buffer)).toEqual([
      true,
      true,
      true,
    ]);
    expect(slab.end).toBe(0);
  });

  it('lies behind others that wait, and leaves at once where they fill a slab', () => {
    const slab = emptySlab();
    const { writer, transport } = open(masked);
    writer.frame(TEXT, 'short');
    writer.frame(TEXT, 'a'.repeat(20 * KIB));
    writer.frame(TEXT, 'b'.repeat(20 * KIB));
    expect(transport.held).toEqual([]);
    expect(slab.end).toBe(writer.pendingSize - (masked ? 11 : 7));
    writer.frame(TEXT, 'c'.repeat(SLAB_SIZE - 40 * KIB));
    expect(writer.pendingSize).toBe(0);
    expect(transport.held).toHaveLength(2);
    expect(readFrames(transport.wire).map(({ payload }) => payload.length)).toEqual([
      5,
      20 * KIB,
      20 * KIB,
      24 * KIB,
    ]);
  });

  it('is not overwritten while the network has not taken it', () => {
    emptySlab();
    const { writer, transport } = open(masked);
    transport.stuck = true;
    writer.frame(TEXT, 'ß'.repeat(20 * KIB));
    writer.write();
    const before = Buffer.concat(transport.held);
    const other = open(masked);
    for (let i = 0; i < 20; i++) {
      other.writer.frame(TEXT, 'x'.repeat(30 * KIB));
      other.writer.write();
    }
    expect(Buffer.concat(transport.held).equals(before)).toBe(true);
  });

  it('has memory of its own, of its own size, where it might be longer than such a slab', () => {
    const { writer, transport } = open(masked);
    const text = 'a'.repeat(WIDE_SLAB_SIZE / 3);
    writer.frame(TEXT, text);
    expect(transport.held[0]?.buffer.byteLength).toBe(text.length + (masked ? 14 : 10));
  });
});
