/**
 * The text that a DEFLATE stream may refer to: the last bytes of what it has given so far (RFC 1951,
 * section 2).
 *
 * @module
 */

const NO_BYTES: Buffer = Buffer.alloc(0);

export class TextWindow {
  readonly #size: number;
  readonly #takeover: boolean;
  #text: Buffer = NO_BYTES;

  /**
   * @param windowBits - the size, as a power of two
   * @param takeover - whether a message may refer to those before
   */
  constructor(windowBits: number, takeover: boolean) {
    this.#size = 2 ** windowBits;
    this.#takeover = takeover;
  }

  get text(): Buffer {
    return this.#text;
  }

  /**
   * Takes note of what has come.
   *
   * @param last - whether a message ends with it
   */
  remember(bytes: Uint8Array, last: boolean): void {
    if (last && !this.#takeover) {
      this.forget();
      return;
    }
    if (bytes.length >= this.#size) {
      this.#text = Buffer.from(bytes.subarray(bytes.length - this.#size));
      return;
    }
    const kept = Math.min(this.#text.length, this.#size - bytes.length);
    this.#text = Buffer.concat([this.#text.subarray(this.#text.length - kept), bytes]);
  }

  forget(): void {
    this.#text = NO_BYTES;
  }
}
