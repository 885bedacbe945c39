// Fastify 5 and Tautline on one http server, beside an endpoint that is still served by ws.
import { randomUUID } from 'node:crypto';
import Fastify from 'fastify';
import { WebSocketServer, refuse } from 'tautline';
import { WebSocketServer as WsServer } from 'ws';

const app = Fastify();

// In place of your sessions: these are never forgotten.
const sessions = new Map();
app.post('/login', (request, reply) => {
  const id = randomUUID();
  sessions.set(id, { user: String(request.body?.user) });
  reply.header('Set-Cookie', `session=${id}; Path=/; HttpOnly; SameSite=Strict`);
  return reply.send(sessions.get(id));
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
server.attach(app.server);

// Move one path after the other: each listener leaves alone what is not its own.
const old = new WsServer({ noServer: true });
old.on('connection', (socket) => {
  // Without it, what a stranger sends wrongly ends the process.
  socket.on('error', (error) => console.error(error.message));
  socket.send(new Date().toISOString());
});
app.server.on('upgrade', (request, socket, head) => {
  if (request.url !== '/time') return;
  old.handleUpgrade(request, socket, head, (opened) => old.emit('connection', opened, request));
});

// Fastify waits for all connections, and asks before it does. It still listens then: let nobody in.
// And it waits 10 s for this hook: be done by then, also where a client does not close.
app.addHook('preClose', async () => {
  old.close();
  for (const socket of old.clients) socket.close(1001);
  await server.shutdown({ timeout: 5000 });
});

await app.listen({ port: Number(process.env.PORT ?? 3000) });
console.log(`listening on http://localhost:${app.server.address().port}`);

process.once('SIGTERM', () => app.close());
