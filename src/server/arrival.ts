/**
 * A transport that is in its handshake: from the moment it is accepted to the answer. It has one
 * deadline for all of that, and somebody who listens for errors at every moment.
 *
 * @module
 */

import type { Duplex } from 'node:stream';
import { type TransportListener, bind, catchErrors, unbind } from '../connection/binding.ts';
import { HandshakeError } from '../errors.ts';
import { type HeadLimits, type RequestHead, RequestHeadParser } from '../handshake/http1.ts';
import { refusal } from '../handshake/refusal.ts';
import type { UpgradeProgress } from './request.ts';

/** What an {@link Arrival} tells its server. After the second or the third, it is over. */
export interface ArrivalOwner {
  /** The head of the request has come. */
  onHead(arrival: Arrival, head: RequestHead): void;
  /** The request is malformed, or takes too long: to be answered with this. */
  onRefused(arrival: Arrival, error: HandshakeError, method?: string): void;
  /** The client has left. There is nobody to answer. */
  onLeft(arrival: Arrival): void;
}

/** What may come behind the head before its answer: first frames, of a client that does not wait. */
const MAX_REST_SIZE = 64 * 1024;

const NO_BYTES: Buffer = Buffer.alloc(0);

export class Arrival implements UpgradeProgress, TransportListener {
  readonly transport: Duplex;
  readonly #owner: ArrivalOwner;
  #timer: NodeJS.Timeout | null = null;
  /** Null when the head has come. */
  #parser: RequestHeadParser | null;
  /** What has come behind the head. */
  #chunks: Buffer[] = [];
  #restSize = 0;
  #isOver = false;
  #isPaused = false;
  #reason: HandshakeError | null = null;
  #controller: AbortController | null = null;

  /**
   * @param limits - for the head; null where it was read by somebody else
   * @param rest - bytes that came behind the head
   */
  constructor(
    transport: Duplex,
    owner: ArrivalOwner,
    limits: HeadLimits | null,
    rest: Buffer = NO_BYTES,
  ) {
    this.transport = transport;
    this.#owner = owner;
    this.#parser = limits === null ? null : new RequestHeadParser(limits);
    catchErrors(transport);
    bind(transport, this);
    // Somebody may have paused it while deciding whether to hand it over.
    transport.resume();
    this.keep(rest);
  }

  /**
   * From here on it has so long until its answer.
   *
   * @param timeout - in milliseconds
   */
  startTimeout(timeout: number): void {
    this.#timer = setTimeout(onTimeout, timeout, this);
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
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    // (In the next tick: whoever goes on listens by then.)
    if (this.#isPaused) this.transport.resume();
    if (this.#restSize === 0) return NO_BYTES;
    const rest = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#restSize = 0;
    return rest;
  }

  receive(chunk: Buffer): void {
    if (this.#parser === null) {
      this.keep(chunk);
      return;
    }
    try {
      const at = this.#parser.push(chunk);
      if (at === -1) return;
      this.keep(chunk.subarray(at));
    } catch (error) {
      if (!(error instanceof HandshakeError)) throw error;
      this.refuse(error);
      return;
    }
    const head = this.#parser.head!;
    this.#parser = null;
    this.#owner.onHead(this, head);
  }

  private keep(chunk: Buffer): void {
    if (chunk.length === 0) return;
    // Copied together once: they may be many, and small.
    this.#chunks.push(chunk);
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
    this.refuse(refusal(this.#parser === null ? 'UNDECIDED' : 'TIMEOUT'));
  }

  private refuse(error: HandshakeError): void {
    this.finish(error);
    this.#owner.onRefused(this, error, this.#parser?.method);
  }
}

function onTimeout(arrival: Arrival): void {
  arrival.giveUp();
}
