/**
 * A model of two connections that are joined: what each of them sent, and what must have come of
 * it at the other end. It knows frames only by a reader that shares nothing with the decoder.
 */
import { expect } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import type { Role } from '../../src/connection/handler.ts';
import { DEFAULT_LIMITS } from '../../src/connection/limits.ts';
import { READY_STATE } from '../../src/connection/state.ts';
import type { MessageOpcode } from '../../src/frame/opcode.ts';
import { type ReadFrame, readFrames } from './bytes.ts';
import { LinkEnd } from './link.ts';
import { ManualClock } from './manual-clock.ts';

const TEXT = 1;
const CLOSE = 8;
const PING = 9;

const PING_TIMEOUT = 500;
const CLOSE_TIMEOUT = 2_000;

export interface Settings {
  highWaterMark: number;
  pingInterval: number;
  /** Whether the server sends each message back from inside `onMessage`. */
  echoes: boolean;
  /** After how many messages `onMessage` pauses; 0 for never. */
  pauseAfter: number;
  /** How many commands happen before those flushes that `onPending` asks for. */
  turnLength: number;
}

export type Command =
  | { do: 'send'; side: number; opcode: MessageOpcode; size: number }
  | { do: 'fragment'; side: number; opcode: MessageOpcode; size: number; fin: boolean }
  | { do: 'ping'; side: number; times: number }
  | { do: 'pause' | 'resume' | 'terminate' | 'stick' | 'unstick'; side: number }
  | { do: 'close'; side: number; code: number; reason: string }
  | { do: 'deliver'; side: number; size: number; although: boolean }
  | { do: 'take'; side: number; size: number }
  | { do: 'advance'; milliseconds: number }
  | { do: 'reset' };

/** What a Close says: a code, or 0 for none, and a reason. */
interface Said {
  code: number;
  reason: string;
}

/** One end: the connection under test, and the little that the model knows about it. */
class Side {
  readonly role: Role;
  readonly transport: LinkEnd;
  readonly connection: Connection;
  readonly violations: string[] = [];

  /** `opcode payload` of the messages that left, in the order of the wire. */
  readonly sent: string[] = [];
  /** The message that is being sent in fragments, and those that wait for its end. */
  #fragments: { opcode: number; payload: string } | null = null;
  #waiting: string[] = [];
  #count = 0;
  /** What it said when it closed an open connection. */
  said: Said | null = null;
  terminated = false;

  received = 0;
  readonly closes: string[] = [];
  readonly answered: string[] = [];
  paused = false;
  /** Whether `send` answered false and `onDrain` has not come yet. */
  refused = false;
  pending = false;
  heardAt = 0;
  closingSince = Number.NaN;

  constructor(role: Role, transport: LinkEnd, clock: ManualClock, settings: Settings) {
    this.role = role;
    this.transport = transport;
    this.heardAt = clock.now();
    const isOver = (event: string): void => {
      if (this.closes.length > 0) this.violations.push(`${event} after onClose`);
    };
    this.connection = new Connection(
      role,
      transport,
      {
        onMessage: (opcode, source, start, end) => {
          isOver('onMessage');
          if (this.said !== null) this.violations.push('onMessage after close()');
          if (this.paused) this.violations.push('onMessage during a pause');
          const message = `${opcode} ${source.toString('utf8', start, end)}`;
          if (message !== this.peer.sent[this.received]) {
            this.violations.push(`message ${this.received} is not the one that was sent`);
          }
          this.received++;
          if (settings.echoes && role === 'server') this.send(opcode, end - start);
          if (settings.pauseAfter > 0 && this.received % settings.pauseAfter === 0) this.pause();
        },
        onPing: () => isOver('onPing'),
        onPong: (source, start, end) => {
          isOver('onPong');
          this.answered.push(source.toString('latin1', start, end));
        },
        onDrain: () => {
          isOver('onDrain');
          this.refused = false;
        },
        onPending: () => {
          isOver('onPending');
          this.pending = true;
        },
        onError: (error) => this.violations.push(`onError ${error.code}`),
        onClose: (code, reason, wasClean) => {
          this.closes.push(`${code} ${reason} ${wasClean ? 'clean' : 'unclean'}`);
        },
      },
      clock,
      {
        ...DEFAULT_LIMITS,
        highWaterMark: settings.highWaterMark,
        maxBackpressure: Infinity,
        pingInterval: settings.pingInterval,
        pingTimeout: PING_TIMEOUT,
        closeTimeout: CLOSE_TIMEOUT,
        autoPong: true,
        mayOverwrite: true,
      },
    );
    transport.owner = this.connection;
  }

  peer: Side = this;

  get isOpen(): boolean {
    return this.connection.readyState === READY_STATE.OPEN;
  }

  /** A payload that is like no other. */
  private payload(size: number): string {
    return `${this.role} ${this.#count++} ${'é'.repeat(size % 7)}`.padEnd(size, 'x');
  }

  private note(result: boolean): void {
    if (!result) this.refused = true;
  }

