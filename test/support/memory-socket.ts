/**
 * Both ends of a connection in memory, each a `net.Socket` to whoever looks at it, so that a server
 * and a client take it as they take one of the network. What it does for the kernel is done a turn
 * later, and a test may let it break at a call of its choice.
 */

/* oxlint-disable no-underscore-dangle -- names that Node has given. */

import { Socket as NetSocket } from 'node:net';

/** What happens to a transport at one of its calls. */
export type Fault =
  /** The next write fails: EPIPE. */
  | 'fails to write'
  /** ECONNRESET, before the call. */
  | 'is reset'
  /** It is destroyed, without an error, before the call. */
  | 'is destroyed'
  /** The network takes nothing from here on, brings nothing, and says nothing. */
  | 'gets stuck'
  /** FIN of the peer comes, before the call; what the peer had sent is lost. */
  | 'is ended'
  /** The call is done, and an error follows in a later turn. */
  | 'fails later';

export const FAULTS: readonly Fault[] = [
  'fails to write',
  'is reset',
  'is destroyed',
  'gets stuck',
  'is ended',
  'fails later',
];

/** All that the library calls on a transport, and that may therefore go wrong. */
const CALLS = ['write', 'end', 'destroy', 'pause', 'resume', 'cork', 'uncork'] as const;

type Done = (error?: Error | null) => void;

function networkError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

export class MemorySocket extends NetSocket {
  other: MemorySocket | null = null;
  /** The calls so far, by name. */
  readonly calls: string[] = [];
  #fault: Fault | null = null;
  #faultAt = Infinity;
  #failsWrite = false;
  #isStuck = false;
  #hasFin = false;
  /** Of the write that the network does not take. */
  #held: Done | null = null;
  /** A call of Node's own parts, inside one of ours, is none. */
  #depth = 0;
  #isOver = false;

  constructor() {
    super({ allowHalfOpen: true });
    for (const name of CALLS) {
      const inherited: unknown = Reflect.get(this, name);
      if (typeof inherited !== 'function') throw new Error(`a transport has no ${name}`);
      const value = (...values: unknown[]): unknown => {
        const go = (): unknown => Reflect.apply(inherited, this, values);
        return this.#depth > 0 ? go() : this.aside(() => this.count(name, go));
      };
      Object.defineProperty(this, name, { value });
    }
    // The emitter of Node resumes where the first listener for data comes: that is no call of ours.
    const listen: unknown = Reflect.get(this, 'on');
    if (typeof listen !== 'function') throw new Error('a transport has no on');
    const on = (...values: unknown[]): unknown =>
      this.aside(() => Reflect.apply(listen, this, values));
    Object.defineProperty(this, 'on', { value: on });
    this.once('close', () => (this.#isOver = true));
  }

  private aside<Result>(work: () => Result): Result {
    this.#depth++;
    try {
      return work();
    } finally {
      this.#depth--;
    }
  }

  static pair(): [MemorySocket, MemorySocket] {
    const [one, two] = [new MemorySocket(), new MemorySocket()];
    one.other = two;
    two.other = one;
    return [one, two];
  }

  /** Whether `close` was emitted. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Lets `fault` happen at the call of that number, the first of which is 1. */
  breakAt(number: number, fault: Fault): void {
    this.#fault = fault;
    this.#faultAt = number;
  }

  private count(name: string, go: () => unknown): unknown {
    this.calls.push(name);
    if (this.calls.length === this.#faultAt) this.break();
    return go();
  }

  private break(): void {
    if (this.#fault === 'fails to write') this.#failsWrite = true;
    else if (this.#fault === 'is reset') this.destroy(networkError('ECONNRESET'));
    else if (this.#fault === 'is destroyed') this.destroy();
    else if (this.#fault === 'gets stuck') this.#isStuck = true;
    else if (this.#fault === 'is ended') this.takeFin();
    else setImmediate(() => this.destroy(networkError('ETIMEDOUT')));
  }

  /** As if the network did it: not one of the calls that are counted. */
  reset(): void {
    this.aside(() => this.destroy(networkError('ECONNRESET')));
  }

  private takeFin(): void {
    if (this.#hasFin || this.destroyed || this.#isStuck) return;
    this.#hasFin = true;
    this.push(null);
  }

  private takeBytes(bytes: Buffer): void {
    if (!this.#hasFin && !this.destroyed && !this.#isStuck) this.push(bytes);
  }

  // ── What a stream does for the kernel ─────────────────────────────────────────────────────

  override _read(): void {
    // What comes is pushed.
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, done: Done): void {
    if (this.#failsWrite) {
      done(networkError('EPIPE'));
      return;
    }
    if (this.#isStuck) {
      this.#held = done;
      return;
    }
    // A peer that is gone answers with a reset, where it can be reached.
    if (this.other!.destroyed && !this.other!.#isStuck) {
      setImmediate(() => this.reset());
      done();
      return;
    }
    // A copy, as the kernel makes one: what is written over later was not sent.
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : Buffer.from(chunk);
    setImmediate(() => this.other!.takeBytes(bytes));
    done();
  }

  override _writev(
    chunks: readonly { chunk: Buffer | string; encoding: BufferEncoding }[],
    done: Done,
  ): void {
    const parts = chunks.map(({ chunk, encoding }) =>
      typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk,
    );
    this._write(Buffer.concat(parts), 'latin1', done);
  }

  override _final(done: Done): void {
    if (this.#isStuck) return;
    setImmediate(() => this.other!.takeFin());
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#isStuck) setImmediate(() => this.other!.takeFin());
    this.#held?.(networkError('ECANCELED'));
    done(error);
    // Those of Node do it by themselves, when the kernel has closed their handle.
    setImmediate(() => this.emit('close', error !== null));
  }
}
