// The class of browsers, as it is in Node itself too.
import { WebSocket } from 'undici';
import { run } from './program.mjs';

await run(async (url, hear) => {
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('message', hear);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true });
    socket.addEventListener('error', reject, { once: true });
  });
  return (data) => socket.send(data);
});
