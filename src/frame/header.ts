/**
 * The shape of a frame header as both directions need it: RFC 6455, section 5.2. Writing one is
 * here, reading one is in decoder.ts, where the bytes lie.
 *
 * @module
 */

/** FIN, the first bit of the first byte. */
export const FIN = 0x80;
/** RSV1, which an extension such as permessage-deflate may claim (section 5.2). */
export const RSV1 = 0x40;
/** The mask bit, first of the second byte. */
export const MASK = 0x80;

/** 2 bytes, 8 of extended payload length, 4 of masking-key. */
export const MAX_HEADER_SIZE = 14;

/** "All control frames MUST have a payload length of 125 bytes or less" (section 5.5). */
export const MAX_CONTROL_SIZE = 125;

/** The largest payload whose length takes 7 bits, and the largest whose length takes 16. */
const MAX_7_BIT_LENGTH = 125;
const MAX_16_BIT_LENGTH = 0xffff;

/** How many bytes the header of a frame takes, its masking-key included. */
export function headerSize(length: number, masked: boolean): number {
  const size = length <= MAX_7_BIT_LENGTH ? 2 : length <= MAX_16_BIT_LENGTH ? 4 : 10;
  return masked ? size + 4 : size;
}

/**
 * Writes a header at `at` and returns where the payload begins. "The minimal number of bytes MUST
 * be used to encode the length" (section 5.2).
 *
 * @param first - FIN, RSV1 and the opcode: the first byte as it goes out
 * @param length - of the payload, in bytes: an integer up to `Number.MAX_SAFE_INTEGER`
 * @param masked - whether four bytes of masking-key follow the length
 * @param key - the masking-key, big-endian; unused where `masked` is false
 */
export function writeHeader(
  target: Uint8Array,
  at: number,
  first: number,
  length: number,
  masked: boolean,
  key: number,
): number {
  const mask = masked ? MASK : 0;
  target[at++] = first;
  if (length <= MAX_7_BIT_LENGTH) {
    target[at++] = mask | length;
  } else if (length <= MAX_16_BIT_LENGTH) {
    target[at++] = mask | 126;
    target[at++] = length >>> 8;
    target[at++] = length;
  } else {
    target[at++] = mask | 127;
    at = writeUint32(target, at, Math.floor(length / 2 ** 32));
    at = writeUint32(target, at, length >>> 0);
  }
  return masked ? writeUint32(target, at, key) : at;
}

/** Network byte order (section 5.2). A typed array keeps the low eight bits of what it is given. */
function writeUint32(target: Uint8Array, at: number, value: number): number {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
  return at + 4;
}
