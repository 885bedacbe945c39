import { describe, expect, it } from 'vitest';
import { DROPPED, OVERFLOW, Outbound, SENT } from '../../src/connection/outbound.ts';
import type { OutboundLimits } from '../../src/connection/outbound-limits.ts';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { readFrames } from '../support/bytes.ts';
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

class Half {
  readonly transport = new MemoryTransport();
  readonly outbound: Outbound;
  /** What turns were told, in order. */
  readonly told: string[] = [];

  constructor(masked: boolean, limits: Partial<OutboundLimits> = {}) {
    this.outbound = new Outbound(
      masked,
      this.transport,
      {
        highWaterMark: 64 * KIB,
        maxBackpressure: 4 * KIB * KIB,
        backpressurePolicy: 'close',
        ...limits,
      },
      true,
    );
  }

  /** Asks for a turn that writes down what it is told, and then does this. */
  turn(name: string, then: () => void = () => {}): void {
    this.outbound.takeTurn((granted) => {
      this.told.push(`${name} ${granted}`);
      if (granted) then();
    });
  }

  text(payload: string): void {
    expect(this.outbound.sendMessage(TEXT, payload)).toBe(SENT);
  }

  prepared(payload: string): number {
    return this.outbound.sendPrepared(new PreparedMessage(payload));
  }

  fragment(payload: string, fin: boolean): void {
    expect(this.outbound.sendFragment(TEXT, payload, fin)).toBe(SENT);
  }

  /** Lets the transport hold this many bytes, and ask for a pause. */
  stick(size: number): void {
    this.transport.stuck = true;
    this.transport.highWaterMark = 1;
    this.outbound.sendMessage(BINARY, Buffer.alloc(size - (size > 129 ? 4 : 2), '.'));
    this.outbound.flush();
  }

  drain(): boolean {
    this.transport.unstick();
    return this.outbound.drain();
  }

  /** `1.` for a text, `1-` for a text of which more follows, and the payload. */
  get frames(): string[] {
    this.outbound.flush();
    return readFrames(this.transport.wire)
      .filter(({ payload }) => payload[0] !== '.'.charCodeAt(0))
      .map(({ opcode, fin, payload }) => `${opcode}${fin ? '.' : '-'} ${payload.toString()}`);
  }
}

