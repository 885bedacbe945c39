/** permessage-deflate with the clients and servers of others, in this process and as `npm run -s echo`. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type ConnectOptions, type DeflateOptions, WebSocketServer, connect } from 'tautline';
import * as undici from 'undici';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  type PerMessageDeflateOptions,
  WebSocketServer as WsServer,
  WebSocket as WsSocket,
} from 'ws';
import { ServerProcess } from '../support/server-process.ts';
import type { Opened, Refused } from './driver.ts';
import { ALL, type Peer } from './drivers.ts';
import { HOSTS } from './hosts.ts';
import { openChromium, openHere } from './page.ts';
import { patternOf } from './samples.ts';

const NAME = 'permessage-deflate';

/** A text that can be compressed, but not to nothing. */
function prose(size: number, seed: number): string {
  let text = '';
  for (let i = seed; text.length < size; i++) text += `${(i * 7919) % 1000} wörds, `;
  return text.slice(0, size);
}

/** A thousand, small and large, texts and binaries, in an order that has no period. */
const THOUSAND: readonly (string | Buffer)[] = Array.from({ length: 1000 }, (_, i) => {
  const size = i % 97 === 0 ? 100_000 : i % 13 === 0 ? 20_000 : (i * 37) % 3000;
  return i % 3 === 0 ? patternOf(size) : prose(size, i);
});

/** The first message that came otherwise than it was sent. */
function difference(received: readonly (string | Buffer)[]): number {
  return received.findIndex((message, i) => {
    const sent = THOUSAND[i]!;
    return Buffer.isBuffer(message) && Buffer.isBuffer(sent)
      ? !message.equals(sent)
      : message !== sent;
  });
}

/** Sends the thousand by our client, some at a time, and answers what comes back. */
async function echoesOfOurs(url: string, options: ConnectOptions): Promise<(string | Buffer)[]> {
  const socket = await connect(url, options);
  const received: (string | Buffer)[] = [];
  const receiving = (async () => {
    for await (const message of socket) {
      received.push(message);
      if (received.length === THOUSAND.length) break;
    }
  })();
  for (const message of THOUSAND) {
    if (!socket.send(message)) await socket.drained();
  }
  await receiving;
  await socket.close(1000);
  return received;
}

/** The same by a client of ws. */
async function echoesOfWs(
  url: string,
  deflate: PerMessageDeflateOptions | boolean,
): Promise<{ received: (string | Buffer)[]; extensions: string | undefined }> {
  const client = new WsSocket(url, { perMessageDeflate: deflate });
  // (Its own `extensions` has the name alone.)
  let extensions: string | undefined;
  client.once('upgrade', ({ headers }) => (extensions = headers['sec-websocket-extensions']));
  await once(client, 'open');
  const received: (string | Buffer)[] = [];
  const done = new Promise<void>((resolve, reject) => {
    client.on('message', (data: Buffer, isBinary) => {
      received.push(isBinary ? data : data.toString());
      if (received.length === THOUSAND.length) resolve();
    });
    client.once('close', (code) => reject(new Error(`closed with ${code}`)));
  });
  for (const message of THOUSAND) client.send(message);
  await done;
  client.terminate();
  return { received, extensions };
}

async function startOurs(deflate: boolean | DeflateOptions): Promise<string> {
  const server = new WebSocketServer({ origins: '*', deflate });
  server.route('*', { message: (socket, message) => void socket.send(message) });
  await server.listen(0, '127.0.0.1');
  onTestFinished(async () => void (await server.shutdown({ timeout: 1000 })));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return `ws://127.0.0.1:${address.port}`;
}

