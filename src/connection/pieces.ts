/**
 * Sends a message that is not whole yet: the pieces of an iterable, or the bytes of a Blob, as
 * fragments (RFC 6455, section 5.4), each as soon as it is there.
 *
 * @module
 */

import { warn } from '../errors.ts';
import { type MessageOpcode, OPCODE } from '../frame/opcode.ts';
import { Utf8Validator } from '../frame/utf8.ts';
import type { Endpoint } from './endpoint.ts';
import { type Bytes, isBytes, toBytes } from './payload.ts';

/** Pieces of a message: strings of a text, or bytes. */
export type Pieces = (AsyncIterable<string | Bytes> | Iterable<string | Bytes>) & object;

/** What has an iterator in every realm, and is no message: its pieces would be glued together. */
const COLLECTION = /^\[object (Map|Set|URLSearchParams|FormData|Headers)\]$/;

/**
 * Refuses what has pieces and was surely meant to be something else, most likely JSON. Once a
 * message has begun, only the end of the connection would be left. (Of a generator nobody knows
 * before what it gives.)
 *
 * @throws {TypeError} for an array with something in it that is neither string nor bytes, and for a
 *   Map, a Set, URLSearchParams, FormData and Headers
 */
export function checkPieces(pieces: object): void {
  if (Array.isArray(pieces)) {
    for (const piece of pieces) {
      if (typeof piece === 'string' || isBytes(piece)) continue;
      throw new TypeError(
        'an array is sent as one message, of the strings or of the bytes in it: use JSON.stringify to send anything else',
      );
    }
    return;
  }
  const [, name] = COLLECTION.exec(Object.prototype.toString.call(pieces)) ?? [];
  if (name === undefined) return;
  throw new TypeError(
    `a ${name} is no message: make a string of it, or give a generator of its pieces`,
  );
}

const NO_BYTES: Buffer = Buffer.alloc(0);

/** What one fragment has at the most, in bytes or in code units of UTF-16. */
const MAX_PART_SIZE = 64 * 1024;

/**
 * Sends the pieces as one message. What is sent after this was called goes behind it. Where the
 * source throws, or a piece is of the wrong type, the connection is failed with 1011: a message
 * cannot be taken back, nor be left unfinished.
 *
 * @param opcode - text or binary; null for what the first piece is: a string begins a text
 * @param compress - whether it may be compressed
 * @param isIterable - whether nobody knows when it ends, so that `close` does not wait for it
 * @returns whether all of it was sent
 */
export async function sendPieces(
  endpoint: Endpoint,
  opcode: MessageOpcode | null,
  pieces: Pieces,
  compress: boolean,
  isIterable: boolean,
): Promise<boolean> {
  const { connection } = endpoint;
  const turn = new Promise<boolean>((resolve) => {
    connection.takeTurn((granted) => {
      const begins = granted && (!isIterable || endpoint.beginIterable());
      // At once: what is sent from now on must not come before it.
      if (begins) connection.beginMessage(compress);
      resolve(begins);
    });
  });
  if (!(await turn)) return refusePieces(pieces);

  const source = new PieceSource(endpoint);
  try {
    source.begin(pieces);
    const message = new OutgoingMessage(opcode);
    for (;;) {
      const result = await source.next();
      if (result === null || !endpoint.isOpen) return false;
      if (result.done === true) {
        const rest = message.finish();
        const size = maxSizeOf(rest);
        if (!connection.hasFragmentRoom(size)) await endpoint.promises.fragmentRoom(size);
        return endpoint.sendFragment(message.opcode, rest, true) || endpoint.isOpen;
      }
      for (const part of partsOf(message.take(result.value))) {
        const size = maxSizeOf(part);
        if (!connection.hasFragmentRoom(size)) await endpoint.promises.fragmentRoom(size);
        endpoint.sendFragment(message.opcode, part, false);
      }
      // The source is not read ahead of the peer.
      if (!connection.hasFragmentRoom()) await endpoint.promises.fragmentRoom(0);
    }
  } catch (error) {
    // The peer left while we waited for room: that is told elsewhere.
    if (endpoint.isOpen) endpoint.onThrown(error);
    return false;
  } finally {
    if (isIterable) endpoint.openMessages--;
    if (source.leave()) destroy(pieces);
  }
}

/** Pieces that nobody will ask for: what they come from may hold a file open. */
export async function refusePieces(pieces: Pieces): Promise<false> {
  destroy(pieces);
  return false;
}

/** A stream of Node, whose iterator would wait for its next chunk before it lets itself be left. */
function destroy(pieces: Pieces): void {
  if ('destroy' in pieces && typeof pieces.destroy === 'function') pieces.destroy();
}

/**
 * Where pieces come from. It may have nothing to give for hours; when the peer leaves, it is left
 * too.
 */
