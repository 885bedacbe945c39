// The server of a soak: the public API, in a process of its own. It holds what it gets to what it must
// get, and tells the conductor what it counted.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ConnectionClosedError, HandshakeError, ProtocolError, WebSocketServer } from 'tautline';
import { ServerInbox } from './inbox.mjs';
import { Ledger } from './ledger.mjs';
import { KIND, KIND_AT, anySize, makeMessage, makeSized } from './message.mjs';
import { Random } from './random.mjs';
import { FEED, MAX_FRAGMENTS, MAX_PAYLOAD, ROUTES, TIMES, TOPICS } from './settings.mjs';
import { StreamReading } from './stream-reading.mjs';

const REPORT_INTERVAL = 500;
const PUBLISH_INTERVAL = 200;
/** Bytes of a message that is published: many get it. */
const MOST_PUBLISHED = 16 * 1024;
/** In how many of the moments when something is published there is a broadcast as well. */
const BROADCAST_SHARE = 0.1;
/** What is given to a feed before others have their turn. */
const FEED_STEP = 2;

const ledger = new Ledger();
const topicNumbers = Array.from({ length: TOPICS }, () => 0);
let broadcastNumber = 0;

const server = new WebSocketServer({
  origins: '*',
  deflate: { threshold: 256 },
  maxPayload: MAX_PAYLOAD,
  maxFragments: MAX_FRAGMENTS,
  ...TIMES,
});

const topicName = (topic) => `topic ${topic}`;

/** Publishes the next message of a topic, as the client that asks for it, or by ourselves. */
function publish(topic, body, by) {
  const sequence = topicNumbers[topic]++;
  const message = makeMessage(KIND.TOPIC, topic, sequence, body);
  if (by === undefined) {
    server.publish(topicName(topic), message);
    return;
  }
  by.publish(topicName(topic), message);
  // It is not told what it publishes itself; so it gets the number, at its place in the order.
  by.send(makeMessage(KIND.PUBLISHED, topic, sequence, ''));
}

function broadcast(random) {
  const body = 'x'.repeat(random.between(0, 2000));
  const message = makeMessage(KIND.BROADCAST, 0, broadcastNumber++, body);
  server.broadcast(random.chance(0.5) ? message : server.prepare(message), {
    filter: ({ data }) => data.hears,
  });
}

async function feed(socket, { isGreedy, waits }) {
  const { data } = socket;
  const body = Buffer.alloc(FEED.size, 'feed');
  for (let i = 0; i < FEED.count && socket.readyState === socket.OPEN; i++) {
    const hasRoom = socket.send(makeMessage(KIND.FED, data.connection, data.fed++, body));
    if (isGreedy) continue;
    if (waits && !hasRoom) await socket.drained();
    else if (i % FEED_STEP === 0) await nextTurn();
  }
}

/** Nothing more is sent after this: all that it was to get before must be there then. */
async function answer(socket) {
  const { data } = socket;
  // What `latest` kept goes when there is room; and then the answer takes no place from it.
  await socket.drained();
  await socket.flushed();
  const topics = Object.fromEntries(data.topics.map((topic) => [topic, topicNumbers[topic]]));
  for (const topic of data.topics) socket.unsubscribe(topicName(topic));
  data.hears = false;
  const said = {
    received: data.inbox.count,
    topics,
    broadcast: data.isFeed ? 0 : broadcastNumber,
    fed: data.fed,
    dropped: socket.dropped,
  };
  socket.send(makeMessage(KIND.ANSWER, data.connection, 0, JSON.stringify(said)));
}

function welcome(socket) {
  const { data } = socket;
  for (const topic of data.topics) socket.subscribe(topicName(topic));
  data.hears = !data.isFeed;
  const said = {
    topics: Object.fromEntries(data.topics.map((topic) => [topic, topicNumbers[topic]])),
    broadcast: data.isFeed ? 0 : broadcastNumber,
  };
  socket.send(makeMessage(KIND.WELCOME, data.connection, 0, JSON.stringify(said)));
}

/** Does what a message asks for, other than to be echoed. */
async function obey(socket, { kind, body }) {
  if (kind === KIND.BYE) await answer(socket);
  else if (kind === KIND.PUBLISH) publish(socket.data.topics[0], body, socket);
  else if (kind === KIND.CLOSE) void socket.close(Number(`${body}`), 'as asked');
  else if (kind === KIND.FEED)
    await feed(socket, { isGreedy: `${body}` === 'greedy', waits: !socket.data.isFeed });
}

const checked = (socket, message) => socket.data.inbox.take(message);

function onMessage(socket, message, binary) {
  const request = checked(socket, message);
  if (request !== null) return obey(socket, request);
  if (binary) socket.sendBinary(message);
  else socket.sendText(message);
}

