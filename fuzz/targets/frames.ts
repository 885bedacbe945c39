/**
 * What a peer sends after the handshake, from bytes to messages: decoder, inbound half, connection.
 * However the bytes are cut, the same comes of them, at a cost in proportion to them.
 *
 * @module
 */

import { generateFrames, mutateWire, cutWire, writeFrame } from '../frames.ts';
import { type Played, play, readInput, type Setting } from '../played.ts';
import { Random } from '../random.ts';
import { type Target, check, checkSame } from '../target.ts';

/** Up to this size a wire is also given byte by byte. */
const MAX_BY_BYTE = 3_000;

/**
 * Bytes that a message may take while it grows, for each that came; and what is there from the
 * beginning.
 */
const MOST_PER_BYTE = 40;
const MOST_AT_FIRST = 64 * 1024;

/** The settings, and frames that fit them. */
export function generateInput(random: Random, deflates: boolean): Buffer {
  const setting = random.bytes(4);
  // Mostly no limit that ends everything at once.
  if (random.oneIn(2)) setting[1] = 0;
  if (random.oneIn(2)) setting[2]! &= 0xfc;
  const [{ role, deflate }] = readInput(setting, deflates);
  const wire = { masked: role === 'server', windowBits: deflate?.peerWindowBits ?? 0 };
  return Buffer.concat([setting, ...generateFrames(random, wire).map(writeFrame)]);
}

export function mutateInput(
  random: Random,
  input: Buffer,
  other: Buffer,
  deflates: boolean,
): Buffer {
  const setting = Buffer.from(input.subarray(0, 4));
  if (random.oneIn(4) && setting.length > 0) {
    setting[random.below(setting.length)] = random.below(256);
  }
  const [{ role, deflate }, wire] = readInput(input, deflates);
  const kind = { masked: role === 'server', windowBits: deflate?.peerWindowBits ?? 0 };
  return Buffer.concat([setting, mutateWire(random, wire, other.subarray(4), kind)]);
}

/** In a few words. */
export function verdictOf({ events }: Played): string {
  const failure = events.find((event) => event.startsWith('error'));
  if (failure !== undefined) return failure.slice('error '.length);
  const [, code] = events.at(-1)!.split(' ');
  if (code !== '1006') return code === '1005' ? 'closed without a code' : 'closed';
  return events.length > 1 ? 'open, with messages' : 'open';
}

/** The ways to cut a wire that are tried: whole, in some places, byte by byte. */
export function cutsOf(wire: Buffer, { seed }: Setting): Buffer[][] {
  const random = new Random(seed);
  const cuts = [[Buffer.from(wire)], cutWire(random, wire, 3), cutWire(random, wire, 30)];
  if (wire.length <= MAX_BY_BYTE) cuts.push([...wire].map((byte) => Buffer.of(byte)));
  return cuts;
}

const allocate = Buffer.allocUnsafeSlow.bind(Buffer);

/** Runs it, and adds up the memory that is asked for outside the pool. */
async function playMeasured(setting: Setting, pieces: Buffer[]): Promise<[Played, number]> {
  let asked = 0;
  Buffer.allocUnsafeSlow = (size) => {
    asked += size;
    return allocate(size);
  };
  try {
    return [await play(setting, pieces), asked];
  } finally {
    Buffer.allocUnsafeSlow = allocate;
  }
}

export const FRAMES: Target = {
  name: 'frames',
  form: 'bytes',
  generate: (random) => generateInput(random, false),
  mutate: (random, input, other) => mutateInput(random, input, other, false),

  async run(input) {
    const [setting, wire] = readInput(input, false);
    let first: Played | null = null;
    for (const pieces of cutsOf(wire, setting)) {
      const [played, asked] = await playMeasured(setting, pieces);
      const most = MOST_AT_FIRST + MOST_PER_BYTE * wire.length;
      check(asked <= most, 'it takes more memory than its bytes are worth', asked, most);
      first ??= played;
      checkSame(played.events, first.events, 'how the bytes were cut makes a difference');
    }
    return verdictOf(first!);
  },
};
