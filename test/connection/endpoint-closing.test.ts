import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Socket } from '../../src/connection/socket.ts';
import { ProtocolError } from '../../src/errors.ts';
import { type RawFrame, closeBody } from '../support/bytes.ts';
import { Gate, type LiveSetup, type LiveSocket, openLive, turns } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

/** What a socket has told, in order. */
function record(socket: Socket): string[] {
  const order: string[] = [];
  socket.on('error', (error) => {
    order.push(error instanceof ProtocolError ? `error ${error.closeCode}` : error.message);
  });
  socket.on('close', (code, _reason, wasClean) => void order.push(`close ${code} ${wasClean}`));
  return order;
}

const NOT_HANDLED = 'what the peer had sent was not handled within closeTimeout of its leaving';

const WRONG: RawFrame = { opcode: 3 };

/** Waits until the transport of the socket is gone. */
async function gone({ near }: LiveSocket): Promise<void> {
  while (!near.closed) await turns(1);
  await turns();
}

describe.each(ROLES)('at the end of a %s', (role) => {
  it('messages come first, then the error, then `close`', async () => {
    const live = await openLive(role);
    const order = record(live.socket);
    live.socket.on('message', (message) => void order.push(message.toString()));
    await live.send({ payload: '1' }, { payload: '2' }, WRONG);
    await live.answerClose();
    await live.closed;
    expect(order).toEqual(['1', '2', 'error 1002', 'close 1006 false']);
  });

  it('the error and `close` wait for a consumer that is busy', async () => {
    const live = await openLive(role);
    const order = record(live.socket);
    const gates = [new Gate(), new Gate()];
    live.onMessage(async (message) => {
      order.push(`begin ${message.toString()}`);
      await gates[Number(message)]!.passed;
      order.push(`end ${message.toString()}`);
    });
    await live.send({ payload: '0' }, { payload: '1' }, WRONG);
    await live.answerClose();
    await gone(live);
    expect(order).toEqual(['begin 0']);
    gates[0]!.open();
    await turns();
    expect(order.slice(1)).toEqual(['end 0', 'begin 1']);
    gates[1]!.open();
    await turns();
    expect(order.slice(3)).toEqual(['end 1', 'error 1002', 'close 1006 false']);
  });

  it('the error comes when all is handled, though the transport is not gone yet', async () => {
    const live = await openLive(role);
    const order = record(live.socket);
    const gate = new Gate();
    live.onMessage(() => gate.passed);
    await live.send({ payload: '1' }, WRONG);
    await live.frame();
    gate.open();
    await turns();
    expect(order).toEqual(['error 1002']);
    live.peer.end();
    await live.closed;
    expect(order).toEqual(['error 1002', 'close 1006 false']);
  });

  it('`close` waits for no consumer that there is not', async () => {
    const live = await openLive(role);
    const order = record(live.socket);
    await live.send({ payload: 'kept' }, { opcode: 8, payload: closeBody(4000) });
    live.peer.end();
    await live.closed;
    expect(order).toEqual(['close 4000 true']);
  });

  it.each(['close', 'terminate'] as const)(
    '`close` waits for no consumer that is busy where we %s',
    async (how) => {
      const live = await openLive(role);
      const order = record(live.socket);
      const gate = new Gate();
      live.onMessage(async () => {
        await gate.passed;
        order.push('done');
      });
      await live.sendTexts('1', '2');
      await live.readAll();
      void live.socket[how]();
      if (how === 'close') await live.answerClose();
      await live.closed;
      expect(order).toEqual([how === 'close' ? 'close 1005 true' : 'close 1006 false']);
      gate.open();
      await turns();
      expect(order.slice(1)).toEqual(['done']);
    },
  );

  it('`close` waits for no consumer where we close after the peer has left', async () => {
    const live = await openLive(role);
    const order = record(live.socket);
    const gate = new Gate();
    live.onMessage(async (message) => {
      order.push(message.toString());
      await gate.passed;
      await live.socket.close();
      order.push('closed');
    });
    await live.sendTexts('1', '2');
    await live.closeByPeer(1001);
    await gone(live);
    gate.open();
    await live.closed;
    await turns();
    // It has asked for the end, so the second message is not wanted.
    expect(order.toSorted()).toEqual(['1', 'close 1001 true', 'closed']);
  });

  it.each(['close', 'terminate'] as const)(
    '`close` comes at once where we %s a socket that is paused, and whose peer has left',
    async (how) => {
      const live = await openLive(role);
      const order = record(live.socket);
      const gate = new Gate();
      live.onMessage(() => gate.passed);
      await live.sendTexts('1', '2');
      await live.readAll();
      live.socket.pause();
      gate.open();
      live.near.destroy();
      await gone(live);
      expect(order).toEqual([]);
      void live.socket[how]();
      await turns();
      expect(order).toEqual(['close 1006 false']);
    },
  );

  it('promises resolve while a consumer delays `close`', async () => {
    const live = await openLive(role);
    const gate = new Gate();
    let isTold = false;
    live.socket.on('close', () => (isTold = true));
    live.onMessage(() => gate.passed);
    await live.sendTexts('1');
    await live.readAll();
    const ping = live.socket.ping();
    await live.closeByPeer(1001);
    await expect(ping).rejects.toMatchObject({ closeCode: 1001 });
    expect(await live.socket.closed).toMatchObject({ code: 1001 });
    expect(live.socket.readyState).toBe(3);
    expect(isTold).toBe(false);
    gate.open();
    await live.closed;
  });

  it('what a consumer that is still busy sends goes nowhere', async () => {
    const live = await openLive(role);
    const gate = new Gate();
    const results: unknown[] = [];
    live.onMessage(async () => {
      await gate.passed;
      results.push(live.socket.send('late'), live.socket.bufferedAmount, live.socket.readyState);
    });
    await live.sendTexts('1');
    await live.closeByPeer();
    await gone(live);
    gate.open();
    await live.closed;
    expect(results).toEqual([false, 0, 3]);
  });
});

