/** RFC 6455, sections 3, 4.1 and 10: what a client owes on a real network. */
import { createServer } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { createCertificate } from '../../src/cli/certificate.ts';
import { connect } from '../../src/client/connect.ts';
import { readUrl } from '../../src/client/url.ts';
import { closeBody, maskedFrame, rawFrame } from '../support/bytes.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import {
  type ClientPair,
  acceptOpening,
  acceptRequest,
  openClient,
} from '../support/client-pair.ts';
import { rawResponse } from '../support/raw-http.ts';
import { RawListener, RawPeer, listenOn } from '../support/raw-peer.ts';

/** A TLS listener, the names that it was asked for, and how often HTTP was spoken to it. */
async function listenTls(
  certificate = { key: KEY, cert: CERTIFICATE },
): Promise<{ port: number; names: string[]; requests: string[]; failures: () => number }> {
  const names: string[] = [];
  const requests: string[] = [];
  let failures = 0;
  const server = createServer({
    ...certificate,
    SNICallback: (name, callback) => {
      names.push(name);
      callback(null);
    },
  });
  server.on('tlsClientError', () => failures++);
  server.on('secureConnection', (socket) => {
    socket.on('error', () => failures++);
    void answer(new RawPeer(socket));
  });
  const answer = async (peer: RawPeer): Promise<void> => {
    const request = await peer.readHead().catch(() => null);
    if (request === null) return;
    requests.push(request.startLine);
    await peer.write(rawResponse(request.getAll('sec-websocket-key')[0]!));
  };
  return { port: await listenOn(server), names, requests, failures: () => failures };
}

/** The close code of the Close with which the client fails the connection. */
async function failureOf({ peer }: ClientPair): Promise<number> {
  for (;;) {
    const [frame] = await peer.readFrames(1);
    if (frame!.opcode === 8) return frame!.payload.readUInt16BE(0);
  }
}

describe('the URL', () => {
  it('6455-3-01 client: has the default ports 80 and 443, and path and query as resource name', async () => {
    expect(readUrl('ws://host').port).toBe(80);
    expect(readUrl('wss://host').port).toBe(443);
    const listener = await RawListener.listen();
    for (const [rest, target] of [
      ['', '/'],
      ['?a=1', '/?a=1'],
      ['/path', '/path'],
      ['/a/b/?c=d&e', '/a/b/?c=d&e'],
    ]) {
      const connecting = connect(`ws://127.0.0.1:${listener.port}${rest}`);
      const { peer, request, key } = await acceptRequest(listener);
      expect(request.startLine).toBe(`GET ${target} HTTP/1.1`);
      await peer.write(rawResponse(key));
      (await connecting).terminate();
    }
  });

  it('6455-3-02 client: has no fragment, and %23 for a # in it', async () => {
    const listener = await RawListener.listen();
    const url = `ws://127.0.0.1:${listener.port}/a`;
    for (const fragment of ['#b', '#', '?c#d']) {
      await expect(connect(url + fragment)).rejects.toBeInstanceOf(TypeError);
    }
    const connecting = connect(`${url}%23b?%23`);
    const { peer, request, key } = await acceptRequest(listener);
    expect(request.startLine).toBe('GET /a%23b?%23 HTTP/1.1');
    await peer.write(rawResponse(key));
    (await connecting).terminate();
    expect(listener.count).toBe(1);
  });

  it('6455-3-03 client: has a scheme without case, and is secure only by wss', async () => {
    for (const [scheme, secure] of [
      ['ws', false],
      ['WS', false],
      ['wss', true],
      ['WsS', true],
    ] as const) {
      expect(readUrl(`${scheme}://host/`).secure).toBe(secure);
    }
    const listener = await RawListener.listen();
    const plain = connect(`WS://127.0.0.1:${listener.port}/`);
    await acceptOpening(listener);
    (await plain).terminate();
    const { port, requests } = await listenTls();
    (await connect(`WSS://localhost:${port}/`, { tls: { ca: CERTIFICATE } })).terminate();
    expect(requests).toEqual(['GET / HTTP/1.1']);
  });

  it('6455-4.1-01 client: fails before anything is opened where a part of it is invalid', async () => {
    const listener = await RawListener.listen();
    const host = `127.0.0.1:${listener.port}`;
    const urls = [
      `http//${host}`,
      `ftp://${host}/`,
      `//${host}/`,
      `ws:${host}`,
      `ws:///${host}`,
      'ws://',
      'ws://host:65536/',
      'ws://host:0/',
      'ws://ho st/',
      'ws://[::1/',
      `ws://${host}/#`,
    ];
    for (const url of urls) await expect(connect(url)).rejects.toBeInstanceOf(TypeError);
    expect(listener.count).toBe(0);
  });
});

