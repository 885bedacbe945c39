import { describe, expect, it, vi } from 'vitest';
import { DROPPED, OVERFLOW, Outbound, SENT } from '../../src/connection/outbound.ts';
import { type ReadFrame, hex, readFrames } from '../support/bytes.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

const KIB = 1024;
const TEXT = 1;
const BINARY = 2;
const PING = 9;

/** The side that masks, and the side that does not. */
const SIDES: [side: string, masked: boolean][] = [
  ['a client', true],
  ['a server', false],
];

function open(masked: boolean): { outbound: Outbound; transport: MemoryTransport } {
  const transport = new MemoryTransport();
  const limits = {
    highWaterMark: 64 * KIB,
    maxBackpressure: 4 * KIB * KIB,
    backpressurePolicy: 'close',
  } as const;
  return { outbound: new Outbound(masked, transport, limits, true), transport };
}

/** `opcode fin payload`. */
function summary(frame: ReadFrame): string {
  return `${frame.opcode} ${frame.fin ? 'fin' : 'more'} ${frame.payload.toString()}`;
}

/** Bytes of which no two neighbours are the same, so that none can be lost without a trace. */
function pattern(size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >>> 8)) & 0xff));
}

it('has three results that can be told apart', () => {
  expect(new Set([SENT, DROPPED, OVERFLOW]).size).toBe(3);
});

