/** A text whose second half comes when it is asked to. */
export class Halves implements AsyncIterable<string> {
  /** Resolves when the first half was taken, and the second is waited for. */
  readonly between: Promise<void>;
  readonly #rest: Promise<void>;
  #enter!: () => void;
  #leave!: () => void;

  constructor() {
    this.between = new Promise((resolve) => {
      this.#enter = resolve;
    });
    this.#rest = new Promise((resolve) => {
      this.#leave = resolve;
    });
  }

  finish(): void {
    this.#leave();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    yield 'the first half';
    this.#enter();
    await this.#rest;
    yield 'the second half';
  }
}
