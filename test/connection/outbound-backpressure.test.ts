import { describe, expect, it } from 'vitest';
import { DROPPED, OVERFLOW, Outbound, SENT } from '../../src/connection/outbound.ts';
import type { OutboundLimits } from '../../src/connection/outbound-limits.ts';
import { readFrames } from '../support/bytes.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

const TEXT = 1;
const BINARY = 2;
const PONG = 10;

/** A server's half over a transport that asks for a pause at 500 bytes. */
class Half {
  readonly transport = new MemoryTransport();
  readonly outbound: Outbound;

  constructor(limits: Partial<OutboundLimits> = {}) {
    this.transport.highWaterMark = 500;
    this.outbound = new Outbound(
      false,
      this.transport,
      {
        highWaterMark: 64 * 1024,
        maxBackpressure: 1_000,
        backpressurePolicy: 'close',
        ...limits,
      },
      true,
    );
  }

  /** The network takes nothing any more, and `size` bytes wait for it already. */
  static stuck(size: number, limits: Partial<OutboundLimits> = {}): Half {
    const half = new Half(limits);
    half.transport.stuck = true;
    // 4 bytes of header from 126 bytes of payload on.
    half.outbound.sendMessage(BINARY, Buffer.alloc(size - 4, '.'));
    half.outbound.flush();
    return half;
  }

  ping(payload: string): void {
    const source = Buffer.from(`<${payload}>`);
    this.outbound.sendPong(source, 1, source.length - 1);
  }

  /** The network takes all that waits, and says so. */
  drain(): boolean {
    this.transport.unstick();
    return this.outbound.drain();
  }

  /** What was written, without the bytes that `stuck` began with. */
  get payloads(): string[] {
    return readFrames(this.transport.wire)
      .map((frame) => frame.payload.toString())
      .filter((payload) => !payload.startsWith('..'));
  }
}

describe('the high-water mark', () => {
  it('is a number of bytes that may still wait', () => {
    const { outbound } = new Half({ highWaterMark: 100 });
    outbound.sendMessage(TEXT, 'x'.repeat(98));
    expect([outbound.bufferedAmount, outbound.hasRoom()]).toEqual([100, true]);
    outbound.sendMessage(TEXT, '');
    expect([outbound.bufferedAmount, outbound.hasRoom()]).toEqual([102, false]);
  });

  it('of 0 leaves no room as soon as a byte waits', () => {
    const { outbound } = new Half({ highWaterMark: 0 });
    expect(outbound.hasRoom()).toBe(true);
    outbound.sendMessage(TEXT, '');
    expect(outbound.hasRoom()).toBe(false);
  });

  it('is told by flush when the network takes all', () => {
    const { outbound } = new Half({ highWaterMark: 100 });
    outbound.sendMessage(TEXT, 'x'.repeat(200));
    outbound.hasRoom();
    expect(outbound.flush()).toBe(true);
    expect(outbound.flush()).toBe(false);
  });

  it('is told by flush when the network takes all, even of a transport that asked for a pause', () => {
    const half = new Half({ highWaterMark: 100 });
    half.transport.highWaterMark = 0;
    half.outbound.sendMessage(TEXT, 'x'.repeat(200));
    expect(half.outbound.hasRoom()).toBe(false);
    expect(half.outbound.flush()).toBe(true);
    expect(half.outbound.isBlocked).toBe(false);
  });

  it('is told only to those who were told to wait', () => {
    const { outbound } = new Half({ highWaterMark: 100 });
    outbound.sendMessage(TEXT, 'x'.repeat(50));
    expect(outbound.hasRoom()).toBe(true);
    expect(outbound.flush()).toBe(false);
  });

  it('is told by drain, and once, where the transport asked for a pause', () => {
    const half = Half.stuck(600, { highWaterMark: 100 });
    expect(half.outbound.hasRoom()).toBe(false);
    expect(half.outbound.flush()).toBe(false);
    expect(half.drain()).toBe(true);
    expect(half.drain()).toBe(false);
    expect(half.outbound.flush()).toBe(false);
  });

  it('does not count what a transport holds that asked for no pause, as it will not drain', () => {
    const half = Half.stuck(300, { highWaterMark: 100 });
    expect([half.outbound.bufferedAmount, half.outbound.hasRoom()]).toEqual([300, true]);
    half.outbound.sendMessage(TEXT, 'x'.repeat(100));
    expect(half.outbound.hasRoom()).toBe(false);
    expect(half.outbound.flush()).toBe(true);
    expect(half.outbound.hasRoom()).toBe(true);
  });

  it('is not told to have room again while more than it waits behind a message in fragments', () => {
    const { outbound } = new Half({ highWaterMark: 100 });
    outbound.sendFragment(TEXT, 'a', false);
    outbound.sendMessage(TEXT, 'x'.repeat(200));
    expect(outbound.hasRoom()).toBe(false);
    expect(outbound.flush()).toBe(false);
    outbound.sendFragment(TEXT, 'b', true);
    expect(outbound.flush()).toBe(true);
  });

  it('is passed by a blocked transport until that drains', () => {
    const half = Half.stuck(600, { highWaterMark: 599 });
    expect(half.outbound.isBlocked).toBe(true);
    half.drain();
    expect(half.outbound.isBlocked).toBe(false);
  });

  it('is not passed by a transport that holds just that much', () => {
    expect(Half.stuck(600, { highWaterMark: 600 }).outbound.isBlocked).toBe(false);
  });

  it('is not passed by a transport that asked for no pause', () => {
    expect(Half.stuck(499, { highWaterMark: 100 }).outbound.isBlocked).toBe(false);
  });
});