describe.each(SIDES)('the messages of %s', (_, masked) => {
  it('become frames with FIN and the opcode of their type, masked only by a client', () => {
    const { outbound, transport } = open(masked);
    expect(outbound.sendMessage(TEXT, 'Hello')).toBe(SENT);
    expect(outbound.sendMessage(BINARY, hex('00 ff'))).toBe(SENT);
    outbound.sendControl(PING, hex('01'));
    outbound.flush();
    const frames = readFrames(transport.wire);
    expect(frames.map((frame) => [frame.opcode, frame.payload.toString('hex')])).toEqual([
      [TEXT, '48656c6c6f'],
      [BINARY, '00ff'],
      [PING, '01'],
    ]);
    for (const frame of frames) {
      expect([frame.fin, frame.rsv, frame.masked]).toEqual([true, 0, masked]);
    }
  });

  it('leave in one write when they are small', () => {
    const { outbound, transport } = open(masked);
    for (let i = 0; i < 100; i++) outbound.sendMessage(TEXT, `message ${i}`);
    expect(transport.calls).toEqual([]);
    outbound.flush();
    expect(transport.calls).toEqual(['write']);
    expect(readFrames(transport.wire).map((frame) => frame.payload.toString())).toEqual(
      Array.from({ length: 100 }, (__, i) => `message ${i}`),
    );
  });

  it('leave only once', () => {
    const { outbound, transport } = open(masked);
    outbound.flush();
    outbound.sendMessage(TEXT, 'a');
    outbound.flush();
    outbound.flush();
    expect(transport.calls).toEqual(['write']);
  });

  it.each([0, 1, 125, 126, 127, 16_369, 16_370, 16_371, 16_384, 65_535, 65_536, 200_000])(
    'may have %d bytes, and their length is written as short as possible',
    (size) => {
      const { outbound, transport } = open(masked);
      const payload = pattern(size);
      outbound.sendMessage(BINARY, payload);
      outbound.sendMessage(TEXT, 'x'.repeat(size));
      outbound.sendMessage(TEXT, 'next');
      outbound.flush();
      const lengthBits = size < 126 ? 7 : size < 65_536 ? 16 : 64;
      const [binary, text, next] = readFrames(transport.wire);
      expect(binary).toMatchObject({ opcode: BINARY, fin: true, masked, lengthBits });
      expect(binary?.payload.equals(payload)).toBe(true);
      expect(text).toMatchObject({ opcode: TEXT, fin: true, masked, lengthBits });
      expect(text?.payload.equals(Buffer.alloc(size, 'x'))).toBe(true);
      expect(next?.payload.toString()).toBe('next');
      expect(payload.equals(pattern(size))).toBe(true);
    },
  );

  // In UTF-16 units and in bytes these lie on different sides of every bound there is.
  it.each([
    ['é', 63],
    ['é', 8_200],
    ['語', 42],
    ['語', 5_456],
    ['語', 5_461],
    ['語', 21_845],
    ['\u{1f600}', 4_096],
    ['\u{1f600}', 20_000],
  ])('may be %s, %d times', (character, times) => {
    const { outbound, transport } = open(masked);
    outbound.sendMessage(TEXT, 'before');
    outbound.sendMessage(TEXT, character.repeat(times));
    outbound.sendMessage(TEXT, 'behind');
    outbound.flush();
    const texts = readFrames(transport.wire).map((frame) => frame.payload.toString());
    expect(texts).toEqual(['before', character.repeat(times), 'behind']);
  });

  it('have U+FFFD where a surrogate has no partner', () => {
    const { outbound, transport } = open(masked);
    outbound.sendMessage(TEXT, 'a\ud800b');
    outbound.sendMessage(TEXT, `${'x'.repeat(20_000)}\udc00`);
    outbound.flush();
    const [short, long] = readFrames(transport.wire);
    expect(short?.payload).toEqual(hex('61 ef bf bd 62'));
    expect(long?.payload.subarray(-4)).toEqual(hex('78 ef bf bd'));
  });

  it('keep their order, whatever their sizes are', () => {
    const { outbound, transport } = open(masked);
    const sizes = [10, 20_000, 5, 70_000, 16_000, 16_000, 16_000, 16_000, 3, 30_000, 30_000, 0, 1];
    for (const size of sizes) outbound.sendMessage(BINARY, pattern(size));
    outbound.flush();
    const frames = readFrames(transport.wire);
    expect(frames.map((frame) => frame.payload.length)).toEqual(sizes);
    expect(frames.every(({ payload }) => payload.equals(pattern(payload.length)))).toBe(true);
  });

  it('begin to leave before a flush when 64 KiB of them wait', () => {
    const { outbound, transport } = open(masked);
    for (let i = 0; i < 64; i++) outbound.sendMessage(BINARY, pattern(KIB));
    expect(transport.writes.length).toBeGreaterThan(0);
    outbound.flush();
    expect(readFrames(transport.wire)).toHaveLength(64);
  });

  it('are corked together when they do not lie together', () => {
    const { outbound, transport } = open(masked);
    const cork = vi.spyOn(transport, 'cork');
    const uncork = vi.spyOn(transport, 'uncork');
    const write = vi.spyOn(transport, 'write');
    outbound.sendMessage(TEXT, 'small');
    outbound.sendMessage(TEXT, 'x'.repeat(20_000));
    outbound.flush();
    expect(cork).toHaveBeenCalledTimes(1);
    expect(uncork).toHaveBeenCalledTimes(1);
    expect(cork.mock.invocationCallOrder[0]).toBeLessThan(write.mock.invocationCallOrder[0]!);
    expect(uncork.mock.invocationCallOrder[0]).toBeGreaterThan(
      write.mock.invocationCallOrder.at(-1)!,
    );
  });

  it('may be changed by the caller at once when they are smaller than 16 KiB', () => {
    for (const size of [5, 1_000, 16_000, 16 * KIB - 1]) {
      const { outbound, transport } = open(masked);
      const payload = pattern(size);
      outbound.sendMessage(BINARY, payload);
      payload.fill(0);
      outbound.flush();
      const [frame] = readFrames(transport.wire);
      expect(frame?.payload.equals(pattern(size)), `${size} bytes`).toBe(true);
    }
  });
});

describe('a large payload', () => {
  it('is not copied on a server', () => {
    const { outbound, transport } = open(false);
    const write = vi.spyOn(transport, 'write');
    const payload = pattern(100_000);
    outbound.sendMessage(BINARY, payload);
    outbound.flush();
    expect(write.mock.calls.map(([bytes]) => bytes.length)).toEqual([10, 100_000]);
    expect(write.mock.calls[1]?.[0]).toBe(payload);
  });

  it('is copied and masked on a client, and not changed', () => {
    const { outbound, transport } = open(true);
    const write = vi.spyOn(transport, 'write');
    const payload = pattern(100_000);
    outbound.sendMessage(BINARY, payload);
    outbound.flush();
    expect(write.mock.calls.every(([bytes]) => bytes.buffer !== payload.buffer)).toBe(true);
    expect(payload.equals(pattern(100_000))).toBe(true);
    expect(readFrames(transport.wire)[0]?.key).not.toEqual(hex('00 00 00 00'));
  });

  it('is copied on a client before the caller can change it', () => {
    const { outbound, transport } = open(true);
    const payload = pattern(100_000);
    outbound.sendMessage(BINARY, payload);
    payload.fill(0);
    outbound.flush();
    expect(readFrames(transport.wire)[0]?.payload.equals(pattern(100_000))).toBe(true);
  });

  it('may be a view of a part of a larger buffer', () => {
    for (const masked of [true, false]) {
      const { outbound, transport } = open(masked);
      const whole = pattern(70_000);
      outbound.sendMessage(BINARY, new Uint8Array(whole.buffer, whole.byteOffset + 3, 50_001));
      outbound.sendMessage(BINARY, new Uint8Array(whole.buffer, whole.byteOffset + 1, 10));
      outbound.flush();
      const payloads = readFrames(transport.wire).map((frame) => frame.payload);
      expect(payloads[0]?.equals(whole.subarray(3, 50_004))).toBe(true);
      expect(payloads[1]?.equals(whole.subarray(1, 11))).toBe(true);
    }
  });
});

