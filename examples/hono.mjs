// Hono and Tautline on one http server, beside Hono's own WebSockets.
import { randomUUID } from 'node:crypto';
import { serve, upgradeWebSocket } from '@hono/node-server';
import { Hono } from 'hono';
import { setCookie } from 'hono/cookie';
import { WebSocketServer, refuse } from 'tautline';
import { WebSocketServer as WsServer } from 'ws';

const app = new Hono();

// In place of your sessions: these are never forgotten.
const sessions = new Map();
app.post('/login', async (context) => {
  const id = randomUUID();
  const { user } = await context.req.json();
  sessions.set(id, { user: String(user) });
  setCookie(context, 'session', id, { httpOnly: true, sameSite: 'Strict' });
  return context.json(sessions.get(id));
});

app.get(
  '/time',
  upgradeWebSocket(() => ({ onOpen: (event, socket) => socket.send(new Date().toISOString()) })),
);

const hono = new WsServer({ noServer: true });
const port = Number(process.env.PORT ?? 3000);
const httpServer = serve({ fetch: app.fetch, port, websocket: { server: hono } }, (address) => {
  console.log(`listening on http://localhost:${address.port}`);
});

const server = new WebSocketServer();
server.route('/echo', {
  upgrade(request) {
    const session = sessions.get(request.cookies.session);
    return session === undefined ? refuse(401) : { data: session };
  },
  message(socket, message) {
    socket.send(`${socket.data.user}: ${message}`);
  },
});
server.attach(httpServer);

process.once('SIGTERM', async () => {
  httpServer.close();
  for (const socket of hono.clients) socket.close(1001);
  await server.shutdown();
});
