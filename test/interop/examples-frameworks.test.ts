import { once } from 'node:events';
import { type Socket, connect } from 'tautline';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { hex } from '../support/bytes.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';
import { ExampleProcess, PATIENT } from './example-process.ts';

/** An example, and what its other listener for `upgrade` says first. */
interface Example {
  readonly file: string;
  readonly path: string;
  readonly subprotocols: readonly string[];
  readonly greeting: RegExp;
}

/**
 * For NODE_OPTIONS: no timer of 10 s or more fires, `handshakeTimeout` among them. A process that
 * waits for one does not end.
 */
const WITHOUT_LONG_TIMERS = `--import=data:text/javascript,${encodeURIComponent(
  `const set = setTimeout;
  const shorter = (call, time, ...values) => set(call, time >= 10_000 ? 2 ** 31 - 1 : time, ...values);
  globalThis.setTimeout = Object.assign(shorter, set);`,
)}`;

const NOW = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

const EXAMPLES: readonly Example[] = [
  {
    file: 'examples/express/server.mjs',
    path: '/',
    subprotocols: ['vite-hmr'],
    greeting: /^\{"type":"connected"\}$/,
  },
  { file: 'examples/fastify.mjs', path: '/time', subprotocols: [], greeting: NOW },
  { file: 'examples/hono.mjs', path: '/time', subprotocols: [], greeting: NOW },
];

/** Logs in as a page does. Returns the field Cookie that a browser would send from then on. */
async function login(server: ExampleProcess, user: string): Promise<string> {
  const response = await fetch(new URL('/login', server.url), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user }),
  });
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ user });
  const [cookie = ''] = response.headers.getSetCookie();
  expect(cookie).toMatch(/^session=[\w-]{36};.*HttpOnly;.*SameSite=Strict/);
  return cookie.split(';')[0]!;
}

async function connectAs(server: ExampleProcess, user: string): Promise<Socket> {
  return await connect(server.at('/echo'), { headers: { Cookie: await login(server, user) } });
}

describe.each(EXAMPLES)('$file', ({ file, path, subprotocols, greeting }) => {
  /** Comes to the other listener. Resolves when that has said something. */
  async function greet(server: ExampleProcess): Promise<WebSocket> {
    const socket = new WebSocket(server.at(path), [...subprotocols]);
    const [text]: unknown[] = await once(socket, 'message');
    expect(String(text)).toMatch(greeting);
    return socket;
  }

  it('knows at the WebSocket who has logged in at the framework', async () => {
    const server = await ExampleProcess.start(file);
    const [ann, ben] = await Promise.all([connectAs(server, 'Ann'), connectAs(server, 'Ben')]);
    const heard: unknown[] = [];
    ann.on('message', (message) => void heard.push(message));
    ann.send('hello');
    ann.send('ä'.repeat(100_000));
    ann.send('bye');
    await expect.poll(() => heard, PATIENT).toHaveLength(3);
    expect(heard).toEqual(['Ann: hello', `Ann: ${'ä'.repeat(100_000)}`, 'Ann: bye']);
    ben.send('hello');
    expect(await once(ben, 'message')).toEqual(['Ben: hello', false]);
    expect(await server.stop()).toBe('0: ');
  });

  it('refuses whom the framework does not know, and a foreign page with a cookie', async () => {
    const server = await ExampleProcess.start(file);
    const Cookie = await login(server, 'Ann');
    await expect(connect(server.at('/echo'))).rejects.toMatchObject({ status: 401 });
    const foreign = { origin: 'https://example.com', headers: { Cookie } };
    await expect(connect(server.at('/echo'), foreign)).rejects.toMatchObject({ status: 403 });
    const unknown = { headers: { Cookie: 'session=someone' } };
    await expect(connect(server.at('/echo'), unknown)).rejects.toMatchObject({ status: 401 });
    const own = { origin: new URL(server.url).origin, headers: { Cookie } };
    const socket = await connect(server.at('/echo'), own);
    expect(await socket.close()).toMatchObject({ wasClean: true });
    expect(await server.stop()).toBe('0: ');
  });

  it('leaves the other listener its WebSockets, and takes its own beside them', async () => {
    const server = await ExampleProcess.start(file);
    const before = await greet(server);
    const ann = await connectAs(server, 'Ann');
    const behind = await greet(server);
    ann.send('still there?');
    expect(await once(ann, 'message')).toEqual(['Ann: still there?', false]);

    await ann.close();
    for (const other of [before, behind]) {
      other.ping();
      await once(other, 'pong');
      other.close();
      await once(other, 'close');
    }
    expect(await server.stop()).toBe('0: ');
  });

  it('goes on when a stranger breaks the protocol at one or the other', async () => {
    const server = await ExampleProcess.start(file);
    const Cookie = await login(server, 'Ann');
    const protocol = subprotocols.length > 0 && { 'Sec-WebSocket-Protocol': [...subprotocols] };
    for (const [target, fields] of [
      [path, { ...protocol }],
      ['/echo', { Cookie }],
    ] as const) {
      const peer = await RawPeer.connect(server.port);
      await peer.write(rawRequest(fields, `GET ${target} HTTP/1.1`));
      expect((await peer.readHead()).status).toBe(101);
      // A text without a mask.
      await peer.write(hex('81 01 61'));
      await peer.readToLeave();
      peer.end();
    }
    const [other, ann] = await Promise.all([greet(server), connectAs(server, 'Ann')]);
    for (const socket of [other, ann]) void socket.close();
    expect(await server.stop()).toMatch(/^0: /);
  });

  it('stops when it is asked to, with sockets of both kinds open', async () => {
    const server = await ExampleProcess.start(file);
    const [other, ann] = await Promise.all([greet(server), connectAs(server, 'Ann')]);
    const ended = once(other, 'close');
    expect(await server.stop()).toBe('0: ');
    expect(await ann.closed).toMatchObject({ code: 1001, wasClean: true });
    await ended;
  });
});

