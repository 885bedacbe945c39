import { createServer } from 'node:http';
import { WebSocketServer } from '../../dist/index.js';
import { kind, ready, refuse } from './program.mjs';

const keepContexts = process.env.TAUTLINE_KEEP_CONTEXTS !== 'no';
const KINDS = {
  // Bytes, as `ws` gives them.
  echo: () => ({ text: 'buffer', hear: echoBytes }),
  strings: () => ({ hear: echo }),
  broadcast: (server) => ({
    hear: (socket) => {
      socket.on('message', (message) => server.broadcast(message));
    },
  }),
  publish: (server) => ({
    hear: (socket) => {
      socket.subscribe('news');
      socket.on('message', (message) => server.publish('news', message));
    },
  }),
  http: () => ({ text: 'buffer', hear: echoBytes }),
  takeover: () => ({ hear: echo, deflate: { threshold: 0, keepContexts } }),
  none: () => ({
    hear: echo,
    deflate: { threshold: 0, contextTakeover: false, peerContextTakeover: false, keepContexts },
  }),
};

function echo(socket) {
  socket.on('message', (message) => socket.send(message));
}

function echoBytes(socket) {
  socket.on('message', (message, binary) => {
    if (binary) socket.send(message);
    else socket.sendText(message);
  });
}

let server;
const { hear, ...options } = KINDS[kind()]({
  broadcast: (message) => server.broadcast(message),
  publish: (topic, message) => server.publish(topic, message),
});
// Without them the same, but for compression.
const isRefused = !keepContexts && options.deflate === undefined;
const limits = { maxPayload: 32 * 1024 * 1024, pingInterval: 0 };
if (isRefused) {
  refuse();
} else if (kind() === 'http') {
  const http = createServer();
  server = new WebSocketServer({ ...options, ...limits });
  server.on('connection', hear);
  server.attach(http);
  http.listen(0, '127.0.0.1', () => ready(http.address().port));
} else {
  server = new WebSocketServer({ ...options, ...limits });
  server.on('connection', hear);
  await server.listen(0, '127.0.0.1');
  ready(server.address().port);
}
