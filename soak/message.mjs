// Messages that can be told whole and in order: each begins with a checksum of the rest, its kind, who
// sent it, and its number. What is too short for that is made of who and which number alone.
import { crc32 } from 'node:zlib';
import { Random } from './random.mjs';
import { MAX_PAYLOAD } from './settings.mjs';

/** What a message is about. */
export const KIND = {
  /** From a client. */
  ECHO: 'E',
  PUBLISH: 'P',
  FEED: 'F',
  CLOSE: 'C',
  BYE: 'Q',
  /** From the server. */
  WELCOME: 'W',
  PUBLISHED: 'K',
  TOPIC: 'T',
  BROADCAST: 'B',
  FED: 'D',
  ANSWER: 'A',
};

const CHECKSUM_SIZE = 8;
/** Where a message says of what kind it is. */
export const KIND_AT = CHECKSUM_SIZE;
const NUMBER_SIZE = 8;
/** Checksum, kind, sender, number. */
const HEAD_SIZE = CHECKSUM_SIZE + 1 + 2 * NUMBER_SIZE;

const hex = (number) => number.toString(16).padStart(NUMBER_SIZE, '0');

/** Of what there is of text: words, which compress, and letters of two bytes each. */
const POOLS = makePools();

function makePools() {
  const random = new Random('pools');
  const words = [
    '{"name":"',
    'tautline',
    '","to":[',
    '17',
    '],"text":"',
    'hello',
    ' world',
    '"}\n',
  ];
  let text = '';
  while (text.length < MAX_PAYLOAD * 1.25) text += random.pick(words);
  let letters = '';
  while (letters.length < MAX_PAYLOAD * 0.75)
    letters += String.fromCharCode(random.between(0x430, 0x44f));
  const bytes = Buffer.from(
    Uint32Array.from({ length: 330_000 }, () => random.next() * 2 ** 32).buffer,
  );
  // (A string that was glued together is not in one piece.)
  const textBytes = Buffer.from(text);
  return {
    text: textBytes.latin1Slice(),
    letters: Buffer.from(letters).toString(),
    bytes,
    textBytes,
  };
}

function bodyOf(size, binary, random) {
  const isPlain = random.chance(0.6);
  if (binary) {
    const pool = isPlain ? POOLS.textBytes : POOLS.bytes;
    const at = random.between(0, pool.length - size);
    return pool.subarray(at, at + size);
  }
  const pool = isPlain ? POOLS.text : POOLS.letters;
  const length = isPlain ? size : size >> 1;
  const at = random.between(0, pool.length - length);
  // (A last letter may have no room for its second byte.)
  return pool.slice(at, at + length) + 'x'.repeat(isPlain ? 0 : size & 1);
}

/** Short, and only right for this sender and this number. */
export function tinyMessage(sender, sequence, size) {
  return hex(crc32(`${sender}.${sequence}`))
    .repeat(4)
    .slice(0, size);
}

/**
 * @param {string} kind
 * @param {number} sender
 * @param {number} sequence
 * @param {string | Uint8Array} body - a string makes a text
 */
export function makeMessage(kind, sender, sequence, body) {
  const rest = `${kind}${hex(sender)}${hex(sequence)}`;
  if (typeof body === 'string') return hex(crc32(rest + body)) + rest + body;
  const message = Buffer.allocUnsafeSlow(HEAD_SIZE + body.length);
  message.latin1Write(rest, CHECKSUM_SIZE);
  message.set(body, HEAD_SIZE);
  message.latin1Write(hex(crc32(message.subarray(CHECKSUM_SIZE))), 0);
  return message;
}

/** A message of so many bytes. */
export function makeSized(kind, sender, sequence, { size, binary, random }) {
  if (size >= HEAD_SIZE)
    return makeMessage(kind, sender, sequence, bodyOf(size - HEAD_SIZE, binary, random));
  const tiny = tinyMessage(sender, sequence, size);
  return binary ? Buffer.from(tiny) : tiny;
}

/**
 * What stands in a message; null where it is not whole.
 *
 * @param {string | Uint8Array} message
 */
export function readMessage(message) {
  if (message.length < HEAD_SIZE) return null;
  const isText = typeof message === 'string';
  const head = isText ? message.slice(0, HEAD_SIZE) : message.latin1Slice(0, HEAD_SIZE);
  const rest = isText ? message.slice(CHECKSUM_SIZE) : message.subarray(CHECKSUM_SIZE);
  const checksum = head.slice(0, CHECKSUM_SIZE);
  if (hex(crc32(rest)) !== checksum) return null;
  const sender = CHECKSUM_SIZE + 1;
  return {
    checksum,
    kind: head[KIND_AT],
    sender: Number.parseInt(head.slice(sender, sender + NUMBER_SIZE), 16),
    sequence: Number.parseInt(head.slice(sender + NUMBER_SIZE), 16),
    body: isText ? message.slice(HEAD_SIZE) : message.subarray(HEAD_SIZE),
  };
}

export function sizeOf(message) {
  return typeof message === 'string' ? Buffer.byteLength(message) : message.length;
}

const SIZES = {
  empty: [0, 0],
  tiny: [1, HEAD_SIZE - 1],
  small: [HEAD_SIZE, 125],
  medium: [126, 4096],
  large: [4097, 65_535],
  larger: [65_536, 300_000],
  largest: [MAX_PAYLOAD - 100, MAX_PAYLOAD],
};
const HOW_OFTEN = {
  empty: 2,
  tiny: 8,
  small: 50,
  medium: 28,
  large: 10,
  larger: 1.6,
  largest: 0.4,
};

/** From nothing at all to the largest message that the server takes; mostly small. @param {Random} random */
export function anySize(random) {
  return random.between(...SIZES[random.weigh(HOW_OFTEN)]);
}
