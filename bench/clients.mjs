// Clients side by side: the processor time of a message that a client sends or receives, with `ws` and
// undici. The client has one core for itself. Its counterpart has the other, and knows no frame: it
// answers bytes with bytes that were made beforehand; `load` is how much of its core that takes. A
// sender waits for one answer after each 39 KiB, 65 KiB or 1 MiB.
//
//   npm run bench -- clients --only send --rounds 5
import { fileURLToPath } from 'node:url';
import { compare } from './shared/compare.mjs';
import { NO_INSTALL, readFlags } from './shared/flags.mjs';
import { interleave, sampleOf } from './shared/measure.mjs';
import { installPeers, isInstalled, versionsOf } from './shared/peers.mjs';
import { processTime } from './shared/process-time.mjs';
import { CORE, isPinned, runProgram, startProgram } from './shared/processes.mjs';
import { writeResults } from './shared/results.mjs';
import { among, holding } from './shared/select.mjs';
import { showComparison } from './shared/table.mjs';

const flags = readFlags({ seconds: '0.9', warmup: '0.6' }, NO_INSTALL);

const WORKLOADS = {
  'client-echo': { title: 'pipelined echo 16×64, 32 B text', kind: 'echo' },
  'client-send-32': { title: 'send 32 B text', kind: 'send-32' },
  'client-send-1k': { title: 'send 1 KiB binary', kind: 'send-1k' },
  'client-send-1m': { title: 'send 1 MiB binary', kind: 'send-1m' },
  'client-receive-32': { title: 'receive 32 B text', kind: 'receive' },
};
const PLAIN = { WS_NO_BUFFER_UTIL: '1', WS_NO_UTF_8_VALIDATE: '1' };
const CLIENTS = {
  tautline: { program: 'tautline', needs: [] },
  ws: { program: 'ws', needs: ['ws'], env: PLAIN },
  'ws-native': { program: 'ws', needs: ['ws', 'bufferutil', 'utf-8-validate'] },
  undici: { program: 'undici', needs: ['undici'] },
};

const pathOf = (name) => fileURLToPath(new URL(`clients/${name}.mjs`, import.meta.url));

async function measure(name, kind) {
  const { program, env } = CLIENTS[name];
  const counterpart = await startProgram(
    { command: [process.execPath, pathOf('counterpart'), kind] },
    CORE.load,
  );
  try {
    const values = [counterpart.port, kind, flags.seconds, flags.warmup].map(String);
    const begin = performance.now();
    const result = await runProgram([flags.node, pathOf(program), ...values], CORE.measured, env);
    const [user, system] = processTime(counterpart.pid);
    // Of all the time that it was there.
    const load = ((user + system) * 1e3) / (performance.now() - begin);
    return sampleOf({ ...result, own: load * result.seconds * 1e9 });
  } finally {
    await counterpart.stop();
  }
}

const ids = holding(Object.keys(WORKLOADS), flags.only);
if (ids.length > 0) {
  const wanted = among(Object.keys(CLIENTS), flags.peers);
  if (!flags['no-install']) installPeers(wanted.map((name) => CLIENTS[name]));
  const names = wanted.filter((name) => isInstalled(CLIENTS[name]));
  const missing = wanted.filter((name) => !names.includes(name));
  if (missing.length > 0)
    console.log(`could not be installed, and are not measured: ${missing.join(', ')}`);
  console.log(
    `clients: ${isPinned() ? 'pinned' : 'not pinned'}; medians of ${flags.rounds} rounds\n`,
  );
  const results = {};
  for (const id of ids) {
    const { title, kind } = WORKLOADS[id];
    const samples = await interleave(names, Number(flags.rounds), (name) => measure(name, kind));
    const compared = compare(samples);
    results[id] = { title, ...compared };
    console.log(`${id}: ${title}`);
    showComparison(compared);
  }
  writeResults(
    flags.json,
    { pinned: isPinned(), rounds: Number(flags.rounds), missing, results },
    { node: flags.node, versions: versionsOf(names.map((name) => CLIENTS[name])) },
  );
}
