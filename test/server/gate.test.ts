import { Server } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import type { UpgradeRequest } from '../../src/server/request.ts';
import { next, refuse } from '../../src/server/route.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { nextAccepted } from '../support/accepted.ts';
import { maskedFrame } from '../support/bytes.ts';
import { CERTIFICATE } from '../support/certificate.ts';
import { WAYS, type Way, boundPort, follow, listenBy } from '../support/open-pair.ts';
import { RawHead, rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

interface Started {
  readonly server: WebSocketServer;
  readonly accepted: ReturnType<typeof follow>;
  readonly connect: () => Promise<RawPeer>;
}

async function start(
  way: Way = 'net',
  options: WebSocketServerOptions = {},
  server = new WebSocketServer(options),
): Promise<Started> {
  const accepted = follow(server);
  return { server, accepted, connect: await listenBy(way, server) };
}

interface Begun {
  readonly peer: RawPeer;
  /** The server's own end is gone. */
  readonly gone: Promise<void>;
}

/** Connects, and waits until the server has taken note of that. */
async function begin(connect: () => Promise<RawPeer>): Promise<Begun> {
  const accepting = nextAccepted();
  const peer = await connect();
  const near = await accepting;
  const gone = new Promise<void>((resolve) => {
    near.once('close', () => resolve());
  });
  return { peer, gone };
}

/** What the server answers to somebody who only listens. */
async function greeting(connect: () => Promise<RawPeer>): Promise<number> {
  const { peer } = await begin(connect);
  const answer = await peer.readToLeave();
  peer.transport.destroy();
  return new RawHead(answer.toString()).status;
}

async function ask(connect: () => Promise<RawPeer>, request = rawRequest()): Promise<RawHead> {
  const peer = await connect();
  await peer.write(request);
  const head = await peer.readHead();
  if (head.status !== 101) {
    await peer.readToEnd();
    peer.transport.end();
  }
  return head;
}

async function expectService({ connect, accepted }: Started): Promise<void> {
  const { peer, gone } = await begin(connect);
  await peer.write(rawRequest());
  expect((await peer.readHead()).status).toBe(101);
  await peer.write(maskedFrame({ payload: 'hello' }));
  await accepted.at(-1)!.log.until('text hello');
  peer.transport.destroy();
  await gone;
}

describe.each(['net', 'unix'] as const)('a server on %s', (way) => {
  it('answers 503 to who comes when maxPendingUpgrades are in their handshake', async () => {
    const started = await start(way, { maxPendingUpgrades: 2 });
    const [first, second] = [await begin(started.connect), await begin(started.connect)];
    await first.peer.write('GET / HTTP/1.1\r\n');
    expect(await greeting(started.connect)).toBe(503);
    expect(await greeting(started.connect)).toBe(503);
    // Those that wait are not disturbed.
    await second.peer.write(rawRequest());
    expect((await second.peer.readHead()).status).toBe(101);
    await expectService(started);
    first.peer.transport.destroy();
    await first.gone;
  });

  it('counts nobody as pending who has an answer, or who has left', async () => {
    const started = await start(way, { maxPendingUpgrades: 1 });
    for (let i = 0; i < 3; i++) {
      expect((await ask(started.connect)).status).toBe(101);
      expect((await ask(started.connect, rawRequest({ Host: null }))).status).toBe(400);
      const { peer, gone } = await begin(started.connect);
      peer.transport.destroy();
      await gone;
    }
    await expectService(started);
  });

  it('counts those as pending about whom a hook has still to decide', async () => {
    const server = new WebSocketServer({ maxPendingUpgrades: 1 });
    const decide: ((result?: ReturnType<typeof refuse>) => void)[] = [];
    server.route('*', {
      upgrade: () =>
        new Promise<ReturnType<typeof refuse> | undefined>((resolve) => {
          decide.push(resolve);
        }),
    });
    const { connect } = await start(way, {}, server);
    for (const result of [undefined, refuse(403)]) {
      const { peer } = await begin(connect);
      await peer.write(rawRequest());
      await vi.waitFor(() => expect(decide.length).toBe(1), { interval: 2 });
      expect(await greeting(connect)).toBe(503);
      decide.pop()!(result);
      expect((await peer.readHead()).status).toBe(result === undefined ? 101 : 403);
    }
  });

  it('answers those with 503 who are in their handshake when the server closes', async () => {
    const { connect, server } = await start(way);
    const silent = await connect();
    const { peer } = await begin(connect);
    await peer.write('GET / HTTP/1.1\r\n');
    const closed = server.close();
    for (const one of [silent, peer]) {
      expect(new RawHead((await one.readToLeave()).toString()).status).toBe(503);
    }
    await closed;
  });
});

describe('a server on tls that has maxPendingUpgrades in their handshake', () => {
  it('ends who comes then at once: before TLS there is nobody to understand an answer', async () => {
    const started = await start('tls', { maxPendingUpgrades: 1 });
    const port = boundPort(started.server);
    const raw = (): Promise<RawPeer> => RawPeer.connect(port);
    // One that has not even begun with TLS, and one that has it behind itself.
    for (const connect of [raw, started.connect]) {
      const { peer, gone } = await begin(connect);
      const refused = await begin(raw);
      expect((await refused.peer.readToLeave()).length).toBe(0);
      const failed = connectTls({ port, host: '127.0.0.1', ca: CERTIFICATE });
      onTestFinished(() => void failed.destroy());
      const error = await new Promise<unknown>((resolve) => {
        failed.once('error', resolve);
      });
      expect(error).toMatchObject({ code: 'ECONNRESET' });
      peer.transport.destroy();
      await gone;
    }
    await expectService(started);
  });

  it('does no harm where many come at once', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const started = await start('tls', { maxPendingUpgrades: 3 });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, async () => await ask(started.connect)),
    );
    const served = outcomes.filter(({ status }) => status === 'fulfilled').length;
    expect(served).toBeGreaterThanOrEqual(3);
    expect(started.accepted.length).toBe(served);
    await expectService(started);
    expect(warn).not.toHaveBeenCalled();
  });
});

