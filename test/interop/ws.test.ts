import { once } from 'node:events';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ServerProcess } from '../support/server-process.ts';
import { BINARY_SIZES, CLOSES, HUNDRED, MAX_PAYLOAD, TEXTS, patternOf } from './samples.ts';

let echo: ServerProcess;
const clients: WebSocket[] = [];

beforeAll(async () => {
  echo = await ServerProcess.echo();
  return () => echo.stop();
});
afterEach(() => {
  for (const client of clients.splice(0)) client.terminate();
});

async function connect(url: string = echo.url): Promise<WebSocket> {
  const client = new WebSocket(url);
  clients.push(client);
  await once(client, 'open');
  return client;
}

interface Message {
  data: Buffer;
  isBinary: boolean;
}

/** The next `count` messages, from now on. */
async function receive(client: WebSocket, count: number = 1): Promise<Message[]> {
  const messages: Message[] = [];
  return await new Promise((resolve, reject) => {
    client.on('message', (data, isBinary) => {
      if (!Buffer.isBuffer(data)) reject(new TypeError('a message is a Buffer'));
      else messages.push({ data, isBinary });
      if (messages.length === count) resolve(messages);
    });
    client.once('close', (code) => reject(new Error(`closed with ${code}`)));
  });
}

/** Sends as asked and returns what comes back. */
async function echoed(client: WebSocket, send: () => void): Promise<Message> {
  const received = receive(client);
  send();
  return (await received)[0]!;
}

/** Resolves with the code and the reason of the Close that the peer sent. */
async function closeOf(client: WebSocket): Promise<[code: number, reason: string]> {
  return await new Promise((resolve) => {
    client.once('close', (code, reason) => resolve([code, reason.toString()]));
  });
}

describe('ws', () => {
  it.each(TEXTS)('gets a text back: %.30j', async (text) => {
    const client = await connect();
    const { data, isBinary } = await echoed(client, () => client.send(text));
    expect([isBinary, data.toString() === text]).toEqual([false, true]);
  });

  it.each(BINARY_SIZES)('gets a binary of %d bytes back, byte for byte', async (size) => {
    const client = await connect();
    const sent = patternOf(size);
    const { data, isBinary } = await echoed(client, () => client.send(sent));
    expect([isBinary, data.length, data.equals(sent)]).toEqual([true, size, true]);
  });

  it('gets fragments back as one message, also where they cut a character', async () => {
    const client = await connect();
    const text = Buffer.from('Köln 日本語');
    const { data, isBinary } = await echoed(client, () => {
      for (const byte of text) client.send(Buffer.of(byte), { binary: false, fin: false });
      client.ping('between the fragments');
      client.send('', { fin: true });
    });
    expect([isBinary, data.toString()]).toEqual([false, 'Köln 日本語']);

    const sent = patternOf(200_000);
    const whole = await echoed(client, () => {
      client.send(sent.subarray(0, 70_000), { binary: true, fin: false });
      client.send(sent.subarray(70_000, 70_000), { binary: true, fin: false });
      client.send(sent.subarray(70_000), { binary: true, fin: true });
    });
    expect([whole.isBinary, whole.data.equals(sent)]).toEqual([true, true]);
  });

  it.each([
    ['none', Buffer.alloc(0)],
    ['a few bytes', Buffer.from([0, 255, 128])],
    ['125 bytes', patternOf(125)],
  ])('gets a Pong with the payload of its Ping: %s', async (_name, payload) => {
    const client = await connect();
    client.ping(payload);
    expect(await once(client, 'pong')).toEqual([payload]);
  });

  it('gets a hundred messages back in their order', async () => {
    const client = await connect();
    const received = receive(client, HUNDRED.length);
    for (const text of HUNDRED) client.send(text);
    expect((await received).map(({ data }) => data.toString())).toEqual(HUNDRED);
  });

  it('is served beside another client, each for itself', async () => {
    const pair = [await connect(), await connect()] as const;
    const received = pair.map((client) => receive(client, HUNDRED.length));
    for (const text of HUNDRED) {
      for (const [i, client] of pair.entries()) client.send(`${i}: ${text}`);
    }
    const [first, second] = await Promise.all(received);
    expect(first!.map(({ data }) => data.toString())).toEqual(HUNDRED.map((text) => `0: ${text}`));
    expect(second!.map(({ data }) => data.toString())).toEqual(HUNDRED.map((text) => `1: ${text}`));
  });

  it.each([...CLOSES, [1001, 'leaving'], [1003, ''], [1014, '']] as const)(
    'gets the code back with which it closes: %d',
    async (code, reason) => {
      const client = await connect();
      client.close(code, reason);
      expect(await closeOf(client)).toEqual([code, '']);
    },
  );

  it('gets a Close without a code back for one', async () => {
    const client = await connect();
    client.close();
    expect(await closeOf(client)).toEqual([1005, '']);
  });

  it.each([
    ['a message that is too large', 1009, (c: WebSocket) => c.send(Buffer.alloc(MAX_PAYLOAD + 1))],
    ['fragments that are too large', 1009, sendLargeFragments],
    [
      'a text that is no UTF-8',
      1007,
      (c: WebSocket) => c.send(Buffer.of(0xc3, 0x28), { binary: false }),
    ],
  ])('is told why: %s', async (_name, code, send) => {
    const client = await connect();
    send(client);
    const [closeCode, reason] = await closeOf(client);
    expect(closeCode).toBe(code);
    expect(reason).toMatch(/RFC 6455/);
  });

  it('gets a message back that is exactly as large as --max-payload, and no larger one', async () => {
    const small = await ServerProcess.echo('--max-payload', '1000');
    try {
      const client = await connect(small.url);
      const { data } = await echoed(client, () => client.send(patternOf(1000)));
      expect(data.equals(patternOf(1000))).toBe(true);
      client.send(patternOf(1001));
      expect((await closeOf(client))[0]).toBe(1009);
    } finally {
      await small.stop();
    }
  });

  it('is told that the server goes, with 1001', async () => {
    const leaving = await ServerProcess.echo();
    const [client, other] = [await connect(leaving.url), await connect(leaving.url)];
    const closed = Promise.all([closeOf(client), closeOf(other)]);
    await leaving.stop();
    expect(await closed).toEqual([
      [1001, ''],
      [1001, ''],
    ]);
  });
});

function sendLargeFragments(client: WebSocket): void {
  client.send(Buffer.alloc(MAX_PAYLOAD), { fin: false });
  client.send(Buffer.alloc(1), { fin: true });
}
