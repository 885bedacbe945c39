// The parts alone, beside those of `ws` where it has the part, in one process and one run: what one frame
// costs to decode and to encode, and what masking, UTF-8 and the headers of a handshake cost. Every
// round measures both, one after the other, so that a noisy machine is noisy to both; the table shows
// medians over the rounds and their ratio.
//
//   npm run bench -- micro [--rounds 5] [--time 100] [--only text]
import { randomFillSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Bench } from 'tinybench';
import { Receiver, Sender, extension } from 'ws';
import { Connection } from '../dist/connection/connection.js';
import { resolveLimits } from '../dist/connection/limits.js';
import { FrameDecoder } from '../dist/frame/decoder.js';
import { FrameEncoder } from '../dist/frame/encoder.js';
import { NO_WORDS, applyMask, maskOut, wordsOf } from '../dist/frame/mask.js';
import { nextMaskingKey } from '../dist/frame/masking-key.js';
import { isValidUtf8 } from '../dist/frame/utf8.js';
import { parseExtensions } from '../dist/handshake/extensions-header.js';
import { RequestHeadParser, readRequest } from '../dist/protocol.js';
import { versionsOf } from './shared/peers.mjs';
import { writeResults } from './shared/results.mjs';
import { holding } from './shared/select.mjs';
import { median } from './shared/statistics.mjs';
import { mixedText } from './workloads.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    time: { type: 'string', default: '100' },
    only: { type: 'string', default: '' },
    json: { type: 'string', default: '' },
  },
});
const rounds = Number(flags.rounds);
const time = Number(flags.time);

const require = createRequire(import.meta.url);
/** Of ws, what it does not export. */
const internal = (name) => require(join(dirname(require.resolve('ws')), 'lib', name));
const { mask } = internal('buffer-util.js');
const { isValidUTF8 } = internal('validation.js');

const FRAMES = 1000;
const TEXT = '{"type":"say","text":"hello you"}'.slice(0, 32);
const opcodeOf = (data) => (typeof data === 'string' ? 1 : 2);

/** `FRAMES` frames of one payload, as the peer of a server or of a client sends them. */
function wireOf(data, masked) {
  const encoder = new FrameEncoder(masked);
  const frame = () => encoder.encodeAlone(0x80 | opcodeOf(data), data);
  return Buffer.concat(Array.from({ length: FRAMES }, frame));
}

/** The wire in chunks of 64 KiB, as a socket reads it. */
function chunksOf(wire) {
  const chunks = [];
  for (let at = 0; at < wire.length; at += 65_536) chunks.push(wire.subarray(at, at + 65_536));
  return chunks;
}

const transport = {
  writableLength: 0,
  bytes: 0,
  write(bytes) {
    this.bytes += bytes.length;
    return true;
  },
  cork() {},
  uncork() {},
  end() {},
  destroy() {},
  pause() {},
  resume() {},
  // What ws's Sender asks for beside.
  _writableState: {},
};

const clock = { now: () => 0 };
const options = { ...resolveLimits({ maxPayload: 2 ** 30 }), mayOverwrite: true };
const noop = () => {};
const silent = {
  onMessage: noop,
  onPing: noop,
  onPong: noop,
  onDrain: noop,
  onPending: noop,
  onError: noop,
  onClose: noop,
};

let delivered = 0;

/** Decodes in place, so each pass gets a fresh copy; copying is part of both sides alike. */
function decodeTask(masked, data, take) {
  const pristine = chunksOf(wireOf(data, masked));
  const work = Buffer.allocUnsafeSlow(65_536);
  return () => {
    for (const chunk of pristine) {
      chunk.copy(work, 0);
      take(work.subarray(0, chunk.length));
    }
  };
}

function ours(masked, onMessage) {
  const role = masked ? 'server' : 'client';
  const connection = new Connection(role, transport, { ...silent, onMessage }, clock, options);
  return (chunk) => connection.receive(chunk);
}

