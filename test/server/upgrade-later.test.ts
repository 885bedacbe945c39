/** Hooks that take their time, and what may happen meanwhile; hooks that throw. */
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { HandshakeError } from '../../src/errors.ts';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import type { UpgradeRequest } from '../../src/server/request.ts';
import { type Next, type Refusal, next, refuse } from '../../src/server/route.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { maskedFrame } from '../support/bytes.ts';
import { WAYS, type Way, follow, listenBy } from '../support/open-pair.ts';
import { RawHead, rawRequest } from '../support/raw-http.ts';
import type { RawPeer } from '../support/raw-peer.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

type Result = Next | Refusal | undefined;

/** An upgrade that waits for the test. */
interface Pending {
  readonly request: UpgradeRequest;
  readonly resolve: (result?: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** A server whose hook waits for the test, and what it has told. */
class Deciding {
  readonly server: WebSocketServer;
  readonly accepted: ReturnType<typeof follow>;
  readonly pending: Pending[] = [];
  readonly errors: unknown[] = [];
  connect: () => Promise<RawPeer> = () => Promise.reject(new Error('it does not listen'));

  constructor(options: WebSocketServerOptions = {}) {
    this.server = new WebSocketServer(options);
    this.accepted = follow(this.server);
    this.server.on('error', (error) => this.errors.push(error));
    this.server.route('*', {
      upgrade: (request) =>
        new Promise<Result>((resolve, reject) => {
          this.pending.push({ request, resolve, reject });
        }),
    });
  }

  static async start(way: Way = 'net', options: WebSocketServerOptions = {}): Promise<Deciding> {
    const deciding = new Deciding(options);
    deciding.connect = await listenBy(way, deciding.server);
    return deciding;
  }

  /** A client whose request the hook has before it. `behind` are bytes in the same write. */
  async ask(behind: Uint8Array = Buffer.alloc(0)): Promise<{ peer: RawPeer; pending: Pending }> {
    const peer = await this.connect();
    const count = this.pending.length;
    peer.transport.write(Buffer.concat([Buffer.from(rawRequest()), behind]));
    await turnsUntil(() => this.pending.length > count);
    return { peer, pending: this.pending[count]! };
  }
}

/** Waits without timers, which tests may hold. */
async function turnsUntil(isThere: () => boolean): Promise<void> {
  while (!isThere()) await new Promise(setImmediate);
}

function failOnUnhandled(): void {
  const seen: unknown[] = [];
  const see = (error: unknown): void => void seen.push(error);
  process.on('unhandledRejection', see);
  onTestFinished(() => {
    process.off('unhandledRejection', see);
    expect(seen).toEqual([]);
  });
}

const frame = (i: number, size: number): Buffer =>
  maskedFrame({ opcode: 2, payload: Buffer.alloc(size, i) });

describe.each(WAYS)('while a hook decides, on %s', (way) => {
  it('frames behind the head, and those that come after it, wait in their order', async () => {
    const deciding = await Deciding.start(way);
    const { peer, pending } = await deciding.ask(Buffer.concat([frame(1, 3), frame(2, 3)]));
    await peer.write(frame(3, 3));
    await peer.write(frame(4, 3).subarray(0, 5));
    await new Promise(setImmediate);
    await peer.write(frame(4, 3).subarray(5));
    await new Promise(setImmediate);
    expect(peer.unread.length).toBe(0);
    pending.resolve();
    expect((await peer.readHead()).status).toBe(101);
    await peer.write(frame(5, 3));
    const { log } = deciding.accepted[0]!;
    await log.until('binary 050505');
    expect(log.entries).toEqual([1, 2, 3, 4, 5].map((i) => `binary ${`0${i}`.repeat(3)}`));
  });

  it('more than 64 KiB of them are held back in the network, and all come in the end', async () => {
    const deciding = await Deciding.start(way, { maxQueue: 1000 });
    const { peer, pending } = await deciding.ask(frame(0, 1000));
    for (let i = 1; i < 200; i++) peer.transport.write(frame(i, 20_000));
    const transport = pending.request.socket;
    await turnsUntil(() => transport.isPaused());
    // Node reads a little ahead of whoever has paused.
    expect(transport.readableLength).toBeLessThan(256 * 1024);
    pending.resolve();
    expect((await peer.readHead()).status).toBe(101);
    const { log } = deciding.accepted[0]!;
    await log.until(`binary ${'c7'.repeat(20_000)}`);
    expect(log.entries.map((entry) => entry.slice(0, 9))).toEqual(
      Array.from({ length: 200 }, (_, i) => `binary ${Buffer.of(i).toString('hex')}`),
    );
  });

  it('its client may leave: the signal is aborted, nothing is written, and nobody is told', async () => {
    failOnUnhandled();
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const deciding = await Deciding.start(way, { maxPendingUpgrades: 1 });
    const late: ((pending: Pending) => void)[] = [
      ({ resolve }) => resolve(),
      ({ resolve }) => resolve(next()),
      ({ resolve }) => resolve(refuse(403)),
      ({ reject }) => reject(new Error('gave up')),
    ];
    for (const settle of late) {
      const { peer, pending } = await deciding.ask();
      const { signal } = pending.request;
      expect(signal.aborted).toBe(false);
      peer.end();
      await turnsUntil(() => signal.aborted);
      expect(signal.reason).toBeInstanceOf(HandshakeError);
      expect(signal.reason).toMatchObject({ code: 'WS_ERR_LEFT' });
      settle(pending);
      expect((await peer.readToLeave()).length).toBe(0);
      expect(pending.request.socket.destroyed).toBe(true);
    }
    expect(deciding.accepted).toEqual([]);
    expect([deciding.errors, warn.mock.calls]).toEqual([[], []]);
  });

  it('its time may run out: 503, the signal is aborted, and what it says then is ignored', async () => {
    failOnUnhandled();
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const deciding = await Deciding.start(way, { handshakeTimeout: 5_000, maxPendingUpgrades: 1 });
    const late: ((pending: Pending) => void)[] = [
      ({ resolve }) => resolve(),
      ({ resolve }) => resolve(next()),
      ({ resolve }) => resolve(refuse(403)),
      ({ reject }) => reject(new Error('gave up')),
      ({ request, reject }) => reject(request.signal.reason),
    ];
    for (const [i, settle] of late.entries()) {
      const { peer, pending } = await deciding.ask();
      // Half of them look at their signal only later.
      const signal = i % 2 === 0 ? pending.request.signal : null;
      // What the handshake of TLS took is taken off.
      vi.advanceTimersByTime(3_000);
      expect(signal?.aborted ?? false).toBe(false);
      vi.advanceTimersByTime(2_000);
      expect((await peer.readHead()).status).toBe(503);
      expect(signal?.aborted ?? true).toBe(true);
      expect(pending.request.signal.aborted).toBe(true);
      expect(pending.request.signal.reason).toMatchObject({ code: 'WS_ERR_UNDECIDED' });
      settle(pending);
      await peer.readToEnd();
      peer.transport.end();
      await peer.readToLeave();
    }
    expect(deciding.accepted).toEqual([]);
    expect([deciding.errors, warn.mock.calls]).toEqual([[], []]);
  });

  it('the server may close: 503, the signal is aborted, and what it says then is ignored', async () => {
    const deciding = await Deciding.start(way);
    const { peer, pending } = await deciding.ask();
    const { signal } = pending.request;
    const closed = deciding.server.close();
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toMatchObject({ code: 'WS_ERR_CLOSING' });
    pending.resolve();
    expect((await peer.readHead()).status).toBe(503);
    await closed;
    expect(deciding.accepted).toEqual([]);
  });
});

describe('the time that a hook may take', () => {
  it('is what the head has left of the one handshakeTimeout', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const deciding = await Deciding.start('net', { handshakeTimeout: 5_000 });
    const peer = await deciding.connect();
    await peer.write('GET / HTTP/1.1\r\n');
    for (let i = 0; i < 10; i++) await new Promise(setImmediate);
    vi.advanceTimersByTime(3_000);
    await peer.write(rawRequest().replace(/^.*\r\n/, ''));
    await turnsUntil(() => deciding.pending.length === 1);
    vi.advanceTimersByTime(1_999);
    expect(deciding.pending[0]!.request.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect((await peer.readHead()).status).toBe(503);
  });

  it('is not counted once there is an answer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const deciding = await Deciding.start('net', { handshakeTimeout: 5_000, pingInterval: 0 });
    const { peer, pending } = await deciding.ask();
    pending.resolve();
    expect((await peer.readHead()).status).toBe(101);
    const { signal } = deciding.accepted[0]!.socket.request;
    vi.advanceTimersByTime(60_000);
    expect([signal.aborted, vi.getTimerCount()]).toEqual([false, 0]);
    await peer.write(frame(7, 1));
    await deciding.accepted[0]!.log.until('binary 07');
  });

  it('is one for all the routes that are asked', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const deciding = new Deciding({ handshakeTimeout: 5_000 });
    const { server, pending } = deciding;
    server.route('*', {
      upgrade: (request) =>
        new Promise<Result>((resolve, reject) => {
          pending.push({ request, resolve, reject });
        }),
    });
    deciding.connect = await listenBy('net', server);
    const { peer, pending: first } = await deciding.ask();
    vi.advanceTimersByTime(3_000);
    first.resolve(next());
    await turnsUntil(() => pending.length === 2);
    vi.advanceTimersByTime(1_999);
    expect(pending[1]!.request.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect((await peer.readHead()).status).toBe(503);
  });
});

describe('a hook that throws or rejects', () => {
  const mistake = new Error('a mistake of the application');
  const backend = new HandshakeError('WS_ERR_ANSWER_TIMEOUT', 0, 'no answer', [['X', 'a\r\nY: b']]);
  const HOOKS: [string, unknown, () => unknown][] = [
    ['throws', mistake, () => void raise(mistake)],
    ['rejects', mistake, () => Promise.reject(mistake)],
    ['throws no Error', new Error('oops'), () => void raise('oops')],
    ['rejects with nothing', new Error('undefined'), () => Promise.reject(undefined)],
    ['lets through how its own connect was refused', backend, () => Promise.reject(backend)],
    ['throws one of our errors', backend, () => void raise(backend)],
    // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
    ['returns a thenable that throws', mistake, () => ({ then: () => raise(mistake) })],
    [
      'returns what throws when it is looked at',
      mistake,
      // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
      () => Object.defineProperty({}, 'then', { get: () => raise(mistake) }),
    ],
    ['makes no refusal', expect.any(RangeError), () => refuse(200)],
    ['makes no refusal later', expect.any(TypeError), async () => refuse(403, { 'a b': 'c' })],
  ];

  function raise(thrown: unknown): never {
    throw thrown;
  }

  async function startWith(upgrade: () => unknown): Promise<Deciding> {
    const server = new WebSocketServer();
    const deciding = Object.assign(new Deciding(), { server, accepted: follow(server) });
    const route: unknown = Reflect.get(server, 'route');
    if (typeof route === 'function') Reflect.apply(route, server, ['*', { upgrade }]);
    deciding.connect = await listenBy('net', server);
    return deciding;
  }

  async function statusOf({ connect }: Deciding): Promise<number> {
    const peer = await connect();
    await peer.write(rawRequest());
    const answer = (await peer.readToEnd()).toString();
    expect(answer).not.toContain('Y: b');
    peer.end();
    await peer.closed();
    return new RawHead(answer).status;
  }

  it.each(HOOKS)('(it %s) is answered with 500, and told', async (_how, thrown, upgrade) => {
    failOnUnhandled();
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const deciding = await startWith(upgrade);
    const { errors, server } = deciding;
    server.on('error', (error, socket) => errors.push(error, socket));
    expect(await statusOf(deciding)).toBe(500);
    expect(await statusOf(deciding)).toBe(500);
    expect(errors).toEqual([thrown, undefined, thrown, undefined]);
    expect(warn.mock.calls).toEqual([]);
    expect(deciding.accepted).toEqual([]);
  });

  it.each(HOOKS)('(it %s) is warned of where nobody listens', async (_how, thrown, upgrade) => {
    failOnUnhandled();
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const deciding = await startWith(upgrade);
    expect(await statusOf(deciding)).toBe(500);
    expect(warn.mock.calls).toEqual([[thrown]]);
  });

  it('is warned of where the listener for errors throws as well', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const deciding = await startWith(() => Promise.reject(mistake));
    const worse = new Error('and another');
    deciding.server.on('error', () => raise(worse));
    expect(await statusOf(deciding)).toBe(500);
    expect(warn.mock.calls).toEqual([[worse]]);
  });
});
