import { type IncomingMessage, type Server, createServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocketServer as WsServer } from 'ws';
import { type UpgradeResult, next } from '../../src/server/route.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { maskedFrame } from '../support/bytes.ts';
import { askFor, endWithTest, join, statusAt } from '../support/joined-peer.ts';
import { type MemoryStream, memoryStream } from '../support/memory-stream.ts';
import { RawHead, rawRequest } from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';

afterEach(() => void vi.useRealTimers());

/** Time enough for a handshake of ours, and soon over for what nobody takes. */
const SHORT = 150;

/** A server of ours, with an echo at `/ours`. */
function ours(handshakeTimeout: number = 10_000): WebSocketServer {
  return endWithTest(new WebSocketServer({ handshakeTimeout, closeTimeout: 200 })).route('/ours', {
    message: (socket, message) => socket.send(message),
  });
}

function echo(server: WsServer): void {
  server.on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
}

/** `ws` for the path `/theirs`, by a listener of the application that leaves the rest alone. */
function attachWs(http: Server): void {
  const server = new WsServer({ noServer: true });
  echo(server);
  http.on('upgrade', (request, transport, head) => {
    if (request.url !== '/theirs') return;
    server.handleUpgrade(request, transport, head, (socket) => {
      server.emit('connection', socket, request);
    });
  });
}

async function echoes(port: number, path: string, text: string): Promise<string> {
  const peer = await join(port, path);
  await peer.write(maskedFrame({ payload: text }));
  const [frame] = await peer.readFrames(1);
  return frame!.payload.toString();
}

type UpgradeListener = (request: IncomingMessage, transport: Duplex, head: Buffer) => void;

/** An http server with a server of ours, and a listener beside it. */
async function share(
  listener: UpgradeListener,
  handshakeTimeout: number = 10_000,
): Promise<{ http: Server; port: number; server: WebSocketServer }> {
  const http = createServer((_request, response) => response.end('an ordinary request'));
  const port = await listenOn(http);
  onTestFinished(() => http.closeAllConnections());
  const server = ours(handshakeTimeout).attach(http);
  http.on('upgrade', (request, transport, head) => {
    onTestFinished(() => void transport.destroy());
    listener(request, transport, head);
  });
  return { http, port, server };
}

const H2C = { Upgrade: 'h2c', 'Sec-WebSocket-Key': null, 'Sec-WebSocket-Version': null };

describe('beside a server of ws, on one http server', () => {
  it.each([
    ['first', [(http: Server) => void ours().attach(http), attachWs]],
    ['second', [attachWs, (http: Server) => void ours().attach(http)]],
  ])(
    'a server of ours that is attached %s serves its own path, and ws its own',
    async (_when, steps) => {
      const http = createServer();
      const port = await listenOn(http);
      for (const step of steps) step(http);
      expect(await echoes(port, '/ours', 'to us')).toBe('to us');
      expect(await echoes(port, '/theirs', 'to ws')).toBe('to ws');
      expect(await echoes(port, '/ours', 'to us again')).toBe('to us again');
    },
  );

  it.each(['first', 'second'])(
    'that is attached to the http server itself, a server of ours that comes %s leaves it its path',
    async (when) => {
      const http = createServer();
      const port = await listenOn(http);
      if (when === 'first') ours().attach(http);
      echo(new WsServer({ server: http, path: '/theirs' }));
      if (when === 'second') ours().attach(http);
      expect(await echoes(port, '/theirs', 'to ws')).toBe('to ws');
    },
  );

  it('the whole http server is left to ws once ours has ended', async () => {
    const http = createServer();
    const port = await listenOn(http);
    const server = ours().attach(http);
    attachWs(http);
    await server.close();
    expect(http.listenerCount('upgrade')).toBe(1);
    expect(await echoes(port, '/theirs', 'to ws')).toBe('to ws');
  });
});

