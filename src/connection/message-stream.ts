/**
 * A message that is read while it arrives. {@link PieceQueue} is the end where bytes come in, and
 * {@link MessageStream} the end that an application reads.
 *
 * @module
 */

import { StringDecoder } from 'node:string_decoder';
import { Fifo } from './fifo.ts';

export type Piece = string | Buffer;

interface Reader {
  readonly resolve: (result: IteratorResult<Piece, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** What a {@link PieceQueue} tells whoever fills it. */
export interface PieceQueueOwner {
  /** It holds so many bytes more, or less. */
  onSize(difference: number): void;
  /** It was read to its end, or given up by its reader: another message may be given out. */
  onDone(): void;
}

/** The pieces of one message that came and were not read yet. */
export class PieceQueue {
  readonly #owner: PieceQueueOwner;
  readonly #decoder: StringDecoder | null;
  readonly #pieces = new Fifo<Piece>();
  #size = 0;
  readonly #readers: Reader[] = [];
  /** All of it came; or nothing more will, because of that. */
  #ended = false;
  #error: Error | null = null;
  #done = false;

  /**
   * @param asText - whether the bytes are given out as strings
   */
  constructor(owner: PieceQueueOwner, asText: boolean) {
    this.#owner = owner;
    this.#decoder = asText ? new StringDecoder('utf8') : null;
  }

  /** Whether nobody will read any more. */
  get isDone(): boolean {
    return this.#done;
  }

  /** Takes the next bytes, which are the queue's from here on. */
  push(bytes: Buffer, last: boolean): void {
    if (this.#done) return;
    const piece = this.#decoder === null ? bytes : this.#decoder.write(bytes);
    if (piece.length > 0) {
      this.#pieces.push(piece);
      this.count(sizeOf(piece));
    }
    this.#ended = last;
    this.serve();
  }

  /** Takes a message that is whole already. */
  pushWhole(message: Piece): void {
    this.#ended = true;
    if (message.length === 0) return;
    this.#pieces.push(message);
    this.count(sizeOf(message));
  }

  /** The rest of the message will not come. */
  fail(error: Error): void {
    if (this.#done || this.#ended) return;
    this.#error = error;
    this.#ended = true;
    this.serve();
  }

  /** Resolves with the next piece; rejects once where the message was cut. */
  next(): Promise<IteratorResult<Piece, undefined>> {
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.serve();
    });
  }

  /** The reader leaves: what there is and what still comes is dropped. */
  cancel(): void {
    if (this.#done) return;
    this.#pieces.takeAll();
    this.count(-this.#size);
    this.#error = null;
    this.finish();
  }

  /** Nobody will be given it. */
  drop(): void {
    this.#done = true;
    this.#pieces.takeAll();
    this.count(-this.#size);
  }

  private serve(): void {
    while (this.#readers.length > 0) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#readers.shift()!.resolve({ done: false, value: piece });
        this.count(-sizeOf(piece));
      } else if (this.#error !== null) {
        const error = this.#error;
        this.#error = null;
        this.#readers.shift()!.reject(error);
        this.finish();
      } else if (this.#ended || this.#done) {
        this.#readers.shift()!.resolve(DONE);
        this.finish();
      } else {
        return;
      }
    }
  }

  private count(difference: number): void {
    if (difference === 0) return;
    this.#size += difference;
    this.#owner.onSize(difference);
  }

  private finish(): void {
    if (this.#done) return;
    this.#done = true;
    this.serve();
    this.#owner.onDone();
  }
}

/** What an object costs that holds a piece: a peer may send one byte at a time. */
const PIECE_OVERHEAD = 96;

/** (A string keeps one byte for a character, or two.) */
function sizeOf(piece: Piece): number {
  return piece.length + PIECE_OVERHEAD;
}

/** Drops a stream that was not given out. Not a method, since it is not for applications. */
export let dropStream: (stream: MessageStream) => void;

/**
 * A message that is read while it arrives: its pieces, in order, as they came. Strings for a text,
 * Buffers for a binary, or for both where the option `text` is `'buffer'`. It can be read once, and
 * the next message is given out when it was read to its end or left: read it, or `cancel` it.
 *
 * Where the connection ends before the message does, reading rejects with a
 * `ConnectionClosedError`.
 *
 * ```js
 * await pipeline(stream, createWriteStream(file)); // from node:stream/promises
 * ```
 */
export class MessageStream implements AsyncIterable<string | Buffer, undefined> {
  /** False for a text. */
  readonly binary: boolean;
  readonly #queue: PieceQueue;

  /** Not for applications: a socket makes it. */
  constructor(queue: PieceQueue, binary: boolean) {
    this.#queue = queue;
    this.binary = binary;
  }

  [Symbol.asyncIterator](): AsyncIterator<string | Buffer, undefined> {
    return {
      next: () => this.#queue.next(),
      return: () => {
        this.cancel();
        return Promise.resolve(DONE);
      },
    };
  }

  static {
    dropStream = (stream) => stream.#queue.drop();
  }

  /** Drops the rest of the message. */
  cancel(): void {
    this.#queue.cancel();
  }
}
