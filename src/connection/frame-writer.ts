/**
 * Frames to writes: where frames are put together, and how they are given to the transport. The
 * lowest part of the sending half: it knows no message, no limit and no order but the one in which
 * it is called.
 *
 * @module
 */

import { FrameEncoder, maxTextFrameSize } from '../frame/encoder.ts';
import { MAX_HEADER_SIZE, headerSize, writeHeader } from '../frame/header.ts';
import { writeMasked } from './masked-pieces.ts';
import type { SharedPage } from './shared-page.ts';
import {
  type FrameMemory,
  SLAB_SIZE,
  type Slab,
  WIDE_SLAB_SIZE,
  slabWithRoom,
  wideSlabWithRoom,
} from './slab.ts';
import type { Transport } from './transport.ts';

/** A payload from this size on is cheaper to leave where it is than to copy. */
const COPY_BELOW = 16 * 1024;

/** From this many code units on, measuring a text is cheaper than leaving so much of a slab unused. */
const MEASURE_FROM = 1024;

/** They have no state, so all connections of a role share one. */
const CLIENT_ENCODER = new FrameEncoder(true);
const SERVER_ENCODER = new FrameEncoder(false);

/** Bytes to write, and the memory of ours that they lie in, where they do. */
interface Part {
  readonly bytes: Uint8Array;
  readonly memory: FrameMemory | null;
}

export class FrameWriter {
  readonly #encoder: FrameEncoder;
  readonly #transport: Transport;
  readonly #mayOverwrite: boolean;
  /** Inside a call of the transport, which may call back. */
  #writing = false;

  /** The run of bytes, in a slab or in a shared page, to which the next frame may be added. */
  #memory: FrameMemory | null = null;
  #runStart = 0;
  #runEnd = 0;
  /** What goes before that run, in order; with the slab that a part lies in, where it does. */
  #parts: Part[] | null = null;
  #pendingSize = 0;

  /** All bytes that the transport was given. */
  #writtenSize = 0;
  /** The transport asked for a pause, and has not drained since. */
  #blocked = false;

  /**
   * @param mayOverwrite - whether the transport is done with bytes as soon as its `writableLength`
   *   is 0, so that the memory of frames can be used again
   */
  constructor(masked: boolean, transport: Transport, mayOverwrite: boolean) {
    this.#encoder = masked ? CLIENT_ENCODER : SERVER_ENCODER;
    this.#transport = transport;
    this.#mayOverwrite = mayOverwrite;
  }

  /** Whether nothing waits, neither here nor in the transport. */
  get isIdle(): boolean {
    const isBusy = this.#writing || this.#blocked;
    return !isBusy && this.#pendingSize === 0 && this.unsentSize === 0;
  }

  /** Whether frames are masked: those of a client. */
  get isMasked(): boolean {
    return this.#encoder.masked;
  }

  /** Bytes that wait for {@link write}. */
  get pendingSize(): number {
    return this.#pendingSize;
  }

  /** Bytes that the network has not taken yet. */
  get unsentSize(): number {
    return this.#transport.writableLength;
  }

  /** All bytes that the network has taken so far. */
  get takenSize(): number {
    return this.#writtenSize - this.#transport.writableLength;
  }

  /** The transport asked for a pause, and {@link unblock} was not called since. */
  get isBlocked(): boolean {
    return this.#blocked;
  }

  /** The transport has drained. */
  unblock(): void {
    this.#blocked = false;
  }

