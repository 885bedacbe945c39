/**
 * An echo server, for conformance runs and benchmarks: `npm run -s echo -- --port 9001`. Made with
 * the public API; the defaults of the library hold unless a flag says otherwise. Any path and any
 * origin may connect.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import { WebSocketServer } from '../index.ts';

const { values: flags } = parseArgs({
  options: {
    port: { type: 'string', default: '9001' },
    host: { type: 'string', default: '127.0.0.1' },
    'max-payload': { type: 'string' },
    'max-fragments': { type: 'string' },
  },
});

function wholeNumber(name: string, text: string): number {
  if (!/^[0-9]+$/.test(text)) throw new RangeError(`--${name} takes a whole number, not "${text}"`);
  return Number(text);
}

const port = wholeNumber('port', flags.port);
const maxPayload = flags['max-payload'];
const maxFragments = flags['max-fragments'];

const server = new WebSocketServer({
  origins: '*',
  ...(maxPayload !== undefined && { maxPayload: wholeNumber('max-payload', maxPayload) }),
  ...(maxFragments !== undefined && { maxFragments: wholeNumber('max-fragments', maxFragments) }),
});
server.on('connection', (socket) => {
  socket.on('message', (message) => socket.send(message));
});

await server.listen(port, flags.host);
const host = flags.host.includes(':') ? `[${flags.host}]` : flags.host;
console.log(`listening on ws://${host}:${server.address()?.port}`);

function stop(): void {
  // A second signal ends the process at once.
  process.removeListener('SIGTERM', stop).removeListener('SIGINT', stop);
  void server.close();
}
process.on('SIGTERM', stop).on('SIGINT', stop);
