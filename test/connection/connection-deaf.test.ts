import { describe, expect, it, vi } from 'vitest';
import { OPCODE } from '../../src/frame/opcode.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const INTERVAL = 30_000;
const TIMEOUT = 10_000;

describe.each(ROLES)('a %s that looks after its peer while it does not read', (role) => {
  it('gives a peer that reads slowly its time, though the bytes came after the Ping', () => {
    const open = new OpenConnection(role);
    open.connection.pause();
    open.clock.advance(INTERVAL);
    open.connection.tick();
    open.transport.stuck = true;
    open.connection.send(OPCODE.BINARY, Buffer.alloc(3_000_000));
    open.connection.flush();
    for (let i = 0; i < 10; i++) {
      open.clock.advance(TIMEOUT);
      open.transport.writableLength -= 100_000;
      open.connection.tick();
      expect(open.transport.destroyed).toBe(false);
    }
    for (let i = 0; i < 2; i++) {
      open.clock.advance(TIMEOUT);
      open.connection.tick();
    }
    expect(open.transport.destroyed).toBe(true);
  });

  it('finds a peer that is gone, however often it pauses and resumes', () => {
    const open = new OpenConnection(role);
    for (let i = 0; i < 20; i++) {
      open.connection.pause();
      open.clock.advance(1_000);
      open.connection.tick();
      open.connection.resume();
      open.clock.advance(4_000);
      open.connection.tick();
    }
    expect(open.transport.destroyed).toBe(true);
  });

  it('gives the time of a pause back, and no more', () => {
    const open = new OpenConnection(role);
    open.clock.advance(INTERVAL);
    open.connection.tick();
    const { deadline } = open.connection;
    open.connection.pause();
    open.clock.advance(2_000);
    open.connection.resume();
    expect(open.connection.deadline).toBe(deadline + 2_000);
  });

  it('keeps nothing of a message that comes after its own Close, and still reads the Close', () => {
    const open = new OpenConnection(role, { maxPayload: 1e8 });
    open.receiveFrames({ opcode: 2, fin: false, payload: 'begun' });
    open.connection.close(1000);
    // Where a message grows.
    const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
    for (let i = 0; i < 60; i++) {
      open.receiveFrames({ opcode: 0, fin: false, payload: Buffer.alloc(100_000) });
    }
    const sizes = allocate.mock.calls.map(([size]) => size);
    allocate.mockRestore();
    // A slab for our own frames, perhaps; nothing that has the size of what came.
    expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(64 * 1024);
    open.receiveFrames({ opcode: 0, payload: 'ended' }, { opcode: 8 });
    open.connection.receiveTransportClose();
    expect(open.events).toEqual(['close 1005  clean']);
  });

  it('refuses opcodes that begin no message, before anything is sent', () => {
    const open = new OpenConnection(role);
    const { connection } = open;
    for (const opcode of [0, 3, 8, 9, 10, 11]) {
      expect(() => Reflect.apply(connection.send.bind(connection), null, [opcode, 'x'])).toThrow(
        TypeError,
      );
      expect(() =>
        Reflect.apply(connection.sendFragment.bind(connection), null, [opcode, 'x', true]),
      ).toThrow(TypeError);
    }
    expect(open.sent()).toEqual([]);
  });

  it('counts the messages that its Close has cut off as dropped', () => {
    const { connection } = new OpenConnection(role);
    connection.sendFragment(OPCODE.TEXT, 'begun', false);
    connection.send(OPCODE.TEXT, 'waits');
    connection.send(OPCODE.TEXT, 'waits too');
    connection.close(1000);
    expect(connection.dropped).toBe(2);
  });
});

describe.each(ROLES)('a %s whose handler answers more than the network takes', (role) => {
  it.each([
    ['a Ping', 9, 'onPing'],
    ['a Pong', 10, 'onPong'],
  ] as const)('reads no more, also where it answers %s', (_what, opcode, method) => {
    const open = new OpenConnection(role);
    open.transport.stuck = true;
    open.during[method] = () => {
      open.connection.send(OPCODE.BINARY, Buffer.alloc(100_000));
    };
    open.receiveFrames({ opcode });
    expect(open.transport.paused).toBe(true);
    open.transport.unstick();
    open.connection.receiveDrain();
    expect(open.transport.paused).toBe(false);
  });

  it('goes on reading after a close, whose answer it needs', () => {
    const open = new OpenConnection(role);
    open.transport.stuck = true;
    open.during.onMessage = () => {
      open.connection.send(OPCODE.BINARY, Buffer.alloc(100_000));
      open.connection.close(1000);
    };
    open.receiveFrames({ payload: 'go' });
    expect(open.transport.paused).toBe(false);
  });
});
