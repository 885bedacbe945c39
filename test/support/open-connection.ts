import { Connection } from '../../src/connection/connection.ts';
import type { ConnectionHandler, ConnectionOptions, Role } from '../../src/connection/handler.ts';
import { resolveLimits } from '../../src/connection/limits.ts';
import type { ProtocolError } from '../../src/errors.ts';
import { type ReadFrame, peerFrame, type RawFrame, readFrames } from './bytes.ts';
import { ManualClock } from './manual-clock.ts';
import { MemoryTransport } from './memory-transport.ts';

/** A connection over memory, with a log of all that its handler was told. */
export class OpenConnection {
  readonly role: Role;
  readonly transport = new MemoryTransport();
  readonly clock = new ManualClock();
  readonly connection: Connection;
  /**
   * `text …`, `binary hex`, `piece hex`, `last piece hex`, `ping hex`, `pong hex`, `drain`,
   * `pending`, `error CODE`, `close code reason clean|unclean`.
   */
  readonly log: string[] = [];
  readonly errors: ProtocolError[] = [];
  /** What a test wants to happen inside a call of the handler. */
  during: Partial<ConnectionHandler> = {};

  constructor(role: Role, options: Partial<ConnectionOptions> = {}) {
    this.role = role;
    const { log, errors } = this;
    const handler: ConnectionHandler = {
      onMessage: (opcode, source, start, end, ascii) => {
        const bytes = source.subarray(start, end);
        log.push(opcode === 1 ? `text ${bytes.toString()}` : `binary ${bytes.toString('hex')}`);
        this.during.onMessage?.(opcode, source, start, end, ascii);
      },
      onPiece: (opcode, source, start, end, last) => {
        log.push(`${last ? 'last ' : ''}piece ${source.toString('hex', start, end)}`);
        this.during.onPiece?.(opcode, source, start, end, last);
      },
      onPing: (source, start, end) => {
        log.push(`ping ${source.toString('hex', start, end)}`);
        this.during.onPing?.(source, start, end);
      },
      onPong: (source, start, end) => {
        log.push(`pong ${source.toString('hex', start, end)}`);
        this.during.onPong?.(source, start, end);
      },
      onDrain: () => {
        log.push('drain');
        this.during.onDrain?.();
      },
      onPending: () => {
        log.push('pending');
        this.during.onPending?.();
      },
      onError: (error) => {
        log.push(`error ${error.code}`);
        errors.push(error);
        this.during.onError?.(error);
      },
      onClose: (code, reason, wasClean) => {
        log.push(`close ${code} ${reason} ${wasClean ? 'clean' : 'unclean'}`);
        this.during.onClose?.(code, reason, wasClean);
      },
      onThrown: (error) => {
        if (this.during.onThrown === undefined) throw error;
        this.during.onThrown(error);
      },
      onWorked: () => this.during.onWorked?.(),
    };
    // Only where a test has them: without them, the connection does by itself.
    Object.defineProperties(handler, {
      onOverdue: { get: () => this.during.onOverdue },
      isAnswering: { get: () => this.during.isAnswering },
      onExcess: { get: () => this.during.onExcess },
    });
    this.connection = new Connection(role, this.transport, handler, this.clock, {
      ...resolveLimits(options),
      autoPong: options.autoPong ?? true,
      rateLimit: options.rateLimit,
    });
  }

  /** Feeds one chunk, copied, since decoding unmasks in place. */
  receive(bytes: Uint8Array): void {
    this.connection.receive(Buffer.from(bytes));
  }

  /** Feeds frames of the peer, each in a chunk of its own. */
  receiveFrames(...frames: RawFrame[]): void {
    for (const frame of frames) this.receive(peerFrame(this.role, frame));
  }

  /** What we have sent so far; flushes first. */
  sent(): ReadFrame[] {
    this.connection.flush();
    return readFrames(this.transport.wire);
  }

  /** The log without `pending`, which tells nothing about what came. */
  get events(): string[] {
    return this.log.filter((entry) => entry !== 'pending');
  }
}

/** Both roles, for `describe.each`. */
export const ROLES: readonly Role[] = ['client', 'server'];
