import { describe, expect, it } from 'vitest';
import { ConnectionClosedError } from '../../src/errors.ts';
import { openLive, turns, watchRejections } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

describe.each(ROLES)('ping() of a %s socket', (role) => {
  it('resolves when its Pong comes', async () => {
    const live = await openLive(role);
    const waiting = live.socket.ping();
    const ping = await live.frame();
    expect([ping.opcode, ping.masked, ping.payload.length]).toEqual([9, role === 'client', 8]);
    await live.send({ opcode: 10, payload: ping.payload });
    const time = await waiting;
    expect(time).toBeGreaterThan(0);
    expect(Number.isFinite(time)).toBe(true);
  });

  it('resolves several at once, by a Pong that answers only the newest', async () => {
    const live = await openLive(role);
    const waiting = [
      live.socket.ping(),
      live.socket.ping('mine'),
      live.socket.ping(),
      live.socket.ping(),
    ];
    const pings = await live.peer.readFrames(4);
    expect(pings[1]!.payload.toString()).toBe('mine');
    await live.send({ opcode: 10, payload: pings[2]!.payload });
    const times = await Promise.all(waiting.slice(0, 3));
    expect(times[0]).toBeGreaterThanOrEqual(times[2]!);
    live.socket.terminate();
    await expect(waiting[3]).rejects.toThrow(ConnectionClosedError);
  });

  it('sends exactly the bytes of a view, as its payload', async () => {
    const live = await openLive(role);
    const bytes = new Uint8Array([9, 1, 2, 9]);
    const waiting = live.socket.ping(new DataView(bytes.buffer, 1, 2));
    expect((await live.frame()).payload).toEqual(Buffer.from([1, 2]));
    await live.send({ opcode: 10, payload: Buffer.from([1, 2]) });
    expect(await waiting).toBeGreaterThan(0);
  });

  it('is answered while a consumer is busy', async () => {
    const live = await openLive(role);
    const times: number[] = [];
    live.onMessage(async () => {
      times.push(await live.socket.ping('inside'));
    });
    await live.sendTexts('1');
    await live.frame();
    await live.send({ opcode: 10, payload: 'inside' });
    while (times.length === 0) await turns(1);
  });

  it.each([
    ['the peer closes', 4000],
    ['the connection is lost', 1006],
  ])('rejects where %s', async (_name, code) => {
    const rejections = watchRejections();
    const live = await openLive(role);
    const waiting = [
      live.socket.ping(),
      live.socket.ping('', { signal: new AbortController().signal }),
    ];
    await live.peer.readFrames(2);
    if (code === 1006) live.peer.reset();
    else await live.closeByPeer(code, 'why');
    for (const each of waiting) {
      await expect(each).rejects.toMatchObject({
        name: 'ConnectionClosedError',
        code: 'WS_ERR_CONNECTION_CLOSED',
        closeCode: code,
        reason: code === 1006 ? '' : 'why',
      });
    }
    await live.closed;
    await expect(live.socket.ping()).rejects.toMatchObject({ closeCode: code });
    expect(rejections).toEqual([]);
  });

  it('rejects at once when the socket is closing, and sends nothing', async () => {
    const live = await openLive(role);
    void live.socket.close(1000);
    await expect(live.socket.ping()).rejects.toThrow(ConnectionClosedError);
    expect((await live.frame()).opcode).toBe(8);
    expect(live.peer.unread).toHaveLength(0);
  });

  it('rejects with the reason of its signal, before and during', async () => {
    const live = await openLive(role);
    const reason = new Error('too long');
    await expect(live.socket.ping('a', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const waiting = live.socket.ping('b', { signal: controller.signal });
    // The one whose signal was there first was never sent.
    expect((await live.frame()).payload.toString()).toBe('b');
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    // A Pong that comes too late does no harm.
    await live.send({ opcode: 10, payload: 'b' });
    await live.readAll();
    expect(live.socket.readyState).toBe(1);
  });

  it('refuses more than 64 that wait, until a Pong comes', async () => {
    const rejections = watchRejections();
    const live = await openLive(role);
    const waiting = Array.from({ length: 64 }, () => live.socket.ping());
    void live.socket.ping();
    await expect(live.socket.ping()).rejects.toThrow('room');
    const pings = await live.peer.readFrames(64);
    await live.send({ opcode: 10, payload: pings[63]!.payload });
    await Promise.all(waiting);
    const next = live.socket.ping('next');
    await live.frame();
    await live.send({ opcode: 10, payload: 'next' });
    expect(await next).toBeGreaterThan(0);
    expect(rejections).toEqual([]);
  });

  it('refuses to wait behind more bytes than maxBackpressure', async () => {
    const rejections = watchRejections();
    const live = await openLive(role, {
      options: { maxBackpressure: 100_000, backpressurePolicy: 'drop' },
    });
    await live.fill(Buffer.alloc(1024 * 1024));
    await expect(live.socket.ping()).rejects.toThrow('room');
    void live.socket.ping();
    await turns();
    expect(rejections).toEqual([]);
  });

  it('throws for a payload that fits no Ping, whatever the state', async () => {
    const live = await openLive(role);
    const misuse = (): void => {
      expect(() => live.socket.ping(Buffer.alloc(126))).toThrow(RangeError);
      expect(() => live.socket.ping('é'.repeat(63))).toThrow(RangeError);
      // @ts-expect-error -- a number is no payload
      expect(() => live.socket.ping(8)).toThrow(TypeError);
    };
    misuse();
    live.socket.terminate();
    await live.closed;
    misuse();
  });

  it('ends no process where nobody looks at it', async () => {
    const rejections = watchRejections();
    const live = await openLive(role);
    void live.socket.ping();
    void live.socket.ping('x', { signal: AbortSignal.abort() });
    live.socket.terminate();
    void live.socket.ping();
    await live.closed;
    void live.socket.ping();
    await turns(20);
    expect(rejections).toEqual([]);
  });
});
