/** Our `connect`, in this process, with the servers of others: what both ends see. */
import { once } from 'node:events';
import { type ConnectOptions, HandshakeError, type Socket, connect } from 'tautline';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { Halves } from './halves.ts';
import { FRAGMENTING_HOSTS, HOSTS, type Host, order } from './hosts.ts';
import { BINARY_SIZES, CLOSES, HUNDRED, TEXTS, patternOf } from './samples.ts';

const sockets: Socket[] = [];
let count = 0;

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.terminate();
});

interface Open {
  readonly socket: Socket;
  /** Of this connection alone. */
  readonly path: string;
}

async function open(host: Host, options: ConnectOptions = {}): Promise<Open> {
  const path = `/${count++}`;
  const socket = await connect(host.url + path, options);
  sockets.push(socket);
  return { socket, path };
}

async function next(socket: Socket): Promise<unknown> {
  for await (const message of socket) return message;
  return 'the end';
}

function areEqual(message: unknown, expected: Buffer): boolean {
  return Buffer.isBuffer(message) && message.equals(expected);
}

/** Parts of a message that come one by one, and Pings between them. */
async function* piecewise<Part>(socket: Socket, parts: readonly Part[]): AsyncGenerator<Part> {
  for (const part of parts) {
    yield part;
    void socket.ping();
    await new Promise(setImmediate);
  }
}

