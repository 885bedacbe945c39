// Sessions of a client that keeps to the protocol, through `connect`: what it says and how is random, and
// everything it is told is checked. It may be slow to read, may leave early, and may be cut off; but what
// it gets until then must be right.
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'tautline';
import { ClientInbox } from './inbox.mjs';
import { KIND, anySize, makeMessage, makeSized } from './message.mjs';
import { ROUTES, TOPICS } from './settings.mjs';

/** Bytes of a message that is published: many get it. */
const MOST_PUBLISHED = 2048;
const MOST_FRAGMENTS = 50;

const DEFLATES = {
  none: false,
  usual: true,
  eager: { threshold: 0 },
  forgetful: { contextTakeover: false, peerContextTakeover: false },
  small: { windowBits: 9, peerWindowBits: 10, memoryLevel: 1 },
  documented: { keepContexts: false, threshold: 128 },
};

/** How a session ends, and the close codes that the server may see then. */
const ENDS = {
  /** Everything was answered. */
  bye: [1000],
  /** Answers are still on their way. */
  early: [1000],
  /** The server is asked to close. */
  asked: [3000],
  terminated: [1006],
};

/** Is thrown where the connection ended before the session did. */
class CutError extends Error {}

class HonestSession {
  #context;
  #random;
  #ledger;
  #sent = 0;
  #socket;

  constructor(context) {
    const { random, ledger } = context;
    this.#context = context;
    this.#random = random;
    this.#ledger = ledger;
    this.route = random.weigh({ echo: 40, bytes: 15, stream: 15, late: 15, drop: 5, latest: 5 });
    this.isFeed = ROUTES[this.route].backpressurePolicy !== undefined;
    this.end = random.weigh(
      this.isFeed ? { bye: 1 } : { bye: 60, early: 15, asked: 10, terminated: 15 },
    );
    this.deflate = random.pick(Object.keys(DEFLATES));
    this.topics = [];
    const topics = this.isFeed ? 0 : random.between(0, 2);
    for (let topic = random.between(0, TOPICS - 1); this.topics.length < topics; topic++)
      this.topics.push(topic % TOPICS);
    this.step = 'the beginning';
    this.name = `${context.name} (${this.route}, ${this.deflate}, ${this.end})`;
    this.inbox = new ClientInbox(context.connection, ledger, this.name);
  }

  /** Where it is, for who wonders why it does not end. */
  describe() {
    const { isWelcome, pendingEchoes, answer } = this.inbox;
    const socket = this.#socket;
    if (socket === undefined) return `${this.name}: not connected`;
    return (
      `${this.name}: state ${socket.readyState}, ${socket.isPaused ? 'paused, ' : ''}` +
      `${socket.bufferedAmount} bytes to send, ${this.#sent} messages sent, ${pendingEchoes} echoes to come, ` +
      `${isWelcome ? '' : 'not '}welcome, ${answer === null ? 'no answer' : 'answered'}, at ${this.step}`
    );
  }

