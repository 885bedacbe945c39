/**
 * A transport that is in its handshake: from the moment it is accepted to the answer. It has one
 * deadline for all of that, and somebody who listens for errors at every moment.
 *
 * @module
 */

import type { Duplex } from 'node:stream';
import { type TransportListener, bind, catchErrors, unbind } from '../connection/binding.ts';
import { HandshakeError } from '../errors.ts';
import {
  type HeadLimits,
  type RequestHead,
  RequestHeadParser,
  readRequestHead,
} from '../handshake/http1.ts';
import { refusal } from '../handshake/refusal.ts';
import type { Pending } from './arrivals.ts';
import type { Caller } from './callers.ts';
import type { UpgradeProgress } from './request.ts';
import type { ServerSocket } from './server-socket.ts';

/** What an {@link Arrival} tells its server. After the second or the third, it is over. */
export interface ArrivalOwner {
  /** The head of the request has come. */
  onHead(arrival: Arrival, head: RequestHead): void;
  /** The request is malformed, or takes too long: to be answered with this. */
  onRefused(arrival: Arrival, error: HandshakeError, method?: string): void;
  /** The client has left. There is nobody to answer. */
  onLeft(arrival: Arrival): void;
}

/** Who waits for the outcome of an upgrade, beside the client. */
export interface Waiting {
  readonly resolve?: (socket: ServerSocket) => void;
  readonly reject?: (error: Error) => void;
  /** Where other servers may take it. Otherwise it is refused with 404. */
  readonly onPassed?: (rest: Buffer) => void;
}

export const NOBODY: Waiting = {};

/** What may come behind the head before its answer: first frames, of a client that does not wait. */
const MAX_REST_SIZE = 64 * 1024;

const NO_BYTES: Buffer = Buffer.alloc(0);

export class Arrival implements UpgradeProgress, TransportListener, Pending {
  readonly transport: Duplex;
  readonly waiting: Waiting;
  /** Who is at the other end, where proxies are trusted. Null where it can only be the peer. */
  caller: Caller | null = null;
  readonly #owner: ArrivalOwner;
  /** Null when the head has come. */
  #limits: HeadLimits | null;
  /** Made where the head does not come whole, or has a mistake. */
  #parser: RequestHeadParser | null = null;
  /** What has come behind the head. */
  #chunks: Buffer[] | null = null;
  #restSize = 0;
  #isOver = false;
  #isPaused = false;
  #reason: HandshakeError | null = null;
  #controller: AbortController | null = null;

  // Pending: the place in the list of those that are in their handshake.
  previous: Pending | null = null;
  next: Pending | null = null;
  deadline: number | null = null;

  /**
   * @param limits - for the head; null where it was read by somebody else
   * @param rest - bytes that came behind the head
   * @param waiting - who waits for the outcome, beside the client
   */
  constructor(
    transport: Duplex,
    owner: ArrivalOwner,
    limits: HeadLimits | null,
    rest: Buffer = NO_BYTES,
    waiting: Waiting = NOBODY,
  ) {
    this.transport = transport;
    this.waiting = waiting;
    this.#owner = owner;
    this.#limits = limits;
    catchErrors(transport);
    bind(transport, this);
    // Somebody may have paused it while deciding whether to hand it over.
    transport.resume();
    if (rest.length > 0) this.keep(rest);
  }

  /** Whether it has an answer, or needs none any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason !== null) this.#controller.abort(this.#reason);
    return this.#controller.signal;
  }

  /**
   * The answer is about to be sent, or there will be none: from here on, the transport is somebody
   * else's.
   *
   * @param reason - why nobody waits for a decision any more
   * @returns what came behind the head
   */
  finish(reason: HandshakeError | null = null): Buffer {
    unbind(this.transport);
    this.#reason = reason;
    if (reason !== null) this.#controller?.abort(reason);
    return this.handOver();
  }

  /**
   * The same where the answer was sent, and somebody is bound to the transport before anything can
   * happen to it.
   */
  handOver(): Buffer {
    this.#isOver = true;
    // (In the next tick: whoever goes on listens by then.)
    if (this.#isPaused) this.transport.resume();
    const chunks = this.#chunks;
    if (chunks === null) return NO_BYTES;
    this.#chunks = null;
    this.#restSize = 0;
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  }

  receive(chunk: Buffer): void {
    if (this.#limits === null) this.keep(chunk);
    else this.readHead(chunk, this.#limits);
  }

  private readHead(chunk: Buffer, limits: HeadLimits): void {
    let head: RequestHead | null;
    let at: number;
    const whole = this.#parser === null ? readRequestHead(chunk, limits) : null;
    if (whole !== null) {
      head = whole;
      at = whole.end;
    } else {
      try {
        this.#parser ??= new RequestHeadParser(limits);
        at = this.#parser.push(chunk);
        head = this.#parser.head;
      } catch (error) {
        if (!(error instanceof HandshakeError)) throw error;
        this.refuse(error);
        return;
      }
    }
    if (head === null) return;
    if (at < chunk.length) this.keep(chunk.subarray(at));
    this.#limits = null;
    this.#parser = null;
    this.#owner.onHead(this, head);
  }

  private keep(chunk: Buffer): void {
    // Copied together once: they may be many, and small.
    (this.#chunks ??= []).push(chunk);
    this.#restSize += chunk.length;
    if (this.#restSize < MAX_REST_SIZE) return;
    this.#isPaused = true;
    this.transport.pause();
  }

  /** FIN: who has nothing more to say in the middle of its handshake waits for nothing. */
  receiveEnd(): void {
    this.receiveClose();
  }

  receiveClose(): void {
    this.finish(refusal('LEFT'));
    this.transport.destroy();
    this.#owner.onLeft(this);
  }

  receiveError(): void {
    this.transport.destroy();
  }

  receiveDrain(): void {
    // Nothing was written yet.
  }

  /** The time is over. */
  giveUp(): void {
    this.refuse(refusal(this.#limits === null ? 'UNDECIDED' : 'TIMEOUT'));
  }

  private refuse(error: HandshakeError): void {
    this.finish(error);
    this.#owner.onRefused(this, error, this.#parser?.method);
  }
}
