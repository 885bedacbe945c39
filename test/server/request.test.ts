import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { TLSSocket } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type HandshakeRequest, readRequest } from '../../src/handshake/accept.ts';
import { HeaderFields } from '../../src/handshake/fields.ts';
import {
  ForwardedRequest,
  UpgradeRequest,
  pathOf,
  settleRequest,
} from '../../src/server/request.ts';
import { refuse } from '../../src/server/route.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import {
  askFor,
  connectSecurely,
  endWithTest,
  listenLocally,
  portOfServer,
} from '../support/joined-peer.ts';
import { SAMPLE_KEY, rawRequest } from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';

const never = new AbortController().signal;

/** A handshake of these fields, beside those that it must have. */
function readOf(
  target: string,
  ...fields: readonly (readonly [string, string])[]
): HandshakeRequest {
  const all = [
    ['Host', 'localhost:8080'],
    ['Upgrade', 'websocket'],
    ['Connection', 'Upgrade'],
    ['Sec-WebSocket-Key', SAMPLE_KEY],
    ['Sec-WebSocket-Version', '13'],
    ...fields,
  ];
  return readRequest({
    method: 'GET',
    target,
    minorVersion: 1,
    fields: HeaderFields.fromRaw(all.flat()),
  });
}

/** A request as a server makes it. */
function requestOf(
  target: string,
  ...fields: readonly (readonly [string, string])[]
): UpgradeRequest {
  const { stream } = memoryStream();
  return new UpgradeRequest(readOf(target, ...fields), { signal: never }, stream, {});
}

/** What the hook of a server sees of a request, in whatever way it comes. */
function asking(): { server: WebSocketServer; request: Promise<UpgradeRequest> } {
  const server = endWithTest(new WebSocketServer({ closeTimeout: 200 }));
  const request = new Promise<UpgradeRequest>((resolve) => {
    server.route('*', {
      upgrade(asked) {
        resolve(asked);
        return refuse(403);
      },
    });
  });
  return { server, request };
}

describe('the headers of a request', () => {
  it('are found by their names in lower case', () => {
    const { headers } = requestOf('/', ['User-Agent', 'Test/1'], ['X-Empty', '']);
    expect(headers['user-agent']).toBe('Test/1');
    expect(headers['x-empty']).toBe('');
    expect(headers['User-Agent']).toBeUndefined();
    expect(headers['host']).toBe('localhost:8080');
  });

  it('are joined where a name came more than once, cookies by semicolons', () => {
    const request = requestOf(
      '/',
      ['Accept', 'a'],
      ['Cookie', 'one=1'],
      ['ACCEPT', 'b, c'],
      ['cookie', 'two=2; three=3'],
      ['Accept', ''],
    );
    expect(request.headers['accept']).toBe('a, b, c, ');
    expect(request.headers['cookie']).toBe('one=1; two=2; three=3');
    expect(request.fields.getAll('accept')).toEqual(['a', 'b, c', '']);
  });

  it.each(['__proto__', 'constructor', 'hasOwnProperty', 'toString'])(
    'may be called as what an object inherits: %s',
    (name) => {
      const { headers } = requestOf('/', [name, 'a value']);
      expect(Object.getPrototypeOf(headers)).toBeNull();
      expect(headers[name.toLowerCase()]).toBe('a value');
      expect(Object.entries(headers)).toContainEqual([name.toLowerCase(), 'a value']);
      expect(requestOf('/').headers[name]).toBeUndefined();
    },
  );

  it('are read once', () => {
    const request = requestOf('/');
    expect(request.headers).toBe(request.headers);
  });

  it('are there one by one, in their order, as fields', () => {
    const { fields } = requestOf('/', ['X-One', '1'], ['x-two', '2'], ['X-ONE', '3']);
    expect([...fields].slice(5)).toEqual([
      ['x-one', '1'],
      ['x-two', '2'],
      ['x-one', '3'],
    ]);
  });
});

describe('the cookies of a request', () => {
  it('are found by their names, decoded, the first of a name', () => {
    const { cookies } = requestOf('/', ['Cookie', 'a=1; b="two"; a=2'], ['Cookie', 'c=%C3%A9']);
    expect({ ...cookies }).toEqual({ a: '1', b: 'two', c: 'é' });
  });

  it('are none where none came, and may have the names of what an object inherits', () => {
    expect(Object.keys(requestOf('/').cookies)).toEqual([]);
    const { cookies } = requestOf('/', ['Cookie', '__proto__=evil; constructor=x']);
    expect(Object.entries(cookies)).toEqual([
      ['__proto__', 'evil'],
      ['constructor', 'x'],
    ]);
    expect(cookies['toString']).toBeUndefined();
  });
});

