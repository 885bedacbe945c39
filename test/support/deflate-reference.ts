/**
 * What permessage-deflate must make of a message, by plain streams and one-shot calls of `node:zlib`,
 * without the code under test; and an end that inflates with the code under test and keeps what
 * comes.
 */

import {
  type DeflateRaw,
  type InflateRaw,
  type ZlibOptions,
  constants,
  createDeflateRaw,
  createInflateRaw,
  deflateRawSync,
  inflateRawSync,
} from 'node:zlib';
import { expect, vi } from 'vitest';
import type { InflateSink, Inflater, Later } from '../../src/extension/inflater.ts';
import { JOBS } from '../../src/extension/jobs.ts';
import { violation } from '../../src/frame/violation.ts';
import { hex } from './bytes.ts';

/** Section 7.2.1: what ends every flush and is not sent. */
export const TAIL: Buffer = hex('00 00 ff ff');

/** An empty stored block with "BFINAL", for zlib to see that a stream is whole. */
const END: Buffer = hex('01 00 00 ff ff');

/** The smallest output that zlib takes: a reference that is too far back shows behind it. */
const SMALLEST_CHUNK = 64;

/** Bytes that cannot be compressed: the same for the same seed. */
export function noise(size: number, seed: number = 1): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let i = 0; i < size; i++) {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state >>> 11;
  }
  return bytes;
}

/** A text that can be compressed, but not to nothing. */
export function prose(size: number, seed: number = 1): Buffer {
  const words = ['frame ', 'message ', 'fragment ', 'opcode ', 'masking-key ', 'payload ', 'é€😀 '];
  const picks = noise(size, seed);
  let text = '';
  for (let i = 0; text.length < size; i++) text += words[picks[i]! % words.length];
  return Buffer.from(text).subarray(0, size);
}

// ── One message alone ───────────────────────────────────────────────────────────────────────

export function deflateAlone(data: Uint8Array, options: ZlibOptions = {}): Buffer {
  const deflated = deflateRawSync(data, { ...options, finishFlush: constants.Z_SYNC_FLUSH });
  return deflated.subarray(0, -TAIL.length);
}

/**
 * Throws for what is cut, for what refers to something before it, and for what refers further back
 * than the window.
 */
export function inflateAlone(payload: Uint8Array, windowBits: number = 15): Buffer {
  const chunkSize = windowBits < 15 ? SMALLEST_CHUNK : 16_384;
  return inflateRawSync(Buffer.concat([payload, TAIL, END]), { windowBits, chunkSize });
}

interface Stream {
  readonly text: Buffer;
  readonly size: number;
}

/** The first DEFLATE stream in `bytes`, and how many of them it has. */
function readStream(bytes: Buffer, finishFlush: number): Stream {
  // The types of Node know nothing of `info`.
  const result: unknown = inflateRawSync(bytes, {
    finishFlush,
    info: true,
  } satisfies ZlibOptions & { info: true });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- documented for `info`
  const { buffer, engine } = result as { buffer: Buffer; engine: InflateRaw };
  return { text: buffer, size: engine.bytesWritten };
}

/**
 * The text of any payload, which may hold several streams; null for what is no whole message. Slow
 * and exact: what stands behind a payload must give no text.
 */
export function judge(payload: Buffer): Buffer | null {
  const texts: Buffer[] = [];
  try {
    for (let at = 0; ;) {
      const rest = payload.subarray(at);
      const { text, size } = readStream(rest, constants.Z_SYNC_FLUSH);
      texts.push(text);
      const whole = readStream(Buffer.concat([rest, TAIL, END]), constants.Z_FINISH);
      at += size;
      if (whole.size === size) {
        // It has ended by itself.
        if (at === payload.length) return Buffer.concat(texts);
      } else {
        // With the tail itself, where that is a final block too, or with what stands behind it.
        const behind = whole.size - rest.length - TAIL.length;
        const isWhole = behind === 0 || behind === END.length;
        return isWhole && whole.text.length === text.length ? Buffer.concat(texts) : null;
      }
    }
  } catch {
    return null;
  }
}

/** A stored block. */
export function stored(text: Uint8Array | string, final: boolean = false): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(5);
  head[0] = final ? 1 : 0;
  head.writeUInt16LE(bytes.length, 1);
  head.writeUInt16LE(bytes.length ^ 0xffff, 3);
  return Buffer.concat([head, bytes]);
}

/** A whole stream with "BFINAL", as section 7.2.3.4 shows one. */
export function finalStream(text: Uint8Array | string, windowBits: number = 15): Buffer {
  return deflateRawSync(text, { windowBits });
}

/** Cuts bytes at any places. */
export function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = places.map((place) => place % (bytes.length + 1)).toSorted((one, two) => one - two);
  return [0, ...at].map((start, i) => bytes.subarray(start, at[i] ?? bytes.length));
}

// ── An endpoint ─────────────────────────────────────────────────────────────────────────────

/** Collects what a stream of zlib gives for one input and a flush. */
async function run(stream: DeflateRaw | InflateRaw, input: Uint8Array): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const { promise, resolve, reject } = withResolvers();
  const take = (chunk: Buffer): void => {
    chunks.push(chunk);
  };
  stream.on('data', take).once('error', reject);
  stream.write(input);
  stream.flush(constants.Z_SYNC_FLUSH, () => resolve());
  await promise;
  stream.off('data', take).off('error', reject);
  return Buffer.concat(chunks);
}

