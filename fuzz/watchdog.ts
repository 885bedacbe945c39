/**
 * Ends the process when one input takes too long, and says which it was: what never ends cannot do that
 * itself. It runs in a thread of its own, beside {@link Watch}, which tells it what is being run.
 *
 * @module
 */

import { writeSync } from 'node:fs';
import { Worker, isMainThread, workerData } from 'node:worker_threads';

/** Milliseconds for one input. Most take less than one. */
const MOST = 60_000;

/** The part of an input that is shown. */
const ROOM = 64 * 1024;

/** Number of the input, and its size. */
const HEAD = 2;

function isShared(value: unknown): value is SharedArrayBuffer {
  return value instanceof SharedArrayBuffer;
}

/** What both threads look at. */
export class Watch {
  readonly #shared = new SharedArrayBuffer(4 * HEAD + ROOM);
  readonly #head = new Int32Array(this.#shared, 0, HEAD);
  readonly #input = new Uint8Array(this.#shared, 4 * HEAD);
  readonly #worker: Worker;

  constructor() {
    this.#worker = new Worker(new URL(import.meta.url), { workerData: this.#shared });
    this.#worker.unref();
  }

  /** From now on this one is run. */
  readonly see = (input: Buffer): void => {
    this.#input.set(input.subarray(0, ROOM));
    this.#head[1] = input.length;
    Atomics.add(this.#head, 0, 1);
  };

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

function guard(shared: SharedArrayBuffer): void {
  const head = new Int32Array(shared, 0, HEAD);
  let seen = -1;
  setInterval(() => {
    const now = Atomics.load(head, 0);
    if (now === seen) {
      const input = Buffer.from(new Uint8Array(shared, 4 * HEAD, Math.min(ROOM, head[1] ?? 0)));
      writeSync(2, `an input did not come to its end:\n${input.toString('hex')}\n`);
      // The other thread hears nothing any more.
      process.kill(process.pid, 'SIGKILL');
    }
    seen = now;
  }, MOST);
}

if (!isMainThread && isShared(workerData)) guard(workerData);
