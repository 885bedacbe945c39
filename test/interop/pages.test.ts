/** Our server with every `WebSocket` that there is: the same scripts as in a page, for each. */
import * as undici from 'undici';
import { WebSocket, WebSocketServer, refuse } from 'tautline';
import { beforeAll, describe, expect, it } from 'vitest';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { type Page, openChromium, openHere } from './page.ts';
import { BINARY_SIZES, CLOSES, HUNDRED, MAX_PAYLOAD, TEXTS, patternOf } from './samples.ts';

/** Ours, where it trusts the server of this test. */
class TrustingWebSocket extends WebSocket {
  constructor(url: string, protocols: string | string[] = []) {
    super(url, protocols, { tls: { ca: CERTIFICATE } });
  }
}

const OWN_OF_NODE: unknown = Reflect.get(globalThis, 'WebSocket');

/** The last is there from Node 22 on. */
const PAGES: readonly (readonly [name: string, open: () => Promise<Page>])[] = [
  ['Chromium', () => openChromium()],
  ['our own client', () => openHere(TrustingWebSocket)],
  ['undici', () => openHere(undici.WebSocket)],
  ...(OWN_OF_NODE === undefined
    ? []
    : [['Node', () => openHere(OWN_OF_NODE)] as const satisfies readonly unknown[]]),
];

let server: WebSocketServer;
let url: string;
let secure: WebSocketServer;
let secureUrl: string;
/** Of the connections to /said, in their order. */
const closes: unknown[] = [];

beforeAll(async () => {
  server = createServer();
  await server.listen(0, '127.0.0.1');
  url = `ws://127.0.0.1:${portOfServer(server)}`;
  secure = createServer();
  await secure.listen({ port: 0, host: '127.0.0.1', tls: { key: KEY, cert: CERTIFICATE } });
  secureUrl = `wss://127.0.0.1:${portOfServer(secure)}`;
  return async () => {
    await server.shutdown();
    await secure.shutdown();
  };
});

function portOfServer(listening: WebSocketServer): number {
  const address = listening.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return address.port;
}

function createServer(): WebSocketServer {
  const created = new WebSocketServer({ origins: '*', subprotocols: ['chat.v2', 'chat.v1'] });
  created.route('/echo', { message: (socket, message) => void socket.send(message) });
  created.route('/said', {
    message: (socket, message) => void socket.send(message),
    close: (_socket, ...how) => void closes.push(how),
  });
  created.route('/closes', {
    async open(socket) {
      socket.send('the last');
      closes.push(await socket.close(4321, 'genug für heute'));
    },
  });
  created.route('/leaves', {
    async open(socket) {
      socket.send('the last');
      await socket.flushed();
      socket.terminate();
    },
  });
  created.route('/pings', {
    async open(socket) {
      await Promise.all([socket.ping(), socket.ping(patternOf(125)), socket.ping('')]);
      socket.send('ponged');
      void socket.close(1000);
    },
  });
  created.route('/pieces', {
    open(socket) {
      void socket.send(pieces(['Kö', '', 'ln \ud83d', '\ude00']));
      void socket.send(pieces([patternOf(70_000), patternOf(0), patternOf(130_000)]));
      void socket.send(new Blob([patternOf(300_000)]));
      void socket.send([]);
      socket.send('behind them all');

      async function* pieces<Piece>(list: readonly Piece[]): AsyncGenerator<Piece> {
        for (const piece of list) {
          yield piece;
          void socket.ping();
          await new Promise(setImmediate);
        }
      }
    },
    message: (socket) => void socket.close(1000),
  });
  created.route('/cookies', {
    upgrade: ({ cookies }) => ({
      data: { seen: cookies['visit'] ?? 'none' },
      cookies: { visit: { value: 'the first', path: '/' } },
    }),
    open(socket) {
      socket.send(socket.data.seen);
      void socket.close(1000);
    },
  });
  created.route('/401', { upgrade: () => refuse(401) });
  return created;
}

/** A line of events.js about a message. */
function messageLine(what: string, origin: string = url): string {
  return `MessageEvent message: state 1, ${what} from ${origin}, "", true, 0 ports`;
}

const BEGIN = ['new: state 0, "", "", blob', 'Event open: state 1, "", ""'];