function theirs(masked, onMessage) {
  const receiver = new Receiver({ isServer: masked, maxPayload: 2 ** 30 });
  receiver.on('message', onMessage);
  return (chunk) => void receiver.write(chunk);
}

const asText = (_opcode, source, start, end, ascii) => {
  delivered += source.toString(ascii ? 'latin1' : 'utf8', start, end).length;
};
const asBytes = (_opcode, source, start, end) => {
  delivered += source.subarray(start, end).length;
};
const wsAsText = (data) => {
  delivered += data.toString().length;
};
const wsAsBytes = (data) => {
  delivered += data.length;
};

function decodeWorkloads() {
  const workloads = [];
  const kib = randomFillSync(Buffer.alloc(1024));
  for (const [name, data, mine, its] of [
    ['text 32 B → string', TEXT, asText, wsAsText],
    ['text 32 B → bytes', TEXT, asBytes, wsAsBytes],
    ['binary 1 KiB → bytes', kib, asBytes, wsAsBytes],
  ]) {
    for (const masked of [true, false]) {
      workloads.push({
        name: `${masked ? 'server' : 'client'} receives ${name}`,
        tautline: decodeTask(masked, data, ours(masked, mine)),
        ws: decodeTask(masked, data, theirs(masked, its)),
      });
    }
  }
  const sink = { onWhole: noop, onHead: noop, onPayload: noop };
  const decoder = new FrameDecoder(sink, true, false);
  workloads.push({
    name: 'server: decoder alone, 32 B',
    tautline: decodeTask(true, TEXT, (chunk) => void decoder.push(chunk)),
  });
  return workloads;
}

function encodeWorkloads() {
  const workloads = [];
  for (const [name, data] of [
    ['text 32 B', TEXT],
    ['binary 32 B', Buffer.from(TEXT)],
    ['binary 1 KiB', randomFillSync(Buffer.alloc(1024))],
  ]) {
    for (const masked of [true, false]) {
      const connection = new Connection(
        masked ? 'client' : 'server',
        transport,
        silent,
        clock,
        options,
      );
      const sender = new Sender(transport, {});
      const binary = typeof data !== 'string';
      const wsOptions = { binary, compress: false, fin: true, mask: masked };
      workloads.push({
        name: `${masked ? 'client' : 'server'} sends ${name}`,
        tautline() {
          for (let i = 0; i < FRAMES; i++) connection.send(opcodeOf(data), data);
          connection.flush();
        },
        ws() {
          for (let i = 0; i < FRAMES; i++) sender.send(data, wsOptions, noop);
        },
      });
    }
  }
  const encoder = new FrameEncoder(false);
  const target = Buffer.allocUnsafeSlow(256);
  const words = wordsOf(target);
  workloads.push({
    name: 'server: encoder alone, text 32 B',
    tautline() {
      for (let i = 0; i < FRAMES; i++) encoder.encodeText(target, words, 0, 0x81, TEXT);
    },
  });
  return workloads;
}

