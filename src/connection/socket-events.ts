/**
 * What a socket tells, as events and as hooks, and what it asks of its transport. Types alone.
 *
 * @module
 */

import type { EventEmitter } from 'node:events';
import type { Alarms } from './alarm.ts';
import type { Message } from './delivery.ts';
import type { MessageStream } from './message-stream.ts';
import type { ExcessAnswer, RateName } from './rate-limit.ts';
import type { Transport } from './transport.ts';

/** A transport of Node: a `net.Socket`, a `tls.TLSSocket`. */
export interface NodeTransport extends Transport {
  /** `callback` is called when these bytes, and all before them, went to the network. */
  write(bytes: Uint8Array, callback?: (error?: Error | null) => void): boolean;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'end' | 'close' | 'drain', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** How a connection ended. */
export interface CloseResult {
  /** Of the peer's Close. 1005: it had none. 1006: there was no Close (RFC 6455, section 7.1.5). */
  readonly code: number;
  readonly reason: string;
  /** Whether both ends sent a Close before TCP ended. */
  readonly wasClean: boolean;
}

/** Listeners of a `Socket`, by event. */
export interface SocketEvents {
  /**
   * A message: a string for a text, a Buffer of its own for a binary. The next one comes when all
   * promises that listeners returned for this one have settled.
   */
  message: [message: Message, binary: boolean];
  /** A message that is only beginning, while anybody listens: then `message` does not tell it. */
  stream: [stream: MessageStream];
  ping: [payload: Buffer];
  pong: [payload: Buffer];
  /** After `send` returned false: there is room again. */
  drain: [];
  /**
   * A `ProtocolError`: the peer broke the protocol, and the connection was failed. Or what a
   * listener of this socket threw: the connection is closed with 1011. Where nobody listens the
   * process lives on all the same.
   */
  error: [error: Error];
  /** The connection has ended, and what came before has been handled. */
  close: [code: number, reason: string, wasClean: boolean];
}

/** Who made a socket. */
export interface EndpointOwner {
  /** Those of its sockets that look at the clock some time. Default: each is alone. */
  readonly alarms?: Alarms | undefined;
  /** The transport is gone. Called before any listener is told. */
  onReleased(socket: EventEmitter<SocketEvents>): void;
  /** What the application threw, where the socket has neither a hook nor a listener for errors. */
  onUnheard(error: Error, socket: EventEmitter<SocketEvents>): void;
}

/** What an application does with a socket. What it throws or rejects with closes it with 1011. */
export interface SocketHooks<S> {
  /** The socket is open. Messages wait until this is done. */
  readonly open?: ((socket: S) => unknown) | undefined;
  /** One at a time, in order: the next one waits until this is done. */
  readonly message?: ((socket: S, message: Message, binary: boolean) => unknown) | undefined;
  /** Instead of `message`: every message as a stream, while it arrives. */
  readonly stream?: ((socket: S, stream: MessageStream) => unknown) | undefined;
  readonly ping?: ((socket: S, payload: Buffer) => unknown) | undefined;
  readonly pong?: ((socket: S, payload: Buffer) => unknown) | undefined;
  readonly drain?: ((socket: S) => unknown) | undefined;
  /**
   * The peer sends faster than `rateLimit` allows: decides what becomes of this message, or of this Ping
   * or Pong. It is called for each, and before anything of it is kept. Answers nothing for `onExceeded`.
   */
  readonly excess?: ((socket: S, rate: RateName) => ExcessAnswer | undefined | void) | undefined;
  /** As the event of that name. */
  readonly error?: ((socket: S, error: Error) => unknown) | undefined;
  readonly close?:
    | ((socket: S, code: number, reason: string, wasClean: boolean) => unknown)
    | undefined;
}
