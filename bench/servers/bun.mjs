// Run by Bun.
import { kind, ready, refuse } from './program.mjs';

const echo = (socket, message) => socket.send(message);
const open = (socket) => socket.subscribe('news');
const publish = (_socket, message) => server.publish('news', message);

const KINDS = {
  // A text comes as a string, and there is no way to have its bytes.
  strings: { message: echo },
  echo: { message: echo },
  broadcast: { open, message: publish },
  publish: { open, message: publish },
  takeover: {
    perMessageDeflate: { compress: '256KB', decompress: '32KB' },
    message: (socket, message) => socket.send(message, true),
  },
  none: {
    perMessageDeflate: { compress: 'shared', decompress: 'shared' },
    message: (socket, message) => socket.send(message, true),
  },
};

let server;
if (KINDS[kind()] === undefined) refuse();
else {
  server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request, self) =>
      self.upgrade(request) ? undefined : new Response('', { status: 400 }),
    websocket: {
      maxPayloadLength: 32 * 1024 * 1024,
      idleTimeout: 0,
      backpressureLimit: 256 * 1024 * 1024,
      ...KINDS[kind()],
    },
  });
  ready(server.port);
}
