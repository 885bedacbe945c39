// The server that clients are measured with: it knows no frame. To each so many bytes it gives an answer
// that was made beforehand, or it gives without end.
//
//   counterpart.mjs KIND
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { TEXT_32 } from '../workloads.mjs';
import { ready } from '../servers/program.mjs';

const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** A frame of a server, and the size of one of a client with as much payload. */
const FRAME_32 = Buffer.concat([Buffer.from([0x81, 32]), Buffer.from(TEXT_32)]);
const sizeOfMasked = (size) => (size < 126 ? 2 : size < 65_536 ? 4 : 10) + 4 + size;
const many = (frame, times) => Buffer.concat(Array.from({ length: times }, () => frame));

const KINDS = {
  echo: { every: sizeOfMasked(32), answer: FRAME_32 },
  'send-32': { every: 1024 * sizeOfMasked(32), answer: FRAME_32 },
  'send-1k': { every: 64 * sizeOfMasked(1024), answer: FRAME_32 },
  'send-1m': { every: sizeOfMasked(1_048_576), answer: FRAME_32 },
  receive: { endless: many(FRAME_32, 2048) },
};
const MOST = 1024;

const { every, answer, endless } = KINDS[process.argv[2]];
const answers = answer === undefined ? undefined : many(answer, MOST);

function pour(socket) {
  while (socket.write(endless)) {
    // Until it is enough.
  }
}

function count(socket) {
  let got = 0;
  socket.on('data', (chunk) => {
    got += chunk.length;
    for (let due = Math.floor(got / every); due > 0; due -= MOST)
      socket.write(answers.subarray(0, Math.min(due, MOST) * answer.length));
    got %= every;
  });
}

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  // Our own clients send a handshake in one piece.
  socket.once('data', (head) => {
    const [, key] = /^sec-websocket-key: *(.+?) *$/im.exec(head.toString('latin1'));
    const accept = createHash('sha1')
      .update(key + MAGIC)
      .digest('base64');
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    if (endless === undefined) return count(socket);
    socket.on('drain', () => pour(socket));
    socket.resume();
    pour(socket);
  });
});
server.listen(0, '127.0.0.1', () => ready(server.address().port));