describe.each(WAYS)('on %s', (way) => {
  it('hosts, origins and paths are judged, in this order', async () => {
    const options = {
      hosts: ['localhost'],
      origins: ['http://localhost'],
      path: '/chat',
    };
    const { connect } = await start(way, options);
    const fields = { Host: 'evil.example', Origin: 'http://evil.example' };
    const mine = { Host: 'localhost', Origin: 'http://localhost' };
    const line = 'GET /chat HTTP/1.1';
    const status = async (...request: Parameters<typeof rawRequest>): Promise<number> =>
      (await ask(connect, rawRequest(...request))).status;
    expect(await status(fields)).toBe(421);
    expect(await status({ ...fields, Host: 'localhost' })).toBe(403);
    expect(await status(mine)).toBe(404);
    expect(await status(mine, line)).toBe(101);
    expect(await status(fields, line)).toBe(421);
    expect(await status({ ...mine, Origin: 'http://evil.example' }, line)).toBe(403);
    expect(await status({ ...mine, Origin: null }, line)).toBe(101);
  });
});

describe('a listener that cannot accept for a while', () => {
  it('is told by "error", and the server goes on', async () => {
    const started = await start();
    const errors: unknown[] = [];
    started.server.on('error', (error) => errors.push(error));
    const accepting = nextAccepted();
    await started.connect();
    const transport = await accepting;
    const listener: unknown = 'server' in transport ? transport.server : null;
    if (!(listener instanceof Server)) throw new Error('a transport knows its listener');
    const full = new Error('accept EMFILE');
    listener.emit('error', full);
    expect(errors).toEqual([full]);
    await expectService(started);
  });
});

