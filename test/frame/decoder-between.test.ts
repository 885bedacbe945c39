import { describe, expect, it } from 'vitest';
import { FrameDecoder } from '../../src/frame/decoder.ts';
import { hex, rawFrame } from '../support/bytes.ts';
import { RecordingSink } from '../support/recording-sink.ts';

describe('a decoder', () => {
  it('is between frames before the first and behind each, and nowhere else', () => {
    const frames = [
      { payload: 'whole' },
      { fin: false, payload: '' },
      { opcode: 0, payload: 'x'.repeat(200) },
      { opcode: 9, payload: 'ping' },
    ].map((frame) => rawFrame(frame));
    const wire = Buffer.concat(frames);
    const ends = new Set(frames.map((_, i) => Buffer.concat(frames.slice(0, i + 1)).length));
    for (let at = 0; at <= wire.length; at++) {
      const decoder = new FrameDecoder(new RecordingSink(), false, false);
      decoder.push(Buffer.from(wire.subarray(0, at)));
      expect([at, decoder.isBetweenFrames]).toEqual([at, at === 0 || ends.has(at)]);
      decoder.push(Buffer.from(wire.subarray(at)));
      expect(decoder.isBetweenFrames).toBe(true);
    }
  });

  it('is not while it stands still', () => {
    const decoder = new FrameDecoder(new RecordingSink(), false, false);
    decoder.stop();
    expect(decoder.isBetweenFrames).toBe(false);
    decoder.start();
    expect(decoder.isBetweenFrames).toBe(true);
    expect(decoder.push(hex('81 00'))).toBe(2);
  });
});
