import { connect } from '../../dist/index.js';
import { run } from './program.mjs';

await run(async (url, hear) => {
  // Bytes, as `ws` gives them. There is no heartbeat in `ws`.
  const socket = await connect(url, { text: 'buffer', pingInterval: 0 });
  socket.on('message', hear);
  return (data) => socket.send(data);
});
