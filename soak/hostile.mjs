// Sessions of clients that break the protocol, do not read, stop in the middle, or leave without a word.
// What the server must do then is looked at from outside.
import { setTimeout as pause } from 'node:timers/promises';
import { deflateRawSync } from 'node:zlib';
import { KIND, makeMessage } from './message.mjs';
import { FIN, OPCODE, RSV1, RawPeer, closeFrame, frameOf, requestFor } from './raw-peer.mjs';
import { MAX_FRAGMENTS, MAX_PAYLOAD, PATIENCE } from './settings.mjs';

const DEFLATE = 'permessage-deflate; client_no_context_takeover';
const BOMB = deflateRawSync(Buffer.alloc(4 * MAX_PAYLOAD)).subarray(0, -1);
const FLOOD_SIZE = 8 * 1024 * 1024;

/** What a peer can say that is wrong, and the close code that it must get for it. */
const BREACHES = {
  'no mask': [1002, () => frameOf(FIN | OPCODE.TEXT, 'hello', { masked: false })],
  'reserved opcode': [1002, () => frameOf(FIN | 3, 'hello')],
  'reserved bit': [1002, () => frameOf(FIN | 0x20 | OPCODE.TEXT, 'hello')],
  'fragmented Ping': [1002, () => frameOf(OPCODE.PING, 'hello')],
  'long Ping': [1002, () => frameOf(FIN | OPCODE.PING, Buffer.alloc(126))],
  'nothing to continue': [1002, () => frameOf(FIN | OPCODE.CONTINUATION, 'hello')],
  'message in a message': [
    1002,
    () => Buffer.concat([frameOf(OPCODE.TEXT, 'a'), frameOf(FIN | OPCODE.TEXT, 'b')]),
  ],
  'close code of nobody': [1002, () => closeFrame(1005)],
  'half a close code': [1002, () => frameOf(FIN | OPCODE.CLOSE, 'x')],
  'bad UTF-8': [1007, () => frameOf(FIN | OPCODE.TEXT, Buffer.from([0xc0, 0xaf]))],
  'too large': [1009, () => frameOf(FIN | OPCODE.BINARY, '', { length: MAX_PAYLOAD + 1 })],
  'larger than anything': [1009, () => frameOf(FIN | OPCODE.BINARY, '', { length: 2 ** 52 })],
  'too many fragments': [
    1008,
    () =>
      Buffer.concat([
        frameOf(OPCODE.TEXT, ''),
        ...Array.from({ length: MAX_FRAGMENTS }, () => frameOf(OPCODE.CONTINUATION, '')),
      ]),
  ],
  bomb: [1009, () => frameOf(FIN | RSV1 | OPCODE.BINARY, BOMB), DEFLATE],
  'nothing that was deflated': [
    1007,
    () => frameOf(FIN | RSV1 | OPCODE.BINARY, Buffer.alloc(64, 0xff)),
    DEFLATE,
  ],
};

const ANY_END = [1000, 1002, 1005, 1006, 1007, 1008, 1009, 1013, 3000];

