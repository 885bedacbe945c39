import { describe, expect, it } from 'vitest';
import { resolveLimits } from '../../src/connection/limits.ts';
import {
  type MeterOwner,
  MeteredInbound,
  isMetered,
} from '../../src/connection/metered-inbound.ts';
import {
  type ExcessAnswer,
  type RateLimitOptions,
  type RateName,
  resolveRateLimit,
} from '../../src/connection/rate-limit.ts';
import type { InflateSink, Inflater } from '../../src/extension/inflater.ts';
import { FrameDecoder } from '../../src/frame/decoder.ts';
import { type RawFrame, maskedFrame, peerFrame } from '../support/bytes.ts';
import { RecordingMessages, violationCode } from '../support/inbound-feed.ts';

const CONTINUATION = 0;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** Writes down what a {@link MeteredInbound} told, and what it found. */
class MeterLog extends RecordingMessages implements MeterOwner {
  now = 0;
  frames: string[] = [];
  excesses: RateName[] = [];
  answer: ExcessAnswer = 'drop';

  onFrame(isMessage: boolean): number {
    this.frames.push(isMessage ? 'message' : 'control');
    return this.now;
  }

  onExcess(rate: RateName): ExcessAnswer {
    this.excesses.push(rate);
    return this.answer;
  }

  // Each byte is inflated to so many zeros as it says.
  override inflaterFor(sink: InflateSink): Inflater {
    const push = (source: Buffer, start: number, end: number, last: boolean): boolean => {
      for (let at = start; at < end; at++) {
        const size = source[at]!;
        sink.onInflated(Buffer.alloc(4096), 0, size, last && at === end - 1);
      }
      return true;
    };
    return { push, close: () => {} };
  }
}

interface Meter {
  readonly log: MeterLog;
  readonly inbound: MeteredInbound;
  readonly receive: (...frames: RawFrame[]) => void;
  readonly receiveBytes: (bytes: Uint8Array) => void;
}

/** @param rateLimit - null for an idleTimeout alone */
function meter(rateLimit: RateLimitOptions | null, masked = true, maxPayload = 300): Meter {
  const log = new MeterLog();
  const limits = resolveLimits({ idleTimeout: 1_000, maxPayload });
  const options = { ...limits, rateLimit: resolveRateLimit(rateLimit) };
  const inbound = new MeteredInbound(log, options, true, masked);
  const decoder = new FrameDecoder(inbound, masked, true);
  const receiveBytes = (bytes: Uint8Array): void => void decoder.push(Buffer.from(bytes));
  const role = masked ? 'server' : 'client';
  return {
    log,
    inbound,
    receiveBytes,
    receive: (...frames) =>
      receiveBytes(Buffer.concat(frames.map((frame) => peerFrame(role, frame)))),
  };
}

function binary(payload: string): RawFrame {
  return { opcode: BINARY, payload };
}

/** A message in fragments of these sizes. */
function fragments(...sizes: number[]): RawFrame[] {
  return sizes.map((size, index) => ({
    opcode: index === 0 ? BINARY : CONTINUATION,
    fin: index === sizes.length - 1,
    payload: Buffer.alloc(size),
  }));
}

