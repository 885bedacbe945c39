import { createRequire } from 'node:module';
import { run } from './program.mjs';

const { WebSocket } = createRequire(new URL('../peers/', import.meta.url))('ws');

await run(async (url, hear) => {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  // At once: a message may come with the answer to the handshake.
  socket.on('message', hear);
  await new Promise((resolve, reject) => {
    socket.once('open', resolve).once('error', reject);
  });
  return (data) => socket.send(data);
});
