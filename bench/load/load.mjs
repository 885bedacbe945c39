// The load generator where there is no C compiler: takes and prints what load.c does. Its connections
// are shared among as many threads as there are processors for it, but for the modes in which one
// connection waits for others. It costs more than load.c, and may be what is measured.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { UNKNOWN, burstsIn } from './bursts.mjs';
import { MODES } from './modes.mjs';
import { processTime } from '../shared/process-time.mjs';
import { quantile } from '../shared/statistics.mjs';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string' },
    connections: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '2' },
    warmup: { type: 'string', default: '1' },
    pid: { type: 'string', default: '0' },
    script: { type: 'string' },
    extensions: { type: 'string' },
    path: { type: 'string', default: '/' },
    reads: { type: 'string', default: '1' },
  },
});
const [mode] = positionals;
if (!Object.hasOwn(MODES, mode ?? '')) throw new Error(`there is no mode ${mode}`);

const sleep = (seconds) =>
  new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000);
  });

/** What the threads count: messages, and connections that are open, in a place of its own for each. */
const PLACE = 16;
const pid = Number(flags.pid);
const connections = Number(flags.connections);
const threads =
  mode === 'broadcast' || mode === 'flood' ? 1 : Math.min(availableParallelism(), connections);
const counts = new Float64Array(new SharedArrayBuffer(8 * PLACE * threads));
const sum = (field) => {
  let total = 0;
  for (let i = 0; i < threads; i++) total += counts[i * PLACE + field];
  return total;
};

const script = flags.script === undefined ? Buffer.alloc(0) : readFileSync(flags.script);
const bursts = burstsIn(script);
if (bursts.length === 0 && mode !== 'open') throw new Error('the script is empty');
if (bursts.length < 2 && mode === 'flood') throw new Error('a flood takes two bursts');

const settings = (i) => ({
  mode,
  port: Number(flags.port),
  path: flags.path,
  extensions: flags.extensions,
  reads: flags.reads !== '0',
  connections: Math.floor(connections / threads) + (i < connections % threads ? 1 : 0),
  bursts,
  unknown: UNKNOWN,
  counts: counts.subarray(i * PLACE, (i + 1) * PLACE),
});

let latencies;
if (threads === 1) {
  latencies = MODES[mode](settings(0));
} else {
  const file = fileURLToPath(new URL('worker.mjs', import.meta.url));
  for (let i = 0; i < threads; i++) {
    new Worker(file, { workerData: settings(i) }).on('error', (error) => {
      console.error(error);
      process.exit(1);
    });
  }
}

if (mode !== 'open') {
  const deadline = performance.now() + 20_000;
  while (sum(1) < connections) {
    if (performance.now() > deadline) throw new Error('the connections did not open in time');
    await sleep(0.01);
  }
}
await sleep(Number(flags.warmup));

latencies?.restart();
const before = sum(0);
const begin = performance.now();
const own = process.cpuUsage();
const times = processTime(pid);
await sleep(Number(flags.seconds));
const messages = sum(0) - before;
const seconds = (performance.now() - begin) / 1e3;
const used = process.cpuUsage(own);
const [user, system] = processTime(pid).map((now, i) => now - times[i]);
const result = {
  messages,
  seconds,
  cpu: (user + system) * 1e9,
  user,
  system,
  own: (used.user + used.system) * 1e3,
};
if (latencies !== undefined) {
  const sorted = latencies.taken();
  result.latency = {
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    max: sorted.at(-1),
  };
  result.closed = counts[2];
}
console.log(JSON.stringify(result));
process.exit(0);
