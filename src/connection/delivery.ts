/**
 * Which message an application is given, and when: one at a time, in order, and none before
 * somebody takes it. What comes meanwhile waits here, and when that is enough the transport has to
 * hold back the rest.
 *
 * It knows no event, no hook and no connection: who consumes, its owner knows.
 *
 * @module
 */

import { Fifo } from './fifo.ts';
import { MessageStream } from './message-stream.ts';

/** A string for a text (or a Buffer, where that was asked for), a Buffer for a binary. */
export type Message = string | Buffer;

export interface QueueLimits {
  /** Messages that may wait for a handler before no more are read. Default: 64. */
  readonly maxQueue: number;
  /** Bytes of messages that may wait for a handler before no more are read. Default: 1 MiB. */
  readonly maxQueueSize: number;
}

/** What a {@link Delivery} speaks to. */
export interface DeliveryOwner {
  /** Whether a message may be given out now, and whether there is somebody who takes it. */
  readonly isReady: boolean;
  /**
   * Gives a message to all who take it. Throws nothing.
   *
   * @returns a promise where one of them is not done with it yet
   */
  consume(message: Message | MessageStream, binary: boolean): PromiseLike<unknown> | null;
  /** What a consumer rejected with. */
  onRejected(error: unknown): void;
  /** Somebody looked whether something can be given out. */
  onPumped(): void;
  /** A stream that waited will not be given out. */
  onDropped(stream: MessageStream): void;
  /** The bounds of the queue are reached, or are not any more. */
  onFull(full: boolean): void;
  /** Nothing waits, and nobody is still busy with a message. */
  onIdle(): void;
}

interface Waiting {
  readonly message: Message | MessageStream;
  readonly binary: boolean;
  readonly size: number;
}

export class Delivery {
  readonly #owner: DeliveryOwner;
  readonly #limits: QueueLimits;
  #queue: Fifo<Waiting> | null = null;
  #size = 0;
  #full = false;
  /** What keeps the next message waiting: promises of consumers, and a stream that is being read. */
  #busy = 0;
  /** A consumer was called, and has not returned. */
  #calling = false;
  #discards = false;
  /** Made when the first consumer is not done at once. */
  #onSettled: (() => void) | null = null;
  #onRejected: ((error: unknown) => void) | null = null;

  constructor(owner: DeliveryOwner, limits: QueueLimits) {
    this.#owner = owner;
    this.#limits = limits;
  }

  /** Whether nothing waits, and nobody is busy with a message. */
  get isIdle(): boolean {
    return this.#queue === null && this.#busy === 0 && !this.#calling;
  }

  /** Whether a new one would go on just as well. */
  get isForgettable(): boolean {
    return this.isIdle && !this.#full && !this.#discards;
  }

  /** Whether somebody is not done yet with a message that was given out in an earlier turn. */
  get isBusy(): boolean {
    return this.#busy > 0;
  }

  /** Whether a message is being handled: what is sent meanwhile may well be its answer. */
  get isHandling(): boolean {
    return this.#busy > 0 || this.#calling;
  }

  /** Whether a message waits. */
  get hasWaiting(): boolean {
    return this.#queue !== null;
  }

  get isFull(): boolean {
    return this.#full;
  }

  /** Takes a message of `size` bytes. */
  deliver(message: Message | MessageStream, binary: boolean, size: number): void {
    if (this.#discards) return;
    if (this.#queue === null && this.isReady) {
      this.hand(message, binary);
      // The consumer may have let in more.
      if (this.#queue !== null) this.pump();
      return;
    }
    (this.#queue ??= new Fifo()).push({ message, binary, size });
    this.#size += size;
    this.tellFull();
  }

  /** Looks whether something can be given out by now. */
  pump(): void {
    if (this.#calling) return;
    for (;;) {
      const next = this.#queue?.first;
      if (next === undefined || !this.isReady) break;
      this.drop(next);
      this.hand(next.message, next.binary);
    }
    this.tellFull();
    this.#owner.onPumped();
    if (this.isIdle) this.#owner.onIdle();
  }

  /** Takes a message back that was given out, and that nobody was there for. */
  putBack(message: Message, binary: boolean): void {
    if (this.#discards) return;
    (this.#queue ??= new Fifo()).unshift({ message, binary, size: message.length });
    this.#size += message.length;
    this.tellFull();
  }

  /** Something other than a message has to be done first. */
  runUntil(done: PromiseLike<unknown>): void {
    this.#busy++;
    this.#onSettled ??= () => this.settle();
    this.#onRejected ??= (error) => {
      this.#owner.onRejected(error);
      this.settle();
    };
    // Whatever it is, it calls back once, and what its `then` throws is a rejection.
    Promise.resolve(done).then(this.#onSettled, this.#onRejected);
  }

  /** A stream was given out; {@link settle} follows when it was read. */
  begin(): void {
    this.#busy++;
  }

  settle(): void {
    this.#busy--;
    if (this.#busy === 0) this.pump();
  }

  /** Nobody wants what waits, nor what still comes. */
  discard(): void {
    this.#discards = true;
    this.clear();
  }

  /** Nobody wants what waits. */
  clear(): void {
    const dropped = this.#queue?.takeAll() ?? [];
    this.#queue = null;
    this.#size = 0;
    for (const { message } of dropped) {
      if (message instanceof MessageStream) this.#owner.onDropped(message);
    }
    this.tellFull();
  }

  private get isReady(): boolean {
    return this.#busy === 0 && !this.#calling && this.#owner.isReady;
  }

  private hand(message: Message | MessageStream, binary: boolean): void {
    this.#calling = true;
    const done = this.#owner.consume(message, binary);
    this.#calling = false;
    if (done !== null) this.runUntil(done);
  }

  private drop(next: Waiting): void {
    this.#size -= next.size;
    this.#queue!.shift();
    if (this.#queue!.size === 0) this.#queue = null;
  }

  private tellFull(): void {
    const count = this.#queue?.size ?? 0;
    // Once it is full, half of it has to go: to pause and resume for each message costs more than
    // the message.
    const share = this.#full ? 2 : 1;
    const full =
      count * share >= this.#limits.maxQueue || this.#size * share >= this.#limits.maxQueueSize;
    if (full === this.#full) return;
    this.#full = full;
    this.#owner.onFull(full);
  }
}
