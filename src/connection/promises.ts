/**
 * What an application may wait for on a socket, made when it first waits: the Pong of its Ping,
 * room to send, the end of what was sent, the end of the connection.
 *
 * @module
 */

import { ConnectionClosedError } from '../errors.ts';
import type { Connection } from './connection.ts';
import { checkControl } from './payload.ts';
import { PendingPings } from './pings.ts';
import type { CloseResult, NodeTransport } from './socket-events.ts';
import { READY_STATE } from './state.ts';
import { Waiters, quiet } from './waiters.ts';

const NO_BYTES: Buffer = Buffer.alloc(0);

/** How a connection has ended as long as that is not known: without a Close (section 7.1.5). */
const UNKNOWN: CloseResult = { code: 1006, reason: '', wasClean: false };

export function closedError({ code, reason }: CloseResult = UNKNOWN): ConnectionClosedError {
  return new ConnectionClosedError(code, reason);
}

export class SocketPromises {
  readonly #connection: Connection;
  readonly #transport: NodeTransport;

  readonly #pings = new PendingPings(performance);
  readonly #drainWaiters = new Waiters();
  readonly #fragmentWaiters = new Waiters();
  readonly #flushWaiters = new Waiters();
  readonly #closeCallbacks = new Set<() => void>();
  #closed: Promise<CloseResult> | null = null;
  #result: CloseResult | null;

  /**
   * @param result - how the connection ended, where it has
   */
  constructor(connection: Connection, transport: NodeTransport, result: CloseResult | null) {
    this.#connection = connection;
    this.#transport = transport;
    this.#result = result;
  }

  /**
   * Sends a Ping, and resolves with the milliseconds until its Pong.
   *
   * @throws {TypeError | RangeError} for a payload that fits no Ping
   */
  ping(payload: Uint8Array | undefined, signal: AbortSignal | undefined): Promise<number> {
    const bytes = payload ?? this.#pings.payload();
    checkControl(bytes);
    if (!this.isOpen) return this.rejected();
    // The waiting is over before it began.
    if (signal?.aborted === true) return new Waiters<number>().wait(signal);
    if (this.#pings.isFull || !this.#connection.hasControlRoom()) {
      return quiet(Promise.reject(new Error('there is no room for another Ping')));
    }
    this.#connection.ping(bytes);
    return this.#pings.wait(bytes, signal);
  }

  drained(signal: AbortSignal | undefined): Promise<void> {
    if (!this.isOpen) return this.rejected();
    if (this.#connection.hasRoom()) return Promise.resolve();
    return this.#drainWaiters.wait(signal);
  }

  /**
   * The same for a fragment of so many bytes, which does not wait for what waits for the end of its
   * message.
   */
  async fragmentRoom(size: number): Promise<void> {
    while (!this.#connection.hasFragmentRoom(size)) {
      // What is pending may leave at once; where not, the transport tells when it drains.
      this.#connection.flush();
      if (this.#connection.hasFragmentRoom(size)) return;
      if (!this.isOpen) throw closedError(this.#result ?? UNKNOWN);
      await this.#fragmentWaiters.wait();
    }
  }

  flushed(signal: AbortSignal | undefined): Promise<void> {
    if (!this.isOpen) return this.rejected();
    return this.#flushWaiters.wait(signal, (resolve) => {
      this.#connection.takeTurn((granted) => {
        // Otherwise the connection ends, and that rejects.
        if (!granted) return;
        this.#connection.flush();
        // A stream calls back when all that was written before has gone.
        this.#transport.write(NO_BYTES, (error) => {
          if (error === undefined || error === null) resolve();
        });
      });
    });
  }

  /** Resolves when the transport is gone. */
  closed(): Promise<CloseResult> {
    this.#closed ??= new Promise((resolve) => {
      if (this.#result === null) this.onceClosed(() => resolve(this.#result!));
      else resolve(this.#result);
    });
    return this.#closed;
  }

  /** Calls back when the transport is gone, before any listener is told. */
  onceClosed(callback: () => void): () => void {
    if (this.#result === null) this.#closeCallbacks.add(callback);
    else callback();
    return () => void this.#closeCallbacks.delete(callback);
  }

  // ── What happens ──────────────────────────────────────────────────────────────────────────

  hearPong(source: Buffer, start: number, end: number): void {
    this.#pings.hearPong(source, start, end);
  }

  onDrain(): void {
    if (this.#drainWaiters.size > 0 && this.#connection.hasRoom()) this.#drainWaiters.resolve();
    this.#fragmentWaiters.resolve();
  }

  onClose(result: CloseResult): void {
    this.#result = result;
    const error = closedError(result);
    this.#pings.reject(error);
    this.#drainWaiters.reject(error);
    this.#fragmentWaiters.reject(error);
    this.#flushWaiters.reject(error);
    for (const callback of this.#closeCallbacks) callback();
    this.#closeCallbacks.clear();
  }

  private get isOpen(): boolean {
    return this.#connection.readyState === READY_STATE.OPEN;
  }

  private rejected<Value>(): Promise<Value> {
    return quiet(Promise.reject(closedError(this.#result ?? UNKNOWN)));
  }
}