describe.each(HOSTS)('$name as a server', (kind) => {
  let host: Host;

  beforeAll(async () => {
    host = await kind.start();
    return () => host.stop();
  });

  it('sends texts and binaries of every size back', async () => {
    const { socket } = await open(host);
    for (const text of TEXTS) {
      socket.send(text);
      expect((await next(socket)) === text).toBe(true);
    }
    for (const size of [1, ...BINARY_SIZES]) {
      socket.send(patternOf(size));
      expect(areEqual(await next(socket), patternOf(size))).toBe(true);
    }
  });

  it('sends a hundred messages back in their order, to each of two', async () => {
    const pair = [await open(host), await open(host)] as const;
    const received = pair.map(async ({ socket }) => {
      const messages: unknown[] = [];
      for await (const message of socket) {
        if (messages.push(message) === HUNDRED.length) break;
      }
      return messages;
    });
    for (const text of HUNDRED) {
      for (const [i, { socket }] of pair.entries()) socket.send(`${i}: ${text}`);
    }
    expect(await Promise.all(received)).toEqual([
      HUNDRED.map((text) => `0: ${text}`),
      HUNDRED.map((text) => `1: ${text}`),
    ]);
  });

  it('gets as one message what we send in fragments, with Pings between them', async () => {
    const { socket } = await open(host);
    const sent = socket.send(piecewise(socket, ['Kö', '', 'ln \ud83d', '\ude00', ' 日本語']));
    expect(await next(socket)).toBe('Köln 😀 日本語');
    expect(await sent).toBe(true);

    const bytes = patternOf(200_000);
    const cut = [bytes.subarray(0, 70_000), bytes.subarray(0, 0), bytes.subarray(70_000)];
    const sentToo = socket.send(piecewise(socket, cut));
    expect(socket.send('behind it')).toBe(true);
    expect(areEqual(await next(socket), bytes)).toBe(true);
    expect(await next(socket)).toBe('behind it');
    expect(await sentToo).toBe(true);

    const utf8 = [...Buffer.from('é日😀')].map((byte) => Buffer.of(byte));
    void socket.sendText(piecewise(socket, utf8));
    expect(await next(socket)).toBe('é日😀');
    void socket.send([]);
    expect(areEqual(await next(socket), Buffer.alloc(0))).toBe(true);
  });

  it('gets a Blob as a binary', async () => {
    const { socket } = await open(host);
    const sent = [socket.send(new Blob([patternOf(300_000)])), socket.send(new Blob([]))];
    expect(areEqual(await next(socket), patternOf(300_000))).toBe(true);
    expect(areEqual(await next(socket), Buffer.alloc(0))).toBe(true);
    expect(await Promise.all(sent)).toEqual([true, true]);
  });

  it('answers our Pings', async () => {
    const { socket } = await open(host);
    const pinged = [socket.ping(), socket.ping(patternOf(125)), socket.ping(''), socket.ping()];
    for (const time of await Promise.all(pinged)) expect(time).toBeGreaterThanOrEqual(0);
  });

  it('is answered its Pings', async () => {
    const { socket } = await open(host);
    socket.send(order({ do: 'ping' }));
    expect(await next(socket)).toBe('ponged');
  });

  it('sends much back, as fast as we take it', async () => {
    const { socket } = await open(host);
    const sending = (async () => {
      for (let i = 0; i < 40; i++) {
        if (!socket.send(patternOf(250_000 + i))) await socket.drained();
      }
    })();
    let received = 0;
    for await (const message of socket) {
      expect(areEqual(message, patternOf(250_000 + received))).toBe(true);
      await new Promise(setImmediate);
      if (++received === 40) break;
    }
    await sending;
    expect([socket.bufferedAmount, socket.dropped]).toEqual([0, 0]);
  });

  it('answers the Pings of our keepalive', async () => {
    const { socket } = await open(host, { pingInterval: 5, pingTimeout: 10_000 });
    for (let i = 0; i < 5; i++) await once(socket, 'pong');
    expect(socket.latency).toBeGreaterThanOrEqual(0);
    socket.send('still there');
    expect(await next(socket)).toBe('still there');
  });

  it('is told of a Close in the middle of a message', async () => {
    const { socket, path } = await open(host);
    const halves = new Halves();
    const sent = socket.send(halves);
    await halves.between;
    expect((await socket.close(4000, 'enough')).wasClean).toBe(true);
    expect(await host.closeOf(path)).toEqual([4000, 'enough']);
    halves.finish();
    expect(await sent).toBe(false);
  });

  it('sees our request: its fields, cookies, credentials and subprotocols', async () => {
    const path = `/${count++}?q=1&r=%20`;
    const url = new URL(host.url + path);
    url.username = 'Ann';
    url.password = 'p:w';
    const socket = await connect(url, {
      protocols: ['chat.v9', 'chat.v2'],
      headers: { Cookie: 'a=1; b=2', 'X-Test': 'one, two' },
      origin: 'https://example.com',
    });
    sockets.push(socket);
    socket.send(order({ do: 'describe' }));
    const seen: unknown = JSON.parse(String(await next(socket)));
    expect(seen).toMatchObject({
      path,
      protocol: 'chat.v2',
      headers: {
        host: url.host,
        cookie: 'a=1; b=2',
        'x-test': 'one, two',
        origin: 'https://example.com',
        authorization: `Basic ${Buffer.from('Ann:p:w').toString('base64')}`,
      },
    });
    expect(seen).not.toHaveProperty(['headers', 'sec-websocket-extensions']);
    expect(socket.protocol).toBe('chat.v2');
  });

  it('agrees on no subprotocol where it speaks none of ours', async () => {
    const { socket } = await open(host, { protocols: ['chat.v9', 'chat.v8'] });
    expect(socket.protocol).toBe('');
    socket.send('and goes on');
    expect(await next(socket)).toBe('and goes on');
  });

  it.each(CLOSES)('is told the code and the reason with which we close: %d', async (...close) => {
    const { socket, path } = await open(host);
    const result = await socket.close(...close);
    expect(result.code).toBe(kind.answersWith ?? close[0]);
    expect(result.wasClean).toBe(true);
    expect(await host.closeOf(path)).toEqual(close);
  });

  it('tells us the code and the reason with which it closes', async () => {
    const { socket, path } = await open(host);
    const closed = once(socket, 'close');
    socket.send('the last');
    socket.send(order({ do: 'close', code: 4321, reason: 'genug für heute' }));
    expect(await next(socket)).toBe('the last');
    expect(await next(socket)).toBe('the end');
    expect(await closed).toEqual([4321, 'genug für heute', true]);
    expect(await socket.closed).toEqual({ code: 4321, reason: 'genug für heute', wasClean: true });
    expect((await host.closeOf(path))[0]).toBe(4321);
  });

  it('leaves without a Close, which we see as 1006', async () => {
    const { socket } = await open(host);
    const closed = once(socket, 'close');
    socket.send(order({ do: 'abort' }));
    expect(await closed).toEqual([1006, '', false]);
    await expect(socket.ping()).rejects.toMatchObject({
      code: 'WS_ERR_CONNECTION_CLOSED',
      closeCode: 1006,
    });
  });

  it('sees 1006 where we terminate', async () => {
    const { socket, path } = await open(host);
    socket.send('are you there?');
    await next(socket);
    socket.terminate();
    expect(await socket.closed).toEqual({ code: 1006, reason: '', wasClean: false });
    expect((await host.closeOf(path))[0]).toBe(1006);
  });

  it('is told why when a message is too large for us', async () => {
    const { socket, path } = await open(host, { maxPayload: 1000 });
    const failed = once(socket, 'error');
    socket.send(patternOf(1000));
    expect(areEqual(await next(socket), patternOf(1000))).toBe(true);
    socket.send(patternOf(1001));
    const [error]: unknown[] = await failed;
    expect(error).toMatchObject({ code: 'WS_ERR_MESSAGE_TOO_BIG', closeCode: 1009 });
    // We leave at once, and wait for no Close (RFC 6455, section 7.1.7).
    expect(await socket.closed).toEqual({ code: 1006, reason: '', wasClean: false });
    expect(await host.closeOf(path)).toEqual([1009, expect.stringMatching(/RFC 6455/)]);
  });

  it('refuses with a status and fields, which the error has', async () => {
    const error: unknown = await connect(`${host.url}/401`).catch((reason: unknown) => reason);
    if (!(error instanceof HandshakeError)) throw new TypeError('no HandshakeError');
    expect([error.code, error.status]).toEqual(['WS_ERR_ANSWER_STATUS', 401]);
    expect(new Headers(error.headers.map(([...pair]) => pair)).get('www-authenticate')).toBe(
      'Basic realm="tests"',
    );
  });

  it('closes when we leave a block that uses the socket', async () => {
    const { socket, path } = await open(host);
    await socket[Symbol.asyncDispose]();
    expect(await host.closeOf(path)).toEqual([1000, '']);
  });

  it('is a stream of Node', async () => {
    const { socket, path } = await open(host);
    const duplex = socket.duplex();
    duplex.write(patternOf(100_000));
    const [chunk]: unknown[] = await once(duplex, 'data');
    expect(areEqual(chunk, patternOf(100_000))).toBe(true);
    duplex.end();
    expect(await host.closeOf(path)).toEqual([1000, '']);
  });
});

