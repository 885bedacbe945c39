/**
 * What an application gives as payload, read as bytes; and what it is given. A wrong type is refused before anything
 * changes: a number would otherwise be a size, and the elements of a wider array would be cut to
 * bytes.
 *
 * @module
 */

import { markAsUntransferable } from 'node:worker_threads';
import { MAX_CONTROL_SIZE } from '../frame/header.ts';
import { OPCODE } from '../frame/opcode.ts';
import { isShortAscii, isValidUtf8 } from '../frame/utf8.ts';

/** Bytes in any of the forms that JavaScript has. A view means exactly the bytes that it shows. */
export type Bytes = ArrayBufferLike | ArrayBufferView;

/** The name that an object has in every realm; `instanceof` would refuse that of a test runner. */
function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value);
}

function isArrayBuffer(data: unknown): data is ArrayBufferLike {
  const tag = tagOf(data);
  return tag === '[object ArrayBuffer]' || tag === '[object SharedArrayBuffer]';
}

export function isBlob(data: unknown): data is Blob {
  const tag = tagOf(data);
  return tag === '[object Blob]' || tag === '[object File]';
}

export function isBytes(data: unknown): data is Bytes {
  return ArrayBuffer.isView(data) || isArrayBuffer(data);
}

/**
 * The bytes of a buffer or a view, which are not copied.
 *
 * @throws {TypeError} for anything else
 */
export function toBytes(data: unknown): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  if (isArrayBuffer(data)) return new Uint8Array(data);
  throw new TypeError('data must be a string, an ArrayBuffer or a view of one');
}

/**
 * The bytes of a text.
 *
 * @throws {TypeError} where they are not UTF-8: the peer would have to fail the connection
 *   (section 8.1)
 */
export function toTextBytes(data: unknown): Uint8Array {
  const bytes = toBytes(data);
  const { length } = bytes;
  if (isShortAscii(bytes, 0, length) || isValidUtf8(bytes, 0, length)) return bytes;
  throw new TypeError('a text must be valid UTF-8');
}

/** Refuses what {@link Connection} does not take: it knows strings and bytes. */
export function checkMessage(opcode: number, data: string | Uint8Array): void {
  if (opcode !== OPCODE.TEXT && opcode !== OPCODE.BINARY) {
    throw new TypeError('the opcode of a message is that of text or binary');
  }
  if (typeof data !== 'string') checkBytes(data);
}

/**
 * @throws {TypeError | RangeError} for what is no bytes, or too many of them
 */
export function checkControl(payload: Uint8Array): void {
  checkBytes(payload);
  if (payload.length > MAX_CONTROL_SIZE) {
    throw new RangeError(
      `a control frame has at most ${MAX_CONTROL_SIZE} bytes of payload (RFC 6455, section 5.5)`,
    );
  }
}

function checkBytes(data: Uint8Array): void {
  if (data instanceof Uint8Array) return;
  if (tagOf(data) !== '[object Uint8Array]') {
    throw new TypeError('data must be a string or a Uint8Array');
  }
}

/** A view keeps at most so many times its own size alive, where it lies in a large buffer. */
const MAX_VIEW_COST = 32;

/**
 * In one of this size a view keeps no more alive than a single copy may: Node takes the memory of small
 * Buffers from a pool of 8 KiB. (The copies of others share that pool.)
 */
const SMALL_BUFFER = 8 * 1024;

/** Up to this many bytes a loop is cheaper than a call (32 bytes: 69 ns and 97 ns). */
const LOOP_UP_TO = 40;

/**
 * Whether so many bytes of a buffer are kept as a view. That is cheaper than a copy (47 ns; 169 ns for
 * 1 KiB), but a few bytes would keep a chunk of up to 64 KiB alive.
 */
export function isKeptAsView(size: number, bufferSize: number): boolean {
  return bufferSize <= SMALL_BUFFER || size * MAX_VIEW_COST >= bufferSize;
}

/** The last one that was marked: a chunk of many messages is marked once. */
let lastShared: Buffer | null = null;

/** Nothing larger is kept alive for that. */
const MAX_LAST_SHARED = 64 * 1024;

function markShared(source: Buffer): void {
  markAsUntransferable(source.buffer);
  lastShared = source.length <= MAX_LAST_SHARED ? source : null;
}

/**
 * Bytes to keep, of a buffer that nobody writes to any more. Others may have views of it too, and more
 * may still be read from it: so it cannot be transferred to another thread, as little as the pool of
 * Node's own small buffers. Who wants that takes a copy.
 */
export function ownBytes(source: Buffer, start: number, end: number): Buffer {
  if (!isKeptAsView(end - start, source.length)) return copyBytes(source, start, end);
  if (source !== lastShared && end - start < source.length) markShared(source);
  return source.subarray(start, end);
}

/** Bytes of a chunk that are copied at once: as many as the pool of Node has. */
const BLOCK_SIZE = SMALL_BUFFER;

/** What is larger than this share of a block is copied for itself. */
const LEAST_PER_BLOCK = 8;

/** The last block that was copied, and the chunk in which it begins at `blockStart`. */
let blockSource: Buffer | null = null;
let blockStart = 0;
let block: Buffer = Buffer.alloc(0);

/**
 * The same for a chunk that is not masked, and to which nobody writes any more: of its small messages,
 * many are copied at once. That is cheaper than a copy of each, and keeps as much alive as a pool does.
 * (A client that receives 32 bytes: 2.0 times cheaper than `ws`, and 2.9 times with this: bench/clients.mjs,
 * `client-receive-32`.)
 */
export function ownBytesOfBlock(source: Buffer, start: number, end: number): Buffer {
  const size = end - start;
  if (isKeptAsView(size, source.length)) return ownBytes(source, start, end);
  if (size * LEAST_PER_BLOCK > BLOCK_SIZE) return copyBytes(source, start, end);
  if (source !== blockSource || start < blockStart || end > blockStart + block.length) {
    block = Buffer.allocUnsafeSlow(Math.min(BLOCK_SIZE, source.length - start));
    source.copy(block, 0, start);
    markAsUntransferable(block.buffer);
    blockStart = start;
    blockSource = source.length <= MAX_LAST_SHARED ? source : null;
  }
  return block.subarray(start - blockStart, end - blockStart);
}

/** The same for pieces of a message, of which many may wait: they keep twice their size at the most. */
export function ownPiece(source: Buffer, start: number, end: number): Buffer {
  return 2 * (end - start) >= source.length
    ? ownBytes(source, start, end)
    : copyBytes(source, start, end);
}

export function copyBytes(source: Buffer, start: number, end: number): Buffer {
  const size = end - start;
  const bytes = Buffer.allocUnsafe(size);
  if (size > LOOP_UP_TO) source.copy(bytes, 0, start, end);
  else for (let i = 0; i < size; i++) bytes[i] = source[start + i]!;
  return bytes;
}
