/**
 * What an application sends on a connection: the half of connection.ts that looks at each call, and
 * tells whether it went out and whether there is room for more. It knows frames and queues by
 * outbound.ts; whether the connection is open, and what becomes of it, knows the other half.
 *
 * @module
 */

import type { ProtocolError } from '../errors.ts';
import type { PerMessageDeflate } from '../extension/permessage-deflate.ts';
import { type MessageOpcode, OPCODE } from '../frame/opcode.ts';
import { violation } from '../frame/violation.ts';
import { Deflating, type DeflatingOwner } from './deflating.ts';
import type { ConnectionOptions, Role } from './handler.ts';
import { DROPPED, OVERFLOW, Outbound, type SendResult } from './outbound.ts';
import { checkControl, checkMessage } from './payload.ts';
import type { PreparedMessage } from './prepared.ts';
import { Stateful } from './state.ts';
import type { Transport } from './transport.ts';
import type { Turn } from './waiting.ts';

const NO_BYTES: Buffer = Buffer.alloc(0);

export abstract class Sending extends Stateful implements DeflatingOwner {
  protected readonly role: Role;
  protected readonly transport: Transport;
  protected readonly options: ConnectionOptions;
  protected readonly deflate: PerMessageDeflate | null;

  /** Null where nothing waits to be sent: an idle connection does without it. */
  #outbound: Outbound | null = null;
  /** Bytes that the network took of those that are gone. */
  #takenBefore = 0;

  constructor(
    role: Role,
    transport: Transport,
    options: ConnectionOptions,
    deflate: PerMessageDeflate | null,
  ) {
    super();
    this.role = role;
    this.transport = transport;
    this.options = options;
    this.deflate = deflate;
  }

