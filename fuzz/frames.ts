/**
 * Frames as a fuzzer wants them: right ones with something wrong in them, made from chance or from
 * bytes, and changed one by one. It shares nothing with the codec.
 *
 * @module
 */

import { type ZlibOptions, constants, deflateRawSync } from 'node:zlib';
import { mutateBytes } from './mutation.ts';
import type { Random } from './random.ts';

export interface LooseFrame {
  /** FIN, the reserved bits, the opcode. */
  first: number;
  /** None for a frame that is not masked. */
  key: Buffer | null;
  /** Bits in which the length is written. */
  lengthBits: 7 | 16 | 64;
  /** What is announced. */
  length: bigint;
  /** What is there, unmasked: perhaps less than announced, at the end. */
  payload: Buffer;
}

const FITTING = { 7: 125n, 16: 0xffffn, 64: 0xffff_ffff_ffff_ffffn } as const;

export function writeFrame({ first, key, lengthBits, length, payload }: LooseFrame): Buffer {
  const mask = key === null ? 0 : 0x80;
  const head = Buffer.alloc(lengthBits === 7 ? 2 : lengthBits === 16 ? 4 : 10);
  head[0] = first;
  head[1] = mask | (lengthBits === 7 ? Number(length & 0x7fn) : lengthBits === 16 ? 126 : 127);
  if (lengthBits === 16) head.writeUInt16BE(Number(length & 0xffffn), 2);
  if (lengthBits === 64) head.writeBigUInt64BE(length, 2);
  if (key === null) return Buffer.concat([head, payload]);
  return Buffer.concat([head, key, payload.map((byte, i) => byte ^ key[i % 4]!)]);
}

/** Whatever bytes mean when nothing is checked. What is left behind the last head is dropped. */
export function readLooseFrames(wire: Buffer): LooseFrame[] {
  const frames: LooseFrame[] = [];
  for (let at = 0; at + 2 <= wire.length;) {
    const first = wire[at]!;
    const second = wire[at + 1]!;
    const short = second & 0x7f;
    const lengthBits = short < 126 ? 7 : short === 126 ? 16 : 64;
    at += 2;
    const extra = lengthBits === 7 ? 0 : lengthBits / 8;
    const keySize = second >= 0x80 ? 4 : 0;
    if (at + extra + keySize > wire.length) break;
    let length = BigInt(short);
    if (lengthBits === 16) length = BigInt(wire.readUInt16BE(at));
    if (lengthBits === 64) length = wire.readBigUInt64BE(at);
    at += extra;
    const key = keySize === 0 ? null : Buffer.from(wire.subarray(at, at + 4));
    at += keySize;
    const left = BigInt(wire.length - at);
    const size = Number(length < left ? length : left);
    const payload = Buffer.from(wire.subarray(at, at + size));
    if (key !== null) payload.forEach((byte, i) => (payload[i] = byte ^ key[i % 4]!));
    at += size;
    frames.push({ first, key, lengthBits, length, payload });
  }
  return frames;
}

/** The frame as the peer of an end writes it that breaks no rule. */
function frameOf(first: number, payload: Buffer, masked: boolean, random: Random): LooseFrame {
  const length = BigInt(payload.length);
  const lengthBits = length <= FITTING[7] ? 7 : length <= FITTING[16] ? 16 : 64;
  return { first, key: masked ? random.bytes(4) : null, lengthBits, length, payload };
}

// ── Payloads ────────────────────────────────────────────────────────────────────────────────

const CHARACTERS = ['a', 'Hello', ' ', 'é', '€', '😀', '\u{10ffff}', '\0', '\ufeff', '\u0800', 'ﬁ'];
/** Of UTF-8, each wrong in a way of its own: cut, too long, a surrogate, beyond the end. */
const BROKEN = ['ff', 'c0 80', 'ed a0 80', 'f4 90 80 80', 'e2 82', 'f0 9f 98', '80', 'f5 80 80 80'];

