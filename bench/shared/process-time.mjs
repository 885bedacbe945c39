// The processor time of another process.
import { readFileSync } from 'node:fs';

/** The clock of Linux, in which /proc tells the times of a process. */
const TICKS_PER_SECOND = 100;

/**
 * @param {number} pid - 0 for none
 * @returns {[user: number, system: number]} seconds, of all its threads
 */
export function processTime(pid) {
  if (pid === 0) return [0, 0];
  const line = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name, in brackets, may hold anything.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return [Number(fields[11]) / TICKS_PER_SECOND, Number(fields[12]) / TICKS_PER_SECOND];
}
