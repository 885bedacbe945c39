/**
 * Which parts of the library were run, as V8 counts it: an input that reaches something new is worth
 * changing further.
 *
 * @module
 */

import { type Profiler, Session } from 'node:inspector';

export class Coverage {
  readonly #session = new Session();
  /** Which scripts are looked at: those whose URL has this in it. */
  readonly #within: string;
  /** Script → for each of its characters, whether it was run. */
  readonly #seen = new Map<string, Uint8Array>();
  #scratch = new Uint8Array(0);

  constructor(within: string) {
    this.#within = within;
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** How many characters of the library were run so far. */
  get size(): number {
    let size = 0;
    for (const seen of this.#seen.values()) for (const was of seen) size += was;
    return size;
  }

  /** How many were run since the last call that never were before; from now on, they were. */
  take(): number {
    return this.read(true);
  }

  /** The same, and they count as new all the same. */
  look(): number {
    return this.read(false);
  }

  private read(remembers: boolean): number {
    let fresh = 0;
    // Answers at once, since it is our own process.
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error;
      for (const script of answer.result) {
        if (script.url.includes(this.#within)) fresh += this.add(script, remembers);
      }
    });
    return fresh;
  }

  private add({ url, functions }: Profiler.ScriptCoverage, remembers: boolean): number {
    const size = Math.max(0, ...functions.map(({ ranges: [whole] }) => whole?.endOffset ?? 0));
    if (size > this.#scratch.length) this.#scratch = new Uint8Array(2 * size);
    const now = this.#scratch;
    now.fill(0, 0, size);
    // From the outermost to the innermost, which knows best.
    for (const { ranges } of functions) {
      for (const { startOffset, endOffset, count } of ranges) {
        now.fill(count > 0 ? 1 : 0, startOffset, endOffset);
      }
    }
    let seen = this.#seen.get(url);
    if (seen === undefined) this.#seen.set(url, (seen = new Uint8Array(size)));
    let fresh = 0;
    for (let at = 0; at < size; at++) {
      if (now[at] === 0 || seen[at] !== 0) continue;
      if (remembers) seen[at] = 1;
      fresh++;
    }
    return fresh;
  }

  close(): void {
    this.#session.disconnect();
  }
}
