// An echo server made with ws: node ws-server.mjs '{"maxFragments":0}'. Prints where it listens.
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  maxPayload: 256 * 1024 * 1024,
  perMessageDeflate: true,
  ...JSON.parse(process.argv[2] ?? '{}'),
});
server.on('connection', (socket) => {
  // That a connection fails is what many cases are about.
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});
server.on('listening', () => console.log(`listening on ws://127.0.0.1:${server.address().port}`));