describe('what waits', () => {
  it('is counted here and in the transport', () => {
    const { outbound, transport } = open(false);
    expect([outbound.bufferedAmount, outbound.takenSize, outbound.isPending]).toEqual([
      0,
      0,
      false,
    ]);
    outbound.sendMessage(TEXT, 'Hello');
    expect([outbound.bufferedAmount, outbound.takenSize, outbound.isPending]).toEqual([7, 0, true]);
    transport.stuck = true;
    outbound.flush();
    expect([outbound.bufferedAmount, outbound.takenSize]).toEqual([7, 0]);
    outbound.sendMessage(TEXT, 'a');
    expect([outbound.bufferedAmount, outbound.takenSize, outbound.isPending]).toEqual([
      10,
      0,
      true,
    ]);
    transport.unstick();
    outbound.flush();
    expect([outbound.bufferedAmount, outbound.takenSize]).toEqual([0, 10]);
  });

  it('is counted with its large payloads and masks', () => {
    for (const masked of [true, false]) {
      const { outbound, transport } = open(masked);
      transport.stuck = true;
      outbound.sendMessage(BINARY, pattern(20_000));
      expect(outbound.bufferedAmount).toBe(20_004 + (masked ? 4 : 0));
    }
  });

  it('costs a peer that reads nothing its own bytes, and no slab for each write', () => {
    const { outbound, transport } = open(false);
    const kept: Uint8Array[] = [];
    transport.stuck = true;
    vi.spyOn(transport, 'write').mockImplementation((bytes) => {
      kept.push(bytes);
      transport.writableLength += bytes.length;
      return true;
    });
    for (let i = 0; i < 100; i++) {
      outbound.sendMessage(BINARY, pattern(1_000));
      outbound.flush();
      // Others fill the slab meanwhile.
      const { outbound: other } = open(false);
      for (let j = 0; j < 60; j++) other.sendMessage(BINARY, pattern(1_000));
      other.flush();
    }
    const memory = new Set(kept.map((bytes) => bytes.buffer));
    const size = [...memory].reduce((sum, buffer) => sum + buffer.byteLength, 0);
    expect(outbound.bufferedAmount).toBe(100 * 1_004);
    // The slab that the first of them lies in, and what Node's own pool rounds up.
    expect(size).toBeLessThan(2 * 100 * 1_004 + 64 * KIB);
  });

  it('is copied for a transport that may keep what it was given', () => {
    const transport = new MemoryTransport();
    const limits = {
      highWaterMark: 1e9,
      maxBackpressure: 1e9,
      backpressurePolicy: 'close',
    } as const;
    const outbound = new Outbound(false, transport, limits, false);
    const kept: Uint8Array[] = [];
    vi.spyOn(transport, 'write').mockImplementation((bytes) => kept.push(bytes) > 0);
    for (const text of ['first', 'secnd', 'third']) {
      outbound.sendMessage(TEXT, text);
      outbound.flush();
    }
    expect(readFrames(Buffer.concat(kept)).map(({ payload }) => payload.toString())).toEqual([
      'first',
      'secnd',
      'third',
    ]);
  });

  it('is not torn by a transport that calls back inside write', () => {
    const { outbound, transport } = open(false);
    let pings = 1;
    const write = transport.write.bind(transport);
    vi.spyOn(transport, 'write').mockImplementation((bytes) => {
      if (pings-- > 0) {
        outbound.sendControl(10, Buffer.from('pong'));
        outbound.flush();
      }
      return write(bytes);
    });
    outbound.sendMessage(BINARY, pattern(20_000));
    outbound.flush();
    expect(readFrames(transport.wire).map(({ payload }) => payload.length)).toEqual([20_000, 4]);
  });
});