describe('attempts to connect', () => {
  it('6455-4.1-02 client: come one by one for a host and port', async () => {
    const listener = await RawListener.listen();
    const url = `ws://127.0.0.1:${listener.port}`;
    const first = connect(`${url}/first`);
    const second = connect(`${url}/second`);
    const asking = await acceptRequest(listener);
    expect(asking.request.startLine).toBe('GET /first HTTP/1.1');
    // Whatever takes time at the other end, the second attempt does not come before its turn.
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(listener.count).toBe(1);
    await asking.peer.write(rawResponse(asking.key));
    (await first).terminate();
    const next = await acceptRequest(listener);
    expect(next.request.startLine).toBe('GET /second HTTP/1.1');
    await next.peer.write(rawResponse(next.key));
    (await second).terminate();
  });

  it('6455-4.1-03 client: let the next one go when they fail, and only so many wait', async () => {
    const listener = await RawListener.listen();
    const url = `ws://127.0.0.1:${listener.port}/`;
    const controller = new AbortController();
    const failing = connect(url);
    const next = connect(url);
    const { signal } = controller;
    const waiting = Array.from({ length: 999 }, () => connect(url, { signal }));
    await expect(connect(url)).rejects.toMatchObject({ code: 'WS_ERR_TOO_MANY_WAITING' });
    controller.abort();
    for (const { status } of await Promise.allSettled(waiting)) expect(status).toBe('rejected');
    (await acceptRequest(listener)).peer.end('HTTP/1.1 503 Busy\r\n\r\n');
    await expect(failing).rejects.toMatchObject({ status: 503 });
    await acceptOpening(listener);
    (await next).terminate();
    expect(listener.count).toBe(2);
  });
});

