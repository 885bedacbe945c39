// All benchmarks, one after the other, each in a process of its own: their tables on the screen, and, of
// a whole run, their figures in bench/results/ and the report in docs/performance.md. What one of
// them measures stands at its beginning.
//
//   npm run bench [-- NAME …] [--only PART,…] [--rounds N] [--quick] [--out FOLDER | --json FILE] [FLAG VALUE …]
//
// NAME    of a benchmark: all, where none is given
// --only  names of benchmarks, or parts of the names of workloads
// --quick to see that all of it runs: short, and installing nothing
// --out   where figures go; nothing is written by a run that is not whole, unless it is said where
//
// Other flags are handed on. The report alone: npm run bench -- report
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** name: what makes it short */
const QUICK = {
  micro: ['--rounds', '1', '--time', '10'],
  memory: ['--rounds', '1', '--connections', '100'],
  deflate: ['--rounds', '1', '--connections', '5', '--messages', '50'],
  servers: '--rounds 1 --seconds 0.1 --warmup 0.1 --peers tautline,ws,net --no-install'.split(' '),
  clients: '--rounds 1 --seconds 0.1 --warmup 0.1 --peers tautline,ws --no-install'.split(' '),
  growth: ['--rounds', '1', '--seconds', '0.1', '--warmup', '0.1', '--most', '2'],
  fairness: ['--rounds', '1', '--seconds', '0.2', '--warmup', '0.1'],
};
const NAMES = Object.keys(QUICK);

/** Ours are taken, and the rest is handed on as it came. */
function read(values) {
  const asked = { names: [], only: [], quick: false, out: '', json: '', rest: [] };
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value === '--quick') asked.quick = true;
    else if (value === '--only') asked.only = values[++i].split(',');
    else if (value === '--out') asked.out = values[++i];
    else if (value === '--json') asked.json = values[++i];
    else if (value === '--no-install') asked.rest.push(value);
    else if (value.startsWith('--')) asked.rest.push(value, values[++i]);
    else asked.names.push(value);
  }
  asked.names.push(...asked.only.filter((part) => NAMES.includes(part)));
  asked.only = asked.only.filter((part) => !NAMES.includes(part));
  return asked;
}

function run(file, values) {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const { status } = spawnSync(process.execPath, ['--expose-gc', path, ...values], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(1);
}

const asked = read(process.argv.slice(2));
const names = asked.names.length > 0 ? asked.names : NAMES;
const isReport = names.length === 1 && names[0] === 'report';
const unknown = names.find((name) => !NAMES.includes(name));
if (unknown !== undefined && !isReport)
  throw new Error(`there is no benchmark called ${unknown}: ${NAMES.join(', ')}`);
if (asked.json !== '' && names.length > 1)
  throw new Error('--json takes the figures of one benchmark: use --out FOLDER');

const isWhole = !asked.quick && asked.only.length === 0 && asked.rest.length === 0;
const folder = asked.out === '' && isWhole ? 'bench/results' : asked.out;
if (folder !== '') mkdirSync(folder, { recursive: true });

if (isReport) {
  run('report.mjs', []);
} else {
  for (const name of names) {
    const values = asked.quick ? [...QUICK[name]] : [];
    if (asked.only.length > 0) values.push('--only', asked.only.join(','));
    if (asked.json !== '') values.push('--json', asked.json);
    else if (folder !== '') values.push('--json', join(folder, `${name}.json`));
    console.log(`\n== ${name} (${Math.round(performance.now() / 1000)} s)\n`);
    run(`${name}.mjs`, [...values, ...asked.rest]);
  }
  if (folder !== '' && asked.json === '') {
    run('report.mjs', asked.out === '' ? [] : ['--results', folder, '--out', folder]);
  }
}
