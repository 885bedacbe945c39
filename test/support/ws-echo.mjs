// ws as an echo, in a process of its own: a server that prints its port, or a client that runs the
// cases of a fuzzing server.
//   node ws-echo.mjs server OPTIONS | client URL COUNT OPTIONS        OPTIONS in JSON
import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';

const MAX_PAYLOAD = 256 * 1024 * 1024;
const [role, ...args] = process.argv.slice(2);

function echo(socket) {
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
}

if (role === 'server') {
  const options = { maxPayload: MAX_PAYLOAD, ...JSON.parse(args[0]) };
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  server.on('connection', echo);
  await once(server, 'listening');
  console.log(server.address().port);
} else {
  const [url, count, options] = args;
  for (let number = 1; number <= Number(count); number++) {
    const socket = new WebSocket(`${url}/runCase?case=${number}&agent=ws`, {
      maxPayload: MAX_PAYLOAD,
      ...JSON.parse(options),
    });
    echo(socket);
    await once(socket, 'close');
  }
}
