// A client made with ws, for the loop of the Autobahn test suite:
// node ws-client.mjs ws://127.0.0.1:9001 '{"maxFragments":0}'
import { WebSocket } from 'ws';

const [url, options = '{}'] = process.argv.slice(2);

/** Resolves with the last message, when the connection is over. */
function visit(target) {
  return new Promise((resolve) => {
    let last;
    const socket = new WebSocket(`${url}${target}`, {
      maxPayload: 256 * 1024 * 1024,
      perMessageDeflate: true,
      ...JSON.parse(options),
    });
    // That a connection fails is what many cases are about.
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => {
      if (target.startsWith('/runCase')) socket.send(data, { binary: isBinary });
      else last = String(Buffer.concat([data].flat()));
    });
    socket.on('close', () => resolve(last));
  });
}

const count = Number(await visit('/getCaseCount'));
for (let number = 1; number <= count; number++) await visit(`/runCase?case=${number}&agent=ws`);
await visit('/updateReports?agent=ws');
