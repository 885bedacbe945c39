import { afterEach, describe, expect, it, vi } from 'vitest';
import type { SocketHooks } from '../../src/connection/socket-events.ts';
import type { Socket } from '../../src/connection/socket.ts';
import { closeBody } from '../support/bytes.ts';
import { Gate, type LiveSocket, openLive, turns, watchRejections } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

const mistake = new Error('a mistake of the application');

type Hooks = SocketHooks<Socket<undefined>>;

/** Every way in which a consumer can fail. */
const WAYS: readonly [name: string, fail: () => unknown][] = [
  [
    'throws',
    () => {
      throw mistake;
    },
  ],
  ['rejects at once', () => Promise.reject(mistake)],
  [
    'rejects later',
    async () => {
      await turns();
      throw mistake;
    },
  ],
  [
    'returns something with a `then` that throws',
    () => ({
      // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
      then: () => {
        throw mistake;
      },
    }),
  ],
];

/** Expects the Close of a mistake, and completes the closing handshake. */
async function expectFailed(live: LiveSocket): Promise<void> {
  const close = await live.frame();
  expect([close.opcode, close.payload]).toEqual([8, closeBody(1011)]);
  await live.send({ opcode: 8, payload: closeBody(1011) });
  live.peer.end();
  const [, , wasClean] = await live.closed;
  expect(wasClean).toBe(false);
  await turns();
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(ROLES)('a %s socket', (role) => {
  describe.each(WAYS)('whose consumer %s', (_name, fail) => {
    it('closes with 1011 and drops the rest, where that is the hook', async () => {
      const rejections = watchRejections();
      const told: unknown[] = [];
      const message = vi.fn<NonNullable<Hooks['message']>>(fail);
      const live = await openLive(role, {
        hooks: { message, error: (socket, error) => void told.push(socket, error) },
      });
      await live.sendTexts('1', '2', '3');
      await expectFailed(live);
      expect(told).toEqual([live.socket, mistake]);
      expect(message).toHaveBeenCalledTimes(1);
      expect(rejections).toEqual([]);
    });

    it('closes with 1011 and drops the rest, where that is a listener', async () => {
      const rejections = watchRejections();
      const told: unknown[] = [];
      const live = await openLive(role);
      const listen = vi.fn<() => unknown>(fail);
      live.socket.on('message', listen).on('error', (error) => void told.push(error));
      await live.sendTexts('1', '2', '3');
      await expectFailed(live);
      expect(told).toEqual([mistake]);
      expect(listen).toHaveBeenCalledTimes(1);
      expect(rejections).toEqual([]);
    });

    it('tells its owner where nobody listens for errors', async () => {
      const told: unknown[] = [];
      const live = await openLive(role, {
        hooks: { message: fail },
        owner: {
          onReleased: () => void told.push('released'),
          onUnheard: (error, socket) => void told.push(error, socket),
        },
      });
      await live.sendTexts('1');
      await expectFailed(live);
      expect(told).toEqual([mistake, live.socket, 'released']);
    });

    it('warns where nobody at all wants to know', async () => {
      const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
      const live = await openLive(role, { hooks: { message: fail } });
      await live.sendTexts('1');
      await expectFailed(live);
      expect(warn.mock.calls).toEqual([[mistake]]);
    });

    it('ends its loops behind the message', async () => {
      const live = await openLive(role, { hooks: { message: fail, error() {} } });
      const got: unknown[] = [];
      const looped = (async () => {
        for await (const message of live.socket) got.push(message);
      })();
      await live.sendTexts('1', '2');
      await expectFailed(live);
      await looped;
      expect(got).not.toContain('2');
    });

    it('ends where that is a message that had waited', async () => {
      const rejections = watchRejections();
      const told: unknown[] = [];
      const live = await openLive(role);
      live.socket.on('error', (error) => void told.push(error));
      await live.sendTexts('1', '2');
      await live.readAll();
      const listen = vi.fn<() => unknown>(fail);
      expect(() => live.socket.on('message', listen)).not.toThrow();
      await expectFailed(live);
      expect(told).toEqual([mistake]);
      expect(listen).toHaveBeenCalledTimes(1);
      expect(rejections).toEqual([]);
    });

    it('ends where that is the hook `open`, and gives it no message', async () => {
      const told: unknown[] = [];
      const message = vi.fn<() => void>();
      const live = await openLive(role, {
        hooks: { open: fail, message, error: (_socket, error) => void told.push(error) },
        head: [{ payload: 'early' }],
      });
      await expectFailed(live);
      expect(told).toEqual([mistake]);
      expect(message).not.toHaveBeenCalled();
    });

    it('ends where that is a hook for a stream', async () => {
      const rejections = watchRejections();
      const told: unknown[] = [];
      const live = await openLive(role, {
        hooks: { stream: fail, error: (_socket, error) => void told.push(error) },
      });
      await live.sendTexts('1', '2');
      await expectFailed(live);
      expect(told).toEqual([mistake]);
      expect(rejections).toEqual([]);
    });

    it.each(['ping', 'pong', 'drain'] as const)(
      'ends where that is the hook `%s`',
      async (name) => {
        const rejections = watchRejections();
        const told: unknown[] = [];
        const hooks: Hooks = { error: (_socket, error) => void told.push(error) };
        const live = await openLive(role, { hooks: { ...hooks, [name]: fail } });
        if (name === 'drain') {
          await live.fill();
          live.readOn();
          await live.message();
        } else {
          await live.send({ opcode: name === 'ping' ? 9 : 10, payload: 'x' });
        }
        await live.answerClose();
        await live.closed;
        await turns();
        expect(told).toEqual([mistake]);
        expect(rejections).toEqual([]);
      },
    );

    it('tells of the hook `close` too, and emits `close` all the same', async () => {
      const rejections = watchRejections();
      const told: unknown[] = [];
      const live = await openLive(role, {
        hooks: { close: fail, error: (_socket, error) => void told.push(error) },
      });
      await live.closeByPeer(4000);
      expect(await live.closed).toEqual([4000, '', true]);
      await turns(10);
      expect(told).toEqual([mistake]);
      expect(rejections).toEqual([]);
    });

    it('only warns where that is the hook `error`', async () => {
      const rejections = watchRejections();
      const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
      const listener = vi.fn<(error: Error) => void>();
      const live = await openLive(role, { hooks: { error: fail } });
      live.socket.on('error', listener);
      await live.send({ opcode: 3 });
      await live.answerClose();
      await live.closed;
      await turns(10);
      expect(warn.mock.calls).toEqual([[mistake]]);
      // It has done nothing wrong, and is told.
      expect(listener).toHaveBeenCalledTimes(1);
      expect(rejections).toEqual([]);
    });
  });

  it('tells of no error where a handler only learns that its peer has left', async () => {
    const onUnheard = vi.fn<(error: Error) => void>();
    const live = await openLive(role, { owner: { onReleased() {}, onUnheard } });
    const gate = new Gate();
    const waits: ((socket: Socket<undefined>) => Promise<unknown>)[] = [
      (socket) => socket.drained(),
      (socket) => socket.flushed(),
      (socket) => socket.ping(),
    ];
    const results: unknown[] = [];
    live.onMessage(async (message) => {
      await gate.passed;
      results.push(message, live.socket.readyState);
      await waits[Number(message)]!(live.socket);
    });
    await live.sendTexts('0');
    await live.send({ opcode: 8, payload: closeBody(1001) });
    expect((await live.frame()).opcode).toBe(8);
    // The Close has come, and the transport is still there.
    gate.open();
    await turns();
    live.peer.end();
    await live.closed;
    expect(results).toEqual(['0', 2]);
    expect(onUnheard).not.toHaveBeenCalled();
  });

  it('goes on with the other messages where a handler only learns that its peer has left', async () => {
    const live = await openLive(role);
    const gate = new Gate();
    const order: unknown[] = [];
    live.socket.on('error', (error) => void order.push(error));
    live.socket.on('close', (code) => void order.push(code));
    live.onMessage(async (message) => {
      await gate.passed;
      order.push(message);
      if (!live.socket.send('an answer')) await live.socket.drained();
    });
    await live.sendTexts('0', '1', '2');
    await live.closeByPeer(1001);
    expect((await live.frame()).opcode).toBe(8);
    gate.open();
    await live.closed;
    expect(order).toEqual(['0', '1', '2', 1001]);
  });

  it('only warns where a listener for errors throws', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const told: unknown[] = [];
    const live = await openLive(role, {
      hooks: { error: (_socket, error) => void told.push(error) },
    });
    live.socket.on('error', () => {
      throw mistake;
    });
    await live.send({ opcode: 3 });
    await live.answerClose();
    await live.closed;
    expect(warn.mock.calls).toEqual([[mistake]]);
    expect(told).toHaveLength(1);
  });

  it('catches the other mistakes for a message too, and tells each of them once at the most', async () => {
    const rejections = watchRejections();
    const told: unknown[] = [];
    const live = await openLive(role, {
      hooks: {
        async message() {
          await turns();
          throw new Error('of the hook');
        },
        error: (_socket, error) => void told.push(error.message),
      },
    });
    live.onMessage(async () => {
      await turns(2);
      throw new Error('of a listener');
    });
    live.socket.on('message', () => {
      throw mistake;
    });
    await live.sendTexts('1');
    await expectFailed(live);
    await turns(20);
    expect(told).toContain(mistake.message);
    expect(new Set(told).size).toBe(told.length);
    expect(rejections).toEqual([]);
  });

  it('catches both of two streams consumers', async () => {
    const rejections = watchRejections();
    const told: unknown[] = [];
    const live = await openLive(role, {
      hooks: {
        async stream() {
          await turns();
          throw new Error('of the hook');
        },
        error: (_socket, error) => void told.push(error.message),
      },
    });
    live.socket.on('stream', () => {
      throw mistake;
    });
    await live.sendTexts('1');
    await expectFailed(live);
    await turns(20);
    expect(told).toContain(mistake.message);
    expect(rejections).toEqual([]);
  });

  it('tells the hook and the listeners of an error, each of them once', async () => {
    const told: string[] = [];
    const live = await openLive(role, {
      hooks: {
        message: () => Promise.reject(mistake),
        error: (_socket, error) => void told.push(`hook ${error.message}`),
      },
      owner: { onReleased() {}, onUnheard: () => void told.push('owner') },
    });
    live.socket.on('error', (error) => void told.push(`listener ${error.message}`));
    await live.sendTexts('1', '2');
    await expectFailed(live);
    expect(told).toEqual([`hook ${mistake.message}`, `listener ${mistake.message}`]);
  });

  it('makes an Error of what is none', async () => {
    const told: Error[] = [];
    const live = await openLive(role);
    live.socket.on('error', (error) => void told.push(error));
    live.onMessage(async () => {
      throw 'a string';
    });
    await live.sendTexts('1');
    await expectFailed(live);
    expect(told[0]).toBeInstanceOf(Error);
    expect(told[0]!.message).toBe('a string');
  });

  it('tells what a handler rejects with after the connection has ended', async () => {
    const rejections = watchRejections();
    const gate = new Gate();
    const told: unknown[] = [];
    const live = await openLive(role);
    live.socket.on('error', (error) => void told.push(error));
    live.onMessage(async () => {
      await gate.passed;
      throw mistake;
    });
    await live.sendTexts('1');
    await live.readAll();
    live.socket.terminate();
    await live.closed;
    expect(told).toEqual([]);
    gate.open();
    await turns();
    expect(told).toEqual([mistake]);
    expect(rejections).toEqual([]);
  });

  it('leaves other sockets alone', async () => {
    const broken = await openLive(role, {
      hooks: { message: () => Promise.reject(mistake), error() {} },
    });
    const other = await openLive(role);
    other.socket.on('message', (message) => void other.socket.send(`echo ${message.toString()}`));
    await broken.sendTexts('1');
    await expectFailed(broken);
    await other.sendTexts('2');
    expect(await other.texts(1)).toEqual(['echo 2']);
  });
});
