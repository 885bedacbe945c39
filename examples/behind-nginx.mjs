// Behind the nginx of nginx/nginx.conf.
import { WebSocketServer } from 'tautline';

const server = new WebSocketServer({
  // Less than `proxy_read_timeout`: nginx closes a connection on which nothing comes for so long.
  pingInterval: Number(process.env.PING_INTERVAL ?? 30_000),
});

server.route('/echo', {
  upgrade({ headers }) {
    // Everybody comes from nginx's address. What it has put in here may be believed only
    // since nobody can come to this port but by way of nginx.
    return { data: { address: headers['x-forwarded-for'], scheme: headers['x-forwarded-proto'] } };
  },
  open(socket) {
    console.log(`${socket.data.address} came by ${socket.data.scheme}`);
  },
  message(socket, message) {
    socket.send(message);
  },
});

await server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1');
console.log(`listening on ws://127.0.0.1:${server.address().port}/echo`);

process.once('SIGTERM', () => server.shutdown());
