// Express 5, the hot reload of Vite and Tautline, on one http server.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import express from 'express';
import { WebSocketServer, refuse } from 'tautline';
import { createServer as createVite } from 'vite';

const app = express();
const httpServer = createServer(app);

// In place of your sessions: these are never forgotten.
const sessions = new Map();
app.post('/login', express.json(), (request, response) => {
  const id = randomUUID();
  sessions.set(id, { user: String(request.body?.user) });
  response.cookie('session', id, { httpOnly: true, sameSite: 'strict' }).json(sessions.get(id));
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

// It listens for `upgrade` too, and takes what is its own. (Vite 7 calls this `hmr: { server }`.)
const vite = await createVite({
  root: import.meta.dirname,
  server: { middlewareMode: true, ws: { server: httpServer } },
});
app.use(vite.middlewares);

// On this machine alone: a development server is for nobody else.
httpServer.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`listening on http://localhost:${httpServer.address().port}`);
});

process.once('SIGTERM', async () => {
  httpServer.close();
  await Promise.all([server.shutdown(), vite.close()]);
});
