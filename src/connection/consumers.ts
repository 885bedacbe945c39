/**
 * Who takes the messages of a socket: hooks, listeners, and loops over it. Whoever there is, is
 * given every message; the next one follows when all are done with this one.
 *
 * @module
 */

import type { EventEmitter } from 'node:events';
import { Delivery, type DeliveryOwner, type Message } from './delivery.ts';
import { MessageIterator, type MessageIteratorOwner } from './message-iterator.ts';
import { MessageStream, PieceQueue, type PieceQueueOwner, dropStream } from './message-stream.ts';
import type { SocketEvents, SocketHooks } from './socket-events.ts';
import type { ResolvedSocketOptions } from './socket-options.ts';
import { isPromiseLike } from './waiters.ts';

/** What {@link Consumers} ask of the socket that they belong to. */
export interface ConsumersOwner {
  /** Whether the network takes none of what was sent. */
  readonly isBlocked: boolean;
  /** Whether all that was sent has gone to the network. */
  readonly hasSentAll: boolean;
  /** No more messages may come, or they may come again. */
  onHold(hold: boolean): void;
  /** What a consumer threw, or rejected with. */
  onThrown(error: unknown): void;
  /** All that came is handled. */
  onHandled(): void;
}

type Listener = (...values: unknown[]) => unknown;

const NOBODY: readonly Listener[] = [];

export class Consumers implements DeliveryOwner, MessageIteratorOwner, PieceQueueOwner {
  readonly #owner: ConsumersOwner;
  readonly #socket: EventEmitter<SocketEvents>;
  readonly #hooks: SocketHooks<unknown>;
  readonly #options: ResolvedSocketOptions;
  /** Made for the first message that cannot be given at once, or is not done at once. */
  #delivery: Delivery | null = null;
  /** A message is being given that does not wait there. */
  #isGiving = false;

  /** As the emitter has them: to ask it for each message makes a copy for each message. */
  #listeners: readonly Listener[] = NOBODY;
  #streamListeners: readonly Listener[] = NOBODY;
  #iterators: MessageIterator[] | null = null;
  #ended = false;
  #pumpsLater = false;
  /** Nobody has come for messages, although they have waited: they are dropped until somebody does. */
  #isUnwanted = false;
  #unwantedTimer: NodeJS.Timeout | null = null;

  /** Somebody has an iterator, which speaks to us. */
  #isReferred = false;
  #isPaused = false;
  #holds = false;
  /** Something was sent while a consumer was busy: it may well be the answer to its message. */
  #replied = false;

  /** The message that is arriving in pieces. */
  #incoming: PieceQueue | null = null;
  /** Bytes of streams that came and were not read yet. */
  #streamedSize = 0;

  constructor(
    owner: ConsumersOwner,
    socket: EventEmitter<SocketEvents>,
    hooks: SocketHooks<unknown>,
    options: ResolvedSocketOptions,
  ) {
    this.#owner = owner;
    this.#socket = socket;
    this.#hooks = hooks;
    this.#options = options;
  }

