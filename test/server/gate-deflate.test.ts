import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { DeflateOptions } from '../../src/extension/deflate-options.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';
import { askFor, endWithTest, listenLocally } from '../support/joined-peer.ts';

const NAME = 'permessage-deflate';

/** The extensions in the answer to an offer (of several fields, perhaps), which must be a 101. */
async function answerTo(
  port: number,
  offer: string | readonly string[],
  path: string = '/',
): Promise<string[]> {
  const peer = await RawPeer.connect(port);
  const head = await askFor(peer, path, { 'Sec-WebSocket-Extensions': offer });
  expect(head.status).toBe(101);
  peer.transport.destroy();
  return head.getAll('sec-websocket-extensions');
}

async function start(deflate: boolean | DeflateOptions | undefined): Promise<number> {
  return await listenLocally(new WebSocketServer({ deflate }));
}

describe('a server with permessage-deflate', () => {
  it.each([
    // Of section 7.1, what must be declined.
    ...['server_max_window_bits', 'client_max_window_bits'].flatMap((name) =>
      ['=7', '=16', '=0', '=08', '=+9', '=-9', '=9.0', '=1e1', '=0x9', '=nine', '="09"'].map(
        (value) => `${name}${value}`,
      ),
    ),
    'server_max_window_bits',
    'server_no_context_takeover=1',
    'server_no_context_takeover=true',
    'server_no_context_takeover="0"',
    'client_no_context_takeover=0',
    'client_no_context_takeover="true"',
    'server_no_context_takeover; server_no_context_takeover',
    'client_no_context_takeover; client_no_context_takeover',
    'server_max_window_bits=10; server_max_window_bits=10',
    'client_max_window_bits; client_max_window_bits=10',
    'x',
    'x=1',
    'window_bits=10',
    'Server_max_window_bits=10',
    'SERVER_NO_CONTEXT_TAKEOVER',
    'constructor',
    '__proto__',
    '__proto__=9',
    'toString',
    'hasOwnProperty=9',
    'server_no_context_takeover; client_no_context_takeover; x',
  ])('declines an offer with %s, and opens without it', async (parameters) => {
    const port = await start(true);
    expect(await answerTo(port, `${NAME}; ${parameters}`)).toEqual([]);
    // It may go on to the next offer: of the same field, or of another.
    expect(await answerTo(port, `${NAME}; ${parameters}, ${NAME}`)).toEqual([NAME]);
    expect(await answerTo(port, [`${NAME}; ${parameters}`, NAME])).toEqual([NAME]);
  });

  it.each([
    'x-webkit-deflate-frame',
    'permessage-bzip2',
    'Permessage-Deflate',
    'permessage-deflate2',
    'deflate-frame; permessage-deflate',
    'constructor',
    '__proto__',
  ])('knows no extension %s', async (offer) => {
    expect(await answerTo(await start(true), offer)).toEqual([]);
  });

  it.each([
    ['', ''],
    ['; server_no_context_takeover', '; server_no_context_takeover'],
    ['; client_no_context_takeover', '; client_no_context_takeover'],
    ['; server_max_window_bits=10', '; server_max_window_bits=10'],
    ['; server_max_window_bits="10"', '; server_max_window_bits=10'],
    ['; server_max_window_bits=15', '; server_max_window_bits=15'],
    ['; server_max_window_bits=8', '; server_max_window_bits=8'],
    ['; client_max_window_bits', ''],
    ['; client_max_window_bits=15', ''],
    ['; client_max_window_bits=10', '; client_max_window_bits=10'],
    ['; client_max_window_bits=8', '; client_max_window_bits=8'],
    [
      '; client_max_window_bits=9;server_max_window_bits=11 ;client_no_context_takeover; server_no_context_takeover',
      '; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11; client_max_window_bits=9',
    ],
  ])('answers "%s" with "%s"', async (offered, answered) => {
    const port = await start(true);
    expect(await answerTo(port, NAME + offered)).toEqual([NAME + answered]);
  });

  it.each<[DeflateOptions, string, string]>([
    [{ contextTakeover: false }, '', '; server_no_context_takeover'],
    [{ peerContextTakeover: false }, '', '; client_no_context_takeover'],
    [{ windowBits: 11 }, '', '; server_max_window_bits=11'],
    [{ windowBits: 11 }, '; server_max_window_bits=10', '; server_max_window_bits=10'],
    [{ windowBits: 11 }, '; server_max_window_bits=12', '; server_max_window_bits=11'],
    // "MUST NOT" where the client has not said that it knows it: section 7.1.2.2.
    [{ peerWindowBits: 10 }, '', ''],
    [{ peerWindowBits: 10 }, '; client_max_window_bits', '; client_max_window_bits=10'],
    [{ peerWindowBits: 10 }, '; client_max_window_bits=9', '; client_max_window_bits=9'],
    [{ peerWindowBits: 10 }, '; client_max_window_bits=12', '; client_max_window_bits=10'],
  ])('with %j answers "%s" with "%s"', async (deflate, offered, answered) => {
    const port = await start(deflate);
    expect(await answerTo(port, NAME + offered)).toEqual([NAME + answered]);
  });

  it('accepts one offer: the first that is valid, and none of other extensions', async () => {
    const port = await start(true);
    const offers = [
      'x-other; y=1',
      `${NAME}; x`,
      `${NAME}; server_max_window_bits=12`,
      `${NAME}; server_no_context_takeover`,
      NAME,
    ];
    const answer = [`${NAME}; server_max_window_bits=12`];
    expect(await answerTo(port, offers.join(', '))).toEqual(answer);
    expect(await answerTo(port, offers)).toEqual(answer);
  });

  it.each([
    `${NAME};`,
    `${NAME}; =9`,
    `${NAME}; a=`,
    `; ${NAME}`,
    `${NAME} server`,
    `"${NAME}"`,
    `${NAME}; server_max_window_bits=""`,
  ])('refuses what is no list of extensions: %s', async (offer) => {
    const peer = await RawPeer.connect(await start(true));
    const head = await askFor(peer, '/', { 'Sec-WebSocket-Extensions': offer });
    expect(head.status).toBe(400);
  });

  it('tells the socket and the request what was offered and agreed on', async () => {
    const server = new WebSocketServer({ deflate: true });
    const port = await listenLocally(server);
    const opened = new Promise<unknown[]>((resolve) => {
      server.once('connection', (socket, request) => {
        resolve([socket.extensions, request.extensions]);
      });
    });
    const offer = `${NAME}; server_no_context_takeover; client_max_window_bits`;
    await answerTo(port, offer);
    expect(await opened).toEqual([
      `${NAME}; server_no_context_takeover`,
      [
        {
          name: NAME,
          parameters: [
            ['server_no_context_takeover', true],
            ['client_max_window_bits', true],
          ],
        },
      ],
    ]);
  });

  it('leaves the answer to itself: no hook may write the field', async () => {
    const server = new WebSocketServer({ deflate: true });
    const errors: Error[] = [];
    server.on('error', (error) => errors.push(error));
    server.on('headers', (headers) => headers.push(['Sec-WebSocket-Extensions', NAME]));
    const port = await listenLocally(server);
    const peer = await RawPeer.connect(port);
    expect((await askFor(peer, '/')).status).toBe(500);
    expect(errors).toHaveLength(1);
  });
});

