// The servers whose memory is looked at: an echo of each kind. Each function listens on any port, which
// it resolves with.
import { createServer } from 'node:net';

const NO_TAKEOVER = { serverNoContextTakeover: true, clientNoContextTakeover: true };
const ALONE = { contextTakeover: false, peerContextTakeover: false };
const SMALL = 10;
const WS_SMALL = { serverMaxWindowBits: SMALL, clientMaxWindowBits: SMALL };
const OURS_SMALL = { windowBits: SMALL, peerWindowBits: SMALL };

export const SERVERS = {
  'net.Socket': serveNet,
  ws: () => serveWs(false),
  tautline: () => serveTautline({}),
  'tautline, route': serveRoute,
  'ws, takeover': () => serveWs({ threshold: 0 }),
  'ws, none': () => serveWs({ threshold: 0, ...NO_TAKEOVER }),
  'ws, small windows': () => serveWs({ threshold: 0, ...WS_SMALL }),
  'tautline, takeover': () => serveTautline({ deflate: { threshold: 0 } }),
  'tautline, none': () => serveTautline({ deflate: { threshold: 0, ...ALONE } }),
  'tautline, small windows': () => serveTautline({ deflate: { threshold: 0, ...OURS_SMALL } }),
  'tautline, takeover, public': () =>
    serveTautline({ deflate: { threshold: 0, keepContexts: false } }),
  'tautline, none, public': () =>
    serveTautline({ deflate: { threshold: 0, ...ALONE, keepContexts: false } }),
};

/** What comes is written back as it is. */
async function serveNet() {
  const kept = new Set();
  const server = createServer((socket) => {
    kept.add(socket);
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
      socket.on('data', (chunk) => socket.write(chunk));
    });
  });
  await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return server.address().port;
}

async function serveWs(perMessageDeflate) {
  const { WebSocketServer } = await import('ws');
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate });
  server.on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
  await new Promise((resolve) => {
    server.once('listening', resolve);
  });
  return server.address().port;
}

async function serveTautline(options) {
  const { WebSocketServer } = await import('../../dist/index.js');
  const server = new WebSocketServer(options);
  server.on('connection', (socket) => {
    socket.on('message', (message) => socket.send(message));
  });
  await server.listen(0, '127.0.0.1');
  return server.address().port;
}

/** With all that is on by default: the request is kept, and a heartbeat looks after each. */
async function serveRoute() {
  const { WebSocketServer } = await import('../../dist/index.js');
  const server = new WebSocketServer();
  server.route('/chat', { message: (socket, message) => socket.send(message) });
  await server.listen(0, '127.0.0.1');
  return server.address().port;
}
