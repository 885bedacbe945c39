// A server of a kind, which looks at its own memory: after the first connections, which pay for what is
// made once; with many more that are idle; and when these have conversed. Its clients are in another
// process. Run by probe.mjs, which tells it what to do.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SERVERS } from './servers.mjs';

const CLIENT = fileURLToPath(new URL('client.mjs', import.meta.url));

async function settle() {
  for (let i = 0; i < 5; i++) {
    globalThis.gc();
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed, resident: rss };
}

/** @param {import('./probe.mjs').Plan} plan */
async function run({ kind, connections, first, messages, terms }) {
  const port = await SERVERS[kind]();
  const client = fork(CLIENT, [], { execArgv: [] });
  const tell = (order) =>
    new Promise((resolve, reject) => {
      const fail = (code) => reject(new Error(`the client ended with ${code}`));
      client.once('exit', fail);
      client.once('message', () => {
        client.off('exit', fail);
        resolve();
      });
      client.send(order);
    });
  await tell({ port, terms });
  // What is made once, by the first connections, is nobody's. They converse less than the others will: what
  // an allocator keeps after much work is a cost too, and is to be seen in what comes.
  await tell({ open: first });
  await tell({ converse: Math.ceil(messages / 8) });
  const before = await settle();
  const perConnection = async () => {
    const now = await settle();
    return {
      heap: (now.heap - before.heap) / connections,
      resident: (now.resident - before.resident) / connections,
    };
  };
  await tell({ open: connections });
  const idle = await perConnection();
  await tell({ converse: messages });
  const after = await perConnection();
  client.kill();
  process.send({ idle, after }, () => process.exit(0));
}

process.once('message', (plan) => void run(plan));
