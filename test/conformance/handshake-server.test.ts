/** RFC 6455, section 4.2.1: what a server reads in the client's opening handshake. */
import { describe, expect, it } from 'vitest';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import { maskedFrame } from '../support/bytes.ts';
import { startServer } from '../support/open-pair.ts';
import { type FieldChanges, RawHead, SAMPLE_KEY, rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

/**
 * Sends one request to a server of its own, and reads the head of the answer. Where that is no
 * 101, reads up to the FIN that must follow; a reset would reject.
 */
async function ask(request: string, options: WebSocketServerOptions = {}): Promise<RawHead> {
  const { port, accepted } = await startServer(options);
  const peer = await RawPeer.connect(port);
  await peer.write(Buffer.from(request, 'latin1'));
  const head = await peer.readHead();
  const isOpen = head.status === 101;
  expect(accepted).toHaveLength(isOpen ? 1 : 0);
  if (isOpen) return head;
  const body = await peer.readToEnd();
  // RFC 9110, section 9.3.2: the answer to a HEAD is a head, which tells what the body would be.
  if (request.startsWith('HEAD ')) expect(body).toHaveLength(0);
  else expect(head.getAll('content-length')).toEqual([String(body.length)]);
  expect(head.getAll('connection').join()).toMatch(/\bclose$/);
  expect(head.getAll('sec-websocket-accept')).toEqual([]);
  return head;
}

async function statusOf(
  changes: FieldChanges,
  line?: string,
  options?: WebSocketServerOptions,
): Promise<number> {
  return (await ask(rawRequest(changes, line), options)).status;
}

describe('a request that does not fit', () => {
  it.each([
    ['another method', rawRequest({}, 'POST / HTTP/1.1'), 405],
    ['HTTP/1.0', rawRequest({}, 'GET / HTTP/1.0'), 505],
    ['no Host', rawRequest({ Host: null }), 400],
    ['no Upgrade', rawRequest({ Upgrade: null }), 426],
    ['no Connection', rawRequest({ Connection: null }), 400],
    ['no key', rawRequest({ 'Sec-WebSocket-Key': null }), 400],
    ['no version', rawRequest({ 'Sec-WebSocket-Version': null }), 426],
    ['a subprotocol that is no token', rawRequest({ 'Sec-WebSocket-Protocol': 'a b' }), 400],
    ['a subprotocol that stands twice', rawRequest({ 'Sec-WebSocket-Protocol': 'a, a' }), 400],
    ['malformed extensions', rawRequest({ 'Sec-WebSocket-Extensions': 'a;;b' }), 400],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 400],
  ])(
    '6455-4.2.1-01 server: answers %s with an HTTP error, and ends TCP',
    async (_, text, status) => {
      expect((await ask(text)).status).toBe(status);
    },
  );

  it.each([
    ['the first byte of TLS', '\x16\x03\x01', 400],
    ['a malformed request line', 'GET  / HTTP/1.1\r\n', 400],
    ['a malformed field', 'GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n', 400],
    ['a target without end', `GET /${'a'.repeat(9_000)}`, 414],
    ['a field without end', `GET / HTTP/1.1\r\nX: ${'a'.repeat(20_000)}`, 431],
  ])(
    '6455-4.2.1-01 server: answers %s at once, before the request ends',
    async (_, text, status) => {
      expect((await ask(text)).status).toBe(status);
    },
  );

  it('6455-4.2.1-01 server: reads nothing behind a request that it has refused', async () => {
    const { port, accepted } = await startServer();
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest({ 'Sec-WebSocket-Key': null }) + rawRequest());
    expect((await peer.readHead()).status).toBe(400);
    expect((await peer.readToEnd()).includes('HTTP/1.1')).toBe(false);
    expect(accepted).toHaveLength(0);
  });
});

