/**
 * One end of an open connection, as an application sees it: binds a `Connection` to a transport
 * of Node, to a clock and to timers. Events up, calls down.
 *
 * @module
 */

import { EventEmitter, captureRejectionSymbol } from 'node:events';
import { type ProtocolError, asError } from '../errors.ts';
import { encodeClosePayload } from '../frame/close-payload.ts';
import { type MessageOpcode, OPCODE } from '../frame/opcode.ts';
import { Connection, type ReadyState } from './connection.ts';
import type { ConnectionHandler, ConnectionOptions, Role } from './handler.ts';
import type { Transport } from './transport.ts';

/** A transport of Node: a `net.Socket`, a `tls.TLSSocket`. */
export interface NodeTransport extends Transport {
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'end' | 'close' | 'drain', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** Listeners of a {@link Socket}, by event. */
export interface SocketEvents {
  /** A message: a string for a text, a Buffer of its own for a binary. */
  message: [message: string | Buffer];
  ping: [payload: Buffer];
  pong: [payload: Buffer];
  /** After `send` returned false: there is room again. */
  drain: [];
  /**
   * A `ProtocolError`: the peer broke the protocol, and the connection was failed. Or what a
   * listener of this socket threw: the connection is closed with 1011. Where nobody listens the
   * process lives on all the same; the second becomes a warning of the process.
   */
  error: [error: Error];
  /** The connection has ended. 1005: the Close had no code. 1006: there was no Close. */
  close: [code: number, reason: string, wasClean: boolean];
}

/**
 * A copy costs less than what a view would keep alive: a chunk of up to 64 KiB for a few bytes. So
 * only a binary that fills at least half of its buffer is given out as a view of it.
 */
function own(source: Buffer, start: number, end: number): Buffer {
  return 2 * (end - start) >= source.length
    ? source.subarray(start, end)
    : copy(source, start, end);
}

function copy(source: Buffer, start: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafe(end - start);
  source.copy(bytes, 0, start, end);
  return bytes;
}

export class Socket extends EventEmitter<SocketEvents> {
  readonly #connection: Connection;
  /** What came behind the handshake, until it was read. */
  #head: Buffer | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** When the timer fires; it is left alone as long as that is early enough. */
  #timerAt = Number.POSITIVE_INFINITY;