  async run() {
    const random = this.#random;
    const { mayBreak, isStopping } = this.#context;
    const url = this.#context.urlOf(this.route, {
      plan: this.end,
      ends: ENDS[this.end],
      topics: this.topics,
      waits: random.chance(0.3) ? 1 : 0,
    });
    try {
      this.#socket = await connect(url, {
        deflate: DEFLATES[this.deflate],
        // A host is asked for one connection at a time otherwise: some do so.
        parallel: random.chance(0.9),
        handshakeTimeout: 20_000,
        pingInterval: 4000,
        pingTimeout: 6000,
      });
    } catch (error) {
      if (!mayBreak) this.#ledger.deviate('failed', `${this.name}: no connection: ${error}`);
      this.#ledger.count('connections.that were not opened');
      return;
    }
    this.#ledger.count('connections.honest');
    // Not the promise `closed`, which does not wait for what came before to be handled.
    const closed = new Promise((resolve) => {
      this.#socket.once('close', (code, reason, wasClean) => resolve({ code, reason, wasClean }));
    });
    const isCut = closed.then(() => {
      throw new CutError();
    });
    // Who waits for it hears of it.
    isCut.catch(() => {});
    this.within = (promise) => Promise.race([promise, isCut]);
    const reading = this.read();
    try {
      await this.within(this.inbox.until(() => this.inbox.isWelcome));
      if (this.isFeed) await this.beFed();
      else for (let i = random.between(1, 6); i > 0 && !isStopping(); i--) await this.talk();
      await this.leave();
    } catch (error) {
      if (!(error instanceof CutError) && error.name !== 'ConnectionClosedError') throw error;
    }
    await reading;
    this.judge(await closed);
  }

  /** Reads in one of the ways there are. */
  read() {
    const socket = this.#socket;
    if (this.#random.chance(0.7)) {
      socket.on('message', (message, binary) => this.inbox.take(message, binary));
      return Promise.resolve();
    }
    return (async () => {
      for await (const message of socket) this.inbox.take(message, typeof message !== 'string');
    })();
  }

  /** Some messages at once, and then perhaps nothing for a while. */
  async talk() {
    const random = this.#random;
    const socket = this.#socket;
    if (random.chance(0.05)) this.stall(random.between(100, 1000));
    this.step = 'a feed';
    if (random.chance(0.02)) await this.within(this.say(KIND.FEED, 'patient'));
    this.step = 'sending';
    for (let i = random.between(1, 5); i > 0; i--) {
      const size = anySize(random);
      const binary = random.chance(0.5);
      const isPublished = this.topics.length > 0 && random.chance(0.1);
      const kind = isPublished ? KIND.PUBLISH : KIND.ECHO;
      const wanted = isPublished ? Math.min(Math.max(size, 32), MOST_PUBLISHED) : size;
      const message = makeSized(kind, this.#context.connection, this.#sent, {
        size: wanted,
        binary,
        random,
      });
      if (!isPublished) this.inbox.expectEcho(this.#sent, message);
      this.#sent++;
      await this.within(this.send(message));
    }
    this.step = 'a Ping';
    if (random.chance(0.1)) await this.within(socket.ping());
    this.step = 'echoes';
    // Before the next ones, or while answers are still on their way.
    if (random.chance(0.5))
      await this.within(this.inbox.until(() => this.inbox.pendingEchoes === 0));
    this.step = 'a rest';
    await this.within(pause(random.between(0, this.#context.pace)));
  }

  /** Sends in one of the ways there are, and waits as long as there is no room. */
  async send(message) {
    const random = this.#random;
    const socket = this.#socket;
    const isText = typeof message === 'string';
    const compress = !random.chance(0.1);
    const way = random.weigh({ send: 70, fragments: 20, other: 10 });
    if (way === 'fragments') {
      this.#ledger.count('faults.fragmented messages');
      const pieces = this.piecesOf(message);
      await (isText
        ? socket.sendText(pieces, { compress })
        : socket.sendBinary(pieces, { compress }));
    } else if (way === 'other') {
      if (isText) socket.sendText(Buffer.from(message), { compress });
      else await socket.send(new Blob([message]), { compress });
    } else {
      socket.send(message, { compress });
    }
    await socket.drained();
  }

  async *piecesOf(message) {
    const random = this.#random;
    const size = Math.ceil(message.length / random.between(1, MOST_FRAGMENTS));
    for (let at = 0; at < message.length; at += size) {
      // (Some empty ones among them.)
      if (random.chance(0.1)) yield '';
      yield typeof message === 'string'
        ? message.slice(at, at + size)
        : message.subarray(at, at + size);
      if (random.chance(0.1)) await pause(random.between(0, 50));
    }
  }

  /** Sends a request. */
  async say(kind, text) {
    this.#socket.send(makeMessage(kind, this.#context.connection, this.#sent++, text));
    await this.#socket.drained();
  }

  /** Reads nothing for a while, and goes on talking. */
  stall(milliseconds) {
    this.#ledger.count('faults.stalled');
    const socket = this.#socket;
    this.name += ', stalled';
    socket.pause();
    setTimeout(() => socket.resume(), milliseconds);
  }

  /** Is given more than it reads. */
  async beFed() {
    if (this.#random.chance(0.7)) this.stall(this.#random.between(200, 1500));
    await this.within(this.say(KIND.FEED, 'fast'));
  }

  async leave() {
    this.step = 'the end';
    const socket = this.#socket;
    if (this.end === 'terminated') {
      this.#ledger.count('faults.terminated');
      socket.terminate();
    } else if (this.end === 'early') {
      this.#ledger.count('faults.left early');
      await this.within(socket.drained());
      void socket.close(1000, `sent ${this.#sent}`);
    } else if (this.end === 'asked') {
      await this.within(this.say(KIND.CLOSE, '3000'));
    } else {
      await this.within(this.say(KIND.BYE, ''));
      await this.within(this.inbox.until(() => this.inbox.answer !== null));
      this.inbox.finish(this.#sent);
      void socket.close(1000, `sent ${this.#sent}`);
    }
  }

  /** @param {{ code: number, wasClean: boolean }} result */
  judge({ code, reason, wasClean }) {
    const { mayBreak } = this.#context;
    this.#ledger.count(`close codes at clients.${code}`);
    const isDue = ENDS[this.end].includes(code) && wasClean === (code !== 1006);
    if (isDue) {
      // What was sent before it was asked to close was answered before it did.
      if (this.end === 'asked')
        this.#ledger.deviate('lost', `${this.name}: echoes at the close`, this.inbox.pendingEchoes);
      return;
    }
    if (mayBreak && code === 1006) this.#ledger.count('faults.cut off');
    else
      this.#ledger.deviate(
        'unexpected end',
        `${this.name}: ${code} ${reason}, ${wasClean ? 'clean' : 'not clean'}`,
      );
  }
}

/** One session, from its connection to its end. */
export async function runHonest(context) {
  const session = new HonestSession(context);
  context.tellsOf(() => session.describe());
  await session.run();
}
