import { WebSocketServer } from 'tautline';

const server = new WebSocketServer({ port: Number(process.env.PORT ?? 3000) });
server.on('connection', (socket) => {
  socket.on('message', (message) => socket.send(message));
});

server.on('listening', () => console.log(`listening on ws://localhost:${server.address().port}`));
process.once('SIGTERM', () => server.shutdown());
