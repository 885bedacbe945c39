import { afterEach, describe, expect, it, vi } from 'vitest';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import type { AnyServerSocket } from '../../src/server/server-socket.ts';
import type { ShutdownOptions } from '../../src/server/shutdown.ts';
import { closeBody, maskedFrame } from '../support/bytes.ts';
import { join, listenLocally, numbered, statusAt } from '../support/joined-peer.ts';
import type { RawPeer } from '../support/raw-peer.ts';
import type { TestHooks } from '../support/test-hooks.ts';

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

interface Joined {
  readonly server: WebSocketServer;
  readonly port: number;
  readonly peers: readonly RawPeer[];
  readonly sockets: readonly AnyServerSocket[];
}

async function joinAll(
  count: number,
  hooks: TestHooks = {},
  options: WebSocketServerOptions = {},
): Promise<Joined> {
  const server = new WebSocketServer(options).route('/', hooks);
  const port = await listenLocally(server);
  const peers: RawPeer[] = [];
  for (let i = 0; i < count; i++) peers.push(await join(port));
  return { server, port, peers, sockets: [...server.sockets] };
}

/** Waits for the Close, answers it, and gives its body. */
async function answerClose(peer: RawPeer): Promise<Buffer> {
  for (;;) {
    const [frame] = await peer.readFrames(1);
    if (frame!.opcode !== 8) continue;
    peer.end(maskedFrame({ opcode: 8, payload: frame!.payload }));
    return frame!.payload;
  }
}

/** As somebody without types would call it. */
function shutDown(server: WebSocketServer, options: object): Promise<unknown> {
  const result: unknown = Reflect.apply(server.shutdown.bind(server), undefined, [options]);
  return Promise.resolve(result);
}

describe('shutdown', () => {
  it('closes all sockets with 1001, and resolves when the last has ended', async () => {
    const { server, peers } = await joinAll(3);
    let told = 0;
    server.on('close', () => told++);
    const ended = server.shutdown();
    expect(await Promise.all(peers.map((peer) => answerClose(peer)))).toEqual([
      closeBody(1001),
      closeBody(1001),
      closeBody(1001),
    ]);
    expect(await ended).toEqual({ closed: 3, terminated: 0 });
    expect([server.sockets.size, server.address(), told]).toEqual([0, null, 1]);
  });

  it('sends the code and the reason that it is given', async () => {
    const { server, peers } = await joinAll(1);
    const ended = server.shutdown({ code: 4001, reason: 'an update é' });
    expect(await answerClose(peers[0]!)).toEqual(closeBody(4001, 'an update é'));
    await ended;
  });

  it('has nothing to do where no socket is open', async () => {
    const server = new WebSocketServer();
    expect(await server.shutdown()).toEqual({ closed: 0, terminated: 0 });
    await listenLocally(server);
    expect(await server.shutdown()).toEqual({ closed: 0, terminated: 0 });
  });

  it('is what leaving a block does, by await using', async () => {
    const { server, peers } = await joinAll(1);
    const disposed = server[Symbol.asyncDispose]();
    expect(await answerClose(peers[0]!)).toEqual(closeBody(1001));
    await disposed;
    expect(server.address()).toBeNull();
  });

  it('is not the end for good: the server may listen again', async () => {
    const { server } = await joinAll(0);
    await server.shutdown();
    await server.listen(0, '127.0.0.1');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    expect(await statusAt(port, '/')).toBe(101);
  });

  it.each<[string, object, ErrorConstructor]>([
    ['an option that there is not', { batchsize: 5 }, TypeError],
    ['a code that must not be sent', { code: 1005 }, RangeError],
    ['a code out of range', { code: 5000 }, RangeError],
    ['a code that is no number', { code: '1001' }, TypeError],
    ['a reason that is too long', { reason: 'x'.repeat(124) }, RangeError],
    ['a reason that is no string', { reason: 5 }, TypeError],
    ['a time below zero', { timeout: -1 }, RangeError],
    ['a time that is NaN', { timeout: Number.NaN }, RangeError],
    ['a time that no timer has', { timeout: 2 ** 31 }, RangeError],
    ['a time that is no number', { timeout: '5' }, TypeError],
    ['an interval below zero', { batchInterval: -1 }, RangeError],
    ['an interval that is no number', { batchInterval: '5' }, TypeError],
    ['an interval that no timer has', { batchInterval: 2 ** 31 }, RangeError],
    ['batches of nobody', { batchSize: 0 }, RangeError],
    ['batches that are not whole', { batchSize: 1.5 }, RangeError],
    ['batches that are no number', { batchSize: '2' }, TypeError],
  ])('rejects what cannot be, and changes nothing: %s', async (_what, options, kind) => {
    let told = 0;
    const { server, port, sockets } = await joinAll(1, { shutdown: () => void told++ });
    await expect(shutDown(server, options)).rejects.toBeInstanceOf(kind);
    expect([told, sockets[0]!.readyState, await statusAt(port, '/')]).toEqual([0, 1, 101]);
  });

  it.each<[string, ShutdownOptions]>([
    ['no wait between batches', { batchInterval: 0 }],
    ['the longest times', { batchInterval: 2 ** 31 - 2, timeout: 2 ** 31 - 1 }],
    ['one batch for all', { batchSize: Number.POSITIVE_INFINITY }],
    ['nothing', { code: undefined, reason: undefined, timeout: undefined, signal: undefined }],
  ])('takes %s', async (_what, options) => {
    const { server, peers } = await joinAll(1);
    const ended = server.shutdown(options);
    await answerClose(peers[0]!);
    expect(await ended).toEqual({ closed: 1, terminated: 0 });
  });
});

