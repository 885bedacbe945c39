import { describe, expect, it } from 'vitest';
import { LEAVE_REASON } from '../../src/connection/tenure.ts';
import { closeBody, peerFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const CLOSE = 8;
const PING = 9;
const PONG = 10;

function after(open: OpenConnection, milliseconds: number): void {
  open.clock.advance(milliseconds);
  open.connection.tick();
}

describe.each(ROLES)('a %s with an idleTimeout', (role) => {
  const idle = { opcode: CLOSE, payload: closeBody(1001, LEAVE_REASON.idle) };

  it('closes with 1001 when no message came for so long', () => {
    const open = new OpenConnection(role, { idleTimeout: 20_000 });
    expect(open.connection.deadline).toBe(21_000);
    open.receiveFrames({ payload: 'a' });
    after(open, 10_000);
    open.receiveFrames({ opcode: 2, payload: 'b' });
    after(open, 19_999);
    expect(open.sent()).toEqual([]);
    after(open, 1);
    expect(open.sent()).toMatchObject([idle]);
    open.receiveFrames({ opcode: CLOSE, payload: closeBody(1001) });
    open.connection.receiveTransportClose();
    expect(open.events.at(-1)).toBe('close 1001  clean');
  });

  it('does not count Pings and Pongs, nor those of its own heartbeat', () => {
    const open = new OpenConnection(role, { idleTimeout: 20_000, pingInterval: 8_000 });
    after(open, 8_000);
    const [ping] = open.sent();
    expect(ping?.opcode).toBe(PING);
    // In pieces, as it may come.
    const pong = peerFrame(role, { opcode: PONG, payload: ping!.payload });
    open.receive(pong.subarray(0, -1));
    after(open, 1_000);
    open.receive(pong.subarray(-1));
    open.receiveFrames({ opcode: PING });
    after(open, 11_000);
    expect(open.sent().at(-1)).toMatchObject(idle);
  });

  it('counts each part of a message that comes', () => {
    const open = new OpenConnection(role, { idleTimeout: 20_000, pingInterval: 0 });
    const frame = peerFrame(role, { payload: Buffer.alloc(300) });
    after(open, 15_000);
    open.receive(frame.subarray(0, 100));
    after(open, 15_000);
    open.receive(frame.subarray(100, 200));
    after(open, 15_000);
    open.receive(frame.subarray(200));
    expect(open.connection.deadline).toBe(66_000);
    after(open, 20_000);
    expect(open.sent()).toMatchObject([idle]);
  });

  it('waits for who is kept waiting: while it does not read, and while a handler is busy', () => {
    const open = new OpenConnection(role, { idleTimeout: 20_000, pingInterval: 0 });
    open.connection.pause();
    after(open, 20_000);
    expect(open.connection.deadline).toBe(41_000);
    open.connection.resume();
    let isAnswering = true;
    Object.defineProperty(open.during, 'isAnswering', { get: () => isAnswering });
    after(open, 20_000);
    expect(open.sent()).toEqual([]);
    isAnswering = false;
    after(open, 20_000);
    expect(open.sent()).toMatchObject([idle]);
  });

  it('leaves the closing to its owner, where that wants it', () => {
    const open = new OpenConnection(role, { idleTimeout: 20_000 });
    const reasons: string[] = [];
    open.during.onOverdue = (reason) => void reasons.push(reason);
    after(open, 20_000);
    expect([open.sent(), reasons]).toEqual([[], [LEAVE_REASON.idle]]);
  });

  it('is not closed twice', () => {
    const open = new OpenConnection(role, { idleTimeout: 20_000, closeTimeout: 60_000 });
    open.connection.close(1000);
    after(open, 20_000);
    expect(open.sent()).toMatchObject([{ payload: closeBody(1000) }]);
    expect(open.connection.deadline).toBe(61_000);
  });
});

describe.each(ROLES)('a %s with a maxLifetime', (role) => {
  it('closes with 1001 when it is that old, or up to a tenth earlier', () => {
    const open = new OpenConnection(role, { maxLifetime: 20_000 });
    const { deadline } = open.connection;
    expect(deadline).toBeGreaterThanOrEqual(19_000);
    expect(deadline).toBeLessThanOrEqual(21_000);
    after(open, deadline - 1_001);
    open.receiveFrames({ payload: 'a' });
    expect(open.sent()).toEqual([]);
    after(open, 1);
    expect(open.sent()).toMatchObject([
      { opcode: CLOSE, payload: closeBody(1001, LEAVE_REASON.old) },
    ]);
    expect(open.connection.deadline).toBe(deadline + 10_000);
  });
});
