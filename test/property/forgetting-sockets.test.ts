/**
 * The same as forgetting.test.ts for whole sockets: those whose hooks take all messages do without
 * consumers between two chunks, besides the parts of the connection.
 */
import { EventEmitter } from 'node:events';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Consumers } from '../../src/connection/consumers.ts';
import type { Role } from '../../src/connection/handler.ts';
import type { MessageStream } from '../../src/connection/message-stream.ts';
import { Outbound } from '../../src/connection/outbound.ts';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { Reading } from '../../src/connection/reading.ts';
import { Share } from '../../src/connection/share.ts';
import type { NodeTransport, SocketHooks } from '../../src/connection/socket-events.ts';
import type { SocketOptions } from '../../src/connection/socket-options.ts';
import type { Socket } from '../../src/connection/socket.ts';
import { readFrames } from '../support/bytes.ts';
import { turns } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';
import { makeSocket } from '../support/open-socket.ts';
import { type PeerMessage, messages, wireOf } from '../support/peer-messages.ts';

const HIGH_WATER_MARK = 16 * 1024;

/** Takes what it is given, or nothing, and tells so later. */
class Network extends EventEmitter implements NodeTransport {
  writableLength = 0;
  stuck = false;
  paused = false;
  destroyed = false;
  #wire: Buffer[] = [];
  #needsDrain = false;
  #callbacks: (() => void)[] = [];

  write(bytes: Uint8Array, callback?: () => void): boolean {
    this.#wire.push(Buffer.from(bytes));
    if (callback !== undefined) this.#callbacks.push(callback);
    if (this.stuck) this.writableLength += bytes.length;
    else this.tellLater();
    const accepted = this.writableLength < HIGH_WATER_MARK;
    if (!accepted) this.#needsDrain = true;
    return accepted;
  }

  cork(): void {}
  uncork(): void {}
  end(): void {}

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    process.nextTick(() => this.emit('close'));
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  unstick(): void {
    this.stuck = false;
    this.writableLength = 0;
    this.tellLater();
  }

