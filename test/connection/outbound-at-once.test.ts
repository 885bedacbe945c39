import { describe, expect, it } from 'vitest';
import { type Deflating, LATER } from '../../src/connection/deflating.ts';
import { DROPPED, Outbound, SENT } from '../../src/connection/outbound.ts';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { readFrames } from '../support/bytes.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

const TEXT = 1;
const BINARY = 2;
const LIMITS = {
  highWaterMark: 1_000,
  maxBackpressure: 4_000,
  backpressurePolicy: 'drop',
} as const;

function open(
  limits: Partial<{ highWaterMark: number; maxBackpressure: number }> = {},
  deflating: Deflating | null = null,
  masked: boolean = false,
): { outbound: Outbound; transport: MemoryTransport } {
  const transport = new MemoryTransport();
  return {
    outbound: new Outbound(masked, transport, { ...LIMITS, ...limits }, true, deflating),
    transport,
  };
}

function sent(outbound: Outbound, transport: MemoryTransport): string[] {
  outbound.flush();
  return readFrames(transport.wire).map(({ opcode, payload }) => `${opcode} ${payload.toString()}`);
}

/** Makes the transport ask for a pause. */
function block(outbound: Outbound, transport: MemoryTransport): void {
  transport.stuck = true;
  outbound.sendControl(BINARY, Buffer.alloc(70_000));
  outbound.flush();
}

describe('a message that nothing is in the way of', () => {
  it('is sent at once, text and binary', () => {
    const { outbound, transport } = open();
    expect(outbound.sendAtOnce(TEXT, 'Grüße')).toBe(true);
    expect(outbound.sendAtOnce(BINARY, Buffer.from('bytes'))).toBe(true);
    expect(outbound.sendPreparedAtOnce(new PreparedMessage('prepared', true))).toBe(true);
    expect(outbound.sendPreparedAtOnce(new PreparedMessage('alone'))).toBe(true);
    expect(sent(outbound, transport)).toEqual(['1 Grüße', '2 bytes', '1 prepared', '1 alone']);
  });

  it('says behind it whether there is room still', () => {
    const { outbound, transport } = open({ highWaterMark: 65_536, maxBackpressure: 1_000_000 });
    transport.stuck = true;
    // The transport takes it without asking for a pause.
    expect(outbound.sendAtOnce(BINARY, Buffer.alloc(15_000))).toBe(true);
    outbound.flush();
    expect(outbound.hasRoomBehind()).toBe(true);
    expect(outbound.sendAtOnce(BINARY, Buffer.alloc(60_000))).toBe(true);
    expect([outbound.hasRoomBehind(), outbound.bufferedAmount > 65_536]).toEqual([false, true]);
    transport.unstick();
    expect(outbound.drain()).toBe(true);
  });

  it('leaves the prepared one of a client to be masked', () => {
    const { outbound } = open({}, null, true);
    expect(outbound.sendAtOnce(TEXT, 'masked')).toBe(true);
    expect(outbound.sendPreparedAtOnce(new PreparedMessage('prepared'))).toBe(false);
  });
});

describe('a message is not sent at once', () => {
  /** Tries all ways, none of which may do anything. */
  function expectRefusal(outbound: Outbound): void {
    const before = outbound.bufferedAmount;
    expect(outbound.sendAtOnce(TEXT, 'text')).toBe(false);
    expect(outbound.sendPreparedAtOnce(new PreparedMessage('prepared', true))).toBe(false);
    expect(outbound.bufferedAmount).toBe(before);
  }

  it('where the transport has asked for a pause', () => {
    const { outbound, transport } = open();
    block(outbound, transport);
    expectRefusal(outbound);
  });

  it('where a message of fragments is under way, or others wait behind one', () => {
    const { outbound, transport } = open();
    outbound.beginMessage();
    expectRefusal(outbound);
    expect(outbound.sendMessage(TEXT, 'waits')).toBe(SENT);
    expectRefusal(outbound);
    expect(outbound.sendFragment(TEXT, 'last', true)).toBe(SENT);
    expect(outbound.sendAtOnce(TEXT, 'again')).toBe(true);
    expect(sent(outbound, transport)).toEqual(['1 last', '1 waits', '1 again']);
  });

  it('where it would reach the high-water mark, or maxBackpressure', () => {
    for (const limits of [{ highWaterMark: 100 }, { maxBackpressure: 100 }]) {
      const { outbound } = open(limits);
      // A header of 14 bytes at the most, and three for a code unit.
      expect(outbound.sendAtOnce(TEXT, 'x'.repeat(29))).toBe(false);
      expect(outbound.sendAtOnce(BINARY, Buffer.alloc(87))).toBe(false);
      expect(outbound.sendPreparedAtOnce(new PreparedMessage(Buffer.alloc(87)))).toBe(false);
      expect(outbound.sendAtOnce(TEXT, 'x'.repeat(28))).toBe(true);
      expect(outbound.sendAtOnce(BINARY, Buffer.alloc(57))).toBe(false);
    }
  });

  it('where there is a compressor', () => {
    expectRefusal(open({}, deflatingOf(Buffer.of(1, 2, 3))).outbound);
  });
});

