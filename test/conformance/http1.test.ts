/** RFC 9112, as far as an opening handshake needs it. */
import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { WebSocketServer } from '../../src/server/server.ts';
import { ask, statusOf, withLine } from '../support/ask.ts';
import { maskedFrame } from '../support/bytes.ts';
import { follow, startServer } from '../support/open-pair.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';

/** A request line whose target has `size` bytes. */
function lineOf(size: number): string {
  return `GET /${'a'.repeat(size - 1)} HTTP/1.1`;
}

describe('lines', () => {
  it.each([
    ['in the request line', rawRequest({}, 'GET /\r HTTP/1.1')],
    ['at the end of the request line', rawRequest({}, 'GET / HTTP/1.1\r')],
    ['in a field name', withLine('X\rY: a')],
    ['in a field value', withLine('X: a\rSec-WebSocket-Key: b')],
    ['at the end of a field', withLine('X: a\r')],
    ['in place of line ends', rawRequest().replaceAll('\r\n', '\r').concat('\n')],
  ])('9112-2.2-01 server: refuses a CR that no LF follows, %s', async (_, request) => {
    expect(await statusOf(request)).toBe(400);
  });

  it.each([
    ['everywhere', rawRequest().replaceAll('\r\n', '\n')],
    ['behind the request line', rawRequest().replace('\r\n', '\n')],
    ['behind a field', rawRequest().replace('localhost\r\n', 'localhost\n')],
    ['behind the last field', rawRequest().replace(/\r\n\r\n$/, '\n\r\n')],
    ['at the end', rawRequest().replace(/\r\n$/, '\n')],
    ['before the request line', `\n${rawRequest()}`],
  ])('9112-2.2-02 server: is strict about LF without CR, %s', async (_, request) => {
    expect(await statusOf(request)).toBe(400);
  });

  it('9112-2.2-03 server: ignores empty lines before the request line', async () => {
    expect(await statusOf(`\r\n${rawRequest()}`)).toBe(101);
    expect(await statusOf(`\r\n\r\n\r\n${rawRequest()}`)).toBe(101);
    // Not without end.
    expect(await statusOf('\r\n'.repeat(9_000))).toBe(431);
  });

  it.each([
    ['a folded line', ' Host: localhost'],
    ['a tab', '\tX: a'],
    ['white space alone', ' '],
  ])('9112-2.2-04 server: refuses %s between request line and first field', async (_, line) => {
    expect(await statusOf(withLine(line))).toBe(400);
  });

  it('9112-3-01 server: takes a target of 8,000 bytes and more, and answers 414 beyond 8 KiB', async () => {
    const { head, accepted } = await ask(rawRequest({}, lineOf(8_000)));
    expect(head.status).toBe(101);
    expect(accepted[0]!.request.url).toHaveLength(8_000);
    expect(await statusOf(rawRequest({}, lineOf(8_192)))).toBe(101);
    expect(await statusOf(rawRequest({}, lineOf(8_193)))).toBe(414);
    expect(await statusOf(rawRequest({}, lineOf(100_000)))).toBe(414);
    expect(await statusOf(rawRequest({}, lineOf(11)), { maxTargetSize: 10 })).toBe(414);
  });

  it.each([
    'GET',
    'GET /',
    'GET  / HTTP/1.1',
    'GET /  HTTP/1.1',
    ' GET / HTTP/1.1',
    'GET / HTTP/1.1 ',
    'GET\t/\tHTTP/1.1',
    'GET / x HTTP/1.1',
    'GET / http/1.1',
    'GET / HTTP/1',
    'GET / HTTP/1.10',
    'GET / HTTP/11',
    'GET / HTTP /1.1',
    'GET HTTP/1.1',
    'G(T / HTTP/1.1',
    'GET /\x80 HTTP/1.1',
    'GET /\0 HTTP/1.1',
    'GET /\x7f HTTP/1.1',
    'GET / HTTP/1.1, HTTP/1.1',
    'GET chat HTTP/1.1',
    'GET * HTTP/1.1',
    'GET localhost:80 HTTP/1.1',
    'GET /#fragment HTTP/1.1',
    'GET http://localhost/#fragment HTTP/1.1',
    'GET ftp://localhost/ HTTP/1.1',
  ])('9112-3-02 server: answers the request line %j with 400', async (line) => {
    expect(await statusOf(rawRequest({}, line))).toBe(400);
  });
});

