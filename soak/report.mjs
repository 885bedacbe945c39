// What a soak has shown, as it is printed.
import { DEVIATIONS } from './ledger.mjs';

const MEBI = 1024 * 1024;
const megabytes = (bytes) => `${(bytes / MEBI).toFixed(1)} MiB`;
const number = (value) => value.toLocaleString('en');

/** Rows of a name and a value, one below the other. @param {[string, string][]} rows */
function table(title, rows) {
  const width = Math.max(...rows.map(([name]) => name.length), 0);
  const last = Math.max(...rows.map(([, value]) => value.length), 0);
  return [
    title,
    ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value.padStart(last)}`),
  ].join('\n');
}

const sorted = (entries) => entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
const counts = (ledger, group) =>
  sorted(ledger.group(group)).map(([name, amount]) => [name, number(amount)]);

/**
 * @param {import('./ledger.mjs').Ledger} ledger
 * @param {{ start: object, end: object, peakDescriptors: number, seconds: number }} run
 */
export function formatReport(ledger, { start, end, peakDescriptors, seconds }) {
  const at = ({ rss, heap, descriptors }) =>
    `${megabytes(rss)}, ${megabytes(heap)}, ${descriptors}`;
  return [
    table('connections', counts(ledger, 'connections')),
    table(
      `messages, of ${megabytes(ledger.of('bytes'))}, in ${Math.round(seconds)} seconds`,
      counts(ledger, 'messages'),
    ),
    table('faults', counts(ledger, 'faults')),
    table('connections of crowds that vanished', counts(ledger, 'vanished')),
    table('refused by the server', counts(ledger, 'refused by the server')),
    table('close codes at the server', counts(ledger, 'close codes at the server')),
    table('close codes at honest clients', counts(ledger, 'close codes at clients')),
    table(
      'deviations',
      DEVIATIONS.map((kind) => [kind, number(ledger.of(`deviation.${kind}`))]),
    ),
    table('the server: RSS, heap with buffers, descriptors', [
      ['start', at(start)],
      ['peak', `${megabytes(end.peakRss)}, –, ${peakDescriptors}`],
      ['end', at(end)],
    ]),
  ].join('\n\n');
}
