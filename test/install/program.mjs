// What is published, used from an ES module. Prints `ok`, and ends by itself.
// Run by scripts/check-install.mjs in a folder of its own, where the package is installed.
import { deepEqual, equal } from 'node:assert/strict';
import { WebSocketServer, connect } from 'tautline';
import { CLOSE_CODE, OPCODE } from 'tautline/protocol';

const BYTES = Buffer.from([0, 1, 254, 255]);

const server = new WebSocketServer();
server.route('/chat/:room', {
  message(socket, message) {
    socket.send(message);
  },
});
await server.listen(0, '127.0.0.1');

const socket = await connect(`ws://127.0.0.1:${server.address().port}/chat/7`);
socket.send('hello');
socket.send(BYTES);
const echoes = [];
for await (const message of socket) {
  echoes.push(message);
  if (echoes.length === 2) break;
}
deepEqual(echoes, ['hello', BYTES]);

await socket.close(CLOSE_CODE.NORMAL_CLOSURE);
await server.shutdown();
equal(OPCODE.TEXT, 1);
console.log('ok');