  /**
   * @param head - bytes of the transport that came behind the handshake: the first frames
   * @param onEnd - called when the transport is gone, before any listener for `close`
   */
  constructor(
    role: Role,
    transport: NodeTransport,
    options: ConnectionOptions,
    head: Buffer,
    onEnd: () => void = () => {},
  ) {
    super({ captureRejections: true });
    this.#connection = new Connection(role, transport, this.handler(), performance, options);
    if (head.length > 0) {
      this.#head = Buffer.from(head);
      // Whoever made us adds listeners first.
      process.nextTick(() => this.receiveHead());
    }
    transport.on('data', (chunk) => {
      this.receiveHead();
      this.run(() => this.#connection.receive(chunk));
    });
    transport.on('end', () => {
      this.receiveHead();
      this.run(() => this.#connection.receiveEnd());
    });
    transport.on('drain', () => this.run(() => this.#connection.receiveDrain()));
    transport.on('close', () => {
      onEnd();
      this.run(() => this.#connection.receiveTransportClose());
    });
    // A reset: 'close' follows, and tells all that there is to tell (1006).
    transport.on('error', () => this.#connection.terminate());
    this.schedule();
  }

  // (A static block, since a declaration file cannot name a method by an imported symbol.)
  static {
    // A listener that is async and rejects: the same as one that throws.
    Socket.prototype[captureRejectionSymbol] = function failSocket(error, event, ..._rest) {
      // To tell a listener for errors of its own error would never end.
      if (event === 'error') warn(error);
      else this.failInternally(error);
    };
  }

  /** 1 open, 2 closing, 3 closed. */
  get readyState(): ReadyState {
    return this.#connection.readyState;
  }

  /** Bytes that wait to be sent. */
  get bufferedAmount(): number {
    return this.#connection.bufferedAmount;
  }

  /** Messages that were dropped by `backpressurePolicy`, or because the socket closed. */
  get dropped(): number {
    return this.#connection.dropped;
  }

  /** Milliseconds of the last round trip of a Ping and its Pong; NaN before there was one. */
  get latency(): number {
    return this.#connection.latency;
  }

  /**
   * Sends a text (a string) or a binary (bytes). Never throws because of the connection's state.
   * Bytes of 16 KiB and more are not copied on a server: while `bufferedAmount` is not 0 they must
   * not change.
   *
   * @returns false when the socket cannot take it (closed, or full) or is past its high-water
   *   mark: wait for `drain`
   */
  send(data: string | Uint8Array): boolean {
    const opcode = typeof data === 'string' ? OPCODE.TEXT : OPCODE.BINARY;
    const hasRoom = this.#connection.send(opcode, data);
    // It may have failed the connection, which must end some time then.
    if (!hasRoom) this.schedule();
    return hasRoom;
  }

  /** Sends a Ping, with at most 125 bytes. Answers as `send`. */
  ping(payload?: Uint8Array): boolean {
    return this.#connection.ping(payload);
  }

  /** Sends a Pong: unasked, or because `autoPong` is off. As `ping`. */
  pong(payload?: Uint8Array): boolean {
    return this.#connection.pong(payload);
  }

  /**
   * Starts the closing handshake (RFC 6455, section 7.1.2).
   *
   * @param code - 1000 to 1003, 1007 to 1014 or 3000 to 4999. Default: none, reported as 1005
   * @param reason - at most 123 bytes of UTF-8
   * @throws {TypeError | RangeError} for a code or a reason that must not be sent
   */
  close(code?: number, reason?: string): void {
    // What is wrong with the arguments is the caller's to know, and what a listener throws is not.
    encodeClosePayload(code, reason);
    this.run(() => this.#connection.close(code, reason));
  }

  /** Ends the connection at once, without a Close. */
  terminate(): void {
    this.#connection.terminate();
  }

  /** No `message` until `resume`; the peer is held back once buffers are full. */
  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.run(() => this.#connection.resume());
  }

  private handler(): ConnectionHandler {
    return {
      onMessage: (opcode, source, start, end, ascii) => {
        this.emit('message', readMessage(opcode, source, start, end, ascii));
      },
      onPing: (source, start, end) => {
        if (this.listenerCount('ping') > 0) this.emit('ping', copy(source, start, end));
      },
      onPong: (source, start, end) => {
        if (this.listenerCount('pong') > 0) this.emit('pong', copy(source, start, end));
      },
      onDrain: () => void this.emit('drain'),
      onPending: () => process.nextTick(() => this.run(() => this.#connection.flush())),
      onError: (error: ProtocolError) => this.tellError(error),
      onClose: (code, reason, wasClean) => void this.emit('close', code, reason, wasClean),
    };
  }

  /**
   * Ends this socket with 1011, for whoever catches what the application threw.
   *
   * @param thrown - told to `error`, or a warning of the process where nobody listens
   */
  failInternally(thrown: unknown): void {
    this.#connection.failInternally();
    if (this.listenerCount('error') === 0) warn(thrown);
    else this.tellError(asError(thrown));
    this.schedule();
  }

  private receiveHead(): void {
    const head = this.#head;
    if (head === null) return;
    this.#head = null;
    this.run(() => this.#connection.receive(head));
  }

  /** Runs one step of the connection. What a listener throws in it ends this socket, and no more. */
  private run(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.failInternally(error);
    }
    this.schedule();
  }

  /** An 'error' that nobody listens to would end the process, and so would a listener that throws. */
  private tellError(error: Error): void {
    if (this.listenerCount('error') === 0) return;
    try {
      this.emit('error', error);
    } catch (thrown) {
      warn(thrown);
    }
  }

  /** Makes sure that a timer fires when the connection wants to look at the clock. */
  private schedule(): void {
    const { deadline } = this.#connection;
    if (deadline >= this.#timerAt && deadline !== Number.POSITIVE_INFINITY) return;
    if (deadline === this.#timerAt) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#timerAt = deadline;
    if (deadline === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#timerAt = Number.POSITIVE_INFINITY;
        this.run(() => this.#connection.tick());
      },
      Math.max(0, deadline - performance.now()),
    );
    // The open transport keeps the process alive, and not the wait for its next Ping.
    this.#timer.unref();
  }
}

function readMessage(
  opcode: MessageOpcode,
  source: Buffer,
  start: number,
  end: number,
  ascii: boolean,
): string | Buffer {
  if (opcode === OPCODE.BINARY) return own(source, start, end);
  return source.toString(ascii ? 'latin1' : 'utf8', start, end);
}

/** A mistake of the application that nobody listens to: not lost, and not the end of the process. */
function warn(thrown: unknown): void {
  process.emitWarning(asError(thrown));
}
