/**
 * What a connection speaks to, and what it is told when it is made. Types alone.
 *
 * @module
 */

import type { ProtocolError } from '../errors.ts';
import type { MessageOpcode } from '../frame/opcode.ts';
import type { ConnectionLimits } from './limits.ts';
import type { ExcessAnswer, RateLimit, RateName } from './rate-limit.ts';

/** A server does not mask and closes TCP first; a client masks and waits (sections 5.1, 7.1.1). */
export type Role = 'client' | 'server';

/**
 * What a connection speaks to. Bytes are `source[start, end)`, and the handler's for as long as
 * the call lasts: what it keeps, it copies. Every method may call the connection again. One that
 * throws fails the connection with 1011, and `receive` throws what it threw.
 */
export interface ConnectionHandler {
  /**
   * A whole message. A text is valid UTF-8; `ascii` is true where it is known to be ASCII.
   * None comes after `close`, nor after the peer's Close.
   */
  onMessage(
    opcode: MessageOpcode,
    source: Buffer,
    start: number,
    end: number,
    ascii: boolean,
  ): void;
  /**
   * The next bytes of a message, after `Connection.giveInPieces`. A text is valid UTF-8 so far; a
   * piece may end within a character. Only who asks for pieces needs it.
   */
  onPiece?(opcode: MessageOpcode, source: Buffer, start: number, end: number, last: boolean): void;
  /** A Ping, which `autoPong` has answered. */
  onPing(source: Buffer, start: number, end: number): void;
  /** A Pong, asked for or not. */
  onPong(source: Buffer, start: number, end: number): void;
  /** After `send` answered false: there is room again. */
  onDrain(): void;
  /** Bytes wait that were not sent from inside `receive`: `flush` is due before this turn ends. */
  onPending(): void;
  /** The connection was failed, with a Close of this `closeCode`. `onClose` follows. */
  onError(error: ProtocolError): void;
  /**
   * The transport is gone; called once, and nothing after it. 1005: the peer's Close had no code.
   * 1006: the peer sent no Close (section 7.1.5).
   */
  onClose(code: number, reason: string, wasClean: boolean): void;
  /**
   * What another method threw where nobody had called the connection: after a large message was
   * inflated or compressed elsewhere, or for messages that had to wait for those of other peers.
   * Without this method, it is thrown into the void.
   */
  onThrown?(error: unknown): void;
  /**
   * A large message was compressed or inflated elsewhere, or messages were decoded that had to wait for
   * those of other peers, and what follows from it is done: `deadline` may be another by now.
   */
  onWorked?(): void;
  /**
   * The connection was open for as long as it may, or idle: `close` with 1001 and this reason is due.
   * Without this method, the connection does that itself.
   */
  onOverdue?(reason: string): void;
  /**
   * Whether the peer may well wait for an answer: a message of it is still being handled. Such a peer is
   * not idle. Default: false.
   */
  readonly isAnswering?: boolean;
  /**
   * A message, or a Ping or Pong, comes faster than `rateLimit` lets in. Answers what becomes of it;
   * undefined, or without this method: `onExceeded` of the limit.
   */
  onExcess?(rate: RateName): ExcessAnswer | undefined;
}

export interface ConnectionOptions extends ConnectionLimits {
  /** Whether a Ping is answered by itself. Default: true. */
  readonly autoPong?: boolean | undefined;
  /** How fast the peer may send; of `resolveRateLimit`. Default: as fast as it can. */
  readonly rateLimit?: RateLimit | null | undefined;
  /**
   * Whether the transport is done with bytes as soon as its `writableLength` is 0, so that the
   * memory that frames are written to can be used again. True for a `net.Socket` and a
   * `tls.TLSSocket`; not for a stream that hands chunks on as they are. Default: false, and every
   * frame is copied once more.
   */
  readonly mayOverwrite?: boolean | undefined;
  /**
   * What the handler makes of texts. `'string'`: it keeps no byte of them, so that their memory can be
   * used again. `'buffer'`: it may keep those that lie in memory of their own. Default: `'buffer'`.
   */
  readonly text?: 'string' | 'buffer' | undefined;
}
