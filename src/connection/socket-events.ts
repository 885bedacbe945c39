/**
 * What a socket tells, as events and as hooks, and what it asks of its transport. Types alone.
 *
 * @module
 */

import type { Message } from './delivery.ts';
import type { MessageStream } from './message-stream.ts';
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
  /** As the event of that name. */
  readonly error?: ((socket: S, error: Error) => unknown) | undefined;
  readonly close?:
    | ((socket: S, code: number, reason: string, wasClean: boolean) => unknown)
    | undefined;
}
