/** Our server, in this process, with the clients of others: what both ends see. */
import { once } from 'node:events';
import {
  type MessageStream,
  type ServerSocket,
  type UpgradeRequest,
  WebSocketServer,
  refuse,
} from 'tautline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import type { Driver } from './driver.ts';
import { ALL, FRAGMENTING, type Peer, TALKATIVE, TRUSTING, WITH_HEADERS } from './drivers.ts';
import { Halves } from './halves.ts';
import { BINARY_SIZES, HUNDRED, MAX_PAYLOAD, TEXTS, patternOf } from './samples.ts';

let server: WebSocketServer;
let url: string;
const drivers: Driver[] = [];

beforeEach(async () => {
  server = createServer();
  await server.listen(0, '127.0.0.1');
  url = urlOf(server, 'ws');
});

afterEach(async () => {
  await Promise.all(drivers.splice(0).map((driver) => driver.stop()));
  for (const socket of server.sockets) socket.terminate();
  await server.close();
});

function createServer(): WebSocketServer {
  const created = new WebSocketServer({ subprotocols: ['chat.v2', 'chat.v1'] });
  created.route('/echo', { message: (socket, message) => void socket.send(message) });
  created.route('/401', {
    upgrade: () => refuse(401, { 'WWW-Authenticate': 'Basic realm="tests"' }, 'who are you?\n'),
  });
  created.route('/held', {
    upgrade: () => ({
      headers: { 'X-Served-By': 'us' },
      cookies: { session: 'a1', theme: { value: 'dark blue', path: '/', httpOnly: true } },
    }),
  });
  return created;
}

function urlOf(listening: WebSocketServer, scheme: string): string {
  const address = listening.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return `${scheme}://127.0.0.1:${address.port}`;
}

function start<D extends Driver>(peer: Peer<D>): D {
  const driver = peer.start();
  drivers.push(driver);
  return driver;
}

interface Held<D extends Driver> {
  readonly driver: D;
  readonly socket: ServerSocket;
  readonly request: UpgradeRequest;
  readonly opened: Awaited<ReturnType<Driver['open']>>;
}

/** A connection with both of its ends. */
async function hold<D extends Driver>(
  peer: Peer<D>,
  options: Parameters<Driver['open']>[1] = {},
): Promise<Held<D>> {
  const driver = start(peer);
  const accepted = new Promise<[ServerSocket, UpgradeRequest]>((resolve) => {
    server.once('connection', (...pair) => resolve(pair));
  });
  const opened = await driver.open(`${url}/held?q=1`, options);
  const [socket, request] = await accepted;
  return { driver, socket, request, opened };
}

/** Parts of a message that come one by one, and Pings between them. */
async function* piecewise<Part>(
  socket: ServerSocket,
  parts: readonly Part[],
): AsyncGenerator<Part> {
  for (const part of parts) {
    yield part;
    void socket.ping();
    await new Promise(setImmediate);
  }
}

/** The next message that the server gets. */
async function received(socket: ServerSocket): Promise<unknown> {
  for await (const message of socket) return message;
  return 'the end';
}

async function textOf(stream: MessageStream): Promise<string> {
  let text = '';
  for await (const piece of stream) text += String(piece);
  return text;
}

function areEqual(message: unknown, expected: Buffer): boolean {
  return Buffer.isBuffer(message) && message.equals(expected);
}

