import { describe, expect, it } from 'vitest';
import { resolveLimits } from '../../src/connection/limits.ts';
import {
  type MeterOwner,
  MeteredInbound,
  isMetered,
} from '../../src/connection/metered-inbound.ts';
import { type RawFrame, maskedFrame } from '../support/bytes.ts';
import { RecordingMessages } from '../support/inbound-feed.ts';
import { FrameDecoder } from '../../src/frame/decoder.ts';

/** Writes down what a {@link MeteredInbound} told, and what it found. */
class MeterLog extends RecordingMessages implements MeterOwner {
  now = 0;

  onFrame(isMessage: boolean): number {
    this.calls.push(isMessage ? 'message frame' : 'control frame');
    return this.now;
  }
}

function meter(): { log: MeterLog; receive: (bytes: Buffer) => void } {
  const log = new MeterLog();
  const inbound = new MeteredInbound(log, resolveLimits({ idleTimeout: 1_000 }), true);
  const decoder = new FrameDecoder(inbound, true, false);
  return { log, receive: (bytes) => decoder.push(Buffer.from(bytes)) };
}

function wireOf(...frames: RawFrame[]): Buffer {
  return Buffer.concat(frames.map((frame) => maskedFrame(frame)));
}

describe('a meter', () => {
  it('is there for an idleTimeout', () => {
    expect(isMetered(resolveLimits())).toBe(false);
    expect(isMetered(resolveLimits({ maxLifetime: 1_000 }))).toBe(false);
    expect(isMetered(resolveLimits({ idleTimeout: 1_000 }))).toBe(true);
  });

  it('tells of each frame as it begins, and gives out what it holds', () => {
    const { log, receive } = meter();
    receive(wireOf({ opcode: 2, payload: 'a' }, { fin: false, opcode: 2, payload: 'b' }));
    receive(wireOf({ opcode: 9, payload: 'c' }, { opcode: 0, payload: 'd' }));
    expect(log.calls).toEqual([
      'message frame',
      'binary 61',
      'message frame',
      'control frame',
      'control 9 63',
      'message frame',
      'binary 6264',
    ]);
  });

  it('tells of the bytes of a message that follow, and not of those of a control frame', () => {
    const { log, receive } = meter();
    for (const frame of [
      { opcode: 2, payload: 'abc' },
      { opcode: 9, payload: 'def' },
    ]) {
      const wire = wireOf(frame);
      receive(wire.subarray(0, -2));
      receive(wire.subarray(-2, -1));
      receive(wire.subarray(-1));
    }
    expect(log.calls).toEqual([
      'message frame',
      'message frame',
      'message frame',
      'binary 616263',
      'control frame',
      'control 9 646566',
    ]);
  });

  it('leaves it to the others to find what is wrong', () => {
    const { receive } = meter();
    expect(() => receive(wireOf({ opcode: 0 }))).toThrow('there is no message to continue');
  });
});
