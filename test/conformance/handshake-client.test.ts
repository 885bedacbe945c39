/** RFC 6455, section 4.1: the request that a client sends. */
import { type IncomingMessage, createServer } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type OfferOptions, createOffer } from '../../src/handshake/offer.ts';
import { RawHead, rawResponse } from '../support/raw-http.ts';
import { RawListener, listenOn } from '../support/raw-peer.ts';
import { connectThinly } from '../support/thin-client.ts';

/** The request for a URL, read by hand. */
function requestOf(url: string, options: OfferOptions = {}): RawHead {
  return new RawHead(createOffer(new URL(url), options).request);
}

function fieldOf(name: string, url: string, options: OfferOptions = {}): string[] {
  return requestOf(url, options).getAll(name);
}

describe('the request', () => {
  it('6455-4.1-07 client: sends what a strict HTTP parser reads as a request without a body', async () => {
    const server = createServer({ insecureHTTPParser: false });
    const port = await listenOn(server);
    const offer = createOffer(new URL('ws://us%20er:p%40ss@localhost:8080/ü/chat?x=1&y=é'), {
      subprotocols: ['chat', 'superchat'],
      extensions: [
        {
          name: 'x-a',
          parameters: [
            ['level', '3'],
            ['fast', true],
          ],
        },
      ],
      origin: 'https://example.com',
      headers: { Cookie: 'a=1; b=2', 'X-List': ['one', 'two'] },
    });
    const received = new Promise<[IncomingMessage, Buffer]>((resolve, reject) => {
      server.on('clientError', reject);
      server.on('upgrade', (request, socket, head) => {
        socket.destroy();
        resolve([request, head]);
      });
    });
    const transport = connect(port, '127.0.0.1');
    transport.on('close', () => transport.destroy());
    transport.write(offer.request, 'latin1');
    const [request, head] = await received;
    expect([request.method, request.url, request.httpVersion]).toEqual([
      'GET',
      '/%C3%BC/chat?x=1&y=%C3%A9',
      '1.1',
    ]);
    expect(request.headers).toEqual({
      host: 'localhost:8080',
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-key': offer.key,
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'chat, superchat',
      'sec-websocket-extensions': 'x-a; level=3; fast',
      authorization: `Basic ${Buffer.from('us er:p@ss').toString('base64')}`,
      origin: 'https://example.com',
      cookie: 'a=1; b=2',
      'x-list': 'one, two',
    });
    expect(head).toHaveLength(0);
  });

  it('6455-4.1-08 client: begins with GET and ends its first line with HTTP/1.1', () => {
    expect(requestOf('ws://localhost/').startLine).toBe('GET / HTTP/1.1');
    expect(requestOf('wss://localhost/a?b').startLine).toBe('GET /a?b HTTP/1.1');
  });

  it.each([
    ['ws://h', '/'],
    ['ws://h/', '/'],
    ['ws://h/chat', '/chat'],
    ['ws://h/chat?room=7&x', '/chat?room=7&x'],
    ['ws://h?room=7', '/?room=7'],
    ['ws://h/a b', '/a%20b'],
    ['ws://h/ü?ü', '/%C3%BC?%C3%BC'],
    ['ws://h/a%2Fb%23', '/a%2Fb%23'],
    ['ws://h//a', '//a'],
    ['ws://user:pass@h/a', '/a'],
  ])('6455-4.1-09 client: asks for the resource name of %s', (url, target) => {
    expect(requestOf(url).startLine.split(' ')[1]).toBe(target);
  });

  it.each([
    ['ws://example.com', 'example.com'],
    ['ws://EXAMPLE.com', 'example.com'],
    ['ws://example.com:80', 'example.com'],
    ['wss://example.com:443', 'example.com'],
    ['ws://example.com:443', 'example.com:443'],
    ['wss://example.com:80', 'example.com:80'],
    ['ws://example.com:81', 'example.com:81'],
    ['ws://127.0.0.1:9001', '127.0.0.1:9001'],
    ['ws://[::1]', '[::1]'],
    ['ws://[::1]:81', '[::1]:81'],
    ['ws://user:pass@example.com', 'example.com'],
    ['ws://bücher.example', 'xn--bcher-kva.example'],
  ])(
    '6455-4.1-10 client: names the host of %s, and its port unless it is the default',
    (url, host) => {
      expect(fieldOf('host', url)).toEqual([host]);
    },
  );

  it('6455-4.1-10 client: sends the Host of the application in place of its own', () => {
    expect(fieldOf('host', 'ws://h', { headers: { host: 'other:81' } })).toEqual(['other:81']);
  });

  it('6455-4.1-10 client: refuses to send two Host fields', () => {
    const headers = [
      ['Host', 'a'],
      ['host', 'b'],
    ] as const;
    expect(() => requestOf('ws://h', { headers })).toThrow(TypeError);
  });

  it('6455-4.1-11 client: names websocket in one Upgrade field', () => {
    expect(fieldOf('upgrade', 'ws://h')).toEqual(['websocket']);
  });

  it('6455-4.1-12 client: names Upgrade in one Connection field', () => {
    expect(fieldOf('connection', 'ws://h')).toEqual(['Upgrade']);
    for (const name of ['Connection', 'connection', 'Upgrade', 'UPGRADE']) {
      expect(() => requestOf('ws://h', { headers: { [name]: 'close' } })).toThrow(TypeError);
    }
  });

  it('6455-4.1-13 client: sends a fresh key of 16 random bytes with every handshake', () => {
    const keys = new Set<string>();
    let ones = 0;
    const onesAt = Array.from({ length: 128 }, () => 0);
    for (let i = 0; i < 10_000; i++) {
      const [key, ...others] = fieldOf('sec-websocket-key', 'ws://h');
      expect(others).toEqual([]);
      expect(key).toMatch(/^[A-Za-z0-9+/]{22}==$/);
      const nonce = Buffer.from(key!, 'base64');
      expect(nonce).toHaveLength(16);
      keys.add(key!);
      for (let bit = 0; bit < 128; bit++) {
        if (((nonce[bit >> 3]! >> (bit & 7)) & 1) === 0) continue;
        ones++;
        onesAt[bit]!++;
      }
    }
    expect(keys.size).toBe(10_000);
    // 1,280,000 coins: the standard deviation is 566; 10,000 for each bit: 50. Eight of them.
    expect(Math.abs(ones - 640_000)).toBeLessThan(8 * 566);
    for (const count of onesAt) expect(Math.abs(count - 5_000)).toBeLessThan(8 * 50);
  });

  it('6455-4.1-14 client: sends Origin where it is given one, and only then', () => {
    expect(fieldOf('origin', 'ws://h')).toEqual([]);
    const origin = 'https://example.com';
    expect(fieldOf('origin', 'ws://h', { origin })).toEqual([origin]);
    expect(fieldOf('origin', 'ws://h', { headers: { Origin: origin } })).toEqual([origin]);
    const headers = [['X-A', '1']] as const;
    expect(fieldOf('origin', 'ws://h', { origin, headers })).toEqual([origin]);
  });

  it('6455-4.1-14 client: refuses to send two Origins', () => {
    const options = { origin: 'https://a.example', headers: { Origin: 'https://b.example' } };
    expect(() => requestOf('ws://h', options)).toThrow(TypeError);
  });

  it('6455-4.1-15 client: asks for version 13, once', () => {
    expect(fieldOf('sec-websocket-version', 'ws://h')).toEqual(['13']);
    for (const name of ['Sec-WebSocket-Version', 'sec-websocket-version']) {
      expect(() => requestOf('ws://h', { headers: { [name]: '8' } })).toThrow(TypeError);
    }
  });

  it('6455-4.1-16 client: lists the subprotocols in order of preference, in one field', () => {
    const subprotocols = ['b', 'a', 'A', 'v1.chat', "!#$%&'*+-.^_`|~"];
    expect(fieldOf('sec-websocket-protocol', 'ws://h', { subprotocols })).toEqual([
      subprotocols.join(', '),
    ]);
    expect(fieldOf('sec-websocket-protocol', 'ws://h')).toEqual([]);
    expect(fieldOf('sec-websocket-protocol', 'ws://h', { subprotocols: [] })).toEqual([]);
  });

  it('6455-4.1-16 client: refuses subprotocols that stand twice or are no tokens', () => {
    const separators = Array.from('()<>@,;:\\"/[]?={} \t', (separator) => `a${separator}b`);
    const bad = ['', 'é', 'a\r\nb', 'a\0', 'a\x7f', '\u{1f600}', ' a', ...separators];
    for (const name of bad) {
      const label = JSON.stringify(name);
      expect(() => requestOf('ws://h', { subprotocols: [name] }), label).toThrow(TypeError);
      expect(() => requestOf('ws://h', { subprotocols: ['a', name] }), label).toThrow(TypeError);
    }
    expect(() => requestOf('ws://h', { subprotocols: ['a', 'b', 'a'] })).toThrow(TypeError);
  });

  it('6455-4.1-17 client: offers the extensions that it is given, and no others', () => {
    expect(fieldOf('sec-websocket-extensions', 'ws://h')).toEqual([]);
    expect(fieldOf('sec-websocket-extensions', 'ws://h', { extensions: [] })).toEqual([]);
    const parameters = [
      ['client_max_window_bits', true],
      ['server_max_window_bits', '10'],
    ] as const;
    const extensions = [
      { name: 'permessage-deflate', parameters },
      { name: 'permessage-deflate', parameters: [] },
    ];
    expect(fieldOf('sec-websocket-extensions', 'ws://h', { extensions })).toEqual([
      'permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate',
    ]);
  });

  it('6455-4.1-18 client: sends cookies and credentials with the handshake', () => {
    const headers = { Cookie: 'sid=1; theme=dark', Authorization: 'Bearer abc' };
    const request = requestOf('ws://h', { headers });
    expect(request.getAll('cookie')).toEqual(['sid=1; theme=dark']);
    expect(request.getAll('authorization')).toEqual(['Bearer abc']);
    // Whoever gives both has written one of them out.
    expect(fieldOf('authorization', 'ws://a:b@h', { headers })).toEqual(['Bearer abc']);
  });

  it.each([
    ['ws://user:pass@h', 'user:pass'],
    ['ws://user@h', 'user:'],
    ['ws://:pass@h', ':pass'],
    ['ws://us%C3%A9r:p%40ss%3A@h', 'usér:p@ss:'],
    ['ws://user:100%2525@h', 'user:100%25'],
    ['ws://ü:ü@h', 'ü:ü'],
  ])('6455-4.1-18 client: makes Basic credentials of %s, decoded once', (url, credentials) => {
    expect(fieldOf('authorization', url)).toEqual([
      `Basic ${Buffer.from(credentials).toString('base64')}`,
    ]);
  });

  it('6455-4.1-19 client: sends nothing behind its request before the answer is complete', async () => {
    const listener = await RawListener.listen();
    const opening = connectThinly(`ws://127.0.0.1:${listener.port}/`);
    const peer = await listener.accept();
    const request = await peer.readHead();
    const response = rawResponse(request.getAll('sec-websocket-key')[0]!);
    for (const byte of response.slice(0, -1)) {
      await peer.write(byte);
      expect(peer.unread).toHaveLength(0);
    }
    await peer.write(response.slice(-1));
    const { socket } = await opening;
    socket.send('the first frame');
    const [frame] = await peer.readFrames(1);
    expect(frame!.payload.toString()).toBe('the first frame');
  });
});
