import { channel } from 'node:diagnostics_channel';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CloseEvent, type MessageEvent, WebSocket, ping } from 'undici';
import { ServerProcess } from '../support/server-process.ts';
import { BINARY_SIZES, CLOSES, HUNDRED, MAX_PAYLOAD, TEXTS, patternOf } from './samples.ts';

let echo: ServerProcess;
const clients: WebSocket[] = [];

beforeAll(async () => {
  echo = await ServerProcess.echo();
  return () => echo.stop();
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

async function connect(url: string = echo.url): Promise<WebSocket> {
  const client = new WebSocket(url);
  client.binaryType = 'arraybuffer';
  clients.push(client);
  await new Promise<void>((resolve, reject) => {
    client.addEventListener('open', () => resolve(), { once: true });
    client.addEventListener('error', ({ error }) => reject(error), { once: true });
  });
  return client;
}

/** The data of the next `count` messages, from now on. */
async function receive(client: WebSocket, count: number = 1): Promise<unknown[]> {
  const messages: unknown[] = [];
  return await new Promise((resolve, reject) => {
    client.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      messages.push(data);
      if (messages.length === count) resolve(messages);
    });
    client.addEventListener('close', ({ code }) => reject(new Error(`closed with ${code}`)));
  });
}

/** Sends one message and returns what comes back. */
async function echoed(client: WebSocket, message: string | Uint8Array | Blob): Promise<unknown> {
  const received = receive(client);
  client.send(message);
  return (await received)[0];
}

interface Close {
  code: number;
  reason: string;
  wasClean: boolean;
}

async function closeOf(client: WebSocket): Promise<Close> {
  return await new Promise((resolve) => {
    client.addEventListener('close', ({ code, reason, wasClean }: CloseEvent) => {
      resolve({ code, reason, wasClean });
    });
  });
}

function isEqual(data: unknown, expected: Buffer): boolean {
  return data instanceof ArrayBuffer && expected.equals(new Uint8Array(data));
}

describe('undici', () => {
  it.each(TEXTS)('gets a text back: %.30j', async (text) => {
    expect((await echoed(await connect(), text)) === text).toBe(true);
  });

  it.each(BINARY_SIZES)('gets a binary of %d bytes back, byte for byte', async (size) => {
    const sent = patternOf(size);
    expect(isEqual(await echoed(await connect(), sent), sent)).toBe(true);
  });

  it('gets a Blob back', async () => {
    const client = await connect();
    client.binaryType = 'blob';
    const data = await echoed(client, new Blob(['Köln ', Buffer.from([0, 255])]));
    if (!(data instanceof Blob)) throw new TypeError('a message is a Blob');
    expect(Buffer.from(await data.arrayBuffer())).toEqual(
      Buffer.concat([Buffer.from('Köln '), Buffer.from([0, 255])]),
    );
  });

  it('gets a Pong with the payload of its Ping', async () => {
    const client = await connect();
    const pongs = channel('undici:websocket:pong');
    const payload = await new Promise<unknown>((resolve) => {
      const onPong = (message: unknown): void => {
        if (typeof message !== 'object' || message === null || !('payload' in message)) return;
        pongs.unsubscribe(onPong);
        resolve(message.payload);
      };
      pongs.subscribe(onPong);
      ping(client, Buffer.from([0, 255, 128]));
    });
    expect(payload).toEqual(Buffer.from([0, 255, 128]));
  });

  it('gets a hundred messages back in their order', async () => {
    const client = await connect();
    const received = receive(client, HUNDRED.length);
    for (const text of HUNDRED) client.send(text);
    expect(await received).toEqual(HUNDRED);
  });

  it('is served beside another client, each for itself', async () => {
    const pair = [await connect(), await connect()] as const;
    const received = pair.map((client) => receive(client, HUNDRED.length));
    for (const text of HUNDRED) {
      for (const [i, client] of pair.entries()) client.send(`${i}: ${text}`);
    }
    expect(await Promise.all(received)).toEqual([
      HUNDRED.map((text) => `0: ${text}`),
      HUNDRED.map((text) => `1: ${text}`),
    ]);
  });

  it.each(CLOSES)('gets the code back with which it closes: %d', async (code, reason) => {
    const client = await connect();
    client.close(code, reason);
    expect(await closeOf(client)).toEqual({ code, reason: '', wasClean: true });
  });

  it('gets a Close without a code back for one', async () => {
    const client = await connect();
    client.close();
    expect(await closeOf(client)).toEqual({ code: 1005, reason: '', wasClean: true });
  });

  it('is told why when a message is too large', async () => {
    const client = await connect();
    client.send(Buffer.alloc(MAX_PAYLOAD + 1));
    const { code, reason, wasClean } = await closeOf(client);
    expect([code, wasClean]).toEqual([1009, true]);
    expect(reason).toMatch(/RFC 6455/);
  });

  it('is told that the server goes, with 1001', async () => {
    const leaving = await ServerProcess.echo();
    const client = await connect(leaving.url);
    const closed = closeOf(client);
    await leaving.stop();
    expect(await closed).toEqual({ code: 1001, reason: '', wasClean: true });
  });
});
