import { describe, expect, it } from 'vitest';
import { FrameWriter } from '../../src/connection/frame-writer.ts';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { SLAB_SIZE } from '../../src/connection/slab.ts';
import { readFrames } from '../support/bytes.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

/** A transport that remembers what it was given, and not a copy of it. */
class KeepingTransport extends MemoryTransport {
  readonly kept: Uint8Array[] = [];

  override write(bytes: Uint8Array): boolean {
    this.kept.push(bytes);
    return super.write(bytes);
  }
}

function open(mayOverwrite: boolean = true): { writer: FrameWriter; transport: KeepingTransport } {
  const transport = new KeepingTransport();
  return { writer: new FrameWriter(false, transport, mayOverwrite), transport };
}

/** Messages whose frames lie one behind the other. */
function passing(...contents: string[]): PreparedMessage[] {
  for (;;) {
    const messages = contents.map((text) => new PreparedMessage(text, true));
    // Otherwise a page was full between two of them.
    if (messages.every(({ page }) => page === messages[0]!.page)) return messages;
  }
}

function append(writer: FrameWriter, { page, pageStart, frame }: PreparedMessage): void {
  writer.appendShared(page!, pageStart, pageStart + frame.length);
}

function texts(transport: MemoryTransport): string[] {
  return readFrames(transport.wire).map(({ payload }) => payload.toString());
}

describe('frames in a shared page', () => {
  it('leave in one write where they lie side by side, without being copied', () => {
    const { writer, transport } = open();
    const messages = passing('one', 'two', 'three');
    for (const message of messages) append(writer, message);
    expect(writer.pendingSize).toBe(messages.reduce((sum, { frame }) => sum + frame.length, 0));
    writer.write();
    expect(transport.calls).toEqual(['write']);
    expect(transport.kept[0]!.buffer).toBe(messages[0]!.page!.bytes.buffer);
    expect(texts(transport)).toEqual(['one', 'two', 'three']);
    expect([writer.pendingSize, writer.takenSize]).toEqual([0, transport.wire.length]);
  });

  it('leave as the same view to all who are sent the same', () => {
    const messages = passing('one', 'two');
    const views = [open(), open(), open()].map(({ writer, transport }) => {
      for (const message of messages) append(writer, message);
      writer.write();
      return transport.kept[0];
    });
    expect(views[1]).toBe(views[0]);
    expect(views[2]).toBe(views[0]);
  });

  it('keep their place where one between them was not sent', () => {
    const { writer, transport } = open();
    const [one, , three, four] = passing('one', 'two', 'three', 'four');
    for (const message of [one!, three!, four!, one!]) append(writer, message);
    writer.write();
    expect(texts(transport)).toEqual(['one', 'three', 'four', 'one']);
    expect(transport.kept).toHaveLength(3);
  });

  it('keep their place between frames of this connection alone', () => {
    const { writer, transport } = open();
    const [one, two] = passing('one', 'two');
    writer.frame(0x81, 'before');
    append(writer, one!);
    writer.frame(0x81, 'between');
    append(writer, two!);
    writer.frame(0x81, 'behind');
    writer.append(new PreparedMessage('alone').frame);
    writer.write();
    expect(texts(transport)).toEqual(['before', 'one', 'between', 'two', 'behind', 'alone']);
  });

  it('are copied for a transport that already waits for its peer', () => {
    const { writer, transport } = open();
    transport.stuck = true;
    const [one, two] = passing('one', 'two');
    append(writer, one!);
    writer.write();
    append(writer, two!);
    writer.write();
    expect(transport.kept[0]!.buffer).toBe(one!.page!.bytes.buffer);
    expect(transport.kept[1]!.buffer).not.toBe(two!.page!.bytes.buffer);
    transport.unstick();
    expect(texts(transport)).toEqual(['one', 'two']);
  });

  it('are copied for a transport that may keep what it was given', () => {
    const { writer, transport } = open(false);
    const [one] = passing('one');
    append(writer, one!);
    writer.write();
    expect(transport.kept[0]!.buffer).not.toBe(one!.page!.bytes.buffer);
  });

  it('leave at once where they are as many as a slab holds', () => {
    const { writer, transport } = open();
    const message = new PreparedMessage('x'.repeat(16_000), true);
    for (let i = 0; i < 5; i++) append(writer, message);
    expect(transport.wire.length).toBeGreaterThanOrEqual(SLAB_SIZE);
    expect(writer.pendingSize).toBe(0);
  });

  it('are forgotten with the transport', () => {
    const { writer, transport } = open();
    append(writer, passing('one')[0]!);
    writer.discard();
    writer.write();
    expect([writer.pendingSize, transport.calls]).toEqual([0, []]);
  });
});
