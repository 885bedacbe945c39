/** RFC 6455, sections 4.2.2 and 4.4: what a server answers. */
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type Acceptance,
  type HandshakeRequest,
  type RefusalAnswer,
  acceptResponse,
  readRequest,
  refusalResponse,
} from '../../src/handshake/accept.ts';
import { RequestHeadParser } from '../../src/handshake/http1.ts';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import { refuse } from '../../src/server/refuse.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { closeBody, maskedFrame } from '../support/bytes.ts';
import { CERTIFICATE } from '../support/certificate.ts';
import { follow, startServer, startTlsServer } from '../support/open-pair.ts';
import {
  type FieldChanges,
  RawHead,
  SAMPLE_ACCEPT,
  SAMPLE_KEY,
  acceptOf,
  rawRequest,
} from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';
import { tap } from '../support/wiretap.ts';

const EXTENSIONS = 'Sec-WebSocket-Extensions';
const PROTOCOL = 'Sec-WebSocket-Protocol';

/** The head of a real server's answer. */
async function ask(changes: FieldChanges, options: WebSocketServerOptions = {}): Promise<RawHead> {
  const { port } = await startServer(options);
  const peer = await RawPeer.connect(port);
  await peer.write(rawRequest(changes));
  return await peer.readHead();
}

function read(text: string): HandshakeRequest {
  const parser = new RequestHeadParser();
  expect(parser.push(Buffer.from(text, 'latin1'))).toBe(text.length);
  return readRequest(parser.head!);
}

/** The answer that accepts a request, written by hand, with its changes. */
function accept(changes: FieldChanges, acceptance?: Acceptance): RawHead {
  return new RawHead(acceptResponse(read(rawRequest(changes)), acceptance));
}

function extension(
  name: string,
  ...parameters: [string, string | true][]
): {
  name: string;
  parameters: [string, string | true][];
} {
  return { name, parameters };
}

/** A server of an application that refuses everybody with `answer`. */
async function refuseWith(answer: RefusalAnswer): Promise<{ head: RawHead; body: string }> {
  const listener = createServer({ allowHalfOpen: true }, (transport) => {
    const parser = new RequestHeadParser();
    transport.on('data', (chunk: Buffer) => {
      if (parser.push(chunk) === -1) return;
      readRequest(parser.head!);
      refuse(transport, refusalResponse(answer), 5_000);
    });
  });
  const peer = await RawPeer.connect(await listenOn(listener));
  await peer.write(rawRequest());
  const head = await peer.readHead();
  const body = (await peer.readToEnd()).toString();
  peer.end();
  await peer.closed();
  return { head, body };
}

describe('section 4.2.2, over TLS', () => {
  it('6455-4.2.2-01 server: closes a connection that does not begin with TLS', async () => {
    const { port } = await startTlsServer();
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest());
    const answer = await peer.readToLeave();
    expect(answer.includes('101')).toBe(false);
    expect(answer.includes(SAMPLE_ACCEPT)).toBe(false);
  });

  it('6455-4.2.2-01 server: sends everything inside TLS', async () => {
    const { server, port: tapped } = await startTlsServer();
    server.on('connection', (socket) => {
      socket.send('in the clear?');
      socket.on('message', (message) => socket.send(message));
    });
    const { port, fromClient, fromServer } = await tap(tapped);
    const transport = connectTls({
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: CERTIFICATE,
    });
    onTestFinished(() => void transport.destroy());
    const peer = new RawPeer(transport);
    await peer.write(rawRequest());
    const head = await peer.readHead();
    expect(head.getAll('sec-websocket-accept')).toEqual([SAMPLE_ACCEPT]);
    await peer.write(maskedFrame({ payload: 'nobody else reads this', key: Buffer.alloc(4) }));
    const [first, second] = await peer.readFrames(2);
    expect(first!.payload.toString()).toBe('in the clear?');
    expect(second!.payload.toString()).toBe('nobody else reads this');
    await peer.write(maskedFrame({ opcode: 8, payload: closeBody(1000) }));
    await peer.readToEnd();
    for (const secret of ['HTTP/1.1', SAMPLE_ACCEPT, 'in the clear?', 'nobody else']) {
      expect(fromClient().includes(secret)).toBe(false);
      expect(fromServer().includes(secret)).toBe(false);
    }
  });
});

