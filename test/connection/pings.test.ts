import { describe, expect, it } from 'vitest';
import { PendingPings } from '../../src/connection/pings.ts';
import { turns } from '../support/live-socket.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** Hears a Pong inside a chunk with other bytes. */
function hear(pings: PendingPings, payload: Uint8Array | string): void {
  const chunk = Buffer.concat([Buffer.from('before'), Buffer.from(payload), Buffer.from('behind')]);
  pings.hearPong(chunk, 6, chunk.length - 6);
}

describe('pending Pings', () => {
  it('resolve with the milliseconds until their Pong', async () => {
    const clock = new ManualClock();
    const pings = new PendingPings(clock);
    const waiting = pings.wait(Buffer.from('x'), undefined);
    clock.advance(42);
    hear(pings, 'x');
    expect(await waiting).toBe(42);
  });

  it('have payloads that differ, and that no keepalive has', () => {
    const pings = new PendingPings(new ManualClock());
    const payloads = Array.from({ length: 300 }, () => pings.payload());
    expect(new Set(payloads.map((payload) => payload.toString('hex'))).size).toBe(300);
    expect(payloads.every(({ length }) => length === 8)).toBe(true);
  });

  it('are answered together with those before them', async () => {
    const clock = new ManualClock();
    const pings = new PendingPings(clock);
    const waiting = ['a', 'b', 'c'].map((payload) => {
      clock.advance(10);
      return pings.wait(Buffer.from(payload), undefined);
    });
    hear(pings, 'b');
    expect(await Promise.all(waiting.slice(0, 2))).toEqual([20, 10]);
    clock.advance(5);
    hear(pings, 'c');
    expect(await waiting[2]).toBe(5);
  });

  it('are not answered by another Pong, nor twice', async () => {
    const pings = new PendingPings(new ManualClock());
    let answered = false;
    const waiting = pings.wait(Buffer.from('ping'), undefined).then(() => (answered = true));
    for (const other of ['', 'pin', 'pings', 'PING', 'xping', 'pong']) hear(pings, other);
    await turns();
    expect(answered).toBe(false);
    hear(pings, 'ping');
    await waiting;
    expect(() => hear(pings, 'ping')).not.toThrow();
  });

  it('may have no payload, or the same one', async () => {
    const clock = new ManualClock();
    const pings = new PendingPings(clock);
    const empty = pings.wait(Buffer.alloc(0), undefined);
    hear(pings, 'not empty');
    clock.advance(3);
    hear(pings, '');
    expect(await empty).toBe(3);
    const same = [0, 1].map(() => pings.wait(Buffer.from('same'), undefined));
    hear(pings, 'same');
    expect(await same[0]).toBe(0);
    clock.advance(1);
    hear(pings, 'same');
    expect(await same[1]).toBe(1);
  });

  it('keep a payload of their own', async () => {
    const pings = new PendingPings(new ManualClock());
    const payload = Buffer.from('mine');
    const waiting = pings.wait(payload, undefined);
    payload.fill(0);
    hear(pings, 'mine');
    expect(await waiting).toBe(0);
  });

  it('are at most 64', async () => {
    const pings = new PendingPings(new ManualClock());
    for (let i = 0; i < 64; i++) {
      expect(pings.isFull).toBe(false);
      void pings.wait(pings.payload(), undefined);
    }
    expect(pings.isFull).toBe(true);
    pings.reject(new Error('over'));
    expect(pings.isFull).toBe(false);
  });

  it('reject all with the error', async () => {
    const pings = new PendingPings(new ManualClock());
    const error = new Error('over');
    const waiting = [pings.payload(), pings.payload()].map((each) => pings.wait(each, undefined));
    pings.reject(error);
    for (const each of waiting) await expect(each).rejects.toBe(error);
  });
});
