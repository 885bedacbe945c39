// The Autobahn test suite against our server and our client: `npm run autobahn`, or one of them by
// `npm run autobahn -- server` or `-- client`. It runs in Docker; where a `wstest` of its own is there,
// the environment variable WSTEST names it. `wstest` exits with 0 whatever it saw, also where nothing
// listened, and may wait for ever: so there is a time limit, every one of the 517 verdicts has to be
// there, and has to be that of expected.json.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join, resolve as resolvePath } from 'node:path';
import { fileURLToPath } from 'node:url';

const IMAGE = 'crossbario/autobahn-testsuite:25.10.1';
const AGENT = 'tautline';
const HOST = '127.0.0.1';
/** All 517 cases take some ten minutes; what takes longer hangs. */
const TIMEOUT = Number(process.env.AUTOBAHN_TIMEOUT ?? 30 * 60_000);
/** Milliseconds to end in, for whoever is told to. */
const GRACE = Number(process.env.AUTOBAHN_GRACE ?? 5000);
/** Messages of up to 16 MiB, and of 65,537 fragments. */
const LIMITS = ['--deflate', '--max-payload', '67108864', '--max-fragments', '131072'];

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const REPORTS = resolvePath(ROOT, process.env.AUTOBAHN_REPORTS ?? 'autobahn/reports');
const CONTAINER = `tautline-autobahn-${process.pid}`;

/** What is started is ended: by its own group, since Docker and npm start others. */
const running = new Set();

function start(program, values, stdout = 'inherit') {
  const stdio = ['inherit', stdout, 'inherit'];
  const child = spawn(program, values, { cwd: ROOT, detached: true, stdio });
  running.add(child);
  child.once('close', () => running.delete(child));
  // Told by `close` of those who wait.
  child.once('error', (error) => console.error(`${program}: ${error.message}`));
  return child;
}

function signalAll(name) {
  for (const { pid } of running) {
    try {
      if (pid !== undefined) process.kill(-pid, name);
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** What does not end in time has no more say in it. Its container is not of its group. */
function killAll() {
  signalAll('SIGKILL');
  if (process.env.WSTEST === undefined) {
    spawn('docker', ['kill', CONTAINER], { stdio: 'ignore' }).once('error', () => {});
  }
}

async function endAll() {
  const left = [...running].map(ends);
  signalAll('SIGTERM');
  const timer = setTimeout(killAll, GRACE);
  await Promise.all(left);
  clearTimeout(timer);
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
  const volumes = ['-v', `${config}:/config`, '-v', `${folder}:/reports`];
  const options = ['--rm', '--name', CONTAINER, '--network', 'host', ...volumes];
  const command = ['wstest', '--mode', mode, '--spec', `/config/${mode}.json`];
  const suite = isLocal
    ? start(process.env.WSTEST, ['--mode', mode, '--spec', file])
    : start('docker', ['run', ...options, IMAGE, ...command]);
  suite.once('close', () => void rm(config, { recursive: true, force: true }));
  return suite;
}

/** A port on which nobody listens: a stranger there would be judged in place of ours. */
async function findPort() {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** The address that our server prints when it listens. */
async function readUrl(child) {
  child.stdout.setEncoding('utf8');
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout.on('data', (text) => {
      process.stdout.write(text);
      output += text;
      const [, url] = /^listening on (ws:\/\/\S+)$/m.exec(output) ?? [];
      if (url !== undefined) resolve(url);
    });
    child.once('close', () => reject(new Error('it ended before it listened')));
  });
}

/** Resolves when somebody listens there. */
async function listens(port, child) {
  for (;;) {
    const isThere = await new Promise((resolve) => {
      const socket = connect(port, HOST);
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    // Last: whoever else is there, it is not the child.
    if (!running.has(child)) throw new Error('it ended before it listened');
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

/** Resolves when it has ended, for which the server that it talks to must be there. */
async function endsBefore(child, server) {
  await Promise.race([ends(child), ends(server)]);
  if (running.has(child)) throw new Error('the server ended before its client');
}

const ROLES = {
  async server() {
    const ours = start('node', ['dist/cli/echo.js', '--port', '0', ...LIMITS], 'pipe');
    const servers = [{ agent: AGENT, url: await readUrl(ours) }];
    await endsBefore(await startSuite('server', 'fuzzingclient', { servers }), ours);
  },
  async client() {
    const port = await findPort();
    const url = `ws://${HOST}:${port}`;
    const suite = await startSuite('client', 'fuzzingserver', { url });
    await listens(port, suite);
    const flags = ['--url', url, '--agent', AGENT, ...LIMITS];
    await endsBefore(start('node', ['dist/cli/autobahn-client.js', ...flags]), suite);
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

/** Rejects at the first signal. The second one waits for nobody. */
const interruption = new Promise((_resolve, reject) => {
  let count = 0;
  const interrupt = (name) => {
    reject(new Error(`ended by ${name}`));
    if (++count === 1) return;
    killAll();
    process.exit(1);
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
});
interruption.catch(() => {});

async function run(role) {
  let timer;
  const timeout = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${role}: no end within the time limit`)), TIMEOUT);
  });
  try {
    await Promise.race([ROLES[role](), timeout, interruption]);
    return await compare(role);
  } finally {
    clearTimeout(timer);
    await endAll();
  }
}

const roles = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(ROLES);
for (const role of roles) {
  if (!Object.hasOwn(ROLES, role)) throw new Error(`there is no role ${role}: server, client`);
}
for (const role of roles) {
  for (const line of await run(role)) {
    console.error(line);
    process.exitCode = 1;
  }
}
