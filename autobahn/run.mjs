// The Autobahn test suite against our server and our client: `npm run autobahn`, or one of them by
// `npm run autobahn -- server` or `-- client`. It runs in Docker; where a `wstest` of its own is there,
// the environment variable WSTEST names it. `wstest` exits with 0 whatever it saw, also where nothing
// listened, and may wait for ever: so there is a time limit, every one of the 517 verdicts has to be
// there, and has to be that of expected.json.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const IMAGE = 'crossbario/autobahn-testsuite:25.10.1';
const AGENT = 'tautline';
const HOST = '127.0.0.1';
const PORT = 9001;
/** All 517 cases take some ten minutes; what takes longer hangs. */
const TIMEOUT = Number(process.env.AUTOBAHN_TIMEOUT ?? 30 * 60_000);
/** Messages of up to 16 MiB, and of 65,537 fragments. */
const LIMITS = ['--deflate', '--max-payload', '67108864', '--max-fragments', '131072'];

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const REPORTS = join(ROOT, 'autobahn', 'reports');

/** What is started is ended: by its own group, since Docker and npm start others. */
const running = new Set();

function start(program, ...values) {
  const child = spawn(program, values, { cwd: ROOT, detached: true, stdio: 'inherit' });
  running.add(child);
  child.once('close', () => running.delete(child));
  // Told by `close` of those who wait.
  child.once('error', (error) => console.error(`${program}: ${error.message}`));
  return child;
}

function endAll() {
  for (const { pid } of running) {
    if (pid !== undefined) process.kill(-pid, 'SIGTERM');
  }
}

/** `wstest` with a mode and a specification, in a folder of its own for each role. */
async function startSuite(role, mode, spec) {
  const folder = join(REPORTS, role);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const config = await mkdtemp(join(REPORTS, 'config-'));
  const isLocal = process.env.WSTEST !== undefined;
  const file = join(config, `${mode}.json`);
  const outdir = isLocal ? folder : '/reports';
  await writeFile(file, JSON.stringify({ outdir, cases: ['*'], 'exclude-cases': [], ...spec }));
  if (isLocal) return start(process.env.WSTEST, '--mode', mode, '--spec', file);
  const volumes = ['-v', `${config}:/config`, '-v', `${folder}:/reports`];
  const command = ['wstest', '--mode', mode, '--spec', `/config/${mode}.json`];
  return start('docker', 'run', '--rm', '--network', 'host', ...volumes, IMAGE, ...command);
}

/** Resolves when somebody listens there. */
async function listens(child) {
  for (;;) {
    if (!running.has(child)) throw new Error('it ended before it listened');
    const isThere = await new Promise((resolve) => {
      const socket = connect(PORT, HOST);
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isThere) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 200);
    });
  }
}

/** Resolves when it has ended. */
async function ends(child) {
  if (running.has(child)) await once(child, 'close');
}

const ROLES = {
  async server() {
    const ours = start('node', 'dist/cli/echo.js', '--port', String(PORT), ...LIMITS);
    await listens(ours);
    const servers = [{ agent: AGENT, url: `ws://${HOST}:${PORT}` }];
    await ends(await startSuite('server', 'fuzzingclient', { servers }));
  },
  async client() {
    const url = `ws://${HOST}:${PORT}`;
    const suite = await startSuite('client', 'fuzzingserver', { url });
    await listens(suite);
    const flags = ['--url', url, '--agent', AGENT, ...LIMITS];
    await ends(start('node', 'dist/cli/autobahn-client.js', ...flags));
  },
};

/** What differs from expected.json, a line each. */
async function compare(role) {
  const expected = JSON.parse(await readFile(join(ROOT, 'autobahn', 'expected.json'), 'utf8'))[
    role
  ];
  const report = JSON.parse(await readFile(join(REPORTS, role, 'index.json'), 'utf8'));
  const verdicts = report[AGENT] ?? {};
  const lines = [];
  for (const id of new Set([...Object.keys(expected), ...Object.keys(verdicts)])) {
    const { behavior = 'MISSING', behaviorClose = 'MISSING' } = verdicts[id] ?? {};
    const isWell = behavior === expected[id] && ['OK', 'INFORMATIONAL'].includes(behaviorClose);
    if (!isWell) lines.push(`${id}: ${behavior}, closing ${behaviorClose}, not ${expected[id]}`);
  }
  console.log(`${role}: ${Object.keys(verdicts).length} cases, ${lines.length} not as expected`);
  return lines;
}

async function run(role) {
  let timer;
  const timeout = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${role}: no end within the time limit`)), TIMEOUT);
  });
  try {
    await Promise.race([ROLES[role](), timeout]);
    return await compare(role);
  } finally {
    clearTimeout(timer);
    const left = [...running].map((child) => once(child, 'close'));
    endAll();
    await Promise.all(left);
  }
}

const roles = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(ROLES);
for (const role of roles) {
  if (!Object.hasOwn(ROLES, role)) throw new Error(`there is no role ${role}: server, client`);
}
process.once('SIGINT', endAll).once('SIGTERM', endAll);
for (const role of roles) {
  for (const line of await run(role)) {
    console.error(line);
    process.exitCode = 1;
  }
}
