/** What hostile clients ask for, from the advisories of other servers. */
import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseExtensions } from '../../src/handshake/extensions-header.ts';
import { RequestHeadParser } from '../../src/handshake/http1.ts';
import { parseSubprotocols } from '../../src/handshake/subprotocol.ts';
import { refuse } from '../../src/server/route.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { nextAccepted } from '../support/accepted.ts';
import { ask, statusOf, withLine } from '../support/ask.ts';
import { measureByteWork } from '../support/byte-work.ts';
import { maskedFrame } from '../support/bytes.ts';
import { endWithTest, join, listenLocally, statusAt } from '../support/joined-peer.ts';
import { startServer } from '../support/open-pair.ts';
import { RawHead, rawRequest } from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';

/** Names that an object without a prototype does not have. */
const INHERITED = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf'] as const;

/** So long that more than one pass for each character would outlast every test. */
const LONG = 4_000_000;

describe('names that stand on Object.prototype', () => {
  it.each(INHERITED)(
    'GHSA-5v72-xg48-5rpm, ws: %s is an extension and a subprotocol that nobody knows',
    async (name) => {
      const { head } = await ask(
        rawRequest({
          'Sec-WebSocket-Extensions': `${name}, ${name}; ${name}=1`,
          'Sec-WebSocket-Protocol': name,
        }),
        { deflate: true, subprotocols: ['chat'] },
      );
      expect(head.status).toBe(101);
      expect(head.getAll('sec-websocket-extensions')).toEqual([]);
      expect(head.getAll('sec-websocket-protocol')).toEqual([]);
    },
  );

  it.each(INHERITED)(
    'GHSA-5v72-xg48-5rpm, ws: %s is a parameter of permessage-deflate that there is not',
    async (name) => {
      const offer = `permessage-deflate; ${name}, permessage-deflate; server_no_context_takeover`;
      const { head } = await ask(rawRequest({ 'Sec-WebSocket-Extensions': offer }), {
        deflate: true,
      });
      expect(head.getAll('sec-websocket-extensions')).toEqual([
        'permessage-deflate; server_no_context_takeover',
      ]);
    },
  );

  it.each(INHERITED)(
    'prototype names: %s is a field, a cookie and a path like any other',
    async (name) => {
      const server = new WebSocketServer();
      server.route('/:name', {
        open: (socket) => {
          const { params, request } = socket;
          socket.send(
            JSON.stringify([params.name, request.cookies[name], String(request.headers[name])]),
          );
        },
      });
      const peer = await join(await listenLocally(server), `/${name}`, {
        [`X-${name}`]: 'x',
        Cookie: `${name}=eaten`,
      });
      const [frame] = await peer.readFrames(1);
      expect(JSON.parse(frame!.payload.toString())).toEqual([name, 'eaten', 'undefined']);
    },
  );
});

describe('heads that are long to read', () => {
  it('CVE-2021-32640, ws: a Sec-WebSocket-Protocol of white space is read once', () => {
    expect(parseSubprotocols([`a${' '.repeat(LONG)}b`])).toBeNull();
    expect(parseSubprotocols([`a${' '.repeat(LONG)},${'\t'.repeat(LONG)}b`])).toEqual(['a', 'b']);
    expect(parseSubprotocols([' ,'.repeat(LONG / 2)])).toBeNull();
  });

  it.each([
    ['CVE-2020-7662', '"'],
    ['CVE-2020-7663', "'"],
  ])('%s, websocket-extensions: a quoted string that never ends is read once', (_id, quote) => {
    const backslashes = '\\c'.repeat(LONG / 2);
    expect(parseExtensions([`a; b=${quote}${backslashes}`])).toBeNull();
    expect(parseExtensions([`a; b="${backslashes}"`])?.[0]?.name).toBe('a');
  });

  it('CVE-2020-7662, websocket-extensions: such a request is answered with 400', async () => {
    const value = `a; b="${'\\c'.repeat(7_000)}`;
    expect(await statusOf(rawRequest({ 'Sec-WebSocket-Extensions': value }))).toBe(400);
  });

  it('CVE-2023-43669, tungstenite: a head that comes byte by byte is read once, and not for ever', () => {
    const parser = new RequestHeadParser({
      maxHeadSize: LONG,
      maxHeaderFields: 100,
      maxTargetSize: 100,
    });
    const bytes = Buffer.from(`GET / HTTP/1.1\r\nX: ${'x'.repeat(50_000)}`);
    const work = measureByteWork(() => {
      for (const byte of bytes) parser.push(Buffer.of(byte));
    });
    expect(parser.head).toBeNull();
    expect(work.searched).toBeLessThan(4 * bytes.length);
    expect(work.decoded).toBeLessThan(4 * bytes.length);
    expect(work.copied).toBeLessThan(8 * bytes.length);
  });

  it.each([
    ['an endless target', `GET /${'a'.repeat(20_000)}`, 414],
    ['an endless field', `GET / HTTP/1.1\r\nX: ${'a'.repeat(20_000)}`, 431],
    ['an endless name', `GET / HTTP/1.1\r\n${'a'.repeat(20_000)}`, 431],
    ['101 fields', rawRequest({ X: Array.from({ length: 96 }, () => '') }), 431],
  ])(
    'CVE-2023-43669, large head: %s is refused before it has an end',
    async (_what, head, status) => {
      expect(await statusOf(head)).toBe(status);
    },
  );
});

