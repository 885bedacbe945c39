/**
 * An echo server, for conformance runs and benchmarks: `npm run -s echo -- --port 9001`. Made with
 * the public API; the defaults of the library hold unless a flag says otherwise. Any path and any
 * origin may connect.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import { WebSocketServer } from '../index.ts';
import { createCertificate } from './certificate.ts';
import { watchParent } from './parent.ts';

const { values: flags } = parseArgs({
  options: {
    port: { type: 'string', default: '9001' },
    host: { type: 'string', default: '127.0.0.1' },
    tls: { type: 'boolean', default: false },
    deflate: { type: 'boolean', default: false },
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
  deflate: flags.deflate,
  ...(maxPayload !== undefined && { maxPayload: wholeNumber('max-payload', maxPayload) }),
  ...(maxFragments !== undefined && { maxFragments: wholeNumber('max-fragments', maxFragments) }),
});
server.on('connection', (socket) => {
  socket.on('message', (message) => socket.send(message));
});

const tls = flags.tls ? createCertificate({ names: ['localhost', '127.0.0.1', '::1'] }) : undefined;
await server.listen({ port, host: flags.host, tls });
const address = server.address();
const host = flags.host.includes(':') ? `[${flags.host}]` : flags.host;
const boundPort = address !== null && typeof address === 'object' ? address.port : port;
console.log(`listening on ${flags.tls ? 'wss' : 'ws'}://${host}:${boundPort}`);

function stop(): void {
  // A second signal ends the process at once.
  process.removeListener('SIGTERM', stop).removeListener('SIGINT', stop);
  void server.shutdown();
}
process.on('SIGTERM', stop).on('SIGINT', stop);
watchParent(stop);