describe('the hook shutdown', () => {
  it('is waited for: until then there is no Close, and the socket goes on', async () => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { server, peers } = await joinAll(1, {
      shutdown: () => released,
      message: (socket, message) => socket.send(message),
    });
    const ended = server.shutdown();
    await peers[0]!.write(maskedFrame({ payload: 'meanwhile' }));
    const [echo] = await peers[0]!.readFrames(1);
    expect(echo!.payload.toString()).toBe('meanwhile');
    release();
    expect(await answerClose(peers[0]!)).toEqual(closeBody(1001));
    expect(await ended).toEqual({ closed: 1, terminated: 0 });
  });

  it('that never ends is waited for as long as timeout allows', async () => {
    const { server } = await joinAll(2, { shutdown: () => new Promise(() => {}) });
    expect(await server.shutdown({ timeout: 40 })).toEqual({ closed: 0, terminated: 2 });
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('a mistake');
      },
    ],
    ['rejects', () => Promise.reject(new Error('a mistake'))],
  ])(
    'that %s closes its own socket with 1011, and the others as they should be',
    async (_how, fail) => {
      const errors: unknown[] = [];
      const { server, peers, sockets } = await joinAll(3, {
        shutdown: (socket) => (socket === sockets[1] ? fail() : undefined),
      });
      server.on('error', (...values) => errors.push(...values));
      const ended = server.shutdown();
      expect(await Promise.all(peers.map((peer) => answerClose(peer)))).toEqual([
        closeBody(1001),
        closeBody(1011),
        closeBody(1001),
      ]);
      expect(await ended).toEqual({ closed: 3, terminated: 0 });
      expect(numbered(errors, sockets)).toEqual([new Error('a mistake'), '#1']);
    },
  );

  it('is not called for a socket that has left meanwhile', async () => {
    const told: AnyServerSocket[] = [];
    const { server, peers, sockets } = await joinAll(3, {
      async shutdown(socket) {
        told.push(socket);
        sockets[1]!.terminate();
        await sockets[1]!.closed;
      },
    });
    const ended = server.shutdown({ batchSize: 1, batchInterval: 0 });
    await Promise.all([answerClose(peers[0]!), answerClose(peers[2]!)]);
    expect(await ended).toEqual({ closed: 3, terminated: 0 });
    expect(numbered(told, sockets)).toEqual(['#0', '#2']);
  });

  it('may close its socket with a code of its own', async () => {
    const { server, peers } = await joinAll(1, {
      shutdown: (socket) => void socket.close(4000, 'my own'),
    });
    const ended = server.shutdown();
    expect(await answerClose(peers[0]!)).toEqual(closeBody(4000, 'my own'));
    expect(await ended).toEqual({ closed: 1, terminated: 0 });
  });
});

