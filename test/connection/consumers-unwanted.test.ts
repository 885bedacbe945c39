import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MessageStream } from '../../src/connection/message-stream.ts';
import { Gate, type LiveSetup, type LiveSocket, openLive, turns } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

const TIMEOUT = 3000;

function numbers(count: number, from: number = 0): string[] {
  return Array.from({ length: count }, (_, i) => String(from + i));
}

async function held({ near }: LiveSocket): Promise<void> {
  while (!near.isPaused()) await turns(1);
}

/** Expects that the socket reads, though nobody may want what it reads. */
async function expectReading(live: LiveSocket): Promise<void> {
  await live.readAll();
  expect(live.near.isPaused()).toBe(false);
}

describe.each(ROLES)('messages that nobody comes for at a %s', (role) => {
  beforeEach(() => {
    // Not those of the network, which the runtime keeps apart.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => void vi.useRealTimers());

  async function open(setup: LiveSetup = {}): Promise<LiveSocket> {
    const options = { maxQueue: 3, closeTimeout: TIMEOUT, pingInterval: 0, ...setup.options };
    return await openLive(role, { ...setup, options });
  }

  it('are dropped when the queue has been full for closeTimeout: Pings wait behind them', async () => {
    const live = await open();
    await live.sendTexts(...numbers(10));
    await held(live);
    vi.advanceTimersByTime(TIMEOUT - 1);
    expect(live.near.isPaused()).toBe(true);
    vi.advanceTimersByTime(1);
    await expectReading(live);
    await live.sendTexts(...numbers(100));
    await expectReading(live);
    expect(vi.getTimerCount()).toBe(0);
    // From here on somebody wants them.
    const got: unknown[] = [];
    live.socket.on('message', (message) => void got.push(message));
    await live.sendTexts('wanted');
    await live.readAll();
    expect(got).toEqual(['wanted']);
  });

  it('are kept for ever as long as the queue is not full', async () => {
    const live = await open();
    await live.sendTexts('1', '2');
    await live.readAll();
    vi.advanceTimersByTime(100 * TIMEOUT);
    expect(vi.getTimerCount()).toBe(0);
    const got: unknown[] = [];
    for await (const message of live.socket) {
      got.push(message);
      if (got.length === 2) break;
    }
    expect(got).toEqual(['1', '2']);
  });

  it('let the Close of the peer through once they are dropped', async () => {
    const live = await open();
    await live.sendTexts(...numbers(10));
    await live.closeByPeer(4000);
    await held(live);
    vi.advanceTimersByTime(TIMEOUT);
    expect(await live.closed).toEqual([4000, '', true]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are kept where somebody comes in time', async () => {
    const live = await open();
    await live.sendTexts(...numbers(10));
    await held(live);
    vi.advanceTimersByTime(TIMEOUT - 1);
    const got: unknown[] = [];
    live.socket.on('message', (message) => void got.push(message));
    await live.readAll();
    vi.advanceTimersByTime(10 * TIMEOUT);
    expect(got).toEqual(numbers(10));
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are kept where a consumer is there and busy, however long', async () => {
    const live = await open();
    const gate = new Gate();
    const got: unknown[] = [];
    live.onMessage(async (message) => {
      got.push(message);
      await gate.passed;
    });
    await live.sendTexts(...numbers(10));
    await held(live);
    vi.advanceTimersByTime(100 * TIMEOUT);
    gate.open();
    await live.readAll();
    expect(got).toEqual(numbers(10));
  });

  it.each(['once', 'a loop with a break'])(
    'are kept for a consumer that comes for one at a time, by %s',
    async (how) => {
      const live = await open();
      const take = async (): Promise<unknown> => {
        if (how === 'once') return (await once(live.socket, 'message'))[0] as unknown;
        for await (const message of live.socket) return message;
        return 'nothing';
      };
      await live.sendTexts(...numbers(10));
      await held(live);
      const got: unknown[] = [];
      for (let i = 0; i < 10; i++) {
        got.push(await take());
        await turns();
        vi.advanceTimersByTime(TIMEOUT - 1);
        await turns();
      }
      expect(got).toEqual(numbers(10));
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  it.each(['off', 'a loop that is left'])(
    'are dropped too where the consumer that was there has gone, by %s',
    async (how) => {
      const live = await open();
      const gate = new Gate();
      const listener = (): unknown => gate.passed;
      const iterator = live.socket[Symbol.asyncIterator]();
      if (how === 'off') live.socket.on('message', listener);
      else void iterator.next();
      await live.sendTexts(...numbers(10));
      await held(live);
      vi.advanceTimersByTime(10 * TIMEOUT);
      expect(live.near.isPaused()).toBe(true);
      if (how === 'off') live.socket.off('message', listener);
      else await iterator.return?.();
      gate.open();
      await turns();
      vi.advanceTimersByTime(TIMEOUT);
      await expectReading(live);
    },
  );

  it('are kept while the socket is paused, and wait anew when it is resumed', async () => {
    const live = await open();
    live.socket.pause();
    await live.sendTexts(...numbers(5));
    await held(live);
    vi.advanceTimersByTime(10 * TIMEOUT);
    const got: unknown[] = [];
    const listener = (message: unknown): void => void got.push(message);
    live.socket.on('message', listener);
    live.socket.resume();
    await live.readAll();
    expect(got).toEqual(numbers(5));
    live.socket.off('message', listener);
    live.socket.pause();
    await live.sendTexts(...numbers(5));
    await held(live);
    vi.advanceTimersByTime(10 * TIMEOUT);
    live.socket.resume();
    vi.advanceTimersByTime(TIMEOUT - 1);
    expect(live.near.isPaused()).toBe(true);
    vi.advanceTimersByTime(1);
    await expectReading(live);
  });

  it('are kept for a hook `open` that takes its time before it listens', async () => {
    const gate = new Gate();
    const got: unknown[] = [];
    const live = await open({
      hooks: {
        async open(socket) {
          await gate.passed;
          socket.on('message', (message) => void got.push(message));
        },
      },
    });
    await live.sendTexts(...numbers(10));
    await held(live);
    vi.advanceTimersByTime(10 * TIMEOUT);
    gate.open();
    await live.readAll();
    expect(got).toEqual(numbers(10));
  });

  it('are dropped as streams too, and hold nothing any more', async () => {
    const live = await open({ options: { maxQueueSize: 2000, maxQueue: 50 } });
    const streams: MessageStream[] = [];
    const listener = (stream: MessageStream): void => void streams.push(stream);
    live.socket.on('stream', listener);
    await live.sendTexts('first', ...Array.from({ length: 20 }, () => 'x'.repeat(400)));
    await held(live);
    live.socket.off('stream', listener);
    streams[0]!.cancel();
    await turns();
    vi.advanceTimersByTime(2 * TIMEOUT);
    await expectReading(live);
    const got: unknown[] = [];
    live.socket.on('message', (message) => void got.push(message));
    await live.sendTexts('wanted');
    await live.readAll();
    expect(got).toEqual(['wanted']);
  });

  it('leave no timer behind when the connection ends meanwhile', async () => {
    for (const end of ['terminate', 'close', 'destroy'] as const) {
      const live = await open();
      await live.sendTexts(...numbers(10));
      await held(live);
      if (end === 'terminate') live.socket.terminate();
      else if (end === 'destroy') live.near.destroy();
      else void live.socket.close();
      if (end === 'close') await live.answerClose();
      await live.closed;
      expect(vi.getTimerCount()).toBe(0);
    }
  });
});