describe.each(ALL)('$name as a client', (peer) => {
  it('gets texts and binaries of every size back', async () => {
    const driver = start(peer);
    expect(await driver.open(`${url}/echo`)).toMatchObject({ protocol: '' });
    for (const text of TEXTS) {
      await driver.send(text);
      expect((await driver.receive()) === text).toBe(true);
    }
    for (const size of [1, ...BINARY_SIZES]) {
      await driver.send(patternOf(size));
      expect(areEqual(await driver.receive(), patternOf(size))).toBe(true);
    }
  });

  it('gets a hundred messages in their order', async () => {
    const { driver, socket } = await hold(peer);
    for (const text of HUNDRED) socket.send(text);
    for (const text of HUNDRED) expect(await driver.receive()).toBe(text);
  });

  it('gets as one message what comes in fragments, with Pings between them', async () => {
    const { driver, socket } = await hold(peer);
    const sent = socket.send(piecewise(socket, ['Kö', '', 'ln \ud83d', '\ude00', ' 日本語']));
    expect(await driver.receive()).toBe('Köln 😀 日本語');
    expect(await sent).toBe(true);

    const bytes = patternOf(200_000);
    const cut = [bytes.subarray(0, 70_000), bytes.subarray(0, 0), bytes.subarray(70_000)];
    const sentToo = socket.send(piecewise(socket, cut));
    expect(socket.send('behind it')).toBe(true);
    expect(areEqual(await driver.receive(), bytes)).toBe(true);
    expect(await driver.receive()).toBe('behind it');
    expect(await sentToo).toBe(true);

    // A text, of bytes that end within a character.
    const utf8 = [...Buffer.from('é日😀')].map((byte) => Buffer.of(byte));
    void socket.sendText(piecewise(socket, utf8));
    expect(await driver.receive()).toBe('é日😀');
    void socket.send([]);
    expect(areEqual(await driver.receive(), Buffer.alloc(0))).toBe(true);
  });

  it('gets a Blob as a binary', async () => {
    const { driver, socket } = await hold(peer);
    const sent = [socket.send(new Blob([patternOf(300_000)])), socket.send(new Blob([]))];
    expect(areEqual(await driver.receive(), patternOf(300_000))).toBe(true);
    expect(areEqual(await driver.receive(), Buffer.alloc(0))).toBe(true);
    expect(await Promise.all(sent)).toEqual([true, true]);
  });

  it('answers our Pings', async () => {
    const { driver, socket } = await hold(peer);
    const pinged = [socket.ping(), socket.ping(patternOf(125)), socket.ping('')];
    socket.send('between them');
    pinged.push(socket.ping());
    socket.send('behind them');
    // Some answer only while they are asked for messages.
    expect(await driver.receive()).toBe('between them');
    expect(await driver.receive()).toBe('behind them');
    for (const time of await Promise.all(pinged)) expect(time).toBeGreaterThanOrEqual(0);
  });

  it('answers the Pings of our keepalive', async () => {
    server.route('/kept', { pingInterval: 5, pingTimeout: 10_000 });
    const accepted = once(server, 'connection');
    const driver = start(peer);
    await driver.open(`${url}/kept`);
    const [socket]: ServerSocket[] = await accepted;
    const behind = driver.receive();
    for (let i = 0; i < 5; i++) await once(socket!, 'pong');
    expect(socket!.latency).toBeGreaterThanOrEqual(0);
    socket!.send('still there');
    expect(await behind).toBe('still there');
  });

  it('gets much, as fast as it reads', async () => {
    const { driver, socket } = await hold(peer);
    const sending = (async () => {
      for (let i = 0; i < 40; i++) {
        if (!socket.send(patternOf(250_000 + i))) await socket.drained();
      }
      await socket.flushed();
    })();
    for (let i = 0; i < 40; i++) {
      expect(areEqual(await driver.receive(), patternOf(250_000 + i))).toBe(true);
    }
    await sending;
    expect([socket.bufferedAmount, socket.dropped]).toEqual([0, 0]);
  });

  it('sends much, as fast as we take it', async () => {
    const { driver, socket } = await hold(peer);
    const sending = (async () => {
      for (let i = 0; i < 40; i++) await driver.send(patternOf(250_000 + i));
    })();
    let count = 0;
    for await (const message of socket) {
      expect(areEqual(message, patternOf(250_000 + count))).toBe(true);
      await new Promise(setImmediate);
      if (++count === 40) break;
    }
    await sending;
  });

  it('is told of a Close in the middle of a message', async () => {
    const { driver, socket } = await hold(peer);
    const halves = new Halves();
    const sent = socket.send(halves);
    await halves.between;
    const closing = socket.close(4000, 'enough');
    expect(await driver.receive()).toEqual([4000, 'enough']);
    expect((await closing).wasClean).toBe(true);
    halves.finish();
    expect(await sent).toBe(false);
  });

  it('agrees on the first of its subprotocols that is spoken here', async () => {
    const offered = ['chat.v9', 'chat.v1', 'chat.v2'];
    const { opened, socket, request } = await hold(peer, { protocols: offered });
    expect(opened).toMatchObject({ protocol: 'chat.v1' });
    expect(socket.protocol).toBe('chat.v1');
    expect(request.protocols).toEqual(offered);
    expect([request.url, request.remoteAddress]).toEqual(['/held?q=1', '127.0.0.1']);
  });

  it('goes on uncompressed where it has offered permessage-deflate', async () => {
    const { driver, socket, request, opened } = await hold(peer);
    expect(request.extensions.map(({ name }) => name)).toEqual(['permessage-deflate']);
    expect(opened).toMatchObject({ extensions: '' });
    await driver.send('a'.repeat(5000));
    expect(await received(socket)).toBe('a'.repeat(5000));
    socket.send('b'.repeat(5000));
    expect(await driver.receive()).toBe('b'.repeat(5000));
  });

  it('closes with a code and a reason, and so do we', async () => {
    const { driver, socket } = await hold(peer);
    const closed = once(socket, 'close');
    expect(await driver.close(4321, 'genug für heute')).toEqual([4321, '']);
    expect(await closed).toEqual([4321, 'genug für heute', true]);
    expect(await socket.closed).toEqual({ code: 4321, reason: 'genug für heute', wasClean: true });
  });

  it('is told the code and the reason with which we close', async () => {
    const { driver, socket } = await hold(peer);
    socket.send('the last');
    const closing = socket.close(4999, 'é'.repeat(61));
    expect(await driver.receive()).toBe('the last');
    expect(await driver.receive()).toEqual([4999, 'é'.repeat(61)]);
    const { code, wasClean } = await closing;
    expect([code, wasClean]).toEqual([peer.answersWith ?? 4999, true]);
  });

  it('is told 1005 where we close without a code', async () => {
    const { driver, socket } = await hold(peer);
    const closing = socket.close();
    // Without a code: some say 1005, and some say none.
    const [code] = await driver.receive();
    expect([1005, 0, 1000]).toContain(code);
    expect((await closing).wasClean).toBe(true);
  });

  it('sees 1006 where we terminate', async () => {
    const { driver, socket } = await hold(peer);
    const closed = once(socket, 'close');
    socket.terminate();
    expect((await driver.receive())[0]).toBe(1006);
    expect(await closed).toEqual([1006, '', false]);
  });

  it('is told why when a message is too large', async () => {
    const { driver, socket } = await hold(peer);
    const failed = once(socket, 'error');
    await driver.send(Buffer.alloc(MAX_PAYLOAD + 1));
    expect(await driver.receive()).toEqual([1009, expect.stringMatching(/RFC 6455/)]);
    expect(await failed).toEqual([expect.objectContaining({ code: 'WS_ERR_MESSAGE_TOO_BIG' })]);
  });

  it('is refused with a status', async () => {
    const answer = await start(peer).open(`${url}/401`);
    if (!('status' in answer)) throw new Error('not refused');
    expect([401, 'not told']).toContain(answer.status);
    expect(server.sockets.size).toBe(0);
  });
});