describe.each(FRAGMENTING_HOSTS)('$name as a server', (kind) => {
  let host: Host;

  beforeAll(async () => {
    host = await kind.start();
    return () => host.stop();
  });

  it('sends fragments with Pings between them, which come as one message', async () => {
    const { socket } = await open(host);
    let pings = 0;
    socket.on('ping', () => pings++);
    socket.send(order({ do: 'fragments', texts: ['Kö', '', 'ln ', '日本語'] }));
    expect(await next(socket)).toBe('Köln 日本語');
    expect(pings).toBe(3);

    const bytes = patternOf(200_000);
    const parts = [bytes.subarray(0, 70_000), bytes.subarray(70_000)];
    const base64s = parts.map((part) => part.toString('base64'));
    socket.send(order({ do: 'fragments', base64s }));
    expect(areEqual(await next(socket), bytes)).toBe(true);
  });
});

describe.each(HOSTS)('$name as a server over TLS', (kind) => {
  let host: Host;

  beforeAll(async () => {
    host = await kind.start({ tls: { key: KEY, cert: CERTIFICATE } });
    return () => host.stop();
  });

  it('sends messages back, and closes', async () => {
    const { socket, path } = await open(host, { tls: { ca: CERTIFICATE } });
    socket.send(patternOf(200_000));
    expect(areEqual(await next(socket), patternOf(200_000))).toBe(true);
    const { code, wasClean } = await socket.close(4000, 'enough');
    expect([code, wasClean]).toEqual([kind.answersWith ?? 4000, true]);
    expect(await host.closeOf(path)).toEqual([4000, 'enough']);
  });

  it('is not trusted where nobody told us to', async () => {
    await expect(connect(host.url)).rejects.toThrow(/self-signed certificate/);
    const options = { tls: { ca: CERTIFICATE, servername: 'example.com' } };
    await expect(connect(host.url, options)).rejects.toThrow(/altnames/);
  });
});