/** What can be done to a server. Each is given its session. */
const ACTS = {
  async 'half a handshake'(session) {
    const peer = session.peer();
    const request = requestFor(peer.url);
    peer.write(request.slice(0, session.random.between(0, request.length - 1)));
    if (await session.abandon(peer)) session.expect(peer.status, [408], 'its status');
  },

  async 'half a frame'(session) {
    const peer = await session.open();
    if (peer === null) return;
    const frame = session.message(session.random.between(100, 100_000));
    peer.write(frame.subarray(0, session.random.between(1, frame.length - 1)));
    if (await session.abandon(peer)) session.expect(peer.closeCode, [null], 'its close code');
  },

  async 'half a message'(session) {
    const peer = await session.open();
    if (peer === null) return;
    peer.write(frameOf(OPCODE.BINARY, Buffer.alloc(session.random.between(0, 70_000))));
    peer.write(frameOf(FIN | OPCODE.PING, 'in between'));
    peer.write(frameOf(OPCODE.CONTINUATION, Buffer.alloc(10)));
    await session.abandon(peer);
  },

  async breach(session) {
    const name = session.random.pick(Object.keys(BREACHES));
    const [code, bytes, extensions] = BREACHES[name];
    session.rename(`breach: ${name}`);
    const peer = await session.open(extensions);
    if (peer === null) return;
    peer.write(bytes());
    await session.ended(peer);
    session.expect(peer.closeCode, [code], 'its close code');
    if (session.random.chance(0.5)) peer.write(closeFrame(code));
    peer.socket.end();
    await peer.closed;
  },

  async reset(session) {
    const peer = await session.open();
    if (peer === null) return;
    for (let i = session.random.between(1, 20); i > 0; i--) peer.write(session.message(2000));
    await pause(session.random.between(0, 200));
    session.reset(peer);
  },

  async 'half-closed'(session) {
    const peer = await session.open();
    if (peer === null) return;
    for (let i = session.random.between(1, 20); i > 0; i--) peer.write(session.message(2000));
    peer.socket.end();
    await session.ended(peer);
    await peer.closed;
  },

  /** Asks for much and reads nothing. */
  async deaf(session) {
    const peer = await session.open();
    if (peer === null) return;
    peer.socket.pause();
    const give = Date.now() + 1000;
    for (let size = 0; size < FLOOD_SIZE && Date.now() < give && peer.socket.writable;) {
      const message = session.message(32 * 1024);
      size += message.length;
      peer.write(message);
      // (It is held back, as it must be, and does not wait for that.)
      if (peer.socket.writableLength > MAX_PAYLOAD) await pause(50);
      else await peer.written();
    }
    await pause(session.random.between(0, 500));
    session.reset(peer);
  },

  /** Is sent more than may wait, and reads nothing of it until then. */
  async greedy(session) {
    const peer = await session.open();
    if (peer === null) return;
    peer.socket.pause();
    peer.write(frameOf(FIN | OPCODE.TEXT, session.request(KIND.FEED, 'greedy')));
    await pause(500);
    peer.socket.resume();
    await session.ended(peer);
    session.expect(peer.closeCode, [1013, null], 'its close code');
    peer.socket.end();
    await peer.closed;
  },

  async 'flood of Pings'(session) {
    const peer = await session.open();
    if (peer === null) return;
    for (let i = 0; i < 1000; i++) peer.write(frameOf(FIN | OPCODE.PING, `${i}`));
    peer.write(closeFrame(1000));
    await session.ended(peer);
    session.expect(peer.closeCode, [1000], 'its close code');
    if (peer.pongs === 0) session.fail('no Ping was answered');
    peer.socket.end();
    await peer.closed;
  },

  /** Says Close and does not leave: the server leaves (RFC 6455, section 7.1.1). */
  async lingering(session) {
    const peer = await session.open();
    if (peer === null) return;
    peer.write(closeFrame(1000));
    await session.ended(peer);
    session.expect(peer.closeCode, [1000], 'its close code');
    // Until it is cut off, or has enough.
    await Promise.race([peer.closed, pause(session.random.between(0, 4000))]);
    peer.socket.destroy();
  },

  /** Is sent a Close, and says nothing to it. */
  async 'no Close'(session) {
    const peer = await session.open();
    if (peer === null) return;
    peer.write(frameOf(FIN | OPCODE.TEXT, session.request(KIND.CLOSE, '3000')));
    await session.ended(peer);
    session.expect(peer.closeCode, [3000], 'its close code');
    peer.socket.destroy();
  },

  /** Says nothing, and answers nothing: the heartbeat finds it. */
  async silent(session) {
    const peer = await session.open();
    if (peer === null) return;
    await session.ended(peer);
    session.expect(peer.closeCode, [null], 'its close code');
    peer.socket.destroy();
  },
};

const WEIGHTS = {
  'half a handshake': 10,
  'half a frame': 10,
  'half a message': 10,
  breach: 25,
  reset: 15,
  'half-closed': 10,
  deaf: 3,
  greedy: 2,
  'flood of Pings': 4,
  lingering: 5,
  'no Close': 3,
  silent: 3,
};

class HostileSession {
  #context;
  #sent = 0;
  #mayEnd = false;
  random;

  constructor(context, act) {
    this.#context = context;
    this.random = context.random;
    this.act = act;
    this.rename(act);
  }

  rename(act) {
    this.name = `${this.#context.name} (${act})`;
    this.#context.tellsOf(() => this.name);
  }

  peer() {
    const { urlOf, ledger } = this.#context;
    ledger.count('connections.hostile');
    ledger.count(`faults.${this.act}`);
    const url = urlOf('echo', { plan: this.act, ends: ANY_END, topics: [], waits: 0 });
    const peer = new RawPeer(new URL(url), PATIENCE);
    peer.socket.once('close', () => {
      if (peer.hasGivenUp) this.fail('the server does not end the connection');
    });
    return peer;
  }

  /** A connection whose handshake is over; null where there is none. */
  async open(extensions) {
    const peer = this.peer();
    if (await peer.open(extensions)) return peer;
    this.fail(`the handshake was refused: ${peer.status}`);
    return null;
  }

  /** A message as it must be. */
  message(size) {
    const body = Buffer.alloc(size);
    const message = makeMessage(KIND.ECHO, this.#context.connection, this.#sent++, body);
    return frameOf(FIN | OPCODE.BINARY, message);
  }

  request(kind, body) {
    return makeMessage(kind, this.#context.connection, this.#sent++, body);
  }

  /** Stops here. Answers whether it was left to the server to end it. */
  async abandon(peer) {
    const way = this.random.weigh({ reset: 40, end: 30, wait: 30 });
    await peer.written();
    if (way === 'reset') {
      await pause(this.random.between(0, 100));
      this.reset(peer);
    } else if (way === 'end') {
      peer.socket.end();
    }
    await this.ended(peer);
    peer.socket.end();
    await peer.closed;
    return way === 'wait';
  }

  reset(peer) {
    this.#mayEnd = true;
    this.#context.ledger.count('faults.RST');
    peer.reset();
  }

  /** Resolves when the server has ended the connection. */
  ended(peer) {
    return peer.ended;
  }

  expect(value, allowed, what) {
    if (!allowed.includes(value)) this.fail(`${what} is ${value}, not ${allowed.join(' or ')}`);
  }

  fail(text) {
    const { mayBreak, ledger } = this.#context;
    if (!mayBreak && !this.#mayEnd) ledger.deviate('unexpected end', `${this.name}: ${text}`);
  }
}

/** One session, from its connection to its end. */
export async function runHostile(context) {
  const act = context.random.weigh(WEIGHTS);
  await ACTS[act](new HostileSession(context, act));
}
