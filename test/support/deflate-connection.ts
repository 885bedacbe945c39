/**
 * A connection over memory with permessage-deflate, and the peer at its other end: the latter knows
 * frames only by a reader of its own, and compression only by public one-shot calls of `node:zlib`.
 */
import { createHash } from 'node:crypto';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, vi } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import type { ConnectionHandler, ConnectionOptions, Role } from '../../src/connection/handler.ts';
import { resolveLimits } from '../../src/connection/limits.ts';
import {
  DEFAULT_DEFLATE,
  type ResolvedDeflateOptions,
} from '../../src/extension/deflate-options.ts';
import type { DeflateTerms } from '../../src/extension/deflate-params.ts';
import { JOBS } from '../../src/extension/jobs.ts';
import { PerMessageDeflate } from '../../src/extension/permessage-deflate.ts';
import { type RawFrame, type ReadFrame, peerFrame, readFrames } from './bytes.ts';
import { ManualClock } from './manual-clock.ts';
import { MemoryTransport } from './memory-transport.ts';
import { ROLES } from './open-connection.ts';

/** What both ends may do where nothing was asked for. */
const FREE_TERMS: DeflateTerms = {
  ownTakeover: true,
  ownWindowBits: 15,
  peerTakeover: true,
  peerWindowBits: 15,
};

/** Contexts that are kept, and the public functions. */
export const ENGINES: readonly { engine: string; keepContexts: boolean }[] = [
  { engine: 'kept contexts', keepContexts: true },
  { engine: 'public functions', keepContexts: false },
];

/** Both roles with both of them, for `describe.each`. */
export const DEFLATING_ROLES: readonly { role: Role; engine: string; keepContexts: boolean }[] =
  ROLES.flatMap((role) =>
    ENGINES.map(({ engine, keepContexts }) => ({ role, engine, keepContexts })),
  );

export interface DeflateSetup {
  readonly options?: Partial<ResolvedDeflateOptions>;
  readonly terms?: Partial<DeflateTerms>;
  readonly limits?: Partial<ConnectionOptions>;
}

/** Small messages are compressed too, unless a test says otherwise. */
export function createDeflate({ options, terms }: DeflateSetup = {}): PerMessageDeflate {
  return new PerMessageDeflate(
    { ...DEFAULT_DEFLATE, threshold: 0, ...options },
    { ...FREE_TERMS, ...terms },
  );
}

/** Hexadecimal digits, of which two make a byte when they are compressed, and no more. */
export function noise(size: number, seed: string = ''): string {
  let text = '';
  for (let at = 0; text.length < size; at++) {
    text += createHash('sha512').update(`${seed} ${at}`).digest('hex');
  }
  return text.slice(0, size);
}

const SMALLEST_CHUNK = 64;
const TAIL = Buffer.of(0x00, 0x00, 0xff, 0xff);

/** What the other end makes of payloads, and what it sends. */
export class ReferencePeer {
  /** What it has inflated and compressed so far. */
  #inflated: Buffer = Buffer.alloc(0);
  #deflated: Buffer = Buffer.alloc(0);
  readonly #terms: DeflateTerms;

  /** @param terms - as the end sees them that it speaks with */
  constructor(terms: Partial<DeflateTerms> = {}) {
    this.#terms = { ...FREE_TERMS, ...terms };
  }

  inflate(payload: Uint8Array): Buffer {
    const { ownWindowBits: windowBits, ownTakeover } = this.#terms;
    const dictionary = ownTakeover ? this.#inflated.subarray(-(2 ** windowBits)) : Buffer.alloc(0);
    const data = inflateRawSync(Buffer.concat([payload, TAIL]), {
      windowBits,
      // A reference that is too far back shows only behind the output that zlib was given.
      ...(windowBits < 15 && { chunkSize: SMALLEST_CHUNK }),
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(dictionary.length > 0 && { dictionary }),
    });
    this.#inflated = Buffer.concat([this.#inflated, data]);
    return data;
  }

