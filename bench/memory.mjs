// What an idle connection costs a server: JavaScript heap and resident memory, beside `ws` and a
// bare `net.Socket`, which is the floor. Each measurement is a process of its own, which accepts
// its connections, collects its garbage and looks; the clients are in another. Every round measures
// all kinds, one after the other; the table shows medians over the rounds.
//
// Tautline keeps the request of each connection, with its header fields; ws keeps none.
//
//   npm run bench -- memory
import { fork } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '5000' },
    json: { type: 'string', default: 'bench/results/memory.json' },
    serve: { type: 'string' },
    connect: { type: 'string' },
  },
});
const connections = Number(flags.connections);

/** A request as a browser sends it. */
const REQUEST = [
  'GET /chat HTTP/1.1',
  'Host: 127.0.0.1',
  'Connection: Upgrade',
  'Pragma: no-cache',
  'Cache-Control: no-cache',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  'Upgrade: websocket',
  'Origin: http://127.0.0.1',
  'Sec-WebSocket-Version: 13',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-US,en;q=0.9',
  'Cookie: sid=0123456789abcdef0123456789abcdef',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
  '\r\n',
].join('\r\n');

/** Starts a server of a kind on any port, which is returned. */
const SERVERS = {
  async 'net.Socket'() {
    const kept = new Set();
    const server = createServer((socket) => {
      kept.add(socket);
      socket.once('data', () => socket.write('\r\n\r\n'));
    });
    await new Promise((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return server.address().port;
  },
  async ws() {
    const { WebSocketServer } = await import('ws');
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    server.on('connection', (socket) => {
      socket.on('message', (message) => socket.send(message));
    });
    await new Promise((resolve) => {
      server.once('listening', resolve);
    });
    return server.address().port;
  },
  async tautline() {
    const { WebSocketServer } = await import('../dist/index.js');
    const server = new WebSocketServer();
    server.on('connection', (socket) => {
      socket.on('message', (message) => socket.send(message));
    });
    await server.listen(0, '127.0.0.1');
    return server.address().port;
  },
  async 'tautline, route'() {
    const { WebSocketServer } = await import('../dist/index.js');
    const server = new WebSocketServer();
    server.route('/chat', { message: (socket, message) => socket.send(message) });
    await server.listen(0, '127.0.0.1');
    return server.address().port;
  },
};

const child = (...values) =>
  fork(fileURLToPath(import.meta.url), [...values, '--connections', String(connections)], {
    execArgv: ['--expose-gc'],
  });
const told = (process_) =>
  new Promise((resolve, reject) => {
    process_.once('message', resolve).once('exit', (code) => reject(new Error(`exit ${code}`)));
  });

/** Opens connections one after the other, as long as it is told to. */
async function runClient(port) {
  const opened = [];
  const open = () =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(REQUEST));
      socket.once('error', reject).once('data', resolve);
      opened.push(socket);
    });
  process.on('message', async (count) => {
    for (let i = 0; i < count; i++) await open();
    process.send('opened');
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
  return process.memoryUsage();
}

async function runServer(kind) {
  const port = await SERVERS[kind]();
  const client = child('--connect', String(port));
  await told(client);
  // What is made once, by the first connections, is nobody's.
  client.send(100);
  await told(client);
  const before = await settle();
  client.send(connections);
  await told(client);
  const after = await settle();
  process.send({
    heap: (after.heapUsed - before.heapUsed) / connections,
    resident: (after.rss - before.rss) / connections,
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
    heap: Math.round(median(samples[kind].map(({ heap }) => heap))),
    resident: Math.round(median(samples[kind].map(({ resident }) => resident))),
  }));
  console.log(`Bytes for one of ${connections} idle connections: medians of ${flags.rounds}.\n`);
  console.table(Object.fromEntries(results.map(({ kind, ...sizes }) => [kind, sizes])));
  mkdirSync(dirname(flags.json), { recursive: true });
  const machine = { node: process.version, cpu: cpus()[0]?.model, cores: cpus().length };
  writeFileSync(flags.json, `${JSON.stringify({ machine, connections, results }, null, 2)}\n`);
}

if (flags.connect !== undefined) await runClient(Number(flags.connect));
else if (flags.serve !== undefined) await runServer(flags.serve);
else await runAll();