function partWorkloads() {
  const chunk = Buffer.allocUnsafeSlow(65_536);
  const words = wordsOf(chunk);
  const four = Buffer.alloc(4);
  let seen = 0;
  const repeat = (step) => () => {
    for (let i = 0; i < FRAMES; i++) seen += step(i);
  };
  return [
    { name: 'a view of the words of a chunk', tautline: repeat(() => wordsOf(chunk).length & 1) },
    { name: 'a masking-key of the pool', tautline: repeat(() => nextMaskingKey() & 1) },
    { name: 'four random bytes', tautline: repeat(() => randomFillSync(four)[0] & 1) },
    { name: 'mask 32 B by bytes', tautline: repeat(() => applyMask(chunk, NO_WORDS, 1, 33, 7, 0)) },
    { name: 'mask 32 B by words', tautline: repeat(() => applyMask(chunk, words, 1, 33, 7, 0)) },
    {
      name: 'mask 32 B for sending',
      tautline: repeat(() => maskOut(chunk, words, 1, 33, 7, 0) ?? 0),
    },
    {
      name: 'mask 1 KiB for sending',
      tautline: repeat(() => maskOut(chunk, words, 1, 1025, 7, 0) ?? 0),
    },
    {
      name: 'mask 1 KiB',
      tautline: repeat(() => applyMask(chunk, words, 1, 1025, 7, 0)),
      ws: repeat(() => mask(chunk, four, chunk, 1, 1024) ?? 0),
    },
    ...[24, 1024].map((size) => {
      const text = Buffer.from(mixedText(size));
      return {
        name: `validate ${size} B of mixed UTF-8`,
        tautline: repeat(() => Number(isValidUtf8(text, 0, size))),
        ws: repeat(() => Number(isValidUTF8(text))),
      };
    }),
  ];
}

function handshakeWorkloads() {
  const head = Buffer.from(
    'GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'User-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0.0.0\r\nOrigin: http://example.com\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
      'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n',
  );
  const offers = 'permessage-deflate; client_max_window_bits; server_max_window_bits=10, x-other';
  let seen = 0;
  const repeat = (step) => () => {
    for (let i = 0; i < FRAMES; i++) seen += step();
  };
  return [
    {
      name: 'parse and judge the head of a handshake',
      tautline: repeat(() => {
        const parser = new RequestHeadParser();
        parser.push(head);
        return readRequest(parser.head).target.length;
      }),
    },
    {
      name: 'parse an extension header',
      tautline: repeat(() => parseExtensions([offers]).length),
      ws: repeat(() => extension.parse(offers)['x-other'].length),
    },
  ];
}

/** Nanoseconds for one frame, in one round, for each side of a workload. */
async function measure(workload) {
  const bench = new Bench({ time, warmupTime: time / 4 });
  const sides = Object.keys(workload).filter((key) => key !== 'name');
  for (const side of sides) bench.add(side, workload[side]);
  await bench.run();
  return Object.fromEntries(
    bench.tasks.map((task) => [task.name, (task.result.latency.p50 * 1e6) / FRAMES]),
  );
}

const all = [
  ...decodeWorkloads(),
  ...encodeWorkloads(),
  ...partWorkloads(),
  ...handshakeWorkloads(),
];
const chosen = new Set(
  holding(
    all.map(({ name }) => name),
    flags.only,
  ),
);
const workloads = all.filter(({ name }) => chosen.has(name));
const samples = workloads.map(() => []);
for (let round = 0; round < rounds; round++) {
  for (const [i, workload] of workloads.entries()) samples[i].push(await measure(workload));
}

const results = workloads.map(({ name }, i) => {
  const tautline = median(samples[i].map((sample) => sample.tautline));
  const ratios = samples[i].map((sample) => sample.ws / sample.tautline);
  const ws = median(samples[i].map((sample) => sample.ws ?? Number.NaN));
  return { name, tautline, ws, ratio: median(ratios), lowest: Math.min(...ratios) };
});

const round1 = (number) => (Number.isNaN(number) ? '–' : number.toFixed(1));
if (workloads.length > 0) {
  console.log(`Nanoseconds for one: medians of ${rounds} rounds, ratios within a round.\n`);
  console.table(
    Object.fromEntries(
      results.map(({ name, tautline, ws, ratio, lowest }) => [
        name,
        {
          tautline: round1(tautline),
          ws: round1(ws),
          '× ws': round1(ratio),
          'at least': round1(lowest),
        },
      ]),
    ),
  );
  writeResults(
    flags.json,
    { rounds, time, results },
    { versions: versionsOf([{ needs: ['ws'] }]) },
  );
}
if (delivered < 0)
  throw new Error('unreachable: keeps what was delivered from being optimised away');
