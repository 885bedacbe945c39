/**
 * One connection over memory that is given bytes, and then ends: what its handler was told, what it
 * sent, and what must hold whatever the bytes were.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { Connection } from '../src/connection/connection.ts';
import type { ConnectionHandler, ConnectionOptions, Role } from '../src/connection/handler.ts';
import { resolveLimits } from '../src/connection/limits.ts';
import { DEFAULT_DEFLATE } from '../src/extension/deflate-options.ts';
import { PerMessageDeflate } from '../src/extension/permessage-deflate.ts';
import { isWireCloseCode } from '../src/frame/close-code.ts';
import { VIOLATION } from '../src/frame/violation.ts';
import { type ReadFrame, readFrames } from '../test/support/bytes.ts';
import { ManualClock } from '../test/support/manual-clock.ts';
import { MemoryTransport } from '../test/support/memory-transport.ts';
import { check, checkSame } from './target.ts';

/** How an end is set up: what an input says in its first bytes. */
export interface Setting {
  readonly role: Role;
  readonly inPieces: boolean;
  /** Sends each message back. */
  readonly echoes: boolean;
  readonly autoPong: boolean;
  readonly text: 'string' | 'buffer';
  /** Calls `close` when the first message has come. */
  readonly closes: boolean;
  readonly maxPayload: number;
  readonly maxFragments: number;
  /** Null where permessage-deflate was not negotiated. */
  readonly deflate: { readonly peerTakeover: boolean; readonly peerWindowBits: number } | null;
  /** By which the wire is cut. */
  readonly seed: number;
}

const SETTING_SIZE = 4;
const MAX_PAYLOADS = [1024 * 1024, 1024 * 1024, 125, 1_000, 65_536, 0, 10, 200_000];
const MAX_FRAGMENTS = [16_384, 16_384, 1, 3];
const WINDOW_BITS = [15, 15, 9, 12];

/** @returns how the end is set up, and what its peer sends */
export function readInput(input: Buffer, deflates: boolean): [setting: Setting, wire: Buffer] {
  const [flags = 0, sizes = 0, counts = 0, seed = 0] = input.subarray(0, SETTING_SIZE);
  const setting: Setting = {
    role: (flags & 1) === 0 ? 'client' : 'server',
    inPieces: (flags & 2) !== 0,
    echoes: (flags & 4) !== 0,
    autoPong: (flags & 8) === 0,
    text: (flags & 16) === 0 ? 'buffer' : 'string',
    closes: (flags & 0xe0) === 0xe0,
    maxPayload: MAX_PAYLOADS[sizes % MAX_PAYLOADS.length]!,
    maxFragments: MAX_FRAGMENTS[counts & 3]!,
    deflate: deflates
      ? { peerTakeover: (counts & 4) === 0, peerWindowBits: WINDOW_BITS[(counts >> 3) & 3]! }
      : null,
    seed,
  };
  return [setting, Buffer.from(input.subarray(SETTING_SIZE))];
}

export interface Played {
  /** `text …`, `binary …`, `ping …`, `pong …`, `error CODE`, `close CODE`, in their order. */
  readonly events: string[];
  readonly sent: ReadFrame[];
  readonly transport: MemoryTransport;
}

/** Long payloads by their digest. */
export function nameBytes(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.subarray(0, 40)).toString('hex');
  return bytes.length <= 40
    ? hex
    : `${bytes.length} ${createHash('sha1').update(bytes).digest('hex')}`;
}

/** A connection, and what becomes of it. */
class Play implements ConnectionHandler {
  readonly events: string[] = [];
  readonly transport = new MemoryTransport();
  readonly clock = new ManualClock();
  readonly connection: Connection;
  readonly #setting: Setting;
  #pieces: Buffer[] = [];
  #isPending = false;
  #thrown: unknown = null;

