/**
 * A server and a client of the library, joined in memory, with a script of what they say to each
 * other; and what must be true of both when all is over, whatever has gone wrong between them.
 */
import { createHash } from 'node:crypto';
import { expect, onTestFinished, vi } from 'vitest';
import { type ConnectOptions, connect } from '../../src/client/connect.ts';
import type { Dialled } from '../../src/client/dial.ts';
import type { Role } from '../../src/connection/handler.ts';
import { READY_STATE } from '../../src/connection/state.ts';
import type { Socket } from '../../src/connection/socket.ts';
import { JOBS } from '../../src/extension/jobs.ts';
import { ZlibContext } from '../../src/extension/zlib-context.ts';
import { Gate } from '../../src/server/gate.ts';
import { Listener, type ListenerOwner } from '../../src/server/listener.ts';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { type Fault, MemorySocket } from './memory-socket.ts';

/** Milliseconds, by a clock that goes on only where all have come to rest. */
const TIMES = { pingInterval: 1000, pingTimeout: 1000, closeTimeout: 1000 } as const;
const HANDSHAKE_TIMEOUT = 2000;
/** Turns without a step of the clock. */
const TURNS_OF_A_STEP = 20;
const MOST_TURNS = 4000;

export interface Scenario {
  readonly name: string;
  readonly options?: Pick<WebSocketServerOptions & ConnectOptions, 'deflate' | 'highWaterMark'>;
  readonly path?: string;
  /**
   * What happens once both are open. It must end, too, when they end.
   *
   * @param near - the end whose transport may break
   */
  play(near: End, far: End, server: WebSocketServer): Promise<unknown>;
  /** How many messages `near` gets where nothing breaks. Default: all that are sent to it. */
  readonly gets?: number;
}

/** What has to be the same: not the bytes, which may be many. */
export function digest(message: string | Uint8Array): string {
  const kind = typeof message === 'string' ? 'text' : 'binary';
  return `${kind} ${message.length} ${createHash('sha1').update(message).digest('hex')}`;
}

/** One end, and what it was told. */
export class End {
  readonly role: Role;
  readonly stream: MemorySocket;
  readonly sent: string[] = [];
  readonly got: string[] = [];
  readonly closes: string[] = [];
  readonly errors: Error[] = [];
  /** What it does with a message. */
  answer: (message: string | Buffer) => unknown = () => {};
  unsettled = 0;
  #socket: Socket | null = null;
  #waiting: (() => void)[] = [];

  constructor(role: Role, stream: MemorySocket) {
    this.role = role;
    this.stream = stream;
  }

  get isOpened(): boolean {
    return this.#socket !== null;
  }