describe('fields that are missing', () => {
  it('CVE-2024-37890, ws: more fields than are read get 431, wherever Upgrade stands', async () => {
    const many = Array.from({ length: 2_000 }, () => '');
    expect(await statusOf(rawRequest({ X: many }))).toBe(431);
    const upgradeLast = rawRequest({ Upgrade: null, X: many }).replace(
      /\r\n\r\n$/,
      '\r\nUpgrade: websocket\r\n\r\n',
    );
    expect(await statusOf(upgradeLast)).toBe(431);
  });

  it('CVE-2024-37890, ws: Upgrade is found where an http server keeps one field alone, and is missed behind too many', async () => {
    const http = createServer();
    http.maxHeadersCount = 1;
    endWithTest(new WebSocketServer({ server: http }));
    const port = await listenOn(http);
    onTestFinished(() => http.closeAllConnections());
    const fields = Object.fromEntries(Array.from({ length: 2_500 }, (_, i) => [`${i}`, '']));
    // The newer ones of Node refuse by themselves what has more fields than that.
    const few = await statusAt(port, '/');
    expect([101, 431]).toContain(few);
    // So many that Node does not read what stands behind them. (Integers come first in an object.)
    expect(await statusAt(port, '/', fields)).toBe(few === 101 ? 426 : 431);
    expect(await statusAt(port, '/')).toBe(few);
  });

  it.each(['Host', 'Upgrade', 'Connection', 'Sec-WebSocket-Key', 'Sec-WebSocket-Version'])(
    'CVE-2024-37890, ws: a request without %s is answered with 4xx',
    async (name) => {
      expect(Math.floor((await statusOf(rawRequest({ [name]: null }))) / 100)).toBe(4);
    },
  );
});

describe('bytes that are not ASCII', () => {
  it.each(['chat\xff', '\x80', 'ch\xe4t', 'a,\xa0b'])(
    'Granian, non-ASCII subprotocol: %j is answered with 400',
    async (protocol) => {
      expect(await statusOf(rawRequest({ 'Sec-WebSocket-Protocol': protocol }))).toBe(400);
    },
  );
});

describe('other versions of the protocol', () => {
  it.each(['8', '7', '0', '12', '14', '256', '13.0', ''])(
    'CVE-2026-54466, websocket-driver: version %j is answered with 426 and 13',
    async (version) => {
      const { head } = await ask(rawRequest({ 'Sec-WebSocket-Version': version }));
      expect([head.status, head.getAll('sec-websocket-version')]).toEqual([426, ['13']]);
    },
  );

  it('CVE-2026-54466, websocket-driver: a handshake of draft 76 is refused, and its body not read', async () => {
    const draft = rawRequest({
      'Sec-WebSocket-Key': null,
      'Sec-WebSocket-Version': null,
      'Sec-WebSocket-Key1': '4 @1  46546xW%0l 1 5',
      'Sec-WebSocket-Key2': '12998 5 Y3 1  .P00',
    });
    expect(await statusOf(`${draft}^n:ds[4U\x00late\xff`)).toBe(426);
  });
});

describe('a second request on the same connection', () => {
  const SECOND = 'GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n';

  it.each([
    ['of another version', rawRequest({ 'Sec-WebSocket-Version': '7' }), 426],
    ['without a key', rawRequest({ 'Sec-WebSocket-Key': null }), 400],
    ['of a foreign origin', rawRequest({ Origin: 'https://evil.example' }), 403],
  ])(
    'GHSA-mfx4-hv73-q22v, smuggling: behind an upgrade %s is not read, and the connection ends',
    async (_what, request, status) => {
      const { port } = await startServer();
      const peer = await RawPeer.connect(port);
      await peer.write(request + SECOND);
      const all = (await peer.readToEnd()).toString();
      const head = new RawHead(all);
      expect(head.status).toBe(status);
      expect(head.getAll('connection').join().split(', ')).toContain('close');
      expect(all.split('HTTP/1.1 ')).toHaveLength(2);
    },
  );

  it('GHSA-mfx4-hv73-q22v, smuggling: the same behind an http server', async () => {
    const paths: (string | undefined)[] = [];
    const http = createServer((request, response) => {
      paths.push(request.url);
      response.end();
    });
    endWithTest(new WebSocketServer({ server: http }));
    const peer = await RawPeer.connect(await listenOn(http));
    await peer.write(rawRequest({ 'Sec-WebSocket-Version': '7' }) + SECOND);
    expect((await peer.readToEnd()).toString().split('HTTP/1.1 ')).toHaveLength(2);
    expect(paths).toEqual([]);
  });

  it('pipelined bytes: behind an upgrade that is accepted it is no HTTP, but frames that are wrong', async () => {
    const { port, accepted } = await startServer();
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest() + SECOND);
    expect((await peer.readHead()).status).toBe(101);
    const [close] = await peer.readFrames(1);
    expect([close!.opcode, close!.payload.readUInt16BE()]).toEqual([8, 1002]);
    await accepted[0]!.log.until('error');
  });

  it('pipelined bytes: frames behind the request are messages, in their order', async () => {
    const { port, accepted } = await startServer();
    const peer = await RawPeer.connect(port);
    const frames = ['one', 'two', 'three'].map((payload) => maskedFrame({ payload }));
    await peer.write(Buffer.concat([Buffer.from(rawRequest()), ...frames]));
    expect((await peer.readHead()).status).toBe(101);
    await accepted[0]!.log.until('text three');
    expect(accepted[0]!.log.entries).toEqual(['text one', 'text two', 'text three']);
  });
});

