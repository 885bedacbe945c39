// Behind the nginx of nginx/nginx.conf.
import { WebSocketServer } from 'tautline';

const server = new WebSocketServer({
  // Everybody comes from nginx's address, and nobody else is believed.
  trustedProxies: ['127.0.0.1'],
  // Less than `proxy_read_timeout`: nginx closes a connection on which nothing comes for so long.
  pingInterval: Number(process.env.PING_INTERVAL ?? 30_000),
});

server.route('/echo', {
  open(socket) {
    const { remoteAddress, isSecure } = socket.request;
    console.log(`${remoteAddress} came by ${isSecure ? 'https' : 'http'}`);
  },
  message(socket, message) {
    socket.send(message);
  },
});

await server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1');
console.log(`listening on ws://127.0.0.1:${server.address().port}/echo`);

process.once('SIGTERM', () => server.shutdown());