describe.each(PAGES)('%s', (_name, openPage) => {
  let page: Page;

  beforeAll(async () => {
    page = await openPage();
    return () => page.stop();
  });

  it('gets texts, arrays and Blobs back', async () => {
    const echo = `${url}/echo`;
    expect(await page.call('echoTexts', { url: echo, texts: TEXTS })).toEqual(TEXTS);
    expect(await page.call('echoTexts', { url: echo, texts: HUNDRED })).toEqual(HUNDRED);
    const sizes = [1, ...BINARY_SIZES];
    expect(await page.call('echoArrays', { url: echo, sizes })).toEqual(sizes);
    expect(await page.call('echoBlobs', { url: echo, sizes })).toEqual(sizes);
  });

  it('tells us its code and its reason, and gets the code back', async () => {
    for (const args of CLOSES) {
      closes.length = 0;
      expect(await page.call('close', { url: `${url}/said`, args })).toEqual({
        code: args[0],
        reason: '',
        wasClean: true,
      });
      await expect.poll(() => closes).toEqual([[...args, true]]);
    }
    closes.length = 0;
    expect(await page.call('close', { url: `${url}/said`, args: [] })).toEqual({
      code: 1005,
      reason: '',
      wasClean: true,
    });
    await expect.poll(() => closes).toEqual([[1005, '', true]]);
  });

  it('is told our code and our reason', async () => {
    closes.length = 0;
    expect(await page.call('watch', { url: `${url}/closes` })).toEqual([
      ...BEGIN,
      messageLine('the text "the last"'),
      'CloseEvent close: state 3, 4321 "genug für heute" clean',
    ]);
    await expect
      .poll(() => closes)
      .toEqual([expect.objectContaining({ code: 4321, wasClean: true })]);
  });

  it('sees 1006 where we leave without a Close', async () => {
    const seen = await page.call('watch', { url: `${url}/leaves` });
    expect(seen).toEqual(expect.arrayContaining([...BEGIN, messageLine('the text "the last"')]));
    expect(seen).toContain('CloseEvent close: state 3, 1006 "" unclean');
  });

  it('answers our Pings', async () => {
    expect(await page.call('watch', { url: `${url}/pings` })).toEqual([
      ...BEGIN,
      messageLine('the text "ponged"'),
      'CloseEvent close: state 3, 1000 "" clean',
    ]);
  });

  it('gets as messages what we send in pieces, with Pings between them', async () => {
    const seen = page.call('watchAndAnswer', { url: `${url}/pieces`, last: 'behind them all' });
    expect(await seen).toEqual([
      ...BEGIN,
      messageLine('the text "Köln 😀"'),
      messageLine('Blob of 200000'),
      messageLine('Blob of 300000'),
      messageLine('Blob of 0'),
      messageLine('the text "behind them all"'),
      'CloseEvent close: state 3, 1000 "" clean',
    ]);
  });

  it('agrees on the first of its subprotocols that is spoken here', async () => {
    const protocols = ['chat.v9', 'chat.v1', 'chat.v2'];
    expect(await page.call('watch', { url: `${url}/pings`, protocols })).toContain(
      'Event open: state 1, "chat.v1", ""',
    );
  });

  it('does not open where it is refused', async () => {
    // (`close` does not come everywhere: not in Node 22.)
    expect(await page.call('watchOpening', { url: `${url}/401` })).toEqual([
      BEGIN[0],
      // (undici's is a class of its own, and its state that of before in Node 22.)
      expect.stringMatching(/^(?:Error)?Event error: state [03]$/),
    ]);
  });

  it('is told why when a message is too large', async () => {
    const argument = { url: `${url}/echo`, size: MAX_PAYLOAD + 1 };
    expect(await page.call('sendTooMuch', argument)).toEqual({
      code: 1009,
      reason: expect.stringMatching(/RFC 6455/),
      wasClean: true,
    });
  });
});

describe('Chromium', () => {
  it('keeps the cookies that we set', async () => {
    const page = await openChromium();
    for (const seen of ['none', 'the first']) {
      expect(await page.call('watch', { url: `${url}/cookies` })).toContain(
        messageLine(`the text "${seen}"`),
      );
    }
    await page.stop();
  });
});

describe.each(PAGES.slice(0, 2))('%s over TLS', (_name, openPage) => {
  it('gets messages, and the Close', async () => {
    const page = await openPage();
    const sizes = [1, ...BINARY_SIZES];
    expect(await page.call('echoArrays', { url: `${secureUrl}/echo`, sizes })).toEqual(sizes);
    expect(await page.call('watch', { url: `${secureUrl}/closes` })).toEqual([
      ...BEGIN,
      messageLine('the text "the last"', secureUrl),
      'CloseEvent close: state 3, 4321 "genug für heute" clean',
    ]);
    await page.stop();
  });
});