  deflate(data: string | Uint8Array): Buffer {
    const { peerWindowBits: windowBits, peerTakeover } = this.#terms;
    const dictionary = peerTakeover ? this.#deflated.subarray(-(2 ** windowBits)) : Buffer.alloc(0);
    const bytes = Buffer.from(data);
    const payload = deflateRawSync(bytes, {
      windowBits,
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(dictionary.length > 0 && { dictionary }),
    });
    this.#deflated = Buffer.concat([this.#deflated, bytes]);
    return bytes.length === 0 ? Buffer.of(0) : payload.subarray(0, -TAIL.length);
  }

  /** The frame of a compressed message. */
  frame(data: string | Uint8Array, frame: RawFrame = {}): RawFrame {
    return { rsv: 4, payload: this.deflate(data), ...frame };
  }

  /**
   * The messages in frames, as `deflated text`, `plain text`, or `control 9 text`, where a message of
   * `n` frames ends with `in n`.
   */
  read(frames: readonly ReadFrame[]): string[] {
    const messages: string[] = [];
    let parts: ReadFrame[] = [];
    for (const frame of frames) {
      if (frame.opcode >= 8) {
        if (frame.rsv !== 0 || !frame.fin) throw new Error('a control frame that must not be');
        messages.push(`control ${frame.opcode} ${frame.payload.toString()}`);
        continue;
      }
      if ((frame.opcode === 0) !== parts.length > 0) throw new Error('frames of two messages');
      if (parts.length > 0 && frame.rsv !== 0) throw new Error('RSV1 on a continuation');
      parts.push(frame);
      if (!frame.fin) continue;
      const payload = Buffer.concat(parts.map((part) => part.payload));
      const isDeflated = parts[0]!.rsv === 4;
      const data = isDeflated ? this.inflate(payload) : payload;
      const count = parts.length > 1 ? ` in ${parts.length}` : '';
      messages.push(`${isDeflated ? 'deflated' : 'plain'} ${data.toString()}${count}`);
      parts = [];
    }
    if (parts.length > 0) throw new Error('the last message has not ended');
    return messages;
  }
}

export class DeflateConnection {
  readonly role: Role;
  readonly transport = new MemoryTransport();
  readonly clock = new ManualClock();
  readonly deflate: PerMessageDeflate;
  readonly connection: Connection;
  readonly peer: ReferencePeer;
  /** As that of an `OpenConnection`, with `thrown …`, and without `pending` and `worked`. */
  readonly log: string[] = [];
  /** How often `onPending` and `onWorked` were called. */
  pendings = 0;
  works = 0;
  /** Whether what is pending is flushed when a turn ends, as the owner of a connection does. */
  flushes = true;
  during: Partial<ConnectionHandler> = {};
  #onWorked = (): void => {};

  constructor(role: Role, setup: DeflateSetup = {}) {
    this.role = role;
    this.deflate = createDeflate(setup);
    this.peer = new ReferencePeer(this.deflate.terms);
    this.connection = new Connection(
      role,
      this.transport,
      this.createHandler(),
      this.clock,
      { ...resolveLimits(setup.limits), autoPong: setup.limits?.autoPong ?? true },
      this.deflate,
    );
  }

  private createHandler(): ConnectionHandler {
    const { log } = this;
    return {
      onMessage: (opcode, source, start, end, ascii) => {
        const bytes = source.subarray(start, end);
        log.push(opcode === 1 ? `text ${bytes.toString()}` : `binary ${bytes.toString('hex')}`);
        this.during.onMessage?.(opcode, source, start, end, ascii);
      },
      onPiece: (opcode, source, start, end, last) => {
        log.push(`${last ? 'last ' : ''}piece ${source.toString('utf8', start, end)}`);
        this.during.onPiece?.(opcode, source, start, end, last);
      },
      onPing: (source, start, end) => {
        log.push(`ping ${source.toString('utf8', start, end)}`);
        this.during.onPing?.(source, start, end);
      },
      onPong: (source, start, end) => {
        log.push(`pong ${source.toString('utf8', start, end)}`);
        this.during.onPong?.(source, start, end);
      },
      onDrain: () => {
        log.push('drain');
        this.during.onDrain?.();
      },
      onPending: () => {
        this.pendings++;
        if (this.flushes) queueMicrotask(() => this.connection.flush());
      },
      onError: (error) => log.push(`error ${error.code}`),
      onClose: (code, reason, wasClean) => {
        log.push(`close ${code} ${reason} ${wasClean ? 'clean' : 'unclean'}`);
      },
      onThrown: (error) => log.push(`thrown ${String(error)}`),
      onWorked: () => {
        this.works++;
        this.#onWorked();
      },
    };
  }

