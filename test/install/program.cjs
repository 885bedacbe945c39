// What is published, used from CommonJS. Prints `ok`, and ends by itself.
// Run by scripts/check-install.mjs in a folder of its own, where the package is installed.
'use strict';
const { deepEqual, notEqual, equal } = require('node:assert/strict');
const tautline = require('tautline');
const protocol = require('tautline/protocol');

const BYTES = Buffer.from([0, 1, 254, 255]);

/** The same names, and the very same things: an `instanceof` must not depend on how one imports. */
function checkNames(required, imported) {
  const names = Object.keys(imported);
  notEqual(names.length, 0);
  deepEqual(Object.keys(required).toSorted(), names.toSorted());
  for (const name of names) equal(required[name], imported[name], name);
}

async function main() {
  checkNames(tautline, await import('tautline'));
  checkNames(protocol, await import('tautline/protocol'));

  const server = new tautline.WebSocketServer();
  server.route('/chat/:room', {
    message(socket, message) {
      socket.send(message);
    },
  });
  await server.listen(0, '127.0.0.1');

  const socket = await tautline.connect(`ws://127.0.0.1:${server.address().port}/chat/7`);
  socket.send('hello');
  socket.send(BYTES);
  const echoes = [];
  for await (const message of socket) {
    echoes.push(message);
    if (echoes.length === 2) break;
  }
  deepEqual(echoes, ['hello', BYTES]);

  await socket.close(protocol.CLOSE_CODE.NORMAL_CLOSURE);
  await server.shutdown();
  console.log('ok');
}

void main();
