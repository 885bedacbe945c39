/**
 * What each case of 12.* and 13.* does: many compressed messages, one after another, each of which must
 * come back before the next is sent. They differ in what is sent, how long it is, how it is cut, and
 * what was negotiated.
 *
 * @module
 */

import { CLOSING, type ConformCase, type Outcome } from '../case.ts';
import { deflateExtension, type Wish } from '../deflate.ts';
import type { MessageCoder } from '../extension.ts';
import type { Peer } from '../peer.ts';
import { describeEvent, isSameEvent, type PeerEvent } from '../peer-event.ts';
import { OFFICIAL_MESSAGES, type Settings, WAIT } from '../settings.ts';
import { type Frame, fragment, OPCODE, RSV1 } from '../wire.ts';
import { Slices, type Source } from './12-payloads.ts';

/** Bytes of a message, bytes of a fragment (if it is cut), and seconds for 1,000 messages. */
export interface Shape {
  readonly size: number;
  readonly fragmentSize?: number;
  readonly seconds: number;
}

export const SHAPES: readonly Shape[] = [
  { size: 16, seconds: 60 },
  { size: 64, seconds: 60 },
  { size: 256, seconds: 120 },
  { size: 1024, seconds: 240 },
  { size: 4096, seconds: 480 },
  { size: 8192, seconds: 480 },
  { size: 16_384, seconds: 480 },
  { size: 32_768, seconds: 480 },
  { size: 65_536, seconds: 480 },
  { size: 131_072, seconds: 480 },
  { size: 8192, fragmentSize: 256, seconds: 480 },
  { size: 16_384, fragmentSize: 256, seconds: 480 },
  { size: 32_768, fragmentSize: 256, seconds: 480 },
  { size: 65_536, fragmentSize: 256, seconds: 480 },
  { size: 131_072, fragmentSize: 256, seconds: 480 },
  { size: 131_072, fragmentSize: 1024, seconds: 480 },
  { size: 131_072, fragmentSize: 4096, seconds: 480 },
  { size: 131_072, fragmentSize: 32_768, seconds: 480 },
];

export interface MessagesRow {
  readonly id: string;
  /** What is special about what is negotiated. */
  readonly terms: string;
  readonly source: Source;
  readonly shape: Shape;
  readonly wishes: readonly Wish[];
}

/** How many messages are in the log; the others are like them. */
const LOGGED_MESSAGES = 3;

export function messages({ id, terms, source, shape, wishes }: MessagesRow): ConformCase {
  const { size, fragmentSize } = shape;
  const cut = fragmentSize === undefined ? '' : ` in fragments of ${fragmentSize} bytes`;
  return {
    id,
    title: `Compressed messages of ${size} bytes of ${source.name}${cut}; ${terms}`,
    expected: {},
    closing: CLOSING.NORMAL,
    extension: deflateExtension(wishes),
    async run(peer, settings) {
      const outcome =
        peer.coder === undefined
          ? UNIMPLEMENTED
          : await exchange(peer, peer.coder, source, shape, settings);
      peer.log.resume();
      peer.sendClose();
      const { isWithinMessage } = await peer.ended;
      if (outcome.behavior !== 'OK') return outcome;
      if (peer.events.length > 0 || isWithinMessage) return TOO_MANY;
      const sentence = `${outcome.sentence} The peer compressed ${peer.compressedCount} of them.`;
      return { ...outcome, sentence };
    },
  };
}

const UNIMPLEMENTED: Outcome = {
  behavior: 'UNIMPLEMENTED',
  sentence: 'The peer and the judge did not agree upon permessage-deflate as this case has it.',
};
const TOO_MANY: Outcome = {
  behavior: 'FAILED',
  sentence: 'More came back than was sent.',
};

interface Prepared {
  readonly payload: Buffer;
  readonly frames: readonly Frame[];
  /** Bytes of the compressed message. */
  readonly length: number;
}

async function exchange(
  peer: Peer,
  coder: MessageCoder,
  source: Source,
  shape: Shape,
  { second, messages: count }: Settings,
): Promise<Outcome> {
  const { isBinary } = source;
  const slices = new Slices(source, shape.size);
  const limit = shape.seconds * Math.max(1, count / OFFICIAL_MESSAGES);
  const start = performance.now();
  let length = 0;
  let prepared = prepare(coder, slices.next(), isBinary, shape);
  for (let index = 0; index < count; index++) {
    const sent = await prepared;
    if (sent === undefined) return failed(index, count, 'it could not be sent any more.');
    length += sent.length;
    if (index === LOGGED_MESSAGES) peer.log.pause();
    await peer.send(sent.frames);
    // While the peer is at work, so is the judge.
    if (index + 1 < count) prepared = prepare(coder, slices.next(), isBinary, shape);
    const secondsLeft = limit - (performance.now() - start) / second;
    const event = await peer.takeEvent(Math.min(WAIT.MESSAGE, secondsLeft));
    const wrong = describeWrong(event, { kind: 'message', isBinary, payload: sent.payload });
    if (wrong === undefined) continue;
    if (event !== undefined) peer.events.unshift(event);
    return failed(index, count, wrong);
  }
  const sentence =
    `All ${count} messages came back as they were sent: ` +
    `${count * shape.size} bytes, compressed to ${length}.`;
  return { behavior: 'OK', sentence };
}

function describeWrong(event: PeerEvent | undefined, sent: PeerEvent): string | undefined {
  if (event === undefined) return 'it did not come back.';
  if (isSameEvent(event, sent)) return undefined;
  return `it is not what came back. Sent: ${describeEvent(sent)}. Received: ${describeEvent(event)}`;
}

function failed(index: number, count: number, why: string): Outcome {
  return { behavior: 'FAILED', sentence: `Message ${index + 1} of ${count}: ${why}` };
}

/** @returns nothing where the connection ended before, and with it what compresses */
async function prepare(
  coder: MessageCoder,
  payload: Buffer,
  isBinary: boolean,
  { fragmentSize = Number.POSITIVE_INFINITY }: Shape,
): Promise<Prepared | undefined> {
  const opcode = isBinary ? OPCODE.BINARY : OPCODE.TEXT;
  let encoded: Buffer;
  try {
    encoded = await coder.encode(payload);
  } catch {
    return undefined;
  }
  const frames =
    encoded.length <= fragmentSize
      ? [{ opcode, payload: encoded, rsv: RSV1 }]
      : fragment(opcode, encoded, fragmentSize, RSV1);
  return { payload, frames, length: encoded.length };
}
