import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import type { Role } from '../../src/connection/handler.ts';
import { type ConnectionLimits, resolveLimits } from '../../src/connection/limits.ts';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { READY_STATE } from '../../src/connection/state.ts';
import type { MessageOpcode } from '../../src/frame/opcode.ts';
import { readFrames } from '../support/bytes.ts';
import { LinkEnd } from '../support/link.ts';
import { ManualClock } from '../support/manual-clock.ts';

const CLOSE = 8;
const PING = 9;

type Step =
  | { do: 'send' | 'prepared'; opcode: MessageOpcode; size: number }
  /** Asks for a turn. Granted, it does this, where a message is begun or sent. */
  | { do: 'turn'; does: 'nothing' | 'send' | 'begin' | 'flush' | 'whole' | 'close'; size: number }
  | { do: 'fragment'; size: number; fin: boolean }
  | { do: 'take'; size: number }
  | { do: 'ping' | 'flush' | 'stick' | 'unstick' | 'close' };

interface Settings {
  role: Role;
  mayOverwrite: boolean;
  /** Of the transport: from here on it asks for a pause. */
  transportMark: number;
  highWaterMark: number;
}

/** A sender of messages, prepared messages, fragments and turns, and what must come of it. */
class Sender {
  readonly #transport: LinkEnd;
  readonly #connection: Connection;
  readonly #role: Role;
  /** The numbers of messages in the order in which they were sent, or were given their turn. */
  readonly order: number[] = [];
  /** Turns in the order in which they were told, and whether they were granted. */
  readonly #told: [turn: number, granted: boolean][] = [];
  #turns = 0;
  #count = 0;
  /** Messages in fragments that never got their turn. */
  #denied = 0;
  /** The message in fragments that is under way: its number until its first fragment has gone. */
  #current: { number: number; isFirst: boolean } | null = null;
  #pending = false;
  /** Whether `send` answered false and `onDrain` has not come yet. */
  #refused = false;