describe('Host and target', () => {
  it.each([
    [null],
    [''],
    [['localhost', 'localhost']],
    [['localhost', '']],
    ['local host'],
    ['localhost, localhost'],
    ['localhost/'],
    ['user@localhost'],
    ['http://localhost'],
    ['localhost:http'],
    ['localhost:80:80'],
    ['localhost?'],
    ['localhost#'],
    ['::1'],
    ['[::1'],
    ['[::1]80'],
    ['[]'],
    ['[g::1]'],
    ['[1]'],
    ['[:::]'],
    ['a\\b'],
    ['a"b'],
    ['a<b>'],
    ['\xfc'],
    ['a%'],
    ['a%zz'],
  ])('9112-3.2-01 server: answers the Host %j with 400', async (Host) => {
    expect(await statusOf(rawRequest({ Host }))).toBe(400);
  });

  it.each([
    ['http://example.com/chat?a=b', 'example.com', '/chat?a=b'],
    ['http://example.com', 'example.com', '/'],
    ['http://example.com?a=b', 'example.com', '/?a=b'],
    ['HTTP://example.com:8080/', 'example.com:8080', '/'],
    ['https://example.com/chat', 'example.com', '/chat'],
    ['ws://[::1]:80/chat', '[::1]:80', '/chat'],
  ])(
    '9112-3.2-02 server: takes the target %j, whose host goes before Host',
    async (target, host, path) => {
      const { head, accepted } = await ask(rawRequest({ Host: 'other' }, `GET ${target} HTTP/1.1`));
      expect(head.status).toBe(101);
      expect([accepted[0]!.request.host, accepted[0]!.request.url]).toEqual([host, path]);
    },
  );

  it('9112-3.2-02 server: holds path and Origin against the target, and not against Host', async () => {
    const changes = { Host: 'evil.example', Origin: 'http://localhost' };
    const line = 'GET http://localhost/chat?x HTTP/1.1';
    expect(await statusOf(rawRequest(changes, line), { path: '/chat' })).toBe(101);
    expect(await statusOf(rawRequest({ ...changes, Origin: 'http://evil.example' }, line))).toBe(
      403,
    );
  });

  it.each(['http://', 'http:///chat', 'http://user@localhost/', 'http://a b/', 'http://[::1/'])(
    '9112-3.2-02 server: refuses the target %j, which has no valid host',
    async (target) => {
      expect(await statusOf(rawRequest({}, `GET ${target} HTTP/1.1`))).toBe(400);
    },
  );
});