  constructor(setting: Setting, keepContexts: boolean) {
    this.#setting = setting;
    const { deflate, maxPayload, maxFragments, autoPong, text } = setting;
    const options: ConnectionOptions = {
      ...resolveLimits({ maxPayload, maxFragments, maxBackpressure: Infinity }),
      autoPong,
      text,
      mayOverwrite: true,
    };
    this.connection = new Connection(
      setting.role,
      this.transport,
      this,
      this.clock,
      options,
      deflate === null
        ? null
        : new PerMessageDeflate(
            { ...DEFAULT_DEFLATE, threshold: 0, keepContexts },
            { ownTakeover: true, ownWindowBits: 15, ...deflate },
          ),
    );
    if (setting.inPieces) this.connection.giveInPieces(true);
  }

  onMessage(opcode: number, source: Buffer, start: number, end: number, ascii: boolean): void {
    const bytes = Buffer.from(source.subarray(start, end));
    check(!this.#setting.inPieces, 'a message came whole, and not in pieces');
    if (ascii)
      check(
        bytes.every((byte) => byte < 0x80),
        'a message is not ASCII',
      );
    this.take(opcode, bytes);
  }

  onPiece(opcode: number, source: Buffer, start: number, end: number, last: boolean): void {
    this.#pieces.push(Buffer.from(source.subarray(start, end)));
    if (!last) return;
    const bytes = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.take(opcode, bytes);
  }

  private take(opcode: number, bytes: Buffer): void {
    check(opcode === 1 || opcode === 2, 'a message has another opcode', opcode);
    check(bytes.length <= this.#setting.maxPayload, 'a message is too large', bytes.length);
    if (opcode === 1) {
      check(Buffer.from(bytes.toString()).equals(bytes), 'a text is not valid UTF-8', bytes);
    }
    this.tell(`${opcode === 1 ? 'text' : 'binary'} ${nameBytes(bytes)}`);
    if (this.#setting.echoes) this.connection.send(opcode === 1 ? 1 : 2, bytes);
    if (this.#setting.closes) this.connection.close(4000, 'enough');
  }

  onPing(source: Buffer, start: number, end: number): void {
    this.tell(`ping ${source.toString('hex', start, end)}`);
  }

  onPong(source: Buffer, start: number, end: number): void {
    this.tell(`pong ${source.toString('hex', start, end)}`);
  }

  onDrain(): void {}

  onPending(): void {
    this.#isPending = true;
  }

  onError({ code, closeCode }: { readonly code: string; readonly closeCode: number }): void {
    const row = Object.entries(VIOLATION).find(([name]) => `WS_ERR_${name}` === code);
    check(row !== undefined && row[1][0] === closeCode, 'an error is in no table', code, closeCode);
    this.tell(`error ${code}`);
  }

  onClose(code: number, reason: string, wasClean: boolean): void {
    check(code === 1005 || code === 1006 || isWireCloseCode(code), 'such a code cannot be', code);
    this.tell(`close ${code} ${reason} ${wasClean}`);
  }

  onThrown(error: unknown): void {
    this.#thrown ??= error;
  }

  private tell(event: string): void {
    check(
      !this.events.some((one) => one.startsWith('close')),
      'something came behind the end',
      event,
    );
    this.events.push(event);
  }

  /** Until nothing is worked at elsewhere. */
  async settle(): Promise<void> {
    do {
      this.flush();
      // (In the void, for what was resting has its turn in an immediate too.)
      if (this.transport.paused) await turn();
    } while (this.transport.paused || this.#isPending);
    if (this.#thrown !== null) throw this.#thrown;
  }

  private flush(): void {
    if (!this.#isPending) return;
    this.#isPending = false;
    this.connection.flush();
  }

  receive(piece: Buffer): void {
    const before = this.events.length;
    const wasOver = this.isOver;
    this.connection.receive(piece);
    // What is beyond a Close or a violation means nothing any more.
    if (wasOver) checkSame(this.events.length, before, 'something came behind a Close');
  }

  /** Whether we have ended our direction, or nothing more is read. */
  private get isOver(): boolean {
    return this.transport.ended || this.events.some((one) => one.startsWith('error'));
  }

  /** The network goes: FIN, then all of it; and nothing may happen then. */
  async end(): Promise<void> {
    const { connection, transport } = this;
    connection.receiveEnd();
    await this.settle();
    check(transport.ended || transport.destroyed, 'a transport that has ended was not ended');
    this.clock.advance(1e7);
    connection.tick();
    connection.receiveTransportClose();
    await this.settle();
    const count = this.events.length;
    check(this.events.at(-1)?.startsWith('close') === true, 'there is no close at the end');
    const writes = transport.writes.length;
    connection.receive(Buffer.from('8a00810161', 'hex'));
    connection.receiveEnd();
    connection.receiveTransportClose();
    connection.receiveDrain();
    connection.send(1, 'x');
    connection.close(1000);
    connection.tick();
    connection.flush();
    checkSame(this.events.length, count, 'something happened behind the end');
    checkSame(transport.writes.length, writes, 'something was sent behind the end');
    check(connection.deadline === Infinity, 'a connection that is over waits for something');
  }
}

/** Gives these pieces to a connection, and ends it. */
export async function play(
  setting: Setting,
  pieces: readonly Buffer[],
  keepContexts: boolean = true,
): Promise<Played> {
  const one = new Play(setting, keepContexts);
  for (const piece of pieces) one.receive(piece);
  await one.settle();
  await one.end();
  const { events, transport } = one;
  const sent = readFrames(transport.wire);
  checkSent(setting, events, sent);
  return { events, sent, transport };
}

/** What may be sent, and when. */
function checkSent(setting: Setting, events: readonly string[], sent: readonly ReadFrame[]): void {
  const masked = setting.role === 'client';
  check(
    sent.every((frame) => frame.masked === masked),
    'a mask is missing, or too much',
  );
  const closes = sent.filter(({ opcode }) => opcode === 8);
  check(closes.length <= 1, 'more than one Close was sent');
  // Section 5.5.2: a Ping is answered until the peer's own Close has come.
  const behind = closes.length === 0 ? [] : sent.slice(sent.indexOf(closes[0]!) + 1);
  const isTooLate = behind.some(({ opcode }) => opcode !== 10 || !setting.closes);
  check(!isTooLate, 'something was sent behind the Close');

  // (A Close of ours may have gone out before the peer broke a rule.)
  const code = closes[0]?.payload.subarray(0, 2);
  const failure = events.find((event) => event.startsWith('error'))?.slice('error WS_ERR_'.length);
  const end = events.at(-1)!.split(' ')[1];
  if (failure !== undefined && code?.readUInt16BE() !== 4000) {
    const row = Object.entries(VIOLATION).find(([name]) => name === failure);
    checkSame(code?.readUInt16BE(), row?.[1][0], 'a violation is not told to the peer by its code');
  } else if (failure === undefined && end !== '1006') {
    check(closes.length === 1, 'a Close has no answer');
  }

  const pings = events.filter((event) => event.startsWith('ping')).map((event) => event.slice(5));
  let at = 0;
  for (const { opcode, payload } of sent) {
    if (opcode !== 10) continue;
    check(setting.autoPong, 'a Pong was sent, where none is wanted');
    // Behind our own Close, nobody is told of a Ping.
    if (setting.closes) continue;
    at = pings.indexOf(payload.toString('hex'), at) + 1;
    check(at > 0, 'a Pong answers no Ping, or in another order', payload.toString('hex'));
  }
  if (setting.deflate !== null) return;
  const messages = events.filter((event) => /^(?:text|binary) /.test(event));
  const echoes = sent
    .filter(({ opcode }) => opcode < 8)
    .map(({ opcode, payload }) => `${opcode === 1 ? 'text' : 'binary'} ${nameBytes(payload)}`);
  check(setting.echoes || echoes.length === 0, 'what nobody has sent went out');
  checkSame(echoes, messages.slice(0, echoes.length), 'what was sent is not what was to be sent');
}
