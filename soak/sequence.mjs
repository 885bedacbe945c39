// Numbers that must come one after the other.

/** Numbers that were left out and may still come: further back it is not told any more. */
const MAX_MISSING = 10_000;

/** Tells of numbers that come whether one was lost, came twice, or out of its turn. */
export class Sequence {
  #next;
  #missing = new Set();
  lost = 0;
  duplicated = 0;
  disordered = 0;

  constructor(next = 0) {
    this.#next = next;
  }

  /** The number that is due. */
  get next() {
    return this.#next;
  }

  /** @returns {'due' | 'lost' | 'duplicated' | 'disordered'} */
  take(number) {
    if (number === this.#next) {
      this.#next++;
      return 'due';
    }
    if (number > this.#next) {
      this.skipTo(number);
      this.#next++;
      return 'lost';
    }
    if (!this.#missing.delete(number)) {
      this.duplicated++;
      return 'duplicated';
    }
    this.lost--;
    this.disordered++;
    return 'disordered';
  }

  /** Nothing comes any more before this number. */
  skipTo(number) {
    this.lost += number - this.#next;
    const end = Math.min(number, this.#next + MAX_MISSING - this.#missing.size);
    for (let missing = this.#next; missing < end; missing++) this.#missing.add(missing);
    this.#next = number;
  }
}