describe.each(SIDES)('a turn of %s', (_, masked) => {
  it('comes at once where nothing is under way', () => {
    const half = new Half(masked);
    half.text('before');
    half.turn('a');
    expect(half.told).toEqual(['a true']);
    expect(half.frames).toEqual(['1. before']);
  });

  it('comes when the message under way has ended, behind what was sent before', () => {
    const half = new Half(masked);
    half.fragment('one ', false);
    half.text('two');
    half.turn('a', () => half.outbound.sendControl(PING, Buffer.from('a')));
    half.text('three');
    half.turn('b');
    expect(half.told).toEqual([]);
    half.fragment('more', false);
    expect(half.told).toEqual([]);
    half.fragment('end', true);
    expect(half.told).toEqual(['a true', 'b true']);
    half.text('four');
    expect(half.frames).toEqual([
      '1- one ',
      '0- more',
      '0. end',
      '1. two',
      '9. a',
      '1. three',
      '1. four',
    ]);
    half.fragment('again', true);
    expect(half.told).toHaveLength(2);
  });

  it('may begin another message, for which the rest waits', () => {
    const half = new Half(masked);
    half.fragment('1a', false);
    half.turn('second', () => half.outbound.beginMessage());
    half.text('third');
    half.turn('fourth', () => half.fragment('4a', false));
    half.text('fifth');
    half.turn('sixth');
    half.fragment('1b', true);
    expect(half.told).toEqual(['second true']);
    expect(half.frames).toEqual(['1- 1a', '0. 1b']);
    half.text('seventh');
    half.fragment('2a', false);
    half.fragment('2b', true);
    expect(half.told).toEqual(['second true', 'fourth true']);
    half.text('eighth');
    half.fragment('4b', true);
    expect(half.told).toEqual(['second true', 'fourth true', 'sixth true']);
    expect(half.frames).toEqual([
      '1- 1a',
      '0. 1b',
      '1- 2a',
      '0. 2b',
      '1. third',
      '1- 4a',
      '0. 4b',
      '1. fifth',
      '1. seventh',
      '1. eighth',
    ]);
    expect(half.outbound.bufferedAmount).toBe(0);
  });

  it('may send a whole message in fragments at once', () => {
    const half = new Half(masked);
    half.fragment('1a', false);
    half.turn('second', () => {
      half.fragment('2a', false);
      half.fragment('2b', true);
    });
    half.text('third');
    half.turn('fourth', () => half.fragment('4', true));
    half.text('fifth');
    half.fragment('1b', true);
    expect(half.frames).toEqual([
      '1- 1a',
      '0. 1b',
      '1- 2a',
      '0. 2b',
      '1. third',
      '1. 4',
      '1. fifth',
    ]);
    expect(half.outbound.bufferedAmount).toBe(0);
  });

  it('does not let what is sent inside it overtake what waited behind it', () => {
    const half = new Half(masked);
    half.fragment('1', false);
    half.turn('a', () => {
      half.text('later');
      half.prepared('later, prepared');
      half.turn('b', () => half.text('last'));
    });
    half.text('2');
    half.turn('c');
    half.text('3');
    half.fragment('', true);
    expect(half.frames).toEqual([
      '1- 1',
      '0. ',
      '1. 2',
      '1. 3',
      '1. later',
      '1. later, prepared',
      '1. last',
    ]);
    expect(half.told).toEqual(['a true', 'c true', 'b true']);
    expect(half.outbound.bufferedAmount).toBe(0);
  });

  it('is told false where it will never come, and so are the others behind it', () => {
    for (const end of ['endMessages', 'end', 'discard'] as const) {
      const half = new Half(masked);
      half.fragment('1', false);
      half.turn('a');
      half.text('2');
      half.turn('b');
      half.text('3');
      half.outbound[end]();
      expect(half.told, end).toEqual(['a false', 'b false']);
      expect(half.outbound.dropped, end).toBe(2);
      half.outbound[end]();
      expect(half.told, end).toHaveLength(2);
      expect(half.frames, end).toEqual(end === 'discard' ? [] : ['1- 1']);
      expect(half.outbound.bufferedAmount, end).toBe(0);
    }
  });

  it('may end everything: nothing that waited behind it goes out', () => {
    for (const end of ['endMessages', 'end', 'discard'] as const) {
      const half = new Half(masked);
      half.fragment('1', false);
      half.turn('a', () => half.outbound[end]());
      half.text('2');
      half.turn('b');
      half.prepared('3');
      half.fragment('', true);
      half.outbound.sendControl(8, Buffer.alloc(0));
      expect(half.frames, end).toEqual(end === 'discard' ? ['8. '] : ['1- 1', '0. ', '8. ']);
      expect(half.told, end).toEqual(['a true', 'b false']);
      expect(half.outbound.dropped, end).toBe(2);
      expect(half.outbound.bufferedAmount, end).toBe(0);
    }
  });
});

describe.each(SIDES)(
  'a message of %s that was begun before its first fragment is known',
  (_, masked) => {
    it('makes others wait, and begins with its opcode', () => {
      const half = new Half(masked);
      half.text('before');
      half.outbound.beginMessage();
      half.text('behind');
      half.prepared('behind, prepared');
      expect(half.frames).toEqual(['1. before']);
      half.outbound.sendControl(PING, Buffer.from('p'));
      half.fragment('a', false);
      half.fragment('b', true);
      expect(half.frames).toEqual([
        '1. before',
        '9. p',
        '1- a',
        '0. b',
        '1. behind',
        '1. behind, prepared',
      ]);
    });

    it('may turn out to be a single frame', () => {
      const half = new Half(masked);
      half.outbound.beginMessage();
      half.text('behind');
      half.fragment('all', true);
      expect(half.frames).toEqual(['1. all', '1. behind']);
    });

    it('counts what waits for it, and nothing else, as buffered', () => {
      const half = new Half(masked);
      half.outbound.beginMessage();
      half.turn('a');
      expect(half.outbound.bufferedAmount).toBe(0);
      half.text('x'.repeat(100));
      expect(half.outbound.bufferedAmount).toBeGreaterThanOrEqual(100);
      expect(half.outbound.bufferedAmount).toBeLessThanOrEqual(114);
    });
  },
);