describe('a server without permessage-deflate', () => {
  it.each([undefined, false])('accepts no offer: %s', async (deflate) => {
    const port = await start(deflate);
    expect(await answerTo(port, NAME)).toEqual([]);
    expect(await answerTo(port, `${NAME}; client_max_window_bits`)).toEqual([]);
  });
});

describe('a route', () => {
  it('may have its own options, or none, beside those of its server', async () => {
    const server = new WebSocketServer({ deflate: { windowBits: 11 } });
    server.route('/inherits', {});
    server.route('/without', { deflate: false });
    server.route('/other', { deflate: { contextTakeover: false } });
    server.route('/default', { deflate: true });
    const port = await listenLocally(server);
    expect(await answerTo(port, NAME, '/inherits')).toEqual([`${NAME}; server_max_window_bits=11`]);
    expect(await answerTo(port, NAME, '/without')).toEqual([]);
    expect(await answerTo(port, NAME, '/other')).toEqual([`${NAME}; server_no_context_takeover`]);
    expect(await answerTo(port, NAME, '/default')).toEqual([NAME]);

    const plain = new WebSocketServer();
    plain.route('/with', { deflate: true });
    plain.route('/without', {});
    const plainPort = await listenLocally(plain);
    expect(await answerTo(plainPort, NAME, '/with')).toEqual([NAME]);
    expect(await answerTo(plainPort, NAME, '/without')).toEqual([]);
  });

  it.each([
    [{ level: 0 }, RangeError],
    [{ level: 10 }, RangeError],
    [{ windowBits: 8 }, RangeError],
    [{ windowBits: 16 }, RangeError],
    [{ threshold: -1 }, RangeError],
    [{ memoryLevel: '8' }, TypeError],
    [{ takeover: false }, TypeError],
    ['yes', TypeError],
    [1, TypeError],
  ])('refuses %j at once, as its server does', (deflate, error) => {
    const server = new WebSocketServer();
    // @ts-expect-error: the types are wrong on purpose.
    expect(() => server.route('/', { deflate })).toThrow(error);
    // @ts-expect-error: here too.
    expect(() => new WebSocketServer({ deflate })).toThrow(error);
  });
});

describe('a transport that was handed over', () => {
  it('negotiates as any other', async () => {
    const server = endWithTest(new WebSocketServer({ deflate: true }));
    const http = createServer();
    const opened = new Promise<string>((resolve, reject) => {
      http.on('upgrade', (request, transport, head) => {
        server
          .handleUpgrade(request, transport, head)
          .then((socket) => resolve(socket.extensions), reject);
      });
    });
    const peer = await RawPeer.connect(await listenOn(http));
    await peer.write(
      rawRequest({ 'Sec-WebSocket-Extensions': `${NAME}; server_max_window_bits=9` }),
    );
    expect(await opened).toBe(`${NAME}; server_max_window_bits=9`);
    const head = await peer.readHead();
    expect(head.getAll('sec-websocket-extensions')).toEqual([await opened]);
  });
});