describe('TLS', () => {
  it('6455-4.1-05 client: comes first, and fails the connection where the certificate cannot be verified', async () => {
    const { port, requests } = await listenTls();
    await expect(connect(`wss://localhost:${port}/`)).rejects.toMatchObject({
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
    const other = createCertificate({ names: ['elsewhere.example'] });
    const elsewhere = await listenTls(other);
    await expect(
      connect(`wss://localhost:${elsewhere.port}/`, { tls: { ca: other.cert } }),
    ).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    const listener = await RawListener.listen();
    const plain = connect(`wss://localhost:${listener.port}/`, { tls: { ca: CERTIFICATE } });
    const peer = await listener.accept();
    // A handshake of TLS, and nothing of HTTP.
    expect((await peer.readBytes(1))[0]).toBe(22);
    peer.end('HTTP/1.1 101 Switching Protocols\r\n\r\n');
    await expect(plain).rejects.toMatchObject({ code: 'ERR_SSL_WRONG_VERSION_NUMBER' });
    expect([...requests, ...elsewhere.requests]).toEqual([]);
    (await connect(`wss://localhost:${port}/`, { tls: { ca: CERTIFICATE } })).terminate();
    expect(requests).toHaveLength(1);
  });

  it('6455-4.1-06 client: names the host of the URL by SNI', async () => {
    const { port, names } = await listenTls();
    (await connect(`wss://LOCALHOST:${port}/`, { tls: { ca: CERTIFICATE } })).terminate();
    expect(names).toEqual(['localhost']);
    // An address is no name (RFC 6066, section 3).
    (await connect(`wss://127.0.0.1:${port}/`, { tls: { ca: CERTIFICATE } })).terminate();
    expect(names).toEqual(['localhost']);
  });
});

describe('security', () => {
  it('6455-10-01 client: masks each frame with a new key, and a frame that is sent does not change', async () => {
    const { socket, peer } = await openClient({ maxBackpressure: Number.POSITIVE_INFINITY });
    const keys = new Set<string>();
    for (let i = 0; i < 200; i++) socket.send('the same text');
    for (const { masked, key } of await peer.readFrames(200)) {
      expect(masked).toBe(true);
      keys.add(key.toString('hex'));
    }
    expect(keys.size).toBe(200);

    // Small and large, in the buffers of the library and of the caller.
    const sizes = [5, 20_000, 5_000_000, 5];
    const buffers = sizes.map((size) => Buffer.alloc(size, 'a'));
    peer.transport.pause();
    for (const bytes of buffers) socket.send(bytes);
    await new Promise((resolve) => setImmediate(resolve));
    for (const bytes of buffers) bytes.fill('b');
    peer.transport.resume();
    const frames = await peer.readFrames(sizes.length);
    for (const [i, { payload }] of frames.entries()) {
      expect(payload.equals(Buffer.alloc(sizes[i]!, 'a'))).toBe(true);
    }
    socket.terminate();
  });

  it('6455-10-03 client: holds its limits against many frames and many fragments', async () => {
    const large = await openClient({ maxPayload: 100 });
    const piece = 'x'.repeat(51);
    await large.peer.write(
      Buffer.concat([
        rawFrame({ fin: false, payload: piece }),
        rawFrame({ opcode: 0, fin: false, payload: piece }),
      ]),
    );
    expect(await failureOf(large)).toBe(1009);
    const many = await openClient({ maxFragments: 3 });
    await many.peer.write(
      Buffer.concat([
        rawFrame({ fin: false }),
        ...Array.from({ length: 3 }, () => rawFrame({ opcode: 0, fin: false })),
      ]),
    );
    expect(await failureOf(many)).toBe(1008);
  });

  it('6455-10-04 client: logs in by HTTP, and speaks TLS', async () => {
    const listener = await RawListener.listen();
    const host = `127.0.0.1:${listener.port}`;
    for (const [url, headers, credentials] of [
      [`ws://user:pass@${host}/`, {}, `Basic ${btoa('user:pass')}`],
      [`ws://${host}/`, { Authorization: 'Bearer token' }, 'Bearer token'],
    ] as const) {
      const connecting = connect(url, { headers });
      const { peer, request, key } = await acceptRequest(listener);
      expect(request.getAll('authorization')).toEqual([credentials]);
      await peer.write(
        rawResponse(key, { 'WWW-Authenticate': 'Basic' }, 'HTTP/1.1 401 Unauthorized'),
      );
      await expect(connecting).rejects.toMatchObject({
        status: 401,
        headers: expect.arrayContaining([['www-authenticate', 'Basic']]),
      });
    }
    const { port } = await listenTls();
    const socket = await connect(`wss://localhost:${port}/`, { tls: { ca: CERTIFICATE } });
    expect(socket.readyState).toBe(1);
    socket.terminate();
  });

  it('6455-10-05 client: closes on invalid data, and takes an unexpected end for what it is', async () => {
    for (const [frame, code] of [
      [rawFrame({ payload: Buffer.from([0xff]) }), 1007],
      [rawFrame({ opcode: 8, payload: Buffer.from([0x03, 0xe8, 0xff]) }), 1007],
      [rawFrame({ opcode: 8, payload: closeBody(1005) }), 1002],
      [rawFrame({ rsv: 1 }), 1002],
      [maskedFrame({ payload: 'masked' }), 1002],
    ] as const) {
      const pair = await openClient();
      await pair.peer.write(frame);
      expect(await failureOf(pair)).toBe(code);
    }
    const { socket, peer } = await openClient();
    peer.end(rawFrame({ fin: false, payload: 'half a mess' }));
    expect(await socket.closed).toEqual({ code: 1006, reason: '', wasClean: false });
  });
});
