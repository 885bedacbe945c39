// The whole API: a route with hooks, authentication before the upgrade, heartbeat and limits.
import { WebSocketServer } from '../../dist/index.js';
import { kind, ready, refuse } from './program.mjs';

if (kind() === 'strings' || kind() === 'echo') {
  const server = new WebSocketServer({ maxPayload: 32 * 1024 * 1024 });
  server.route('/', {
    upgrade: (request) => ({ data: { agent: request.headers['user-agent'] } }),
    open: (socket) => {
      socket.data.since = Date.now();
    },
    message: (socket, message) => {
      socket.send(message);
    },
    close: () => {},
  });
  await server.listen(0, '127.0.0.1');
  ready(server.address().port);
} else {
  refuse();
}
