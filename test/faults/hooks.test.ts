/** Every place where a server calls its application: what becomes of it when that throws or rejects. */
import { createServer } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import type { AnyServerSocket } from '../../src/server/server-socket.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { type RawFrame, closeBody, maskedFrame } from '../support/bytes.ts';
import { turns, watchRejections } from '../support/live-socket.ts';
import { listenLocally } from '../support/open-pair.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';
import type { TestHooks } from '../support/test-hooks.ts';

const mistake = new Error('a mistake of the application');

/** Every manner in which a function of an application fails. */
const MANNERS: readonly [name: 'throws' | 'rejects' | 'rejects later', fail: () => unknown][] = [
  [
    'throws',
    () => {
      throw mistake;
    },
  ],
  ['rejects', () => Promise.reject(mistake)],
  [
    'rejects later',
    async () => {
      await turns(2);
      throw mistake;
    },
  ],
];

/** A function of the application, which has no types: those would not let most of them be async. */
type Fail = () => never;

/** Who is told. */
type Told = 'hook' | 'server' | 'warning';

interface Outcome {
  /** The status of its answer. Default: 101. */
  readonly status?: number;
  /** The close code that the peer is sent; null where it stays open. Default: 1011. */
  readonly close?: number | null;
  /** Who is told of the mistake. Default: the hook `error` of its socket. */
  readonly told?: Told;
  /** What is told instead of the mistake. */
  readonly as?: RegExp;
}

interface Row {
  readonly options?: (fail: Fail) => WebSocketServerOptions;
  readonly hooks?: (fail: Fail, server: () => WebSocketServer) => TestHooks;
  /** Listeners of a socket that its server has accepted. */
  readonly listen?: (socket: AnyServerSocket, fail: Fail) => void;
  readonly server?: (server: WebSocketServer, fail: Fail) => void;
  /** What the peer sends. */
  readonly sends?: readonly RawFrame[];
  readonly outcome?: Outcome;
  /** Where a promise is something else than what is thrown. */
  readonly rejecting?: Outcome;
}

const TEXT: RawFrame = { payload: 'hello' };
const TEXTS: readonly RawFrame[] = [TEXT];
const PINGS: readonly RawFrame[] = [{ opcode: 9, payload: 'x' }];
const PONGS: readonly RawFrame[] = [{ opcode: 10, payload: 'x' }];
const LEAVES: readonly RawFrame[] = [{ opcode: 8, payload: closeBody(1000) }];
const BREAKS: readonly RawFrame[] = [{ opcode: 3 }];

async function* failingPieces(fail: Fail): AsyncGenerator<string, void, undefined> {
  yield 'the beginning';
  await (fail() as unknown);
}

