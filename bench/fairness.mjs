// How long an honest peer, which sends one message at a time, waits for its answer while others flood the
// server with messages of one byte, without pause: reading their answers, and not reading them. One
// load generator, on a processor of its own, is all of them.
//
//   npm run bench -- fairness [--floods 4]
import { burstOf } from './load/bursts.mjs';
import { loadGenerator } from './load/build.mjs';
import { LOAD, readFlags } from './shared/flags.mjs';
import { Measurement, interleave } from './shared/measure.mjs';
import { serversOf, versionsOf } from './shared/peers.mjs';
import { isPinned } from './shared/processes.mjs';
import { writeResults } from './shared/results.mjs';
import { among, holding } from './shared/select.mjs';
import { median, round } from './shared/statistics.mjs';
import { TEXT_32 } from './workloads.mjs';

const flags = readFlags(
  { seconds: '2', warmup: '0.5' },
  {
    ...LOAD,
    floods: { type: 'string', default: '4' },
  },
);

const floods = Number(flags.floods);
const FLOOD = burstOf(Buffer.alloc(1), 8192);
const bursts = () => Buffer.concat([burstOf(TEXT_32, 1), FLOOD]);
const flood = { mode: 'flood', kind: 'echo', connections: 1 + floods, bursts, reads: true };
const WORKLOADS = {
  alone: { title: 'alone', ...flood, connections: 1 },
  'flood-reading': { title: 'beside one that floods and reads', ...flood, connections: 2 },
  'flood-deaf': {
    title: 'beside one that floods and does not read',
    ...flood,
    connections: 2,
    reads: false,
  },
  'floods-reading': { title: `beside ${floods} that flood and read`, ...flood },
};

if (process.platform !== 'linux')
  throw new Error('the servers are measured on Linux: the times of a process come from /proc');
const ids = holding(Object.keys(WORKLOADS), flags.only);
if (ids.length > 0) {
  const servers = serversOf(flags.node);
  const names = among(['tautline', 'ws'], flags.peers);
  const generator = loadGenerator(flags.load);
  const measurement = new Measurement(generator, flags);
  const results = {};
  console.log(
    `Milliseconds until an honest peer has its answer; load generator: ${generator.by}; medians of ` +
      `${flags.rounds} rounds\n`,
  );
  try {
    for (const id of ids) {
      const samples = await interleave(names, Number(flags.rounds), (name) =>
        measurement.sample(servers[name], id, WORKLOADS[id]),
      );
      const rows = {};
      for (const name of names) {
        const good = samples[name].filter((sample) => sample !== null);
        if (good.length === 0) continue;
        const of = (key) => round(median(good.map(({ latency }) => latency[key])), 3);
        rows[name] = {
          p50: of('p50'),
          p99: of('p99'),
          max: of('max'),
          closed: median(good.map(({ closed }) => closed)),
        };
      }
      results[id] = { title: WORKLOADS[id].title, rows };
      console.log(WORKLOADS[id].title);
      console.table(rows);
    }
  } finally {
    measurement.close();
  }
  writeResults(
    flags.json,
    { generator: generator.by, pinned: isPinned(), rounds: Number(flags.rounds), floods, results },
    { node: flags.node, versions: versionsOf([servers.ws]) },
  );
}