  send(opcode: MessageOpcode, size: number): void {
    const { isOpen } = this;
    const payload = this.payload(size);
    const result = this.connection.send(opcode, opcode === TEXT ? payload : Buffer.from(payload));
    if (isOpen) {
      (this.#fragments === null ? this.sent : this.#waiting).push(`${opcode} ${payload}`);
      this.note(result);
    } else if (result) {
      this.violations.push('send() is true, and nothing was open');
    }
  }

  sendFragment(opcode: MessageOpcode, size: number, fin: boolean): void {
    const { isOpen } = this;
    const piece = this.payload(size);
    const result = this.connection.sendFragment(opcode, piece, fin);
    if (!isOpen) return;
    this.note(result);
    const first = this.#fragments?.opcode ?? opcode;
    const payload = (this.#fragments?.payload ?? '') + piece;
    this.#fragments = fin ? null : { opcode: first, payload };
    if (!fin) return;
    this.sent.push(`${first} ${payload}`, ...this.#waiting);
    this.#waiting = [];
  }

  ping(): void {
    if (this.isOpen) this.note(this.connection.ping(Buffer.from(`ping ${this.#count++}`)));
  }

  close(code: number, reason: string): void {
    const { isOpen } = this;
    if (code === 0) this.connection.close();
    else this.connection.close(code, reason);
    if (!isOpen) return;
    this.said = { code, reason: code === 0 ? '' : reason };
    this.paused = false;
  }

  terminate(): void {
    if (this.isOpen) this.terminated = true;
    this.connection.terminate();
  }

  pause(): void {
    if (this.isOpen) this.paused = true;
    this.connection.pause();
  }

  resume(): void {
    this.paused = false;
    this.connection.resume();
  }

  /** Messages wait for the end of one in fragments, which nobody may ever send. */
  get isHeldUp(): boolean {
    return this.#waiting.length > 0;
  }

  /** `code reason clean` of a closing handshake that was not disturbed. */
  get cleanClose(): string {
    const { said } = this.peer;
    if (said !== null) return `${said.code || 1005} ${said.reason} clean`;
    // The peer only answered: with our code, and without a reason.
    return this.said === null ? 'nobody closed' : `${this.said.code || 1005}  clean`;
  }
}

/** Both ends, and what happens between them. */
export class World {
  readonly clock = new ManualClock();
  readonly client: Side;
  readonly server: Side;
  readonly sides: readonly [Side, Side];
  /** The transport was destroyed or reset, for a reason that the model knows. */
  torn = false;
  readonly #turnLength: number;
  #step = 0;

  constructor(settings: Settings) {
    this.#turnLength = settings.turnLength;
    const [near, far] = LinkEnd.pair();
    this.client = new Side('client', near, this.clock, settings);
    this.server = new Side('server', far, this.clock, settings);
    this.client.peer = this.server;
    this.server.peer = this.client;
    this.sides = [this.client, this.server];
  }

  run(command: Command): void {
    const side = 'side' in command ? this.sides[command.side === 0 ? 0 : 1] : this.client;
    switch (command.do) {
      case 'send':
        side.send(command.opcode, command.size);
        break;
      case 'fragment':
        side.sendFragment(command.opcode, command.size, command.fin);
        break;
      case 'ping':
        for (let i = 0; i < command.times; i++) side.ping();
        break;
      case 'close':
        side.close(command.code, command.reason);
        break;
      case 'terminate':
        side.terminate();
        this.torn = true;
        break;
      case 'pause':
        side.pause();
        break;
      case 'resume':
        side.resume();
        break;
      case 'stick':
        side.transport.stuck = true;
        break;
      case 'unstick':
        side.transport.unstick();
        break;
      case 'take':
        side.transport.take(command.size);
        break;
      case 'deliver':
        if (!side.transport.paused || command.although) this.deliver(side, command.size);
        break;
      case 'advance':
        this.advance(command.milliseconds);
        break;
      case 'reset':
        side.transport.reset();
        this.torn = true;
        break;
    }
    if (++this.#step % this.#turnLength === 0) this.endTurn();
  }

  deliver(side: Side, size: number): boolean {
    const happened = side.transport.deliver(size);
    if (happened) side.heardAt = this.clock.now();
    return happened;
  }

  /** Lets time pass, as a timer would: nothing is looked at that is not due. */
  advance(milliseconds: number): void {
    this.endTurn();
    this.clock.advance(milliseconds);
    const now = this.clock.now();
    for (const side of this.sides) {
      const { connection, transport, isOpen } = side;
      if (now < connection.deadline) continue;
      const wasDestroyed = transport.destroyed;
      const waiting = transport.writableLength;
      connection.tick();
      expect(connection.deadline, 'a deadline that is over').toBeGreaterThan(now);
      if (wasDestroyed || !transport.destroyed) continue;
      this.torn = true;
      if (isOpen) {
        // Given up: it must have been silent, and we must have had a way to know.
        expect(now - side.heardAt).toBeGreaterThanOrEqual(PING_TIMEOUT);
        if (transport.paused) expect(waiting).toBeGreaterThan(0);
      } else {
        expect(now - side.closingSince).toBeGreaterThanOrEqual(CLOSE_TIMEOUT);
      }
    }
  }

  /** What is due at the end of a turn: flushes, and what transports tell later. */
  private endTurn(): void {
    let turns = 0;
    let busy = true;
    while (busy) {
      busy = false;
      for (const side of this.sides) {
        if (side.pending) {
          side.pending = false;
          side.connection.flush();
          busy = true;
        }
        busy = side.transport.runEvents() || busy;
      }
      expect(turns++, 'turns that do not end').toBeLessThan(1_000);
    }
    for (const side of this.sides) {
      expect(side.violations).toEqual([]);
      expect(side.transport.wroteAfterEnd).toBe(false);
      if (!this.torn) expect(side.transport.destroyed).toBe(false);
      if (!side.isOpen && Number.isNaN(side.closingSince)) side.closingSince = this.clock.now();
    }
  }

  /** The network works, and everybody reads. */
  settle(): void {
    for (const side of this.sides) side.transport.unstick();
    this.endTurn();
    let steps = 0;
    let busy = true;
    while (busy) {
      busy = false;
      for (const side of this.sides) {
        if (side.paused) {
          side.resume();
          busy = true;
        }
        this.endTurn();
        busy = this.deliver(side, 50_000) || side.paused || busy;
        this.endTurn();
      }
      expect(steps++, 'steps until all is delivered').toBeLessThan(1_000);
    }
  }

  /** What must be true when nothing is on its way any more. */
  check(): void {
    for (const side of this.sides) {
      const { messages } = readWire(side);
      expect(messages).toEqual(side.sent.slice(0, messages.length));
      if (!this.torn) expect(messages).toHaveLength(side.sent.length);
      const { peer } = side;
      // All that the network took has come to a peer that did not leave itself.
      if (peer.said === null && !peer.transport.destroyed) {
        expect(peer.received).toBe(messages.length);
      }
    }
    if (this.torn) return;
    for (const side of this.sides) {
      if (side.isOpen) {
        if (!side.isHeldUp) {
          expect(side.refused, 'send was false, and onDrain did not come').toBe(false);
        }
        // Section 5.5.3: at least the newest Ping has its Pong.
        const { pings } = readWire(side);
        expect(side.answered.at(-1)).toBe(pings.at(-1));
        expect(isSubsequence(side.answered, pings)).toBe(true);
      }
    }
  }

  checkEnd(): void {
    for (const side of this.sides) {
      expect(side.connection.readyState).toBe(READY_STATE.CLOSED);
      expect(side.closes).toHaveLength(1);
      const [close] = side.closes;
      if (!this.torn) expect(close).toBe(side.cleanClose);
      else if (side.terminated) expect(close).toBe('1006  unclean');
      else expect([side.cleanClose, '1006  unclean']).toContain(close);
    }
  }
}

function isSubsequence(some: string[], all: string[]): boolean {
  let at = 0;
  for (const each of all) if (each === some[at]) at++;
  return at === some.length;
}

/** The whole frames in `wire`, whose last one may have been cut off. */
function wholeFrames(wire: Buffer): ReadFrame[] {
  let end = 0;
  while (end + 2 <= wire.length) {
    const [head, length] = [end, wire[end + 1]! & 0x7f];
    end += 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (wire[head + 1]! < 0x80 ? 0 : 4);
    if (end > wire.length) return readFrames(wire.subarray(0, head));
    if (length < 126) end += length;
    else if (length === 126) end += wire.readUInt16BE(head + 2);
    else end += Number(wire.readBigUInt64BE(head + 2));
    if (end > wire.length) return readFrames(wire.subarray(0, head));
  }
  return readFrames(wire.subarray(0, end));
}

/** What went over the wire from here, read and judged by somebody else. */
function readWire(side: Side): { messages: string[]; pings: string[] } {
  const messages: string[] = [];
  const pings: string[] = [];
  let opcode = 0;
  let payload = '';
  let closes = 0;
  for (const frame of wholeFrames(Buffer.concat(side.transport.log))) {
    expect([frame.masked, frame.rsv]).toEqual([side.role === 'client', 0]);
    if (frame.opcode === CLOSE) closes++;
    if (frame.opcode === PING) pings.push(frame.payload.toString('latin1'));
    if (frame.opcode >= CLOSE) {
      expect(frame.fin).toBe(true);
      continue;
    }
    expect(closes, 'data behind a Close').toBe(0);
    expect(frame.opcode === 0, 'a continuation of a message').toBe(opcode !== 0);
    if (opcode === 0) opcode = frame.opcode;
    payload += frame.payload.toString();
    if (!frame.fin) continue;
    messages.push(`${opcode} ${payload}`);
    opcode = 0;
    payload = '';
  }
  expect(closes).toBeLessThanOrEqual(1);
  return { messages, pings };
}
