// What compression costs a server in memory, beside `ws`: for a connection that has echoed 1 MiB of JSON, in
// messages of 1 KiB. Measured as in memory.mjs. What a process grows by once is shared by these
// connections: with fewer of them each seems larger (without takeover ours came to 76 KiB among 50, and
// to 358 among 20). What compression costs in time is measured by servers.mjs.
//
//   npm run bench -- deflate [--connections 50] [--messages 1024]
import { parseArgs } from 'node:util';
import { TERMS, lookAtAll } from './memory/probe.mjs';
import { versionsOf } from './shared/peers.mjs';
import { writeResults } from './shared/results.mjs';
import { holding } from './shared/select.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '50' },
    messages: { type: 'string', default: '1024' },
    only: { type: 'string', default: '' },
    json: { type: 'string', default: '' },
  },
});
const connections = Number(flags.connections);
const messages = Number(flags.messages);
const KINDS = [
  'ws, takeover',
  'tautline, takeover',
  'tautline, takeover, public',
  'ws, none',
  'tautline, none',
  'tautline, none, public',
  'ws, small windows',
  'tautline, small windows',
];

const kinds = holding(KINDS, flags.only);
if (kinds.length > 0) {
  const plans = kinds.map((kind) => ({
    kind,
    connections,
    first: Math.ceil(connections / 5),
    messages,
    terms: TERMS[kind.split(', ')[1]],
  }));
  const results = await lookAtAll(plans, Number(flags.rounds));
  const base = results['ws, takeover']?.after.resident;
  console.log(
    `KiB of resident memory for one of ${connections} connections, after ${messages} echoes of 1 KiB of JSON:\n` +
      `medians of ${flags.rounds}.\n`,
  );
  const rows = Object.entries(results).map(([kind, { after }]) => [
    kind,
    {
      KiB: Math.round(after.resident / 1024),
      'of ws with takeover': base === undefined ? '–' : Number((after.resident / base).toFixed(2)),
    },
  ]);
  console.table(Object.fromEntries(rows));
  writeResults(
    flags.json,
    { connections, messages, rounds: Number(flags.rounds), results },
    { versions: versionsOf([{ needs: ['ws'] }]) },
  );
}
