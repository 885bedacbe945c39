// What a connection costs a server: JavaScript heap and resident memory while it is idle, and after one
// echo, beside `ws` and a bare `net.Socket`, which is the floor. Each measurement is a process of its
// own, which accepts its connections, collects its garbage and looks. Every round measures all kinds;
// the table shows medians over the rounds.
//
// Tautline keeps the request of each connection, with its header fields; ws keeps none.
//
//   npm run bench -- memory [--connections 5000]
import { parseArgs } from 'node:util';
import { TERMS, lookAtAll } from './memory/probe.mjs';
import { versionsOf } from './shared/peers.mjs';
import { writeResults } from './shared/results.mjs';
import { holding } from './shared/select.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '5000' },
    only: { type: 'string', default: '' },
    json: { type: 'string', default: '' },
  },
});
const connections = Number(flags.connections);
const KINDS = [
  ['net.Socket'],
  ['ws'],
  ['tautline'],
  ['tautline, route'],
  ['ws, takeover', TERMS.takeover],
  ['tautline, takeover', TERMS.takeover],
];

const kinds = holding(
  KINDS.map(([kind]) => kind),
  flags.only,
);
if (kinds.length > 0) {
  const plans = KINDS.filter(([kind]) => kinds.includes(kind)).map(([kind, terms]) => ({
    kind,
    connections,
    first: Math.ceil(connections / 50),
    messages: 1,
    terms,
  }));
  const results = await lookAtAll(plans, Number(flags.rounds));
  console.log(`Bytes for one of ${connections} connections: medians of ${flags.rounds}.\n`);
  const rows = Object.entries(results).map(([kind, { idle, after }]) => [
    kind,
    {
      'heap, idle': idle.heap,
      'resident, idle': idle.resident,
      'heap, after an echo': after.heap,
      'resident, after an echo': after.resident,
    },
  ]);
  console.table(Object.fromEntries(rows));
  writeResults(
    flags.json,
    { connections, rounds: Number(flags.rounds), results },
    { versions: versionsOf([{ needs: ['ws'] }]) },
  );
}
