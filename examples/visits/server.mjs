// A page that counts its visits, live in every open tab: `npm start`, or with another port
// `PORT=8080 npm start`. The page comes from node:http, the numbers from a WebSocketServer that is
// attached to the same server.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { WebSocketServer } from 'tautline';

const page = await readFile(new URL('index.html', import.meta.url));
const port = Number(process.env.PORT ?? 3000);

let visits = 0;

// Only this page may connect: a foreign origin is refused by default.
const live = new WebSocketServer();

function tellAll() {
  live.broadcast(JSON.stringify({ visits, tabs: live.sockets.size }));
}

live.route('/visits', { open: tellAll, close: tellAll });

const server = createServer((request, response) => {
  if (request.url !== '/') {
    response.writeHead(404).end();
    return;
  }
  visits += 1;
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page);
  tellAll();
});
live.attach(server);
server.on('error', (error) => {
  console.error(`cannot listen on port ${port}: ${error.message}`);
  process.exitCode = 1;
});
server.listen(port, '127.0.0.1', () => {
  console.log(`open http://localhost:${server.address().port} in two tabs, and reload one of them`);
});

async function stop() {
  // A second signal ends the process at once.
  process.off('SIGINT', stop).off('SIGTERM', stop);
  server.close();
  await live.shutdown();
  server.closeAllConnections();
}
process.on('SIGINT', stop).on('SIGTERM', stop);
