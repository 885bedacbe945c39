/**
 * What time brings about on a connection: its Pings, the end of a peer that is gone, idle or has stayed
 * for too long, and of a closing handshake that takes too long. The part of connection.ts that looks at
 * the clock; what a connection does then knows the other.
 *
 * @module
 */

import type { PerMessageDeflate } from '../extension/permessage-deflate.ts';
import { CLOSE_CODE } from '../frame/close-code.ts';
import { OPCODE } from '../frame/opcode.ts';
import { Closing } from './closing.ts';
import type { ConnectionHandler, ConnectionOptions, Role } from './handler.ts';
import type { Intake } from './intake.ts';
import type { Keepalive, Progress } from './keepalive.ts';
import { Sending } from './sending.ts';
import { LEAVE_REASON, createKeepalive } from './tenure.ts';
import type { Clock, Transport } from './transport.ts';

export abstract class Timing extends Sending {
  protected readonly handler: ConnectionHandler;
  protected readonly clock: Clock;
  protected readonly keepalive: Keepalive;
  /** Made when the first Close is sent or comes. */
  #closing: Closing | null = null;

  constructor(
    role: Role,
    transport: Transport,
    handler: ConnectionHandler,
    clock: Clock,
    options: ConnectionOptions,
    deflate: PerMessageDeflate | null,
  ) {
    super(role, transport, options, deflate);
    this.handler = handler;
    this.clock = clock;
    this.keepalive = createKeepalive(options, clock);
  }

  /** Null where nothing is read. */
  protected abstract get intake(): Intake | null;
  abstract flush(): void;
  abstract close(code: number, reason: string): void;
  abstract terminate(): void;

  protected get closing(): Closing {
    this.#closing ??= new Closing();
    return this.#closing;
  }

  protected startCloseTimeout(): void {
    this.closing.startTimeout(this.clock.now() + this.options.closeTimeout);
  }

  /** Milliseconds of the last Ping of the keepalive; NaN before there was one. */
  get latency(): number {
    return this.keepalive.latency;
  }

  /** When {@link tick} has something to do, in the time of the clock; `Infinity` for never. */
  get deadline(): number {
    const { deadline } = this.keepalive;
    return this.#closing === null ? deadline : Math.min(this.#closing.deadline, deadline);
  }

  /** Looks at the clock: sends the Ping that is due, or gives up a peer that is gone. */
  tick(): void {
    const now = this.clock.now();
    if (this.#closing !== null && now >= this.#closing.deadline) {
      this.#closing.stopTimeout();
      this.transport.destroy();
      return;
    }
    if (!this.isOpen) return;
    const step = this.keepalive.advance(now, this.progress());
    if (step === 'dead') {
      this.terminate();
    } else if (step === 'ping') {
      this.outbound.sendControl(OPCODE.PING, this.keepalive.payload());
      this.onPinged();
      this.flush();
      this.keepalive.sent(this.progress());
    } else if (step !== 'nothing') {
      this.leave(LEAVE_REASON[step]);
    }
  }

  private leave(reason: string): void {
    if (this.handler.onOverdue !== undefined) this.handler.onOverdue(reason);
    else this.close(CLOSE_CODE.GOING_AWAY, reason);
  }

  private progress(): Progress {
    const { intake } = this;
    const { writableLength: waiting } = this.transport;
    const answering = intake?.isPaused === true || this.handler.isAnswering === true;
    return { taken: this.takenSize, waiting, deaf: intake?.isHolding ?? false, answering };
  }
}
