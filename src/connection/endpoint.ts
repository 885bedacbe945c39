/**
 * The inside of a `Socket`: binds a `Connection` to a transport of Node, to a clock and to timers.
 * Events up, calls down. What an application throws is caught here, and ends this socket alone.
 *
 * @module
 */

import type { EventEmitter } from 'node:events';
import { ConnectionClosedError, type ProtocolError, asError, warn } from '../errors.ts';
import type { PerMessageDeflate } from '../extension/permessage-deflate.ts';
import { CLOSE_CODE } from '../frame/close-code.ts';
import { type MessageOpcode, OPCODE } from '../frame/opcode.ts';
import { utf8ToString } from '../frame/text.ts';
import { Alarm } from './alarm.ts';
import { type TransportListener, bind } from './binding.ts';
import { Connection } from './connection.ts';
import { Consumers, type ConsumersOwner } from './consumers.ts';
import type { ConnectionHandler, Role } from './handler.ts';
import { ownBytes, ownBytesOfBlock, ownPiece } from './payload.ts';
import type { PreparedMessage } from './prepared.ts';
import { SocketPromises, closedError } from './promises.ts';
import { type ExcessAnswer, type RateName, readExcessAnswer } from './rate-limit.ts';
import type {
  CloseResult,
  EndpointOwner,
  NodeTransport,
  SocketEvents,
  SocketHooks,
} from './socket-events.ts';
import type { ResolvedSocketOptions } from './socket-options.ts';
import { READY_STATE, type ReadyState } from './state.ts';
import { Telling } from './telling.ts';
import type { Turn } from './waiting.ts';

const NO_OWNER: EndpointOwner = { onReleased: () => {}, onUnheard: warn };
const NO_HOOKS: SocketHooks<unknown> = {};

const flush = (endpoint: Endpoint): void => endpoint.flush();
const receiveHead = (endpoint: Endpoint): void => endpoint.receiveHead();
const giveUp = (endpoint: Endpoint): void => endpoint.giveUp();
const giveUpClosing = (endpoint: Endpoint): void => endpoint.connection.terminate();