const ROWS: Readonly<Record<string, Row>> = {
  'the function `origins`': {
    options: (fail) => ({ origins: fail }),
    outcome: { status: 500, told: 'server' },
    // A promise is no yes.
    rejecting: { status: 403, told: 'server' },
  },
  'the function `trustedProxies`': {
    options: (fail) => ({ trustedProxies: fail }),
    outcome: { close: null, told: 'server' },
  },
  'the hook `upgrade`': {
    hooks: (fail) => ({ upgrade: fail }),
    outcome: { status: 500, told: 'server' },
  },
  'the hook `open`': { hooks: (fail) => ({ open: fail }) },
  'the hook `message`': { hooks: (fail) => ({ message: fail }), sends: TEXTS },
  'the hook `stream`': { hooks: (fail) => ({ stream: fail }), sends: TEXTS },
  'the hook `ping`': { hooks: (fail) => ({ ping: fail }), sends: PINGS },
  'the hook `pong`': { hooks: (fail) => ({ pong: fail }), sends: PONGS },
  'the hook `drain`': {
    hooks: (fail) => ({
      highWaterMark: 0,
      open: (socket) => void socket.send('more than there is room for'),
      drain: fail,
    }),
  },
  'the hook `excess`': {
    hooks: (fail) => ({ rateLimit: { messages: 0.001 }, message: () => {}, excess: fail }),
    sends: [TEXT, TEXT, TEXT],
    rejecting: { as: /the hook excess answers/ },
  },
  'the hook `close`': {
    hooks: (fail) => ({ close: fail }),
    sends: LEAVES,
    outcome: { close: 1000 },
  },
  'the hook `error`': {
    hooks: (fail) => ({ error: fail }),
    sends: BREAKS,
    outcome: { close: 1002, told: 'warning' },
  },
  'a listener for `message`': {
    listen: (socket, fail) => socket.on('message', fail),
    sends: TEXTS,
  },
  'a listener for `stream`': {
    listen: (socket, fail) => socket.on('stream', fail),
    sends: TEXTS,
  },
  'a listener for `ping`': { listen: (socket, fail) => socket.on('ping', fail), sends: PINGS },
  'a listener for `pong`': { listen: (socket, fail) => socket.on('pong', fail), sends: PONGS },
  'a listener for `drain`': {
    hooks: () => ({ highWaterMark: 0 }),
    listen(socket, fail) {
      socket.on('drain', fail);
      socket.send('more than there is room for');
    },
  },
  'a listener for `close`': {
    listen: (socket, fail) => socket.on('close', fail),
    sends: LEAVES,
    outcome: { close: 1000 },
  },
  'a listener for `error`': {
    listen: (socket, fail) => socket.on('error', fail),
    sends: BREAKS,
    outcome: { close: 1002, told: 'warning' },
  },
  'the body of a loop over a socket': {
    server: (server, fail) =>
      // oxlint-disable-next-line typescript/no-misused-promises -- what it rejects with is caught
      server.on('connection', async (socket, request) => {
        if (request.path !== '/bad') return;
        for await (const _ of socket) await (fail() as unknown);
      }),
    sends: TEXTS,
  },
  'the body of a loop over a stream': {
    hooks: (fail) => ({
      async stream(_socket, stream) {
        for await (const _ of stream) await (fail() as unknown);
      },
    }),
    sends: TEXTS,
  },
  'an iterable that is sent': {
    hooks: (fail) => ({ message: (socket) => void socket.send(failingPieces(fail)) }),
    sends: TEXTS,
  },
  'a filter of `broadcast`, to whoever calls that': {
    hooks: (fail, server) => ({
      message: () => void server().broadcast('to all', { filter: fail }),
    }),
    sends: TEXTS,
    rejecting: { as: /filter/ },
  },
  'a handler of a topic': {
    hooks: () => ({ message: (socket) => void socket.publish('news', 'hello') }),
    server: (server, fail) => void server.subscribe('news', fail),
    sends: TEXTS,
    outcome: { close: null, told: 'server' },
  },
  'a listener of the server for `headers`': {
    server: (server, fail) => void server.on('headers', fail),
    outcome: { status: 500, told: 'server' },
    // The answer waits for nobody.
    rejecting: { status: 101, close: null, told: 'server' },
  },
  'a listener of the server for `connection`': {
    server: (server, fail) => void server.on('connection', fail),
  },
  'a listener of the server for `error`': {
    hooks: (fail) => ({ upgrade: fail }),
    server: (server, fail) => void server.on('error', fail),
    outcome: { status: 500, told: 'warning' },
  },
};

/** What was told, and to whom. */
class Tellings {
  readonly hook: unknown[] = [];
  readonly server: unknown[] = [];
  readonly warning: unknown[] = [];
}

/** A server of which one function fails, an honest client of it, and one that makes it fail. */
class Trap {
  readonly told = new Tellings();
  readonly server: WebSocketServer;
  #isSet = false;
  #port = 0;

