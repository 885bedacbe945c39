// What the programs of the clients have in common: what is asked of them, and how they say what it cost.
import { TEXT_32 } from '../workloads.mjs';

/**
 * Each: how many connections, how many messages a connection sends before it waits, and how many
 * answers it waits for. Where it sends nothing, it counts what comes.
 */
const KINDS = {
  echo: { connections: 16, data: TEXT_32, batch: 64, answers: 64 },
  'send-32': { connections: 1, data: TEXT_32, batch: 1024, answers: 1 },
  'send-1k': { connections: 1, data: Buffer.alloc(1024, 0xa5), batch: 64, answers: 1 },
  'send-1m': { connections: 1, data: Buffer.alloc(1_048_576, 0xa5), batch: 1, answers: 1 },
  receive: { connections: 1, data: null },
};

const [port, kind, seconds, warmup] = process.argv.slice(2);
const sleep = (time) =>
  new Promise((resolve) => {
    setTimeout(resolve, Number(time) * 1000);
  });

let messages = 0;

/** What a connection does with each message that it gets; `send` is how it sends one. */
function createConduct({ data, batch, answers }, send) {
  if (data === null) return () => (messages += 1);
  let missing = answers;
  return () => {
    missing -= 1;
    if (missing > 0) return;
    missing = answers;
    messages += batch;
    for (let i = 0; i < batch; i++) send(data);
  };
}

/**
 * Runs what was asked for with a client: `open` connects to a URL, calls `hear` for each message, and
 * resolves with a function that sends one.
 *
 * @param {(url: string, hear: () => void) => Promise<(data: string | Buffer) => void>} open
 */
export async function run(open) {
  const work = KINDS[kind];
  for (let i = 0; i < work.connections; i++) {
    let conduct = () => (messages += 1);
    const send = await open(`ws://127.0.0.1:${port}/`, () => conduct());
    conduct = createConduct(work, send);
    if (work.data !== null) {
      for (let j = 0; j < work.batch; j++) send(work.data);
    }
  }
  await sleep(warmup);
  messages = 0;
  const begin = performance.now();
  const before = process.cpuUsage();
  await sleep(seconds);
  const { user, system } = process.cpuUsage(before);
  const taken = (performance.now() - begin) / 1e3;
  const result = {
    messages,
    seconds: taken,
    cpu: (user + system) * 1e3,
    user: user / 1e6,
    system: system / 1e6,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}
