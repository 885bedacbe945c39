/**
 * What the compressed messages of a wire are, by plain calls of `node:zlib`: whether they end as RFC
 * 7692, section 7.2.1 has it, and not whether they may come at all.
 *
 * @module
 */

import { type ZlibOptions, constants, inflateRawSync } from 'node:zlib';
import { readLooseFrames } from './frames.ts';
import type { Setting } from './played.ts';

/** A message, or what has come of the last one. */
export interface LooseMessage {
  /**
   * `plain`: not compressed. `whole`: as it must be. `final`: it has a block that says it is the last,
   * or stands behind such a message. `odd`: all else, such as one that was cut.
   */
  kind: 'plain' | 'whole' | 'final' | 'odd';
  isComplete: boolean;
  /** Bytes that were announced. */
  announced: bigint;
  payload: Buffer;
}

/** What is not sent at the end of a message, and an empty block that ends a stream. */
const BEHIND: Buffer = Buffer.from('0000ffff010000ffff', 'hex');

/** In the order in which they come. */
export function readMessages(wire: Buffer, { deflate }: Setting): LooseMessage[] {
  const messages: LooseMessage[] = [];
  let open: LooseMessage | null = null;
  for (const { first, length, payload } of readLooseFrames(wire)) {
    if ((first & 0x08) !== 0) continue;
    if (open === null) {
      const kind = (first & 0x40) === 0 ? 'plain' : 'odd';
      open = { kind, isComplete: false, announced: 0n, payload: Buffer.alloc(0) };
      messages.push(open);
    }
    open.announced += length;
    open.payload = Buffer.concat([open.payload, payload]);
    open.isComplete = (first & 0x80) !== 0 && BigInt(payload.length) === length;
    if (open.isComplete) open = null;
  }
  if (deflate !== null) classify(messages, deflate.peerTakeover);
  return messages;
}

function classify(messages: readonly LooseMessage[], takeover: boolean): void {
  let before: Buffer = Buffer.alloc(0);
  let hasEnded = false;
  for (const message of messages) {
    if (message.kind === 'plain') continue;
    if (hasEnded) {
      message.kind = 'final';
      continue;
    }
    const read = inflate(message.payload, takeover ? before.subarray(-32_768) : Buffer.alloc(0));
    if (read === null) continue;
    hasEnded = read.isFinal;
    message.kind = read.isFinal ? 'final' : 'whole';
    before = Buffer.concat([before, read.text]);
  }
}

interface Inflated {
  readonly text: Buffer;
  readonly isFinal: boolean;
}

/** Null for what is not a whole message. */
function inflate(payload: Buffer, dictionary: Buffer): Inflated | null {
  const whole = Buffer.concat([payload, BEHIND]);
  const read = inflateOnce(whole, dictionary, constants.Z_FINISH);
  if (read === null) return null;
  if (read.size <= payload.length + 4) return { text: read.text, isFinal: true };
  if (read.size < whole.length) return null;
  const alone = inflateOnce(payload, dictionary, constants.Z_SYNC_FLUSH);
  return alone?.text.length === read.text.length ? { text: read.text, isFinal: false } : null;
}

function inflateOnce(
  bytes: Buffer,
  dictionary: Buffer,
  finishFlush: number,
): { text: Buffer; size: number } | null {
  const options: ZlibOptions & { info: true } = { finishFlush, info: true };
  if (dictionary.length > 0) options.dictionary = dictionary;
  try {
    const result: unknown = inflateRawSync(bytes, options);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- documented for `info`
    const { buffer, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
    return { text: buffer, size: engine.bytesWritten };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code.startsWith('Z_')) return null;
    throw error;
  }
}
