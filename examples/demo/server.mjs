// The demo of `npm start`: a page from node:http, with a WebSocketServer attached to the same server.
// `PORT=8080 npm start` takes another port, `HOST=0.0.0.0` lets phones in the same network come, and
// `KEY=key.pem CERT=cert.pem` serves https and wss.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { WebSocketServer, refuse } from 'tautline';
import { Chat } from './chat.mjs';
import { isRoom } from './page/rules.js';
import { giveUp, host, port, tls } from './settings.mjs';
import { Visitors } from './visitors.mjs';

const FILES = new Map([
  ['/', { file: 'index.html', type: 'text/html; charset=utf-8' }],
  ['/page.js', { file: 'page.js', type: 'text/javascript; charset=utf-8' }],
  ['/doodle.js', { file: 'doodle.js', type: 'text/javascript; charset=utf-8' }],
  ['/rules.js', { file: 'rules.js', type: 'text/javascript; charset=utf-8' }],
  ['/view.js', { file: 'view.js', type: 'text/javascript; charset=utf-8' }],
  ['/style.css', { file: 'style.css', type: 'text/css; charset=utf-8' }],
]);
for (const page of FILES.values()) {
  page.body = await readFile(new URL(`page/${page.file}`, import.meta.url));
}

const visitors = new Visitors(tls !== undefined);
let visits = 0;

// Only pages of this server may connect: a foreign origin is refused by default.
const live = new WebSocketServer({ maxPayload: 4096 });
const chat = new Chat(live);

live.route('/live/:room', {
  // The cookie that the page was given says who this is, before there is a socket.
  upgrade(request) {
    if (!isRoom(request.params.room)) return refuse(404);
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
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { Allow: 'GET, HEAD' }).end();
    return;
  }
  // Every page sets the cookie; so does this path, for a page whose cookie the server has forgotten.
  if (page !== undefined || path === '/visitor') visitors.greet(request, response);
  if (path === '/visitor') {
    response.writeHead(204).end();
  } else if (path === '/hello') {
    // To ask for the head alone is no visit.
    if (request.method === 'GET') {
      visits += 1;
      live.broadcast(JSON.stringify({ type: 'visits', visits }));
    }
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

const server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
live.attach(server);

server.on('error', (error) => giveUp(`cannot listen on port ${port}: ${error.message}`));
server.listen(port, host, () => {
  const url = `${tls === undefined ? 'http' : 'https'}://localhost:${server.address().port}`;
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

// Told to stop, npm ends its shell, and not what runs in it.
if (process.env.npm_lifecycle_event === 'start') {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    void stop();
  }, 500);
  timer.unref();
}
