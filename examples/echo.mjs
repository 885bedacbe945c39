import { WebSocketServer } from 'tautline';

const server = new WebSocketServer({ path: '/echo' });

server.on('connection', (socket, request) => {
  console.log(`hello ${request.fields.get('user-agent') ?? 'somebody'}`);
  socket.on('message', (message) => socket.send(message));
  socket.on('close', (code) => console.log(`goodbye (${code})`));
});

await server.listen(Number(process.env.PORT ?? 3000));
console.log(`listening on ws://localhost:${server.address().port}/echo`);

process.once('SIGTERM', () => server.close());
