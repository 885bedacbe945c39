// In TypeScript, `socket.data` has the type of what `upgrade` gave, and `socket.params` the names of
// the pattern.
import { WebSocketServer, refuse } from 'tautline';

interface User {
  readonly name: string;
}

async function findUser(token: string | undefined): Promise<User | null> {
  return token === 'secret' ? { name: 'Ann' } : null;
}

const server = new WebSocketServer();

server.route('/greet/:greeting', {
  async upgrade(request) {
    const user = await findUser(request.query.get('token') ?? undefined);
    return user === null ? refuse(401) : { data: { user } };
  },
  open(socket) {
    const { greeting } = socket.params;
    socket.send(`${greeting}, ${socket.data.user.name}`);
  },
  message(socket, message) {
    if (typeof message === 'string') socket.send(message.toUpperCase());
    else socket.send(message.subarray(0, 1024));
  },
});

await server.listen(Number(process.env['PORT'] ?? 3000));
const address = server.address();
if (address !== null && typeof address !== 'string') {
  console.log(`listening on ws://localhost:${address.port}/greet/hello`);
}
process.once('SIGTERM', () => void server.shutdown());
