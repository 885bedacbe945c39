// Also with its native additions, where they are installed and not forbidden by WS_NO_BUFFER_UTIL and
// WS_NO_UTF_8_VALIDATE.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { kind, ready, refuse } from './program.mjs';

const { WebSocketServer } = createRequire(new URL('../peers/', import.meta.url))('ws');

const NONE = { serverNoContextTakeover: true, clientNoContextTakeover: true };
const DEFLATE = { takeover: { threshold: 0 }, none: { threshold: 0, ...NONE } };

const http = createServer();
const server = new WebSocketServer({
  server: http,
  maxPayload: 32 * 1024 * 1024,
  perMessageDeflate: DEFLATE[kind()] ?? false,
});

const HEAR = {
  echo: echo,
  http: echo,
  takeover: echoStrings,
  none: echoStrings,
  strings: echoStrings,
  broadcast,
  publish: broadcast,
};

function echo(socket) {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
}
function echoStrings(socket) {
  socket.on('message', (data, binary) => socket.send(binary ? data : data.toString()));
}
function broadcast(socket) {
  socket.on('message', (data, binary) => {
    for (const other of server.clients) other.send(data, { binary });
  });
}

if (HEAR[kind()] === undefined) refuse();
else {
  server.on('connection', HEAR[kind()]);
  http.listen(0, '127.0.0.1', () => ready(http.address().port));
}