  get isOver(): boolean {
    return this.stream.isOver && (this.#socket === null || this.closes.length > 0);
  }

  get socket(): Socket {
    if (this.#socket === null) throw new Error('it is not open');
    return this.#socket;
  }

  open(socket: Socket): void {
    this.#socket = socket;
    socket.on('error', (error) => this.errors.push(error));
    socket.on('close', (code, reason, wasClean) => {
      this.closes.push(`${code} ${reason} ${wasClean}`);
      this.wake();
    });
    void this.track(socket.closed);
  }

  /** Takes messages by a listener, as nearly everybody does. */
  listen(): void {
    this.socket.on('message', (message) => {
      this.hear(message);
      return this.answer(message);
    });
  }

  hear(message: string | Buffer): void {
    this.got.push(digest(message));
    this.wake();
  }

  send(data: string | Buffer): boolean {
    this.sent.push(digest(data));
    return this.socket.send(data);
  }

  /** Sends the pieces as one message. */
  async sendPieces(pieces: readonly string[]): Promise<unknown> {
    this.sent.push(digest(pieces.join('')));
    const give = async function* give(): AsyncGenerator<string, void, undefined> {
      for (const piece of pieces) {
        await new Promise(setImmediate);
        yield piece;
      }
    };
    return this.track(this.socket.send(give()));
  }

  /** Waits for so many messages, or for the end. */
  async gotten(count: number): Promise<void> {
    while (this.got.length < count && this.closes.length === 0) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Counts a promise of the library until it is settled, this way or the other. */
  async track(promise: Promise<unknown>): Promise<unknown> {
    this.unsettled++;
    try {
      return await promise;
    } catch (error) {
      return error;
    } finally {
      this.unsettled--;
    }
  }

  private wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** What `dial` is to return next: see the mock of the tests. */
let dialled: Dialled | null = null;
export function dialInMemory(): Dialled {
  if (dialled === null) throw new Error('nobody has prepared a transport');
  return dialled;
}

/** The jobs of zlib that have begun and not ended. */
const jobs = { running: 0 };
/** All contexts of zlib that were made. */
const contexts: ZlibContext[] = [];
/** What the pools keep for all connections: four of a kind, one kind each way. */
const MOST_KEPT = 8;

/** From here on the work of zlib is counted, and the memory that it has. */
export function watchZlib(): void {
  contexts.length = 0;
  for (const make of ['deflater', 'inflater'] as const) {
    const inherited: (...values: number[]) => ZlibContext = ZlibContext[make].bind(ZlibContext);
    vi.spyOn(ZlibContext, make).mockImplementation((...values: number[]) => {
      const context = inherited(...values);
      contexts.push(context);
      return context;
    });
  }
  const run = JOBS.run.bind(JOBS);
  vi.spyOn(JOBS, 'run').mockImplementation((job, onFailed) => {
    jobs.running++;
    run((done) => {
      let isDone = false;
      job(() => {
        if (!isDone) jobs.running--;
        isDone = true;
        done();
      });
    }, onFailed);
  });
}

async function zlibRests(): Promise<void> {
  while (jobs.running > 0) await new Promise(setImmediate);
}

/** A server that listens, and is given transports of memory as if they came from its listener. */
export class World {
  readonly server: WebSocketServer;
  #owner: ListenerOwner | null = null;
  #end: End | null = null;
  #released = 0;

  private constructor(options: WebSocketServerOptions) {
    const server = new WebSocketServer({
      ...TIMES,
      ...options,
      handshakeTimeout: HANDSHAKE_TIMEOUT,
    });
    this.server = server;
    server.route('/refused', {
      upgrade: () => {
        throw new Error('nobody may enter here');
      },
    });
    server.route('/', { open: (socket) => this.#end!.open(socket), close: () => this.#released++ });
    server.on('error', () => {});
  }

  /** @param options - for both ends */
  static async create(options: Scenario['options'] = {}): Promise<World> {
    const world = new World(options);
    const open = Listener.open.bind(Listener);
    const spy = vi.spyOn(Listener, 'open').mockImplementation((owner, ...rest) => {
      world.#owner = owner;
      return open(owner, ...rest);
    });
    await world.server.listen(0, '127.0.0.1');
    spy.mockRestore();
    onTestFinished(() => world.server.close());
    return world;
  }

  /**
   * Plays a scenario, and breaks the transport of one end at one call.
   *
   * @returns both ends, after all is over
   */
  async play(scenario: Scenario, role: Role, at: number, fault: Fault): Promise<[End, End]> {
    const [one, two] = MemorySocket.pair();
    const near = new End(role, one);
    const far = new End(role === 'server' ? 'client' : 'server', two);
    one.breakAt(at, fault);
    this.#released = 0;
    let outcome: unknown = null;
    void near.track(this.run(scenario, near, far)).then((value) => (outcome = value));
    await this.settle(near, far);
    if (outcome instanceof Error) throw outcome;
    return [near, far];
  }

  private async run(scenario: Scenario, near: End, far: End): Promise<void> {
    const isServer = near.role === 'server';
    const [server, client] = isServer ? [near, far] : [far, near];
    this.#end = server;
    dialled = { transport: client.stream, ready: 'connect' };
    const connecting = connect(`ws://localhost${scenario.path ?? '/'}`, {
      ...TIMES,
      ...scenario.options,
      handshakeTimeout: HANDSHAKE_TIMEOUT,
      parallel: true,
    });
    // What the kernel would do first.
    client.stream.emit('connect');
    if (this.#owner!.mayAccept(server.stream, false)) {
      this.#owner!.onTransport(server.stream, HANDSHAKE_TIMEOUT);
    }
    const socket = await connecting.catch(() => null);
    if (socket === null) return;
    client.open(socket);
    if (server.isOpened) await scenario.play(near, far, this.server);
  }

  /** Lets time pass until nothing is left to happen. */
  private async settle(near: End, far: End): Promise<void> {
    for (let turn = 1; turn <= MOST_TURNS; turn++) {
      await new Promise(setImmediate);
      // A thread of zlib knows nothing of our clock.
      await zlibRests();
      const isOver = near.isOver && far.isOver && near.unsettled + far.unsettled === 0;
      if (isOver && this.server.sockets.size === 0) break;
      if (turn % TURNS_OF_A_STEP === 0) vi.advanceTimersByTime(500);
    }
    // Microtasks of whoever was told last, and the list of those in their handshake.
    await new Promise(setImmediate);
  }

  /** What must be true, whatever has happened. */
  check(near: End, far: End): void {
    for (const [end, other] of [
      [near, far],
      [far, near],
    ] as const) {
      expect(end.stream.destroyed, `the transport of the ${end.role} is there still`).toBe(true);
      expect(end.closes.length, `times that close was told to the ${end.role}`).toBe(
        end.isOpened ? 1 : 0,
      );
      expect(end.unsettled, `promises of the ${end.role} that are not settled`).toBe(0);
      expect(end.got, `what the ${end.role} got`).toEqual(other.sent.slice(0, end.got.length));
      if (end.isOpened) {
        expect(end.socket.readyState).toBe(READY_STATE.CLOSED);
        expect(end.socket.bufferedAmount, 'bytes that wait still').toBe(0);
      }
    }
    const server = near.role === 'server' ? near : far;
    expect(this.#released, 'the hook close').toBe(server.isOpened ? 1 : 0);
    expect(this.server.sockets.size).toBe(0);
    expect(jobs.running, 'jobs of zlib that have not ended').toBe(0);
    const kept = contexts.filter(({ isFailed }) => !isFailed);
    expect(kept.length, 'contexts of zlib that are open').toBeLessThanOrEqual(MOST_KEPT);
    // The list of those in their handshake has one timer, which waits for the next of them.
    if (this.#owner instanceof Gate) this.#owner.destroy();
    expect(vi.getTimerCount(), 'timers that are left').toBe(0);
  }
}