function withResolvers(): {
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: unknown) => void;
} {
  let resolve: () => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Compresses as any other endpoint may. */
export class ReferenceDeflater {
  readonly #stream: DeflateRaw;
  readonly #takeover: boolean;

  constructor(windowBits: number, takeover: boolean, options: ZlibOptions = {}) {
    this.#stream = createDeflateRaw({ ...options, windowBits });
    this.#takeover = takeover;
  }

  async deflate(data: Uint8Array): Promise<Buffer> {
    const flushed = await run(this.#stream, data);
    if (!this.#takeover) this.#stream.reset();
    // A flush behind a flush writes nothing: then the message is section 7.2.3.6's.
    return flushed.length === 0 ? hex('00') : flushed.subarray(0, -TAIL.length);
  }

  /** Refers to nothing before. */
  forget(): void {
    this.#stream.reset();
  }

  close(): void {
    this.#stream.close();
  }
}

/** Inflates as any other endpoint may. */
export class ReferenceInflater {
  readonly #stream: InflateRaw;
  readonly #takeover: boolean;

  constructor(windowBits: number, takeover: boolean) {
    const chunkSize = windowBits < 15 ? SMALLEST_CHUNK : 16_384;
    this.#stream = createInflateRaw({ windowBits, chunkSize });
    this.#takeover = takeover;
  }

  async inflate(payload: Uint8Array): Promise<Buffer> {
    const text = await run(this.#stream, Buffer.concat([payload, TAIL]));
    if (!this.#takeover) this.#stream.reset();
    return text;
  }

  close(): void {
    this.#stream.close();
  }
}

/** Inflates with the code under test, waits where it has to, and keeps what comes. */
export class InflatingEnd implements InflateSink {
  readonly inflater: Inflater;
  readonly messages: Buffer[] = [];
  /** Bytes that were given in all, and by one call of ours at the most. */
  given = 0;
  mostAtOnce = 0;
  /** How often `later` was called. */
  turns = 0;
  /** Runs in each call of the sink, behind its own work. */
  during: (last: boolean) => void = () => {};
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #size = 0;
  /** Answers the `push` that waits. */
  #goOn: ((finish: () => boolean) => void) | null = null;

  /** @param limit - bytes that a message may have */
  constructor(
    create: (sink: InflateSink, later: Later) => Inflater,
    limit: number = Number.MAX_SAFE_INTEGER,
  ) {
    this.#limit = limit;
    this.inflater = create(this, (finish) => {
      this.turns++;
      const goOn = this.#goOn;
      this.#goOn = null;
      if (goOn === null) throw new Error('nobody waits');
      goOn(finish);
    });
  }

  get inflatedRoom(): number {
    return this.#limit - this.#size;
  }

  /** What came of a message that is not finished. */
  get unfinished(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  onInflated(source: Buffer, start: number, end: number, last: boolean): void {
    this.given += end - start;
    if (end - start > this.inflatedRoom) throw violation('MESSAGE_TOO_BIG');
    this.#chunks.push(Buffer.from(source.subarray(start, end)));
    this.#size += end - start;
    if (last) {
      this.messages.push(Buffer.concat(this.#chunks));
      this.#chunks = [];
      this.#size = 0;
    }
    this.during(last);
  }

  /** Pushes bytes of a payload; resolves when all that came of them was given, or it has failed. */
  async push(bytes: Uint8Array, last: boolean = true): Promise<void> {
    // It must not look at what stands around, nor keep what will be overwritten.
    const source = Buffer.concat([hex('aa'), bytes, hex('bb')]);
    let isDone = this.turn(() => this.inflater.push(source, 1, 1 + bytes.length, last));
    source.fill(0x55);
    while (!isDone) {
      const finish = await new Promise<() => boolean>((resolve) => {
        this.#goOn = resolve;
      });
      isDone = this.turn(finish);
    }
  }

  /** Pushes a whole message in these pieces. */
  async pushAll(pieces: readonly Uint8Array[]): Promise<void> {
    for (const [i, piece] of pieces.entries()) await this.push(piece, i === pieces.length - 1);
  }

  private turn(work: () => boolean): boolean {
    const before = this.given;
    try {
      return work();
    } finally {
      this.mostAtOnce = Math.max(this.mostAtOnce, this.given - before);
    }
  }
}

// ── Jobs ────────────────────────────────────────────────────────────────────────────────────

function raise(error: unknown): never {
  throw error;
}

/** How many of these jobs begin at once; all of them end. */
function countBegun(jobs: number): number {
  let begun = 0;
  let isCounting = true;
  const ends: (() => void)[] = [];
  for (let i = 0; i < jobs; i++) {
    JOBS.run((done) => {
      if (isCounting) begun++;
      if (isCounting) ends.push(done);
      else done();
    }, raise);
  }
  isCounting = false;
  for (const end of ends) end();
  return begun;
}

/** How many may be under way. None is by now. */
const MAX_JOBS = countBegun(64);

/** How many jobs are under way. */
export function countJobs(): number {
  return MAX_JOBS - countBegun(MAX_JOBS);
}

/** Whether the next job must wait. */
export function isBusy(): boolean {
  return countJobs() === MAX_JOBS;
}

/** Resolves when no job is under way. */
export async function jobsEnd(): Promise<void> {
  await vi.waitFor(() => expect(countJobs()).toBe(0), { timeout: 10_000, interval: 5 });
}

/** Takes all the jobs that may be under way, and gives them back. */
export class AllJobs {
  readonly #ends: (() => void)[] = [];

  constructor() {
    for (let i = 0; i < MAX_JOBS; i++) JOBS.run((done) => this.#ends.push(done), raise);
    expect(this.#ends.length).toBe(MAX_JOBS);
  }

  giveOne(): void {
    this.#ends.pop()?.();
  }

  giveAll(): void {
    for (const end of this.#ends.splice(0)) end();
  }
}
