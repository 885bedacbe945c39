// Behind the HAProxy of haproxy/haproxy.cfg: by HTTP on one port, by the PROXY protocol on the next.
import { WebSocketServer } from 'tautline';

const options = {
  // Nobody else is believed, whatever the request says of its client.
  trustedProxies: ['127.0.0.1'],
  maxConnectionsPerAddress: 100,
  // Less than `timeout tunnel`: HAProxy closes a connection on which nothing comes for so long.
  pingInterval: Number(process.env.PING_INTERVAL ?? 30_000),
};

const hooks = {
  open(socket) {
    const { remoteAddress, isSecure } = socket.request;
    console.log(`${remoteAddress} came by ${isSecure ? 'https' : 'http'}`);
  },
  message(socket, message) {
    socket.send(message);
  },
};

const server = new WebSocketServer(options).route('/echo', hooks);
await server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1');

const tcp = new WebSocketServer(options).route('/echo', hooks);
await tcp.listen({
  port: Number(process.env.TCP_PORT ?? 3001),
  host: '127.0.0.1',
  proxyProtocol: true,
});
console.log(`behind TCP on ws://127.0.0.1:${tcp.address().port}/echo`);
console.log(`listening on ws://127.0.0.1:${server.address().port}/echo`);

process.once('SIGTERM', () => Promise.all([server.shutdown(), tcp.shutdown()]));