describe('a body in the upgrade request', () => {
  it.each([
    ['CVE-2026-1525, undici', 'Content-Length: 0\r\nContent-Length: 5'],
    ['CVE-2026-1525, undici', 'Content-Length: 0, 5'],
    ['CVE-2026-1525, undici', 'Content-Length: 5\r\nTransfer-Encoding: chunked'],
    ['upgrade body', 'Content-Length: 5'],
    ['upgrade body', 'Content-Length: -1'],
    ['upgrade body', 'Content-Length: +0'],
    ['upgrade body', 'Transfer-Encoding: chunked'],
    ['upgrade body', 'Transfer-Encoding: identity'],
  ])('%s: %j is refused, and never read as frames', async (_id, lines) => {
    const { head } = await ask(withLine(lines) + 'hello');
    expect([head.status, head.getAll('connection')]).toEqual([400, ['close']]);
  });
});

describe('pages of others', () => {
  const cookie = { Cookie: 'session=valid', Host: 'app.example' };

  it('CVE-2025-24010, cross-site hijacking: a foreign Origin is refused by default, cookie or not', async () => {
    for (const Origin of [
      'https://evil.example',
      'null',
      'http://app.example.evil.example',
      'file://',
    ]) {
      expect(await statusOf(rawRequest({ ...cookie, Origin }))).toBe(403);
    }
    expect(await statusOf(rawRequest({ ...cookie, Origin: 'https://app.example' }))).toBe(101);
  });

  it('CVE-2025-24010, cross-site hijacking: a list lets in whom it names, to the letter', async () => {
    const origins = ['https://app.example'];
    const status = (Origin: string): Promise<number> =>
      statusOf(rawRequest({ ...cookie, Origin }), { origins });
    expect(await status('https://app.example')).toBe(101);
    expect(await status('https://app.example.evil.example')).toBe(403);
    expect(await status('https://evilapp.example')).toBe(403);
    expect(await status('http://app.example')).toBe(403);
    expect(await status('https://app.example:8443')).toBe(403);
  });

  it('CVE-2025-24010, cross-site hijacking: two Origins are refused', async () => {
    const two = ['https://app.example', 'https://evil.example'];
    expect(await statusOf(rawRequest({ ...cookie, Origin: two }))).not.toBe(101);
  });

  it('DNS rebinding: a Host that is not on the list gets 421', async () => {
    const hosts = ['localhost', '127.0.0.1'];
    const status = (Host: string): Promise<number> =>
      statusOf(rawRequest({ Host, Origin: `http://${Host}` }), { hosts });
    expect(await status('evil.example')).toBe(421);
    expect(await status('localhost.evil.example')).toBe(421);
    expect(await status('localhost')).toBe(101);
  });
});

describe('an application that refuses', () => {
  it.each([
    ['at once', () => refuse(401)],
    [
      'later',
      () =>
        new Promise<ReturnType<typeof refuse>>((resolve) =>
          setImmediate(() => resolve(refuse(401))),
        ),
    ],
    [
      'by a mistake',
      () => {
        throw new Error('a mistake');
      },
    ],
    ['by a mistake, later', () => Promise.reject(new Error('a mistake'))],
  ])(
    'CVE-2025-11677, libwebsockets: %s, does so to a peer that resets as well',
    async (_when, upgrade) => {
      const server = new WebSocketServer({ maxPendingUpgrades: 1 });
      server.on('error', () => {});
      server.route('/refused', { upgrade });
      server.route('/', {});
      const port = await listenLocally(server);
      for (let i = 0; i < 10; i++) {
        const accepting = nextAccepted();
        const peer = await RawPeer.connect(port);
        const near = await accepting;
        const gone = new Promise<void>((resolve) => {
          near.once('close', () => resolve());
        });
        await peer.write(rawRequest({}, 'GET /refused HTTP/1.1') + 'more');
        if (i % 2 === 0) await peer.readHead();
        peer.reset();
        await gone;
      }
      // The one slot is free again: nothing of them is left.
      const peer = await RawPeer.connect(port);
      await peer.write(rawRequest());
      expect((await peer.readHead()).status).toBe(101);
      expect(server.sockets.size).toBe(1);
    },
  );
});
