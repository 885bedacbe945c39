// Holds the tests to the requirements of the RFCs. Reads the report of the test runner, not the
// sources: a requirement counts as tested when a test that passed carries its id in the title, and
// the role where the requirement is for both. What cannot be tested stands in docs/conformance.md.
//
//   node scripts/check-conformance.mjs REPORT.json [PART ...]
import { readFileSync } from 'node:fs';

/** The parts of the library that exist by now, and those that are owed later. */
const PARTS = ['core', 'endpoints', 'deflate'];
const ALL_PARTS = new Set([...PARTS, 'client', 'later']);
const ROLES = new Set(['client', 'server', 'both', 'sender', 'receiver', 'intermediary']);

const [reportFile, ...parts] = process.argv.slice(2);
const expectedParts = new Set(parts.length > 0 ? parts : PARTS);

const [, ...lines] = readFileSync('test/conformance/requirements.tsv', 'utf8').trim().split('\n');
const requirements = lines.map((line) => {
  const [id, source, level, role, requirement, part] = line.split('\t');
  return { id, source, level, role, requirement, part };
});

// A row of the table "Not tested" in the docs: | `6455-5.4-08` | reason |
const excused = new Map(
  [
    ...readFileSync('docs/conformance.md', 'utf8').matchAll(
      /^\| `(\d{4}-[\w.]+-\d+)`\s+\| (.+?)\s+\|$/gm,
    ),
  ].map(([, id, reason]) => [id, reason]),
);

const ids = new Set(requirements.map(({ id }) => id));
const problems = [];
for (const { id, part, role } of requirements) {
  if (!ALL_PARTS.has(part)) problems.push(`${id} is of no part: ${part}`);
  if (!ROLES.has(role)) problems.push(`${id} is for nobody: ${role}`);
}
if (ids.size !== requirements.length) problems.push('an id stands twice');
/** id -> the titles of the tests that carry it */
const titles = new Map();
const report = JSON.parse(readFileSync(reportFile, 'utf8'));
if (report.numPendingTests + report.numTodoTests > 0)
  problems.push('there are tests that did not run');
for (const { assertionResults } of report.testResults) {
  for (const { title, status } of assertionResults) {
    const id = /^(\d{4}-[\w.]+-\d+)\b/.exec(title)?.[1];
    if (id === undefined) continue;
    if (!ids.has(id)) problems.push(`no requirement is called ${id}: "${title}"`);
    if (status !== 'passed') problems.push(`${status}: "${title}"`);
    else titles.set(id, [...(titles.get(id) ?? []), title]);
  }
}

function rolesOf({ role }) {
  if (role === 'client' || role === 'server') return [role];
  return ['client', 'server'];
}

let tested = 0;
let owed = 0;
for (const requirement of requirements) {
  const { id, source, level, part } = requirement;
  const found = titles.get(id) ?? [];
  if (excused.has(id)) {
    if (found.length > 0) problems.push(`${id} is tested, and docs/conformance.md says it is not`);
    continue;
  }
  if (!expectedParts.has(part)) {
    owed++;
    continue;
  }
  const missing = rolesOf(requirement).filter(
    (role) => !found.some((title) => title.startsWith(`${id} ${role}:`)),
  );
  if (missing.length === 0) tested++;
  for (const role of missing) problems.push(`${id} (${source}, ${level}) has no ${role} test`);
}
for (const id of excused.keys()) {
  if (!ids.has(id)) problems.push(`docs/conformance.md excuses ${id}, which does not exist`);
}

for (const problem of problems) console.error(problem);
console.log(
  `conformance: ${tested} requirements tested, ${excused.size} not testable, ` +
    `${owed} of later parts, ${problems.length} problems`,
);
process.exitCode = problems.length > 0 ? 1 : 0;