describe('section 4.2.2, refusals', () => {
  it('6455-4.2.2-02 server: can ask for authentication, with a body that arrives whole', async () => {
    const body = 'Wer möchte hinein? '.repeat(10_000);
    const headers = { 'WWW-Authenticate': 'Basic realm="chat"' };
    const answer = await refuseWith({ status: 401, headers, body });
    expect(answer.head.startLine).toBe('HTTP/1.1 401 Unauthorized');
    expect(answer.head.getAll('www-authenticate')).toEqual(['Basic realm="chat"']);
    expect(answer.head.getAll('content-length')).toEqual([String(Buffer.byteLength(body))]);
    expect(answer.head.getAll('connection')).toEqual(['close']);
    expect(answer.body).toBe(body);
  });

  it('6455-4.2.2-02 server: can redirect', async () => {
    const headers = [
      ['Location', 'ws://localhost/new'],
      ['Set-Cookie', 'a=1'],
      ['Set-Cookie', 'b=2'],
    ] as const;
    const { head, body } = await refuseWith({ status: 307, reason: 'Temporary Redirect', headers });
    expect(head.startLine).toBe('HTTP/1.1 307 Temporary Redirect');
    expect(head.getAll('location')).toEqual(['ws://localhost/new']);
    expect(head.getAll('set-cookie')).toEqual(['a=1', 'b=2']);
    expect(body).toBe('');
  });

  it('6455-4.2.2-02 server: refuses to answer with a status that refuses nothing', () => {
    for (const status of [0, 99, 100, 101, 200, 299, 600, 1000, 401.5, Number.NaN]) {
      expect(() => refusalResponse({ status }), String(status)).toThrow(RangeError);
    }
  });

  it('6455-4.2.2-02 server: refuses to answer with a reason that would begin another line', () => {
    for (const reason of ['No\r\nSet-Cookie: a=1', 'No\nX', 'No\rX', 'No\0']) {
      expect(() => refusalResponse({ status: 401, reason }), JSON.stringify(reason)).toThrow(
        TypeError,
      );
    }
  });

  it('6455-4.2.2-02 server: sends the Content-Type of the application in place of its own', () => {
    const headers = { 'content-type': 'application/json' };
    const head = new RawHead(refusalResponse({ status: 401, headers, body: '{}' }));
    expect(head.getAll('content-type')).toEqual(['application/json']);
  });

  it.each([
    ['null', 'same-origin' as const],
    ['https://evil.example', 'same-origin' as const],
    ['http://localhost:8081', 'same-origin' as const],
    ['http://localhost.evil.example', 'same-origin' as const],
    ['file://', 'same-origin' as const],
    ['', 'same-origin' as const],
    ['http://localhost', ['https://localhost', 'http://localhost:81']],
    ['null', ['https://localhost']],
    ['http://localhost', () => false],
  ])('6455-4.2.2-03 server: answers the Origin %j with 403', async (Origin, origins) => {
    const head = await ask({ Origin, Host: 'localhost' }, { origins });
    expect(head.startLine).toBe('HTTP/1.1 403 Forbidden');
  });

  it('6455-4.2.2-03 server: answers two Origins with 403', async () => {
    const Origin = ['http://localhost', 'http://localhost'];
    expect((await ask({ Origin }, { origins: '*' })).status).toBe(403);
  });

  it.each([
    ['http://localhost', 'same-origin' as const],
    ['HTTP://LOCALHOST:80', 'same-origin' as const],
    // Behind a proxy that ends TLS.
    ['https://localhost', 'same-origin' as const],
    ['https://a.example', ['https://a.example', 'https://b.example:444']],
    ['https://b.example:444', ['https://a.example', 'https://b.example:444']],
    ['null', '*' as const],
  ])(
    '6455-4.2.2-03 server: lets the Origin %j pass where it is allowed',
    async (Origin, origins) => {
      expect((await ask({ Origin, Host: 'localhost' }, { origins })).status).toBe(101);
    },
  );

  it.each(['12', '8', '14', null])(
    '6455-4.2.2-04 server: answers version %j with 426 and the version that it speaks',
    async (version) => {
      const head = await ask({ 'Sec-WebSocket-Version': version });
      expect(head.startLine).toBe('HTTP/1.1 426 Upgrade Required');
      expect(head.getAll('sec-websocket-version')).toEqual(['13']);
    },
  );

  it('6455-4.2.2-05 server: answers 404 where there is no WebSocket at the path', async () => {
    const { port } = await startServer({ path: '/chat' });
    const statuses = ['/', '/chat2', '/Chat', '/chat/', '/chat?a=b', '/chat', '//chat'].map(
      async (target) => {
        const peer = await RawPeer.connect(port);
        await peer.write(rawRequest({}, `GET ${target} HTTP/1.1`));
        return (await peer.readHead()).status;
      },
    );
    expect(await Promise.all(statuses)).toEqual([404, 404, 404, 404, 101, 101, 404]);
  });

  it('6455-4.4-01 server: lists every version that it speaks beside a 426', async () => {
    const head = await ask({ 'Sec-WebSocket-Version': '25' });
    expect(head.status).toBe(426);
    const versions = head.getAll('sec-websocket-version').flatMap((value) => value.split(','));
    expect(versions).toEqual(['13']);
    // What it lists, it speaks.
    expect((await ask({ 'Sec-WebSocket-Version': versions })).status).toBe(101);
  });
});