describe('fields', () => {
  it.each([
    'Host : localhost',
    'Host\t: localhost',
    'X : a',
    'X Y: a',
    ': a',
    'X',
    'X\x80: a',
    'X(: a',
  ])('9112-5.1-01 server: refuses the field line %j', async (line) => {
    expect(await statusOf(withLine(line))).toBe(400);
  });

  it.each([' b', '\tb', ' ', '\t', ' Host: localhost', ' : '])(
    '9112-5.2-01 server: refuses a field folded into the line %j',
    async (line) => {
      expect(await statusOf(withLine(`X: a\r\n${line}`))).toBe(400);
    },
  );

  it.each([
    [{ 'Content-Length': '0', 'Transfer-Encoding': 'chunked' }],
    [{ 'Transfer-Encoding': 'identity', 'Content-Length': '5' }],
    [{ 'Content-Length': ['5', '6'] }],
    [{ 'Content-Length': ['0', '5'] }],
    [{ 'Content-Length': '5, 6' }],
    [{ 'Content-Length': '0, 0x0' }],
    [{ 'Content-Length': '' }],
    [{ 'Content-Length': ',' }],
    [{ 'Content-Length': '-1' }],
    [{ 'Content-Length': '+0' }],
    [{ 'Content-Length': '0x0' }],
    [{ 'Content-Length': '0.0' }],
    [{ 'Content-Length': '1e1' }],
    [{ 'Content-Length': '0 0' }],
    [{ 'Content-Length': '\xb2' }],
  ])('9112-6-01 server: refuses %j, and closes', async (changes) => {
    const { head } = await ask(rawRequest(changes));
    expect(head.status).toBe(400);
    expect(head.getAll('connection')).toEqual(['close']);
  });

  const announced = [
    { 'Content-Length': '5' },
    { 'Content-Length': '7' },
    { 'Content-Length': ['7', '7'] },
    { 'Content-Length': '99999999999999999999999999' },
    { 'Transfer-Encoding': 'chunked' },
    { 'Transfer-Encoding': 'gzip, chunked' },
    { 'Transfer-Encoding': '' },
  ];

  it.each(announced)(
    '9112-6-02 server: reads no frame in a body announced by %j',
    async (changes) => {
      const body = maskedFrame({ payload: 'x' });
      const { head } = await ask(Buffer.concat([Buffer.from(rawRequest(changes)), body]));
      expect(head.status).toBe(400);
    },
  );

  it('9112-6-02 server: takes a body of no bytes for none', async () => {
    expect(await statusOf(rawRequest({ 'Content-Length': '0' }))).toBe(101);
  });

  it('9112-6-02 server: refuses a body that another HTTP server has left to it, too', async () => {
    const server = new WebSocketServer();
    const accepted = follow(server);
    const http = createServer();
    http.on('upgrade', (request, transport, head) => {
      void server.handleUpgrade(request, transport, head);
    });
    const port = await listenOn(http);
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest({ 'Content-Length': '7' }));
    await peer.write(maskedFrame({ payload: 'x' }));
    expect((await peer.readHead()).status).toBe(400);
    await peer.readToEnd();
    peer.end();
    await peer.closed();
    expect(accepted).toHaveLength(0);
  });
});

describe('the end after an error', () => {
  it('9112-9.6-01 server: ends its side behind the answer, and reads on until the client ends', async () => {
    const { port } = await startServer();
    const peer = await RawPeer.connect(port);
    const flood = Buffer.alloc(8 * 1024 * 1024, 'x');
    // It goes on while the answer comes, and arrives whole: nothing resets the connection.
    const sending = peer.write(Buffer.concat([Buffer.from(rawRequest({ Host: null })), flood]));
    const head = await peer.readHead();
    expect([head.status, head.getAll('connection')]).toEqual([400, ['close']]);
    const body = await peer.readToEnd();
    expect(body).toHaveLength(Number(head.getAll('content-length')[0]));
    await sending;
    peer.end();
    await peer.closed();
  });

  it('9112-9.6-01 server: answers a client that has ended its side already', async () => {
    const { port } = await startServer();
    const refused = await RawPeer.connect(port);
    refused.end(rawRequest({ Host: null }));
    const head = await refused.readHead();
    expect(head.status).toBe(400);
    expect(await refused.readToEnd()).toHaveLength(Number(head.getAll('content-length')[0]));
    await refused.closed();
    const accepted = await RawPeer.connect(port);
    accepted.end(rawRequest());
    expect((await accepted.readHead()).status).toBe(101);
    expect(await accepted.readToEnd()).toHaveLength(0);
    await accepted.closed();
  });

  it('9112-9.6-01 server: does not wait without end for a client that never ends', async () => {
    const { port } = await startServer({ closeTimeout: 50 });
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest({ Host: null }));
    await peer.readToEnd();
    // The server is gone: what is sent now is answered by a reset.
    await expect(
      (async () => {
        for (;;) {
          await peer.write(Buffer.alloc(64 * 1024));
          await new Promise(setImmediate);
        }
      })(),
    ).rejects.toThrow(/ECONNRESET|EPIPE/);
  });
});
