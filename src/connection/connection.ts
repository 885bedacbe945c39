/**
 * One WebSocket connection after its handshake, without I/O: RFC 6455, sections 6 and 7. The only
 * place where a connection is failed, and where a violation is caught. It knows no socket, no timer
 * and no promise: who owns it calls `receive…` when something happened, `flush` when a turn ends,
 * and `tick` when `deadline` has come.
 *
 * @module
 */

import { ProtocolError } from '../errors.ts';
import type { InflateSink, Inflater } from '../extension/inflater.ts';
import type { PerMessageDeflate } from '../extension/permessage-deflate.ts';
import { CLOSE_CODE } from '../frame/close-code.ts';
import { encodeClosePayload } from '../frame/close-payload.ts';
import { type MessageOpcode, OPCODE } from '../frame/opcode.ts';
import type { ConnectionHandler, ConnectionOptions, Role } from './handler.ts';
import type { Intake } from './intake.ts';
import type { ExcessAnswer, RateName } from './rate-limit.ts';
import { Reading, type ReadingOwner } from './reading.ts';
import { Share } from './share.ts';
import { STATE } from './state.ts';
import { Timing } from './timing.ts';
import type { Clock, Transport } from './transport.ts';

export class Connection extends Timing implements ReadingOwner {
  /** Null where there is nothing to read, and nothing to remember of what was read. */
  #reading: Reading | null = null;
  /** From the first bytes on. */
  #share: Share | null = null;

  /** Something was sent in this turn that answers what was received in it. */
  #replied = false;
  #announced = false;
  /** The handler was called from inside the decoder, and has not returned. */
  #inHandler = false;
  /** We have ended our direction of the transport. */
  #hasEnded = false;

  /**
   * @param deflate - where permessage-deflate was negotiated, for this connection alone
   */
  constructor(
    role: Role,
    transport: Transport,
    handler: ConnectionHandler,
    clock: Clock,
    options: ConnectionOptions,
    deflate: PerMessageDeflate | null = null,
  ) {
    super(role, transport, handler, clock, options, deflate);
  }

  /** What the peer sent and `rateLimit` let nobody have: messages, Pings and Pongs. */
  get ignored(): number {
    return this.#reading?.inbound.ignored ?? 0;
  }

  protected get intake(): Intake | null {
    return this.#reading?.intake ?? null;
  }

  // ── What happens to the transport ─────────────────────────────────────────────────────────