describe('a meter', () => {
  it('is there for an idleTimeout, and for a rateLimit', () => {
    expect(isMetered(resolveLimits())).toBe(false);
    expect(isMetered({ ...resolveLimits({ maxLifetime: 1_000 }), rateLimit: null })).toBe(false);
    expect(isMetered(resolveLimits({ idleTimeout: 1_000 }))).toBe(true);
    const rateLimit = resolveRateLimit({ messages: 1 });
    expect(isMetered({ ...resolveLimits(), rateLimit })).toBe(true);
  });

  it('tells of each frame as it begins, and gives out what it holds', () => {
    const { log, inbound, receive } = meter(null);
    receive(binary('a'), { ...binary('b'), fin: false });
    expect(inbound.isBetweenMessages).toBe(false);
    receive({ opcode: PING, payload: 'c' }, { opcode: CONTINUATION, payload: 'd' });
    expect(log.calls).toEqual(['binary 61', 'control 9 63', 'binary 6264']);
    expect(log.frames).toEqual(['message', 'message', 'control', 'message']);
    expect([inbound.isBetweenMessages, inbound.ignored]).toEqual([true, 0]);
  });

  it('tells of the bytes of a message that follow, and not of those of a control frame', () => {
    const { log, receiveBytes } = meter(null);
    for (const frame of [binary('abc'), { opcode: PING, payload: 'def' }]) {
      const wire = maskedFrame(frame);
      receiveBytes(wire.subarray(0, -2));
      receiveBytes(wire.subarray(-2, -1));
      receiveBytes(wire.subarray(-1));
    }
    expect(log.calls).toEqual(['binary 616263', 'control 9 646566']);
    expect(log.frames).toEqual(['message', 'message', 'message', 'control']);
  });

  it('leaves it to the others to find what is wrong', () => {
    const { receive } = meter({ messages: 5 });
    expect(violationCode(() => receive({ opcode: CONTINUATION }))).toBe(
      'WS_ERR_CONTINUATION_UNEXPECTED',
    );
    const other = meter({ messages: 5 });
    other.receive({ ...binary('a'), fin: false });
    expect(violationCode(() => other.receive(binary('b')))).toBe('WS_ERR_CONTINUATION_EXPECTED');
    const third = meter({ messages: 5 });
    third.receive({ ...binary('a'), fin: false });
    const begun = { ...binary('b'), fin: false };
    expect(violationCode(() => third.receive(begun))).toBe('WS_ERR_CONTINUATION_EXPECTED');
  });
});

describe('a limit of messages', () => {
  it('lets in so many, and more as time goes by', () => {
    const { log, inbound, receive } = meter({ messages: 2 });
    receive(binary('a'), binary('b'), binary('c'), binary('d'));
    expect([log.calls, log.excesses, inbound.ignored]).toEqual([
      ['binary 61', 'binary 62'],
      ['messages', 'messages'],
      2,
    ]);
    log.now = 500;
    receive(binary('e'), binary('f'));
    expect(log.calls).toEqual(['binary 61', 'binary 62', 'binary 65']);
    expect(inbound.ignored).toBe(3);
  });

  it('ends the connection, or takes the message all the same, where that is the answer', () => {
    const { log, inbound, receive } = meter({ messages: 1 });
    log.answer = 'take';
    receive(binary('a'), binary('b'));
    expect(log.calls).toEqual(['binary 61', 'binary 62']);
    log.answer = 'close';
    // What was taken has to be made up for.
    log.now = 999;
    expect(violationCode(() => receive(binary('c')))).toBe('WS_ERR_SENDS_TOO_FAST');
    expect(inbound.ignored).toBe(0);
  });

  it('drops a message with all its fragments, and lets Pings through between them', () => {
    const { log, inbound, receive } = meter({ messages: 1 });
    const [first, second, third] = fragments(1, 2, 3);
    receive(binary('a'), first!, second!, { opcode: PING }, third!);
    expect([log.calls, inbound.ignored]).toEqual([['binary 61', 'control 9 '], 1]);
    log.now = 1_000;
    receive(binary('b'));
    expect(log.calls.at(-1)).toBe('binary 62');
  });

  it('refuses a message inside one that is dropped', () => {
    for (const fin of [false, true]) {
      const { receive } = meter({ messages: 1 });
      const [first, second] = fragments(1, 2, 3);
      receive(binary('a'), first!, second!);
      expect(violationCode(() => receive({ ...binary('b'), fin }))).toBe(
        'WS_ERR_CONTINUATION_EXPECTED',
      );
    }
  });

  it('drops what comes in pieces, and what comes after it is read right', () => {
    const { log, receive, receiveBytes } = meter({ messages: 1 });
    receive(binary('a'));
    for (const byte of maskedFrame(binary('abcdefgh'))) receiveBytes(Buffer.of(byte));
    log.now = 1_000;
    receive(binary('c'));
    expect(log.calls).toEqual(['binary 61', 'binary 63']);
  });

  it('never refuses the rest of a message that has begun', () => {
    const { log, receive } = meter({ messages: 1 });
    receive(...fragments(1, 1, 1, 1));
    expect([log.calls, log.excesses]).toEqual([['binary 00000000'], []]);
  });

  it('counts small fragments as messages, and neither the last nor large ones', () => {
    const { log, receive } = meter({ messages: 5 }, true, 100_000);
    // One, and two for those in the middle.
    receive(...fragments(0, 0, 0, 0), binary('a'), binary('b'));
    expect(log.excesses).toEqual([]);
    receive(binary('c'));
    expect(log.excesses).toEqual(['messages']);
    const other = meter({ messages: 2 }, true, 100_000);
    other.receive(...fragments(5_000, 5_000, 5_000, 5_000, 5_000), binary('a'));
    expect(other.log.excesses).toEqual([]);
  });

  it('holds for control frames by themselves, and lets every Close in', () => {
    const { log, inbound, receive } = meter({ messages: 1 });
    receive({ opcode: PING }, { opcode: PONG }, { opcode: PING }, binary('a'));
    expect([log.calls, inbound.ignored]).toEqual([['control 9 ', 'binary 61'], 2]);
    receive({ opcode: CLOSE });
    expect(log.calls.at(-1)).toBe('control 8 ');
  });

  it('does not count the Pongs that we asked for', () => {
    const { log, inbound, receive } = meter({ messages: 1 });
    inbound.expectPong();
    inbound.expectPong();
    receive({ opcode: PONG }, { opcode: PONG }, { opcode: PONG }, { opcode: PONG });
    expect([log.calls.length, inbound.ignored]).toEqual([3, 1]);
  });

  it('must not be forgotten', () => {
    const { inbound, receive } = meter({ messages: 1 });
    receive(binary('a'));
    expect(inbound.isBetweenMessages).toBe(false);
  });
});

