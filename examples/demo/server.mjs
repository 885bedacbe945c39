// The demo of `npm start`: a page from node:http, with a WebSocketServer attached to the same server.
// `PORT=8080 npm start` takes another port, `HOST=0.0.0.0` lets phones in the same network come, and
// `KEY=key.pem CERT=cert.pem` serves https and wss.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { WebSocketServer, refuse } from 'tautline';
import { Chat } from './chat.mjs';
import { Visitors } from './visitors.mjs';

const { HOST = '127.0.0.1', PORT = '3000', KEY, CERT } = process.env;
const isSecure = KEY !== undefined && CERT !== undefined;
if (!isSecure && (KEY ?? CERT) !== undefined) throw new Error('https needs KEY and CERT');
if (!/^\d{1,5}$/.test(PORT)) throw new Error(`PORT is a number, and not ${PORT}`);

const FILES = new Map([
  ['/', { file: 'index.html', type: 'text/html; charset=utf-8' }],
  ['/page.js', { file: 'page.js', type: 'text/javascript; charset=utf-8' }],
  ['/doodle.js', { file: 'doodle.js', type: 'text/javascript; charset=utf-8' }],
  ['/style.css', { file: 'style.css', type: 'text/css; charset=utf-8' }],
]);
for (const page of FILES.values()) {
  page.body = await readFile(new URL(`page/${page.file}`, import.meta.url));
}

const visitors = new Visitors(isSecure);
let visits = 0;

// Only pages of this server may connect: a foreign origin is refused by default.
const live = new WebSocketServer({ maxPayload: 4096 });
const chat = new Chat(live);

live.route('/live/:room', {
  // The cookie that the page was given says who this is, before there is a socket.
  upgrade(request) {
    if (request.params.room.length > 40) return refuse(404);
    const visitor = visitors.find(request.cookies);
    return visitor === undefined ? refuse(401) : { data: { visitor, isTyping: false } };
  },
  open(socket) {
    socket.send(JSON.stringify({ type: 'visits', visits }));
    chat.enter(socket);
  },
  message: (socket, message) => chat.receive(socket, message),
  close: (socket) => chat.leave(socket),
  shutdown: (socket) => socket.send(JSON.stringify({ type: 'goodbye' })),
});

function answer(request, response) {
  const path = request.url.split('?', 1)[0];
  const page = FILES.get(path);
  // Every page sets the cookie; so does this path, for a page whose cookie the server has forgotten.
  if (page !== undefined || path === '/visitor') visitors.greet(request, response);
  if (path === '/visitor') {
    response.writeHead(204).end();
  } else if (path === '/hello') {
    visits += 1;
    live.broadcast(JSON.stringify({ type: 'visits', visits }));
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Cache-Control': 'no-store' });
    response.end(`Hello! This is visit ${visits}.\n`);
  } else if (page === undefined) {
    response.writeHead(404, { 'Content-Type': 'text/plain' }).end('There is no such page.\n');
  } else {
    response.writeHead(200, {
      'Content-Type': page.type,
      'Cache-Control': 'no-store',
      'Content-Security-Policy': "default-src 'self'; img-src data:; frame-ancestors 'none'",
      'X-Content-Type-Options': 'nosniff',
    });
    response.end(page.body);
  }
}

const server = isSecure
  ? createTlsServer({ key: await readFile(KEY), cert: await readFile(CERT) }, answer)
  : createServer(answer);
live.attach(server);

server.on('error', (error) => {
  console.error(`cannot listen on port ${PORT}: ${error.message}`);
  process.exitCode = 1;
});
server.listen(Number(PORT), HOST, () => {
  const url = `${isSecure ? 'https' : 'http'}://localhost:${server.address().port}`;
  console.log(`open ${url} in two windows, side by side`);
});

async function stop() {
  // A second signal ends the process at once.
  process.off('SIGINT', stop).off('SIGTERM', stop);
  server.close();
  // The hook `shutdown` tells each page, then it is closed with 1001.
  await live.shutdown({ timeout: 2000 });
  server.closeAllConnections();
}
process.on('SIGINT', stop).on('SIGTERM', stop);
