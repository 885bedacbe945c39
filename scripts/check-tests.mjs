// Holds src/, test/ and fuzz/ to their shape: every file of src/ that does something has its mirror in
// test/, no file is longer than it can be read, and no test runs less than it says.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const MAX_LINES = 500;
/** Files that hold types alone. */
const NOTHING_TO_RUN = new Set([
  'conform/extension.ts',
  'extension/extension.ts',
  'connection/handler.ts',
  'connection/outbound-limits.ts',
  'connection/socket-events.ts',
  'connection/transport.ts',
]);
const NOT_RUN =
  /\b(?:it|test|describe)\.(?:skip|only|todo|skipIf|runIf|fails)\b|\bx(?:it|describe)\(/;

const problems = [];
const filesOf = (root) =>
  readdirSync(root, { recursive: true })
    .map((entry) => entry.replaceAll('\\', '/'))
    .filter((entry) => entry.endsWith('.ts') && !entry.startsWith('.'));

const sources = filesOf('src');
for (const file of sources) {
  const lines = readFileSync(join('src', file), 'utf8').split('\n').length - 1;
  if (lines > MAX_LINES) problems.push(`src/${file} has ${lines} lines; ${MAX_LINES} are enough`);
  const mirror = join('test', file.replace(/\.ts$/, '.test.ts'));
  if (!NOTHING_TO_RUN.has(file) && !existsSync(mirror)) problems.push(`${mirror} is missing`);
}

const tests = filesOf('test');
for (const file of tests) {
  const text = readFileSync(join('test', file), 'utf8');
  const lines = text.split('\n').length - 1;
  if (lines > MAX_LINES) problems.push(`test/${file} has ${lines} lines; ${MAX_LINES} are enough`);
  const [hidden] = NOT_RUN.exec(text) ?? [];
  if (hidden !== undefined) problems.push(`test/${file} hides tests by ${hidden}`);
}

for (const file of filesOf('fuzz')) {
  const lines = readFileSync(join('fuzz', file), 'utf8').split('\n').length - 1;
  if (lines > MAX_LINES) problems.push(`fuzz/${file} has ${lines} lines; ${MAX_LINES} are enough`);
}

for (const problem of problems) console.error(problem);
console.log(`tests: ${sources.length} sources, ${tests.length} files, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