describe('examples/fastify.mjs', () => {
  it('lets nobody in while it stops, who would keep it from its end', async () => {
    const server = await ExampleProcess.start('examples/fastify.mjs');
    const Cookie = await login(server, 'Ann');
    // It never answers a Close, so that stopping takes its time.
    const slow = await RawPeer.connect(server.port);
    await slow.write(rawRequest({ Cookie }, 'GET /echo HTTP/1.1'));
    expect((await slow.readHead()).status).toBe(101);
    const time = new WebSocket(server.at('/time'));
    await once(time, 'message');
    const stopped = server.stop();
    await once(time, 'close');
    const again = new WebSocket(server.at('/time'));
    const refused = once(again, 'error');
    expect(await stopped).toBe('0: ');
    expect(String((await refused)[0])).toMatch(/503|ECONNREFUSED|hang up/);
  });
});

describe('an upgrade that neither Tautline nor the other listener takes', () => {
  /** Sends it, and something behind it: when that is answered, this was read. */
  async function sendLost(server: ExampleProcess): Promise<RawPeer> {
    const peer = await RawPeer.connect(server.port);
    await peer.write(rawRequest({}, 'GET /nobody HTTP/1.1'));
    await login(server, 'Ann');
    return peer;
  }

  const startAll = (variables: Readonly<Record<string, string>> = {}): Promise<ExampleProcess[]> =>
    Promise.all(EXAMPLES.map(({ file }) => ExampleProcess.start(file, variables)));

  it('is closed after a while', async () => {
    const servers = await startAll();
    const peers = await Promise.all(servers.map(sendLost));
    const answers = await Promise.all(peers.map((peer) => peer.readToLeave()));
    expect(answers.map(String)).toEqual(['', '', '']);
    const ends = await Promise.all(servers.map((server) => server.stop()));
    expect(ends).toEqual(['0: ', '0: ', '0: ']);
  });

  it('does not keep the process from its end', async () => {
    const servers = await startAll({ NODE_OPTIONS: WITHOUT_LONG_TIMERS });
    const peers = await Promise.all(servers.map(sendLost));
    const ends = await Promise.all(servers.map((server) => server.stop()));
    expect(ends).toEqual(['0: ', '0: ', '0: ']);
    const answers = await Promise.all(peers.map((peer) => peer.readToLeave()));
    expect(answers.map(String)).toEqual(['', '', '']);
  });
});