describe('maxBackpressure', () => {
  it('excepts one message of any size', () => {
    for (const maxBackpressure of [0, 100]) {
      const { outbound, transport } = new Half({ maxBackpressure });
      expect(outbound.sendMessage(TEXT, 'x'.repeat(5_000))).toBe(SENT);
      outbound.flush();
      expect(outbound.sendMessage(BINARY, Buffer.alloc(50_000))).toBe(SENT);
      outbound.flush();
      expect(readFrames(transport.wire).map((frame) => frame.payload.length)).toEqual([
        5_000, 50_000,
      ]);
    }
  });

  it('excepts one fragment of any size', () => {
    const { outbound } = new Half({ maxBackpressure: 100 });
    expect(outbound.sendFragment(TEXT, 'x'.repeat(5_000), false)).toBe(SENT);
    outbound.flush();
    expect(outbound.sendFragment(TEXT, 'x'.repeat(5_000), true)).toBe(SENT);
  });

  it('counts what the network would take at once as taken', () => {
    const { outbound, transport } = new Half({ maxBackpressure: 1_000 });
    for (let i = 0; i < 10; i++) {
      expect(outbound.sendMessage(BINARY, Buffer.alloc(900, i))).toBe(SENT);
    }
    outbound.flush();
    expect(readFrames(transport.wire)).toHaveLength(10);
  });

  it('is the most that waits, headers and all', () => {
    const half = Half.stuck(600);
    // 600 wait, and a frame of 386 bytes has a header of up to 14.
    expect(half.outbound.sendMessage(BINARY, Buffer.alloc(387))).toBe(OVERFLOW);
    expect(half.outbound.sendMessage(BINARY, Buffer.alloc(386))).toBe(SENT);
    expect(half.outbound.bufferedAmount).toBe(990);
    expect(half.outbound.sendMessage(BINARY, Buffer.alloc(0))).toBe(OVERFLOW);
  });

  it('counts a text in bytes', () => {
    const half = Half.stuck(600);
    expect(half.outbound.sendMessage(TEXT, 'x'.repeat(387))).toBe(OVERFLOW);
    expect(half.outbound.sendMessage(TEXT, 'é'.repeat(194))).toBe(OVERFLOW);
    expect(half.outbound.sendMessage(TEXT, 'é'.repeat(193))).toBe(SENT);
  });

  it('does not keep a fragmented message from its end because of one that waits for that', () => {
    const { outbound, transport } = new Half();
    outbound.sendFragment(TEXT, 'a', false);
    outbound.flush();
    expect(outbound.sendMessage(BINARY, Buffer.alloc(5_000))).toBe(SENT);
    expect(outbound.sendFragment(TEXT, 'b', true)).toBe(SENT);
    outbound.flush();
    expect(readFrames(transport.wire).map((frame) => frame.payload.length)).toEqual([1, 1, 5_000]);
  });

  it('never lets a fragment be dropped alone', () => {
    for (const backpressurePolicy of ['close', 'drop', 'latest'] as const) {
      const half = Half.stuck(900, { backpressurePolicy });
      expect(half.outbound.sendFragment(TEXT, 'x'.repeat(100), false)).toBe(OVERFLOW);
      expect(half.outbound.dropped).toBe(0);
    }
  });
});

