import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deflating } from '../../src/connection/deflating.ts';
import { DROPPED, OVERFLOW, Outbound, SENT } from '../../src/connection/outbound.ts';
import type { OutboundLimits } from '../../src/connection/outbound-limits.ts';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import type { PerMessageDeflate } from '../../src/extension/permessage-deflate.ts';
import { readFrames } from '../support/bytes.ts';
import {
  JobWatch,
  ReferencePeer,
  createDeflate,
  noise,
  short,
} from '../support/deflate-connection.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

const TEXT = 1;
const BINARY = 2;
const PING = 9;

/** More than is compressed at once. */
const LARGE = noise(40_000);
const [DEFLATED] = short([`deflated ${LARGE}`]);

const made: PerMessageDeflate[] = [];
let jobs: JobWatch;

beforeEach(() => {
  jobs = new JobWatch();
});

afterEach(async () => {
  for (const deflate of made.splice(0)) deflate.close();
  await jobs.idle();
  vi.restoreAllMocks();
});

class Setting {
  readonly transport = new MemoryTransport();
  readonly outbound: Outbound;
  readonly peer = new ReferencePeer();
  /** How often the owner was told that something was compressed elsewhere. */
  deflated = 0;

  constructor(masked: boolean, limits: Partial<OutboundLimits> = {}, threshold: number = 0) {
    const deflate = createDeflate({ options: { threshold } });
    made.push(deflate);
    const owner = {
      onDeflated: () => {
        this.deflated++;
        if (this.outbound.isPending) this.outbound.flush();
      },
      onDeflateFailed: () => expect.unreachable(),
    };
    this.outbound = new Outbound(
      masked,
      this.transport,
      {
        highWaterMark: 65_536,
        maxBackpressure: 4_194_304,
        backpressurePolicy: 'close',
        ...limits,
      },
      true,
      new Deflating(deflate, owner),
    );
  }

  read(): string[] {
    this.outbound.flush();
    return short(this.peer.read(readFrames(this.transport.wire)));
  }
}