describe.each(SIDES)('a message that was framed before, sent by %s', (_, masked) => {
  it('goes out as it is on a server, and masked by a key of its own on a client', () => {
    const half = new Half(masked);
    const message = new PreparedMessage(Buffer.alloc(200, 'z'));
    const { frame } = message;
    const before = Buffer.from(frame);
    for (let i = 0; i < 3; i++) {
      expect(half.outbound.sendPrepared(message)).toBe(SENT);
    }
    half.outbound.flush();
    const frames = readFrames(half.transport.wire);
    expect(frames.map((each) => [each.opcode, each.fin, each.masked, each.payload.length])).toEqual(
      Array.from({ length: 3 }, () => [2, true, masked, 200]),
    );
    expect(new Set(frames.map(({ key }) => key.toString('hex'))).size).toBe(masked ? 3 : 1);
    expect(Buffer.from(frame)).toEqual(before);
  });

  it('keeps its place among others', () => {
    const half = new Half(masked);
    half.text('1');
    expect(half.prepared('2')).toBe(SENT);
    half.text('3');
    half.fragment('4', false);
    expect(half.prepared('5')).toBe(SENT);
    half.text('6');
    half.fragment('', true);
    expect(half.prepared('7')).toBe(SENT);
    expect(half.frames).toEqual(['1. 1', '1. 2', '1. 3', '1- 4', '0. ', '1. 5', '1. 6', '1. 7']);
  });

  it('is refused by the policy like any other where it has no room', () => {
    const payload = 'x'.repeat(500);
    const close = new Half(masked, { maxBackpressure: 1_000 });
    close.stick(900);
    expect(close.prepared(payload)).toBe(OVERFLOW);
    expect(close.outbound.dropped).toBe(0);

    const drop = new Half(masked, { maxBackpressure: 1_000, backpressurePolicy: 'drop' });
    drop.stick(900);
    expect(drop.prepared(payload)).toBe(DROPPED);
    expect(drop.outbound.dropped).toBe(1);
    expect(drop.drain()).toBe(true);
    expect(drop.frames).toEqual([]);
  });

  it('is what the policy latest keeps, and takes the place of what was kept', () => {
    const half = new Half(masked, { maxBackpressure: 1_000, backpressurePolicy: 'latest' });
    half.stick(900);
    half.text('a'.repeat(500));
    expect(half.prepared('b'.repeat(500))).toBe(SENT);
    expect(half.outbound.dropped).toBe(1);
    half.drain();
    half.outbound.drain();
    expect(half.frames).toEqual([`1. ${'b'.repeat(500)}`]);
    // And where it has room, it is newer than what was kept.
    half.stick(900);
    half.text('c'.repeat(500));
    half.transport.writableLength = 100;
    expect(half.prepared('d')).toBe(SENT);
    expect(half.outbound.dropped).toBe(2);
    half.drain();
    expect(half.frames).toEqual([`1. ${'b'.repeat(500)}`, '1. d']);
  });
});

describe('maxBackpressure', () => {
  it('counts messages that wait for a turn to end, and not the turns', () => {
    const half = new Half(false, { maxBackpressure: 1_000, backpressurePolicy: 'drop' });
    half.fragment('a', false);
    for (let i = 0; i < 100; i++) half.turn(`${i}`);
    expect(half.outbound.sendMessage(BINARY, Buffer.alloc(900, 'b'))).toBe(SENT);
    expect(half.outbound.sendMessage(BINARY, Buffer.alloc(90, 'c'))).toBe(DROPPED);
    expect(half.prepared('d'.repeat(90))).toBe(DROPPED);
    expect(half.outbound.sendMessage(BINARY, Buffer.alloc(10, 'e'))).toBe(SENT);
    half.fragment('f', true);
    expect(half.frames.map((frame) => frame.slice(0, 4))).toEqual(['1- a', '0. f', '2. b', '2. e']);
    expect(half.told).toHaveLength(100);
    expect(half.outbound.dropped).toBe(2);
    expect(half.outbound.bufferedAmount).toBe(0);
  });

  it('leaves a message in fragments its room, whatever waits behind it', () => {
    const half = new Half(false, { maxBackpressure: 1_000 });
    half.outbound.beginMessage();
    expect(half.outbound.sendMessage(BINARY, Buffer.alloc(100_000, 'b'))).toBe(SENT);
    expect(half.outbound.sendMessage(BINARY, Buffer.alloc(1))).toBe(OVERFLOW);
    half.fragment('a', false);
    half.fragment('a', true);
    expect(half.frames.map((frame) => frame.length)).toEqual([4, 4, 100_003]);
  });

  it('drops what the policy latest keeps when something newer waits for its turn', () => {
    const half = new Half(false, { maxBackpressure: 1_000, backpressurePolicy: 'latest' });
    half.outbound.beginMessage();
    half.text('a'.repeat(500));
    half.text('b'.repeat(500));
    half.text('c');
    expect(half.outbound.dropped).toBe(1);
    half.fragment('end', true);
    half.outbound.flush();
    expect(half.frames).toEqual(['1. end', `1. ${'a'.repeat(500)}`, '1. c']);
  });

  it('lets what the policy latest keeps go behind those that wait, also where a turn flushes', () => {
    const half = new Half(false, { maxBackpressure: 1_000, backpressurePolicy: 'latest' });
    half.stick(900);
    half.outbound.beginMessage();
    half.turn('a', () => half.outbound.flush());
    half.text('older');
    half.text('newer'.repeat(40));
    half.drain();
    half.fragment('end', true);
    half.outbound.flush();
    expect(half.told).toEqual(['a true']);
    expect(half.frames).toEqual(['1. end', '1. older', `1. ${'newer'.repeat(40)}`]);
  });

  it('tells who was refused when those that waited have gone, however large they are', () => {
    for (const size of [100, 20_000, 100_000]) {
      const half = new Half(false, { highWaterMark: 50 });
      half.outbound.beginMessage();
      half.outbound.sendMessage(BINARY, Buffer.alloc(size));
      expect(half.outbound.hasRoom()).toBe(false);
      expect(half.outbound.flush()).toBe(false);
      half.fragment('end', true);
      expect(half.outbound.flush(), `${size} bytes`).toBe(true);
      expect(half.outbound.flush()).toBe(false);
    }
  });
});

