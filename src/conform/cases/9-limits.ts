/**
 * Group 9: large messages, many fragments, small writes, many messages. The official cases look at the
 * length of what comes back; these look at every byte of it.
 *
 * @module
 */

import { CLOSING, type ConformCase, type Outcome } from '../case.ts';
import type { Chops, Peer } from '../peer.ts';
import { binary, isSameEvent, text } from '../peer-event.ts';
import { WAIT } from '../settings.ts';
import { type Frame, fragment, OPCODE } from '../wire.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SIZES = [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB] as const;
const FRAGMENT_SIZES = [
  64,
  256,
  KIB,
  4 * KIB,
  16 * KIB,
  64 * KIB,
  256 * KIB,
  MIB,
  4 * MIB,
] as const;
const FRAGMENTED_SIZE = 4 * MIB;
const CHOP_SIZES = [64, 128, 256, 512, KIB, 2 * KIB] as const;
const CHOPPED_SIZE = MIB;
/** Bytes of a message, and the official seconds for all of them. */
const ROUND_TRIP_SHAPES = [
  [0, 60],
  [16, 60],
  [64, 60],
  [256, 120],
  [KIB, 240],
  [4 * KIB, 480],
] as const;
const ROUND_TRIPS = 1000;
/** The length of a line of the payload. */
const LINE = 16;

/** Numbered lines, so that a piece that is lost, doubled or moved is seen. */
function createPayload(size: number, isBinary: boolean): Buffer {
  const payload = Buffer.alloc(size, isBinary ? 0xfe : '*');
  for (let start = 0; start + LINE <= size; start += LINE) {
    payload.write(start.toString(16).padStart(LINE - 1, '-'), start, 'latin1');
  }
  return payload;
}

function opcodeOf(isBinary: boolean): number {
  return isBinary ? OPCODE.BINARY : OPCODE.TEXT;
}

function sizeInWords(size: number): string {
  if (size >= MIB) return `${size / MIB} MiB`;
  return size >= KIB ? `${size / KIB} KiB` : `${size} bytes`;
}

async function echoOnce(
  peer: Peer,
  payload: Buffer,
  isBinary: boolean,
  frames: readonly Frame[],
  chops: Chops,
): Promise<Outcome> {
  peer.log.pause();
  await peer.send(frames, chops);
  const event = await peer.takeEvent(WAIT.LARGE);
  peer.log.resume();
  peer.sendClose();
  const { isWithinMessage } = await peer.ended;
  if (event === undefined)
    return { behavior: 'FAILED', sentence: 'The message did not come back.' };
  if (!isSameEvent(event, isBinary ? binary(payload) : text(payload))) {
    return { behavior: 'FAILED', sentence: 'What came back is not what was sent.' };
  }
  if (peer.events.length > 0 || isWithinMessage) {
    return { behavior: 'FAILED', sentence: 'More came back than one.' };
  }
  return { behavior: 'OK', sentence: 'The message came back, byte for byte.' };
}

interface Large {
  readonly id: string;
  readonly how: string;
  readonly size: number;
  readonly isBinary: boolean;
  readonly fragmentSize?: number;
  readonly chops?: Chops;
}

function large({ id, how, size, isBinary, fragmentSize, chops = {} }: Large): ConformCase {
  return {
    id,
    title: `A ${isBinary ? 'binary' : 'text'} message of ${sizeInWords(size)}${how}`,
    expected: {},
    closing: CLOSING.NORMAL,
    run: (peer) => {
      const payload = createPayload(size, isBinary);
      const opcode = opcodeOf(isBinary);
      const frames =
        fragmentSize === undefined
          ? [{ opcode, payload }]
          : fragment(opcode, payload, fragmentSize);
      return echoOnce(peer, payload, isBinary, frames, chops);
    },
  };
}

/** Each message is sent when the one before it has come back. */
function roundTrips(id: string, size: number, seconds: number, isBinary: boolean): ConformCase {
  return {
    id,
    title: `${ROUND_TRIPS} ${isBinary ? 'binary' : 'text'} messages of ${sizeInWords(size)}, one by one`,
    expected: {},
    closing: CLOSING.NORMAL,
    async run(peer, { second }) {
      peer.log.pause();
      const start = performance.now();
      const payload = createPayload(size, isBinary);
      let count = 0;
      for (; count < ROUND_TRIPS; count++) {
        // The messages differ, where they have room for it.
        payload.write(String(count), 'latin1');
        const sent = Buffer.from(payload);
        await peer.send({ opcode: opcodeOf(isBinary), payload: sent });
        const secondsLeft = seconds - (performance.now() - start) / second;
        const event = await peer.takeEvent(Math.min(WAIT.MESSAGE, secondsLeft));
        if (event === undefined || !isSameEvent(event, isBinary ? binary(sent) : text(sent))) break;
      }
      peer.log.resume();
      peer.sendClose();
      const { isWithinMessage } = await peer.ended;
      if (count < ROUND_TRIPS) {
        const sentence = `Message ${count + 1} did not come back as it was sent.`;
        return { behavior: 'FAILED', sentence };
      }
      if (peer.events.length > 0 || isWithinMessage) {
        return { behavior: 'FAILED', sentence: 'More came back than was sent.' };
      }
      return { behavior: 'OK', sentence: 'All messages came back.' };
    },
  };
}

function forBoth(
  groups: readonly [text: string, binary: string],
  make: (group: string, isBinary: boolean) => readonly ConformCase[],
): ConformCase[] {
  return groups.flatMap((group, index) => make(group, index === 1));
}

export const LIMITS: readonly ConformCase[] = [
  ...forBoth(['9.1', '9.2'], (group, isBinary) =>
    SIZES.map((size, index) => large({ id: `${group}.${index + 1}`, how: '', size, isBinary })),
  ),
  ...forBoth(['9.3', '9.4'], (group, isBinary) =>
    FRAGMENT_SIZES.map((fragmentSize, index) =>
      large({
        id: `${group}.${index + 1}`,
        how: `, in fragments of ${sizeInWords(fragmentSize)}`,
        size: FRAGMENTED_SIZE,
        isBinary,
        fragmentSize,
      }),
    ),
  ),
  ...forBoth(['9.5', '9.6'], (group, isBinary) =>
    CHOP_SIZES.map((chop, index) =>
      large({
        id: `${group}.${index + 1}`,
        how: `, in writes of ${sizeInWords(chop)}`,
        size: CHOPPED_SIZE,
        isBinary,
        chops: { size: chop },
      }),
    ),
  ),
  ...forBoth(['9.7', '9.8'], (group, isBinary) =>
    ROUND_TRIP_SHAPES.map(([size, seconds], index) =>
      roundTrips(`${group}.${index + 1}`, size, seconds, isBinary),
    ),
  ),
];
