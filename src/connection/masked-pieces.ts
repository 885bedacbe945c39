/**
 * Large frames of a client. They have to be masked, and so to be copied: into memory that is used
 * again and again, piece by piece, as long as the network takes each piece at once. New memory for
 * each frame costs more than to mask it: every page of it has to be made when it is first touched
 * (1 MiB: 1,110 µs of processor time with it, and 720 without; bench/clients.mjs, `client-send-1m`).
 *
 * @module
 */

import { copyMasked } from '../frame/encoder.ts';
import { MAX_HEADER_SIZE, writeHeader } from '../frame/header.ts';
import { wordsOf } from '../frame/mask.ts';
import { nextMaskingKey } from '../frame/masking-key.ts';
import type { Transport } from './transport.ts';

/**
 * A multiple of four, after which the masking-key begins anew. Smaller ones cost more writes (512 KiB:
 * 640 µs). With larger ones, a transport that does not take a frame of 64 KiB at once would hold
 * still more memory for it; it holds such a piece once, since the next frame finds that bytes wait.
 */
export const PIECE_SIZE: number = 256 * 1024;

interface Room {
  readonly bytes: Buffer;
  readonly words: Int32Array;
}

/** All connections of a process share it, one after the other. Made when the first one asks. */
let spare: Room | null = null;

/** The spare one, or one that is no larger than it has to be: over TLS, no write is done at once. */
function takeRoom(size: number): Room {
  if (spare !== null && spare.bytes.length >= size) return spare;
  const bytes = Buffer.allocUnsafeSlow(size);
  return { bytes, words: wordsOf(bytes) };
}

/**
 * Gives a transport one masked frame.
 *
 * @param transport - one that is done with bytes as soon as its `writableLength` is 0, as it is now
 * @returns what the transport answered last
 */
export function writeMasked(transport: Transport, first: number, payload: Uint8Array): boolean {
  const { length } = payload;
  const room = takeRoom(MAX_HEADER_SIZE + Math.min(PIECE_SIZE, length));
  const { bytes, words } = room;
  // Nobody whom the transport calls meanwhile gets it.
  spare = null;
  const key = nextMaskingKey();
  const bodyAt = writeHeader(bytes, 0, first, length, true, key);
  let to = Math.min(PIECE_SIZE, length);
  copyMasked(bytes, words, bodyAt, payload.subarray(0, to), key);
  let accepted = transport.write(bytes.subarray(0, bodyAt + to));
  while (to < length && transport.writableLength === 0) {
    const from = to;
    to = Math.min(from + PIECE_SIZE, length);
    copyMasked(bytes, words, 0, payload.subarray(from, to), key);
    accepted = transport.write(bytes.subarray(0, to - from));
  }
  // Otherwise the transport holds some of it, and it is left to the garbage collector.
  if (transport.writableLength === 0) spare = room;
  if (to === length) return accepted;
  const rest = allocateRest(transport, length - to);
  copyMasked(rest, wordsOf(rest), 0, payload.subarray(to), key);
  return transport.write(rest);
}

/** Nothing else may come in the place of bytes that there is no memory for. */
function allocateRest(transport: Transport, size: number): Buffer {
  try {
    return Buffer.allocUnsafeSlow(size);
  } catch (error) {
    transport.destroy();
    throw error;
  }
}
