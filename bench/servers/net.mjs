// The floor: what Node reads from a socket is written back as it is, behind the same handshake. So the
// frames are still masked, which the load generator does not mind and no other client would take.
import { createServer } from 'node:net';
import { kind, ready, refuse } from './program.mjs';

const ANSWER = [
  'HTTP/1.1 101 Switching Protocols',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
  '\r\n',
].join('\r\n');

if (kind() === 'echo') {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.once('data', () => {
      socket.write(ANSWER);
      socket.on('data', (chunk) => socket.write(chunk));
    });
    socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1', () => ready(server.address().port));
} else {
  refuse();
}