async function onLateMessage(socket, message, binary) {
  await nextTurn();
  await onMessage(socket, message, binary);
}

async function onStream(socket, stream) {
  const reading = new StreamReading(stream);
  const begin = await reading.begin();
  const kind = begin.slice(KIND_AT, KIND_AT + 1).toString();
  if (reading.isWhole || kind !== KIND.ECHO) {
    await onMessage(socket, await reading.toEnd(), stream.binary);
    return;
  }
  const { binary } = stream;
  await (binary ? socket.sendBinary(reading.through()) : socket.sendText(reading.through()));
  // All of it was read by that, but where the connection has ended: then it may have been cut.
  if (checked(socket, await reading.toEnd()) !== null)
    ledger.deviate('corrupted', 'to the server: a request among what is echoed');
}

const CONSUMERS = {
  stream: { stream: onStream },
  late: { message: onLateMessage },
};

for (const [name, options] of Object.entries(ROUTES)) {
  server.route(`/${name}`, {
    ...options,
    async upgrade(request) {
      const { query } = request;
      const connection = Number(query.get('connection'));
      if (query.get('waits') === '1') await nextTurn();
      return {
        data: {
          connection,
          plan: query.get('plan'),
          ends: query.get('ends').split('.').map(Number),
          topics: query.get('topics').split('.').filter(Boolean).map(Number),
          inbox: new ServerInbox(connection, ledger),
          isFeed: options.backpressurePolicy !== undefined,
          hears: false,
          fed: 0,
        },
      };
    },
    open: welcome,
    ...(CONSUMERS[name] ?? { message: onMessage }),
    close: onClose,
    error: onError,
  });
}

function onClose({ data }, code, reason) {
  const { connection, plan, ends, inbox } = data;
  ledger.count(`close codes at the server.${code}`);
  if (!ends.includes(code)) {
    ledger.deviate(
      'unexpected end',
      `at the server, connection ${connection} (${plan}): ${code} ${reason}, not ${ends.join(' or ')}`,
    );
  }
  // Whoever left without waiting said how much it had sent: all of it must have come.
  const [, sent] = /^sent (\d+)$/.exec(reason) ?? [];
  if (sent !== undefined) {
    const missing = Number(sent) - inbox.count;
    ledger.deviate(
      'lost',
      `to the server, connection ${connection} (${plan}): at its close`,
      missing,
    );
  }
}

/** Peers may break what they like. All else is a fault of ours. */
function onError(socket, error) {
  if (error instanceof ProtocolError || error instanceof HandshakeError)
    ledger.count(`refused by the server.${error.code}`);
  // What waited when its connection ended.
  else if (!(error instanceof ConnectionClosedError))
    ledger.deviate('failed', `an error at the server, ${tellOf(socket)}: ${error.stack}`);
}

const tellOf = (socket) =>
  socket === undefined
    ? 'of no socket'
    : `connection ${socket.data.connection} (${socket.data.plan})`;

server.on('error', (error, socket) => onError(socket, error));
process.on('warning', (warning) => ledger.deviate('failed', `a warning: ${warning.stack}`));

async function measure() {
  // What is freed by one collection may let go of more.
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await nextTurn();
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  const peakRss = process.resourceUsage().maxRSS * 1024;
  return { rss, peakRss, heap: heapUsed + external, sockets: server.sockets.size };
}

const timers = [];
const commands = {
  async start({ seed, host }) {
    const random = new Random(`${seed} server`);
    await server.listen({ port: 0, host, backlog: 4096 });
    timers.push(
      setInterval(() => {
        const size = Math.min(anySize(random), MOST_PUBLISHED);
        publish(
          random.between(0, TOPICS - 1),
          makeSized('x', 0, 0, { size, binary: random.chance(0.5), random }),
        );
        if (random.chance(BROADCAST_SHARE)) broadcast(random);
      }, PUBLISH_INTERVAL),
      setInterval(() => process.send({ taken: ledger.take() }), REPORT_INTERVAL),
    );
    return { port: server.address().port };
  },
  measure,
  async stop() {
    for (const timer of timers) clearInterval(timer);
    const result = await server.shutdown();
    return { ...result, taken: ledger.take() };
  },
};

process.on('message', async ({ command, ...settings }) => {
  process.send({ command, result: await commands[command](settings) });
  // With nothing left behind, the process ends by itself.
  if (command !== 'stop') return;
  process.removeListener('disconnect', onDesertion);
  process.disconnect();
});

/** Whoever started us is gone. */
function onDesertion() {
  process.exit(1);
}
process.on('disconnect', onDesertion);
process.send({ command: 'ready' });
