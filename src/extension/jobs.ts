/**
 * How many large messages zlib works at off the main thread at the same time. Its threads are those
 * of DNS and of files: one that compresses must not keep all of them busy.
 *
 * @module
 */

/** Begins a job, and calls `done` when it has ended, whatever became of it. */
type Job = (done: () => void) => void;

/** One less than libuv has threads, where nobody has asked for more. */
const MAX_RUNNING = 3;

export class Jobs {
  readonly #maxRunning: number;
  #running = 0;
  #isBeginning = false;
  /** In the order in which they came. Each connection has one each way at the most. */
  readonly #waiting = new Set<Job>();

  constructor(maxRunning: number = MAX_RUNNING) {
    this.#maxRunning = maxRunning;
  }

  /** Begins `job` now, or when another has ended. */
  run(job: Job): void {
    this.#waiting.add(job);
    this.beginWaiting();
  }

  /** (Not by calling itself: thousands may end as soon as they begin, since nobody waits any more.) */
  private beginWaiting(): void {
    if (this.#isBeginning) return;
    this.#isBeginning = true;
    const errors: unknown[] = [];
    for (const job of this.#waiting) {
      if (this.#running >= this.#maxRunning) break;
      this.#waiting.delete(job);
      try {
        this.begin(job);
      } catch (error) {
        // The next ones are no worse for it.
        errors.push(error);
      }
    }
    this.#isBeginning = false;
    if (errors.length > 0) throw errors[0];
  }

  private begin(job: Job): void {
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
      throw error;
    }
  }
}

/** Those of this process. */
export const JOBS: Jobs = new Jobs();