class PieceSource {
  #iterator: AsyncIterator<unknown> | Iterator<unknown> | null = null;
  #isClosed = false;
  #onClosed = (): void => {};
  readonly #forget: () => void;

  constructor(endpoint: Endpoint) {
    this.#forget = endpoint.promises.onceClosed(() => {
      this.#isClosed = true;
      this.#onClosed();
    });
  }

  /**
   * @throws whatever the source throws
   */
  begin(pieces: Pieces): void {
    this.#iterator =
      Symbol.asyncIterator in pieces ? pieces[Symbol.asyncIterator]() : pieces[Symbol.iterator]();
  }

  /** Null when the connection has ended. */
  async next(): Promise<IteratorResult<unknown> | null> {
    if (this.#isClosed) return null;
    const result = await new Promise<IteratorResult<unknown> | null>((resolve, reject) => {
      this.#onClosed = () => resolve(null);
      Promise.resolve(this.#iterator!.next()).then(resolve, reject);
    });
    if (result?.done === true) this.#iterator = null;
    return result;
  }

  /**
   * The source may close what it has opened. Nobody waits for that, and nobody is left to tell.
   *
   * @returns whether it had not come to its end
   */
  leave(): boolean {
    this.#forget();
    const iterator = this.#iterator;
    this.#iterator = null;
    if (iterator === null) return false;
    Promise.resolve()
      .then(() => iterator.return?.())
      .catch(warn);
    return true;
  }
}

/**
 * The bytes of a Blob, which are read a part at a time.
 *
 * @param onSent - is told the size of each part when it has become a frame
 */
export async function* piecesOf(
  blob: Blob,
  onSent: (size: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  // (Its own stream would give all that is in memory as one piece.)
  for (let at = 0; at < blob.size; at += MAX_PART_SIZE) {
    const bytes = new Uint8Array(await blob.slice(at, at + MAX_PART_SIZE).arrayBuffer());
    yield bytes;
    onSent(bytes.length);
  }
}

/** A piece in fragments, between which a peer that reads slowly can be waited for. */
function* partsOf(data: string | Uint8Array): Generator<string | Uint8Array, void, undefined> {
  for (let at = 0; at < data.length;) {
    let end = Math.min(at + MAX_PART_SIZE, data.length);
    // Not between the halves of a surrogate pair.
    if (typeof data === 'string' && end < data.length && isHighSurrogate(data, end - 1)) end--;
    yield typeof data === 'string' ? data.slice(at, end) : data.subarray(at, end);
    at = end;
  }
}

/** The bytes that data may take at the most: three for a code unit of UTF-16. */
function maxSizeOf(data: string | Uint8Array): number {
  return typeof data === 'string' ? 3 * data.length : data.length;
}

function isHighSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** Checks pieces against each other, and makes frames of them. */
class OutgoingMessage {
  #opcode: MessageOpcode | null;
  readonly #mixed: boolean;
  #validator: Utf8Validator | null = null;
  /** The first half of a surrogate pair whose second half is in the next piece. */
  #half = '';

  constructor(opcode: MessageOpcode | null) {
    this.#opcode = opcode;
    this.#mixed = opcode !== null;
  }

  get opcode(): MessageOpcode {
    return this.#opcode ?? OPCODE.BINARY;
  }

  take(piece: unknown): string | Uint8Array {
    const isText = typeof piece === 'string';
    this.#opcode ??= isText ? OPCODE.TEXT : OPCODE.BINARY;
    if (!this.#mixed && isText !== (this.#opcode === OPCODE.TEXT)) {
      throw new TypeError('a message consists of strings or of bytes, and not of both');
    }
    if (isText) return this.takeText(piece);
    const bytes = this.#half === '' ? toBytes(piece) : joined(this.finishText(), toBytes(piece));
    if (this.#opcode === OPCODE.TEXT) this.validate(bytes);
    return bytes;
  }

  finish(): string | Uint8Array {
    if (this.#validator !== null && !this.#validator.finish()) throw invalidText();
    return this.#half === '' ? NO_BYTES : this.finishText();
  }

  private takeText(piece: string): string {
    if (this.#validator !== null && !this.#validator.finish()) throw invalidText();
    const text = this.#half + piece;
    const isTorn = isHighSurrogate(text, text.length - 1);
    this.#half = isTorn ? text.slice(-1) : '';
    return isTorn ? text.slice(0, -1) : text;
  }

  private finishText(): string {
    const half = this.#half;
    this.#half = '';
    return half;
  }

  private validate(bytes: Uint8Array): void {
    this.#validator ??= new Utf8Validator();
    if (!this.#validator.push(bytes, 0, bytes.length)) throw invalidText();
  }
}

function joined(text: string, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(text), bytes]);
}

function invalidText(): TypeError {
  return new TypeError('a text must be valid UTF-8');
}
