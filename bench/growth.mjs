// How the cost of a message grows: with the connections of a server (what `ulimit -n` forbids is left
// out, and said), with the size of a message, and with the fragments it comes in. Measured as in
// servers.mjs, beside `ws` and, as the floor, bytes that go back as they are.
//
//   npm run bench -- growth --only fragments
import { readFileSync } from 'node:fs';
import { burstOf, fragmentsOf } from './load/bursts.mjs';
import { loadGenerator } from './load/build.mjs';
import { compare } from './shared/compare.mjs';
import { LOAD, readFlags } from './shared/flags.mjs';
import { Measurement, interleave } from './shared/measure.mjs';
import { serversOf, versionsOf } from './shared/peers.mjs';
import { isPinned } from './shared/processes.mjs';
import { writeResults } from './shared/results.mjs';
import { among, holding } from './shared/select.mjs';
import { TEXT_32 } from './workloads.mjs';

const flags = readFlags(
  { seconds: '0.4', warmup: '0.3' },
  {
    ...LOAD,
    most: { type: 'string', default: '' },
  },
);

const FRAGMENT = 16;
const echo = { mode: 'echo', kind: 'echo', connections: 1 };

/** Each: the steps, and the workload of a step. */
const GROWTHS = {
  connections: {
    title: 'connections, each with one message of 32 B on its way',
    steps: [10, 100, 1000, 10_000],
    workload: (connections) => ({ ...echo, connections, bursts: () => burstOf(TEXT_32, 1) }),
  },
  sizes: {
    title: 'bytes of a message, one connection',
    steps: [16, 256, 4096, 65_536, 1_048_576, 16_777_216],
    workload: (size) => ({ ...echo, bursts: () => burstOf(Buffer.alloc(size, 0xa5), 1) }),
  },
  fragments: {
    title: `fragments of ${FRAGMENT} bytes in a message, one connection`,
    steps: [1, 16, 256, 4096, 16_000],
    workload: (count) => ({ ...echo, bursts: () => fragmentsOf(count, FRAGMENT) }),
  },
};
/** Files that a process has open besides its connections. */
const OTHER_FILES = 100;

function mostConnections() {
  const [, most] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
  return Number(most) - OTHER_FILES;
}

if (process.platform !== 'linux')
  throw new Error('the servers are measured on Linux: the times of a process come from /proc');
const ids = holding(Object.keys(GROWTHS), flags.only);
if (ids.length > 0) {
  const servers = serversOf(flags.node);
  const names = among(['tautline', 'ws', 'net'], flags.peers);
  const generator = loadGenerator(flags.load);
  const measurement = new Measurement(generator, flags);
  const results = {};
  console.log(`load generator: ${generator.by}; medians of ${flags.rounds} rounds\n`);
  try {
    for (const id of ids) {
      const { title, steps, workload } = GROWTHS[id];
      const possible = steps
        .slice(0, flags.most === '' ? undefined : Number(flags.most))
        .filter((step) => id !== 'connections' || step <= mostConnections());
      if (id === 'connections' && possible.length < steps.length && flags.most === '')
        console.log(`ulimit -n allows no more than ${mostConnections()} connections`);
      const rows = [];
      for (const step of possible) {
        const samples = await interleave(names, Number(flags.rounds), (name) =>
          measurement.sample(servers[name], `${id}-${step}`, workload(step)),
        );
        const compared = compare(samples);
        rows.push({ step, rows: compared.rows });
      }
      results[id] = { title, steps: rows };
      console.log(`µs of the server for a message: ${title}`);
      console.table(
        Object.fromEntries(
          rows.map(({ step, rows: row }) => [
            step,
            Object.fromEntries(names.map((name) => [name, row[name]?.microseconds ?? '–'])),
          ]),
        ),
      );
    }
  } finally {
    measurement.close();
  }
  writeResults(
    flags.json,
    { generator: generator.by, pinned: isPinned(), rounds: Number(flags.rounds), results },
    { node: flags.node, versions: versionsOf([servers.ws]) },
  );
}
