/**
 * Masking: RFC 6455, section 5.3. XOR is its own inverse, so one function masks and unmasks.
 *
 * Whole 32-bit words are several times faster than bytes, but a view of the words has to be made
 * first. So the caller makes one for a whole chunk, or keeps one for a buffer that it
 * uses again, and passes {@link NO_WORDS} where that would not pay (measured: `bench/micro.mjs`).
 *
 * @module
 */

/** Stands for a view of the words that nobody made: then bytes are masked one by one. */
export const NO_WORDS: Int32Array = new Int32Array(0);

/** Below this many bytes, finding the words costs more than they save. */
const WORDS_FROM = 8;

// Where the four bytes of a word stand in it on this machine, whatever its byte order is: 0, 8, 16
// and 24 bits from the right, or the other way round.
const BYTE_ORDER = new Uint8Array(new Int32Array([0x18100800]).buffer);
const SHIFT_0 = BYTE_ORDER[0]!;
const SHIFT_1 = BYTE_ORDER[1]!;
const SHIFT_2 = BYTE_ORDER[2]!;
const SHIFT_3 = BYTE_ORDER[3]!;

/** The bytes of a word from the n-th on, and those before it. */
const FROM_BYTE = Int32Array.of(
  -1,
  ~(0xff << SHIFT_0),
  (0xff << SHIFT_2) | (0xff << SHIFT_3),
  0xff << SHIFT_3,
);
const BEFORE_BYTE = FROM_BYTE.map((bytes) => ~bytes);

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
  if (words === NO_WORDS || end - start < WORDS_FROM) {
    return maskBytes(bytes, start, end, turn(key, phase));
  }
  const skew = bytes.byteOffset & 3;
  let w = (skew + start) >>> 2;
  const last = (skew + end) >>> 2;
  // Of the first word and the last one only some bytes are ours: the others are XORed with 0.
  const lead = (skew + start) & 3;
  const word = nativeWord(turn(key, phase - lead));
  const ours = FROM_BYTE[lead]!;
  let seen = (words[w]! ^= word & ours) & ours;

  // Eight at a time where there are many (4 KiB: 0.6 µs and not 1.1), four where there are few.
  for (w++; w < last - 31; w += 8) {
    seen |=
      (words[w]! ^= word) |
      (words[w + 1]! ^= word) |
      (words[w + 2]! ^= word) |
      (words[w + 3]! ^= word) |
      (words[w + 4]! ^= word) |
      (words[w + 5]! ^= word) |
      (words[w + 6]! ^= word) |
      (words[w + 7]! ^= word);
  }
  for (; w < last - 3; w += 4) {
    seen |=
      (words[w]! ^= word) |
      (words[w + 1]! ^= word) |
      (words[w + 2]! ^= word) |
      (words[w + 3]! ^= word);
  }
  for (; w < last; w++) seen |= words[w]! ^= word;

  const rest = (skew + end) & 3;
  if (rest > 0 && w < words.length) {
    const trailing = BEFORE_BYTE[rest]!;
    seen |= (words[w]! ^= word & trailing) & trailing;
  } else if (rest > 0) {
    // The last word reaches beyond the buffer, and so it is not in the view.
    seen |= maskBytes(bytes, end - rest, end, turn(key, phase + end - rest - start));
  }
  return seen & 0x80808080;
}

/**
 * The same for what goes out, of which nobody asks whether it is ASCII: 1 KiB in 98 ns and not in
 * 180 (on Node 24 in 80 and not in 129; measured: `bench/micro.mjs`).
 *
 * @param words - `wordsOf(bytes)`
 * @param phase - how many payload bytes of this frame came before `start`
 */
export function maskOut(
  bytes: Uint8Array,
  words: Int32Array,
  start: number,
  end: number,
  key: number,
  phase: number,
): void {
  if (end - start < WORDS_FROM) {
    maskBytes(bytes, start, end, turn(key, phase));
    return;
  }
  const skew = bytes.byteOffset & 3;
  const from = (skew + start) >>> 2;
  const to = (skew + end) >>> 2;
  const lead = (skew + start) & 3;
  const word = nativeWord(turn(key, phase - lead));
  words[from]! ^= word & FROM_BYTE[lead]!;
  xorWords(words, from + 1, to, word);
  const rest = (skew + end) & 3;
  if (rest === 0) return;
  if (to < words.length) words[to]! ^= word & BEFORE_BYTE[rest]!;
  // The last word reaches beyond the buffer, and so it is not in the view.
  else maskBytes(bytes, end - rest, end, turn(key, phase + end - rest - start));
}

/** A function of its own: inside of the other, the loop is compiled to one that takes twice as long. */
function xorWords(words: Int32Array, from: number, to: number, word: number): void {
  let w = from;
  for (; w < to - 7; w += 8) {
    words[w]! ^= word;
    words[w + 1]! ^= word;
    words[w + 2]! ^= word;
    words[w + 3]! ^= word;
    words[w + 4]! ^= word;
    words[w + 5]! ^= word;
    words[w + 6]! ^= word;
    words[w + 7]! ^= word;
  }
  for (; w < to; w++) words[w]! ^= word;
}

/** The same byte by byte. `turned` begins with the byte of the key that meets the first byte. */
function maskBytes(bytes: Uint8Array, start: number, end: number, turned: number): number {
  const k0 = turned >>> 24;
  const k1 = (turned >>> 16) & 0xff;
  const k2 = (turned >>> 8) & 0xff;
  const k3 = turned & 0xff;
  let seen = 0;
  let i = start;
  for (const whole = start + ((end - start) & ~3); i < whole; i += 4) {
    seen |=
      (bytes[i]! ^= k0) | (bytes[i + 1]! ^= k1) | (bytes[i + 2]! ^= k2) | (bytes[i + 3]! ^= k3);
  }
  if (i < end) seen |= bytes[i]! ^= k0;
  if (i + 1 < end) seen |= bytes[i + 1]! ^= k1;
  if (i + 2 < end) seen |= bytes[i + 2]! ^= k2;
  return seen & 0x80;
}

/** Turns the key left by `bytes` bytes, modulo four. */
function turn(key: number, bytes: number): number {
  const bits = (bytes & 3) << 3;
  return bits === 0 ? key : (key << bits) | (key >>> (32 - bits));
}

/** A key, big-endian, in the byte order of this machine. */
function nativeWord(key: number): number {
  return (
    ((key >>> 24) << SHIFT_0) |
    (((key >>> 16) & 0xff) << SHIFT_1) |
    (((key >>> 8) & 0xff) << SHIFT_2) |
    ((key & 0xff) << SHIFT_3)
  );
}
