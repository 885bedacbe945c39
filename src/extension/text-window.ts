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
    const added = bytes.subarray(Math.max(0, bytes.length - this.#size));
    const kept = Math.min(this.#text.length, this.#size - added.length);
    // In memory of its own: a small buffer of Node would keep a whole pool alive.
    const text = Buffer.allocUnsafeSlow(kept + added.length);
    this.#text.copy(text, 0, this.#text.length - kept);
    text.set(added, kept);
    this.#text = text;
  }

  forget(): void {
    this.#text = NO_BYTES;
  }
}