  constructor(settings: Settings, limits: Partial<ConnectionLimits>) {
    this.#role = settings.role;
    [this.#transport] = LinkEnd.pair(settings.transportMark);
    this.#connection = new Connection(
      settings.role,
      this.#transport,
      {
        onMessage: () => {},
        onPing: () => {},
        onPong: () => {},
        onDrain: () => (this.#refused = false),
        onPending: () => (this.#pending = true),
        onError: (error) => expect.unreachable(error.code),
        onClose: () => expect.unreachable('the transport stays'),
      },
      new ManualClock(),
      {
        ...resolveLimits({ pingInterval: 0, highWaterMark: settings.highWaterMark, ...limits }),
        mayOverwrite: settings.mayOverwrite,
      },
    );
    this.#transport.owner = this.#connection;
  }

  private get isOpen(): boolean {
    return this.#connection.readyState === READY_STATE.OPEN;
  }

  run(step: Step): void {
    const connection = this.#connection;
    switch (step.do) {
      case 'send':
        this.send(step.opcode, step.size);
        return;
      case 'prepared':
        // Every other one lies in a page that it shares with others.
        this.note(
          connection.sendPrepared(
            new PreparedMessage(this.payload(this.number(), step.size), step.size % 2 === 0),
          ),
        );
        return;
      case 'turn':
        this.takeTurn(step.does, step.size);
        return;
      case 'fragment':
        this.fragment(step.size, step.fin);
        return;
      case 'take':
        this.#transport.take(step.size);
        break;
      case 'ping':
        connection.ping(Buffer.from('ping'));
        break;
      case 'stick':
        this.#transport.stuck = true;
        break;
      case 'unstick':
        this.#transport.unstick();
        break;
      case 'close':
        this.#connection.close(1000);
        break;
      case 'flush':
        break;
    }
    this.endTurn();
  }

  /** All that was begun ends, and the network takes everything. */
  settle(): void {
    this.#transport.unstick();
    this.endTurn();
    while (this.#current !== null && this.isOpen) {
      this.fragment(3, true);
      this.endTurn();
    }
  }

  /** The numbers of the messages as somebody else reads them off the wire. */
  read(): number[] {
    const numbers: number[] = [];
    let payload: string | null = null;
    let isClosed = false;
    for (const frame of readFrames(Buffer.concat(this.#transport.log))) {
      expect([frame.masked, frame.rsv]).toEqual([this.#role === 'client', 0]);
      if (frame.opcode === CLOSE) isClosed = true;
      if (frame.opcode === PING) expect(frame.payload.toString()).toBe('ping');
      if (frame.opcode >= CLOSE) continue;
      expect(isClosed, 'data behind a Close').toBe(false);
      expect(frame.opcode === 0, 'a continuation of a message').toBe(payload !== null);
      payload = (payload ?? '') + frame.payload.toString('latin1');
      if (!frame.fin) continue;
      const match = /^(\d+) x*$/.exec(payload);
      numbers.push(match === null ? Number.NaN : Number(match[1]));
      payload = null;
    }
    if (this.isOpen) expect(payload, 'a message that did not end').toBe(null);
    return numbers;
  }

  check(): void {
    const turns = this.#told.map(([turn]) => turn);
    expect(turns).toEqual(Array.from({ length: this.#turns }, (_, i) => i));
    expect(this.#connection.bufferedAmount).toBe(0);
    if (!this.isOpen) return;
    expect(this.#told.every(([, granted]) => granted)).toBe(true);
    expect(this.#refused, 'send was false, and onDrain did not come').toBe(false);
    expect(this.#connection.hasRoom()).toBe(true);
  }

  /** Messages that did not leave because the connection was closed, and are not counted there. */
  get torn(): number {
    return this.#denied + (this.#current === null ? 0 : 1);
  }

  get dropped(): number {
    return this.#connection.dropped;
  }

  private number(): number {
    this.#count++;
    if (this.isOpen) this.order.push(this.#count);
    return this.#count;
  }

  private payload(number: number, size: number): string {
    return `${number} `.padEnd(size, 'x');
  }

  private note(answer: boolean): void {
    if (!answer) this.#refused = true;
  }

  private send(opcode: MessageOpcode, size: number): void {
    const payload = this.payload(this.number(), size);
    this.note(this.#connection.send(opcode, opcode === 1 ? payload : Buffer.from(payload)));
  }

  private takeTurn(does: (Step & { do: 'turn' })['does'], size: number): void {
    const turn = this.#turns++;
    const wasOpen = this.isOpen;
    // A message that a turn begins has its place where the turn was asked for.
    const number = does === 'begin' || does === 'whole' ? this.number() : 0;
    this.#connection.takeTurn((granted) => {
      this.#told.push([turn, granted]);
      expect(granted).toBe(this.isOpen);
      if (!granted) {
        if (number > 0 && wasOpen) this.#denied++;
        return;
      }
      expect(this.#current).toBe(null);
      if (does === 'send') this.send(1, size);
      if (does === 'flush') this.#connection.flush();
      if (does === 'close') this.#connection.close(1000);
      if (number === 0) return;
      this.#current = { number, isFirst: true };
      if (does === 'begin') {
        this.#connection.beginMessage();
      } else {
        this.fragment(size, false);
        this.fragment(size, true);
      }
    });
  }

  private fragment(size: number, fin: boolean): void {
    const current = this.#current;
    if (current === null || !this.isOpen) return;
    const payload = current.isFirst ? this.payload(current.number, size) : 'x'.repeat(size);
    current.isFirst = false;
    if (fin) this.#current = null;
    this.note(this.#connection.sendFragment(2, Buffer.from(payload), fin));
  }

  private endTurn(): void {
    while (this.#pending) {
      this.#pending = false;
      this.#connection.flush();
    }
    while (this.#transport.runEvents()) this.endTurn();
  }
}

const opcode = fc.constantFrom<MessageOpcode>(1, 2);
const size = fc.oneof(
  { weight: 8, arbitrary: fc.nat(300) },
  { weight: 2, arbitrary: fc.integer({ min: 16_300, max: 17_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 70_000 }) },
);
const chunkSize = fc.oneof(fc.nat(500), fc.nat(70_000));

const settings: fc.Arbitrary<Settings> = fc.record({
  role: fc.constantFrom<Role>('client', 'server'),
  mayOverwrite: fc.boolean(),
  transportMark: fc.constantFrom(1, 16_384, 65_536),
  highWaterMark: fc.constantFrom(0, 500, 65_536),
});

const CLOSES = ['close'] as const;

/** What happens, and how often it is a Close. */
const stepsWith = (closes: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({ do: fc.constantFrom('send', 'prepared'), opcode, size }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant('turn'),
          does: fc.constantFrom(
            'nothing',
            'send',
            'begin',
            'begin',
            'flush',
            'whole',
            ...CLOSES.slice(0, closes),
          ),
          size,
        }),
      },
      { weight: 6, arbitrary: fc.record({ do: fc.constant('fragment'), size, fin: fc.boolean() }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('take'), size: chunkSize }) },
      {
        weight: 5,
        arbitrary: fc.record({ do: fc.constantFrom('ping', 'flush', 'stick', 'unstick') }),
      },
      { weight: closes, arbitrary: fc.record({ do: fc.constant('close') }) },
    ),
    { maxLength: 60, size: 'max' },
  );

const steps = stepsWith(0);

describe('messages, prepared messages, fragments and turns', () => {
  it('leave in the order in which they were sent, and whoever waits is told', () => {
    fc.assert(
      fc.property(settings, steps, (how, script) => {
        const sender = new Sender(how, { maxBackpressure: Infinity });
        for (const step of script) sender.run(step);
        sender.settle();
        expect(sender.read()).toEqual(sender.order);
        sender.check();
        expect(sender.dropped).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('leave before a Close or are counted as dropped, wherever that comes', () => {
    fc.assert(
      fc.property(settings, stepsWith(1), (how, script) => {
        const sender = new Sender(how, { maxBackpressure: Infinity });
        for (const step of script) sender.run(step);
        sender.settle();
        const numbers = sender.read();
        const left = new Set(numbers);
        expect(numbers).toEqual(sender.order.filter((number) => left.has(number)));
        expect(numbers.length + sender.dropped + sender.torn).toBe(sender.order.length);
        sender.check();
      }),
      { numRuns: 300 },
    );
  });

  it.each(['drop', 'latest'] as const)(
    'leave in that order less those that the policy %s drops, which are counted',
    (backpressurePolicy) => {
      // Fragments that find no room fail a connection: so there are none in this one.
      const whole = steps.map((script) =>
        script.filter(
          (step) =>
            step.do !== 'fragment' &&
            (step.do !== 'turn' || step.does === 'flush' || step.does === 'send'),
        ),
      );
      const maxBackpressure = fc.constantFrom(0, 1_000, 40_000);
      fc.assert(
        fc.property(settings, maxBackpressure, whole, (how, most, script) => {
          const sender = new Sender(how, { maxBackpressure: most, backpressurePolicy });
          for (const step of script) sender.run(step);
          sender.settle();
          const numbers = sender.read();
          const left = new Set(numbers);
          expect(numbers).toEqual(sender.order.filter((number) => left.has(number)));
          expect(numbers.length + sender.dropped).toBe(sender.order.length);
          sender.check();
        }),
        { numRuns: 150 },
      );
    },
  );
});