/** A compressor that gives what a test says. */
function deflatingOf(
  part: Uint8Array | null,
  isResting: boolean = false,
  payload: typeof LATER | null = null,
): Deflating {
  const deflating: Partial<Deflating> = {
    isResting,
    compressesFragments: true,
    partOf: () => part,
    payloadOf: () => payload,
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all that is asked of it here
  return deflating as Deflating;
}

describe('with a compressor', () => {
  it('is blocked while that rests', () => {
    expect(open({}, deflatingOf(null)).outbound.isBlocked).toBe(false);
    expect(open({}, deflatingOf(null, true)).outbound.isBlocked).toBe(true);
  });

  it('drops a fragment that could not be compressed', () => {
    const { outbound, transport } = open({}, deflatingOf(null));
    outbound.beginMessage();
    expect(outbound.sendFragment(TEXT, 'lost', false)).toBe(DROPPED);
    expect(sent(outbound, transport)).toEqual([]);
  });

  it('waits for nothing that was given to a thread when all was over', () => {
    const { outbound } = open({}, deflatingOf(null, false, LATER));
    outbound.endMessages();
    expect(outbound.sendMessage(TEXT, 'late')).toBe(SENT);
    expect([outbound.bufferedAmount, outbound.mustWait]).toEqual([0, false]);
  });

  it('drops a fragment when all is over', () => {
    const { outbound, transport } = open({}, deflatingOf(Buffer.of(1)));
    outbound.beginMessage();
    outbound.endMessages();
    expect(outbound.sendFragment(TEXT, 'late', true)).toBe(DROPPED);
    expect(sent(outbound, transport)).toEqual([]);
  });
});

describe('what sends', () => {
  it('can be forgotten when all is gone, and nothing has to be remembered', () => {
    const { outbound, transport } = open();
    expect(outbound.isForgettable).toBe(true);
    outbound.sendMessage(TEXT, 'text');
    expect(outbound.isForgettable).toBe(false);
    outbound.flush();
    expect([outbound.isForgettable, outbound.takenSize]).toEqual([true, 6]);
    transport.stuck = true;
    outbound.sendMessage(TEXT, 'stays');
    outbound.flush();
    expect([outbound.isForgettable, outbound.takenSize]).toEqual([false, 6]);
    transport.unstick();
    expect([outbound.isForgettable, outbound.takenSize]).toEqual([true, 13]);
  });

  it('must be kept where the transport has asked for a pause, until it drains', () => {
    const { outbound, transport } = open();
    block(outbound, transport);
    transport.unstick();
    expect(outbound.isForgettable).toBe(false);
    outbound.drain();
    expect(outbound.isForgettable).toBe(true);
  });

  it('must be kept within a message', () => {
    const { outbound } = open();
    outbound.beginMessage();
    expect(outbound.isForgettable).toBe(false);
    outbound.sendFragment(TEXT, 'first', false);
    outbound.flush();
    expect(outbound.isForgettable).toBe(false);
    outbound.sendFragment(TEXT, 'last', true);
    outbound.flush();
    expect(outbound.isForgettable).toBe(true);
  });

  it('must be kept with a message, and for those who were told to wait', () => {
    const { outbound, transport } = open({ highWaterMark: 0 });
    block(outbound, transport);
    expect([outbound.hasRoom(), outbound.hasFragmentRoom(0)]).toEqual([false, false]);
    transport.unstick();
    expect(outbound.isForgettable).toBe(false);
    expect(outbound.drain()).toBe(true);
    expect(outbound.isForgettable).toBe(true);
  });

  it.each(['drop', 'latest'] as const)('must be kept where it may %s a message', (policy) => {
    const transport = new MemoryTransport();
    const limits = { ...LIMITS, backpressurePolicy: policy };
    const outbound = new Outbound(false, transport, limits, true);
    block(outbound, transport);
    expect(outbound.sendMessage(TEXT, 'no room')).toBe(policy === 'drop' ? DROPPED : SENT);
    transport.unstick();
    outbound.drain();
    outbound.flush();
    expect([outbound.dropped, outbound.isForgettable]).toEqual(
      policy === 'drop' ? [1, false] : [0, true],
    );
  });

  it('must be kept when its messages have ended', () => {
    const { outbound } = open();
    outbound.endMessages();
    expect(outbound.isForgettable).toBe(false);
  });

  it('must be kept where it compresses: its contexts remember', () => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing is asked of it
    const { outbound } = open({}, {} as Deflating);
    expect(outbound.isForgettable).toBe(false);
  });
});
