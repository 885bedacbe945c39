/**
 * What waits for the end of a message that is sent as fragments, or that is compressed elsewhere: in the
 * order in which it came. Knows sizes; when it is over is known by outbound.ts.
 *
 * @module
 */

import { MAX_HEADER_SIZE } from '../frame/header.ts';
import type { MessageOpcode } from '../frame/opcode.ts';
import { Fifo } from './fifo.ts';
import type { PreparedMessage } from './prepared.ts';

export interface WaitingMessage {
  readonly opcode: MessageOpcode;
  /** Nobody else can change it. */
  readonly data: string | Uint8Array;
  readonly size: number;
  /** Whether it may be compressed. */
  readonly compress: boolean;
  /** Where it was framed before, for many connections. */
  readonly prepared: PreparedMessage | null;
}

/** Fragments of one message, the last perhaps not among them yet. */
export interface WaitingFragments {
  readonly opcode: MessageOpcode;
  readonly parts: (readonly [data: string | Uint8Array, fin: boolean])[];
}

/**
 * Called when all that was sent before is in frames, and no other message is under way: with
 * false where that will never be.
 */
export type Turn = (granted: boolean) => void;

type Entry = WaitingMessage | WaitingFragments | Turn;

export class Waiting {
  readonly #entries = new Fifo<Entry>();
  #size = 0;
  /** The fragments of which the last has not come. */
  #unfinished: WaitingFragments | null = null;

  /** Bytes of all messages. */
  get size(): number {
    return this.#size;
  }

  push(entry: WaitingMessage | Turn): void {
    this.#entries.push(entry);
    if (typeof entry !== 'function') this.#size += entry.size;
  }

  /** Those of one message stay together, whatever is sent between them. */
  pushFragment(opcode: MessageOpcode, data: string | Uint8Array, fin: boolean): void {
    let fragments = this.#unfinished;
    if (fragments === null) {
      fragments = { opcode, parts: [] };
      this.#entries.push(fragments);
    }
    fragments.parts.push([ownData(data), fin]);
    this.#size += sizeOf(data);
    this.#unfinished = fin ? null : fragments;
  }

  /** The first, which waits no more. */
  shift(): Entry | undefined {
    const entry = this.#entries.shift();
    if (entry === undefined || typeof entry === 'function') return entry;
    if ('parts' in entry) {
      for (const [data] of entry.parts) this.#size -= sizeOf(data);
      // Those that are still to come follow them at once.
      if (entry === this.#unfinished) this.#unfinished = null;
    } else {
      this.#size -= entry.size;
    }
    return entry;
  }

  takeAll(): Entry[] {
    this.#size = 0;
    this.#unfinished = null;
    return this.#entries.takeAll();
  }
}

/** Keeps a message for later, with bytes that nobody else can change. */
export function keepMessage(
  opcode: MessageOpcode,
  data: string | Uint8Array,
  compress: boolean,
  prepared: PreparedMessage | null,
): WaitingMessage {
  const own = prepared?.keep() ?? null;
  const kept = own === null ? ownData(data) : own.data;
  return { opcode, data: kept, size: sizeOf(data) + MAX_HEADER_SIZE, compress, prepared: own };
}

export function sizeOf(data: string | Uint8Array): number {
  return typeof data === 'string' ? Buffer.byteLength(data) : data.length;
}

function ownData(data: string | Uint8Array): string | Uint8Array {
  return typeof data === 'string' ? data : Buffer.from(data);
}
