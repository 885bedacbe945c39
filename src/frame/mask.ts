/**
 * Masking: RFC 6455, section 5.3. XOR is its own inverse, so one function masks and unmasks.
 *
 * Whole 32-bit words are several times faster than bytes, but a view of the words costs about
 * 30 ns to make. So the caller makes one for a whole chunk, or keeps one for a buffer that it
 * uses again, and passes {@link NO_WORDS} where that would not pay (measured: `bench/micro.mjs`).
 *
 * @module
 */

/** Stands for a view of the words that nobody made: then bytes are masked one by one. */
export const NO_WORDS: Int32Array = new Int32Array(0);

/** Below this many bytes, finding the first word costs more than words save. */
const WORDS_FROM = 16;

// The key as a word in this machine's byte order, whatever that order is: written as bytes, read
// as a word.
const KEY_WORD = new Int32Array(1);
const KEY_BYTES = new Uint8Array(KEY_WORD.buffer);

/**
 * A view of the 32-bit words that `bytes` lies on. It begins at the word that holds the first
 * byte, so it may reach up to three bytes before `bytes`, which {@link applyMask} never touches.
 */
export function wordsOf(bytes: Uint8Array): Int32Array {
  const skew = bytes.byteOffset & 3;
  return new Int32Array(bytes.buffer, bytes.byteOffset - skew, (skew + bytes.byteLength) >>> 2);
}

/**
 * Applies the masking-key to `bytes[start, end)` in place: "octet i of the transformed data is
 * the XOR of octet i of the original data with octet at index i modulo 4 of the masking key".
 *
 * @param words - `wordsOf(bytes)`, or {@link NO_WORDS}
 * @param key - the four bytes of the key, big-endian, as they stand on the wire
 * @param phase - how many payload bytes of this frame came before `start`
 * @returns 0 where every byte is ASCII after the XOR, which comes free here and spares a text
 *   its UTF-8 validation
 */
export function applyMask(
  bytes: Uint8Array,
  words: Int32Array,
  start: number,
  end: number,
  key: number,
  phase: number,
): number {
  // Turning the key by the phase lets each loop below begin with its first byte.
  let turned = turn(key, phase);
  let seen = 0;
  let i = start;

  if (words !== NO_WORDS && end - start >= WORDS_FROM) {
    const skew = bytes.byteOffset & 3;
    const aligned = start + (-(skew + start) & 3);
    let shift = 24;
    for (; i < aligned; i++, shift -= 8) {
      seen |= bytes[i]! ^= (turned >>> shift) & 0xff;
    }
    turned = turn(turned, aligned - start);
    KEY_BYTES[0] = turned >>> 24;
    KEY_BYTES[1] = turned >>> 16;
    KEY_BYTES[2] = turned >>> 8;
    KEY_BYTES[3] = turned;
    const word = KEY_WORD[0]!;

    let w = (skew + aligned) >>> 2;
    const last = (skew + end) >>> 2;
    i = (last << 2) - skew;
    let seenWords = 0;
    for (const unrolled = last - 3; w < unrolled; w += 4) {
      seenWords |=
        (words[w]! ^= word) |
        (words[w + 1]! ^= word) |
        (words[w + 2]! ^= word) |
        (words[w + 3]! ^= word);
    }
    for (; w < last; w++) seenWords |= words[w]! ^= word;
    seen |= (seenWords & 0x80808080) === 0 ? 0 : 0x80;
  } else {
    const k0 = turned >>> 24;
    const k1 = (turned >>> 16) & 0xff;
    const k2 = (turned >>> 8) & 0xff;
    const k3 = turned & 0xff;
    for (const whole = start + ((end - start) & ~3); i < whole; i += 4) {
      seen |=
        (bytes[i]! ^= k0) | (bytes[i + 1]! ^= k1) | (bytes[i + 2]! ^= k2) | (bytes[i + 3]! ^= k3);
    }
  }

  // At most three bytes are left, and the first of them meets the first byte of the key.
  for (let shift = 24; i < end; i++, shift -= 8) {
    seen |= bytes[i]! ^= (turned >>> shift) & 0xff;
  }
  return seen & 0x80;
}

/** Turns the key left by `bytes` bytes, modulo four. */
function turn(key: number, bytes: number): number {
  const bits = (bytes & 3) << 3;
  return bits === 0 ? key : (key << bits) | (key >>> (32 - bits));
}
