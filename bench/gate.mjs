// The gate against getting slower: what our server costs, as a multiple of what a server costs in the same
// run that only writes back what it reads. A processor that is slow or busy is so for both. It fails
// where a multiple is well above the one in gate.json, twice: the second time with more rounds.
//
//   npm run bench:gate [-- --write]     --write makes what is measured the new normal
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadGenerator } from './load/build.mjs';
import { verdictOf } from './shared/gate-verdict.mjs';
import { Measurement, interleave } from './shared/measure.mjs';
import { serversOf } from './shared/peers.mjs';
import { median, round } from './shared/statistics.mjs';
import { WORKLOADS } from './workloads.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '0.6' },
    warmup: { type: 'string', default: '0.6' },
    load: { type: 'string', default: '' },
    write: { type: 'boolean', default: false },
  },
});

const FILE = fileURLToPath(new URL('gate.json', import.meta.url));
const gate = JSON.parse(readFileSync(FILE, 'utf8'));
const servers = serversOf(process.execPath);

/** How many times more than the floor a message costs: the median over the rounds. */
async function multipleOf(measurement, id, rounds) {
  const samples = await interleave(['tautline', 'net'], rounds, (name) =>
    measurement.sample(servers[name], id, WORKLOADS[id]),
  );
  const ratios = samples.tautline
    .map((ours, i) => [ours, samples.net[i]])
    .filter((pair) => !pair.includes(null))
    .map(([ours, floor]) => ours.microseconds / floor.microseconds);
  if (ratios.length === 0) throw new Error(`${id} could not be measured`);
  return round(median(ratios), 2);
}

async function run() {
  const measurement = new Measurement(loadGenerator(flags.load), flags);
  const rounds = Number(flags.rounds);
  try {
    for (const [id, normal] of Object.entries(gate.normal)) {
      let multiple = await multipleOf(measurement, id, rounds);
      if (flags.write) {
        gate.normal[id] = multiple;
        console.log(`${id}: ${multiple} times the floor is normal from now on`);
        continue;
      }
      let verdict = verdictOf(id, multiple, normal, gate.margin);
      if (!verdict.passes) {
        console.log(`${verdict.text} Once more, with more rounds …`);
        multiple = await multipleOf(measurement, id, 2 * rounds + 1);
        verdict = verdictOf(id, multiple, normal, gate.margin);
      }
      console.log(verdict.text);
      if (!verdict.passes) process.exitCode = 1;
    }
  } finally {
    measurement.close();
  }
  if (flags.write) writeFileSync(FILE, `${JSON.stringify(gate, null, 2)}\n`);
}

if (process.platform === 'linux') await run();
else console.log('the gate stands on Linux alone: the times of a process come from /proc');
