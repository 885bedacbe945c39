// node client.mjs ws://localhost:3000
import { connect } from 'tautline';

const socket = await connect(process.argv[2]);
socket.send('hello');
for await (const message of socket) {
  console.log(message);
  break;
}
const { code } = await socket.close(1000);
console.log(`closed with ${code}`);
