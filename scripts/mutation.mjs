// Changes src/ in small ways, one at a time, and looks whether the tests notice. Each file is tried
// with its own tests alone: few and quick, and what they leave to others is to be seen.
// Run: npm run mutation -- [FOLDER | FILE]... [--force]
import { existsSync, readdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Stryker } from '@stryker-mutator/core';
import { testsOf } from './mirror.mjs';

const FOLDERS = ['frame', 'handshake', 'connection'];
const REPORTS = 'reports/mutation';
const DETECTED = ['Killed', 'Timeout'];
const STATUSES = [...DETECTED, 'Survived', 'NoCoverage'];

const options = process.argv.slice(2);
const force = options.includes('--force');
const targets = options.filter((option) => option !== '--force');
const sources = (targets.length > 0 ? targets : FOLDERS).flatMap(sourcesOf);

/** The files of a folder of src/, or the one file, with or without `src/` and `.ts`. */
function sourcesOf(target) {
  const name = posix.normalize(target.replaceAll('\\', '/')).replace(/^src\/|\/$|\.ts$/g, '');
  if (existsSync(join('src', `${name}.ts`))) return [`${name}.ts`];
  if (!existsSync(join('src', name))) throw new Error(`src/${name} is neither a folder nor a file`);
  return readdirSync(join('src', name))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `${name}/${file}`);
}

/** @returns how many mutants of the file came to which end; nothing where there is none */
async function mutate(source) {
  const tests = testsOf(source);
  if (tests.length === 0) return undefined;
  process.env.MUTATION_TESTS = JSON.stringify(tests);
  const report = `${REPORTS}/${source.replace(/\.ts$/, '')}`;
  const results = await new Stryker({
    mutate: [`src/${source}`],
    incrementalFile: `${report}.json`,
    htmlReporter: { fileName: `${report}.html` },
    force,
  }).runMutationTest();
  if (results.length === 0) return undefined;
  return Object.fromEntries(
    STATUSES.map((status) => [status, results.filter((mutant) => mutant.status === status).length]),
  );
}

function row(name, counts) {
  const sum = (statuses) => statuses.reduce((total, status) => total + counts[status], 0);
  const score = ((100 * sum(DETECTED)) / sum(STATUSES)).toFixed(1);
  const columns = STATUSES.map((status) => String(counts[status]).padStart(12));
  return `${name.padEnd(36)}${columns.join('')}${score.padStart(10)}`;
}

// The same values in each run: a mutant must not live or die by chance.
process.env.PROPERTY_SEED ??= '1';

const rows = [];
const failed = [];
const total = Object.fromEntries(STATUSES.map((status) => [status, 0]));
for (const source of sources) {
  console.log(`\n${source}`);
  // One at a time: each has processes of its own.
  let counts;
  try {
    counts = await mutate(source);
  } catch (error) {
    // Most often its own tests fail, or the machine is too busy for them. The others are tried.
    failed.push(`${source}: ${error.message}`);
  }
  if (counts === undefined) continue;
  for (const status of STATUSES) total[status] += counts[status];
  rows.push(row(source, counts));
}
console.log(
  `\n${''.padEnd(36)}${STATUSES.map((status) => status.padStart(12)).join('')}   score %`,
);
for (const line of rows) console.log(line);
console.log(row('together', total));
for (const line of failed) console.error(line);
process.exitCode = failed.length > 0 ? 1 : 0;
