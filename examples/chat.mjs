import { WebSocketServer, refuse } from 'tautline';

const users = new Map([
  ['secret of Ann', 'Ann'],
  ['secret of Ben', 'Ben'],
]);

const server = new WebSocketServer();

server.route('/chat/:room', {
  // Before the handshake is answered: who is it? May be async.
  upgrade(request) {
    const user = users.get(request.cookies.session);
    return user === undefined ? refuse(401) : { data: { user } };
  },
  open(socket) {
    socket.subscribe(socket.params.room);
    server.publish(socket.params.room, `${socket.data.user} came`);
  },
  message(socket, message) {
    server.publish(socket.params.room, `${socket.data.user}: ${message}`);
  },
  close(socket) {
    server.publish(socket.params.room, `${socket.data.user} left`);
  },
  shutdown(socket) {
    socket.send('the chat is closing');
  },
});

await server.listen(Number(process.env.PORT ?? 3000));
console.log(`listening on ws://localhost:${server.address().port}/chat/lobby`);

process.once('SIGTERM', () => server.shutdown());