describe('a limit of bytes', () => {
  it('counts them as they are on the wire', () => {
    for (const masked of [false, true]) {
      const size = masked ? 7 : 3;
      const { log, receive } = meter({ bytes: size * 3 }, masked);
      receive(binary('a'), binary('b'), binary('c'), binary('d'));
      expect([log.calls.length, log.excesses]).toEqual([3, ['bytes']]);
    }
  });

  it('counts those of all fragments', () => {
    const { log, receive } = meter({ bytes: 300 });
    receive(...fragments(100, 100, 100));
    expect(log.calls).toHaveLength(1);
    log.now = 17;
    receive(binary('a'));
    // Three headers have 18 bytes, for which 60 ms are too few, and 17 are 5.1.
    expect(log.excesses).toEqual(['bytes']);
    log.now = 61;
    receive(binary('b'));
    expect(log.calls).toHaveLength(2);
  });

  it('refuses before a byte is kept, or the rule about its size is asked', () => {
    const { log, receiveBytes, receive } = meter({ bytes: 10 });
    receive(binary('0123456789'));
    // Only its header.
    receiveBytes(maskedFrame({ opcode: BINARY, payload: Buffer.alloc(5_000) }).subarray(0, 8));
    expect(log.excesses).toEqual(['bytes']);
  });
});

describe('a compressed message that is dropped', () => {
  const compressed = (...sizes: number[]): RawFrame => ({
    ...binary(''),
    rsv: 4,
    payload: Buffer.from(sizes),
  });

  it('is inflated, since those behind it refer to it, and given to nobody', () => {
    const { log, inbound, receive } = meter({ messages: 1 });
    receive(compressed(2), compressed(100, 100), { ...compressed(50), fin: false });
    receive({ opcode: PING }, { opcode: CONTINUATION, payload: Buffer.of(100, 100) });
    expect([log.calls, inbound.ignored]).toEqual([['binary 0000', 'control 9 '], 2]);
    log.now = 1_000;
    receive(compressed(3));
    expect(log.calls.at(-1)).toBe('binary 000000');
  });

  it('is a bomb all the same where it is one', () => {
    const { receive } = meter({ messages: 1 });
    receive(compressed(2));
    expect(violationCode(() => receive(compressed(200, 100, 1)))).toBe('WS_ERR_MESSAGE_TOO_BIG');
  });
});
