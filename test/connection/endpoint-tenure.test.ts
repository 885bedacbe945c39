import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Alarms } from '../../src/connection/alarm.ts';
import { LEAVE_REASON } from '../../src/connection/tenure.ts';
import { closeBody } from '../support/bytes.ts';
import { Gate, type LiveSocket, openLive, turns } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

const options = { idleTimeout: 20_000, pingInterval: 0 };

beforeEach(() => {
  // Not those of the network, which the runtime keeps apart.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => void vi.useRealTimers());

/** The next frame that the peer gets is our Close. */
async function expectLeave(live: LiveSocket, reason: string): Promise<void> {
  expect(await live.answerClose()).toMatchObject({ payload: closeBody(1001, reason) });
  expect(await live.closed).toEqual([1001, '', true]);
  expect(vi.getTimerCount()).toBe(0);
}

describe.each(ROLES)('a %s socket', (role) => {
  it('closes with 1001 when its peer has said nothing for idleTimeout', async () => {
    const live = await openLive(role, { options, hooks: { message: () => {} } });
    vi.advanceTimersByTime(15_000);
    await live.sendTexts('a');
    await live.readAll();
    vi.advanceTimersByTime(19_999);
    expect(live.socket.readyState).toBe(1);
    vi.advanceTimersByTime(1);
    expect(live.socket.readyState).toBe(2);
    await expectLeave(live, LEAVE_REASON.idle);
  });

  it('closes with 1001 at the end of maxLifetime, whatever it says', async () => {
    const live = await openLive(role, { options: { maxLifetime: 20_000, pingInterval: 0 } });
    for (let second = 1; second < 18; second++) {
      vi.advanceTimersByTime(1_000);
      await live.sendTexts('a');
      await live.readAll();
    }
    expect(live.socket.readyState).toBe(1);
    vi.advanceTimersByTime(3_000);
    await expectLeave(live, LEAVE_REASON.old);
  });

  it('is not idle while a handler is busy with what the peer has sent', async () => {
    const gate = new Gate();
    const live = await openLive(role, { options, hooks: { message: () => gate.passed } });
    await live.sendTexts('a');
    await live.readAll();
    vi.advanceTimersByTime(60_000);
    expect(live.socket.readyState).toBe(1);
    gate.open();
    await turns();
    vi.advanceTimersByTime(20_000);
    await expectLeave(live, LEAVE_REASON.idle);
  });

  it('is not idle while the body of a loop is busy with what the peer has sent', async () => {
    const gate = new Gate();
    const live = await openLive(role, { options });
    const loop = async (): Promise<void> => {
      for await (const _ of live.socket) await gate.passed;
    };
    void loop();
    await live.sendTexts('a');
    await live.readAll();
    vi.advanceTimersByTime(60_000);
    expect(live.socket.readyState).toBe(1);
    gate.open();
    await turns();
    vi.advanceTimersByTime(20_000);
    await expectLeave(live, LEAVE_REASON.idle);
  });

  it('is idle where a handler waits for the rest of a message that does not come', async () => {
    const live = await openLive(role, {
      options,
      hooks: {
        async stream(_socket, stream) {
          for await (const _ of stream);
        },
      },
    });
    await live.send({ fin: false, payload: 'the beginning' });
    await live.readAll();
    vi.advanceTimersByTime(20_000);
    expect(live.socket.readyState).toBe(2);
    const frame = await live.frame();
    expect(frame).toMatchObject({ opcode: 8, payload: closeBody(1001, LEAVE_REASON.idle) });
  });

  it('sends a Blob to its end before it leaves', async () => {
    const live = await openLive(role, { options });
    const sent = live.socket.send(new Blob([Buffer.alloc(300_000)]));
    vi.advanceTimersByTime(20_000);
    expect(live.socket.readyState).toBe(2);
    expect((await live.message()).payload.length).toBe(300_000);
    expect(await sent).toBe(true);
    await expectLeave(live, LEAVE_REASON.idle);
  });

  it('gives out what came before it leaves', async () => {
    const got: unknown[] = [];
    const gate = new Gate();
    const lifetime = { maxLifetime: 20_000, pingInterval: 0 };
    const live = await openLive(role, {
      options: lifetime,
      hooks: {
        async message(_socket, message) {
          got.push(message);
          await gate.passed;
        },
      },
    });
    await live.sendTexts('one', 'two');
    await live.readAll();
    vi.advanceTimersByTime(20_000);
    await live.answerClose();
    gate.open();
    await live.closed;
    expect(got).toEqual(['one', 'two']);
  });
});

describe('the sockets of a server', () => {
  it('wait for their time together, with one timer for each second', async () => {
    const alarms = new Alarms();
    const owner = { alarms, onReleased: () => {}, onUnheard: () => {} };
    const lives: LiveSocket[] = [];
    for (let count = 0; count < 10; count++) {
      lives.push(await openLive('server', { options, owner }));
    }
    expect([alarms.size, vi.getTimerCount()]).toEqual([1, 1]);
    for (const live of lives) live.socket.terminate();
    await Promise.all(lives.map(async (live) => await live.closed));
    expect([alarms.size, vi.getTimerCount()]).toEqual([0, 0]);
  });
});