describe('the room for fragments', () => {
  it('is what messages that wait for their end do not take', () => {
    const half = new Half(false, { highWaterMark: 100 });
    half.outbound.beginMessage();
    half.text('x'.repeat(500));
    expect([half.outbound.hasRoom(), half.outbound.hasFragmentRoom(0)]).toEqual([false, true]);
    half.fragment('y'.repeat(200), false);
    expect(half.outbound.hasFragmentRoom(0)).toBe(false);
  });

  it('is asked for with the bytes of the next fragment, of which one always fits', () => {
    const half = new Half(false, { highWaterMark: 100, maxBackpressure: 1_000 });
    half.outbound.beginMessage();
    expect(half.outbound.hasFragmentRoom(1e9)).toBe(true);
    half.fragment('y'.repeat(50), false);
    // A frame of 52 bytes waits, and one of 934 bytes has a header of up to 14.
    expect(half.outbound.hasFragmentRoom(934)).toBe(true);
    expect(half.outbound.hasFragmentRoom(935)).toBe(false);
    expect(half.outbound.sendFragment(BINARY, Buffer.alloc(934), false)).toBe(SENT);
  });

  it('is told of when frames have left, and the room for messages when those have', () => {
    const half = new Half(false, { highWaterMark: 100 });
    half.outbound.beginMessage();
    half.text('x'.repeat(500));
    half.outbound.hasRoom();
    half.fragment('y'.repeat(200), false);
    half.outbound.hasFragmentRoom(0);
    expect(half.outbound.isPending).toBe(true);
    expect(half.outbound.flush()).toBe(true);
    expect([half.outbound.isPending, half.outbound.flush()]).toEqual([false, false]);
    half.fragment('', true);
    expect(half.outbound.flush()).toBe(true);
    expect([half.outbound.isPending, half.outbound.flush()]).toEqual([false, false]);
  });

  it('is told of when the transport has drained, where it had asked for a pause', () => {
    const half = new Half(false, { highWaterMark: 100 });
    half.outbound.beginMessage();
    half.transport.stuck = true;
    half.transport.highWaterMark = 1;
    half.fragment('y'.repeat(200), false);
    expect(half.outbound.hasFragmentRoom(0)).toBe(false);
    expect([half.outbound.flush(), half.outbound.hasFragmentRoom(0)]).toEqual([false, false]);
    expect([half.drain(), half.outbound.hasFragmentRoom(0)]).toEqual([true, true]);
    expect(half.drain()).toBe(false);
  });

  it('is asked for by nobody any more when all has ended', () => {
    const half = new Half(false, { highWaterMark: 0 });
    half.fragment('y', false);
    half.text('x');
    expect([half.outbound.hasRoom(), half.outbound.hasFragmentRoom(0)]).toEqual([false, false]);
    half.outbound.end();
    expect(half.outbound.flush()).toBe(false);
  });
});

describe('the room for control frames', () => {
  it('is what frames and those that wait leave of maxBackpressure', () => {
    const half = new Half(false, { highWaterMark: 100, maxBackpressure: 1_000 });
    half.outbound.beginMessage();
    expect(half.outbound.hasControlRoom()).toBe(true);
    half.outbound.sendMessage(BINARY, Buffer.alloc(900));
    half.fragment('y'.repeat(84), false);
    // 914 bytes wait for the end of the message, and 86 are a frame.
    expect([half.outbound.bufferedAmount, half.outbound.hasControlRoom()]).toEqual([1_000, true]);
    half.outbound.sendControl(PING, Buffer.alloc(0));
    expect(half.outbound.hasControlRoom()).toBe(false);
  });

  it('is told of like any other', () => {
    const half = new Half(false, { highWaterMark: 0, maxBackpressure: 0 });
    half.text('x');
    expect([half.outbound.hasControlRoom(), half.outbound.flush()]).toEqual([false, true]);
    expect([half.outbound.hasControlRoom(), half.outbound.flush()]).toEqual([true, false]);
  });
});
