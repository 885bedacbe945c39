/**
 * How many large messages zlib works at off the main thread at the same time. Its threads are those
 * of DNS and of files: one that compresses must not keep all of them busy.
 *
 * @module
 */

/** Begins a job, and calls `done` when it has ended, whatever became of it. */
type Job = (done: () => void) => void;

type OnFailed = (error: unknown) => void;

/** One less than libuv has threads, where nobody has asked for more. */
const MAX_RUNNING = 3;

export class Jobs {
  readonly #maxRunning: number;
  #running = 0;
  #isBeginning = false;
  /** In the order in which they came. Each connection has one each way at the most. */
  readonly #waiting = new Map<Job, OnFailed>();

  constructor(maxRunning: number = MAX_RUNNING) {
    this.#maxRunning = maxRunning;
  }

  /**
   * Begins `job` now, or when another has ended.
   *
   * @param onFailed - called later with what it throws as it begins: that is nothing to the one that
   *   has just ended, and has brought it about
   */
  run(job: Job, onFailed: OnFailed): void {
    this.#waiting.set(job, onFailed);
    this.beginWaiting();
  }

  /** (Not by calling itself: thousands may end as soon as they begin, since nobody waits any more.) */
  private beginWaiting(): void {
    if (this.#isBeginning) return;
    this.#isBeginning = true;
    for (const [job, onFailed] of this.#waiting) {
      if (this.#running >= this.#maxRunning) break;
      this.#waiting.delete(job);
      this.begin(job, onFailed);
    }
    this.#isBeginning = false;
  }

  private begin(job: Job, onFailed: OnFailed): void {
    this.#running++;
    let isDone = false;
    const done = (): void => {
      if (isDone) return;
      isDone = true;
      this.#running--;
      this.beginWaiting();
    };
    try {
      job(done);
    } catch (error) {
      done();
      queueMicrotask(() => onFailed(error));
    }
  }
}

/** Those of this process. */
export const JOBS: Jobs = new Jobs();
