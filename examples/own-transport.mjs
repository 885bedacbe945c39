import { createServer } from 'node:net';
import {
  Connection,
  RequestHeadParser,
  acceptResponse,
  errorResponse,
  readRequest,
  resolveLimits,
} from 'tautline/protocol';

// A net.Socket does not keep what it was given to write, so frames may share memory.
const options = { ...resolveLimits({ maxPayload: 64 * 1024 }), mayOverwrite: true };

const open = new Set();

/** Binds a connection that echoes to whatever carries its bytes. */
function bind(transport) {
  const connection = new Connection(
    'server',
    transport,
    {
      // The bytes are ours for as long as the call lasts: long enough to send them back.
      onMessage: (opcode, source, start, end) =>
        connection.send(opcode, Buffer.from(source.subarray(start, end))),
      onPing: () => {},
      onPong: () => {},
      onDrain: () => {},
      onPending: () => process.nextTick(() => connection.flush()),
      onError: (error) => console.log(error.code),
      onClose: (code, reason) => console.log(`closed: ${code} ${reason}`),
    },
    performance,
    options,
  );
  open.add(connection);
  const timer = setInterval(() => connection.tick(), 1000);
  transport.on('drain', () => connection.receiveDrain());
  transport.on('end', () => connection.receiveEnd());
  transport.on('close', () => {
    clearInterval(timer);
    open.delete(connection);
    connection.receiveTransportClose();
  });
  return connection;
}

const server = createServer({ allowHalfOpen: true }, (transport) => {
  const parser = new RequestHeadParser();
  let connection;
  const deadline = setTimeout(() => transport.destroy(), 10_000);
  transport.on('error', () => transport.destroy());
  transport.on('close', () => clearTimeout(deadline));
  transport.on('data', (chunk) => {
    if (connection !== undefined) return connection.receive(chunk);
    let at;
    try {
      at = parser.push(chunk);
      if (at === -1) return;
      transport.write(acceptResponse(readRequest(parser.head)), 'latin1');
    } catch (error) {
      transport
        .removeAllListeners('data')
        .resume()
        .end(errorResponse(error, parser.method), 'latin1');
      return;
    }
    clearTimeout(deadline);
    connection = bind(transport);
    connection.receive(chunk.subarray(at));
  });
});

server.listen(Number(process.env.PORT ?? 3000), () => {
  console.log(`listening on ws://localhost:${server.address().port}`);
});

process.once('SIGTERM', () => {
  server.close();
  for (const connection of open) connection.close(1001);
});