describe('a function that judges origins', () => {
  it('and throws is answered with 500, and told, whatever it throws', async () => {
    const judge = vi.fn<() => boolean>();
    const { connect, server, accepted } = await start('net', { origins: judge });
    const onError = vi.fn<(error: Error) => void>();
    server.on('error', onError);
    const mistake = new Error('a mistake of the application');
    judge.mockImplementation(() => {
      throw mistake;
    });
    expect((await ask(connect)).status).toBe(500);
    expect(onError.mock.calls).toEqual([[mistake]]);
    judge.mockReset();
    expect((await ask(connect)).status).toBe(403);
    expect(accepted).toEqual([]);
  });
});

describe('the event "headers"', () => {
  type Fields = [name: string, value: string][];

  it('has the fields of the application, which it may add to, change and take away', async () => {
    const { connect, server } = await start();
    server.route('*', {
      upgrade: () => ({ headers: { 'X-One': '1', 'X-Two': '2' }, cookies: { sid: 'abc' } }),
    });
    const seen: unknown[] = [];
    server.on('headers', (headers: Fields, request: UpgradeRequest) => {
      seen.push(
        headers.map(([name]) => name),
        request.url,
      );
      headers.shift();
      headers[0]![1] = 'two';
      headers.push(['X-Three', '3'], ['Set-Cookie', 'more=1']);
    });
    const head = await ask(connect, rawRequest({}, 'GET /chat HTTP/1.1'));
    expect(seen).toEqual([['X-One', 'X-Two', 'Set-Cookie'], '/chat']);
    expect(head.status).toBe(101);
    expect(head.fields.slice(3)).toEqual([
      ['x-two', 'two'],
      ['set-cookie', expect.stringMatching(/^sid=abc/)],
      ['x-three', '3'],
      ['set-cookie', 'more=1'],
    ]);
  });

  it.each([
    ['a line break', ['X-A', 'a\r\nX-B: b']],
    ['no name', ['', 'a']],
    ['a field of the handshake', ['Upgrade', 'websocket']],
    ['no pair', []],
  ])('is answered with 500 where a listener adds %s', async (_what, field) => {
    const { connect, server, accepted } = await start();
    const errors: unknown[] = [];
    server.on('error', (error) => errors.push(error));
    server.on('headers', (headers: unknown[]) => void headers.push(field));
    const head = await ask(connect);
    expect([head.status, head.getAll('x-b')]).toEqual([500, []]);
    expect(errors).toEqual([expect.any(TypeError)]);
    expect(accepted).toEqual([]);
  });

  it('is answered with 500 where a listener throws, and only told where it rejects', async () => {
    const { connect, server } = await start();
    const errors: unknown[] = [];
    server.on('error', (error) => errors.push(error));
    const mistake = new Error('a mistake of the application');
    server.once('headers', () => {
      throw mistake;
    });
    expect((await ask(connect)).status).toBe(500);
    expect(errors).toEqual([mistake]);
    const rejects: () => unknown = () => Promise.reject(mistake);
    server.once('headers', rejects);
    expect((await ask(connect)).status).toBe(101);
    await vi.waitFor(() => expect(errors).toEqual([mistake, mistake]), { interval: 2 });
  });

  it('is not told for what is refused', async () => {
    const server = new WebSocketServer();
    const onHeaders = vi.fn<() => void>();
    server.on('headers', onHeaders);
    server.route('/refused', { upgrade: () => refuse(403) });
    server.route('/passed', { upgrade: () => next() });
    const { connect } = await start('net', {}, server);
    const statuses = [];
    for (const line of ['GET /refused HTTP/1.1', 'GET /passed HTTP/1.1', 'GET /none HTTP/1.1']) {
      statuses.push((await ask(connect, rawRequest({}, line))).status);
    }
    expect(statuses).toEqual([403, 404, 404]);
    expect(onHeaders).not.toHaveBeenCalled();
  });
});

function raise(): never {
  throw new Error('a mistake of the application');
}