describe('batches', () => {
  it('are closed one after the other, each when its hooks are done', async () => {
    /** Which sockets were open when the hook of each was called. */
    const log: string[] = [];
    const { server, peers, sockets } = await joinAll(5, {
      async shutdown(socket) {
        const open = sockets.map(({ readyState }) => (readyState === 1 ? 'o' : '-')).join('');
        log.push(`${sockets.indexOf(socket)} ${open}`);
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      },
    });
    const ended = server.shutdown({ batchSize: 2, batchInterval: 1 });
    await Promise.all(peers.map((peer) => answerClose(peer)));
    expect(await ended).toEqual({ closed: 5, terminated: 0 });
    expect(log).toEqual(['0 ooooo', '1 ooooo', '2 --ooo', '3 --ooo', '4 ----o']);
  });

  it('do not wait for peers that do not answer', async () => {
    const { server, peers, sockets } = await joinAll(3);
    const ended = server.shutdown({ batchSize: 1, batchInterval: 0, timeout: 300 });
    const answered = Promise.all([answerClose(peers[1]!), answerClose(peers[2]!)]);
    await answered;
    expect(sockets[0]!.readyState).not.toBe(1);
    expect(await ended).toEqual({ closed: 2, terminated: 1 });
  });

  it('that still wait when the time is over are terminated with the rest', async () => {
    const told: AnyServerSocket[] = [];
    const { server } = await joinAll(3, { shutdown: (socket) => void told.push(socket) });
    const result = await server.shutdown({
      batchSize: 1,
      batchInterval: 2_000_000_000,
      timeout: 40,
    });
    expect(result).toEqual({ closed: 0, terminated: 3 });
    expect(told).toHaveLength(1);
  });
});

describe('the end of patience', () => {
  it('terminates after timeout whoever did not answer, and counts it', async () => {
    const { server, peers } = await joinAll(3);
    const ended = server.shutdown({ timeout: 300 });
    await answerClose(peers[1]!);
    expect(await ended).toEqual({ closed: 1, terminated: 2 });
    expect(server.sockets.size).toBe(0);
  });

  it('comes at once by the signal', async () => {
    const { server, peers } = await joinAll(2);
    const controller = new AbortController();
    const ended = server.shutdown({ timeout: 2_000_000_000, signal: controller.signal });
    await Promise.all(peers.map((peer) => peer.readFrames(1)));
    controller.abort();
    expect(await ended).toEqual({ closed: 0, terminated: 2 });
  });

  it('comes at once by the signal, between batches and while hooks run', async () => {
    const controller = new AbortController();
    const { server } = await joinAll(3, {
      async shutdown() {
        controller.abort();
        await new Promise(() => {});
      },
    });
    const ended = server.shutdown({
      batchSize: 1,
      timeout: 2_000_000_000,
      signal: controller.signal,
    });
    expect(await ended).toEqual({ closed: 0, terminated: 3 });
  });

  it('has come where the signal is aborted already: no hook is called', async () => {
    let told = 0;
    const { server } = await joinAll(2, { shutdown: () => void told++ });
    const ended = server.shutdown({ signal: AbortSignal.abort() });
    expect(await ended).toEqual({ closed: 0, terminated: 2 });
    expect(told).toBe(0);
  });

  it('leaves no timer and no listener behind', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const controller = new AbortController();
    const { signal } = controller;
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const { server, peers } = await joinAll(2);
    const ended = server.shutdown({
      batchSize: 1,
      batchInterval: 60_000,
      timeout: 120_000,
      signal,
    });
    await peers[0]!.readFrames(1);
    controller.abort();
    expect(await ended).toEqual({ closed: 0, terminated: 2 });
    expect(vi.getTimerCount()).toBe(0);
    expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
  });
});