describe.each([
  ['a client', true],
  ['a server', false],
])('the compressed messages of %s', (_, masked) => {
  function open(limits: Partial<OutboundLimits> = {}, threshold: number = 0): Setting {
    return new Setting(masked, limits, threshold);
  }

  it('have RSV1, and keep the order of small, large, plain and prepared ones', async () => {
    const one = open({}, 6);
    const { outbound } = one;
    for (const text of ['a small one', LARGE, 'small', 'behind', LARGE.slice(2)]) {
      expect(outbound.sendMessage(TEXT, text)).toBe(SENT);
    }
    expect(outbound.sendPrepared(new PreparedMessage('prepared '.repeat(9)))).toBe(SENT);
    expect(outbound.sendPrepared(new PreparedMessage('prepared, plain'), false)).toBe(SENT);
    expect(outbound.sendMessage(BINARY, Buffer.from('not this'), false)).toBe(SENT);
    expect(outbound.mustWait).toBe(true);
    await jobs.idle();
    expect(one.read()).toEqual(
      short([
        'deflated a small one',
        `deflated ${LARGE}`,
        'plain small',
        'deflated behind',
        `deflated ${LARGE.slice(2)}`,
        `deflated ${'prepared '.repeat(9)}`,
        'plain prepared, plain',
        'plain not this',
      ]),
    );
    expect([outbound.mustWait, outbound.bufferedAmount, one.deflated]).toEqual([false, 0, 2]);
  });

  it('are prepared once, and may be so at any size', async () => {
    const one = open();
    const { outbound } = one;
    const [small, large] = ['small, small and small', LARGE].map(
      (data) => new PreparedMessage(data),
    );
    outbound.sendPrepared(small!);
    outbound.sendPrepared(small!, false);
    outbound.sendPrepared(large!, false);
    expect(outbound.mustWait).toBe(false);
    outbound.sendPrepared(large!);
    expect(outbound.mustWait).toBe(true);
    await jobs.idle();
    outbound.sendPrepared(large!);
    await jobs.idle();
    expect(one.read()).toEqual([
      'deflated small, small and small',
      'plain small, small and small',
      ...short([`plain ${LARGE}`]),
      DEFLATED,
      DEFLATED,
    ]);
  });

  it('may be fragments, of which the first alone has RSV1', () => {
    const one = open();
    const { outbound } = one;
    outbound.beginMessage();
    outbound.sendMessage(TEXT, 'waits');
    outbound.sendFragment(TEXT, 'one ', false);
    outbound.sendControl(PING, Buffer.from('p'));
    outbound.sendFragment(TEXT, Buffer.from('two'), false);
    outbound.sendFragment(TEXT, '', true);
    outbound.beginMessage(false);
    outbound.sendFragment(TEXT, 'plain', true);
    outbound.sendFragment(TEXT, 'never begun', true);
    outbound.flush();
    const frames = readFrames(one.transport.wire);
    expect(frames.map(({ opcode, rsv }) => [opcode, rsv])).toEqual([
      [TEXT, 4],
      [PING, 0],
      [0, 0],
      [0, 0],
      [TEXT, 4],
      [TEXT, 0],
      [TEXT, 0],
    ]);
    expect(one.read()).toEqual([
      'control 9 p',
      'deflated one two in 3',
      'deflated waits',
      'plain plain',
      'plain never begun',
    ]);
  });

  it('let turns have their place behind them', async () => {
    const one = open();
    const { outbound } = one;
    const order: string[] = [];
    outbound.sendMessage(TEXT, LARGE);
    outbound.takeTurn((granted) => {
      order.push(`turn ${granted}`);
      outbound.sendMessage(TEXT, 'sent in the turn');
    });
    outbound.sendMessage(TEXT, 'behind the turn');
    await jobs.idle();
    expect(order).toEqual(['turn true']);
    expect(one.read()).toEqual([DEFLATED, 'deflated behind the turn', 'deflated sent in the turn']);
  });

  it('count as buffered as long as they are compressed', async () => {
    const { outbound, ...one } = open({ highWaterMark: 40_000 });
    expect(one.transport.writes).toEqual([]);
    outbound.sendMessage(TEXT, LARGE);
    expect(outbound.bufferedAmount).toBeGreaterThanOrEqual(40_000);
    expect(outbound.isPending).toBe(false);
    outbound.sendMessage(TEXT, 'x');
    expect(outbound.hasRoom()).toBe(false);
    expect(outbound.hasFragmentRoom(0)).toBe(true);
    await jobs.idle();
    expect([outbound.bufferedAmount, outbound.hasRoom()]).toEqual([0, true]);
  });

  it('leave room for a control frame only below maxBackpressure', async () => {
    const { outbound } = open({ maxBackpressure: 30_000 });
    outbound.sendMessage(TEXT, LARGE);
    expect(outbound.hasControlRoom()).toBe(false);
    await jobs.idle();
    expect(outbound.hasControlRoom()).toBe(true);
  });

  it('may find no room beside a large one: close', () => {
    const { outbound } = open({ maxBackpressure: 60_000 });
    expect(outbound.sendMessage(TEXT, LARGE)).toBe(SENT);
    expect(outbound.sendMessage(TEXT, LARGE)).toBe(OVERFLOW);
    expect(outbound.sendPrepared(new PreparedMessage(LARGE))).toBe(OVERFLOW);
  });

  it('may find no room beside a large one: drop', async () => {
    const one = open({ maxBackpressure: 60_000, backpressurePolicy: 'drop' });
    const { outbound } = one;
    expect(outbound.sendMessage(TEXT, LARGE)).toBe(SENT);
    expect(outbound.sendMessage(TEXT, LARGE)).toBe(DROPPED);
    expect(outbound.sendPrepared(new PreparedMessage(LARGE))).toBe(DROPPED);
    expect(outbound.dropped).toBe(2);
    await jobs.idle();
    expect(one.read()).toEqual([DEFLATED]);
  });

  it.each([true, false])(
    'may find no room beside a large one: latest, compressed %s',
    async (may) => {
      const one = open({ maxBackpressure: 60_000, backpressurePolicy: 'latest' });
      const { outbound } = one;
      const latest = noise(30_000, 'latest');
      outbound.sendMessage(TEXT, LARGE);
      outbound.sendMessage(TEXT, LARGE);
      expect(outbound.sendMessage(TEXT, latest, may)).toBe(SENT);
      expect(outbound.dropped).toBe(1);
      await jobs.idle();
      outbound.flush();
      await jobs.idle();
      expect(one.read()).toEqual(
        short([`deflated ${LARGE}`, `${may ? 'deflated' : 'plain'} ${latest}`]),
      );
      expect(outbound.bufferedAmount).toBe(0);
    },
  );

  it('that are kept as the latest give way to anything newer', async () => {
    const one = open({ maxBackpressure: 60_000, backpressurePolicy: 'latest' });
    const { outbound } = one;
    outbound.sendMessage(TEXT, LARGE);
    outbound.sendPrepared(new PreparedMessage(LARGE));
    outbound.sendMessage(TEXT, 'newer');
    expect(outbound.dropped).toBe(1);
    await jobs.idle();
    expect(one.read()).toEqual([DEFLATED, 'deflated newer']);
  });

  it('give way as the latest to what is prepared', () => {
    const one = open({ maxBackpressure: 60_000, backpressurePolicy: 'latest' });
    const { outbound, transport } = one;
    transport.stuck = true;
    transport.highWaterMark = 1;
    outbound.sendMessage(BINARY, Buffer.alloc(50_000, 'x'), false);
    outbound.flush();
    outbound.sendMessage(TEXT, LARGE);
    outbound.sendPrepared(new PreparedMessage('newer and newer and newer'));
    expect(outbound.dropped).toBe(1);
    transport.unstick();
    outbound.drain();
    expect(one.read().at(-1)).toBe('deflated newer and newer and newer');
  });

  it('let fragments wait that come without a turn, and keep them together', async () => {
    const one = open();
    const { outbound } = one;
    const bytes = Buffer.from('fragments');
    outbound.sendMessage(TEXT, LARGE);
    outbound.sendMessage(TEXT, LARGE);
    expect(outbound.sendFragment(BINARY, bytes.subarray(0, 4), false)).toBe(SENT);
    outbound.sendMessage(TEXT, 'behind');
    expect(outbound.sendFragment(BINARY, bytes.subarray(4), false)).toBe(SENT);
    outbound.sendFragment(TEXT, '', true);
    outbound.sendFragment(TEXT, 'another', true);
    expect(outbound.bufferedAmount).toBeGreaterThanOrEqual(80_000 + 9 + 6 + 7);
    // What waits was copied.
    bytes.fill('z');
    await jobs.idle();
    expect(one.read()).toEqual([
      DEFLATED,
      DEFLATED,
      'plain fragments in 3',
      'deflated behind',
      'plain another',
    ]);
    expect([outbound.bufferedAmount, outbound.mustWait]).toEqual([0, false]);
  });

  it('let fragments go on at once that have begun to wait', async () => {
    const one = open();
    const { outbound } = one;
    outbound.sendMessage(TEXT, LARGE);
    outbound.sendFragment(TEXT, 'one ', false);
    outbound.sendMessage(TEXT, 'behind');
    await jobs.idle();
    expect(outbound.mustWait).toBe(true);
    outbound.sendFragment(TEXT, 'two', true);
    expect(one.read()).toEqual([DEFLATED, 'plain one two in 2', 'deflated behind']);
    expect([outbound.bufferedAmount, outbound.mustWait]).toEqual([0, false]);
  });

  it('take the fragments with them that wait, where no more are sent', async () => {
    const one = open();
    const { outbound } = one;
    outbound.sendMessage(TEXT, LARGE);
    outbound.sendFragment(TEXT, 'one', false);
    outbound.endMessages();
    expect(outbound.bufferedAmount).toBe(0);
    await jobs.idle();
    expect(one.read()).toEqual([]);
  });

  it('come too late where no more are sent', async () => {
    for (const end of ['endMessages', 'end', 'discard'] as const) {
      for (const prepared of [true, false]) {
        const one = open();
        const { outbound } = one;
        const turns: boolean[] = [];
        if (prepared) outbound.sendPrepared(new PreparedMessage(LARGE));
        else outbound.sendMessage(TEXT, LARGE);
        outbound.sendMessage(TEXT, 'behind');
        outbound.takeTurn((granted) => turns.push(granted));
        outbound[end]();
        expect([turns, outbound.dropped, outbound.bufferedAmount]).toEqual([[false], 2, 0]);
        await jobs.idle();
        expect(one.read()).toEqual([]);
        expect(outbound.bufferedAmount).toBe(0);
      }
    }
  });
});
