/** What every peer has to get back as it sent it. */
export const TEXTS: readonly string[] = [
  'plain ASCII, nothing else',
  '',
  'Grüße aus Köln, ελληνικά, 日本語, 👩‍👩‍👧 and \u0000',
  `${'x'.repeat(65_535)}é`,
];

/** Around every way to write a length, and the largest message that the default allows, nearly. */
export const BINARY_SIZES: readonly number[] = [0, 125, 126, 65_535, 65_536, 1024 * 1024 - 14];

/** The default of `maxPayload`. */
export const MAX_PAYLOAD: number = 1024 * 1024;

/** Bytes without a period that a masking-key has. Peers in other languages make the same. */
export function patternOf(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 7 + (i >> 8)) & 0xff;
  return bytes;
}

/** A hundred messages whose order can be told. */
export const HUNDRED: readonly string[] = Array.from({ length: 100 }, (_, i) => `message ${i} ✓`);

/** What a peer may close with, and what it gets back: the same code, and no reason. */
export const CLOSES: readonly (readonly [code: number, reason: string])[] = [
  [1000, ''],
  [3000, 'a code of a framework'],
  [4999, `${'é'.repeat(61)}!`],
];