describe('section 4.2.2, the answer that accepts', () => {
  it.each([
    ['a', 'a'],
    ['b, a', 'b'],
    ['x, a, b', 'a'],
    ['x', null],
    ['A', null],
    [null, null],
  ])('6455-4.2.2-06 server: answers the subprotocols %j with %j', async (offered, chosen) => {
    const head = await ask({ [PROTOCOL]: offered }, { subprotocols: ['a', 'b'] });
    expect(head.status).toBe(101);
    expect(head.getAll('sec-websocket-protocol')).toEqual(chosen === null ? [] : [chosen]);
  });

  it('6455-4.2.2-06 server: refuses to send a subprotocol that was not offered', () => {
    for (const subprotocol of ['c', 'A', '', 'a, b']) {
      expect(() => accept({ [PROTOCOL]: 'a, b' }, { subprotocol })).toThrow(RangeError);
      expect(() => accept({}, { subprotocol })).toThrow(RangeError);
    }
    expect(() => accept({}, { headers: { [PROTOCOL]: 'a' } })).toThrow(TypeError);
  });

  it('6455-4.2.2-07 server: refuses to send an extension that was not offered', () => {
    const acceptance = { extensions: [extension('x-b')] };
    expect(() => accept({ [EXTENSIONS]: 'x-a' }, acceptance)).toThrow(RangeError);
    expect(() => accept({}, acceptance)).toThrow(RangeError);
    expect(() => accept({}, { headers: { [EXTENSIONS]: 'x-a' } })).toThrow(TypeError);
  });

  it('6455-4.2.2-07 server: sends no extension by itself', async () => {
    const head = await ask({ [EXTENSIONS]: 'permessage-deflate; client_max_window_bits, x-a' });
    expect(head.status).toBe(101);
    expect(head.getAll('sec-websocket-extensions')).toEqual([]);
  });

  it('6455-4.2.2-08 server: answers 101 with the accept of the key, exactly as received', async () => {
    const head = await ask({ 'Sec-WebSocket-Key': SAMPLE_KEY });
    expect(head.startLine).toMatch(/^HTTP\/1\.1 101( |$)/);
    expect(head.getAll('upgrade').join().toLowerCase()).toBe('websocket');
    expect(head.getAll('connection').join().toLowerCase()).toBe('upgrade');
    expect(head.getAll('sec-websocket-accept')).toEqual([SAMPLE_ACCEPT]);
    // These two have the same bytes behind them, and are two keys all the same.
    for (const key of ['AAAAAAAAAAAAAAAAAAAAAA==', '+/+/+/+/+/+/+/+/+/+/+w==']) {
      const changes = { 'Sec-WebSocket-Key': key };
      expect(accept(changes).getAll('sec-websocket-accept')).toEqual([acceptOf(key)]);
    }
  });

  it('6455-4.2.2-09 server: names one subprotocol, and the extensions that it agreed to', () => {
    const changes = { [PROTOCOL]: 'a, b', [EXTENSIONS]: 'x-a; n, x-b, x-c' };
    const extensions = [extension('x-c', ['level', '9']), extension('x-a', ['n', true])];
    const head = accept(changes, { subprotocol: 'b', extensions });
    expect(head.getAll('sec-websocket-protocol')).toEqual(['b']);
    expect(head.getAll('sec-websocket-extensions')).toEqual(['x-c; level=9, x-a; n']);
    const neither = accept(changes);
    expect(neither.getAll('sec-websocket-protocol')).toEqual([]);
    expect(neither.getAll('sec-websocket-extensions')).toEqual([]);
  });

  it('6455-4.2.2-10 server: may send frames right behind its answer', async () => {
    const { server, port } = await startServer();
    server.on('connection', (socket) => {
      socket.send('welcome');
      void socket.ping(Buffer.from('?'));
      void socket.close(1001, 'and goodbye');
    });
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest());
    expect((await peer.readHead()).status).toBe(101);
    const frames = await peer.readFrames(3);
    expect(frames.map(({ opcode, payload }) => [opcode, payload.toString('latin1')])).toEqual([
      [1, 'welcome'],
      [9, '?'],
      [8, '\x03\xe9and goodbye'],
    ]);
  });

  it('6455-4.2.2-10 server: sends no HTTP behind its 101, though a listener threw', async () => {
    const { server, port } = await startServer();
    server.on('connection', () => {
      throw new Error('a mistake of the application');
    });
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest());
    expect((await peer.readHead()).status).toBe(101);
    const rest = await peer.readToEnd();
    expect(rest.toString('latin1')).not.toContain('HTTP/1.1');
    expect(rest.subarray(0, 1).toString('hex')).toBe('88');
  });

  it('6455-4.2.2-10 server: takes the frames that another HTTP server has read too far', async () => {
    const server = new WebSocketServer();
    const accepted = follow(server);
    const http = createHttpServer();
    http.on('upgrade', (request, transport, head) => {
      void server.handleUpgrade(request, transport, head);
    });
    const peer = await RawPeer.connect(await listenOn(http));
    const early = maskedFrame({ payload: 'too early' });
    await peer.write(Buffer.concat([Buffer.from(rawRequest()), early, early.subarray(0, 7)]));
    expect((await peer.readHead()).status).toBe(101);
    await peer.write(early.subarray(7));
    await peer.write(maskedFrame({ opcode: 2, payload: 'end' }));
    const { log } = accepted[0]!;
    await log.until('binary');
    expect(log.entries).toEqual(['text too early', 'text too early', 'binary 656e64']);
  });

  it('6455-4.2.2-10 server: throws nothing at another HTTP server, though a listener threw', async () => {
    const server = new WebSocketServer();
    follow(server);
    server.on('connection', () => {
      throw new Error('a mistake of the application');
    });
    const http = createHttpServer();
    const thrown: unknown[] = [];
    http.on('upgrade', (request, transport, head) => {
      try {
        void server.handleUpgrade(request, transport, head);
      } catch (error) {
        thrown.push(error);
      }
    });
    const peer = await RawPeer.connect(await listenOn(http));
    await peer.write(rawRequest());
    expect((await peer.readHead()).status).toBe(101);
    expect(thrown).toEqual([]);
    const [close] = await peer.readFrames(1);
    expect([close!.opcode, close!.payload.readUInt16BE(0)]).toEqual([8, 1011]);
  });
});