async function startWs(deflate: PerMessageDeflateOptions | boolean): Promise<string> {
  const server = new WsServer({ port: 0, host: '127.0.0.1', perMessageDeflate: deflate });
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a TCP port
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function extensionsOf(opened: Opened | Refused): string {
  if (!('extensions' in opened)) throw new Error('it was refused');
  // undici's `WebSocketStream` gives what it has parsed.
  const extensions: unknown = opened.extensions;
  return extensions instanceof Map ? [...extensions.keys()].join(', ') : String(extensions);
}

const WINDOWS = [9, 10, 11, 12, 13, 14, 15];
const ENGINES = [true, false];

describe('ws as a client', () => {
  it.each(ENGINES)(
    'gets a thousand messages back, with takeover and without (keepContexts: %s)',
    async (keepContexts) => {
      const url = await startOurs({ keepContexts });
      const takeover = await echoesOfWs(url, true);
      expect([takeover.extensions, difference(takeover.received)]).toEqual([NAME, -1]);
      const none = await echoesOfWs(url, {
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
      });
      expect(none.extensions).toContain('server_no_context_takeover');
      expect(none.extensions).toContain('client_no_context_takeover');
      expect(difference(none.received)).toBe(-1);
    },
  );

  it.each(WINDOWS)('gets them back with windows of %d bits', async (bits) => {
    const url = await startOurs(true);
    const asked = await echoesOfWs(url, {
      serverMaxWindowBits: bits,
      clientMaxWindowBits: bits,
      threshold: 0,
    });
    expect(asked.extensions).toContain(`server_max_window_bits=${bits}`);
    expect(difference(asked.received)).toBe(-1);
    const told = await startOurs({ windowBits: bits, peerWindowBits: bits, threshold: 0 });
    expect(difference((await echoesOfWs(told, true)).received)).toBe(-1);
  });
});

describe('ws as a server', () => {
  it.each(ENGINES)(
    'sends a thousand messages back, with takeover and without (keepContexts: %s)',
    async (keepContexts) => {
      const url = await startWs(true);
      expect(difference(await echoesOfOurs(url, { deflate: { keepContexts } }))).toBe(-1);
      const deflate = { keepContexts, contextTakeover: false, peerContextTakeover: false };
      expect(difference(await echoesOfOurs(url, { deflate }))).toBe(-1);
      const strict = await startWs({
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
      });
      expect(difference(await echoesOfOurs(strict, { deflate: { keepContexts } }))).toBe(-1);
    },
  );

  it.each(WINDOWS)('sends them back with windows of %d bits', async (bits) => {
    const url = await startWs(true);
    const deflate = { windowBits: bits, peerWindowBits: bits, threshold: 0 };
    expect(difference(await echoesOfOurs(url, { deflate }))).toBe(-1);
    const strict = await startWs({
      serverMaxWindowBits: bits,
      clientMaxWindowBits: bits,
      threshold: 0,
    });
    expect(difference(await echoesOfOurs(strict, { deflate: true }))).toBe(-1);
  });

  it('accepts the second of our offers where the first is not for it', async () => {
    const url = await startWs({ clientMaxWindowBits: 10 });
    // ws declines a client whose window is larger than its limit and cannot be told.
    const socket = await connect(url, { deflate: [{ windowBits: 12 }, { windowBits: 10 }] });
    expect(socket.extensions).toContain('client_max_window_bits=10');
    await socket.close();
  });
});

describe.each(ALL)('$name as a client of the echo server with --deflate', ({ start }: Peer) => {
  let url: string;

  beforeAll(async () => {
    const echo = await ServerProcess.echo('--deflate');
    ({ url } = echo);
    return () => echo.stop();
  });

  it('agrees on permessage-deflate, and gets a thousand messages back', async () => {
    const driver = start();
    onTestFinished(() => driver.stop());
    const opened = await driver.open(url);
    expect(extensionsOf(opened)).toContain(NAME);
    const received: (string | Buffer)[] = [];
    // Ten are under way at a time: each end has messages that wait for those before.
    for (let at = 0; at < THOUSAND.length; at += 10) {
      const some = THOUSAND.slice(at, at + 10);
      for (const message of some) await driver.send(message);
      for (const sent of some) {
        const message = await driver.receive();
        if (typeof message !== 'string' && !Buffer.isBuffer(message)) {
          throw new Error(`closed with ${message[0]} in place of ${sent.length} bytes`);
        }
        received.push(message);
      }
    }
    expect(difference(received)).toBe(-1);
    expect((await driver.close(1000, ''))[0]).toBe(1000);
  });
});

describe.each(HOSTS)('$name as a server', (kind) => {
  it.each<[string, DeflateOptions]>([
    ['takeover', {}],
    ['none', { contextTakeover: false, peerContextTakeover: false }],
    ['windows of 9 and 12 bits', { windowBits: 9, peerWindowBits: 12, threshold: 0 }],
    ['public functions', { keepContexts: false }],
  ])(
    'agrees on permessage-deflate, and sends a thousand messages back: %s',
    async (_name, deflate) => {
      const host = await kind.start();
      onTestFinished(() => host.stop());
      const socket = await connect(`${host.url}/extensions`, { deflate });
      expect(socket.extensions).toContain(NAME);
      await socket.close();
      expect(difference(await echoesOfOurs(`${host.url}/thousand`, { deflate }))).toBe(-1);
    },
  );
});

const OWN_OF_NODE: unknown = Reflect.get(globalThis, 'WebSocket');

describe.each([
  ['Chromium', () => openChromium()],
  ['undici', () => openHere(undici.WebSocket)],
  ...(OWN_OF_NODE === undefined
    ? []
    : [['Node', () => openHere(OWN_OF_NODE)] as const satisfies readonly unknown[]]),
] as const)('a page of %s', (_name, openPage) => {
  it.each<[DeflateOptions, string]>([
    [{}, NAME],
    [{ contextTakeover: false }, `${NAME}; server_no_context_takeover`],
    [{ keepContexts: false, threshold: 0 }, NAME],
  ])(
    'with a server of %j sees "%s", and gets its texts and arrays back',
    async (deflate, extensions) => {
      const url = await startOurs(deflate);
      const page = await openPage();
      onTestFinished(() => page.stop());
      expect(await page.call('describe', { url })).toMatchObject({ readyState: 1, extensions });
      const texts = [
        ...THOUSAND.filter((message) => typeof message === 'string').slice(0, 300),
        prose(512 * 1024, 1),
        'x'.repeat(1024 * 1024),
        '',
      ];
      expect(await page.call('echoTexts', { url, texts })).toEqual(texts);
      const sizes = [0, 1, 1023, 1024, 16_384, 16_385, 65_536, 1024 * 1024];
      expect(await page.call('echoArrays', { url, sizes })).toEqual(sizes);
      expect(await page.call('close', { url, args: [1000] })).toMatchObject({ wasClean: true });
    },
  );
});
