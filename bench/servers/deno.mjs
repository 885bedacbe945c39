// Run by Deno.
import { kind, ready, refuse } from './program.mjs';

const all = new Set();
const echo = (socket, data) => socket.send(data);
const broadcast = (_socket, data) => {
  for (const other of all) other.send(data);
};
const KINDS = { echo, strings: echo, broadcast, publish: broadcast };
const hear = KINDS[kind()];

if (hear === undefined) refuse();
else {
  const onListen = ({ port }) => ready(port);
  Deno.serve({ port: 0, hostname: '127.0.0.1', onListen }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('open', () => all.add(socket));
    socket.addEventListener('message', (event) => hear(socket, event.data));
    socket.addEventListener('close', () => all.delete(socket));
    return response;
  });
}
