import { describe, expect, it } from 'vitest';
import { READY_STATE } from '../../src/connection/state.ts';
import { closeBody, cuts, peerFrame, type RawFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

describe.each(ROLES)('a pause of a %s', (role) => {
  function wireOf(...frames: RawFrame[]): Buffer {
    return Buffer.concat(frames.map((frame) => peerFrame(role, frame)));
  }

  const THREE = ['a', 'b', 'c'].map((payload) => ({ payload }));

  it('asks the transport to hold back, and delivers nothing until resume', () => {
    const one = new OpenConnection(role);
    one.connection.pause();
    expect(one.transport.paused).toBe(true);
    one.receive(wireOf(...THREE));
    one.receiveFrames({ payload: 'd' });
    expect(one.log).toEqual([]);
    one.connection.resume();
    expect(one.transport.paused).toBe(false);
    expect(one.log).toEqual(['text a', 'text b', 'text c', 'text d']);
  });

  it('asks the transport once', () => {
    const one = new OpenConnection(role);
    one.connection.resume();
    one.connection.pause();
    one.connection.pause();
    one.connection.resume();
    one.connection.resume();
    expect(one.transport.calls).toEqual(['pause', 'resume']);
  });

  it('inside a chunk, delivers the rest when it is over', () => {
    const one = new OpenConnection(role);
    one.during = {
      onMessage: () => {
        one.during = {};
        one.connection.pause();
      },
    };
    one.receive(wireOf(...THREE));
    expect(one.log).toEqual(['text a']);
    expect(one.transport.paused).toBe(true);
    one.connection.resume();
    expect(one.log).toEqual(['text a', 'text b', 'text c']);
  });

  it('after every message loses none, however the wire is cut', () => {
    const wire = wireOf(
      { payload: 'a€' },
      { opcode: PING, payload: 'p' },
      { fin: false, payload: 'b' },
      { opcode: PONG, payload: 'q' },
      { opcode: 0, payload: 'c' },
      { opcode: 2, payload: Buffer.alloc(126, 1) },
    );
    for (const pieces of cuts(wire)) {
      const one = new OpenConnection(role);
      const pause = (): void => one.connection.pause();
      one.during = { onMessage: pause, onPing: pause, onPong: pause };
      for (const piece of pieces) one.receive(piece);
      one.connection.receiveEnd();
      let steps = 0;
      while (one.transport.paused && steps < 10) {
        one.connection.resume();
        steps++;
      }
      // The fifth is behind the last byte: nothing is held, and the transport has ended.
      expect(steps).toBe(4);
      expect(one.log).toEqual([
        'text a€',
        'ping 70',
        'pong 71',
        'text bc',
        `binary ${'01'.repeat(126)}`,
      ]);
      // And the end of the transport came behind all of them.
      expect(one.connection.readyState).toBe(READY_STATE.CLOSING);
    }
  });

  it('that ends inside the same call changes nothing', () => {
    const one = new OpenConnection(role);
    one.during = {
      onMessage: () => {
        one.connection.pause();
        one.connection.resume();
      },
    };
    one.receive(wireOf(...THREE));
    expect(one.log).toEqual(['text a', 'text b', 'text c']);
    expect(one.transport.paused).toBe(false);
  });

  it('inside a message in fragments, keeps what it has', () => {
    const one = new OpenConnection(role);
    one.during = { onPing: () => one.connection.pause() };
    one.receive(
      wireOf({ fin: false, payload: 'a' }, { opcode: PING }, { opcode: 0, payload: 'b' }),
    );
    expect(one.log).toEqual(['ping ']);
    one.connection.resume();
    expect(one.log).toEqual(['ping ', 'text ab']);
  });

  it('lets the end of the transport wait behind the bytes that are held', () => {
    const one = new OpenConnection(role);
    one.connection.pause();
    one.receive(wireOf({ payload: 'a' }, { opcode: CLOSE, payload: closeBody(1000, 'bye') }));
    one.connection.receiveEnd();
    expect(one.connection.readyState).toBe(READY_STATE.OPEN);
    expect(one.transport.ended).toBe(false);
    one.connection.resume();
    expect(one.transport.ended).toBe(true);
    one.connection.receiveTransportClose();
    expect(one.log).toEqual(['text a', 'close 1000 bye clean']);
  });

  it('lets what is sent pass', () => {
    const one = new OpenConnection(role);
    one.connection.pause();
    expect(one.connection.send(TEXT, 'a')).toBe(true);
    one.connection.flush();
    expect(one.transport.writes).toHaveLength(1);
  });

  it('lets replies to what was held leave in one write, and announces nothing', () => {
    const one = new OpenConnection(role);
    one.during = { onMessage: () => void one.connection.send(TEXT, 'reply') };
    one.connection.pause();
    one.receive(wireOf(...THREE));
    one.connection.resume();
    expect(one.transport.writes).toHaveLength(1);
    expect(one.log).not.toContain('pending');
    expect(one.sent()).toHaveLength(3);
  });

  it('is over when we close: messages that were held are dropped, the Close of the peer is found', () => {
    const one = new OpenConnection(role);
    one.connection.pause();
    one.receive(
      wireOf(
        { payload: 'a' },
        { opcode: PING, payload: 'p' },
        { opcode: CLOSE, payload: closeBody(4000) },
      ),
    );
    one.connection.close(1000);
    expect(one.transport.paused).toBe(false);
    one.connection.receiveTransportClose();
    expect(one.events).toEqual(['close 4000  clean']);
    expect(one.sent().map((frame) => frame.opcode)).toEqual([CLOSE, PONG]);
  });

  it('is over when the connection is terminated', () => {
    const one = new OpenConnection(role);
    one.connection.pause();
    one.receive(wireOf(...THREE));
    one.connection.terminate();
    one.connection.resume();
    one.connection.receiveTransportClose();
    expect(one.log).toEqual(['close 1006  unclean']);
  });

  it('is over when the transport is gone, and what was held with it', () => {
    const one = new OpenConnection(role);
    one.connection.pause();
    one.receive(wireOf(...THREE));
    one.connection.receiveTransportClose();
    one.connection.resume();
    expect(one.log).toEqual(['close 1006  unclean']);
  });

  it('has no effect when the connection is not open any more', () => {
    const one = new OpenConnection(role);
    one.connection.close(1000);
    one.connection.pause();
    expect(one.transport.paused).toBe(false);
    one.receiveFrames({ opcode: CLOSE, payload: closeBody(1000) });
    one.connection.receiveTransportClose();
    expect(one.events).toEqual(['close 1000  clean']);
  });

  it('is found out about a violation only when the bytes are read', () => {
    const one = new OpenConnection(role);
    one.connection.pause();
    one.receive(wireOf({ payload: 'a' }, { opcode: 3 }));
    expect(one.connection.readyState).toBe(READY_STATE.OPEN);
    one.connection.resume();
    expect(one.events).toEqual(['text a', 'error WS_ERR_RESERVED_OPCODE']);
  });
});
