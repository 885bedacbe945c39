import { describe, expect, it } from 'vitest';
import { FrameWriter } from '../../src/connection/frame-writer.ts';
import { Pongs } from '../../src/connection/pongs.ts';
import { readFrames } from '../support/bytes.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

function open(): { pongs: Pongs; writer: FrameWriter; transport: MemoryTransport } {
  const transport = new MemoryTransport();
  const writer = new FrameWriter(false, transport, true);
  return { pongs: new Pongs(writer), writer, transport };
}

function answer(pongs: Pongs, payload: string): void {
  const source = Buffer.from(`(${payload})`);
  pongs.answer(source, 1, source.length - 1);
  // The bytes were ours for the call alone.
  source.fill('z');
}

function answers(transport: MemoryTransport): string[] {
  return readFrames(transport.wire).map(({ opcode, payload }) => `${opcode} ${payload.toString()}`);
}

/** Makes the transport take nothing, and say so. */
function block({ writer, transport }: ReturnType<typeof open>): void {
  transport.stuck = true;
  writer.frame(0x82, Buffer.alloc(100_000));
  writer.write();
  expect(writer.isBlocked).toBe(true);
}

describe('pongs', () => {
  it('answer each Ping with its payload', () => {
    const { pongs, writer, transport } = open();
    for (const payload of ['one', '', 'three']) answer(pongs, payload);
    writer.write();
    expect(answers(transport)).toEqual(['10 one', '10 ', '10 three']);
  });

  it('are 16 where the network takes nothing, and then only the newest', () => {
    const end = open();
    const { pongs, writer, transport } = end;
    block(end);
    for (let i = 1; i <= 40; i++) answer(pongs, String(i));
    writer.write();
    transport.unstick();
    writer.unblock();
    pongs.drain();
    writer.write();
    const expected = [...Array.from({ length: 16 }, (_, i) => `10 ${i + 1}`), '10 40'];
    expect(answers(transport).slice(1)).toEqual(expected);
    // And it begins anew.
    answer(pongs, 'again');
    writer.write();
    expect(answers(transport).at(-1)).toBe('10 again');
  });

  it('answer nothing more when it is over', () => {
    const end = open();
    const { pongs, writer, transport } = end;
    block(end);
    for (let i = 1; i <= 17; i++) answer(pongs, String(i));
    pongs.end();
    transport.unstick();
    writer.unblock();
    pongs.drain();
    writer.write();
    expect(answers(transport).at(-1)).toBe('10 16');
  });
});
