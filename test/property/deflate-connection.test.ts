import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import type { Role } from '../../src/connection/handler.ts';
import { DEFAULT_LIMITS } from '../../src/connection/limits.ts';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import type { ResolvedDeflateOptions } from '../../src/extension/deflate-options.ts';
import {
  type DeflateTerms,
  answerOffers,
  createDeflateOffer,
  readAnswer,
} from '../../src/extension/deflate-params.ts';
import { PerMessageDeflate } from '../../src/extension/permessage-deflate.ts';
import type { MessageOpcode } from '../../src/frame/opcode.ts';
import { readFrames } from '../support/bytes.ts';
import { JobWatch, ReferencePeer, noise, short } from '../support/deflate-connection.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

const TEXT = 1;
const BINARY = 2;

/** What messages are made of: little of it is new, so that nearly all refers to what was before. */
const CONTENTS: readonly ((size: number) => Buffer)[] = [
  (size) => Buffer.from('the same again, '.repeat(Math.ceil(size / 16)).slice(0, size)),
  (size) => Buffer.from(noise(size)),
  (size) => Buffer.from(noise(size, 'other')),
  (size) => Buffer.from('€ and ü, 🌍'.repeat(Math.ceil(size / 11))),
  (size) => Buffer.from(noise(2 * size, 'bytes'), 'hex'),
];
/** The last of them is no text. */
const BYTES = CONTENTS.length - 1;

/** Sent by both ends, again and again. */
const PREPARED = [
  new PreparedMessage(''),
  new PreparedMessage('the same again, the same again'),
  new PreparedMessage(noise(900)),
  new PreparedMessage(CONTENTS[BYTES]!(2_000)),
  new PreparedMessage(noise(40_000, 'prepared')),
];

interface Content {
  readonly content: number;
  readonly size: number;
  readonly compress: boolean;
}

type Command =
  | ({ do: 'send'; side: number } & Content)
  | ({ do: 'fragments'; side: number; parts: number[] } & Content)
  | { do: 'prepared'; side: number; which: number; compress: boolean }
  | { do: 'finish' | 'ping' | 'pause' | 'resume'; side: number }
  | { do: 'deliver'; side: number; size: number }
  | { do: 'pieces'; side: number; inPieces: boolean }
  | { do: 'work' };

function digest(opcode: number, bytes: Uint8Array): string {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
  return `${opcode} ${bytes.length} ${hash}`;
}

class Side {
  readonly transport = new MemoryTransport();
  readonly connection: Connection;
  readonly deflate: PerMessageDeflate;
  readonly violations: string[] = [];
  /** Of the messages in the order in which they were given to the connection. */
  readonly sent: { digest: string; text: string }[] = [];
  readonly received: string[] = [];
  pings = 0;
  pongs = 0;
  #paused = false;
  #pieces: Buffer[] = [];
  /** Ends of messages that are sent as fragments. */
  readonly #open: (() => void)[] = [];
  /** How many bytes of the wire have come to the other end. */
  #delivered = 0;

  constructor(role: Role, options: ResolvedDeflateOptions, terms: DeflateTerms) {
    this.deflate = new PerMessageDeflate(options, terms);
    this.connection = new Connection(
      role,
      this.transport,
      {
        onMessage: (opcode, source, start, end) => {
          this.take(digest(opcode, source.subarray(start, end)));
        },
        onPiece: (opcode, source, start, end, last) => {
          this.#pieces.push(Buffer.from(source.subarray(start, end)));
          if (!last) return;
          const pieces = this.#pieces.splice(0);
          this.take(digest(opcode, Buffer.concat(pieces)));
        },
        onPing: () => {},
        onPong: () => this.pongs++,
        onDrain: () => {},
        onPending: () => queueMicrotask(() => this.connection.flush()),
        onError: (error) => this.violations.push(error.code),
        onClose: () => {},
        onThrown: (error) => this.violations.push(String(error)),
      },
      new ManualClock(),
      { ...DEFAULT_LIMITS, maxBackpressure: Infinity, mayOverwrite: true, pingInterval: 0 },
      this.deflate,
    );
  }