  /** Puts a frame that is whole already behind all that waits. Its bytes must never change. */
  append(frame: Uint8Array): void {
    if (frame.length >= COPY_BELOW) {
      this.sealRun();
      this.addPart(frame, null);
      this.#pendingSize += frame.length;
    } else {
      const slab = this.claim(frame.length);
      slab.bytes.set(frame, slab.end);
      slab.end += frame.length;
      this.#runEnd = slab.end;
      this.#pendingSize += frame.length;
    }
    if (this.#pendingSize >= SLAB_SIZE) this.write();
  }

  /** The same for a frame that lies in a page, where it stays: `page.bytes[start, end)`. */
  appendShared(page: SharedPage, start: number, end: number): void {
    if (this.#memory !== page || this.#runEnd !== start) {
      this.sealRun();
      this.#memory = page;
      this.#runStart = start;
    }
    this.#runEnd = end;
    this.#pendingSize += end - start;
    if (this.#pendingSize >= SLAB_SIZE) this.write();
  }

  /** Puts one frame behind all that waits. */
  frame(first: number, data: string | Uint8Array): void {
    if (typeof data === 'string') this.frameText(first, data);
    else this.frameBytes(first, data);
    // What waits stays below the size of a slab, and the first bytes leave while more is made.
    if (this.#pendingSize >= SLAB_SIZE) this.write();
  }

  private frameText(first: number, text: string): void {
    const slab = this.claimForText(text);
    if (slab === null) this.largeFrame(first, text);
    else this.extend(slab, this.#encoder.encodeText(slab.bytes, slab.words, slab.end, first, text));
  }

  private frameBytes(first: number, bytes: Uint8Array): void {
    const slab = this.claimForBytes(bytes);
    if (slab === null) this.largeFrame(first, bytes);
    else this.extend(slab, this.#encoder.encode(slab.bytes, slab.words, slab.end, first, bytes));
  }

  /** A frame was written to the end of the slab. */
  private extend(slab: Slab, end: number): void {
    this.#pendingSize += end - slab.end;
    slab.end = end;
    this.#runEnd = end;
  }

  /** The transport is gone: forgets what waits. */
  discard(): void {
    this.sealRun();
    for (const { memory } of this.#parts ?? []) memory?.settle(true);
    this.#parts = null;
    this.#pendingSize = 0;
  }

  /**
   * A frame that is too large to be copied into a slab. Unmasked bytes stay where they are: they
   * are the caller's, who must not change them before they were sent.
   */
  private largeFrame(first: number, data: string | Uint8Array): void {
    if (typeof data === 'string' || this.#encoder.masked) {
      if (typeof data !== 'string' && this.writePieces(first, data)) return;
      const frame = this.#encoder.encodeAlone(first, data);
      this.sealRun();
      this.addPart(frame, null);
      this.#pendingSize += frame.length;
      return;
    }
    const size = headerSize(data.length, false);
    const slab = this.claim(size);
    slab.end = writeHeader(slab.bytes, slab.end, first, data.length, false, 0);
    this.#runEnd = slab.end;
    this.sealRun();
    this.addPart(data, null);
    this.#pendingSize += size + data.length;
    // At once, so that the caller may use the bytes again where the network takes them.
    this.write();
  }

  /** Writes a large frame of a client at once, where nothing is in its way. Otherwise returns false. */
  private writePieces(first: number, data: Uint8Array): boolean {
    if (this.#writing || !this.#mayOverwrite) return false;
    this.write();
    const transport = this.#transport;
    if (transport.writableLength > 0) return false;
    this.#writing = true;
    this.#writtenSize += headerSize(data.length, true) + data.length;
    try {
      const accepted = writeMasked(transport, first, data);
      if (!accepted && transport.writableLength > 0) this.#blocked = true;
    } finally {
      this.#writing = false;
    }
    // What was sent by somebody whom the transport has called.
    this.write();
    return true;
  }

  /** A slab with room at its end, where a run of ours ends or begins. */
  private claim(size: number): Slab {
    return this.claimOf(slabWithRoom(size));
  }

  /**
   * Room for the frame of a text, null where it is too large: guessed for a short one, measured where a
   * guess would leave much of a slab unused. A long one is not measured, which takes nearly as long as to
   * encode it (64 KiB of mixed text on Node 20: 30 and 38 µs; bench/servers.mjs, `64k-text-strings`).
   */
  private claimForText(text: string): Slab | null {
    const most = maxTextFrameSize(text);
    if (text.length <= MEASURE_FROM) return this.claim(most);
    if (most < COPY_BELOW) return this.claim(MAX_HEADER_SIZE + Buffer.byteLength(text));
    return most > WIDE_SLAB_SIZE ? null : this.claimOf(wideSlabWithRoom(most));
  }

  /**
   * The same for bytes. Those that are masked are copied in any case, and new memory costs more than
   * room in a slab (23 KiB, 45 in a turn: 14 µs for each in a slab, 19 apart).
   */
  private claimForBytes({ length }: Uint8Array): Slab | null {
    const isLarge = this.#encoder.masked
      ? length > SLAB_SIZE - MAX_HEADER_SIZE
      : length >= COPY_BELOW;
    return isLarge ? null : this.claim(MAX_HEADER_SIZE + length);
  }

  private claimOf(slab: Slab): Slab {
    if (this.#memory === slab && this.#runEnd === slab.end) return slab;
    this.sealRun();
    slab.claim();
    this.#memory = slab;
    this.#runStart = slab.end;
    this.#runEnd = slab.end;
    return slab;
  }

  /** Ends the run: the next frame will not lie behind it. */
  private sealRun(): void {
    const memory = this.#memory;
    if (memory === null) return;
    this.#memory = null;
    this.addPart(memory.view(this.#runStart, this.#runEnd), memory);
  }

  private addPart(bytes: Uint8Array, memory: FrameMemory | null): void {
    (this.#parts ??= []).push({ bytes, memory });
  }

  /** Gives the transport all that waits, in one write where it lies together. */
  write(): void {
    // A transport that calls back inside `write` must not get frames between parts of another.
    if (this.#writing) return;
    this.#writing = true;
    try {
      while (this.#pendingSize > 0) this.writeOnce();
    } finally {
      this.#writing = false;
    }
  }

  private writeOnce(): void {
    const transport = this.#transport;
    // Where bytes wait already, these will have to wait too, and would keep a whole slab from being
    // used again: a peer that reads nothing would cost many times the bytes that wait for it.
    const copies = !this.#mayOverwrite || transport.writableLength > 0;
    const memory = this.#memory;
    let parts = this.#parts;
    let accepted = true;

    // The state is right before the transport is called.
    this.#parts = null;
    this.#memory = null;
    this.#writtenSize += this.#pendingSize;
    this.#pendingSize = 0;

    if (parts === null && memory !== null) {
      const run = memory.view(this.#runStart, this.#runEnd);
      accepted = transport.write(copies ? copyExactly(run) : run);
      memory.settle(copies || transport.writableLength === 0);
    } else {
      const run = memory?.view(this.#runStart, this.#runEnd);
      if (run !== undefined) (parts ??= []).push({ bytes: run, memory });
      accepted = this.writeParts(parts ?? [], copies);
    }
    if (!accepted && transport.writableLength > 0) this.#blocked = true;
  }

  private writeParts(parts: readonly Part[], copies: boolean): boolean {
    const transport = this.#transport;
    let accepted = true;
    transport.cork();
    for (const { bytes, memory } of parts) {
      accepted = transport.write(copies && memory !== null ? copyExactly(bytes) : bytes);
    }
    transport.uncork();
    // Whether the network took them is known after uncork, which a transport may put off.
    const taken = transport.writableLength === 0;
    for (const { memory } of parts) memory?.settle(copies || taken);
    return accepted;
  }
}

/** A copy in memory of its own: one in a pool would keep that whole pool from being freed. */
function copyExactly(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}
