// What another program prints, sent to everybody: vmstat 1 | node broadcast.mjs
import { createInterface } from 'node:readline';
import { WebSocketServer } from 'tautline';

const server = new WebSocketServer();

server.route('/lines', {
  // ws://localhost:3000/lines?with=error is sent the lines that hold this word.
  upgrade: (request) => ({ data: { word: request.query.get('with') ?? '', told: 0 } }),

  // Lines come whether a client reads them or not, and must not pile up for one that does not: behind
  // this many bytes they are dropped. ('latest' keeps the newest of them; 'close' is the default.)
  backpressurePolicy: 'drop',
  maxBackpressure: 1024 * 1024,

  drain(socket) {
    const missed = socket.dropped - socket.data.told;
    socket.data.told = socket.dropped;
    if (missed > 0) socket.send(`(${missed} lines left out)`);
  },
});

await server.listen(Number(process.env.PORT ?? 3000));
console.log(`listening on ws://localhost:${server.address().port}/lines`);

const lines = createInterface({ input: process.stdin });
process.once('SIGTERM', () => lines.close());

for await (const line of lines) {
  server.broadcast(line, { filter: ({ data }) => line.includes(data.word) });
}
await server.shutdown();