describe('the target of a request', () => {
  it.each([
    ['/', '/', '/', []],
    [
      '/chat/7?a=1&b=%20&a=2',
      '/chat/7?a=1&b=%20&a=2',
      '/chat/7',
      [
        ['a', '1'],
        ['b', ' '],
        ['a', '2'],
      ],
    ],
    ['/a%2Fb/?', '/a%2Fb/?', '/a%2Fb/', []],
    ['/a?b?c=d', '/a?b?c=d', '/a', [['b?c', 'd']]],
    ['http://other.example/x?y=z', '/x?y=z', '/x', [['y', 'z']]],
    ['http://other.example?y=z', '/?y=z', '/', [['y', 'z']]],
  ])('is %s: url, path and query', (target, url, path, query) => {
    const request = requestOf(target);
    expect([request.url, request.path, [...request.query]]).toEqual([url, path, query]);
  });

  it('is a path less its query', () => {
    expect(['/a?b', '/a', '', '?', '?a?b'].map((target) => pathOf(target))).toEqual([
      '/a',
      '/a',
      '',
      '',
      '',
    ]);
  });
});

describe('a request', () => {
  it('tells host, origin, subprotocols and extensions', () => {
    const request = requestOf(
      '/',
      ['Origin', 'https://example.com'],
      ['Sec-WebSocket-Protocol', 'chat.v2, chat.v1'],
      ['Sec-WebSocket-Protocol', 'soap'],
      ['Sec-WebSocket-Extensions', 'permessage-deflate; client_max_window_bits'],
    );
    expect(request.host).toBe('localhost:8080');
    expect(request.origin).toBe('https://example.com');
    expect(request.protocols).toEqual(['chat.v2', 'chat.v1', 'soap']);
    expect(request.extensions.map(({ name }) => name)).toEqual(['permessage-deflate']);
    expect(requestOf('http://other.example/').host).toBe('other.example');
  });

  it('has neither origin nor subprotocols where the client names none', () => {
    const { origin, protocols, extensions } = requestOf('/');
    expect([origin, protocols, extensions]).toEqual([undefined, [], []]);
  });

  it('has the params of its route, and the socket and the signal that it was given', () => {
    const { stream } = memoryStream();
    const params = { room: '7' };
    const request = new UpgradeRequest(readOf('/'), { signal: never }, stream, params);
    expect(request.params).toBe(params);
    expect(request.socket).toBe(stream);
    expect(request.signal).toBe(never);
    // A stream that is no socket of Node has no address.
    expect(request.remoteAddress).toBeUndefined();
  });
});

describe('a request that has its answer', () => {
  it('still tells all that came', () => {
    const request = requestOf(
      '/a?b=c',
      ['Origin', 'https://example.com'],
      ['Cookie', 'a=1'],
      ['X-Empty', ''],
      ['X-Twice', '1'],
      ['x-twice', '2'],
      ['Sec-WebSocket-Protocol', 'chat'],
      ['Sec-WebSocket-Extensions', 'x; y=z'],
    );
    const tell = (): unknown[] => [
      request.url,
      request.path,
      request.host,
      request.origin,
      request.protocols,
      request.extensions,
      [...request.query],
      { ...request.headers },
      { ...request.cookies },
      [...request.fields],
      request.fields.getAll('x-twice'),
      request.params,
    ];
    const before = tell();
    settleRequest(request);
    expect(tell()).toEqual(before);
    settleRequest(request);
    expect(tell()).toEqual(before);
  });

  it('keeps nothing of the way to that answer: its signal is never aborted', () => {
    const controller = new AbortController();
    const request = new UpgradeRequest(readOf('/'), controller, memoryStream().stream, {});
    expect(request.signal).toBe(controller.signal);
    settleRequest(request);
    controller.abort();
    expect(request.signal.aborted).toBe(false);
  });

  it('offers nothing where its fields are not those of a handshake', () => {
    const fields = new HeaderFields();
    fields.append('Sec-WebSocket-Protocol', 'a b');
    fields.append('Sec-WebSocket-Extensions', '=');
    const handshake = { ...readOf('/'), fields };
    const request = new UpgradeRequest(handshake, { signal: never }, memoryStream().stream, {});
    expect([request.protocols, request.extensions]).toEqual([[], []]);
  });
});

