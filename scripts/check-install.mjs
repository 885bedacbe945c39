// Shows that what would be published can be used: packs the package, installs the tarball into empty
// folders, and runs the programs of test/install/ there: an ES module, CommonJS, and TypeScript,
// which is compiled first. Each must print `ok` and end by itself.
//
//   node scripts/check-install.mjs [NODE_VERSION ...]     such as: 20.19.0 22; default: this Node
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const PROGRAMS = 'test/install';
/** Milliseconds for one run of npm or of the compiler, and of a program. */
const TOOL_TIMEOUT = 300_000;
const PROGRAM_TIMEOUT = 30_000;

const root = fs.mkdtempSync(join(tmpdir(), 'install-'));
const problems = [];
let runs = 0;

/** Runs a command to its end. Returns what it printed; throws with all of that where it failed. */
function run(command, args, { cwd = '.', timeout = TOOL_TIMEOUT } = {}) {
  const options = { cwd, timeout, killSignal: 'SIGKILL', encoding: 'utf8' };
  const { error, status, signal, stdout, stderr } = spawnSync(command, args, options);
  if (error === undefined && status === 0) return stdout;
  let end = error?.message ?? `exit code ${status ?? signal}`;
  if (error?.code === 'ETIMEDOUT') end = `did not end within ${timeout / 1000} s`;
  throw new Error([`${command} ${args.join(' ')}: ${end}`, stdout, stderr].join('\n').trimEnd());
}

/** What `work` returns. Where it throws, that is a problem, and null is returned. */
function attempt(what, work) {
  try {
    return work();
  } catch (error) {
    problems.push(`${what}: ${error.message}`);
    return null;
  }
}

/** Packs this package. Returns where the tarball is. */
function pack() {
  run('npm', ['pack', '--pack-destination', root]);
  return join(
    root,
    fs.readdirSync(root).find((file) => file.endsWith('.tgz')),
  );
}

/** Makes an empty package, and brings in `packages` and, of our own, `files`. Returns its folder. */
function install(packages, ...files) {
  const cwd = fs.mkdtempSync(join(root, 'user-'));
  fs.writeFileSync(join(cwd, 'package.json'), '{ "private": true, "type": "module" }\n');
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages], { cwd });
  for (const file of files) fs.copyFileSync(join(PROGRAMS, file), join(cwd, file));
  return cwd;
}

/** A package in the version that package-lock.json has. */
function locked(name) {
  const { packages } = JSON.parse(fs.readFileSync('package-lock.json', 'utf8'));
  return `${name}@${packages[`node_modules/${name}`].version}`;
}

/** Installs what a program needs. Returns the file to run. */
function prepare(program, tarball) {
  if (program !== 'program.ts') return join(install([tarball], program), program);
  const packages = [tarball, locked('typescript'), locked('@types/node')];
  const cwd = install(packages, program, 'tsconfig.json');
  // "no": a compiler that is not there is not to be fetched, by whoever has its name.
  run('npm', ['exec', '--no', '--', 'tsc', '-p', '.'], { cwd });
  return join(cwd, 'program.js');
}

/**
 * One version of Node, out of npm's package of that name. The programs are run by its binary and
 * not through npx, which would leave them behind when it is killed.
 */
function findNode(version) {
  const print = 'console.log(JSON.stringify([process.version, process.execPath]))';
  const command = ['--yes', '--package', `node@${version}`, '--', 'node', '-e', print];
  const [name, path] = JSON.parse(run('npx', command, { cwd: root }));
  return { name, path };
}

function check(program, file, node) {
  const what = `${program} on Node ${node.name}`;
  runs += 1;
  const before = problems.length;
  const options = { cwd: dirname(file), timeout: PROGRAM_TIMEOUT };
  const printed = attempt(what, () => run(node.path, [file], options));
  if (printed !== null && printed !== 'ok\n') {
    problems.push(`${what} printed ${JSON.stringify(printed)}`);
  }
  console.log(`${problems.length === before ? 'ok    ' : 'failed'} ${what}`);
}

try {
  const versions = process.argv.slice(2);
  const nodes = versions.map((version) => attempt(`Node ${version}`, () => findNode(version)));
  if (versions.length === 0) nodes.push({ name: process.version, path: process.execPath });
  const tarball = attempt('the package', pack);
  for (const program of tarball === null ? [] : ['program.mjs', 'program.cjs', 'program.ts']) {
    const file = attempt(program, () => prepare(program, tarball));
    for (const node of nodes) if (file !== null && node !== null) check(program, file, node);
  }
} finally {
  fs.rmSync(root, { recursive: true, force: true });
}

for (const problem of problems) console.error(problem);
console.log(`install: ${runs} runs, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
