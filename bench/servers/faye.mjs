import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { kind, ready, refuse } from './program.mjs';

const WebSocket = createRequire(new URL('../peers/', import.meta.url))('faye-websocket');

const all = new Set();
const echo = (socket, data) => socket.send(data);
const broadcast = (_socket, data) => {
  for (const other of all) other.send(data);
};
const KINDS = { echo, strings: echo, broadcast, publish: broadcast };
const hear = KINDS[kind()];

if (hear === undefined) refuse();
else {
  const http = createServer();
  http.on('upgrade', (request, transport, head) => {
    const socket = new WebSocket(request, transport, head, [], { maxLength: 32 * 1024 * 1024 });
    all.add(socket);
    socket.on('message', (event) => hear(socket, event.data));
    socket.on('close', () => all.delete(socket));
  });
  http.listen(0, '127.0.0.1', () => ready(http.address().port));
}
