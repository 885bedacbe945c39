/**
 * Memory of texts that came in several chunks and are strings by now: the next one is put together
 * there. What is new for each has to be given by the system page by page, and goes back to it when the
 * garbage collector frees it (64 KiB of mixed text, taken and sent as a string: 296 µs with new memory
 * and 232 with this; bench/servers.mjs, `64k-text-strings`).
 *
 * @module
 */

/** Texts that come at the same time are more of them: the rest have memory of their own. */
const MAX_SPARE = 4;

/** What is larger is left to the garbage collector: so much is kept of each, at the most. */
const MAX_SIZE = 256 * 1024;

/** So much more than it asked for is a peer given that may never send the rest of its text. */
const MAX_WASTE = 4;

/** What is smaller is cheap to allocate. */
const MIN_SIZE = 8 * 1024;

export class TextMemory {
  readonly #spare: Buffer[] = [];

  /** Bytes that are kept now. */
  get size(): number {
    return this.#spare.reduce((sum, { length }) => sum + length, 0);
  }

  /** Memory of so many bytes or more, which is the caller's until it gives it back. */
  take(size: number): Buffer {
    const fits = ({ length }: Buffer): boolean => length >= size && length <= MAX_WASTE * size;
    const at = size < MIN_SIZE ? -1 : this.#spare.findLastIndex(fits);
    return at === -1 ? Buffer.allocUnsafeSlow(size) : this.#spare.splice(at, 1)[0]!;
  }

  /** Takes memory that nobody reads any more: who does not give it back leaves it to the collector. */
  give(memory: Buffer): void {
    if (memory.length < MIN_SIZE || memory.length > MAX_SIZE) return;
    this.#spare.push(memory);
    if (this.#spare.length <= MAX_SPARE) return;
    // Where there is one too many, the smallest goes: it is of use to the fewest.
    const least = Math.min(...this.#spare.map(({ length }) => length));
    this.#spare.splice(
      this.#spare.findIndex(({ length }) => length === least),
      1,
    );
  }
}

/** That of this process. */
export const TEXT_MEMORY: TextMemory = new TextMemory();