function text(random: Random): Buffer {
  const parts: Buffer[] = [];
  for (let left = random.size(60); left > 0; left--) {
    if (random.oneIn(150)) {
      parts.push(Buffer.from(random.pick(BROKEN).replaceAll(' ', ''), 'hex'));
    } else {
      parts.push(Buffer.from(random.oneIn(3) ? random.pick(CHARACTERS) : 'abcdefghij'));
    }
  }
  return Buffer.concat(parts);
}

function bytes(random: Random): Buffer {
  if (random.oneIn(40)) return Buffer.alloc(random.pick([125, 126, 127, 65_535, 65_536]), 'abc');
  if (random.oneIn(3)) return Buffer.alloc(random.size(3_000), random.below(256));
  return random.bytes(random.size(600));
}

const CLOSE_CODES = [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999];
const BAD_CODES = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];

export function closePayload(random: Random): Buffer {
  if (random.oneIn(4)) return random.bytes(random.below(3));
  const code = Buffer.alloc(2);
  code.writeUInt16BE(random.pick(random.oneIn(4) ? BAD_CODES : CLOSE_CODES));
  return Buffer.concat([code, random.oneIn(2) ? text(random).subarray(0, 123) : Buffer.alloc(0)]);
}

/** How a message is compressed, right and not so right. */
function deflated(random: Random, data: Buffer, windowBits: number, before: Buffer): Buffer {
  const options: ZlibOptions = {
    windowBits: Math.max(9, windowBits),
    level: random.between(0, 9),
    strategy: random.pick([
      constants.Z_DEFAULT_STRATEGY,
      constants.Z_FIXED,
      constants.Z_HUFFMAN_ONLY,
      constants.Z_RLE,
    ]),
  };
  switch (random.below(8)) {
    case 0:
      // "BFINAL", with or without the byte that section 7.2.3.4 of RFC 7692 wants behind it.
      return Buffer.concat([deflateRawSync(data, options), Buffer.alloc(random.below(2))]);
    case 1: {
      const one = deflateRawSync(data.subarray(0, data.length >> 1), options);
      return Buffer.concat([one, deflateRawSync(data.subarray(data.length >> 1), options)]);
    }
    case 2:
      return mutateBytes(random, deflateRawSync(data, options), data);
    default: {
      // It may refer to the messages before, also where that was not agreed on.
      const dictionary = before.length > 0 && random.oneIn(2) ? { dictionary: before } : {};
      const flush = { finishFlush: constants.Z_SYNC_FLUSH };
      const whole = deflateRawSync(data, { ...options, ...flush, ...dictionary });
      return whole.subarray(0, whole.length - (random.oneIn(20) ? random.below(8) : 4));
    }
  }
}

/** Zeros, of which a thousand make one byte. */
function bomb(random: Random): Buffer {
  return Buffer.alloc(random.pick([20_000, 70_000, 300_000, 1_200_000]), random.below(2));
}

// ── Messages ────────────────────────────────────────────────────────────────────────────────

export interface Wire {
  /** Whether the end that reads is a server. */
  readonly masked: boolean;
  /** 0 where nothing is compressed. */
  readonly windowBits: number;
}

/** What was compressed so far. */
interface Memory {
  text: Buffer;
}

function message(
  random: Random,
  { masked, windowBits }: Wire,
  memory: Memory = { text: Buffer.alloc(0) },
): LooseFrame[] {
  const isText = random.oneIn(2);
  const compresses = windowBits > 0 && !random.oneIn(4);
  let data = isText ? text(random) : bytes(random);
  if (compresses && random.oneIn(12)) data = bomb(random);
  if (compresses) {
    const before = memory.text.subarray(-(2 ** windowBits));
    memory.text = Buffer.concat([before, data]);
    data = deflated(random, data, windowBits, before);
  }
  const count = random.oneIn(3) ? random.between(1, 5) : 1;
  const frames: LooseFrame[] = [];
  for (let i = 0; i < count; i++) {
    const start = i === 0 ? 0 : Math.floor((data.length * i) / count);
    const end = i === count - 1 ? data.length : Math.floor((data.length * (i + 1)) / count);
    const opcode = i > 0 ? 0 : isText ? 1 : 2;
    const first = (i === count - 1 ? 0x80 : 0) | (compresses && i === 0 ? 0x40 : 0) | opcode;
    frames.push(frameOf(first, data.subarray(start, end), masked, random));
    if (random.oneIn(6)) frames.push(control(random, masked));
  }
  return frames;
}

