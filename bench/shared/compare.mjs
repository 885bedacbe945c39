// What samples of several become beside each other.
import { isPeer } from './peers.mjs';
import { median, round } from './statistics.mjs';

/**
 * How many times cheaper one is than another: the median of the ratios within the rounds, or undefined
 * where there is none.
 */
function timesCheaper(samples, than) {
  const ratios = samples
    .map((sample, i) => [sample, than?.[i]])
    .filter(([a, b]) => a !== null && b !== null && b !== undefined)
    .map(([a, b]) => b.microseconds / a.microseconds);
  return ratios.length === 0 ? undefined : round(median(ratios), 2);
}

/** Medians of what was measured, or undefined where nothing was. */
function medianOf(samples) {
  const good = samples.filter((sample) => sample !== null);
  if (good.length === 0) return undefined;
  const of = (key) => median(good.map((sample) => sample[key]));
  return {
    microseconds: round(of('microseconds'), 3),
    user: round(of('user'), 3),
    system: round(of('system'), 3),
    perSecond: Math.round(of('perSecond')),
    load: round(of('load'), 2),
  };
}

/**
 * @param {Record<string, (object | null)[]>} samples
 * @returns {{ best: string | undefined, rows: Record<string, object> }} the cheapest of the others, and a row
 *   for each name that was measured
 */
export function compare(samples) {
  const rows = {};
  for (const [name, taken] of Object.entries(samples)) {
    const row = medianOf(taken);
    if (row !== undefined) rows[name] = row;
  }
  const cost = (name) => rows[name].microseconds;
  const [best] = Object.keys(rows)
    .filter(isPeer)
    .toSorted((a, b) => cost(a) - cost(b));
  for (const [name, row] of Object.entries(rows)) {
    row.timesCheaperThanWs = timesCheaper(samples[name], samples.ws);
    row.timesCheaperThanBest = timesCheaper(samples[name], samples[best]);
  }
  return { best, rows };
}
