import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Sender } from '../../src/conform/sender.ts';
import { FrameReader } from '../../src/conform/wire.ts';
import { WireLog } from '../../src/conform/wire-log.ts';

const TEXT = { opcode: 1, payload: Buffer.from('Hello') };

function pongOf(number: number): { opcode: number; payload: Buffer } {
  return { opcode: 10, payload: Buffer.from(String(number)) };
}

function open(isMasked: boolean = false): {
  sender: Sender;
  stream: PassThrough;
  log: WireLog;
  read: () => string[];
} {
  const stream = new PassThrough({ highWaterMark: 1 << 20 });
  const log = new WireLog();
  const read = (): string[] => {
    const reader = new FrameReader();
    // Node 26 gives the chunks one by one, where others give all that there is.
    for (let bytes: unknown = stream.read(); bytes !== null; bytes = stream.read()) {
      if (Buffer.isBuffer(bytes)) reader.push(bytes);
    }
    const words: string[] = [];
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      words.push(`${frame.opcode} ${frame.payload.toString()}`);
    }
    return words;
  };
  return { sender: new Sender(stream, isMasked, log), stream, log, read };
}

describe('the frames of the judge', () => {
  it('go at once', () => {
    const { sender, read, log } = open();
    sender.send([TEXT, pongOf(1)]);
    expect(read()).toEqual(['1 Hello', '10 1']);
    expect(log.entries.map(({ from, header }) => [from, header])).toEqual([
      ['judge', '8105'],
      ['judge', '8a01'],
    ]);
  });

  it('wait for the end of the one that is sent in pieces', () => {
    const { sender, read } = open(true);
    expect(sender.begin(TEXT)).toBe(6);
    expect(sender.isWithinFrame).toBe(true);
    sender.sendPiece(6);
    sender.send([pongOf(1)]);
    sender.send([pongOf(2)]);
    sender.sendPiece(5);
    expect(sender.isWithinFrame).toBe(false);
    expect(read()).toEqual(['1 Hello', '10 1', '10 2']);
    sender.sendPiece(5);
  });

  it('wait in no greater number than a hundred', () => {
    const { sender, read } = open();
    sender.begin(TEXT);
    for (let number = 1; number <= 150; number++) sender.send([pongOf(number)]);
    sender.sendPiece(7);
    const words = read();
    expect(words).toHaveLength(101);
    expect(words.slice(0, 2)).toEqual(['1 Hello', '10 51']);
  });

  it('wait no more where a Close frame is next', () => {
    const { sender, read } = open();
    sender.begin(TEXT);
    sender.sendPiece(1);
    sender.send([pongOf(1)]);
    sender.finish();
    sender.finish();
    sender.send([{ opcode: 8 }]);
    expect(read()).toEqual(['1 Hello', '8 ']);
  });

  it('go nowhere when TCP was ended', () => {
    const { sender, stream, log } = open();
    sender.begin(TEXT);
    stream.destroy();
    sender.sendPiece(1);
    sender.send([TEXT]);
    sender.finish();
    expect(sender.isWithinFrame).toBe(false);
    expect(log.entries).toHaveLength(1);
  });
});
