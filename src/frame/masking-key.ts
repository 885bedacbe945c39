/**
 * Masking-keys: RFC 6455, sections 5.3 and 10.3. "The masking key needs to be unpredictable; thus,
 * the masking key MUST be derived from a strong source of entropy." Asking that source for four
 * bytes at a time is a thousand times dearer than taking them from a pool (measured:
 * bench/micro.mjs), so a pool of its bytes is kept, each used once.
 *
 * @module
 */

import { randomFillSync } from 'node:crypto';

const POOL = new Int32Array(2048);

/** The next key that was not given out yet. At the end of the pool it is filled anew. */
let next = POOL.length;

/** A fresh masking-key: four random bytes as a signed 32-bit integer. */
export function nextMaskingKey(): number {
  if (next === POOL.length) {
    randomFillSync(POOL);
    next = 0;
  }
  return POOL[next++]!;
}
