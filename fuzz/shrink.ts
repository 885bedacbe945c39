/**
 * Makes an input small that shows something: leaves out parts, and makes bytes 0, as long as it still
 * shows it.
 *
 * @module
 */

const MOST_TRIES = 1_500;

export async function shrink(
  input: Buffer,
  shows: (candidate: Buffer) => Promise<boolean>,
): Promise<Buffer> {
  let best = input;
  let tries = 0;
  const attempt = async (candidate: Buffer): Promise<boolean> => {
    tries++;
    if (!(await shows(candidate))) return false;
    best = candidate;
    return true;
  };
  const mayGoOn = (at: number): boolean => at < best.length && tries < MOST_TRIES;
  for (let size = best.length; size >= 1; size >>>= 1) {
    for (let at = 0; mayGoOn(at);) {
      const without = Buffer.concat([best.subarray(0, at), best.subarray(at + size)]);
      if (!(await attempt(without))) at += size;
    }
  }
  for (let at = 0; mayGoOn(at); at++) {
    if (best[at] === 0) continue;
    const calmer = Buffer.from(best);
    calmer[at] = 0;
    await attempt(calmer);
  }
  return best;
}