describe('an application that ends it all while it is asked', () => {
  const ENDS: [string, (server: WebSocketServer, request: UpgradeRequest) => void, number][] = [
    ['closes the server', (server) => void server.close(), 503],
    ['shuts the server down', (server) => void server.shutdown(), 503],
    ['destroys the transport', (_server, { socket }) => void socket.destroy(), 0],
    ['ends the transport', (_server, { socket }) => void socket.end(), 0],
  ];

  it.each(ENDS)('in its hook (it %s) opens no socket', async (_how, end, status) => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const server = new WebSocketServer();
    const onHeaders = vi.fn<() => void>();
    server.on('headers', onHeaders);
    server.route('*', { upgrade: (request) => end(server, request) });
    const { accepted, connect } = await start('net', {}, server);
    const { peer, gone } = await begin(connect);
    await peer.write(rawRequest());
    const answer = await peer.readToLeave();
    expect(answer.length === 0 ? 0 : new RawHead(answer.toString()).status).toBe(status);
    peer.end();
    await gone;
    expect([accepted, server.sockets.size, warn.mock.calls]).toEqual([[], 0, []]);
    expect(onHeaders).not.toHaveBeenCalled();
    await server.close();
  });

  it.each(ENDS)(
    'in a listener for "headers" (it %s) opens no socket',
    async (_how, end, status) => {
      const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
      const { accepted, connect, server } = await start();
      server.on('headers', (_headers, request) => end(server, request));
      const { peer, gone } = await begin(connect);
      await peer.write(rawRequest());
      const answer = await peer.readToLeave();
      expect(answer.length === 0 ? 0 : new RawHead(answer.toString()).status).toBe(status);
      peer.end();
      await gone;
      expect([accepted, server.sockets.size, warn.mock.calls]).toEqual([[], 0, []]);
      await server.close();
    },
  );

  it.each([
    ['accepts', () => ({}), 0],
    ['refuses', () => refuse(403), 0],
    ['passes', () => next(), 0],
    ['throws', () => raise(), 1],
    ['accepts later', () => Promise.resolve({}), 0],
    ['passes later', () => Promise.resolve(next()), 0],
  ])('in a hook that then %s is answered once', async (_what, result, count) => {
    const server = new WebSocketServer();
    const errors: unknown[] = [];
    server.on('error', (error) => errors.push(error));
    server.route('*', {
      upgrade() {
        void server.close();
        return result();
      },
    });
    const { accepted, connect } = await start('net', {}, server);
    const { peer, gone } = await begin(connect);
    await peer.write(rawRequest());
    const answer = (await peer.readToLeave()).toString();
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 503']);
    peer.end();
    await gone;
    expect(accepted).toEqual([]);
    expect(errors.length).toBe(count);
  });

  it.each([
    ['the client leaves', 60_000, 0],
    ['its time is over', 5_000, 503],
  ])('because %s is answered once at the most', async (_why, handshakeTimeout, status) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const server = new WebSocketServer({ handshakeTimeout });
    const closed: Promise<void>[] = [];
    const asked = new Promise<void>((resolve) => {
      server.route('*', {
        upgrade: ({ signal }) => {
          signal.addEventListener('abort', () => closed.push(server.close()));
          resolve();
          return new Promise<undefined>(() => {});
        },
      });
    });
    const { accepted, connect } = await start('net', {}, server);
    const { peer, gone } = await begin(connect);
    await peer.write(rawRequest());
    await asked;
    if (status === 0) peer.reset();
    else vi.advanceTimersByTime(handshakeTimeout);
    const answer = (await peer.readToLeave()).toString();
    expect(answer === '' ? 0 : new RawHead(answer).status).toBe(status);
    peer.end();
    await gone;
    await Promise.all(closed);
    expect([accepted, closed.length]).toEqual([[], 1]);
  });

  it.each(ENDS)('in "connection" (it %s) does no harm', async (_how, end) => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const { connect, server, accepted } = await start();
    server.on('connection', (_socket, request) => end(server, request));
    const { peer, gone } = await begin(connect);
    await peer.write(rawRequest());
    peer.end();
    await peer.readToLeave();
    await gone;
    await accepted[0]!.log.until('close');
    expect(warn.mock.calls).toEqual([]);
    await server.close();
  });
});
