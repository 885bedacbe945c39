// node chat-client.mjs ws://localhost:3000/chat/lobby 'secret of Ann' 'good morning'
import { connect } from 'tautline';

const [url, secret, text] = process.argv.slice(2);

const socket = await connect(url, {
  headers: { Cookie: `session=${encodeURIComponent(secret)}` },
  signal: AbortSignal.timeout(5000),
});

for await (const message of socket) {
  console.log(message);
  if (message.endsWith('came')) socket.send(text);
  if (message.endsWith(text)) break;
}

const { code } = await socket.close(1000);
console.log(`closed with ${code}`);
