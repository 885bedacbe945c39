/** RFC 9110, as far as an opening handshake needs it. (RFC 9112 is http1.test.ts.) */
import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { acceptResponse, readRequest, refusalResponse } from '../../src/handshake/accept.ts';
import { RequestHeadParser, ResponseHeadParser } from '../../src/handshake/http1.ts';
import { type OfferOptions, createOffer } from '../../src/handshake/offer.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { ask, statusOf, withLine } from '../support/ask.ts';
import { follow, startServer } from '../support/open-pair.ts';
import { RawHead, SAMPLE_ACCEPT, rawRequest, rawResponse } from '../support/raw-http.ts';
import { RawListener, RawPeer, listenOn } from '../support/raw-peer.ts';
import { connectThinly } from '../support/thin-client.ts';

function offering(options: OfferOptions): () => void {
  return () => void createOffer(new URL('ws://h'), options);
}

/** All bytes that no field value may hold: controls, but for the tab. */
const CONTROLS = [...Array.from({ length: 32 }, (_, code) => code), 0x7f]
  .filter((code) => code !== 0x09)
  .map((code) => String.fromCharCode(code));

describe('RFC 9110', () => {
  it('9110-5.5-01 server: refuses a field value with a control character', async () => {
    const statuses = CONTROLS.map(async (control) => await statusOf(withLine(`X: a${control}b`)));
    expect(await Promise.all(statuses)).toEqual(CONTROLS.map(() => 400));
    // Around the value too, where white space may stand.
    expect(await statusOf(withLine('X: a\0'))).toBe(400);
    expect(await statusOf(withLine('X: \ra'))).toBe(400);
    expect(await statusOf(withLine('X: a\tb \x80\xff'))).toBe(101);
  });

  it('9110-5.5-01 server: refuses to send a field value with a control character', () => {
    const parser = new RequestHeadParser();
    parser.push(Buffer.from(rawRequest()));
    const request = readRequest(parser.head!);
    for (const control of CONTROLS) {
      for (const headers of [{ 'X-A': `a${control}b` }, [['X-A', control]] as const]) {
        expect(() => acceptResponse(request, { headers })).toThrow(TypeError);
        expect(() => refusalResponse({ status: 401, headers })).toThrow(TypeError);
      }
    }
    expect(() => acceptResponse(request, { headers: { 'X\r\nY': 'a' } })).toThrow(TypeError);
    expect(() => acceptResponse(request, { headers: { 'X-A': '\u{100}' } })).toThrow(TypeError);
  });

  it('9110-5.5-01 client: refuses to send a field value with a control character', () => {
    for (const control of CONTROLS) {
      const value = `b${control}c`;
      expect(offering({ headers: { a: value } })).toThrow(TypeError);
      expect(offering({ headers: [['a', value]] })).toThrow(TypeError);
      expect(offering({ headers: { a: ['b', value] } })).toThrow(TypeError);
      expect(offering({ headers: { host: value } })).toThrow(TypeError);
      expect(offering({ origin: value })).toThrow(TypeError);
      expect(offering({ headers: { [`a${control}`]: 'b' } })).toThrow(TypeError);
    }
    expect(offering({ headers: { a: 'b\tc \xff' } })).not.toThrow();
  });

  it('9110-5.5-01 client: fails on an answer whose field value has a control character', () => {
    for (const control of CONTROLS.filter((one) => one !== '\n')) {
      const offer = createOffer(new URL('ws://h'));
      const parser = new ResponseHeadParser();
      const response = Buffer.from(rawResponse(offer.key, { X: `a${control}b` }), 'latin1');
      expect(() => parser.push(response), JSON.stringify(control)).toThrow(
        expect.objectContaining({ name: 'HandshakeError' }),
      );
    }
  });

  it('9110-7.8-01 server: upgrades no HTTP/1.0 request', async () => {
    const { head } = await ask(rawRequest({}, 'GET / HTTP/1.0'));
    expect(head.status).toBeGreaterThanOrEqual(400);
    expect(head.getAll('upgrade')).toEqual([]);
    const keepAlive = rawRequest({ Connection: 'keep-alive, Upgrade' }, 'GET / HTTP/1.0');
    expect(await statusOf(keepAlive)).toBeGreaterThanOrEqual(400);
  });

  it('9110-7.8-02 server: names Upgrade in Connection wherever it sends Upgrade', async () => {
    const requests = [
      rawRequest(),
      rawRequest({ Upgrade: null }),
      rawRequest({ 'Sec-WebSocket-Version': '8' }),
    ];
    const answers = await Promise.all(requests.map(async (request) => await ask(request)));
    for (const { head } of answers) {
      expect(head.getAll('upgrade')).toEqual(['websocket']);
      expect(head.getAll('connection').join().toLowerCase().split(/[ ,]+/)).toContain('upgrade');
    }
    expect(answers.map(({ head }) => head.status)).toEqual([101, 426, 426]);
  });

  it('9110-7.8-02 client: names Upgrade in Connection beside its Upgrade', () => {
    const head = new RawHead(createOffer(new URL('wss://h')).request);
    expect(head.getAll('upgrade')).toEqual(['websocket']);
    expect(head.getAll('connection')).toEqual(['Upgrade']);
  });

  it('9110-7.8-03 client: has no body, so that its request is complete at its empty line', async () => {
    const listener = await RawListener.listen();
    const opening = connectThinly(`ws://127.0.0.1:${listener.port}/`);
    const peer = await listener.accept();
    const head = await peer.readHead();
    expect(head.getAll('content-length')).toEqual([]);
    expect(head.getAll('transfer-encoding')).toEqual([]);
    expect(peer.unread).toHaveLength(0);
    await peer.write(rawResponse(head.getAll('sec-websocket-key')[0]!));
    const { socket } = await opening;
    socket.send('after the answer');
    expect((await peer.readFrames(1))[0]!.payload.toString()).toBe('after the answer');
    for (const name of ['Content-Length', 'transfer-encoding']) {
      expect(() => createOffer(new URL('ws://h'), { headers: { [name]: '0' } })).toThrow(TypeError);
    }
  });

  it.each(['100-continue', '100-Continue', ' 100-CONTINUE '])(
    '9110-7.8-04 server: sends a 100 before the 101 where %j is expected',
    async (Expect) => {
      const { port } = await startServer();
      const peer = await RawPeer.connect(port);
      await peer.write(rawRequest({ Expect }));
      const interim = await peer.readHead();
      expect([interim.status, interim.fields]).toEqual([100, []]);
      const final = await peer.readHead();
      expect([final.status, final.getAll('sec-websocket-accept')]).toEqual([101, [SAMPLE_ACCEPT]]);
    },
  );

  it('9110-7.8-04 server: sends no 100 where it refuses, or where none is expected', async () => {
    const Expect = '100-continue';
    expect(await statusOf(rawRequest({ Expect, 'Sec-WebSocket-Key': null }))).toBe(400);
    expect(await statusOf(rawRequest({ Expect: '200-ok' }))).toBe(417);
    expect(await statusOf(rawRequest())).toBe(101);
  });

  it('9110-7.8-04 server: sends a 100 where another HTTP server has read the request, too', async () => {
    const server = new WebSocketServer();
    follow(server);
    const http = createServer();
    http.on('upgrade', (request, transport, head) => {
      void server.handleUpgrade(request, transport, head);
    });
    const peer = await RawPeer.connect(await listenOn(http));
    await peer.write(rawRequest({ Expect: '100-continue' }));
    expect((await peer.readHead()).status).toBe(100);
    expect((await peer.readHead()).status).toBe(101);
  });

  it.each(['h2c', 'TLS/1.0', 'h2c, TLS/1.3', 'IRC/6.9', 'web-socket'])(
    '9110-7.8-05 server: switches to nothing where the client names only %j',
    async (Upgrade) => {
      const { head } = await ask(rawRequest({ Upgrade }));
      expect(head.status).toBe(426);
      expect(head.getAll('sec-websocket-accept')).toEqual([]);
    },
  );

  it.each(['get', 'Get', 'gET', 'GEt'])(
    '9110-9.1-01 server: does not take %j for GET',
    async (method) => {
      const { head } = await ask(rawRequest({}, `${method} / HTTP/1.1`));
      expect(head.status).toBe(405);
      expect(head.getAll('allow')).toEqual(['GET']);
    },
  );

  it('9110-15.2.2-01 server: names websocket in the Upgrade field of its 101', async () => {
    const { head } = await ask(rawRequest({ Upgrade: 'h2c, WebSocket' }));
    expect(head.status).toBe(101);
    expect(head.getAll('upgrade')).toEqual(['websocket']);
  });

  it('9110-15.5.22-01 server: names websocket in the Upgrade field of every 426', async () => {
    const page = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
    for (const request of [page, rawRequest({ 'Sec-WebSocket-Version': '7' })]) {
      const { head } = await ask(request);
      expect(head.status).toBe(426);
      expect(head.getAll('upgrade')).toEqual(['websocket']);
    }
  });

  it('9110-15.5.22-01 server: names websocket in the Upgrade field of a 426 of the application', () => {
    const head = new RawHead(refusalResponse({ status: 426, headers: { 'X-Why': 'TLS only' } }));
    expect(head.getAll('upgrade')).toEqual(['websocket']);
    expect(head.getAll('connection').join().toLowerCase().split(/[ ,]+/)).toContain('upgrade');
    expect(head.getAll('x-why')).toEqual(['TLS only']);
  });
});
