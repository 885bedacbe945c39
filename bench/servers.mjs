// Whole servers side by side: the processor time of a message, with `ws` and others as they come from
// npm. The server has one core for itself and the load generator the other; each measurement is
// a process of its own. In every round all servers are measured with a workload, one after the other;
// the table shows medians over the rounds, and medians of the ratios within a round.
//
//   npm run bench -- servers --rounds 5 --only pipelined --peers ws,uws
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadGenerator } from './load/build.mjs';
import { WORKLOADS } from './workloads.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '1.5' },
    warmup: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    peers: { type: 'string', default: '' },
    node: { type: 'string', default: process.execPath },
    json: { type: 'string', default: 'bench/results/servers.json' },
  },
});

const pathOf = (name) => fileURLToPath(new URL(name, import.meta.url));
const PEERS = pathOf('peers/');
const bin = (name) => join(PEERS, 'node_modules', '.bin', name);
const program = (name) => pathOf(`servers/${name}.mjs`);
const PLAIN = { WS_NO_BUFFER_UTIL: '1', WS_NO_UTF_8_VALIDATE: '1' };
const node = (name, needs, env = {}) => ({ command: [flags.node, program(name)], needs, env });

/** Each server: how it is started, and the packages that it needs. */
const SERVERS = {
  tautline: node('tautline', []),
  'tautline-api': node('tautline-api', []),
  ws: node('ws', ['ws'], PLAIN),
  'ws-native': node('ws', ['ws', 'bufferutil', 'utf-8-validate']),
  uws: node('uws', ['uws-pack']),
  bun: { command: [bin('bun'), program('bun')], needs: ['bun'] },
  deno: { command: [bin('deno'), 'run', '--allow-net', program('deno')], needs: ['deno'] },
  'faye-websocket': node('faye', ['faye-websocket']),
  websocket: node('websocket', ['websocket']),
  net: node('net', []),
};

function isInstalled(name) {
  const { needs } = SERVERS[name];
  return needs.every((needed) => existsSync(join(PEERS, 'node_modules', needed)));
}

/** Into a folder of their own, so that only who runs this has them: all, where one is missing. */
function installPeers(wanted) {
  if (wanted.every(isInstalled)) return;
  console.log('installing the peers …');
  const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  spawnSync('npm', ['install', ...quiet], { cwd: PEERS, stdio: 'inherit' });
}

/** Pinned where that can be: the server to the first processor, the load to the second. */
function pinned(core, command) {
  const canPin = cpus().length > 1 && spawnSync('taskset', ['--version']).status === 0;
  return canPin ? ['taskset', '-c', String(core), ...command] : command;
}

async function start(name, kind) {
  const { command, env = {} } = SERVERS[name];
  const [file, ...values] = pinned(0, [...command, kind]);
  const child = spawn(file, values, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
    detached: true,
  });
  const lines = createInterface(child.stdout);
  const told = await new Promise((resolve, reject) => {
    lines.once('line', (line) => resolve(JSON.parse(line)));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}`)));
  });
  return {
    ...told,
    async stop() {
      const ended = new Promise((resolve) => {
        child.once('exit', resolve);
      });
      // With what it may have started itself.
      process.kill(-Number(child.pid), 'SIGKILL');
      await ended;
    },
  };
}

const generator = loadGenerator();
const scratch = mkdtempSync(join(tmpdir(), 'tautline-bench-'));

async function scriptOf(id) {
  const file = join(scratch, id);
  if (!existsSync(file)) writeFileSync(file, (await WORKLOADS[id].bursts?.()) ?? '');
  return file;
}

/** Null where a server has nothing of the kind. */
async function measure(name, id) {
  const { mode, kind, connections, extensions } = WORKLOADS[id];
  const server = await start(name, kind);
  try {
    if (server.refused !== undefined) return null;
    const settings = {
      port: server.port,
      pid: server.pid,
      connections,
      script: await scriptOf(id),
      seconds: flags.seconds,
      warmup: flags.warmup,
      ...(extensions !== undefined && { extensions }),
    };
    const values = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]);
    const [file, ...rest] = pinned(1, [...generator.command, mode, ...values]);
    const result = await run(file, rest);
    const { messages, seconds, cpu, user, system, own } = result;
    if (messages === 0) return null;
    return {
      microseconds: cpu / messages / 1e3,
      system: user + system === 0 ? 0 : system / (user + system),
      perSecond: messages / seconds,
      load: own / 1e9 / seconds,
    };
  } finally {
    if (server.refused === undefined) await server.stop();
  }
}

function run(file, values) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, values, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(text));
      else reject(new Error(`the load generator ended with ${code}`));
    });
  });
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const round = (value, digits) => Number(value.toFixed(digits));

async function compare(id, names) {
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let i = 0; i < Number(flags.rounds); i++) {
    for (const name of names) {
      try {
        samples[name].push(await measure(name, id));
      } catch (error) {
        console.error(`${name}, ${id}: ${error.message}`);
        samples[name].push(null);
      }
    }
  }
  const rows = {};
  for (const name of names) {
    const good = samples[name].filter((sample) => sample !== null);
    if (good.length === 0) continue;
    const pairs = samples[name]
      .map((sample, i) => [sample, samples.ws?.[i]])
      .filter(([a, b]) => a !== null && b !== null && b !== undefined);
    rows[name] = {
      microseconds: round(median(good.map(({ microseconds }) => microseconds)), 3),
      ...(pairs.length > 0 && {
        timesCheaperThanWs: round(
          median(pairs.map(([a, b]) => b.microseconds / a.microseconds)),
          2,
        ),
      }),
      system: round(median(good.map(({ system }) => system)), 2),
      perSecond: Math.round(median(good.map(({ perSecond }) => perSecond))),
      load: round(median(good.map(({ load }) => load)), 2),
    };
  }
  return rows;
}

if (process.platform !== 'linux')
  throw new Error('the servers are measured on Linux: the times of a process come from /proc');
const wanted = Object.keys(SERVERS).filter(
  (name) => flags.peers === '' || flags.peers.split(',').includes(name),
);
installPeers(wanted);
const names = wanted.filter(isInstalled);
const missing = wanted.filter((name) => !isInstalled(name));
if (missing.length > 0)
  console.log(`could not be installed, and are not measured: ${missing.join(', ')}`);
console.log(`load generator: ${generator.by}; medians of ${flags.rounds} rounds\n`);

const results = {};
const ids = Object.keys(WORKLOADS).filter(
  (id) => flags.only === '' || flags.only.split(',').some((part) => id.includes(part)),
);
try {
  for (const id of ids) {
    results[id] = await compare(id, names);
    console.log(WORKLOADS[id].title);
    console.table(results[id]);
  }
} finally {
  rmSync(scratch, { recursive: true });
}
mkdirSync(dirname(flags.json), { recursive: true });
const machine = { node: process.version, cpu: cpus()[0]?.model, cores: cpus().length };
writeFileSync(
  flags.json,
  `${JSON.stringify({ machine, generator: generator.by, missing, results }, null, 2)}\n`,
);