describe('the request line', () => {
  it.each([
    ['POST / HTTP/1.1', 405],
    ['HEAD / HTTP/1.1', 405],
    ['OPTIONS / HTTP/1.1', 405],
    ['CONNECT / HTTP/1.1', 405],
    ['GETS / HTTP/1.1', 405],
    ['GET / HTTP/1.0', 505],
    ['GET / HTTP/0.9', 505],
    ['GET / HTTP/2.0', 505],
    ['GET / HTTP/3.0', 505],
    ['GET /', 400],
    ['GET / HTTPS/1.1', 400],
  ])('6455-4.2.1-02 server: refuses %j', async (line, status) => {
    expect(await statusOf({}, line)).toBe(status);
  });

  it.each(['GET / HTTP/1.1', 'GET /chat?a=b HTTP/1.1', 'GET / HTTP/1.2', 'GET / HTTP/1.9'])(
    '6455-4.2.1-02 server: accepts %j',
    async (line) => {
      expect(await statusOf({}, line)).toBe(101);
    },
  );
});

describe('the fields of the request', () => {
  it('6455-4.2.1-03 server: refuses a request without Host, or with an empty one', async () => {
    expect(await statusOf({ Host: null })).toBe(400);
    expect(await statusOf({ Host: '' })).toBe(400);
  });

  it.each(['localhost', 'example.com:8080', '127.0.0.1', '[::1]:80', 'EXAMPLE.com', 'a_b', 'h:'])(
    '6455-4.2.1-03 server: takes the Host %j',
    async (Host) => {
      expect(await statusOf({ Host })).toBe(101);
    },
  );

  it.each([
    'websocket',
    'WebSocket',
    'WEBSOCKET',
    'h2c, websocket',
    'websocket , h2c',
    '\twebsocket ',
  ])('6455-4.2.1-04 server: finds websocket in the Upgrade %j', async (Upgrade) => {
    expect(await statusOf({ Upgrade })).toBe(101);
  });

  it('6455-4.2.1-04 server: finds websocket in the second of two Upgrade fields', async () => {
    expect(await statusOf({ Upgrade: ['h2c', 'WebSocket'] })).toBe(101);
  });

  it.each([
    null,
    '',
    'h2c',
    'websocket2',
    'web socket',
    'xwebsocket',
    '"websocket"',
    'websocket;q=1',
  ])('6455-4.2.1-04 server: finds no websocket in the Upgrade %j', async (Upgrade) => {
    expect(await statusOf({ Upgrade })).toBe(426);
  });

  it.each(['Upgrade', 'upgrade', 'UPGRADE', 'keep-alive, Upgrade', 'Upgrade ,close', ',,upgrade'])(
    '6455-4.2.1-05 server: finds upgrade in the Connection %j',
    async (Connection) => {
      expect(await statusOf({ Connection })).toBe(101);
    },
  );

  it('6455-4.2.1-05 server: finds upgrade in the second of two Connection fields', async () => {
    expect(await statusOf({ Connection: ['keep-alive', 'Upgrade'] })).toBe(101);
  });

  it.each([
    null,
    '',
    'keep-alive',
    'close',
    'upgrades',
    'not-upgrade',
    'keep-alive Upgrade',
    '"upgrade"',
  ])('6455-4.2.1-05 server: finds no upgrade in the Connection %j', async (Connection) => {
    expect(await statusOf({ Connection })).toBe(400);
  });

  it.each([
    ['none', null],
    ['empty', ''],
    ['15 bytes', Buffer.alloc(15, 1).toString('base64')],
    ['17 bytes', Buffer.alloc(17, 1).toString('base64')],
    ['18 bytes', Buffer.alloc(18, 1).toString('base64')],
    ['32 bytes', Buffer.alloc(32, 1).toString('base64')],
    ['no padding', SAMPLE_KEY.slice(0, -2)],
    ['half the padding', SAMPLE_KEY.slice(0, -1)],
    ['too much padding', `${SAMPLE_KEY}=`],
    ['padding alone', '='.repeat(24)],
    ['the alphabet of URLs', 'dGhlIHNhbXBs-SBub2_jZQ=='],
    ['a space inside', 'dGhlIHNhbXBsZSB ub25jZQ=='],
    ['a sign that is none', 'dGhlIHNhbXBsZSBub25j*Q=='],
    ['quotes', `"${SAMPLE_KEY}"`],
    ['two in one field', `${SAMPLE_KEY}, ${SAMPLE_KEY}`],
  ])(
    '6455-4.2.1-06 server: refuses a key that is not the base64 of 16 bytes: %s',
    async (_, key) => {
      expect(await statusOf({ 'Sec-WebSocket-Key': key })).toBe(400);
    },
  );

  it.each([SAMPLE_KEY, 'AAAAAAAAAAAAAAAAAAAAAA==', '////////////////////+w==', ` ${SAMPLE_KEY}\t`])(
    '6455-4.2.1-06 server: takes the key %j',
    async (key) => {
      expect(await statusOf({ 'Sec-WebSocket-Key': key })).toBe(101);
    },
  );

  it.each([
    null,
    '',
    '0',
    '7',
    '8',
    '12',
    '14',
    '130',
    '013',
    '13.0',
    '+13',
    '13, 13',
    '8, 13',
    'x',
  ])('6455-4.2.1-07 server: refuses the version %j', async (version) => {
    expect(await statusOf({ 'Sec-WebSocket-Version': version })).toBe(426);
  });

  it('6455-4.2.1-07 server: takes version 13, whatever white space is around it', async () => {
    expect(await statusOf({ 'Sec-WebSocket-Version': ' 13\t' })).toBe(101);
  });

  it('6455-4.2.1-08 server: takes a request without Origin for one of no browser', async () => {
    expect(await statusOf({ Origin: null }, undefined, { origins: 'same-origin' })).toBe(101);
    expect(await statusOf({}, undefined, { origins: ['https://example.com'] })).toBe(101);
    const seen: unknown[] = [];
    const origins = (origin: string | undefined): boolean => {
      seen.push(origin);
      return false;
    };
    expect(await statusOf({}, undefined, { origins })).toBe(403);
    expect(seen).toEqual([undefined]);
  });

  it('6455-4.2.1-09 server: ignores what it does not know', async () => {
    const head = await ask(
      rawRequest({
        'Sec-WebSocket-Protocol': 'unheard-of',
        'Sec-WebSocket-Extensions': 'x-unknown; a; b="c", x-other; a=1; a=2',
        'Sec-WebSocket-Accept': 'nonsense',
        'Sec-WebSocket-Foo': 'bar',
        Cookie: ['a=1; b=2', 'c=3'],
        Pragma: 'no-cache',
        constructor: 'x',
        'X-Bytes': '\xff\x80',
        'X-Empty': '',
      }),
      { subprotocols: ['chat'] },
    );
    expect(head.status).toBe(101);
    expect(head.getAll('sec-websocket-protocol')).toEqual([]);
    expect(head.getAll('sec-websocket-extensions')).toEqual([]);
  });

  it('6455-4.2.1-09 server: hands what is optional on to the application', async () => {
    const { port, accepted } = await startServer({ origins: '*' });
    const peer = await RawPeer.connect(port);
    await peer.write(
      rawRequest({
        Origin: 'https://example.com',
        Cookie: 'sid=1',
        'Sec-WebSocket-Protocol': ['a, b', 'c'],
        'Sec-WebSocket-Extensions': 'x-a; n=1; flag',
      }),
    );
    await peer.readHead();
    const { request } = accepted[0]!;
    expect(request.origin).toBe('https://example.com');
    expect(request.headers['cookie']).toBe('sid=1');
    expect(request.cookies['sid']).toBe('1');
    expect(request.protocols).toEqual(['a', 'b', 'c']);
    expect(request.extensions).toEqual([
      {
        name: 'x-a',
        parameters: [
          ['n', '1'],
          ['flag', true],
        ],
      },
    ]);
  });
});

describe('the bytes of the request', () => {
  it('6455-4.2.1-01 server: reads a request however it is cut, and frames right behind it', async () => {
    const { port, accepted } = await startServer();
    const wire = Buffer.concat([Buffer.from(rawRequest()), maskedFrame({ payload: 'first' })]);
    const cuts = Array.from({ length: wire.length / 8 }, (_, i) => 8 * i + 1);
    await Promise.all(
      [...cuts, wire.length].map(async (cut) => {
        const peer = await RawPeer.connect(port);
        await peer.write(wire.subarray(0, cut));
        await peer.write(wire.subarray(cut));
        expect((await peer.readHead()).status).toBe(101);
      }),
    );
    const logs = accepted.map(({ log }) => log);
    expect(logs).toHaveLength(cuts.length + 1);
    await Promise.all(logs.map((log) => log.until('text first')));
  });
});