describe.each(SIDES)('a message that %s sends in fragments', (_, masked) => {
  it('begins with its opcode and goes on with continuations, the last with FIN', () => {
    const { outbound, transport } = open(masked);
    expect(outbound.sendFragment(TEXT, 'a', false)).toBe(SENT);
    outbound.sendFragment(TEXT, '', false);
    outbound.sendFragment(BINARY, Buffer.from('c'), false);
    outbound.sendFragment(TEXT, 'd', true);
    outbound.sendFragment(BINARY, 'e', true);
    outbound.sendMessage(TEXT, 'f');
    outbound.flush();
    expect(readFrames(transport.wire).map(summary)).toEqual([
      '1 more a',
      '0 more ',
      '0 more c',
      '0 fin d',
      '2 fin e',
      '1 fin f',
    ]);
  });

  it('is followed by the messages that came meanwhile, in their order', () => {
    const { outbound, transport } = open(masked);
    outbound.sendFragment(TEXT, 'a', false);
    expect(outbound.sendMessage(TEXT, 'second')).toBe(SENT);
    expect(outbound.sendMessage(BINARY, Buffer.from('third'))).toBe(SENT);
    outbound.sendFragment(TEXT, 'b', false);
    outbound.flush();
    outbound.sendFragment(TEXT, 'c', true);
    outbound.sendMessage(TEXT, 'fourth');
    outbound.flush();
    expect(readFrames(transport.wire).map(summary)).toEqual([
      '1 more a',
      '0 more b',
      '0 fin c',
      '1 fin second',
      '2 fin third',
      '1 fin fourth',
    ]);
  });

  it('lets a control frame pass between its fragments', () => {
    const { outbound, transport } = open(masked);
    outbound.sendFragment(TEXT, 'a', false);
    outbound.sendControl(PING, Buffer.from('p'));
    outbound.sendPong(Buffer.from('-q-'), 1, 2);
    outbound.sendFragment(TEXT, 'b', true);
    outbound.flush();
    expect(readFrames(transport.wire).map(summary)).toEqual([
      '1 more a',
      '9 fin p',
      '10 fin q',
      '0 fin b',
    ]);
  });

  it('makes others wait with bytes that nobody else can change', () => {
    const { outbound, transport } = open(masked);
    const small = Buffer.from('small');
    const large = pattern(50_000);
    outbound.sendFragment(TEXT, 'a', false);
    outbound.sendMessage(BINARY, small);
    outbound.sendMessage(BINARY, large);
    small.fill(0);
    large.fill(0);
    outbound.sendFragment(TEXT, 'b', true);
    outbound.flush();
    const [, , first, second] = readFrames(transport.wire);
    expect(first?.payload.toString()).toBe('small');
    expect(second?.payload.equals(pattern(50_000))).toBe(true);
  });

  it('makes others wait where they are counted as buffered', () => {
    const { outbound } = open(masked);
    outbound.sendFragment(TEXT, 'a', false);
    outbound.flush();
    expect(outbound.bufferedAmount).toBe(0);
    outbound.sendMessage(BINARY, pattern(1_000));
    outbound.sendMessage(TEXT, 'é'.repeat(500));
    // Each with its header, whose exact size is not known yet.
    expect(outbound.bufferedAmount).toBeGreaterThan(2_000);
    expect(outbound.bufferedAmount).toBeLessThan(2_040);
    expect(outbound.isPending).toBe(false);
  });

  it('is given up with all that waits for it when no more data may be sent', () => {
    const { outbound, transport } = open(masked);
    outbound.sendFragment(TEXT, 'a', false);
    outbound.sendMessage(TEXT, 'second');
    outbound.endMessages();
    outbound.sendControl(8, hex('03 e8'));
    outbound.flush();
    expect(outbound.bufferedAmount).toBe(0);
    expect(readFrames(transport.wire).map((frame) => frame.opcode)).toEqual([1, 8]);
  });

  it('may have large fragments', () => {
    const { outbound, transport } = open(masked);
    outbound.sendFragment(BINARY, pattern(30_000), false);
    outbound.sendFragment(BINARY, pattern(70_000), true);
    outbound.flush();
    const frames = readFrames(transport.wire);
    expect(frames.map((frame) => [frame.opcode, frame.fin])).toEqual([
      [2, false],
      [0, true],
    ]);
    expect(frames.every(({ payload }) => payload.equals(pattern(payload.length)))).toBe(true);
  });
});
