// Each file of src/ is covered by its own test file: a test elsewhere that happens to pass through
// a line shows little about it. Runs every mirrored test file alone, with coverage of its source.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { once } from 'node:events';
import { join } from 'node:path';
import { testsOf } from './mirror.mjs';

const MINIMUM = 97;
const METRICS = ['lines', 'branches'];
/** Files without a line to run. */
const RE_EXPORTS = new Set(['index.ts', 'protocol.ts']);

const reports = mkdtempSync(join(tmpdir(), 'own-coverage-'));
const problems = [];
let files = 0;

async function measure(source, tests, directory) {
  const run = spawn(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--project=fast',
      '--coverage',
      `--coverage.include=src/${source}`,
      '--coverage.reporter=json-summary',
      `--coverage.reportsDirectory=${directory}`,
      '--coverage.thresholds.lines=0',
      '--coverage.thresholds.branches=0',
      '--coverage.thresholds.functions=0',
      '--coverage.thresholds.statements=0',
      ...tests,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let printed = '';
  for (const stream of [run.stdout, run.stderr]) stream.on('data', (text) => (printed += text));
  const [status] = await once(run, 'close');
  if (status !== 0) return { failed: printed };
  return JSON.parse(readFileSync(join(directory, 'coverage-summary.json'), 'utf8')).total;
}

async function check(source) {
  const tests = testsOf(source);
  // A file without tests of its own is the business of check-tests.mjs.
  if (tests.length === 0) return;
  files += 1;
  const total = await measure(source, tests, join(reports, String(files)));
  if (total.failed !== undefined) {
    problems.push(`${source}: its tests fail\n${total.failed}`);
    return;
  }
  for (const metric of METRICS) {
    const { pct, total: count } = total[metric];
    if (count === 0 ? !RE_EXPORTS.has(source) && metric === 'lines' : pct < MINIMUM)
      problems.push(`${source}: ${pct} % of its ${metric}`);
  }
}

const sources = readdirSync('src', { recursive: true })
  .map((entry) => entry.replaceAll('\\', '/'))
  .filter((entry) => entry.endsWith('.ts'));
async function work() {
  for (let source = sources.shift(); source !== undefined; source = sources.shift()) {
    await check(source);
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, work));

rmSync(reports, { recursive: true });
for (const problem of problems) console.error(problem);
console.log(`own coverage: ${files} files, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
