import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import { type ConnectionLimits, resolveLimits } from '../../src/connection/limits.ts';
import type { MessageOpcode } from '../../src/frame/opcode.ts';
import { readFrames } from '../support/bytes.ts';
import { type Command, type Settings, World } from '../support/connection-model.ts';
import { LinkEnd } from '../support/link.ts';
import { ManualClock } from '../support/manual-clock.ts';

const TEXT = 1;
const BINARY = 2;

const side = fc.nat(1);
const opcode = fc.constantFrom<MessageOpcode>(TEXT, BINARY);
const size = fc.oneof(
  { weight: 8, arbitrary: fc.nat(300) },
  { weight: 2, arbitrary: fc.integer({ min: 1_000, max: 17_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 70_000 }) },
);
const chunkSize = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 13, max: 70_000 }));

function commands(rough: boolean): fc.Arbitrary<Command[]> {
  const roughly = rough ? 1 : 0;
  const simple = (...names: ('pause' | 'resume' | 'stick' | 'unstick')[]) =>
    fc.record({ do: fc.constantFrom(...names), side });
  const command = fc.oneof(
    { weight: 20, arbitrary: fc.record({ do: fc.constant('send'), side, opcode, size }) },
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constant('fragment'), side, opcode, size, fin: fc.boolean() }),
    },
    {
      weight: 30,
      arbitrary: fc.record({
        do: fc.constant('deliver'),
        side,
        size: chunkSize,
        although: fc.boolean(),
      }),
    },
    {
      weight: 8,
      // More than the Pongs that may wait, too.
      arbitrary: fc.record({ do: fc.constant('ping'), side, times: fc.constantFrom(1, 1, 1, 20) }),
    },
    { weight: 8, arbitrary: simple('pause', 'resume', 'resume') },
    { weight: 10, arbitrary: simple('stick', 'unstick') },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('take'), side, size: chunkSize }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('close'),
        side,
        code: fc.constantFrom(0, 1000, 1001, 4999),
        reason: fc.constantFrom('', 'bye'),
      }),
    },
    {
      weight: roughly * 6,
      arbitrary: fc.record({ do: fc.constant('advance'), milliseconds: fc.nat(1_200) }),
    },
    { weight: roughly, arbitrary: fc.record({ do: fc.constant('terminate'), side }) },
    { weight: roughly, arbitrary: fc.record({ do: fc.constant('reset') }) },
  );
  return fc.array(command, { maxLength: 80, size: 'max' });
}

const settings: fc.Arbitrary<Settings> = fc.record({
  highWaterMark: fc.constantFrom(0, 500, 65_536),
  pingInterval: fc.constantFrom(0, 1_000),
  echoes: fc.boolean(),
  pauseAfter: fc.constantFrom(0, 0, 1, 3),
  turnLength: fc.constantFrom(1, 1, 4),
});

function play(how: Settings, script: Command[], closer: number): void {
  const world = new World(how);
  for (const command of script) world.run(command);
  world.settle();
  world.check();
  world.run({ do: 'close', side: closer, code: 1000, reason: 'done' });
  world.settle();
  world.check();
  world.checkEnd();
  // Nothing is left that a timer would wake.
  world.run({ do: 'advance', milliseconds: 1e6 });
  world.checkEnd();
}

describe('two ends of a connection', () => {
  it('give each other all messages, once and in order, and agree on how it ended', () => {
    fc.assert(fc.property(settings, commands(false), side, play), { numRuns: 150 });
  });

  it('keep their promises when the network breaks and time passes', () => {
    fc.assert(fc.property(settings, commands(true), side, play), { numRuns: 250 });
  });
});

type Pressure =
  | { do: 'send'; size: number }
  | { do: 'take'; size: number }
  | { do: 'ping' | 'flush' | 'stick' | 'unstick' };

const nothing = (): void => {};

/** A server that sends, over a transport that tells no more than one of Node does. */
class Pressed {
  readonly #transport: LinkEnd;
  readonly #connection: Connection;
  readonly #sizes: number[] = [];
  #pending = false;
  /** Whether `send` answered false and `onDrain` has not come yet. */
  #refused = false;

  constructor(limits: Partial<ConnectionLimits>) {
    [this.#transport] = LinkEnd.pair();
    this.#connection = new Connection(
      'server',
      this.#transport,
      {
        onMessage: nothing,
        onPing: nothing,
        onPong: nothing,
        onDrain: () => (this.#refused = false),
        onPending: () => (this.#pending = true),
        onError: (error) => expect.unreachable(error.code),
        onClose: nothing,
      },
      new ManualClock(),
      { ...resolveLimits(limits), autoPong: true },
    );
    this.#transport.owner = this.#connection;
  }

  run(step: Pressure): void {
    if (step.do === 'send') {
      this.#sizes.push(step.size);
      const payload = `${this.#sizes.length} `.padEnd(step.size, 'x');
      if (!this.#connection.send(TEXT, payload)) this.#refused = true;
    } else if (step.do === 'ping') {
      this.#connection.ping();
    } else if (step.do === 'take') {
      this.#transport.take(step.size);
    } else if (step.do === 'unstick') {
      this.#transport.unstick();
    } else if (step.do === 'stick') {
      this.#transport.stuck = true;
    }
    if (step.do !== 'send') this.endTurn();
  }

  private endTurn(): void {
    while (this.#pending) {
      this.#pending = false;
      this.#connection.flush();
    }
    while (this.#transport.runEvents()) this.endTurn();
  }

  check(): void {
    const numbers = readFrames(Buffer.concat(this.#transport.log))
      .filter((frame) => frame.opcode === TEXT)
      .map((frame) => Number.parseInt(frame.payload.toString(), 10));
    expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.length + this.#connection.dropped).toBe(this.#sizes.length);
    expect(this.#connection.bufferedAmount).toBe(0);
    expect(this.#refused, 'send was false, and onDrain did not come').toBe(false);
  }
}

const pressure: fc.Arbitrary<Pressure> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('send'), size }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('take'), size: chunkSize }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('ping', 'flush', 'stick', 'unstick') }) },
);

describe('one end whose network gets stuck', () => {
  it.each(['drop', 'latest'] as const)(
    'sends in order what the policy %s does not drop, and leaves nothing behind',
    (backpressurePolicy) => {
      const limits = fc.record({
        highWaterMark: fc.constantFrom(0, 500, 65_536),
        maxBackpressure: fc.constantFrom(0, 1_000, 40_000),
      });
      const check = (given: Partial<ConnectionLimits>, script: Pressure[]): void => {
        const world = new Pressed({ ...given, backpressurePolicy });
        for (const step of script) world.run(step);
        world.run({ do: 'unstick' });
        world.check();
      };
      fc.assert(fc.property(limits, fc.array(pressure, { maxLength: 60, size: 'max' }), check), {
        numRuns: 150,
      });
    },
  );
});
