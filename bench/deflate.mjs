// What compression costs a server, beside `ws`: the processor time of an echo of 1 KiB of JSON, and the
// memory of a connection after 1 MiB of traffic each way. Each measurement is a process of its own;
// its clients, of `ws`, are in another. Every round measures all kinds, one after the other; the
// table shows medians over the rounds.
//
//   npm run bench -- deflate
import { fork } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { WebSocket, WebSocketServer as WsServer } from 'ws';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '50' },
    messages: { type: 'string', default: '1024' },
    json: { type: 'string', default: 'bench/results/deflate.json' },
    serve: { type: 'string' },
    connect: { type: 'string' },
  },
});
const connections = Number(flags.connections);
const messages = Number(flags.messages);

const NO_TAKEOVER = { serverNoContextTakeover: true, clientNoContextTakeover: true };
const ALONE = { contextTakeover: false, peerContextTakeover: false };

/** Starts a server of a kind on any port, which is returned. */
const SERVERS = {
  'ws, plain': () => serveWs(false),
  'tautline, plain': () => serveTautline(false),
  'ws, takeover': () => serveWs({ threshold: 0 }),
  'tautline, takeover': () => serveTautline({ threshold: 0 }),
  'tautline, takeover, public': () => serveTautline({ threshold: 0, keepContexts: false }),
  'ws, none': () => serveWs({ threshold: 0, ...NO_TAKEOVER }),
  'tautline, none': () => serveTautline({ threshold: 0, ...ALONE }),
  'tautline, none, public': () => serveTautline({ threshold: 0, ...ALONE, keepContexts: false }),
};

async function serveWs(perMessageDeflate) {
  const server = new WsServer({ port: 0, host: '127.0.0.1', perMessageDeflate });
  server.on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
  await new Promise((resolve) => {
    server.once('listening', resolve);
  });
  return server.address().port;
}

async function serveTautline(deflate) {
  const { WebSocketServer } = await import('../dist/index.js');
  const server = new WebSocketServer({ deflate });
  server.on('connection', (socket) => {
    socket.on('message', (message) => socket.send(message));
  });
  await server.listen(0, '127.0.0.1');
  return server.address().port;
}

/** JSON of 1 KiB as applications send it: the same names, other values. */
function createMessage(number) {
  const items = [];
  for (let i = 0; JSON.stringify(items).length < 960; i++) {
    const id = (number * 31 + i * 7919) % 100_003;
    items.push({ id, user: `user ${id % 997}`, text: `message ${id * 17}`, at: 1e12 + id });
  }
  return JSON.stringify(items);
}

const child = (...values) =>
  fork(
    fileURLToPath(import.meta.url),
    [...values, '--connections', flags.connections, '--messages', flags.messages],
    { execArgv: ['--expose-gc'] },
  );
const told = (process_) =>
  new Promise((resolve, reject) => {
    process_.once('message', resolve).once('exit', (code) => reject(new Error(`exit ${code}`)));
  });

/** Opens connections, and has one message under way on each, as often as it is told. */
async function runClient(port) {
  const texts = Array.from({ length: 256 }, (_, i) => createMessage(i));
  const sockets = [];
  for (let i = 0; i < connections; i++) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: { threshold: 0 } });
    await new Promise((resolve, reject) => {
      socket.once('open', resolve).once('error', reject);
    });
    sockets.push(socket);
  }
  const converse = (socket, count) =>
    new Promise((resolve) => {
      let left = count;
      socket.removeAllListeners('message');
      socket.on('message', () => {
        left -= 1;
        if (left > 0) socket.send(texts[left % texts.length]);
        else resolve();
      });
      socket.send(texts[left % texts.length]);
    });
  process.on('message', async (count) => {
    await Promise.all(sockets.map((socket) => converse(socket, count)));
    process.send('done');
  });
  process.send('ready');
}

async function settle() {
  for (let i = 0; i < 5; i++) {
    globalThis.gc();
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
  return process.memoryUsage().rss;
}

async function runServer(kind) {
  const port = await SERVERS[kind]();
  const before = await settle();
  const client = child('--connect', String(port));
  await told(client);
  client.send(Math.ceil(messages / 8));
  await told(client);
  const start = process.cpuUsage();
  client.send(messages);
  await told(client);
  const { user, system } = process.cpuUsage(start);
  const after = await settle();
  process.send({
    microseconds: (user + system) / (connections * messages),
    kibibytes: (after - before) / connections / 1024,
  });
  client.kill();
  process.exit(0);
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

async function runAll() {
  const kinds = Object.keys(SERVERS);
  const samples = Object.fromEntries(kinds.map((kind) => [kind, []]));
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const kind of kinds) samples[kind].push(await told(child('--serve', kind)));
  }
  const results = kinds.map((kind) => ({
    kind,
    microseconds: Number(median(samples[kind].map(({ microseconds: time }) => time)).toFixed(1)),
    kibibytes: Math.round(median(samples[kind].map(({ kibibytes }) => kibibytes))),
  }));
  console.log(
    `An echo of 1 KiB of JSON: processor time of the server, and its memory for a connection after\n` +
      `${messages} of them. ${connections} connections, medians of ${flags.rounds}.\n`,
  );
  console.table(Object.fromEntries(results.map(({ kind, ...values }) => [kind, values])));
  mkdirSync(dirname(flags.json), { recursive: true });
  const machine = { node: process.version, cpu: cpus()[0]?.model, cores: cpus().length };
  writeFileSync(
    flags.json,
    `${JSON.stringify({ machine, connections, messages, results }, null, 2)}\n`,
  );
}

if (flags.connect !== undefined) await runClient(Number(flags.connect));
else if (flags.serve !== undefined) await runServer(flags.serve);
else await runAll();