describe('what no route of ours takes, while others listen for "upgrade"', () => {
  it('is theirs, with what came behind the head', async () => {
    const { port } = await share(({ url }, transport, head) => {
      if (url === '/theirs') transport.end(`HTTP/1.1 418 Teapot\r\n\r\n${head.toString()}`);
    });
    const peer = await RawPeer.connect(port);
    await peer.write(`${rawRequest({}, 'GET /theirs HTTP/1.1')}behind`);
    expect((await peer.readHead()).status).toBe(418);
    expect((await peer.readToEnd()).toString()).toBe('behind');
    expect(await echoes(port, '/ours', 'to us')).toBe('to us');
  });

  it('is closed after handshakeTimeout where none of them does anything', async () => {
    const { port } = await share(() => {}, SHORT);
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest({}, 'GET /nobody HTTP/1.1'));
    expect((await peer.readToLeave()).toString()).toBe('');
  });

  it('does not hold up the end of the http server', async () => {
    const seen: Duplex[] = [];
    const { http, port, server } = await share((_request, transport) => {
      seen.push(transport);
      if (seen.length === 1) transport.resume().on('data', () => {});
    }, 60_000);
    const [taken, unused] = [await RawPeer.connect(port), await RawPeer.connect(port)];
    for (const peer of [taken, unused]) {
      await peer.write(rawRequest({}, 'GET /theirs HTTP/1.1'));
      await vi.waitFor(() => expect(seen).toHaveLength(peer === taken ? 1 : 2));
    }
    const closed = new Promise<void>((resolve) => {
      http.close(() => resolve());
    });
    await server.shutdown();
    expect((await unused.readToLeave()).toString()).toBe('');
    expect(seen.map(({ destroyed }) => destroyed)).toEqual([false, true]);
    seen[0]!.end();
    taken.end();
    await closed;
  });

  it('does not hold up the end of an http server that stops listening after ours has left', async () => {
    const seen: Duplex[] = [];
    const { http, port, server } = await share((_request, transport) => {
      seen.push(transport);
    }, 60_000);
    const unused = await RawPeer.connect(port);
    await unused.write(rawRequest({}, 'GET /theirs HTTP/1.1'));
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await server.shutdown();
    // It is looked at again and again, and has all its time as long as the http server listens.
    vi.advanceTimersByTime(1_000);
    expect(seen[0]!.destroyed).toBe(false);
    const closed = new Promise<void>((resolve) => {
      http.close(() => resolve());
    });
    vi.advanceTimersByTime(100);
    vi.useRealTimers();
    expect(seen[0]!.destroyed).toBe(true);
    await closed;
    expect((await unused.readToLeave()).toString()).toBe('');
  });

  it('has all its time where the http server goes on without ours', async () => {
    const { port, server } = await share((_request, transport) => {
      setTimeout(() => transport.end('HTTP/1.1 418 Teapot\r\n\r\n'), 20);
    });
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest({}, 'GET /theirs HTTP/1.1'));
    await server.shutdown();
    expect((await peer.readHead()).status).toBe(418);
  });

  it.each<[string, (transport: Duplex) => void]>([
    ['reads it, by "data"', (transport) => void transport.on('data', () => {})],
    ['reads it, by "readable"', (transport) => void transport.on('readable', () => {})],
    ['has written to it', (transport) => void transport.write('hello')],
  ])('stays open beyond handshakeTimeout where one of them %s', async (_what, take) => {
    const taken: Duplex[] = [];
    const { port } = await share(({ url }, transport) => {
      if (url !== '/taken') return;
      taken.push(transport);
      take(transport);
    }, SHORT);
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest({}, 'GET /taken HTTP/1.1'));
    // One that comes later, and is closed by the deadline, tells that the deadline of this is over.
    await statusOfNothing(port);
    expect(taken.map(({ destroyed }) => destroyed)).toEqual([false]);
    taken[0]!.end('still open');
    expect((await peer.readToEnd()).toString()).toMatch(/still open$/);
  });

  it('may leave by a reset, which ends nothing but itself', async () => {
    let see: (transport: Duplex) => void = () => {};
    const seen = new Promise<Duplex>((resolve) => {
      see = resolve;
    });
    const { port } = await share((_request, transport) => see(transport));
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest({}, 'GET /nobody HTTP/1.1'));
    const transport = await seen;
    const closed = new Promise<void>((resolve) => {
      transport.once('close', () => resolve());
    });
    // Only who reads hears of it at once.
    transport.resume();
    peer.reset();
    await closed;
    expect(await echoes(port, '/ours', 'to us')).toBe('to us');
  });

  describe.each([
    ['at once', 0],
    ['later', 10],
  ])('is theirs too where a route has said next() %s, with every byte once', (_when, delay) => {
    it.each([
      ['takes it at once', true],
      ['has to ask somebody before it takes it', false],
    ])('and one of them %s', async (_what, atOnce) => {
      let see = (): void => {};
      const seen = new Promise<void>((resolve) => {
        see = resolve;
      });
      const { port, server } = await share(({ url }, transport, head) => {
        if (url !== '/left') return;
        see();
        const take = (): void => {
          transport.on('data', (chunk) => transport.write(chunk));
          transport.write(`HTTP/1.1 101 Switching Protocols\r\n\r\n${head.toString()}`);
        };
        if (atOnce) take();
        else setTimeout(take, 50);
      });
      let pass = (): void => {};
      const passed = new Promise<void>((resolve) => {
        pass = resolve;
      });
      server.route('/left', {
        upgrade: () => {
          if (delay === 0) {
            pass();
            return next();
          }
          return new Promise<UpgradeResult<undefined>>((resolve) => {
            setTimeout(() => {
              resolve(next());
              pass();
            }, delay);
          });
        },
      });
      const peer = await RawPeer.connect(port);
      await peer.write(`${rawRequest({}, 'GET /left HTTP/1.1')}head,`);
      await seen;
      await peer.write('early,');
      expect((await peer.readHead()).status).toBe(101);
      await passed;
      await peer.write('late.');
      const bytes: Buffer[] = [];
      while (!Buffer.concat(bytes).includes('.')) bytes.push(await peer.readBytes(1));
      expect(Buffer.concat(bytes).toString()).toBe('head,early,late.');
    });
  });

  /** Waits until the deadline for a connection that nobody takes has come. */
  async function statusOfNothing(port: number): Promise<void> {
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest({}, 'GET /nobody HTTP/1.1'));
    await peer.readToLeave();
  }
});