  constructor(row: Row, manner: () => unknown) {
    // Before it is set, nobody is refused.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as functions without types
    const fail: Fail = () => (this.#isSet ? manner() : true) as never;
    this.server = new WebSocketServer(row.options?.(fail) ?? {});
    const error = (_socket: unknown, thrown: unknown): void => void this.told.hook.push(thrown);
    this.server.route('/good', { message: (socket, message) => void socket.send(message) });
    this.server.route('/bad', { error, ...row.hooks?.(fail, () => this.server) });
    this.server.on('connection', (socket, { path }) => {
      if (path === '/bad') row.listen?.(socket, fail);
    });
    row.server?.(this.server, fail);
    this.server.on('error', (thrown) => void this.told.server.push(thrown));
    onTestFinished(async () => void (await this.server.shutdown({ timeout: 0 })));
  }

  async listen(): Promise<void> {
    this.#port = await listenLocally(this.server);
  }

  set(isSet: boolean): void {
    this.#isSet = isSet;
  }

  async dial(path: string): Promise<RawPeer> {
    const peer = await RawPeer.connect(this.#port);
    await peer.write(rawRequest({}, `GET ${path} HTTP/1.1`));
    return peer;
  }
}

/** Expects the echo of a server to be the next thing that it says. */
async function expectEcho(peer: RawPeer, payload: string): Promise<void> {
  await peer.write(maskedFrame({ payload }));
  const [echo] = await peer.readFrames(1);
  expect([echo!.opcode, echo!.payload.toString()]).toEqual([1, payload]);
}

/** The code of the Close that comes, behind whatever there is. */
async function readClose(peer: RawPeer): Promise<number> {
  for (;;) {
    const [frame] = await peer.readFrames(1);
    if (frame!.opcode === 8) return frame!.payload.readUInt16BE();
  }
}

async function expectOutcome(peer: RawPeer, row: Row, outcome: Outcome): Promise<void> {
  const { status = 101, close = 1011 } = outcome;
  expect((await peer.readHead()).status).toBe(status);
  if (status !== 101) return;
  // In one write, since the server may close before the last is sent.
  await peer.write(Buffer.concat((row.sends ?? []).map(maskedFrame)));
  if (close === null) await expectStaysOpen(peer);
  else expect(await readClose(peer)).toBe(close);
}

async function expectStaysOpen(peer: RawPeer): Promise<void> {
  await turns(10);
  await peer.write(maskedFrame({ opcode: 9, payload: 'still there?' }));
  const [pong] = await peer.readFrames(1);
  expect(pong).toMatchObject({ opcode: 10, payload: Buffer.from('still there?') });
}

function outcomeOf(row: Row, manner: string): Outcome {
  return { ...row.outcome, ...(manner === 'throws' ? undefined : row.rejecting) };
}

let uncaught: unknown[] = [];
const onUncaught = (error: unknown): void => void uncaught.push(error);

beforeEach(() => {
  uncaught = [];
  process.on('uncaughtException', onUncaught);
});
afterEach(() => {
  process.off('uncaughtException', onUncaught);
  vi.restoreAllMocks();
});

describe.each(MANNERS)('where it %s', (manner, fail) => {
  it.each(Object.entries(ROWS))('%s ends one connection and no more', async (_name, row) => {
    const rejections = watchRejections();
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const outcome = outcomeOf(row, manner);
    const trap = new Trap(row, fail);
    await trap.listen();
    const honest = await trap.dial('/good');
    await honest.readHead();
    await expectEcho(honest, 'before');

    trap.set(true);
    const bad = await trap.dial('/bad');
    await expectOutcome(bad, row, outcome);
    await expectEcho(honest, 'behind');
    trap.told.warning.push(...warn.mock.calls.map(([warning]) => warning));
    const { told = 'hook', as } = outcome;
    bad.reset();
    await vi.waitFor(() => expect(trap.told[told]).not.toEqual([]));
    await turns(10);
    trap.set(false);

    if (as === undefined) expect(new Set(trap.told[told])).toEqual(new Set([mistake]));
    else expect(String(trap.told[told][0])).toMatch(as);
    expect([rejections, uncaught]).toEqual([[], []]);
    await expectEcho(honest, 'after');
    const another = await trap.dial('/good');
    await another.readHead();
    await expectEcho(another, 'who comes later');
  });

  it('the hook `shutdown` ends one connection with 1011, and the others as they should', async () => {
    const rejections = watchRejections();
    const trap = new Trap({ hooks: (never) => ({ shutdown: never }) }, fail);
    await trap.listen();
    const [honest, bad] = [await trap.dial('/good'), await trap.dial('/bad')];
    await Promise.all([honest.readHead(), bad.readHead()]);
    trap.set(true);
    const over = trap.server.shutdown();
    expect(await Promise.all([readClose(bad), readClose(honest)])).toEqual([1011, 1001]);
    for (const peer of [honest, bad])
      peer.end(maskedFrame({ opcode: 8, payload: closeBody(1000) }));
    expect(await over).toEqual({ closed: 2, terminated: 0 });
    expect([trap.told.hook, rejections]).toEqual([[mistake], []]);
  });

  it('a listener for `close` of the server is told to its listener for errors', async () => {
    const rejections = watchRejections();
    const trap = new Trap({ server: (server, never) => server.on('close', never) }, fail);
    await trap.listen();
    trap.set(true);
    await trap.server.close();
    await vi.waitFor(() => expect(trap.told.server).toEqual([mistake]));
    expect([rejections, uncaught]).toEqual([[], []]);
    trap.set(false);
  });

  it.each(['by itself', 'on an http server', 'as an option'])(
    'a listener for `listening` of a server that listens %s is told to its listener for errors',
    async (way) => {
      const rejections = watchRejections();
      const errors: unknown[] = [];
      const http = createServer();
      const options = { port: 0, host: '127.0.0.1' };
      const server = new WebSocketServer(way === 'as an option' ? options : {});
      server.on('listening', fail).on('error', (error) => void errors.push(error));
      onTestFinished(() => server.close());
      if (way === 'by itself') await server.listen(options);
      if (way === 'on an http server') {
        server.attach(http);
        await listenOn(http);
      }
      await vi.waitFor(() => expect(errors).toEqual([mistake]));
      const address = server.address();
      const peer = await RawPeer.connect(typeof address === 'object' ? (address?.port ?? 0) : 0);
      await peer.write(rawRequest());
      expect((await peer.readHead()).status).toBe(101);
      peer.reset();
      expect([rejections, uncaught]).toEqual([[], []]);
    },
  );
});
