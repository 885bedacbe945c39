// Holds docs/security.md to the tests. Reads the report of the test runner, not the sources: an attack
// counts as tested when a test that passed, in a file that its row names, carries its name in the
// title. And every test in test/attacks/ is there for a row.
//
//   node scripts/check-attacks.mjs REPORT.json
import { readFileSync } from 'node:fs';

const [reportFile] = process.argv.slice(2);
const FOLDER = 'attacks/';

/** | `name`, `name` | what it is | what happens | limit | `file`, `file` | */
const ROW = /^\| (`.+?`) +\|.*\| (`[\w./-]+\.test\.ts`(?:, `[\w./-]+\.test\.ts`)*) +\|$/gm;
const quoted = (cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text);
const rows = [...readFileSync('docs/security.md', 'utf8').matchAll(ROW)].map(
  ([, names, files]) => ({
    names: quoted(names),
    files: quoted(files),
  }),
);

/** file -> the titles of its tests that passed */
const titles = new Map();
const report = JSON.parse(readFileSync(reportFile, 'utf8'));
for (const { name, assertionResults } of report.testResults) {
  const file = name.replaceAll('\\', '/').replace(/^.*\/test\//, '');
  const passed = assertionResults.filter(({ status }) => status === 'passed');
  titles.set(
    file,
    passed.map(({ title }) => title),
  );
}

const problems = [];
const used = new Set();
for (const { names, files } of rows) {
  const found = files.flatMap((file) => titles.get(file) ?? []);
  for (const name of names) {
    if (used.has(name)) problems.push(`${name} stands in two rows`);
    used.add(name);
    if (!found.some((title) => title.includes(name))) {
      problems.push(`no test in ${files.join(', ')} names ${name}`);
    }
  }
  for (const file of files) {
    if (!(titles.get(file) ?? []).some((title) => names.some((name) => title.includes(name)))) {
      problems.push(`${file} has no test for ${names.join(', ')}`);
    }
  }
}
for (const [file, all] of titles) {
  if (!file.startsWith(FOLDER)) continue;
  for (const title of all) {
    if (![...used].some((name) => title.includes(name))) {
      problems.push(`docs/security.md has no row for "${title}" in ${file}`);
    }
  }
}
if (rows.length === 0) problems.push('docs/security.md has no rows');

for (const problem of problems) console.error(problem);
console.log(`attacks: ${used.size} tested in ${rows.length} rows, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