  private take(message: string): void {
    if (this.#paused) this.violations.push('a message during a pause');
    this.received.push(message);
  }

  private remember(opcode: number, bytes: Uint8Array): void {
    this.sent.push({ digest: digest(opcode, bytes), text: Buffer.from(bytes).toString() });
  }

  send({ content, size, compress }: Content): void {
    const bytes = CONTENTS[content]!(size);
    const isText = content !== BYTES;
    const opcode = isText && size % 3 > 0 ? TEXT : BINARY;
    this.remember(opcode, bytes);
    this.connection.send(opcode, opcode === TEXT ? bytes.toString() : bytes, compress);
  }

  sendFragments({ content, size, compress }: Content, cuts: number[]): void {
    const bytes = CONTENTS[content]!(size);
    const opcode: MessageOpcode = content === BYTES ? BINARY : TEXT;
    this.remember(opcode, bytes);
    const ends = cuts.map((cut) => Math.floor((cut / 1_000) * bytes.length));
    ends.sort((one, other) => one - other);
    this.connection.takeTurn((granted) => {
      if (!granted) this.violations.push('a turn that was not granted');
      this.connection.beginMessage(compress);
      let at = 0;
      for (const end of ends) {
        this.connection.sendFragment(opcode, bytes.subarray(at, end), false);
        at = end;
      }
      this.#open.push(() => this.connection.sendFragment(opcode, bytes.subarray(at), true));
    });
  }

  sendPrepared(which: number, compress: boolean): void {
    const message = PREPARED[which]!;
    this.remember(message.opcode, message.data);
    this.connection.sendPrepared(message, compress);
  }

  /** It always has room here, whatever it answers. */
  ping(): void {
    this.pings++;
    this.connection.ping();
  }

  finish(): void {
    this.#open.shift()?.();
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    if (paused) this.connection.pause();
    else this.connection.resume();
  }

  /** Up to `size` bytes of what was written here come to the other end. */
  deliver(other: Side, size: number): boolean {
    this.connection.flush();
    const { wire } = this.transport;
    if (other.transport.paused || this.#delivered === wire.length) return false;
    const chunk = Buffer.from(wire.subarray(this.#delivered, this.#delivered + size));
    this.#delivered += chunk.length;
    other.connection.receive(chunk);
    return true;
  }
}

/** Two ends that have agreed on what their options allow. */
class World {
  readonly sides: readonly [Side, Side];
  readonly #jobs: JobWatch;

  constructor(client: ResolvedDeflateOptions, server: ResolvedDeflateOptions, jobs: JobWatch) {
    const answer = answerOffers([createDeflateOffer(client)], server)!;
    const agreed = readAnswer(answer.extension, [client])!;
    this.sides = [
      new Side('client', client, agreed.terms),
      new Side('server', server, answer.terms),
    ];
    this.#jobs = jobs;
  }

  async run(command: Command): Promise<void> {
    if (command.do === 'work') {
      await this.#jobs.idle();
      return;
    }
    const side = this.sides[command.side]!;
    if (command.do === 'send') side.send(command);
    else if (command.do === 'fragments') side.sendFragments(command, command.parts);
    else if (command.do === 'prepared') side.sendPrepared(command.which, command.compress);
    else if (command.do === 'finish') side.finish();
    else if (command.do === 'deliver') side.deliver(this.other(side), command.size);
    else if (command.do === 'pieces') side.connection.giveInPieces(command.inPieces);
    else if (command.do === 'ping') side.ping();
    else side.pause(command.do === 'pause');
  }

  private other(side: Side): Side {
    return this.sides[0] === side ? this.sides[1] : this.sides[0];
  }

  private get isDone(): boolean {
    return this.sides.every(
      (side) =>
        this.other(side).received.length >= side.sent.length &&
        side.pongs >= side.pings &&
        side.connection.bufferedAmount === 0,
    );
  }

  /** Everything that was begun ends, and comes to the other end. */
  async settle(): Promise<void> {
    for (let turns = 0; turns < 300 && !this.isDone; turns++) {
      for (const side of this.sides) {
        side.pause(false);
        side.finish();
        side.deliver(this.other(side), Infinity);
      }
      await this.#jobs.idle();
      await new Promise(setImmediate);
    }
  }

  check(): void {
    for (const side of this.sides) {
      const other = this.other(side);
      expect(side.violations).toEqual([]);
      expect(other.received).toEqual(side.sent.map(({ digest: sent }) => sent));
      expect(side.pongs).toBe(side.pings);
      expect([side.connection.bufferedAmount, side.connection.isInMessage]).toEqual([0, false]);
      // Somebody else reads the same.
      const read = new ReferencePeer(side.deflate.terms)
        .read(readFrames(side.transport.wire))
        .filter((entry) => !entry.startsWith('control'))
        .map((entry) => entry.replace(/^(?:deflated|plain) /, ''))
        .map((entry) => entry.replace(/ in \d+$/, ''));
      expect(short(read)).toEqual(short(side.sent.map(({ text }) => text)));
    }
  }

  end(): void {
    for (const { connection } of this.sides) connection.receiveTransportClose();
  }
}

let jobs: JobWatch;

beforeEach(() => {
  jobs = new JobWatch();
});

afterEach(() => {
  vi.restoreAllMocks();
});

const bits = fc.constantFrom(9, 10, 12, 15, 15, 15, 15);
/** What is remembered is what can go wrong. */
const mostly = fc.constantFrom(true, true, true, true, true, false);

const options: fc.Arbitrary<ResolvedDeflateOptions> = fc.record({
  threshold: fc.constantFrom(0, 0, 0, 0, 100, 1_024),
  level: fc.constantFrom(1, 3, 9),
  memoryLevel: fc.constantFrom(1, 8),
  windowBits: bits,
  peerWindowBits: bits,
  contextTakeover: mostly,
  peerContextTakeover: mostly,
  keepContexts: fc.boolean(),
});

const side = fc.nat(1);
const compress = mostly;
const content = fc.constantFrom(0, 1, 1, 1, 2, 3, BYTES);
const size = fc.oneof(
  { weight: 9, arbitrary: fc.nat(300) },
  { weight: 9, arbitrary: fc.integer({ min: 300, max: 9_000 }) },
  { weight: 3, arbitrary: fc.integer({ min: 16_000, max: 45_000 }) },
  { weight: 1, arbitrary: fc.constant(300_000) },
);
const chunk = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 13, max: 70_000 }));

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 14,
    arbitrary: fc.record({ do: fc.constant('send'), side, content, size, compress }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('prepared'),
      side,
      which: fc.nat(PREPARED.length - 1),
      compress,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('fragments'),
      side,
      content,
      size,
      compress,
      parts: fc.array(fc.nat(1_000), { maxLength: 4 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('deliver'), side, size: chunk }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('finish'), side }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('ping', 'pause', 'resume'), side }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pieces'), side, inPieces: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('work') }) },
);

describe('two ends that compress', () => {
  it('give each other all messages, once, in order and as they were', async () => {
    const script = fc.array(command, { minLength: 10, maxLength: 60, size: 'max' });
    await fc.assert(
      fc.asyncProperty(options, options, script, async (client, server, commands) => {
        const world = new World(client, server, jobs);
        try {
          for (const each of commands) await world.run(each);
          await world.settle();
          world.check();
        } finally {
          world.end();
          await jobs.idle();
        }
      }),
      { numRuns: 60 },
    );
  });
});
