import { createServer } from 'node:http';
import { WebSocketServer } from 'tautline';

const httpServer = createServer((request, response) => response.end('a page\n'));

const time = new WebSocketServer();
time.route('/time', { open: (socket) => void socket.send(new Date().toISOString()) });
time.attach(httpServer);

// Any number of them, and others who listen for `upgrade`, share one http server.
const echo = new WebSocketServer();
echo.route('/echo', { message: (socket, message) => void socket.send(message) });
echo.attach(httpServer);

httpServer.listen(Number(process.env.PORT ?? 3000), () => {
  console.log(`listening on http://localhost:${httpServer.address().port}`);
});

process.once('SIGTERM', async () => {
  httpServer.close();
  await Promise.all([time.shutdown(), echo.shutdown()]);
});