function control(random: Random, masked: boolean): LooseFrame {
  const payload = random.oneIn(2) ? Buffer.alloc(0) : random.bytes(random.size(125));
  return frameOf(random.pick([0x89, 0x8a]), payload, masked, random);
}

export function generateFrames(random: Random, wire: Wire): LooseFrame[] {
  const frames: LooseFrame[] = [];
  const memory: Memory = { text: Buffer.alloc(0) };
  for (let left = random.between(1, 8); left > 0; left--) {
    if (random.oneIn(4)) frames.push(control(random, wire.masked));
    else frames.push(...message(random, wire, memory));
  }
  if (random.oneIn(4)) frames.push(frameOf(0x88, closePayload(random), wire.masked, random));
  return random.oneIn(2) ? frames : breakOne(random, frames, wire);
}

const LENGTHS = [
  0n,
  1n,
  125n,
  126n,
  127n,
  65_535n,
  65_536n,
  1n << 20n,
  1n << 32n,
  1n << 53n,
  1n << 63n,
];

/** Changes one frame, or what stands around it. */
function breakOne(random: Random, frames: readonly LooseFrame[], wire: Wire): LooseFrame[] {
  const at = random.below(frames.length);
  const frame = { ...frames[at]! };
  const changed = [...frames];
  changed[at] = frame;
  switch (random.below(10)) {
    case 0:
      frame.first ^= 1 << random.below(8);
      break;
    case 1:
      frame.first = (frame.first & 0xf0) | random.below(16);
      break;
    case 2:
      frame.key = frame.key === null ? random.bytes(4) : null;
      break;
    case 3:
      // Longer than it has to be.
      frame.lengthBits = random.oneIn(2) ? 16 : 64;
      break;
    case 4:
      frame.length = random.pick(LENGTHS);
      frame.lengthBits = frame.length <= FITTING[7] ? 7 : frame.length <= FITTING[16] ? 16 : 64;
      break;
    case 5:
      changed.splice(at, 1);
      break;
    case 6:
      changed.splice(at, 0, frames[random.below(frames.length)]!);
      break;
    case 7:
      changed.splice(at, 0, ...message(random, wire));
      break;
    case 8:
      frame.payload = mutateBytes(random, frame.payload, Buffer.alloc(0));
      frame.length = BigInt(frame.payload.length);
      frame.lengthBits = frame.length <= FITTING[7] ? 7 : frame.length <= FITTING[16] ? 16 : 64;
      break;
    default:
      changed.splice(at, 0, ...Array.from({ length: random.pick([2, 5, 30]) }, () => frame));
  }
  return changed;
}

/** Changes frames of a wire, or its bytes. */
export function mutateWire(random: Random, bytesOfIt: Buffer, other: Buffer, wire: Wire): Buffer {
  if (random.oneIn(3)) return mutateBytes(random, bytesOfIt, other);
  let frames = readLooseFrames(bytesOfIt);
  if (random.oneIn(3)) {
    const others = readLooseFrames(other);
    const at = random.below(frames.length + 1);
    frames.splice(at, random.below(3), ...others.slice(random.below(others.length + 1)));
  }
  for (let left = random.between(1, 3); left > 0 && frames.length > 0; left--) {
    frames = breakOne(random, frames, wire);
  }
  return Buffer.concat(frames.slice(0, 100).map(writeFrame)).subarray(0, 200_000);
}

/** Cuts bytes into pieces that lie in memory of their own: the reader may write into them. */
export function cutWire(random: Random, wire: Buffer, most: number): Buffer[] {
  const places = Array.from({ length: random.below(most + 1) }, () => {
    return random.oneIn(2)
      ? random.below(wire.length + 1)
      : random.below(Math.min(wire.length, 40) + 1);
  }).toSorted((one, two) => one - two);
  return [0, ...places].map((start, i) =>
    Buffer.from(wire.subarray(start, places[i] ?? wire.length)),
  );
}