  /** Whether messages are wanted as streams. */
  get wantsStreams(): boolean {
    return this.#hooks.stream !== undefined || this.#streamListeners !== NOBODY;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Whether nothing waits and nobody was remembered: new ones would go on just as well. */
  get isForgettable(): boolean {
    const hasListeners = this.#listeners !== NOBODY || this.#streamListeners !== NOBODY;
    const isWaiting = this.#isGiving || this.#incoming !== null || this.#streamedSize > 0;
    const isHeld = this.#isPaused || this.#holds || this.#isUnwanted || this.#ended;
    if (hasListeners || isWaiting || isHeld || this.#isReferred || this.#pumpsLater) return false;
    if (this.#delivery !== null && !this.#delivery.isForgettable) return false;
    // An answer that still waits holds back the next message as soon as the network is stuck.
    return !this.#replied || this.#owner.hasSentAll;
  }

  /** Whether something that came still waits for a consumer, or for one that is busy with it. */
  get isHandling(): boolean {
    const delivery = this.#delivery;
    return delivery !== null && (delivery.isBusy || (delivery.hasWaiting && this.hasAny()));
  }

  /** The same, and the body of a loop, where all of it has come: the peer may well wait for the answer. */
  get isAnswering(): boolean {
    return (this.isHandling || this.isLooping) && this.#incoming === null;
  }

  /** Whether a loop has been given a message, and did not ask for the next one yet. */
  private get isLooping(): boolean {
    return this.#iterators !== null && !this.#iterators.every(({ isWaiting }) => isWaiting);
  }

  private get delivery(): Delivery {
    this.#delivery ??= new Delivery(this, this.#options);
    return this.#delivery;
  }

  /** Whether somebody is busy with a message: what is sent now may well be an answer to it. */
  private get isConsuming(): boolean {
    return this.#isGiving || this.isLooping || this.#delivery?.isHandling === true;
  }

  private get hasWaiting(): boolean {
    return this.#delivery !== null && this.#delivery.hasWaiting;
  }

  // ── What comes ────────────────────────────────────────────────────────────────────────────

  receive(message: Message, binary: boolean): void {
    if (this.#isUnwanted && !this.hasAny()) return;
    if (this.#delivery === null && this.isReady) this.give(message, binary);
    else this.delivery.deliver(message, binary, message.length);
  }

  /** What becomes of nearly every message: somebody takes it now, and is done with it. */
  private give(message: Message, binary: boolean): void {
    this.#isGiving = true;
    const done = this.consume(message, binary);
    this.#isGiving = false;
    if (done !== null) this.delivery.runUntil(done);
    // The consumer may have let in more.
    else if (this.hasWaiting) this.pump();
  }

  /** Takes the next bytes of a message, which are ours from here on. */
  receivePiece(bytes: Buffer, binary: boolean, last: boolean): void {
    let queue = this.#incoming;
    if (queue === null) {
      queue = new PieceQueue(this, !binary && this.#options.text === 'string');
      this.#incoming = queue;
      this.delivery.deliver(new MessageStream(queue, binary), binary, 0);
    }
    if (last) this.#incoming = null;
    queue.push(bytes, last);
  }

  /** Messages wait until this is done. */
  waitFor(done: PromiseLike<unknown>): void {
    this.delivery.runUntil(done);
  }

  /** Something was sent. */
  onSent(): void {
    // (Behind a loop there may be others, who answer while it waits for the next message already.)
    if (this.#iterators !== null || this.isConsuming) this.#replied = true;
  }

  /**
   * A Blob is on its way, and with those before it so many bytes. Where they are answers that the
   * network does not take, messages wait: nobody else counts what is not read out of a Blob yet.
   *
   * @returns what to call when it has left; null where nothing waits for that
   */
  beginBlob(size: number): (() => void) | null {
    if (!this.isConsuming || size <= this.#options.highWaterMark) return null;
    const { delivery } = this;
    delivery.begin();
    return () => delivery.settle();
  }

  /** Looks whether messages can be given out by now. */
  pump(): void {
    this.#pumpsLater = false;
    if (this.#isGiving) return;
    if (this.#delivery !== null) {
      this.#delivery.pump();
      return;
    }
    this.onPumped();
    this.onIdle();
  }

  pause(): void {
    this.#isPaused = true;
    this.watch();
  }

  resume(): void {
    this.#isPaused = false;
    this.pump();
  }

  /**
   * No more will come.
   *
   * @param error - makes what reading a message that was cut rejects with
   */
  end(error: () => Error): void {
    this.#ended = true;
    this.#incoming?.fail(error());
    this.#incoming = null;
    // Nobody is left to answer, so nothing waits for answers to leave.
    this.pump();
    this.endIterators();
  }

  /** Nobody wants what came and was not given out yet. */
  discard(): void {
    this.#ended = true;
    this.delivery.discard();
    this.endIterators();
  }

  // ── Who takes it ──────────────────────────────────────────────────────────────────────────

  /** A listener came or went; undefined where all went. */
  onListeners(event: unknown): void {
    if (event === 'message' || event === undefined) {
      this.#listeners = listenersOf(this.#socket, 'message');
    }
    if (event === 'stream' || event === undefined) {
      this.#streamListeners = listenersOf(this.#socket, 'stream');
    }
    this.#isUnwanted = false;
    this.watch();
    if (!this.hasWaiting || this.#pumpsLater) return;
    // Not inside `on`: a second listener of the same turn is to be given all of it too.
    this.#pumpsLater = true;
    process.nextTick(pumpLater, this);
  }

  iterate(): MessageIterator {
    this.#isReferred = true;
    return new MessageIterator(this);
  }

  onWant(iterator: MessageIterator): void {
    this.#isUnwanted = false;
    this.#iterators ??= [];
    if (!this.#iterators.includes(iterator)) this.#iterators.push(iterator);
    this.pump();
    this.endIterators();
  }

  onLeave(iterator: MessageIterator): void {
    const others = this.#iterators?.filter((other) => other !== iterator) ?? [];
    this.#iterators = others.length > 0 ? others : null;
    this.pump();
  }

  /** A loop ends behind the last message, and not before. */
  private endIterators(): void {
    if (!this.#ended || this.hasWaiting) return;
    for (const iterator of this.#iterators ?? []) iterator.end();
    this.#iterators = null;
  }

  // ── DeliveryOwner ─────────────────────────────────────────────────────────────────────────

  get isReady(): boolean {
    if (this.#isPaused || this.#isGiving) return false;
    if (this.#replied) {
      // The peer does not read our answers, so it gets no more of them.
      if (this.#owner.isBlocked) return false;
      this.#replied = false;
    }
    return !this.isLooping && this.hasAny();
  }

  private hasAny(): boolean {
    return this.wantsMessages || this.wantsStreams;
  }

  private get wantsMessages(): boolean {
    return (
      this.#hooks.message !== undefined || this.#listeners !== NOBODY || this.#iterators !== null
    );
  }

  /** Each form becomes the other, where that is what is wanted by the time it is given out. */
  consume(message: Message | MessageStream, binary: boolean): PromiseLike<unknown> | null {
    if (typeof message !== 'string' && message instanceof MessageStream) {
      if (this.wantsStreams) return this.consumeStream(message);
      return this.consumeWhole(message, binary);
    }
    if (this.wantsMessages) return this.consumeMessage(message, binary);
    const queue = new PieceQueue(this, false);
    queue.pushWhole(message);
    return this.consumeStream(new MessageStream(queue, binary));
  }

  private async consumeWhole(stream: MessageStream, binary: boolean): Promise<void> {
    this.delivery.begin();
    let message: Message;
    try {
      message = await collect(stream, binary || this.#options.text === 'buffer');
    } catch {
      // It was cut, and half a message is none.
      return;
    }
    // Whoever was there by then may be gone.
    if (this.wantsMessages) await this.consumeMessage(message, binary);
    else this.delivery.putBack(message, binary);
  }

  private consumeMessage(message: Message, binary: boolean): PromiseLike<unknown> | null {
    let done: PromiseLike<unknown> | null = null;
    if (this.#hooks.message !== undefined) {
      try {
        done = join(done, this.#hooks.message(this.#socket, message, binary));
      } catch (error) {
        this.#owner.onThrown(error);
      }
    }
    for (const listener of this.#listeners) {
      try {
        done = join(done, listener.call(this.#socket, message, binary));
      } catch (error) {
        this.#owner.onThrown(error);
      }
    }
    if (this.#iterators !== null) for (const iterator of this.#iterators) iterator.give(message);
    return done;
  }

  private consumeStream(stream: MessageStream): PromiseLike<unknown> | null {
    this.delivery.begin();
    let done: PromiseLike<unknown> | null = null;
    if (this.#hooks.stream !== undefined) {
      try {
        done = join(done, this.#hooks.stream(this.#socket, stream));
      } catch (error) {
        this.#owner.onThrown(error);
      }
    }
    for (const listener of this.#streamListeners) {
      try {
        done = join(done, listener.call(this.#socket, stream));
      } catch (error) {
        this.#owner.onThrown(error);
      }
    }
    return done;
  }

  onRejected(error: unknown): void {
    this.#owner.onThrown(error);
  }

  onFull(): void {
    this.hold();
  }

  onPumped(): void {
    this.watch();
  }

  onDropped(stream: MessageStream): void {
    dropStream(stream);
  }

  onIdle(): void {
    this.endIterators();
    this.#owner.onHandled();
  }

  // ── PieceQueueOwner ───────────────────────────────────────────────────────────────────────

  onSize(difference: number): void {
    this.#streamedSize += difference;
    this.hold();
  }

  onDone(): void {
    this.delivery.settle();
  }

  private hold(): void {
    const isFull = this.#delivery !== null && this.#delivery.isFull;
    const holds = isFull || this.#streamedSize >= this.#options.maxQueueSize;
    if (holds === this.#holds) return;
    this.#holds = holds;
    this.#owner.onHold(holds);
    this.watch();
  }

  /**
   * Behind messages that nobody takes, a Ping and a Close wait too; so they wait for somebody for a
   * while. Who has paused, or is still busy, means to go on.
   */
  private watch(): void {
    const isBusy = this.#delivery !== null && this.#delivery.isBusy;
    const isWaitedFor = this.#isPaused || isBusy || this.hasAny();
    if (!this.#holds || this.#ended || isWaitedFor) {
      if (this.#unwantedTimer !== null) clearTimeout(this.#unwantedTimer);
      this.#unwantedTimer = null;
    } else if (this.#unwantedTimer === null) {
      this.#unwantedTimer = setTimeout(giveUp, this.#options.closeTimeout, this);
      this.#unwantedTimer.unref();
    }
  }

  /** Drops what waits: nobody has come for it. */
  giveUp(): void {
    this.#unwantedTimer = null;
    this.#isUnwanted = true;
    this.#delivery?.clear();
  }
}

function listenersOf(
  socket: EventEmitter<SocketEvents>,
  event: 'message' | 'stream',
): readonly Listener[] {
  if (socket.listenerCount(event) === 0) return NOBODY;
  // With the wrappers of `once`, which take themselves away.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the emitter calls them so too
  return socket.rawListeners(event) as unknown as readonly Listener[];
}

function giveUp(consumers: Consumers): void {
  consumers.giveUp();
}

function pumpLater(consumers: Consumers): void {
  consumers.pump();
}

async function collect(stream: MessageStream, asBytes: boolean): Promise<Message> {
  const pieces: Message[] = [];
  for await (const piece of stream) pieces.push(piece);
  if (!asBytes) return pieces.join('');
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
}

/** Done when both are; what is no promise is done already. */
function join(done: PromiseLike<unknown> | null, result: unknown): PromiseLike<unknown> | null {
  if (!isPromiseLike(result)) return done;
  return done === null ? result : Promise.all([done, result]);
}
