// What is published, used from TypeScript: the types of a route follow from its pattern, and from
// what its `upgrade` answers. Prints `ok`, and ends by itself. Compiled and run by
// scripts/check-install.mjs in a folder of its own, where the package is installed.
import { deepEqual, equal, ok } from 'node:assert/strict';
import {
  PreparedMessage,
  type Socket,
  WebSocketServer,
  type WebSocketServerOptions,
  connect,
} from 'tautline';
import { CLOSE_CODE, type MessageOpcode, OPCODE } from 'tautline/protocol';

const BYTES = Buffer.from([0, 1, 254, 255]);

const options: WebSocketServerOptions = { maxPayload: 1024 };
const server = new WebSocketServer(options);
server.route('/chat/:room', {
  upgrade(request) {
    return { data: { name: request.headers['user-agent'] ?? 'nobody' } };
  },
  message(socket, message) {
    // @ts-expect-error -- the pattern has no such parameter
    equal(socket.params.roam, undefined);
    // @ts-expect-error -- nor has the data such a field
    equal(socket.data.nome, undefined);
    if (typeof message === 'string') {
      socket.send(`${socket.data.name} in ${socket.params.room}: ${message}`);
    } else {
      socket.send(message);
    }
  },
});
await server.listen(0, '127.0.0.1');

const address = server.address();
ok(address !== null && typeof address === 'object');

const socket: Socket = await connect(`ws://127.0.0.1:${address.port}/chat/7`);
socket.send('hello');
socket.send(new PreparedMessage(BYTES));
// @ts-expect-error -- where a frame lies is not for applications
equal(new PreparedMessage('prepared').page, null);
const echoes: (string | Buffer)[] = [];
for await (const message of socket) {
  echoes.push(message);
  if (echoes.length === 2) break;
}
deepEqual(echoes, ['nobody in 7: hello', BYTES]);

await socket.close(CLOSE_CODE.NORMAL_CLOSURE);
await server.shutdown();
const opcode: MessageOpcode = OPCODE.TEXT;
equal(opcode, 1);
console.log('ok');