describe.each(WITH_HEADERS)('$name', (peer) => {
  it('sends header fields and cookies, which the request has', async () => {
    const headers = { Cookie: 'session=a1; theme="dark%20blue"', 'X-Test': 'one, two' };
    const { request } = await hold(peer, { headers });
    expect(request.cookies).toEqual({ session: 'a1', theme: 'dark blue' });
    expect(request.headers['x-test']).toBe('one, two');
  });
});

describe.each(TALKATIVE)('$name', (peer) => {
  it('is told the status and the fields of a refusal', async () => {
    expect(await start(peer).open(`${url}/401`)).toEqual({
      status: 401,
      authenticate: 'Basic realm="tests"',
    });
  });

  it('gets the cookies that are set', async () => {
    const { opened } = await hold(peer);
    expect(opened).toMatchObject({
      cookies: ['session=a1', expect.stringMatching(/^theme=dark%20blue; /)],
    });
  });

  it('gets the Pong of its Ping, while nobody takes the messages before it', async () => {
    const { driver, socket } = await hold(peer);
    await driver.ping(patternOf(125));
    await driver.send('nobody listens');
    await driver.ping(Buffer.of(0, 255));
    expect(await received(socket)).toBe('nobody listens');
  });

  it('leaves without a Close, which we see as 1006', async () => {
    const { driver, socket } = await hold(peer);
    const closed = once(socket, 'close');
    await driver.send('the last');
    expect(await received(socket)).toBe('the last');
    await driver.abort();
    expect(await closed).toEqual([1006, '', false]);
  });
});

describe.each(FRAGMENTING)('$name', (peer) => {
  it('sends fragments with Pings between them, which come as one message', async () => {
    const { driver, socket } = await hold(peer);
    let pings = 0;
    socket.on('ping', () => pings++);
    await driver.sendFragments(['Kö', '', 'ln ', '日本語']);
    expect(await received(socket)).toBe('Köln 日本語');
    expect(pings).toBe(3);

    const bytes = patternOf(200_000);
    await driver.sendFragments([bytes.subarray(0, 70_000), bytes.subarray(70_000)]);
    expect(areEqual(await received(socket), bytes)).toBe(true);
  });

  it('sends fragments, which are a stream while they come', async () => {
    const { driver, socket } = await hold(peer);
    const streamed = new Promise<string>((resolve) => {
      socket.once('stream', (stream) => resolve(textOf(stream)));
    });
    await driver.sendFragments(['Kö', '', 'ln ', '日本語']);
    expect(await streamed).toBe('Köln 日本語');
  });
});

describe.each(TRUSTING)('$name over TLS', (peer) => {
  it('gets messages back, and closes', async () => {
    const secure = createServer();
    await secure.listen({ port: 0, host: '127.0.0.1', tls: { key: KEY, cert: CERTIFICATE } });
    const driver = start(peer);
    await driver.open(`${urlOf(secure, 'wss')}/echo`, { ca: CERTIFICATE });
    await driver.send(patternOf(200_000));
    expect(areEqual(await driver.receive(), patternOf(200_000))).toBe(true);
    expect(await driver.close(4000, 'enough')).toEqual([4000, '']);
    await secure.close();
  });
});
