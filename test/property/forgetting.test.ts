/**
 * A connection does without the parts that read and send as long as nothing is on its way: they are
 * dropped when "a new one would go on just as well". So one that drops nothing has to do the same, call
 * by call, whatever happens.
 */
import * as fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import type { Role } from '../../src/connection/handler.ts';
import { type ConnectionLimits, resolveLimits } from '../../src/connection/limits.ts';
import { Outbound } from '../../src/connection/outbound.ts';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { Reading } from '../../src/connection/reading.ts';
import type { Transport } from '../../src/connection/transport.ts';
import type { MessageOpcode } from '../../src/frame/opcode.ts';
import { readFrames } from '../support/bytes.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ROLES } from '../support/open-connection.ts';
import { type PeerMessage, messages, wireOf } from '../support/peer-messages.ts';

const TEXT = 1;
const BINARY = 2;
const HIGH_WATER_MARK = 16 * 1024;

/** Takes what it is given, or some of it; and calls back as soon as it has. */
class Network implements Transport {
  readonly calls: string[] = [];
  writableLength = 0;
  stuck = false;
  /** Called inside the next call that gives it bytes. */
  during: (() => void) | null = null;
  #wire: Buffer[] = [];
  #corked = 0;
  needsDrain = false;

  write(bytes: Uint8Array): boolean {
    this.#wire.push(Buffer.from(bytes));
    if (this.stuck) this.writableLength += bytes.length;
    const accepted = this.writableLength < HIGH_WATER_MARK;
    if (!accepted) this.needsDrain = true;
    // Between parts of one write too; but not where it can be seen how many they are.
    if (this.#corked === 0 || !this.stuck) this.callBack();
    return accepted;
  }

  cork(): void {
    this.#corked++;
  }

  uncork(): void {
    if (--this.#corked === 0) this.callBack();
  }

  end(): void {
    this.calls.push('end');
  }

  destroy(): void {
    this.calls.push('destroy');
  }

  pause(): void {
    this.calls.push('pause');
  }

  resume(): void {
    this.calls.push('resume');
  }

  private callBack(): void {
    const { during } = this;
    this.during = null;
    during?.();
  }

  /** The frames that were written since the last time, however many writes that were. */
  written(): string[] {
    const wire = Buffer.concat(this.#wire);
    this.#wire = [];
    return readFrames(wire).map(
      ({ opcode, fin, payload }) =>
        `${opcode} ${fin} ${payload.length} ${payload.toString('hex', 0, 40)}`,
    );
  }
}

type Reaction =
  | 'nothing'
  | 'echo'
  | 'large'
  | 'pause'
  | 'receive'
  | 'flush'
  | 'pieces'
  | 'close'
  | 'throw';

type Step =
  | { readonly do: 'come'; readonly messages: readonly PeerMessage[] }
  | { readonly do: 'deliver' | 'take'; readonly size: number }
  | {
      readonly do: 'send' | 'prepared' | 'turn';
      readonly opcode: MessageOpcode;
      readonly size: number;
    }
  | { readonly do: 'fragment'; readonly size: number; readonly fin: boolean }
  | { readonly do: 'call back'; readonly what: 'receive' | 'send' | 'flush' | 'drain' }
  | { readonly do: 'in pieces'; readonly wanted: boolean }
  | { readonly do: 'advance'; readonly milliseconds: number }
  | {
      readonly do: 'begin' | 'ping' | 'pong' | 'flush' | 'stick' | 'unstick' | 'drain';
    }
  | { readonly do: 'pause' | 'resume' | 'close' | 'receive on' | 'terminate' | 'end' | 'gone' };

interface Setup {
  readonly role: Role;
  readonly limits: Partial<ConnectionLimits>;
  /** What the handler does with each message, in turn. */
  readonly reactions: readonly Reaction[];
  readonly flushesAtOnce: boolean;
  readonly mayOverwrite: boolean;
}

/** One connection, and all that can be seen of it. */
class Watched {
  readonly trace: string[] = [];
  readonly #clock = new ManualClock();
  readonly #network = new Network();
  readonly #connection: Connection;
  readonly #setup: Setup;
  /** What the peer has sent, and what came of that. */
  #coming = Buffer.alloc(0);
  #received = 0;
  #sent = 0;
  #pending = false;
  #isGone = false;
  #mayRefill = false;

  constructor(setup: Setup) {
    this.#setup = setup;
    const { trace } = this;
    const control = (name: string) => (source: Buffer, start: number, end: number) =>
      void trace.push(`${name} ${source.toString('hex', start, end)}`);
    this.#connection = new Connection(
      setup.role,
      this.#network,
      {
        onMessage: (opcode, source, start, end) => {
          trace.push(`message ${opcode} ${source.toString('hex', start, end)}`);
          this.react();
        },
        onPiece: (opcode, source, start, end, last) => {
          trace.push(`piece ${opcode} ${source.toString('hex', start, end)} ${last}`);
          if (last) this.react();
        },
        onPing: control('ping'),
        onPong: control('pong'),
        onDrain: () => {
          trace.push('drain');
          // Once in a step: who answers every drain may have another for that.
          const mayRefill = this.#mayRefill;
          this.#mayRefill = false;
          if (mayRefill) this.send(BINARY, 100);
        },
        onPending: () => {
          trace.push('pending');
          if (setup.flushesAtOnce) this.#connection.flush();
          else this.#pending = true;
        },
        onError: ({ code }) => void trace.push(`error ${code}`),
        onClose: (code, reason, wasClean) => void trace.push(`close ${code} ${reason} ${wasClean}`),
      },
      this.#clock,
      { ...resolveLimits(setup.limits), autoPong: true, mayOverwrite: setup.mayOverwrite },
    );
  }

  private react(): void {
    const { reactions } = this.#setup;
    const reaction = reactions[this.#received++ % reactions.length] ?? 'nothing';
    const connection = this.#connection;
    if (reaction === 'echo') this.send(TEXT, this.#received % 90);
    else if (reaction === 'large') this.send(BINARY, 30_000);
    else if (reaction === 'pause') connection.pause();
    else if (reaction === 'receive') this.deliver(9);
    else if (reaction === 'flush') connection.flush();
    else if (reaction === 'pieces') connection.giveInPieces(this.#received % 2 === 0);
    else if (reaction === 'close') connection.close(4000, '', this.#received % 2 === 0);
    else if (reaction === 'throw') throw new Error('thrown by a handler');
  }

  private send(opcode: MessageOpcode, size: number): void {
    const text = `${this.#sent++} `.padEnd(size, 'é');
    this.tell('send', this.#connection.send(opcode, opcode === TEXT ? text : Buffer.from(text)));
  }

  private tell(what: string, result: unknown): void {
    this.trace.push(`${what}: ${String(result)}`);
  }

  private deliver(size: number): void {
    const chunk = Buffer.from(this.#coming.subarray(0, size));
    this.#coming = this.#coming.subarray(chunk.length);
    this.attempt(() => this.#connection.receive(chunk));
  }

  private attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.tell('thrown', error);
    }
  }

  /** Some time after the network has taken all, as a stream of Node tells it. */
  private drain(): void {
    if (this.#network.writableLength > 0 || !this.#network.needsDrain) return;
    this.#network.needsDrain = false;
    this.attempt(() => this.#connection.receiveDrain());
  }

  take(step: Step): void {
    // Nothing comes after the end of the transport.
    if (this.#isGone) return;
    this.#mayRefill = true;
    this.act(step);
    while (this.#pending) {
      this.#pending = false;
      this.attempt(() => this.#connection.flush());
    }
    const { bufferedAmount, dropped, isBlocked, isInMessage, readyState, latency, deadline } =
      this.#connection;
    const state = {
      bufferedAmount,
      dropped,
      isBlocked,
      isInMessage,
      readyState,
      latency,
      deadline,
    };
    this.trace.push(JSON.stringify(state), ...this.#network.written());
    this.trace.push(...this.#network.calls.splice(0));
  }

  private act(step: Step): void {
    const connection = this.#connection;
    const network = this.#network;
    switch (step.do) {
      case 'come':
        this.#coming = Buffer.concat([this.#coming, wireOf(this.#setup.role, step.messages)]);
        this.deliver(this.#coming.length);
        break;
      case 'deliver':
        this.deliver(step.size);
        break;
      case 'take':
        network.writableLength = Math.max(0, network.writableLength - step.size);
        break;
      case 'send':
        this.send(step.opcode, step.size);
        break;
      case 'prepared': {
        const message = new PreparedMessage('p'.repeat(step.size), step.opcode === TEXT);
        this.tell('prepared', connection.sendPrepared(message));
        break;
      }
      case 'turn':
        connection.takeTurn((granted) => {
          this.tell('turn', granted);
          if (granted) this.send(step.opcode, step.size);
          connection.flush();
        });
        break;
      case 'begin':
        if (connection.readyState === 1 && !connection.isInMessage) connection.beginMessage();
        break;
      case 'fragment': {
        const hasRoom = connection.hasFragmentRoom(step.size);
        const data = 'f'.repeat(step.size);
        this.tell('fragment', [hasRoom, connection.sendFragment(TEXT, data, step.fin)]);
        break;
      }
      case 'ping':
        this.tell('ping', [connection.hasControlRoom(), connection.ping(Buffer.from('ping'))]);
        break;
      case 'pong':
        this.tell('pong', [connection.hasRoom(), connection.pong()]);
        break;
      case 'call back':
        network.during = () => {
          if (step.what === 'receive') this.deliver(50);
          else if (step.what === 'send') this.send(TEXT, 300);
          else if (step.what === 'flush') connection.flush();
          else this.drain();
        };
        break;
      case 'stick':
        network.stuck = true;
        break;
      case 'unstick':
        network.stuck = false;
        network.writableLength = 0;
        break;
      case 'drain':
        this.drain();
        break;
      case 'in pieces':
        connection.giveInPieces(step.wanted);
        break;
      case 'advance':
        this.#clock.advance(step.milliseconds);
        connection.tick();
        break;
      case 'close':
        connection.close(4001, 'bye');
        break;
      case 'receive on':
        connection.close(4002, 'bye', true);
        break;
      case 'end':
        this.attempt(() => connection.receiveEnd());
        break;
      case 'gone':
        this.#isGone = true;
        connection.receiveTransportClose();
        break;
      case 'flush':
        this.attempt(() => connection.flush());
        break;
      case 'pause':
        connection.pause();
        break;
      case 'resume':
        this.attempt(() => connection.resume());
        break;
      case 'terminate':
        connection.terminate();
        break;
    }
  }
}

const opcode = fc.constantFrom<MessageOpcode>(TEXT, BINARY);
const size = fc.oneof(
  { weight: 8, arbitrary: fc.nat(300) },
  { weight: 2, arbitrary: fc.integer({ min: 1_000, max: 20_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 70_000 }) },
);
const just = <Name extends string>(...names: Name[]) =>
  fc.record({ do: fc.constantFrom(...names) });

/** What happens where the peer says nothing. */
const sending: fc.WeightedArbitrary<Step>[] = [
  { weight: 3, arbitrary: fc.record({ do: fc.constant('take'), size }) },
  {
    weight: 16,
    arbitrary: fc.record({ do: fc.constantFrom('send', 'prepared', 'turn'), opcode, size }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('fragment'), size, fin: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('call back'),
      what: fc.constantFrom('receive', 'send', 'flush', 'drain'),
    }),
  },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('advance'), milliseconds: fc.nat(700) }) },
  {
    weight: 30,
    arbitrary: just('begin', 'ping', 'pong', 'flush', 'stick', 'unstick', 'drain', 'drain'),
  },
];
const all: fc.WeightedArbitrary<Step>[] = [
  ...sending,
  { weight: 20, arbitrary: fc.record({ do: fc.constant('come'), messages }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('deliver'),
      size: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.nat(2_000)),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('in pieces'), wanted: fc.boolean() }) },
  { weight: 10, arbitrary: just('pause', 'resume', 'resume') },
  { weight: 1, arbitrary: just('close', 'receive on', 'terminate', 'end', 'gone') },
];
const stepsOf = (kinds: fc.WeightedArbitrary<Step>[]): fc.Arbitrary<Step[]> =>
  fc.array(fc.oneof(...kinds), { maxLength: 60, size: 'max' });
const script = fc.oneof(stepsOf(all), stepsOf(all), stepsOf(sending));

const REACTIONS: readonly Reaction[] = ['nothing', 'echo', 'large', 'pause', 'receive', 'flush'];
const reaction = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...REACTIONS) },
  { weight: 2, arbitrary: fc.constantFrom<Reaction>('pieces') },
  { weight: 1, arbitrary: fc.constantFrom<Reaction>('close', 'throw') },
);

const setup: fc.Arbitrary<Setup> = fc.record({
  role: fc.constantFrom(...ROLES),
  limits: fc.record({
    maxPayload: fc.constantFrom(200, 100_000),
    maxFragments: fc.constantFrom(3, 100),
    highWaterMark: fc.constantFrom(0, 500, 65_536),
    maxBackpressure: fc.constantFrom(0, 40_000, Infinity, Infinity),
    backpressurePolicy: fc.constantFrom('close' as const, 'drop' as const, 'latest' as const),
    pingInterval: fc.constantFrom(0, 600, 600),
    pingTimeout: fc.constant(500),
    closeTimeout: fc.constant(2_000),
  }),
  reactions: fc.array(reaction, { minLength: 1, maxLength: 6 }),
  flushesAtOnce: fc.boolean(),
  mayOverwrite: fc.boolean(),
});

function play(how: Setup, steps: readonly Step[]): string[] {
  const watched = new Watched(how);
  for (const one of steps) watched.take(one);
  return watched.trace;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a connection that drops what it does not need', () => {
  it('does the same as one that keeps it', () => {
    let made = 0;
    fc.assert(
      fc.property(setup, script, (how, steps) => {
        const parts = [Reading, Outbound].map(({ prototype }) =>
          vi.spyOn(prototype, 'isForgettable', 'get'),
        );
        const trace = play(how, steps);
        made += parts.flatMap(({ mock }) => mock.results).filter(({ value }) => value).length;
        for (const part of parts) part.mockReturnValue(false);
        const kept = play(how, steps);
        for (const part of parts) part.mockRestore();
        expect(trace).toEqual(kept);
      }),
      { numRuns: 500 },
    );
    expect(made, 'how often a part was dropped').toBeGreaterThan(400);
  });
});
