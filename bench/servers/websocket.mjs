// The package `websocket` (WebSocket-Node).
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { kind, ready, refuse } from './program.mjs';

const { server: WebSocketServer } = createRequire(new URL('../peers/', import.meta.url))(
  'websocket',
);

const http = createServer();
const server = new WebSocketServer({
  httpServer: http,
  autoAcceptConnections: true,
  maxReceivedFrameSize: 32 * 1024 * 1024,
  maxReceivedMessageSize: 32 * 1024 * 1024,
  keepalive: false,
});
const contentOf = (message) => (message.type === 'utf8' ? message.utf8Data : message.binaryData);
const echo = (socket, message) => socket.send(contentOf(message));
const broadcast = (_socket, message) => server.broadcast(contentOf(message));
const KINDS = { echo, strings: echo, broadcast, publish: broadcast };
const hear = KINDS[kind()];

if (hear === undefined) refuse();
else {
  server.on('connect', (socket) => socket.on('message', (message) => hear(socket, message)));
  http.listen(0, '127.0.0.1', () => ready(http.address().port));
}
