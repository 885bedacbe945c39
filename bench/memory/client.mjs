// The clients of a server whose memory is looked at: told by program.mjs to open connections, and to let
// each of the newest have some echoes, one after the other.
import { burstOf, burstsIn, compressedBurstsOf } from '../load/bursts.mjs';
import { RawClient } from '../load/raw-client.mjs';
import { JSONS, TEXT_32 } from '../workloads.mjs';

/** A request as a browser sends it. */
const requestOf = (extensions) =>
  [
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
    `Sec-WebSocket-Extensions: ${extensions}`,
    '\r\n',
  ].join('\r\n');

const CLOSE = 8;

let port;
let request;
let bursts;
let newest = [];

async function prepare(order) {
  const { terms } = order;
  port = order.port;
  request = requestOf(terms?.offer ?? 'permessage-deflate; client_max_window_bits');
  bursts = burstsIn(
    terms === undefined
      ? burstOf(TEXT_32, 1)
      : await compressedBurstsOf(JSONS, terms.takeover, terms.windowBits),
  );
}

/** One after the other. */
async function open(count) {
  newest = [];
  for (let i = 0; i < count; i++) {
    await new Promise((resolve, reject) => {
      const client = new RawClient(
        { port, request },
        {
          open: resolve,
          frame: (from, opcode) => {
            if (opcode < CLOSE) from.answered();
          },
          close: () => reject(new Error('the server hung up')),
        },
      );
      newest.push(client);
    });
  }
}

function converse(count) {
  const talks = newest.map(
    (client) =>
      new Promise((resolve) => {
        let sent = 0;
        client.answered = () => {
          if (sent === count) resolve();
          else client.socket.write(bursts[sent++ % bursts.length].bytes);
        };
        client.answered();
      }),
  );
  return Promise.all(talks);
}

async function obey(order) {
  if (order.port !== undefined) await prepare(order);
  else if (order.open !== undefined) await open(order.open);
  else await converse(order.converse);
  process.send('done');
}

process.on('message', (order) => void obey(order));
