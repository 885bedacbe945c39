// Whole servers side by side: the processor time of a message, with `ws` and others as they come from
// npm. The server has one core for itself and the load generator the other; each measurement is
// a process of its own. In every round all servers are measured with a workload, one after the other;
// the table shows medians over the rounds, and medians of the ratios within a round. `load` is how
// much of its core the load generator took.
//
//   npm run bench -- servers --rounds 5 --only pipelined --peers tautline,ws,uws
import { loadGenerator } from './load/build.mjs';
import { compare } from './shared/compare.mjs';
import { LOAD, NO_INSTALL, readFlags } from './shared/flags.mjs';
import { Measurement, interleave } from './shared/measure.mjs';
import { installPeers, isInstalled, serversOf, versionsOf } from './shared/peers.mjs';
import { isPinned } from './shared/processes.mjs';
import { writeResults } from './shared/results.mjs';
import { among, holding } from './shared/select.mjs';
import { showComparison } from './shared/table.mjs';
import { WORKLOADS } from './workloads.mjs';

const flags = readFlags({ seconds: '0.9', warmup: '0.6' }, { ...LOAD, ...NO_INSTALL });

const servers = serversOf(flags.node);

if (process.platform !== 'linux')
  throw new Error('the servers are measured on Linux: the times of a process come from /proc');
const ids = holding(Object.keys(WORKLOADS), flags.only);
if (ids.length > 0) {
  const wanted = among(Object.keys(servers), flags.peers);
  if (!flags['no-install']) installPeers(wanted.map((name) => servers[name]));
  const names = wanted.filter((name) => isInstalled(servers[name]));
  const missing = wanted.filter((name) => !names.includes(name));
  if (missing.length > 0)
    console.log(`could not be installed, and are not measured: ${missing.join(', ')}`);
  const generator = loadGenerator(flags.load);
  console.log(
    `load generator: ${generator.by}; ${isPinned() ? 'pinned' : 'not pinned'}; medians of ${flags.rounds} rounds\n`,
  );
  const measurement = new Measurement(generator, flags);
  const results = {};
  try {
    for (const id of ids) {
      const workload = WORKLOADS[id];
      const compared = compare(
        await interleave(names, Number(flags.rounds), (name) =>
          measurement.sample(servers[name], id, workload),
        ),
      );
      results[id] = { title: workload.title, ...compared };
      console.log(`${id}: ${workload.title}`);
      showComparison(compared);
    }
  } finally {
    measurement.close();
  }
  const measured = new Set(Object.values(results).flatMap(({ rows }) => Object.keys(rows)));
  const silent = names.filter((name) => !measured.has(name));
  if (silent.length > 0) console.log(`have answered no workload: ${silent.join(', ')}`);
  writeResults(
    flags.json,
    { generator: generator.by, pinned: isPinned(), rounds: Number(flags.rounds), missing, results },
    { node: flags.node, versions: versionsOf(names.map((name) => servers[name])) },
  );
}