  protected get outbound(): Outbound {
    this.#outbound ??= new Outbound(
      this.role === 'client',
      this.transport,
      this.options,
      this.options.mayOverwrite ?? false,
      this.deflate === null ? null : new Deflating(this.deflate, this),
    );
    return this.#outbound;
  }

  /** All bytes that the network has taken so far. */
  protected get takenSize(): number {
    return this.#takenBefore + (this.#outbound?.takenSize ?? 0);
  }

  /** Something was flushed: where all of it is gone, nothing has to be remembered of it. */
  protected forgetSent(): void {
    const outbound = this.#outbound;
    if (outbound === null || !outbound.isForgettable) return;
    this.#takenBefore += outbound.takenSize;
    this.#outbound = null;
  }

  /** Whether there is something to do for `flush`. */
  protected get isPending(): boolean {
    return this.#outbound !== null && this.#outbound.isPending;
  }

  /** Something was sent: it has to leave some time. */
  protected abstract onSent(): void;
  /** A Ping was sent. */
  protected abstract onPinged(): void;
  /** Something that answers nothing was sent. */
  protected abstract announce(): void;
  protected abstract failBy(error: ProtocolError): void;
  abstract onDeflated(): void;
  abstract onDeflateFailed(): void;

  /** Bytes that wait to be sent, here and in the transport. */
  get bufferedAmount(): number {
    return this.#outbound?.bufferedAmount ?? this.transport.writableLength;
  }

  /** Messages that were dropped. */
  get dropped(): number {
    return this.#outbound?.dropped ?? 0;
  }

  /** Whether `send` would answer true now. Where not, `onDrain` follows. */
  hasRoom(): boolean {
    return this.#outbound === null || this.#outbound.hasRoom();
  }

  /** The same for `sendFragment`, with so many bytes. */
  hasFragmentRoom(size: number = 0): boolean {
    return this.outbound.hasFragmentRoom(size);
  }

  /** Whether `ping` and `pong` find room. Where not, `onDrain` follows. */
  hasControlRoom(): boolean {
    return this.outbound.hasControlRoom();
  }

  /** Whether a message is being sent as fragments, or others wait for its end. */
  get isInMessage(): boolean {
    return this.#outbound !== null && this.#outbound.mustWait;
  }

  /** Whether the network takes nothing, and more waits than the high-water mark. */
  get isBlocked(): boolean {
    return this.#outbound !== null && this.#outbound.isBlocked;
  }

  /**
   * Sends a message in one frame; behind a message that is being sent as fragments, once that has
   * ended. The bytes of a large binary (16 KiB and more) are not copied on a server: they must not
   * change before `bufferedAmount` is 0. Smaller ones and those of a client are. That a text given
   * as bytes is UTF-8 is the caller's duty.
   *
   * @param data - a string is sent as UTF-8; an unpaired surrogate becomes U+FFFD
   * @param compress - whether it may be compressed, where permessage-deflate is in use and its
   *   `threshold` is reached
   * @returns false when the message did not go out (the connection is not open, or the
   *   backpressure policy dropped it; see `readyState` and `dropped`) or when more waits now than
   *   `highWaterMark`: then `onDrain` follows
   * @throws {TypeError} for data that is neither a string nor a `Uint8Array`, and for an opcode
   *   that begins no message
   */
  send(opcode: MessageOpcode, data: string | Uint8Array, compress: boolean = true): boolean {
    checkMessage(opcode, data);
    if (!this.isOpen) return false;
    if (this.outbound.sendAtOnce(opcode, data)) {
      this.onSent();
      return this.isOpen && this.outbound.hasRoomBehind();
    }
    const result = this.outbound.sendMessage(opcode, data, compress);
    return this.hasSent(result);
  }

  /** Sends a message that was framed before. As {@link send}. */
  sendPrepared(message: PreparedMessage, compress: boolean = true): boolean {
    if (!this.isOpen) return false;
    if (this.outbound.sendPreparedAtOnce(message)) {
      this.onSent();
      return this.isOpen && this.outbound.hasRoomBehind();
    }
    const result = this.outbound.sendPrepared(message, compress);
    return this.hasSent(result);
  }

  /**
   * Asks for the turn to send fragments, or to do what comes behind all that was sent so far: at
   * once, or when the message under way has ended; with false where that will never be.
   */
  takeTurn(turn: Turn): void {
    if (this.isOpen) this.outbound.takeTurn(turn);
    else turn(false);
  }

  /**
   * Begins a message of fragments before the first is known: others wait from now on.
   *
   * @param compress - as for {@link send}, whatever the size: it is not known yet
   */
  beginMessage(compress: boolean = true): void {
    this.outbound.beginMessage(compress);
  }

  /**
   * Sends a message in several frames, of which `fin` is true for the last one. `opcode` counts
   * in the first. A string is encoded for itself, so a surrogate pair must not be torn.
   *
   * @returns as {@link send}, but that messages which wait for the end of this one do not count. A
   *   fragment that finds no room fails the connection with 1013, whatever the policy.
   */
  sendFragment(opcode: MessageOpcode, data: string | Uint8Array, fin: boolean): boolean {
    checkMessage(opcode, data);
    if (!this.isOpen) return false;
    const isSent = this.afterSend(this.outbound.sendFragment(opcode, data, fin));
    return isSent && this.outbound.hasFragmentRoom(0);
  }

  /**
   * Sends a Ping. Its Pong arrives at `onPong`.
   *
   * @returns false when it did not go out, or when the high-water mark is passed
   * @throws {TypeError} for a payload that is no `Uint8Array`
   * @throws {RangeError} for more than 125 bytes (section 5.5)
   */
  ping(payload: Uint8Array = NO_BYTES): boolean {
    return this.sendControl(OPCODE.PING, payload);
  }

  /** Sends a Pong that nobody asked for, or the answer to a Ping without `autoPong`. As `ping`. */
  pong(payload: Uint8Array = NO_BYTES): boolean {
    return this.sendControl(OPCODE.PONG, payload);
  }

  private hasSent(result: SendResult): boolean {
    // It may have failed meanwhile: zlib had no memory.
    return this.afterSend(result) && this.isOpen && this.outbound.hasRoom();
  }

  private afterSend(result: SendResult): boolean {
    if (result === OVERFLOW) {
      this.failBy(violation('READS_TOO_SLOWLY'));
      return false;
    }
    if (result === DROPPED) return false;
    this.onSent();
    return true;
  }

  private sendControl(opcode: number, payload: Uint8Array): boolean {
    checkControl(payload);
    if (!this.isOpen) return false;
    if (!this.outbound.hasControlRoom()) return false;
    this.outbound.sendControl(opcode, payload);
    if (opcode === OPCODE.PING) this.onPinged();
    this.announce();
    return this.outbound.hasRoom();
  }
}
