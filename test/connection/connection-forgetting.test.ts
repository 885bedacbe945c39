import { afterEach, describe, expect, it, vi } from 'vitest';
import { Inbound } from '../../src/connection/inbound.ts';
import { Outbound } from '../../src/connection/outbound.ts';
import { closeBody, peerFrame } from '../support/bytes.ts';
import { DeflateConnection } from '../support/deflate-connection.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;

/** Counts the parts that were called so: another one each time that one was forgotten. */
function countInbounds(): () => number {
  const whole = vi.spyOn(Inbound.prototype, 'onWhole');
  const heads = vi.spyOn(Inbound.prototype, 'onHead');
  return () => new Set([...whole.mock.contexts, ...heads.mock.contexts]).size;
}

function countOutbounds(): () => number {
  const sends = vi.spyOn(Outbound.prototype, 'sendAtOnce');
  return () => new Set(sends.mock.contexts).size;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(ROLES)('a %s on which nothing happens', (role) => {
  it('forgets what it read by, behind each message', () => {
    const count = countInbounds();
    const open = new OpenConnection(role);
    open.receiveFrames({ payload: 'one' }, { opcode: PING }, { opcode: BINARY, payload: 'two' });
    expect([count(), open.events]).toEqual([3, ['text one', 'ping ', 'binary 74776f']]);
  });

  it('keeps it within a message, and where the application has a say in what comes', () => {
    const count = countInbounds();
    const open = new OpenConnection(role);
    const { connection } = open;
    open.receiveFrames(
      { fin: false, payload: 'one, ' },
      { opcode: PING },
      { opcode: 0, payload: 'whole' },
    );
    expect(count()).toBe(1);
    connection.giveInPieces(false);
    connection.giveInPieces(true);
    open.receiveFrames({ payload: 'a' });
    connection.giveInPieces(false);
    open.receiveFrames({ payload: 'b' });
    connection.pause();
    open.receiveFrames({ payload: 'c' });
    connection.resume();
    open.receiveFrames({ payload: 'd' });
    expect(open.events).toEqual([
      'ping ',
      'text one, whole',
      'last piece 61',
      'text b',
      'text c',
      'text d',
    ]);
    expect(count()).toBe(3);
  });

  it('keeps it with permessage-deflate, whose inflater speaks to it', () => {
    const count = countInbounds();
    const one = new DeflateConnection(role);
    one.receiveFrames({ payload: 'one' }, { payload: 'two' });
    expect([count(), one.log]).toEqual([1, ['text one', 'text two']]);
    one.connection.terminate();
  });

  it('can be paused, resumed, closed and ended without having read', () => {
    const wires: Buffer[] = [];
    for (const read of [false, true]) {
      const open = new OpenConnection(role);
      if (read) open.receiveFrames({ opcode: PING });
      open.connection.resume();
      open.connection.pause();
      open.receiveFrames({ opcode: PING });
      open.connection.resume();
      open.connection.close(1000, 'bye');
      open.receiveFrames({ payload: 'late' }, { opcode: CLOSE, payload: closeBody(1000, 'bye') });
      open.connection.receiveEnd();
      open.connection.receiveTransportClose();
      expect(open.events.slice(read ? 1 : 0)).toEqual(['ping ', 'close 1000 bye clean']);
      wires.push(Buffer.from(open.sent().map(({ opcode }) => opcode)));
    }
    expect(wires.map((opcodes) => opcodes.toString('hex'))).toEqual(['0a08', '0a0a08']);
  });

  it('says no less of a peer that is wrong behind a message', () => {
    const open = new OpenConnection(role);
    open.receiveFrames({ payload: 'one' }, { opcode: 0, payload: 'of what?' });
    open.receive(peerFrame(role, { payload: 'late' }));
    open.connection.receiveTransportClose();
    const { events } = open;
    expect(events).toEqual([
      'text one',
      'error WS_ERR_CONTINUATION_UNEXPECTED',
      'close 1006  unclean',
    ]);
  });

  it('reads what comes inside a call of the handler, and behind it', () => {
    const open = new OpenConnection(role);
    const inner = ['two', 'three'];
    open.during.onMessage = () => {
      const payload = inner.shift();
      if (payload !== undefined) open.receiveFrames({ payload });
    };
    open.receiveFrames({ payload: 'one' });
    open.receiveFrames({ payload: 'four' });
    expect(open.events).toEqual(['text one', 'text two', 'text three', 'text four']);
  });

  it('forgets what it sent by, also where nothing was left for the end of the turn', () => {
    const count = countOutbounds();
    const open = new OpenConnection(role, { highWaterMark: 1024 * 1024 });
    const { connection } = open;
    for (let i = 1; i <= 2; i++) {
      // Leaves at once, so that nobody is told to flush.
      connection.send(BINARY, Buffer.alloc(100_000));
      connection.flush();
      expect(count()).toBe(i);
    }
    open.transport.stuck = true;
    connection.send(TEXT, 'waits for a moment');
    connection.flush();
    // Not so much that the transport would tell when it has gone.
    open.transport.unstick();
    open.receiveFrames({ opcode: 10 });
    connection.send(TEXT, 'last');
    expect(count()).toBe(4);
  });
});