describe('the policy close', () => {
  it('refuses a message that finds no room, and drops nothing', () => {
    const half = Half.stuck(900);
    expect(half.outbound.sendMessage(TEXT, 'x'.repeat(100))).toBe(OVERFLOW);
    expect(half.outbound.dropped).toBe(0);
  });
});

describe('the policy drop', () => {
  it('drops a message that finds no room, and counts it', () => {
    const half = Half.stuck(900, { backpressurePolicy: 'drop' });
    expect(half.outbound.sendMessage(TEXT, 'x'.repeat(100))).toBe(DROPPED);
    expect(half.outbound.sendMessage(TEXT, 'x'.repeat(200))).toBe(DROPPED);
    expect(half.outbound.sendMessage(TEXT, 'small')).toBe(SENT);
    expect(half.outbound.dropped).toBe(2);
    half.drain();
    expect(half.payloads).toEqual(['small']);
  });

  it('tells who was refused when there is room again', () => {
    const half = Half.stuck(900, { backpressurePolicy: 'drop' });
    half.outbound.sendMessage(TEXT, 'x'.repeat(100));
    expect(half.outbound.flush()).toBe(false);
    expect(half.drain()).toBe(true);
    expect(half.drain()).toBe(false);
  });

  it('drops a message that would have waited for one in fragments', () => {
    const half = new Half({ backpressurePolicy: 'drop' });
    half.outbound.sendFragment(TEXT, 'a', false);
    half.transport.stuck = true;
    expect(half.outbound.sendMessage(BINARY, Buffer.alloc(900))).toBe(SENT);
    expect(half.outbound.sendMessage(BINARY, Buffer.alloc(900))).toBe(DROPPED);
    expect(half.outbound.dropped).toBe(1);
  });
});

describe('the policy latest', () => {
  const policy = { backpressurePolicy: 'latest' } as const;

  it('keeps the newest message that finds no room, and drops the one before it', () => {
    const half = Half.stuck(900, policy);
    for (const letter of 'abc') {
      expect(half.outbound.sendMessage(TEXT, letter.repeat(100))).toBe(SENT);
    }
    expect(half.outbound.dropped).toBe(2);
    half.drain();
    half.drain();
    expect(half.payloads).toEqual(['c'.repeat(100)]);
    expect(half.outbound.bufferedAmount).toBe(0);
  });

  it('keeps bytes that nobody else can change', () => {
    const half = Half.stuck(900, policy);
    const payload = Buffer.alloc(100, 'a');
    half.outbound.sendMessage(BINARY, payload);
    payload.fill('z');
    half.drain();
    expect(half.payloads).toEqual(['a'.repeat(100)]);
  });

  it('counts what it keeps as buffered', () => {
    const half = Half.stuck(900, policy);
    half.outbound.sendMessage(TEXT, 'é'.repeat(100));
    expect(half.outbound.bufferedAmount).toBeGreaterThanOrEqual(1_100);
    expect(half.outbound.bufferedAmount).toBeLessThanOrEqual(1_114);
    expect(half.outbound.hasRoom()).toBe(true);
  });

  it('tells when there is room again, after the message that it kept', () => {
    const half = Half.stuck(900, policy);
    half.outbound.sendMessage(TEXT, 'a'.repeat(100));
    expect(half.outbound.flush()).toBe(false);
    expect(half.drain()).toBe(true);
  });

  it('goes on keeping it when the network gets stuck again at once', () => {
    const half = Half.stuck(900, policy);
    for (let i = 0; i < 17; i++) half.ping('p');
    half.outbound.sendMessage(BINARY, Buffer.alloc(600, 'a'));
    // It takes what waits, and the Pong that follows makes it ask for a pause again.
    half.transport.unstick();
    half.transport.stuck = true;
    half.transport.highWaterMark = 1;
    half.outbound.drain();
    expect(half.payloads).toEqual(Array(17).fill('p'));
    expect(half.outbound.dropped).toBe(0);
    half.drain();
    expect(half.payloads.slice(17)).toEqual(['a'.repeat(600)]);
  });

  it('never sends a newer message before the one that it keeps', () => {
    const half = Half.stuck(900, policy);
    half.outbound.sendMessage(TEXT, 'older'.repeat(20));
    // The network takes most of what waits. It has not drained yet.
    half.transport.writableLength = 100;
    half.outbound.sendMessage(TEXT, 'newer');
    half.outbound.flush();
    half.drain();
    half.outbound.flush();
    // Either both in their order, or the newer one alone.
    expect(half.payloads.at(-1)).toBe('newer');
    expect(half.payloads.length + half.outbound.dropped).toBe(2);
  });

  it('never forgets the message that it keeps where the transport asked for no pause', () => {
    const half = Half.stuck(400, { ...policy, maxBackpressure: 450 });
    half.outbound.sendMessage(TEXT, 'older'.repeat(20));
    half.outbound.flush();
    // No drain: a transport says that only after its `write` had returned false.
    half.transport.unstick();
    half.outbound.sendMessage(TEXT, 'newer');
    half.outbound.flush();
    expect(half.payloads.at(-1)).toBe('newer');
    expect(half.payloads.length + half.outbound.dropped).toBe(2);
    expect(half.outbound.bufferedAmount).toBe(0);
  });

  it('keeps the newest also while a message is being sent in fragments', () => {
    const half = new Half(policy);
    half.outbound.sendFragment(TEXT, 'begin', false);
    half.outbound.flush();
    half.transport.stuck = true;
    half.outbound.sendControl(PONG, Buffer.alloc(100, '.'));
    half.outbound.sendMessage(BINARY, Buffer.alloc(700, '.'));
    half.outbound.sendMessage(TEXT, 'a'.repeat(300));
    half.outbound.sendMessage(TEXT, 'b'.repeat(300));
    expect(half.outbound.dropped).toBe(1);
    half.drain();
    half.outbound.sendFragment(TEXT, 'end', true);
    half.drain();
    expect(half.payloads).toEqual(['begin', 'end', 'b'.repeat(300)]);
  });

  it('sends what it keeps behind a message in fragments, and not into it', () => {
    const half = Half.stuck(900, policy);
    half.outbound.sendFragment(TEXT, 'begin', false);
    half.outbound.sendMessage(TEXT, 'a'.repeat(100));
    half.drain();
    expect(half.payloads).toEqual(['begin']);
    half.outbound.sendFragment(TEXT, 'end', true);
    half.outbound.flush();
    half.outbound.flush();
    expect(half.payloads).toEqual(['begin', 'end', 'a'.repeat(100)]);
  });

  it('forgets the message that it keeps when no more data may be sent', () => {
    const half = Half.stuck(900, policy);
    half.outbound.sendMessage(TEXT, 'a'.repeat(100));
    half.outbound.endMessages();
    expect(half.outbound.bufferedAmount).toBe(900);
    half.drain();
    expect(half.payloads).toEqual([]);
  });
});