  /** Resolves when a thread has worked for this connection, or a later turn did. */
  worked(): Promise<void> {
    return new Promise((resolve) => {
      this.#onWorked = resolve;
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

  /** Feeds frames of the peer in one chunk. */
  receiveTogether(...frames: RawFrame[]): void {
    this.receive(Buffer.concat(frames.map((frame) => peerFrame(this.role, frame))));
  }

  /** The frames that we have sent so far; flushes first. */
  sent(): ReadFrame[] {
    this.connection.flush();
    return readFrames(this.transport.wire);
  }

  /** What the peer makes of them. To be asked once: the peer remembers. */
  read(): string[] {
    return this.peer.read(this.sent());
  }

  /** Ends the connection, and so frees what zlib holds for it. */
  end(): void {
    this.connection.receiveTransportClose();
  }
}

/** Knows how many jobs of the process are under way, from when it was made to the end of the test. */
export class JobWatch {
  /** How many were begun, waiting ones too. */
  count = 0;
  #open = 0;
  #onIdle = (): void => {};

  constructor() {
    const run = JOBS.run.bind(JOBS);
    vi.spyOn(JOBS, 'run').mockImplementation((job, onFailed) => {
      this.count++;
      this.#open++;
      const end = (): void => {
        if (--this.#open === 0) this.#onIdle();
      };
      run(
        (done) => {
          job(() => {
            done();
            end();
          });
        },
        (error) => {
          onFailed(error);
          end();
        },
      );
    });
  }

  /** Resolves when all have ended, and have told what became of them: with none begun by that. */
  async idle(): Promise<void> {
    while (this.#open > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
  }
}

/** The connections that the tests of a file open, and the jobs of each test. */
export interface DeflateConnections {
  /** Those of the test that runs. */
  readonly jobs: Pick<JobWatch, 'count' | 'idle'>;
  /** Ends it when the test is over. */
  add(one: DeflateConnection): DeflateConnection;
  /** Opens connections that play `role`, with contexts that are kept or not. */
  opener(role: Role, keepContexts: boolean): (setup?: DeflateSetup) => DeflateConnection;
}

/** To be called once, outside of all tests of a file: no test leaves a connection or a job behind. */
export function followConnections(): DeflateConnections {
  const opened: DeflateConnection[] = [];
  let watch: JobWatch;
  beforeEach(() => {
    watch = new JobWatch();
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) one.end();
    await watch.idle();
    vi.restoreAllMocks();
  });
  const add = (one: DeflateConnection): DeflateConnection => {
    opened.push(one);
    return one;
  };
  return {
    jobs: {
      get count() {
        return watch.count;
      },
      idle: () => watch.idle(),
    },
    add,
    opener:
      (role, keepContexts) =>
      (setup = {}) =>
        add(new DeflateConnection(role, { ...setup, options: { keepContexts, ...setup.options } })),
  };
}

/** The log with long texts cut, so that a difference can be read. */
export function short(entries: readonly string[]): string[] {
  return entries.map((entry) => {
    if (entry.length <= 60) return entry;
    const digest = createHash('sha256').update(entry).digest('hex').slice(0, 8);
    return `${entry.slice(0, 40)}… ${entry.length} ${digest}`;
  });
}
