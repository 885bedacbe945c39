/**
 * Messages to compressed payloads by the public functions of `node:zlib`, where contexts cannot be kept
 * (deflater.ts): with the text before as the dictionary, which is all that a context remembers.
 *
 * @module
 */

import { type ZlibOptions, constants, deflateRaw, deflateRawSync } from 'node:zlib';
import type { ResolvedDeflateOptions } from './deflate-options.ts';
import { type Deflater, withoutTail } from './deflater.ts';
import { JOBS } from './jobs.ts';
import { TextWindow } from './text-window.ts';

export class PublicDeflater implements Deflater {
  readonly #options: ResolvedDeflateOptions;
  readonly #windowBits: number;
  readonly #window: TextWindow;
  #isClosed = false;

  constructor(options: ResolvedDeflateOptions, windowBits: number, takeover: boolean) {
    this.#options = options;
    this.#windowBits = windowBits;
    this.#window = new TextWindow(windowBits, takeover);
  }

  deflate(data: Uint8Array): Buffer {
    return this.deflatePart(data, true);
  }

  deflatePart(data: Uint8Array, last: boolean): Buffer {
    const payload = deflateRawSync(data, this.zlibOptions());
    this.#window.remember(data, last);
    return last ? withoutTail(payload) : payload;
  }

  deflateLater(data: Uint8Array, done: (payload: Buffer | null) => void): void {
    JOBS.run(
      (release) => {
        if (this.#isClosed) {
          release();
          return;
        }
        const options = this.zlibOptions();
        this.#window.remember(data, true);
        deflateRaw(data, options, (error, payload) => {
          release();
          if (this.#isClosed) return;
          done(error === null ? withoutTail(payload) : null);
        });
      },
      () => {
        if (!this.#isClosed) done(null);
      },
    );
  }

  forget(): void {
    this.#window.forget();
  }

  close(): void {
    this.#isClosed = true;
    this.#window.forget();
  }

  private zlibOptions(): ZlibOptions {
    const { level, memoryLevel } = this.#options;
    const dictionary = this.#window.text;
    return {
      level,
      memLevel: memoryLevel,
      windowBits: this.#windowBits,
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(dictionary.length > 0 && { dictionary }),
    };
  }
}
