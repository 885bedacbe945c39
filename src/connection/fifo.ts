/**
 * A queue: first in, first out. Taking from the front of an array moves all that is behind it, which
 * takes seconds where a hundred thousand small things wait.
 *
 * @module
 */

export class Fifo<Item> {
  #items: Item[] = [];
  /** Where the first one is; what stands before it was taken. */
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** The one that would be taken next; undefined where there is none. */
  get first(): Item | undefined {
    return this.#items[this.#head];
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  /** Takes the first one. */
  shift(): Item | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#head]!;
    this.#head++;
    // Half of it is empty: moved so seldom, each item is moved once on average.
    if (2 * this.#head >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Puts one in front of all. */
  unshift(item: Item): void {
    this.#items = [item, ...this.#items.slice(this.#head)];
    this.#head = 0;
  }

  /** Takes all. */
  takeAll(): Item[] {
    const items = this.#items.slice(this.#head);
    this.#items = [];
    this.#head = 0;
    return items;
  }
}
