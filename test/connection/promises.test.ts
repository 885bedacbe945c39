import { Duplex } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { endpointOf } from '../../src/connection/socket.ts';
import { ConnectionClosedError } from '../../src/errors.ts';
import { Gate, openLive, turns, watchRejections } from '../support/live-socket.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { ROLES } from '../support/open-connection.ts';
import { makeSocket } from '../support/open-socket.ts';

const reason = new Error('no patience');

/** Whether a promise has settled by now. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  return (await Promise.race([promise, turns().then(() => pending)])) === pending;
}

describe.each(ROLES)('drained() of a %s socket', (role) => {
  it('resolves at once where there is room', async () => {
    const live = await openLive(role);
    expect(await live.socket.drained()).toBeUndefined();
    live.socket.send('a little');
    expect(await live.socket.drained()).toBeUndefined();
  });

  it('resolves when there is room again, for all that wait, without a listener', async () => {
    const live = await openLive(role);
    await live.fill();
    const waiting = [live.socket.drained(), live.socket.drained()];
    expect(await isPending(Promise.race(waiting))).toBe(true);
    live.readOn();
    await Promise.all(waiting);
    expect(live.socket.bufferedAmount).toBeLessThanOrEqual(64 * 1024);
    expect(live.socket.send('more')).toBe(true);
  });

  it('resolves beside the event `drain`', async () => {
    const live = await openLive(role);
    await live.fill();
    const order: string[] = [];
    live.socket.on('drain', () => void order.push('drain'));
    const waiting = live.socket.drained().then(() => order.push('drained'));
    live.readOn();
    await waiting;
    expect(order.toSorted()).toEqual(['drain', 'drained']);
  });

  it('waits for all that waits behind a message of fragments, though that has room', async () => {
    const live = await openLive(role);
    const gate = new Gate();
    let asked = 0;
    async function* parts(): AsyncGenerator<Buffer> {
      for (; asked < 30; asked++) yield Buffer.alloc(256 * 1024);
      await gate.passed;
    }
    live.stall();
    const sent = live.socket.send(parts());
    live.socket.on('drain', () =>
      expect(live.socket.bufferedAmount).toBeLessThanOrEqual(64 * 1024),
    );
    expect(live.socket.send(Buffer.alloc(100_000))).toBe(false);
    const drained = live.socket.drained();
    live.readOn();
    // oxlint-disable-next-line no-unmodified-loop-condition -- the generator counts
    while (asked < 30) await turns(1);
    expect(await isPending(drained)).toBe(true);
    gate.open();
    expect(await sent).toBe(true);
    await drained;
  });

  it('rejects with the reason of its signal, and the others go on', async () => {
    const live = await openLive(role);
    await live.fill();
    await expect(live.socket.drained({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const left = live.socket.drained({ signal: controller.signal });
    const other = live.socket.drained({ signal: new AbortController().signal });
    controller.abort(reason);
    await expect(left).rejects.toBe(reason);
    live.readOn();
    await other;
  });

  it('rejects when the connection ends', async () => {
    const rejections = watchRejections();
    const live = await openLive(role);
    await live.fill();
    const waiting = live.socket.drained();
    void live.socket.drained();
    live.peer.reset();
    await expect(waiting).rejects.toMatchObject({ closeCode: 1006 });
    await live.closed;
    await expect(live.socket.drained()).rejects.toThrow(ConnectionClosedError);
    void live.socket.drained();
    await turns();
    expect(rejections).toEqual([]);
  });

  it('lets a producer keep its pace with its peer', async () => {
    const live = await openLive(role);
    live.stall();
    const part = Buffer.alloc(256 * 1024);
    let sent = 0;
    let most = 0;
    const produced = (async () => {
      for (; sent < 40; sent++) {
        if (!live.socket.send(part)) await live.socket.drained();
        most = Math.max(most, live.socket.bufferedAmount);
      }
    })();
    let before = -1;
    while (sent > before) {
      before = sent;
      await turns(20);
    }
    expect(sent).toBeLessThan(40);
    live.readOn();
    await produced;
    await live.socket.flushed();
    expect(most).toBeLessThan(3 * part.length);
  });
});

describe.each([
  ['client', false],
  ['server', false],
  ['client', true],
  ['server', true],
] as const)('flushed() of a %s socket (TLS: %s)', (role, secure) => {
  it('resolves when all that was sent went to the kernel', async () => {
    const live = await openLive(role, { secure });
    expect(await live.socket.flushed()).toBeUndefined();
    live.socket.send('small');
    live.socket.send(Buffer.alloc(100_000));
    await live.socket.flushed();
    expect(live.socket.bufferedAmount).toBe(0);
    const frames = await live.peer.readFrames(2);
    expect(frames.map(({ payload }) => payload.length)).toEqual([5, 100_000]);
  });

  it('waits for a peer that does not read', async () => {
    const live = await openLive(role, { secure });
    await live.fill(Buffer.alloc(1024 * 1024));
    const flushed = live.socket.flushed();
    expect(await isPending(flushed)).toBe(true);
    live.readOn();
    await flushed;
    expect(live.socket.bufferedAmount).toBe(0);
  });

  it('waits for the message under way, and for what waits behind it', async () => {
    const live = await openLive(role, { secure });
    const gate = new Gate();
    async function* parts(): AsyncGenerator<string> {
      yield 'one, ';
      await gate.passed;
      yield 'two';
    }
    const sent = live.socket.send(parts());
    live.socket.send('behind');
    const flushed = live.socket.flushed();
    live.socket.send('later');
    expect((await live.frame()).payload.toString()).toBe('one, ');
    expect(await isPending(flushed)).toBe(true);
    gate.open();
    await flushed;
    expect(await sent).toBe(true);
    expect(await live.texts(4)).toEqual(['two', '', 'behind', 'later']);
  });
});

describe.each(ROLES)('flushed() of a %s socket', (role) => {
  it('does not wait for what is sent later', async () => {
    const live = await openLive(role);
    live.socket.send('first');
    const flushed = live.socket.flushed();
    await live.fill(Buffer.alloc(1024 * 1024));
    await flushed;
    expect(live.near.writableLength).toBeGreaterThan(0);
  });

  it('rejects when the connection ends before', async () => {
    const rejections = watchRejections();
    const live = await openLive(role);
    await live.fill(Buffer.alloc(1024 * 1024));
    const waiting = live.socket.flushed();
    void live.socket.flushed();
    live.peer.reset();
    await expect(waiting).rejects.toMatchObject({ closeCode: 1006 });
    await live.closed;
    await expect(live.socket.flushed()).rejects.toThrow(ConnectionClosedError);
    void live.socket.flushed();
    await turns();
    expect(rejections).toEqual([]);
  });

  it('rejects where it waits behind a message that will never end', async () => {
    const live = await openLive(role);
    const never = new Gate();
    async function* parts(): AsyncGenerator<string> {
      yield 'one';
      await never.passed;
    }
    const sent = live.socket.send(parts());
    const waiting = live.socket.flushed();
    await live.frame();
    void live.socket.close(4000);
    await live.answerClose();
    await expect(waiting).rejects.toMatchObject({ closeCode: 4000 });
    expect(await sent).toBe(false);
    never.open();
  });

  it('rejects with the reason of its signal, before and during', async () => {
    const live = await openLive(role);
    await live.fill(Buffer.alloc(1024 * 1024));
    await expect(live.socket.flushed({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const waiting = live.socket.flushed({ signal: controller.signal });
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    live.readOn();
    await live.socket.flushed();
  });

  it('rejects where the transport fails as it is written to', async () => {
    const stream = new Duplex({
      read() {},
      write: (_chunk, _encoding, callback) => callback(new Error('the network')),
    });
    const socket = makeSocket(role, stream);
    socket.send('lost');
    await expect(socket.flushed()).rejects.toThrow(ConnectionClosedError);
  });
});

describe.each(ROLES)('the room for fragments of a %s socket', (role) => {
  it('is waited for, and is not there any more when the connection has ended', async () => {
    const live = await openLive(role);
    const { promises } = endpointOf(live.socket);
    await promises.fragmentRoom(100_000_000);
    await live.fill();
    const waiting = promises.fragmentRoom(0);
    expect(await isPending(waiting)).toBe(true);
    live.readOn();
    await waiting;
    await live.fill();
    const lost = promises.fragmentRoom(0);
    live.peer.reset();
    await expect(lost).rejects.toThrow(ConnectionClosedError);
  });

  it('comes where what is pending only had to be written', async () => {
    const live = await openLive(role, { options: { highWaterMark: 10 } });
    live.socket.send('more than the mark');
    await endpointOf(live.socket).promises.fragmentRoom(10);
    expect(await live.texts(1)).toEqual(['more than the mark']);
  });

  it('never comes where the socket is closing', async () => {
    const live = await openLive(role);
    await live.fill();
    void live.socket.close(1000);
    const { promises } = endpointOf(live.socket);
    await expect(promises.fragmentRoom(0)).rejects.toThrow(ConnectionClosedError);
    live.socket.terminate();
    await live.closed;
  });
});

describe.each(ROLES)('what is to happen at the end of a %s socket', (role) => {
  it('happens once, before any listener is told, or at once where it is over', async () => {
    const live = await openLive(role);
    const order: string[] = [];
    const { promises } = endpointOf(live.socket);
    promises.onceClosed(() => void order.push('first'));
    promises.onceClosed(() => void order.push('forgotten'))();
    live.socket.on('close', () => void order.push('close'));
    live.peer.reset();
    await live.closed;
    promises.onceClosed(() => void order.push('late'))();
    expect(order).toEqual(['first', 'close', 'late']);
  });
});

describe.each(ROLES)('closed of a %s socket', (role) => {
  it('resolves with what the peer said, the same promise every time', async () => {
    const live = await openLive(role);
    const { closed } = live.socket;
    expect(live.socket.closed).toBe(closed);
    await live.closeByPeer(4321, 'good reasons');
    expect(await closed).toEqual({ code: 4321, reason: 'good reasons', wasClean: true });
    expect(live.socket.closed).toBe(closed);
  });

  it('resolves where it is asked for only after the end', async () => {
    const live = await openLive(role);
    live.peer.reset();
    await live.closed;
    expect(await live.socket.closed).toEqual({ code: 1006, reason: '', wasClean: false });
    expect(await live.socket.close(1000)).toEqual({ code: 1006, reason: '', wasClean: false });
  });

  it('resolves inside a handler that waits for it', async () => {
    const live = await openLive(role);
    const results: unknown[] = [];
    live.onMessage(async () => {
      results.push(await live.socket.close(4000));
      results.push(await live.socket.closed);
    });
    await live.sendTexts('1', '2');
    await live.answerClose();
    expect(await live.closed).toEqual([4000, '', true]);
    await turns();
    const result = { code: 4000, reason: '', wasClean: true };
    expect(results).toEqual([result, result]);
  });

  it('resolves inside a handler, though it is the peer that leaves', async () => {
    const live = await openLive(role);
    const results: unknown[] = [];
    live.onMessage(async () => void results.push(await live.socket.closed));
    await live.sendTexts('1');
    await live.closeByPeer(1001);
    expect(await live.closed).toEqual([1001, '', true]);
    expect(results).toEqual([{ code: 1001, reason: '', wasClean: true }]);
  });

  it('resolves when it is disposed of, with a Close of 1000', async () => {
    const live = await openLive(role);
    const disposed = (async () => {
      await using socket = live.socket;
      socket.send('last words');
    })();
    expect((await live.frame()).payload.toString()).toBe('last words');
    expect((await live.answerClose()).payload.readUInt16BE()).toBe(1000);
    await disposed;
    expect(live.socket.readyState).toBe(3);
    await live.socket[Symbol.asyncDispose]();
  });

  it('resolves when the socket is terminated', async () => {
    const live = await openLive(role);
    live.socket.terminate();
    expect(await live.socket.closed).toEqual({ code: 1006, reason: '', wasClean: false });
    live.socket.terminate();
  });

  it('resolves in the turn in which `close` is told, as all that is waited for', async () => {
    const { stream } = memoryStream();
    const socket = makeSocket(role, stream);
    const order: string[] = [];
    const ping = socket.ping();
    ping.catch(() => order.push('ping'));
    void socket.closed.then(() => order.push('closed'));
    socket.on('close', () => {
      order.push('close');
      setImmediate(() => order.push('later'));
    });
    socket.terminate();
    await vi.waitFor(() => expect(order).toContain('later'));
    expect(order.indexOf('closed')).toBeLessThan(order.indexOf('later'));
    expect(order).toHaveLength(4);
  });
});
