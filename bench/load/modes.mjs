// What the clients of load.mjs do: the modes of load.c.
import { RawClient, requestOf } from './raw-client.mjs';

const CLOSE = 8;
const PONG = 10;
const CLOSE_FRAME = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
/** No more at once than the queue of a listener holds. */
const MAX_OPENING = 64;

/** In the counts of a thread. */
const MESSAGES = 0;
const OPEN = 1;
const CLOSED = 2;

function ignore() {}

function hungUp() {
  throw new Error('the server hung up');
}

function isAnswer(opcode, isLast) {
  if (opcode === PONG) return false;
  if (opcode >= CLOSE)
    throw new Error(opcode === CLOSE ? 'the server closed' : 'the server sent a Ping');
  return isLast;
}

/** Opens clients, a few at a time. Resolves with all of them, in order. */
function openAll(settings, frame, close = hungUp) {
  const { port, extensions, connections, counts } = settings;
  const request = requestOf(settings);
  const clients = [];
  return new Promise((resolve) => {
    const openOne = () =>
      clients.push(new RawClient({ port, request, extensions }, { open, frame, close }));
    const open = () => {
      counts[OPEN] += 1;
      if (clients.length < connections) openOne();
      else if (counts[OPEN] === connections) resolve(clients);
    };
    for (let i = 0; i < Math.min(MAX_OPENING, connections); i++) openOne();
  });
}

/** Each sends a burst, and the next one when all its answers are there. */
async function echo(settings) {
  const { bursts, unknown, counts } = settings;
  const states = new Map();
  const sendBurst = (client, state) => {
    state.burst = bursts[state.next];
    state.next = (state.next + 1) % bursts.length;
    client.socket.write(state.burst.bytes);
  };
  const clients = await openAll(settings, (client, opcode, isLast) => {
    if (!isAnswer(opcode, isLast)) return;
    const state = states.get(client);
    state.frames += 1;
    if (state.frames < state.burst.frames) return;
    if (state.burst.payload !== unknown && client.payload !== state.burst.payload)
      throw new Error('the answers have another size than was expected');
    counts[MESSAGES] += state.frames;
    state.frames = 0;
    client.payload = 0;
    sendBurst(client, state);
  });
  for (const client of clients) {
    const state = { next: 0, frames: 0, burst: bursts[0] };
    states.set(client, state);
    sendBurst(client, state);
  }
}

/** The first sends a burst, and the next one when all have all answers. */
async function broadcast(settings) {
  const { bursts, connections, counts } = settings;
  let next = 0;
  let frames = 0;
  let burst;
  const sendBurst = (client) => {
    burst = bursts[next];
    next = (next + 1) % bursts.length;
    client.socket.write(burst.bytes);
  };
  const frame = (_client, opcode, isLast) => {
    if (!isAnswer(opcode, isLast)) return;
    counts[MESSAGES] += 1;
    frames += 1;
    if (frames < burst.frames * connections) return;
    frames = 0;
    sendBurst(clients[0]);
  };
  const clients = await openAll(settings, frame);
  sendBurst(clients[0]);
}

/** Each is opened, closed with 1000, and opened again. */
function openAndClose(settings) {
  const { port, extensions, connections, counts } = settings;
  const request = requestOf(settings);
  const on = {
    open: (client) => client.socket.write(CLOSE_FRAME),
    frame: ignore,
    close() {
      counts[MESSAGES] += 1;
      openOne();
    },
  };
  const openOne = () => new RawClient({ port, request, extensions }, on);
  for (let i = 0; i < connections; i++) openOne();
}

/** How long answers took, in milliseconds. */
class Latencies {
  #asked = 0;
  #taken = [];

  ask() {
    this.#asked = performance.now();
  }

  note() {
    this.#taken.push(performance.now() - this.#asked);
  }

  restart() {
    this.#taken = [];
  }

  /** In ascending order, with the answer that is still awaited. */
  taken() {
    this.note();
    return this.#taken.toSorted((a, b) => a - b);
  }
}

/** The first has one message on its way; the others send without pause. */
async function flood(settings, latencies) {
  const { bursts, reads, counts } = settings;
  const ask = (client) => {
    latencies.ask();
    client.socket.write(bursts[0].bytes);
  };
  const frame = (client, opcode, isLast) => {
    if (client !== clients[0] || !isAnswer(opcode, isLast)) return;
    counts[MESSAGES] += 1;
    latencies.note();
    ask(client);
  };
  const close = (client) => {
    if (client === clients[0]) hungUp();
    counts[CLOSED] += 1;
  };
  const pour = ({ socket }) => {
    if (!socket.destroyed) socket.write(bursts[1].bytes, () => setImmediate(pour, { socket }));
  };
  const clients = await openAll(settings, frame, close);
  for (const client of clients.slice(1)) {
    if (!reads) client.socket.pause();
    pour(client);
  }
  ask(clients[0]);
}

/** What begins each; a flood answers with its latencies. */
export const MODES = {
  echo: (settings) => void echo(settings),
  broadcast: (settings) => void broadcast(settings),
  open: openAndClose,
  flood(settings) {
    const latencies = new Latencies();
    void flood(settings, latencies);
    return latencies;
  },
};
