// Reads a message while it arrives, and keeps all of it.
import { KIND_AT } from './message.mjs';

export class StreamReading {
  #pieces;
  #all = [];
  /** A stream tells once that it was cut, and has come to its end for who asks again. */
  #error = null;
  isWhole = false;

  /** @param {AsyncIterable<string | Uint8Array> & { binary: boolean }} stream */
  constructor(stream) {
    this.binary = stream.binary;
    this.#pieces = stream[Symbol.asyncIterator]();
  }

  /** The next piece; null behind the last. Rejects from there on where the message was cut. */
  async next() {
    let result;
    try {
      result = await this.#pieces.next();
    } catch (error) {
      this.#error = error;
    }
    // Somebody else may have been told, who asked before.
    if (this.#error !== null) throw this.#error;
    const { done, value } = result;
    this.isWhole = done;
    if (done) return null;
    this.#all.push(value);
    return value;
  }

  /** What came so far. */
  get message() {
    return this.binary ? Buffer.concat(this.#all) : this.#all.join('');
  }

  /** As much as tells of what kind it is. */
  async begin() {
    while (!this.isWhole && this.message.length <= KIND_AT) await this.next();
    return this.message;
  }

  async *through() {
    yield this.message;
    for (let piece = await this.next(); piece !== null; piece = await this.next()) yield piece;
  }

  async toEnd() {
    while (!this.isWhole) await this.next();
    return this.message;
  }
}