describe('an Upgrade to something else', () => {
  it('is not touched while others listen', async () => {
    const { port } = await share(({ headers }, transport) => {
      if (headers.upgrade === 'h2c') transport.end('HTTP/1.1 101 Switching Protocols\r\n\r\nh2c');
    }, SHORT);
    const peer = await RawPeer.connect(port);
    expect((await askFor(peer, '/ours', H2C)).startLine).toBe('HTTP/1.1 101 Switching Protocols');
    expect((await peer.readToEnd()).toString()).toBe('h2c');
  });

  it('where nobody else listens is an ordinary request, or gets 426 where Node has no way for that', async () => {
    const http = createServer((_request, response) => response.end('an ordinary request'));
    const port = await listenOn(http);
    onTestFinished(() => http.closeAllConnections());
    ours().attach(http);
    const peer = await RawPeer.connect(port);
    const head = await askFor(peer, '/ours', H2C);
    const hasCallback = 'shouldUpgradeCallback' in http;
    expect(head.status).toBe(hasCallback ? 200 : 426);
    expect(head.getAll('upgrade')).toEqual(hasCallback ? [] : ['websocket']);
    expect(await echoes(port, '/ours', 'to us')).toBe('to us');
  });

  it('which names websocket among others is for us', async () => {
    const { port } = await share(() => {});
    expect(await statusAt(port, '/ours', { Upgrade: 'h2c, websocket' })).toBe(101);
  });
});

describe('what is no socket of Node', () => {
  it('is refused, or left to others, as well', () => {
    const http = createServer();
    ours().attach(http);
    const upgrade = (request: object): MemoryStream => {
      const stream = memoryStream();
      http.emit('upgrade', request, stream.stream, Buffer.alloc(0));
      return stream;
    };
    const rawHeaders = ['Upgrade', 'websocket'];
    const { written } = upgrade({ rawHeaders });
    expect(new RawHead(written().toString()).status).toBe(404);
    expect(new RawHead(upgrade({ rawHeaders: [], url: '/ours' }).written().toString()).status).toBe(
      426,
    );

    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    http.on('upgrade', () => {});
    const { stream } = upgrade({ rawHeaders, url: '/theirs' });
    expect(stream.destroyed).toBe(false);
    vi.advanceTimersByTime(10_000);
    expect(stream.destroyed).toBe(true);
  });
});

describe('where Node asks whether a request is an upgrade', () => {
  /** What the http server of a newer Node has, on every Node. */
  interface Asking {
    shouldUpgradeCallback?: (request: IncomingMessage) => boolean;
  }

  function requestFor(upgrade: string | undefined): IncomingMessage {
    const rawHeaders = upgrade === undefined ? [] : ['Upgrade', upgrade];
    const request = { headers: { upgrade }, rawHeaders: ['Host', 'a', ...rawHeaders] };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all that is looked at
    return request as unknown as IncomingMessage;
  }

  function asks(http: Server & Asking, upgrade: string | undefined): boolean | undefined {
    return http.shouldUpgradeCallback?.(requestFor(upgrade));
  }

  it('only those to websocket are, as long as nobody else listens', async () => {
    const http: Server & Asking = createServer();
    const seen: unknown[] = [];
    const original = function isUpgrade(this: unknown, request: IncomingMessage): boolean {
      seen.push(this, request.headers.upgrade);
      return true;
    };
    http.shouldUpgradeCallback = original;
    const server = ours().attach(http);
    expect(http.shouldUpgradeCallback).not.toBe(original);
    expect(['websocket', 'WebSocket', 'h2c, websocket'].map((name) => asks(http, name))).toEqual([
      true,
      true,
      true,
    ]);
    expect(['h2c', '', undefined].map((name) => asks(http, name))).toEqual([false, false, false]);
    expect(seen).toEqual([]);

    http.on('upgrade', () => {});
    expect(asks(http, 'h2c')).toBe(true);
    expect(seen).toEqual([http, 'h2c']);
    await server.close();
    expect(http.shouldUpgradeCallback).toBe(original);
  });

  it('what somebody has put there after us stays there when we end', async () => {
    const http: Server & Asking = createServer();
    http.shouldUpgradeCallback = () => true;
    const server = ours().attach(http);
    const later = (): boolean => true;
    http.shouldUpgradeCallback = later;
    await server.close();
    expect(http.shouldUpgradeCallback).toBe(later);
  });

  it('nothing is put there where Node does not ask', () => {
    const http: Server & Asking = createServer();
    delete http.shouldUpgradeCallback;
    ours().attach(http);
    expect('shouldUpgradeCallback' in http).toBe(false);
  });
});