  /**
   * Takes bytes off the wire, and unmasks them where they lie: `chunk` is ours from here on.
   *
   * @throws whatever a method of the handler throws, and nothing else
   */
  receive(chunk: Buffer): void {
    // Section 7.1.7: after that, "an endpoint MUST NOT continue to attempt to process data".
    if (!this.isListening) return;
    this.keepalive.hear();
    this.reading.intake.take(chunk);
    // An inflater speaks to the part that began with it.
    if (this.deflate === null && this.#reading?.isForgettable === true) this.#reading = null;
  }

  private get reading(): Reading {
    this.#reading ??= new Reading(
      this,
      this.transport,
      this.options,
      this.role === 'server',
      this.deflate !== null,
      (this.#share ??= new Share(this.clock)),
    );
    return this.#reading;
  }

  /** The peer has ended its direction of the transport: FIN. */
  receiveEnd(): void {
    this.reading.intake.end();
  }

  /** The transport is about to go: gives out what it had brought. */
  finishRest(): void {
    const intake = this.#reading?.intake;
    if (intake?.isResting === true) this.work(() => intake.finish());
  }

  /** The transport is gone in both directions. */
  receiveTransportClose(): void {
    this.finishRest();
    if (this.state === STATE.CLOSED) return;
    const wasClean = this.state === STATE.CLOSED_CLEANLY;
    this.apply('TRANSPORT_CLOSED');
    this.stopMessages();
    this.outbound.discard();
    const { closing } = this;
    closing.stopTimeout();
    this.handler.onClose(closing.code, closing.reason, wasClean);
  }

  /** The transport, whose `write` had returned false, takes more. */
  receiveDrain(): void {
    if (this.outbound.drain()) this.tellDrain();
    this.forgetSent();
    this.relieve();
  }

  /** Reads on, where the network takes by now what the handlers have sent. */
  private relieve(): void {
    const intake = this.#reading?.intake;
    if (intake?.isCongested === true && !this.isBlocked) intake.congest(false);
  }

  /** Gives the transport all that waits. Due in the turn in which `onPending` was called. */
  flush(): void {
    this.#announced = false;
    if (this.isPending && this.outbound.flush()) this.tellDrain();
    // Also what left without a flush: a large frame at once, and what the network took meanwhile.
    this.forgetSent();
  }

  // ── What the application wants ────────────────────────────────────────────────────────────

  /**
   * Starts the closing handshake (section 7.1.2). No message is sent or delivered after it. Has
   * no effect on a connection that is not open any more.
   *
   * @param code - as in `encodeClosePayload`; without one, the peer reports 1005
   * @param receives - whether messages that the peer sends before its own Close are still given out
   * @throws {TypeError | RangeError} for a code or reason that must not be sent
   */
  close(code?: number, reason?: string, receives: boolean = false): void {
    const payload = encodeClosePayload(code, reason);
    if (!this.isOpen) {
      if (!receives && this.isReceiving) this.stopReceiving();
      return;
    }
    this.apply('SEND_CLOSE');
    if (receives) this.keepReceiving(true);
    this.outbound.endMessages();
    this.keepalive.stop();
    this.startCloseTimeout();
    this.outbound.sendControl(OPCODE.CLOSE, payload);
    this.announce();
    if (!receives) this.stopReceiving();
  }

  /** The peer's Close has to be read, whatever stands before it. */
  private stopReceiving(): void {
    this.keepReceiving(false);
    this.reading.inbound.discardMessages();
    this.reading.intake.release();
  }

  /** Ends the connection at once, without a Close: the peer sees 1006, and so do we. */
  terminate(): void {
    if (this.state === STATE.CLOSED) return;
    if (this.isListening) this.apply('FAIL');
    this.stopMessages();
    this.outbound.discard();
    this.transport.destroy();
  }

  /** Fails the connection because our own side cannot go on (section 7.4.1: 1011). */
  failInternally(): void {
    if (this.isListening) this.fail(CLOSE_CODE.INTERNAL_ERROR, '');
  }

  /** Delivers no message until {@link resume}, and asks the transport to hold back. */
  pause(): void {
    if (!this.isReceiving || this.reading.intake.isPaused) return;
    this.keepalive.hearNothing(this.clock.now());
    this.reading.intake.pause(true);
  }

  /** Delivers messages again, those first that came meanwhile. */
  resume(): void {
    const intake = this.#reading?.intake;
    if (intake?.isPaused !== true) return;
    this.keepalive.hearAgain(this.clock.now());
    intake.pause(false);
  }

  /** Whether messages go to `onPiece` as they come, from the next on. `maxPayload` still holds. */
  giveInPieces(inPieces: boolean): void {
    if (inPieces || this.#reading !== null) this.reading.inbound.giveInPieces(inPieces);
  }

  // ── MessageSink: what the inbound half found ──────────────────────────────────────────────

  onMessage(
    opcode: MessageOpcode,
    source: Buffer,
    start: number,
    end: number,
    ascii: boolean,
  ): void {
    // After our Close the peer may go on sending (section 5.5.1), and nobody listens any more.
    if (!this.isReceiving) return;
    this.#inHandler = true;
    this.handler.onMessage(opcode, source, start, end, ascii);
    this.afterHandler();
  }

  onPiece(opcode: MessageOpcode, source: Buffer, start: number, end: number, last: boolean): void {
    if (!this.isReceiving) return;
    this.#inHandler = true;
    this.handler.onPiece?.(opcode, source, start, end, last);
    this.afterHandler();
  }

  inflaterFor(sink: InflateSink): Inflater {
    return this.deflate!.inflater(sink, (finish) => this.afterInflating(finish));
  }

  onFrame(isMessage: boolean): number {
    const now = this.clock.now();
    if (isMessage) this.keepalive.hearMessage(now);
    return now;
  }

  onExcess(rate: RateName): ExcessAnswer {
    if (!this.isReceiving) return 'drop';
    this.#inHandler = true;
    const answer = this.handler.onExcess?.(rate) ?? this.options.rateLimit!.onExceeded;
    this.afterHandler();
    // It may have closed the connection, which does not fail then for what it was closed for.
    return this.isReceiving ? answer : 'drop';
  }

  onInflating(): void {
    this.reading.intake.wait();
  }

  /** A message was inflated elsewhere: gives it out, as if it had come now. */
  private afterInflating(finish: () => boolean): void {
    const give = (): void => {
      this.#replied = false;
      try {
        if (!finish()) this.reading.intake.wait();
      } catch (error) {
        this.caught(error, (thrown) => this.tellThrown(thrown));
      }
    };
    this.work(() => this.reading.intake.goOn(give));
  }

  /** Goes on where nobody has called us. */
  private work(step: () => void): void {
    try {
      step();
    } catch (error) {
      // Of a message; the connection has failed already.
      this.tellThrown(error);
    }
    this.handler.onWorked?.();
  }

  /** What a handler threw where nobody has called us who could be told. */
  private tellThrown(thrown: unknown): void {
    if (this.handler.onThrown === undefined) throw thrown;
    this.handler.onThrown(thrown);
  }

  onControl(opcode: number, source: Buffer, start: number, end: number): void {
    if (opcode === OPCODE.CLOSE) {
      this.onClose(source, start, end);
      return;
    }
    const isPing = opcode === OPCODE.PING;
    if (!isPing) this.keepalive.hearPong(source, start, end, this.clock);
    // Section 5.5.2: "unless it already received a Close frame". One that we sent changes nothing.
    else if (this.options.autoPong ?? true) this.outbound.sendPong(source, start, end);
    if (!this.isOpen) return;
    this.#inHandler = true;
    this.handler[isPing ? 'onPing' : 'onPong'](source, start, end);
    this.afterHandler();
  }

  /** Reads no more where the network does not take what the handler has just sent. */
  private afterHandler(): void {
    this.#inHandler = false;
    if (this.#share!.count()) this.reading.intake.rest();
    if (this.#replied && this.isBlocked && this.isOpen) {
      this.reading.intake.congest(true);
    }
  }

  /** The peer's Close: section 5.5.1. */
  private onClose(source: Buffer, start: number, end: number): void {
    this.closing.read(source, start, end);
    const mustAnswer = this.isOpen;
    this.apply('RECEIVE_CLOSE');
    // "Any data received after it" is discarded (section 1.4).
    this.stopMessages();
    if (mustAnswer) {
      // "When sending a Close frame in response, the endpoint typically echos the status code."
      this.outbound.sendControl(OPCODE.CLOSE, source.subarray(start, Math.min(start + 2, end)));
      this.apply('SEND_CLOSE');
      this.startCloseTimeout();
    }
    this.outbound.flush();
    // Section 7.1.1: the server closes TCP first, so that TIME_WAIT is its own; a client waits,
    // for closeTimeout at the most.
    if (this.role === 'server') this.endTransport();
  }

  /**
   * Once: a stream of Node makes an error of every further time, with its stack, and drops it. (To
   * open and close a connection took 172 µs with that, and 139 without: bench/servers.mjs, `open`.)
   */
  private endTransport(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.transport.end();
  }

  /**
   * _Fail the WebSocket Connection_ (section 7.1.7). The only place where that happens.
   *
   * @param closeCode - of the Close that tells the peer; null where there is no peer to tell
   */
  private fail(closeCode: number | null, reason: string): void {
    const mayTell = this.isOpen;
    this.apply('FAIL');
    this.stopMessages();
    this.startCloseTimeout();
    if (mayTell && closeCode !== null) {
      this.outbound.sendControl(OPCODE.CLOSE, encodeClosePayload(closeCode, reason));
    }
    this.outbound.flush();
    this.endTransport();
  }

  protected failBy(error: ProtocolError): void {
    this.fail(error.closeCode, error.message);
    this.handler.onError(error);
  }

  /** Nothing that comes from here on means anything, and nothing that waits may go out. */
  private stopMessages(): void {
    this.reading.intake.stop();
    this.reading.inbound.release();
    this.outbound.end();
    this.deflate?.close();
    this.keepalive.stop();
  }

  // ── IntakeOwner: when bytes are decoded ───────────────────────────────────────────────────

  /** The one `catch` for what a peer does wrong. */
  decode(chunk: Buffer, from: number): number {
    this.#replied = false;
    try {
      return this.reading.decoder.push(chunk, from);
    } catch (error) {
      this.caught(error, rethrow);
      return chunk.length;
    }
  }

  /** @param tell - is given what a handler of the application threw, which is not ours to swallow */
  private caught(error: unknown, tell: (error: unknown) => void): void {
    if (!this.#inHandler && error instanceof ProtocolError) {
      this.failBy(error);
      return;
    }
    this.#inHandler = false;
    this.failInternally();
    tell(error);
  }

  onHold(holding: boolean): void {
    if (holding) this.reading.decoder.stop();
    else this.reading.decoder.start();
  }

  onTurnEnd(): void {
    this.flush();
  }

  onIdle(): void {
    this.announce();
  }

  /** The peer has ended its direction, and we have read all that came before. */
  onEnd(): void {
    // Without a Close there is nobody left to send one to.
    if (this.isListening) this.fail(null, '');
    else if (this.state === STATE.CLOSED_CLEANLY) this.endTransport();
  }

  onRested(): void {
    this.work(() => this.reading.intake.endRest());
  }

  // ── Sending ───────────────────────────────────────────────────────────────────────────────

  onDeflated(): void {
    this.announce();
    this.work(() => this.relieve());
  }

  onDeflateFailed(): void {
    this.failInternally();
    this.handler.onWorked?.();
  }

  protected onPinged(): void {
    if ((this.options.rateLimit ?? null) !== null) this.reading.inbound.expectPong();
  }

  protected onSent(): void {
    // What is sent in the turn leaves at its end.
    if (this.isInTurn) this.#replied = true;
    else this.announce();
  }

  private tellDrain(): void {
    try {
      this.handler.onDrain();
    } catch (error) {
      this.failInternally();
      throw error;
    }
  }

  /** A chunk is being decoded, further up the stack. */
  private get isInTurn(): boolean {
    return this.#reading !== null && this.#reading.intake.isInTurn;
  }

  /** Asks for a flush, once, unless one comes anyway at the end of this turn. */
  protected announce(): void {
    if (this.#announced || this.isInTurn || !this.isPending) return;
    this.#announced = true;
    this.handler.onPending();
  }
}

function rethrow(error: unknown): never {
  throw error;
}