describe.each(ROLES)('the time that a %s gives its consumers', (role) => {
  beforeEach(() => {
    // Not those of the network, which the runtime keeps apart.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => void vi.useRealTimers());

  async function open(setup: LiveSetup = {}): Promise<LiveSocket> {
    return await openLive(role, {
      ...setup,
      options: { closeTimeout: 3000, pingInterval: 0, ...setup.options },
    });
  }

  it('is closeTimeout; then an error and `close` are told, and the rest is dropped', async () => {
    const live = await open();
    const order = record(live.socket);
    const gate = new Gate();
    live.onMessage(async (message) => {
      order.push(message.toString());
      await gate.passed;
    });
    await live.sendTexts('1', '2');
    await live.closeByPeer(1001);
    await gone(live);
    vi.advanceTimersByTime(2999);
    await turns();
    expect(order).toEqual(['1']);
    vi.advanceTimersByTime(1);
    expect(order).toEqual(['1', NOT_HANDLED, 'close 1001 true']);
    expect(vi.getTimerCount()).toBe(0);
    gate.open();
    await turns();
    expect(order).toHaveLength(3);
  });

  it.each(['handles', 'does not handle'])(
    'begins when a socket that is paused goes on, and the consumer %s the rest',
    async (how) => {
      const live = await open();
      const order = record(live.socket);
      const gates = [new Gate(), new Gate()];
      live.onMessage(async (message) => {
        order.push(message.toString());
        await gates[Number(message)]?.passed;
      });
      await live.sendTexts('0', '1', '2');
      await live.readAll();
      live.socket.pause();
      gates[0]!.open();
      live.near.destroy();
      await gone(live);
      vi.advanceTimersByTime(1_000_000);
      expect(order).toEqual(['0']);
      live.socket.resume();
      live.socket.resume();
      if (how === 'handles') {
        gates[1]!.open();
        await turns();
        expect(order.slice(1)).toEqual(['1', '2', 'close 1006 false']);
      } else {
        vi.advanceTimersByTime(2999);
        expect(order.slice(1)).toEqual(['1']);
        vi.advanceTimersByTime(1);
        expect(order.slice(2)).toEqual([NOT_HANDLED, 'close 1006 false']);
      }
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  it('does not begin again when a socket is resumed that has told its end', async () => {
    const live = await open();
    const order = record(live.socket);
    live.socket.terminate();
    await live.closed;
    live.socket.resume();
    expect(vi.getTimerCount()).toBe(0);
    expect(order).toEqual(['close 1006 false']);
  });

  it('is told to the owner where nobody listens for errors', async () => {
    const told: unknown[] = [];
    const live = await open({
      owner: {
        onReleased() {},
        onUnheard: (error, socket) => void told.push(error.message, socket),
      },
      hooks: { message: () => new Promise(() => {}) },
    });
    await live.sendTexts('1');
    await live.closeByPeer();
    await gone(live);
    vi.advanceTimersByTime(3000);
    expect(await live.closed).toEqual([1000, '', true]);
    expect(told).toEqual([NOT_HANDLED, live.socket]);
  });

  it('holds for the hook `open`, a stream that nobody reads, and a loop that stands still', async () => {
    const setups: [LiveSetup, (live: LiveSocket) => void][] = [
      [{ hooks: { open: () => new Promise(() => {}) } }, () => {}],
      [{ hooks: { stream: () => {} } }, () => {}],
      [{}, (live) => void live.socket[Symbol.asyncIterator]().next()],
    ];
    for (const [setup, prepare] of setups) {
      const live = await open(setup);
      const order = record(live.socket);
      prepare(live);
      await live.sendTexts('1', '2');
      await live.closeByPeer();
      await gone(live);
      expect(order).toEqual([]);
      vi.advanceTimersByTime(3000);
      await turns();
      expect(order).toEqual([NOT_HANDLED, 'close 1000 true']);
      expect(vi.getTimerCount()).toBe(0);
    }
  });

  it('tells what the peer did wrong too, before `close`', async () => {
    const live = await open();
    const order = record(live.socket);
    live.onMessage(() => new Promise(() => {}));
    await live.send({ payload: '1' }, WRONG);
    await live.answerClose();
    await gone(live);
    vi.advanceTimersByTime(3000);
    await turns();
    expect(order.toSorted()).toEqual([`close 1006 false`, 'error 1002', NOT_HANDLED].toSorted());
    expect(order.at(-1)).toBe('close 1006 false');
  });

  it('tells what a consumer rejects with when its time is over', async () => {
    const live = await open();
    const order = record(live.socket);
    const gate = new Gate();
    live.onMessage(async () => {
      await gate.passed;
      throw new Error('a mistake');
    });
    await live.sendTexts('1');
    await live.closeByPeer();
    await gone(live);
    vi.advanceTimersByTime(3000);
    gate.open();
    await turns();
    expect(order).toEqual([NOT_HANDLED, 'close 1000 true', 'a mistake']);
  });

  it('ends early when the consumers are done, and no timer is left', async () => {
    const live = await open();
    const order = record(live.socket);
    const gate = new Gate();
    live.onMessage(() => gate.passed);
    await live.sendTexts('1', '2');
    await live.closeByPeer();
    await gone(live);
    gate.open();
    await live.closed;
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(10_000);
    expect(order).toEqual(['close 1000 true']);
  });

  it.each([
    ['the peer closes', (live: LiveSocket) => live.closeByPeer()],
    [
      'we close',
      (live: LiveSocket) => {
        void live.socket.close();
        return live.answerClose();
      },
    ],
    ['we terminate', (live: LiveSocket) => live.socket.terminate()],
    ['the peer resets', (live: LiveSocket) => live.peer.reset()],
    ['the peer ends', (live: LiveSocket) => live.peer.end()],
    [
      'the peer breaks the protocol',
      async (live: LiveSocket) => {
        await live.send(WRONG);
        await live.answerClose();
      },
    ],
    [
      'a consumer throws',
      async (live: LiveSocket) => {
        await live.sendTexts('throw');
        await live.answerClose();
      },
    ],
  ])('leaves no timer behind when %s', async (_name, end) => {
    const live = await open({
      options: { pingInterval: 30_000 },
      hooks: {
        message() {
          throw new Error('a mistake');
        },
        error() {},
      },
    });
    expect(vi.getTimerCount()).toBe(1);
    const controller = new AbortController();
    const ping = live.socket.ping('x', { signal: controller.signal });
    ping.catch(() => {});
    await Promise.resolve(end(live));
    await live.closed;
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe.each(ROLES)('the keepalive of a %s', (role) => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => void vi.useRealTimers());

  it('does not blame a peer for Pongs that wait behind messages for a busy consumer', async () => {
    const live = await openLive(role, { options: { maxQueue: 2 } });
    const gate = new Gate();
    const got: unknown[] = [];
    live.onMessage(async (message) => {
      got.push(message);
      await gate.passed;
    });
    await live.sendTexts('1', '2', '3', '4');
    while (!live.near.isPaused()) await turns(1);
    vi.advanceTimersByTime(30_000);
    const ping = await live.frame();
    expect(ping.opcode).toBe(9);
    await live.send({ opcode: 10, payload: ping.payload });
    // More Pings may follow; none of them has to be answered now.
    for (let i = 0; i < 100; i++) {
      vi.advanceTimersByTime(1000);
      await turns(1);
    }
    expect(live.socket.readyState).toBe(1);
    gate.open();
    await live.readAll();
    expect(got).toEqual(['1', '2', '3', '4']);
    expect(live.socket.readyState).toBe(1);
  });

  it('gives up a silent peer though a consumer is busy', async () => {
    const gate = new Gate();
    const live = await openLive(role);
    live.onMessage(() => gate.passed);
    await live.sendTexts('1');
    await live.readAll();
    vi.advanceTimersByTime(30_000);
    // A Pong, or anything else, would keep it.
    vi.advanceTimersByTime(10_000);
    expect(await live.socket.closed).toMatchObject({ code: 1006 });
    gate.open();
    await live.closed;
    expect(vi.getTimerCount()).toBe(0);
  });

  it('goes on beside the Pings of the application', async () => {
    const live = await openLive(role);
    const mine = live.socket.ping('mine');
    const first = await live.frame();
    vi.advanceTimersByTime(250);
    await live.send({ opcode: 10, payload: first.payload });
    expect(await mine).toBe(250);
    expect(live.socket.latency).toBe(Number.NaN);
    vi.advanceTimersByTime(29_750);
    const own = await live.frame();
    expect([own.opcode, own.payload.length]).toEqual([9, 4]);
    vi.advanceTimersByTime(20);
    await live.send({ opcode: 10, payload: own.payload });
    while (Number.isNaN(live.socket.latency)) await turns(1);
    expect(live.socket.latency).toBe(20);
  });
});