describe('Pongs', () => {
  it('all go out where the network takes them', () => {
    const half = new Half();
    for (let i = 0; i < 50; i++) half.ping(`${i}`);
    half.outbound.flush();
    expect(half.payloads).toEqual(Array.from({ length: 50 }, (_, i) => `${i}`));
  });

  it('wait up to 16, then only the newest, when the network takes nothing', () => {
    const half = Half.stuck(600);
    for (let i = 0; i < 1_000; i++) {
      half.ping(`${i}`);
      half.outbound.flush();
    }
    expect(half.outbound.bufferedAmount).toBeLessThan(700);
    half.drain();
    expect(half.payloads).toEqual([...Array.from({ length: 16 }, (_, i) => `${i}`), '999']);
  });

  it('are counted anew after a drain', () => {
    const half = Half.stuck(600);
    for (let i = 0; i < 20; i++) half.ping(`${i}`);
    half.outbound.flush();
    half.drain();
    half.transport.writes.length = 0;
    half.transport.stuck = true;
    half.outbound.sendMessage(BINARY, Buffer.alloc(600, '.'));
    half.outbound.flush();
    for (let i = 0; i < 20; i++) half.ping(`${i}`);
    half.outbound.flush();
    half.drain();
    expect(half.payloads).toEqual([...Array.from({ length: 16 }, (_, i) => `${i}`), '19']);
  });

  it('carry the bytes of their Ping, even when its chunk is used again', () => {
    const half = Half.stuck(600);
    for (let i = 0; i < 16; i++) half.ping('-');
    const chunk = Buffer.from('newest');
    half.outbound.sendPong(chunk, 0, 6);
    chunk.fill('z');
    half.drain();
    expect(half.payloads.at(-1)).toBe('newest');
  });

  it('go out before the message that waited for room', () => {
    const half = Half.stuck(900, { backpressurePolicy: 'latest' });
    half.outbound.sendMessage(TEXT, 'latest'.repeat(20));
    for (let i = 0; i < 17; i++) half.ping('p');
    half.drain();
    expect(half.payloads.slice(-2)).toEqual(['p', 'latest'.repeat(20)]);
  });
});
