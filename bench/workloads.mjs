// What the servers are measured with.
import { burstOf, compressedBurstsOf } from './load/bursts.mjs';

export const TEXT_32 = '{"type":"say","text":"hello you"}'.slice(0, 32);
const BINARY = (size) => Buffer.alloc(size, 0xa5);

/** Text of so many bytes in which each language has its turn. */
export function mixedText(size) {
  const verse =
    'The quick brown fox; Zażółć gęślą jaźń; Съешь ещё этих булок; いろはにほへと; 🎉🚀 ';
  let text = '';
  while (Buffer.byteLength(text) < size) text += verse;
  while (Buffer.byteLength(text) > size) text = Array.from(text).slice(0, -1).join('');
  return text.padEnd(text.length + size - Buffer.byteLength(text), '.');
}

/** JSON of 1 KiB as applications send it: the same names, other values. */
function jsonOf(number) {
  const items = [];
  for (let i = 0; JSON.stringify(items).length < 960; i++) {
    const id = (number * 31 + i * 7919) % 100_003;
    items.push({ id, user: `user ${id % 997}`, text: `message ${id * 17}`, at: 1e12 + id });
  }
  return JSON.stringify(items);
}
export const JSONS = Array.from({ length: 64 }, (_, i) => jsonOf(i));
const NO_TAKEOVER = '; server_no_context_takeover; client_no_context_takeover';

/**
 * @typedef {object} Workload
 * @property {string} title
 * @property {'echo' | 'broadcast' | 'open'} mode - of the load generator
 * @property {string} kind - of the server
 * @property {number} connections
 * @property {() => Buffer | Promise<Buffer>} [bursts]
 * @property {string} [extensions]
 * @property {number} [warmups] - how many times longer than others it takes to become fast
 */

/** @type {Record<string, Workload>} */
export const WORKLOADS = {
  'ping-pong-32': {
    title: 'ping-pong 64×1, 32 B text',
    mode: 'echo',
    kind: 'echo',
    connections: 64,
    bursts: () => burstOf(TEXT_32, 1),
  },
  'ping-pong-32-strings': {
    title: 'the same as strings',
    mode: 'echo',
    kind: 'strings',
    connections: 64,
    bursts: () => burstOf(TEXT_32, 1),
  },
  'ping-pong-1k': {
    title: 'ping-pong 64×1, 1 KiB binary',
    mode: 'echo',
    kind: 'echo',
    connections: 64,
    bursts: () => burstOf(BINARY(1024), 1),
  },
  'pipelined-32': {
    title: 'pipelined 16×64, 32 B text',
    mode: 'echo',
    kind: 'echo',
    connections: 16,
    bursts: () => burstOf(TEXT_32, 64),
  },
  'pipelined-32-strings': {
    title: 'the same as strings',
    mode: 'echo',
    kind: 'strings',
    connections: 16,
    bursts: () => burstOf(TEXT_32, 64),
  },
  'pipelined-1k': {
    title: 'pipelined 16×16, 1 KiB binary',
    mode: 'echo',
    kind: 'echo',
    connections: 16,
    bursts: () => burstOf(BINARY(1024), 16),
  },
  '64k': {
    title: 'one connection, 64 KiB binary',
    mode: 'echo',
    kind: 'echo',
    connections: 1,
    bursts: () => burstOf(BINARY(65_536), 1),
  },
  '1m': {
    title: 'one connection, 1 MiB binary',
    mode: 'echo',
    kind: 'echo',
    connections: 1,
    bursts: () => burstOf(BINARY(1_048_576), 1),
  },
  '64k-text': {
    title: 'one connection, 64 KiB mixed text as bytes',
    mode: 'echo',
    kind: 'echo',
    connections: 1,
    bursts: () => burstOf(mixedText(65_536), 1),
  },
  '64k-text-strings': {
    title: 'the same as strings',
    mode: 'echo',
    kind: 'strings',
    connections: 1,
    bursts: () => burstOf(mixedText(65_536), 1),
  },
  'broadcast-1': {
    title: 'broadcast to 500, 1 in flight, 32 B text',
    mode: 'broadcast',
    kind: 'broadcast',
    connections: 500,
    bursts: () => burstOf(TEXT_32, 1),
  },
  'broadcast-16': {
    title: 'broadcast to 500, 16 in flight',
    mode: 'broadcast',
    kind: 'broadcast',
    connections: 500,
    bursts: () => burstOf(TEXT_32, 16),
  },
  'publish-16': {
    title: 'publish to a topic of 500, 16 in flight',
    mode: 'broadcast',
    kind: 'publish',
    connections: 500,
    bursts: () => burstOf(TEXT_32, 16),
  },
  open: { title: 'open + close', mode: 'open', kind: 'echo', connections: 32, warmups: 3 },
  'open-http': {
    title: 'open + close, behind node:http',
    mode: 'open',
    kind: 'http',
    connections: 32,
    warmups: 3,
  },
  'deflate-takeover': {
    title: 'deflate, 1 KiB JSON, with takeover',
    mode: 'echo',
    kind: 'takeover',
    connections: 32,
    extensions: 'permessage-deflate; client_max_window_bits',
    bursts: () => compressedBurstsOf(JSONS, true),
  },
  'deflate-none': {
    title: 'deflate, 1 KiB JSON, without takeover',
    mode: 'echo',
    kind: 'none',
    connections: 32,
    extensions: `permessage-deflate${NO_TAKEOVER}`,
    bursts: () => compressedBurstsOf(JSONS, false),
  },
};