export class Endpoint
  extends Telling
  implements ConnectionHandler, ConsumersOwner, TransportListener
{
  readonly connection: Connection;
  /** Messages from iterables that have begun, of which nobody knows when they end. */
  openMessages = 0;
  readonly #transport: NodeTransport;
  readonly #options: ResolvedSocketOptions;
  readonly #ownBytes: typeof ownBytes;
  /** Null where hooks take all messages, and none waits. */
  #consumers: Consumers | null = null;

  /** What came behind the handshake, until it was read. */
  #head: Buffer | null = null;
  readonly #alarm: Alarm;

  #promises: SocketPromises | null = null;
  /** How it ended, once the transport is gone. */
  #result: CloseResult | null = null;
  #closeTold = false;
  #handlingTimer: NodeJS.Timeout | null = null;
  /** What the peer did wrong, until it is told: behind the messages that came before. */
  #failure: ProtocolError | null = null;
  /** We asked for the end. */
  #left = false;
  /** Our Close waits for what was sent before. */
  #closesLater = false;
  #closeNow: Turn | null = null;

  constructor(
    role: Role,
    socket: EventEmitter<SocketEvents>,
    transport: NodeTransport,
    options: ResolvedSocketOptions,
    hooks: SocketHooks<unknown> = NO_HOOKS,
    owner: EndpointOwner = NO_OWNER,
    deflate: PerMessageDeflate | null = null,
  ) {
    super(socket, hooks, owner);
    this.#transport = transport;
    this.#options = options;
    // What a server sends is not masked; what comes out of zlib lies in memory that is used again.
    this.#ownBytes = role === 'client' && deflate === null ? ownBytesOfBlock : ownBytes;
    this.connection = new Connection(role, transport, this, performance, options, deflate);
    if (hooks.stream !== undefined) this.connection.giveInPieces(true);
    this.#alarm = new Alarm(this, owner.alarms ?? null);
    bind(transport, this);
    this.schedule();
  }

  /**
   * Calls the hook `open`, and then reads.
   *
   * @param head - bytes of the transport that came behind the handshake: the first frames
   */
  open(head: Buffer): void {
    if (head.length > 0) {
      this.#head = Buffer.from(head);
      // Whoever made the socket adds listeners first, or whoever awaits it: a tick alone would come
      // before that.
      queueMicrotask(() => process.nextTick(receiveHead, this));
    }
    // A listener of the server may have closed it.
    if (this.hooks.open === undefined || !this.isOpen) return;
    const done = this.call(() => this.hooks.open!(this.socket));
    if (done !== null) this.consumers.waitFor(done);
  }

  get consumers(): Consumers {
    if (this.#consumers === null) {
      this.#consumers = new Consumers(this, this.socket, this.hooks, this.#options);
      if (this.#left) this.#consumers.discard();
      else if (this.#result !== null) this.endConsumers(this.#result);
    }
    return this.#consumers;
  }

  private endConsumers(result: CloseResult): void {
    this.#consumers?.end(() => closedError(result));
  }

  get isPaused(): boolean {
    return this.#consumers !== null && this.#consumers.isPaused;
  }

  private get isHandling(): boolean {
    return this.#consumers !== null && this.#consumers.isHandling;
  }

  get isAnswering(): boolean {
    return this.#consumers?.isAnswering === true;
  }

  get result(): CloseResult | null {
    return this.#result;
  }

  // ── What happens to the transport ─────────────────────────────────────────────────────────

  receive(chunk: Buffer): void {
    if (this.#head !== null) this.receiveHead();
    try {
      this.connection.receive(chunk);
    } catch (error) {
      // Not what an application threw, which is caught where it is called: a text that is longer
      // than a string can be, memory that there is not.
      this.onThrown(error);
    }
    if (this.#consumers?.isForgettable === true) this.#consumers = null;
    this.schedule();
  }

  receiveHead(): void {
    const head = this.#head;
    if (head === null) return;
    this.#head = null;
    this.receive(head);
  }

  receiveEnd(): void {
    this.receiveHead();
    this.connection.receiveEnd();
    this.schedule();
  }

  receiveDrain(): void {
    this.connection.receiveDrain();
    // Messages may have waited for our answers to leave.
    this.#consumers?.pump();
    this.schedule();
  }

  receiveClose(): void {
    this.receiveRest();
    this.owner.onReleased(this.socket);
    this.connection.receiveTransportClose();
    this.schedule();
  }

  /** A reset: `close` follows, and tells all that there is to tell (1006). */
  receiveError(): void {
    this.receiveRest();
    this.connection.terminate();
  }

  /** What came before the transport failed is given out, as long as the socket is one of its owner's. */
  private receiveRest(): void {
    this.receiveHead();
    this.connection.finishRest();
  }

  flush(): void {
    this.connection.flush();
    this.schedule();
  }

  tick(): void {
    this.connection.tick();
    this.schedule();
  }

  /** Makes sure that it looks at the clock when the connection wants to. */
  private schedule(): void {
    this.#alarm.set(this.connection.deadline);
  }

  // ── What the application wants ────────────────────────────────────────────────────────────

  get isOpen(): boolean {
    return this.connection.readyState === READY_STATE.OPEN;
  }

  sendFragment(opcode: MessageOpcode, data: string | Uint8Array, fin: boolean): boolean {
    return this.afterSend(this.connection.sendFragment(opcode, data, fin));
  }

  /**
   * A listener of the socket came or went.
   *
   * @param event - undefined where all listeners went
   */
  onListeners(event: unknown): void {
    if (event !== undefined && event !== 'message' && event !== 'stream') return;
    this.consumers.onListeners(event);
    if (event !== 'message') this.connection.giveInPieces(this.consumers.wantsStreams);
  }

  /** Whether our Close waits, so that nothing more is sent. */
  get isLeaving(): boolean {
    return this.#closesLater;
  }

  send(opcode: MessageOpcode, data: string | Uint8Array, compress: boolean = true): boolean {
    return !this.#closesLater && this.afterSend(this.connection.send(opcode, data, compress));
  }

  sendPrepared(message: PreparedMessage, compress: boolean = true): boolean {
    return !this.#closesLater && this.afterSend(this.connection.sendPrepared(message, compress));
  }

  /** Something was sent, with this answer of the connection. */
  afterSend(hasRoom: boolean): boolean {
    this.#consumers?.onSent();
    // It may have failed the connection, which must end some time then.
    if (!hasRoom) this.schedule();
    return hasRoom;
  }

  /** As {@link Consumers.beginBlob}. */
  beginBlob(size: number): (() => void) | null {
    return this.#consumers?.beginBlob(size) ?? null;
  }

  close(code: number | undefined, reason: string | undefined): Promise<CloseResult> {
    this.startClosing(code, reason);
    this.leave();
    this.tellEnd();
    return this.promises.closed();
  }

  /** What was sent before goes out before: a Blob, say. An iterable need not end, and is left. */
  private startClosing(code?: number, reason?: string, receives: boolean = false): void {
    const isInBlob = this.isOpen && this.connection.isInMessage && this.openMessages === 0;
    if (this.#left || !isInBlob) {
      if (!this.#closesLater) this.connection.close(code, reason, receives);
      return;
    }
    this.#closesLater = true;
    const timer = setTimeout(giveUpClosing, this.#options.closeTimeout, this);
    this.promises.onceClosed(() => clearTimeout(timer));
    this.#closeNow = (granted) => {
      clearTimeout(timer);
      if (!granted) return;
      this.connection.close(code, reason, receives);
      this.schedule();
    };
    this.connection.takeTurn(this.#closeNow);
  }

  /** It is an iterable's turn. Where we leave, it is left where it is, with what waits behind it. */
  beginIterable(): boolean {
    if (!this.#closesLater) this.openMessages++;
    else this.#closeNow?.(true);
    return !this.#closesLater;
  }

  get readyState(): ReadyState {
    const { readyState } = this.connection;
    if (readyState === READY_STATE.OPEN && this.#closesLater) return READY_STATE.CLOSING;
    return readyState;
  }

  /** The same for a stream, which sends no more, and reads what the peer still sends. */
  endSending(): Promise<CloseResult> {
    this.startClosing(CLOSE_CODE.NORMAL_CLOSURE, '', true);
    this.schedule();
    return this.promises.closed();
  }

  resume(): void {
    this.consumers.resume();
    const isOver = this.#result !== null && !this.#closeTold;
    if (isOver && this.#handlingTimer === null) this.startHandlingTimeout();
  }

  terminate(): void {
    this.connection.terminate();
    this.leave();
    this.tellEnd();
  }

  /** Ends the socket with 1011 for what the application threw. */
  onThrown(thrown: unknown): void {
    // What a handler waited for did not come, since the peer leaves: `close` tells.
    if (thrown instanceof ConnectionClosedError && !this.isOpen) return;
    this.connection.failInternally();
    this.leave();
    this.tellError(asError(thrown), true);
    this.tellEnd();
  }

  /** Where the transport is gone already, nothing is waited for any more. */
  private tellEnd(): void {
    if (this.#result !== null) this.onHandled();
  }

  /** Nothing that came and was not given out is wanted any more. */
  private leave(): void {
    this.#left = true;
    this.#consumers?.discard();
    this.schedule();
  }

  /** What may be waited for. Most sockets wait for nothing. */
  get promises(): SocketPromises {
    this.#promises ??= new SocketPromises(this.connection, this.#transport, this.#result);
    return this.#promises;
  }

  // ── ConsumersOwner ────────────────────────────────────────────────────────────────────────

  get isBlocked(): boolean {
    return this.connection.isBlocked && this.isOpen;
  }

  get hasSentAll(): boolean {
    return this.connection.bufferedAmount === 0;
  }

  onHold(hold: boolean): void {
    if (hold) this.connection.pause();
    else this.connection.resume();
    this.schedule();
  }

  onHandled(): void {
    this.tellFailure();
    if (this.#result !== null) this.tellClose(this.#result);
  }

  // ── ConnectionHandler ─────────────────────────────────────────────────────────────────────

  onMessage(
    opcode: MessageOpcode,
    source: Buffer,
    start: number,
    end: number,
    ascii: boolean,
  ): void {
    if (opcode === OPCODE.TEXT && this.#options.text === 'string') {
      const text = ascii ? source.toString('latin1', start, end) : utf8ToString(source, start, end);
      this.consumers.receive(text, false);
    } else {
      const own = this.#ownBytes(source, start, end);
      this.consumers.receive(own, opcode === OPCODE.BINARY);
    }
  }

  onPiece(opcode: MessageOpcode, source: Buffer, start: number, end: number, last: boolean): void {
    this.consumers.receivePiece(ownPiece(source, start, end), opcode === OPCODE.BINARY, last);
  }

  onPing(source: Buffer, start: number, end: number): void {
    this.tellControl('ping', source, start, end);
  }

  onPong(source: Buffer, start: number, end: number): void {
    this.#promises?.hearPong(source, start, end);
    this.tellControl('pong', source, start, end);
  }

  onExcess(rate: RateName): ExcessAnswer | undefined {
    let given: unknown;
    let answer: ExcessAnswer | undefined;
    // A promise is no answer, but what it rejects with must not end the process.
    this.callAside(() => (given = this.hooks.excess?.(this.socket, rate)));
    this.call(() => void (answer = readExcessAnswer(given)));
    return answer;
  }

  onDrain(): void {
    this.#promises?.onDrain();
    // It may have been for fragments alone; then another one follows.
    if (!this.connection.hasRoom()) return;
    if (this.hooks.drain !== undefined) this.callAside(() => this.hooks.drain!(this.socket));
    this.callAside(() => this.socket.emit('drain'));
  }

  onPending(): void {
    process.nextTick(flush, this);
  }

  onWorked(): void {
    // Messages may have waited for answers that were being compressed.
    this.#consumers?.pump();
    this.schedule();
  }

  onOverdue(reason: string): void {
    this.startClosing(CLOSE_CODE.GOING_AWAY, reason);
  }

  onError(error: ProtocolError): void {
    this.#failure = error;
    if (!this.isHandling) this.tellFailure();
  }

  onClose(code: number, reason: string, wasClean: boolean): void {
    const result = { code, reason, wasClean };
    this.#result = result;
    this.#promises?.onClose(result);
    this.endConsumers(result);
    if (this.#left || !this.isHandling) {
      this.onHandled();
      return;
    }
    // Who has paused means to go on.
    if (!this.isPaused) this.startHandlingTimeout();
  }

  private startHandlingTimeout(): void {
    this.#handlingTimer = setTimeout(giveUp, this.#options.closeTimeout, this);
    this.#handlingTimer.unref();
  }

  /** The peer has left, and what it had sent is still not handled. */
  giveUp(): void {
    this.#consumers?.discard();
    const message = 'what the peer had sent was not handled within closeTimeout of its leaving';
    this.tellError(new Error(message), true);
    this.onHandled();
  }

  // ── What the application is told ──────────────────────────────────────────────────────────

  private tellFailure(): void {
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) this.tellError(failure, false);
  }

  private tellClose({ code, reason, wasClean }: CloseResult): void {
    if (this.#closeTold) return;
    this.#closeTold = true;
    if (this.#handlingTimer !== null) clearTimeout(this.#handlingTimer);
    if (this.hooks.close !== undefined) {
      this.callAside(() => this.hooks.close!(this.socket, code, reason, wasClean));
    }
    this.callAside(() => this.socket.emit('close', code, reason, wasClean));
  }
}