  private tellLater(): void {
    process.nextTick(() => {
      if (this.writableLength > 0 || this.destroyed) return;
      for (const callback of this.#callbacks.splice(0)) callback();
      if (!this.#needsDrain) return;
      this.#needsDrain = false;
      this.emit('drain');
    });
  }

  written(): string[] {
    return readFrames(Buffer.concat(this.#wire.splice(0))).map(
      ({ opcode, fin, payload }) =>
        `${opcode} ${fin} ${payload.length} ${payload.toString('hex', 0, 20)}`,
    );
  }
}

type Consumer = 'none' | 'sync' | 'reply' | 'slow' | 'slow reply' | 'pause' | 'throw';

interface Setup {
  readonly role: Role;
  readonly options: SocketOptions;
  readonly message: Consumer;
  readonly stream: 'none' | 'read' | 'slow' | 'cancel';
}

const SENDS = ['text', 'binary', 'large', 'prepared', 'blob', 'pieces', 'ping', 'pong'] as const;
const WAITS = ['pause', 'resume', 'stick', 'unstick', 'flushed', 'drained', 'wait'] as const;
/** Where one of these is used, consumers remember somebody. */
const LISTENS = ['listen', 'listen slowly', 'listen once', 'stream', 'unlisten'] as const;
const LOOPS = ['iterator', 'next', 'return'] as const;
const ENDS = ['close', 'terminate', 'end', 'reset'] as const;

type Deed = (typeof SENDS | typeof WAITS | typeof LISTENS | typeof LOOPS | typeof ENDS)[number];

type Step =
  | { readonly come: readonly PeerMessage[] }
  | { readonly deliver: number }
  | { readonly do: Deed };

/** One socket, and all that can be seen of it. */
class Watched {
  readonly trace: string[] = [];
  readonly #network = new Network();
  readonly #socket: Socket<undefined>;
  readonly #role: Role;
  #coming = Buffer.alloc(0);
  #iterator: AsyncIterator<unknown> | null = null;
  #sent = 0;

  constructor({ role, options, message, stream }: Setup) {
    this.#role = role;
    const tell = (name: string) => (_: unknown, value: unknown) => this.tell(name, value);
    const hooks: SocketHooks<Socket<undefined>> = {
      ...(message !== 'none' && {
        message: (_: unknown, value: unknown) => this.consume('hook', message, value),
      }),
      ...(stream !== 'none' && {
        stream: (_: unknown, value: MessageStream) => this.read(stream, value),
      }),
      ping: tell('hook ping'),
      error: tell('hook error'),
      close: tell('hook close'),
    };
    this.#socket = makeSocket(role, this.#network, options, undefined, hooks);
    for (const event of ['pong', 'drain', 'error', 'close'] as const) {
      this.#socket.on(event, (...values: unknown[]) => this.tell(event, values));
    }
  }

  private tell(what: string, value: unknown): void {
    const shown = Buffer.isBuffer(value) ? value.toString('hex', 0, 30) : String(value);
    this.trace.push(`${what}: ${shown.slice(0, 60)}`);
  }

  private async settle(what: string, done: Promise<unknown>): Promise<void> {
    const isTime = what === 'ping';
    try {
      const value = await done;
      this.tell(`${what} resolves`, isTime ? 'some time' : JSON.stringify(value));
    } catch (error) {
      this.tell(`${what} rejects`, error);
    }
  }

  private consume(who: string, how: Consumer, value: unknown): unknown {
    this.tell(who, value);
    if (how === 'reply') this.send('reply', 'x'.repeat(300));
    if (how === 'pause') this.#socket.pause();
    if (how === 'throw' && this.trace.length % 7 === 0) throw new Error('a mistake');
    return how === 'slow' || how === 'slow reply' ? this.consumeSlowly(who, how) : undefined;
  }

  private async consumeSlowly(who: string, how: Consumer): Promise<void> {
    await turns(2);
    if (how === 'slow reply') this.send('slow reply', 'x'.repeat(300));
    this.tell(who, 'done');
  }

  private async read(how: Setup['stream'], stream: MessageStream): Promise<void> {
    this.tell('stream', stream.binary);
    try {
      for await (const piece of stream) {
        this.tell('piece', piece);
        if (how === 'cancel') break;
        if (how === 'slow') await turns(1);
      }
      this.tell('stream', 'done');
    } catch (error) {
      this.tell('stream', error);
    }
  }

  private send(what: string, data: string | Buffer | PreparedMessage): void {
    this.tell(what, this.#socket.send(data));
  }

  private deliver(size: number): void {
    const chunk = Buffer.from(this.#coming.subarray(0, size));
    this.#coming = this.#coming.subarray(chunk.length);
    if (chunk.length > 0 && !this.#network.destroyed) this.#network.emit('data', chunk);
  }

  async take(step: Step): Promise<void> {
    if ('come' in step) {
      this.#coming = Buffer.concat([this.#coming, wireOf(this.#role, step.come)]);
      this.deliver(this.#coming.length);
    } else if ('deliver' in step) this.deliver(step.deliver);
    else if (step.do === 'wait') await turns(3);
    else this.act(step.do);
    await turns(1);
    const { bufferedAmount, dropped, isPaused, readyState } = this.#socket;
    const { paused } = this.#network;
    this.trace.push(JSON.stringify({ bufferedAmount, dropped, isPaused, readyState, paused }));
    this.trace.push(...this.#network.written());
  }

  private act(what: Deed): void {
    const socket = this.#socket;
    const network = this.#network;
    const acts: Partial<Record<Deed, () => unknown>> = {
      pause: () => socket.pause(),
      resume: () => socket.resume(),
      stick: () => (network.stuck = true),
      unstick: () => network.unstick(),
      listen: () => socket.on('message', (value) => void this.consume('listener', 'sync', value)),
      'listen slowly': () => {
        const listener: (value: unknown) => unknown = (value) =>
          this.consume('slow listener', 'slow', value);
        socket.on('message', listener);
      },
      'listen once': () =>
        socket.once('message', (value) => void this.consume('once', 'reply', value)),
      stream: () => {
        const listener: (stream: MessageStream) => unknown = (value) => this.read('read', value);
        socket.on('stream', listener);
      },
      unlisten: () => socket.removeAllListeners('message').removeAllListeners('stream'),
      iterator: () => (this.#iterator ??= socket[Symbol.asyncIterator]()),
      next: () => this.settle('next', this.#iterator?.next() ?? Promise.resolve()),
      return: () => {
        void this.settle('return', this.#iterator?.return?.() ?? Promise.resolve());
        this.#iterator = null;
      },
      ping: () => this.settle('ping', socket.ping(`ping ${this.#sent++}`)),
      pong: () => this.tell('pong', socket.pong('pong')),
      flushed: () => this.settle('flushed', socket.flushed()),
      drained: () => this.settle('drained', socket.drained()),
      text: () => this.send('text', `text ${this.#sent++}`),
      binary: () => this.send('binary', Buffer.alloc(1_000, this.#sent++)),
      large: () => this.send('large', Buffer.alloc(30_000, this.#sent++)),
      prepared: () => this.send('prepared', new PreparedMessage(`prepared ${this.#sent++}`)),
      blob: () => this.settle('blob', socket.send(new Blob([`blob ${this.#sent++}`]))),
      pieces: () => this.settle('pieces', socket.send(['pieces ', `${this.#sent++}`])),
      close: () => this.settle('close', socket.close(4000, 'bye')),
      terminate: () => socket.terminate(),
      end: () => network.emit('end'),
      reset: () => network.destroy(),
    };
    void acts[what]?.();
  }

  async finish(): Promise<string[]> {
    this.#network.destroy();
    // Until all that is slow is done.
    for (let length = -1; length !== this.trace.length; await turns(6)) length = this.trace.length;
    return [...this.trace, ...this.#network.written()];
  }
}

const deeds = (weight: number, names: readonly Deed[]): fc.WeightedArbitrary<Step> => ({
  weight,
  arbitrary: fc.record({ do: fc.constantFrom(...names) }),
});
const quiet: fc.WeightedArbitrary<Step>[] = [
  { weight: 12, arbitrary: fc.record({ come: messages }) },
  { weight: 6, arbitrary: fc.record({ deliver: fc.oneof(fc.nat(9), fc.nat(2_000)) }) },
  deeds(8, SENDS),
  deeds(10, WAITS),
];
const loud = [...quiet, deeds(6, LISTENS), deeds(1, ENDS)];
const stepsOf = (kinds: fc.WeightedArbitrary<Step>[]): fc.Arbitrary<Step[]> =>
  fc.array(fc.oneof(...kinds), { maxLength: 50, size: 'max' });
const script = fc.oneof(stepsOf(quiet), stepsOf(loud), stepsOf([...loud, deeds(6, LOOPS)]));

const CONSUMERS = ['none', 'slow', 'slow reply', 'pause', 'throw'] as const;
const setup: fc.Arbitrary<Setup> = fc.record({
  role: fc.constantFrom(...ROLES),
  options: fc.record({
    highWaterMark: fc.constantFrom(0, 500, 65_536),
    maxBackpressure: fc.constantFrom(40_000, Infinity),
    backpressurePolicy: fc.constantFrom('drop' as const, 'latest' as const, 'close' as const),
    maxQueue: fc.integer({ min: 1, max: 4 }),
    maxQueueSize: fc.constantFrom(10, 2_000),
    text: fc.constantFrom('string' as const, 'buffer' as const),
    pingInterval: fc.constant(0),
  }),
  // Those who are done at once are forgotten most often.
  message: fc.oneof(
    fc.constantFrom<Consumer>('sync', 'reply'),
    fc.constantFrom<Consumer>(...CONSUMERS),
  ),
  stream: fc.oneof(
    { weight: 3, arbitrary: fc.constant<Setup['stream']>('none') },
    { weight: 1, arbitrary: fc.constantFrom<Setup['stream']>('read', 'slow', 'cancel') },
  ),
});

async function play(how: Setup, steps: readonly Step[]): Promise<string[]> {
  // When a socket rests depends on the time that this machine takes, and another time is another order.
  vi.spyOn(Share.prototype, 'count').mockReturnValue(false);
  vi.spyOn(Share.prototype, 'end').mockReturnValue(false);
  const watched = new Watched(how);
  for (const one of steps) await watched.take(one);
  return watched.finish();
}

function keepAll(): void {
  for (const { prototype } of [Reading, Outbound]) {
    vi.spyOn(prototype, 'isForgettable', 'get').mockReturnValue(false);
  }
  const getter = Object.getOwnPropertyDescriptor(Consumers.prototype, 'isForgettable')!;
  vi.spyOn(Consumers.prototype, 'isForgettable', 'get').mockImplementation(function keep(
    this: Consumers,
  ) {
    // An answer that has left holds nobody back: whoever asks whether they are ready, clears that.
    return getter.get?.call(this) === true && this.isReady && false;
  });
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a socket that drops what it does not need', () => {
  it('does the same as one that keeps it', async () => {
    let made = 0;
    await fc.assert(
      fc.asyncProperty(setup, script, async (how, steps) => {
        const parts = [Reading, Outbound, Consumers].map(({ prototype }) =>
          vi.spyOn(prototype, 'isForgettable', 'get'),
        );
        const trace = await play(how, steps);
        made += parts[2]!.mock.results.filter(({ value }) => value).length;
        for (const part of parts) part.mockRestore();
        keepAll();
        const kept = await play(how, steps);
        vi.restoreAllMocks();
        expect(trace).toEqual(kept);
      }),
      { numRuns: 200 },
    );
    expect(made, 'how often consumers were dropped').toBeGreaterThan(30);
  });
});