describe('the address of the peer', () => {
  it('is there on TCP', async () => {
    const { server, request } = asking();
    const port = await listenLocally(server);
    await askFor(await RawPeer.connect(port), '/');
    expect((await request).remoteAddress).toBe('127.0.0.1');
  });

  it('is not there on a Unix socket', async () => {
    const folder = mkdtempSync(joinPath(tmpdir(), 'tautline-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = joinPath(folder, 'socket');
    const { server, request } = asking();
    await server.listen({ path });
    const transport = connect(path);
    onTestFinished(() => void transport.destroy());
    expect((await askFor(new RawPeer(transport), '/')).status).toBe(403);
    expect((await request).remoteAddress).toBeUndefined();
  });
});

describe('the certificate of the client', () => {
  // Ours is made for servers, and would not be trusted as that of a client.
  const tls = { key: KEY, cert: CERTIFICATE, requestCert: true, rejectUnauthorized: false };

  async function fingerprintOf(request: Promise<UpgradeRequest>): Promise<string | undefined> {
    const { socket } = await request;
    if (!(socket instanceof TLSSocket)) throw new Error('no TLS');
    return socket.getPeerCertificate().fingerprint256;
  }

  it.each([
    ['our own listener', false],
    ['an https server', true],
  ])('can be asked for behind %s', async (_what, isAttached) => {
    const { server, request } = asking();
    let port: number;
    if (isAttached) {
      const https = createServer(tls);
      port = await listenOn(https);
      server.attach(https);
    } else {
      await server.listen({ port: 0, host: '127.0.0.1', tls });
      port = portOfServer(server);
    }
    const peer = await connectSecurely(port, { key: KEY, cert: CERTIFICATE });
    const { transport } = peer;
    const own = transport instanceof TLSSocket ? transport.getPeerCertificate().fingerprint256 : '';
    expect((await askFor(peer, '/')).status).toBe(403);
    // Both ends show the same one.
    expect(own).not.toBe('');
    expect(await fingerprintOf(request)).toBe(own);
  });

  it('is not there where the client has shown none', async () => {
    const { server, request } = asking();
    await server.listen({ port: 0, host: '127.0.0.1', tls });
    await askFor(await connectSecurely(portOfServer(server)), '/');
    expect(await fingerprintOf(request)).toBeUndefined();
  });
});

describe('the signal of a request', () => {
  it('is aborted when the client leaves before it has an answer', async () => {
    const server = new WebSocketServer();
    const asked = new Promise<UpgradeRequest>((resolve) => {
      server.route('/', {
        async upgrade(request) {
          resolve(request);
          await new Promise((onAbort) => {
            request.signal.addEventListener('abort', onAbort);
          });
        },
      });
    });
    const port = await listenLocally(server);
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest());
    const { signal } = await asked;
    expect(signal.aborted).toBe(false);
    peer.transport.destroy();
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve());
    });
    expect(signal.reason).toMatchObject({ name: 'HandshakeError', code: 'WS_ERR_LEFT' });
    expect(server.sockets.size).toBe(0);
  });

  it('is aborted from the start where the client has left before it was asked for', async () => {
    const server = new WebSocketServer();
    let leave = (): void => {};
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const aborted = new Promise<boolean>((resolve) => {
      server.route('/', {
        async upgrade(request) {
          request.socket.once('close', leave);
          await left;
          resolve(request.signal.aborted);
        },
      });
    });
    const port = await listenLocally(server);
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest());
    peer.reset();
    expect(await aborted).toBe(true);
  });

  it('is aborted when handshakeTimeout is over, and the answer is 503', async () => {
    const server = new WebSocketServer({ handshakeTimeout: 50, closeTimeout: 200 });
    const reason = new Promise<unknown>((resolve) => {
      server.route('/', {
        upgrade: ({ signal }) =>
          new Promise<undefined>(() => {
            signal.addEventListener('abort', () => resolve(signal.reason));
          }),
      });
    });
    const port = await listenLocally(server);
    const peer = await RawPeer.connect(port);
    expect((await askFor(peer, '/')).status).toBe(503);
    expect(await reason).toMatchObject({ code: 'WS_ERR_UNDECIDED', status: 503 });
  });

  it.each([
    ['was asked for in the hook', true],
    ['was never asked for', false],
  ])(
    'stays as it is after the answer, also when the connection ends: it %s',
    async (_what, asks) => {
      const server = new WebSocketServer();
      const aborted = new Promise<boolean>((resolve) => {
        server.route('/', {
          upgrade: (request) => void (asks && request.signal),
          close: ({ request }) => resolve(request.signal.aborted),
        });
      });
      const port = await listenLocally(server);
      const peer = await RawPeer.connect(port);
      await askFor(peer, '/');
      peer.transport.destroy();
      expect(await aborted).toBe(false);
    },
  );
});

describe('a request where proxies are trusted', () => {
  const forwarded = (
    socket: ReturnType<typeof memoryStream>['stream'],
    isSecure: boolean | undefined,
  ): ForwardedRequest =>
    new ForwardedRequest(
      readOf('/'),
      { signal: never },
      socket,
      {},
      { address: '192.0.2.1', isSecure },
    );

  it('is that of the client, also when it has its answer', () => {
    const socket = Object.assign(memoryStream().stream, { remoteAddress: '127.0.0.1' });
    const request = forwarded(socket, true);
    settleRequest(request);
    expect([request.remoteAddress, request.isSecure]).toEqual(['192.0.2.1', true]);
    expect(request).toBeInstanceOf(UpgradeRequest);
  });

  it('came by TLS where the proxy says so, or where it did and the proxy says nothing', () => {
    const secure = Object.assign(memoryStream().stream, { encrypted: true });
    const plain = memoryStream().stream;
    const told = [true, false, undefined].map((isSecure) =>
      [secure, plain].map((socket) => forwarded(socket, isSecure).isSecure),
    );
    expect(told).toEqual([
      [true, true],
      [false, false],
      [true, false],
    ]);
  });

  it('is that of the peer otherwise', () => {
    const socket = { remoteAddress: '127.0.0.1', encrypted: true };
    const { stream } = memoryStream();
    const progress = { signal: never };
    const request = new UpgradeRequest(readOf('/'), progress, Object.assign(stream, socket), {});
    expect([request.remoteAddress, request.isSecure]).toEqual(['127.0.0.1', true]);
    expect(requestOf('/').isSecure).toBe(false);
  });
});
