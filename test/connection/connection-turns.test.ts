import { describe, expect, it } from 'vitest';
import type { ConnectionOptions, Role } from '../../src/connection/handler.ts';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { READY_STATE } from '../../src/connection/state.ts';
import { peerFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;

/** `1.` for a text, `1-` for a text of which more follows, and the payload. */
function framesOf(open: OpenConnection): string[] {
  return open
    .sent()
    .map(({ opcode, fin, payload }) =>
      opcode === CLOSE ? 'close' : `${opcode}${fin ? '.' : '-'} ${payload.toString()}`,
    );
}

/** All the ways in which a connection ends. */
const ENDS: [name: string, end: (open: OpenConnection) => void][] = [
  ['our Close', ({ connection }) => connection.close(1000)],
  ['terminate', ({ connection }) => connection.terminate()],
  ['a Close of the peer', (open) => open.receiveFrames({ opcode: CLOSE })],
  ['a violation', (open) => open.receiveFrames({ opcode: 3 })],
  ['a mistake of ours', ({ connection }) => connection.failInternally()],
  ['the end of the transport', ({ connection }) => connection.receiveEnd()],
  ['the loss of the transport', ({ connection }) => connection.receiveTransportClose()],
];

describe.each(ROLES)('a turn on a %s', (role) => {
  it('comes at once, and behind a message in fragments when that has ended', () => {
    const open = new OpenConnection(role);
    const { connection } = open;
    const told: boolean[] = [];
    connection.takeTurn((granted) => told.push(granted));
    expect(told).toEqual([true]);
    connection.sendFragment(TEXT, 'a', false);
    connection.takeTurn((granted) => {
      told.push(granted);
      connection.beginMessage();
    });
    connection.send(TEXT, 'behind');
    connection.sendFragment(TEXT, 'b', true);
    expect(told).toEqual([true, true]);
    connection.sendFragment(BINARY, Buffer.from('c'), false);
    connection.sendFragment(BINARY, Buffer.from('d'), true);
    expect(framesOf(open)).toEqual(['1- a', '0. b', '2- c', '0. d', '1. behind']);
  });

  it.each(ENDS)('is told false by %s, once, and so is one that is asked for later', (_, end) => {
    const open = new OpenConnection(role);
    const told: string[] = [];
    open.connection.sendFragment(TEXT, 'a', false);
    open.connection.takeTurn((granted) => {
      told.push(`one ${granted}`);
      // The state is right by then: nothing can be sent any more.
      expect(open.connection.send(TEXT, 'late')).toBe(false);
      open.connection.takeTurn((late) => told.push(`inner ${late}`));
    });
    open.connection.takeTurn((granted) => told.push(`two ${granted}`));
    end(open);
    open.connection.takeTurn((granted) => told.push(`three ${granted}`));
    open.connection.receiveTransportClose();
    expect(told).toEqual(['one false', 'inner false', 'two false', 'three false']);
    expect(open.connection.bufferedAmount).toBe(0);
  });

  it.each(ENDS)('may bring about %s: what waited behind it goes nowhere', (_, end) => {
    const open = new OpenConnection(role);
    const { connection } = open;
    const told: boolean[] = [];
    connection.sendFragment(TEXT, 'a', false);
    connection.flush();
    connection.takeTurn(() => end(open));
    connection.send(TEXT, 'b');
    connection.takeTurn((granted) => told.push(granted));
    connection.sendPrepared(new PreparedMessage('c'));
    connection.sendFragment(TEXT, '', true);
    expect(told).toEqual([false]);
    expect(connection.dropped).toBe(2);
    expect(connection.readyState).not.toBe(READY_STATE.OPEN);
    const frames = framesOf(open).filter((frame) => frame !== 'close');
    expect(['1- a', '0. ']).toEqual(expect.arrayContaining(frames));
    expect(connection.bufferedAmount).toBe(0);
  });

  it('may flush, and whoever hears of the drain may close: no data follows the Close', () => {
    const open = new OpenConnection(role, { highWaterMark: 20 });
    const { connection } = open;
    connection.sendFragment(TEXT, 'a', false);
    connection.send(TEXT, 'b');
    connection.takeTurn(() => connection.flush());
    connection.send(TEXT, 'c');
    expect(connection.hasRoom()).toBe(false);
    open.during.onDrain = () => connection.close(1000);
    connection.sendFragment(TEXT, '', true);
    connection.flush();
    const frames = framesOf(open);
    expect(frames.indexOf('close')).toBe(frames.length - 1);
    expect(frames.length - 1 + connection.dropped).toBe(4);
    expect(connection.bufferedAmount).toBe(0);
  });

  it('may hear of the drain, and send: that goes behind what waits', () => {
    const open = new OpenConnection(role, { highWaterMark: 20 });
    const { connection } = open;
    connection.sendFragment(TEXT, 'a', false);
    connection.send(TEXT, 'b');
    connection.takeTurn(() => connection.flush());
    connection.send(TEXT, 'c');
    connection.hasRoom();
    open.during.onDrain = () => {
      open.during = {};
      connection.send(TEXT, 'd');
    };
    connection.sendFragment(TEXT, '', true);
    connection.flush();
    expect(framesOf(open)).toEqual(['1- a', '0. ', '1. b', '1. c', '1. d']);
  });
});

describe.each(ROLES)('a prepared message that a %s sends', (role) => {
  function stuck(options: Partial<ConnectionOptions> = {}): OpenConnection {
    const open = new OpenConnection(role, { maxBackpressure: 50_000, ...options });
    open.transport.stuck = true;
    open.connection.send(BINARY, Buffer.alloc(49_000));
    open.connection.flush();
    open.log.length = 0;
    return open;
  }

  it('is a message like any other, asks for a flush, and may go to many', () => {
    const text = new PreparedMessage('Grüße');
    const binary = new PreparedMessage(Buffer.alloc(70_000, 7));
    for (const each of [new OpenConnection(role), new OpenConnection(role)]) {
      expect(each.connection.sendPrepared(text)).toBe(true);
      expect(each.log).toEqual(['pending']);
      each.connection.flush();
      each.connection.sendPrepared(binary);
      expect(each.connection.sendPrepared(text)).toBe(true);
      const frames = each.sent();
      expect(frames.map(({ opcode, fin, masked }) => [opcode, fin, masked])).toEqual(
        [1, 2, 1].map((opcode) => [opcode, true, role === 'client']),
      );
      expect(frames[0]?.payload.toString()).toBe('Grüße');
      expect(frames[1]?.payload.equals(Buffer.alloc(70_000, 7))).toBe(true);
      expect(frames[2]?.payload.toString()).toBe('Grüße');
    }
  });

  it('is not sent once the connection is not open any more', () => {
    const open = new OpenConnection(role);
    open.connection.close(1000);
    expect(open.connection.sendPrepared(new PreparedMessage('late'))).toBe(false);
    expect(framesOf(open)).toEqual(['close']);
  });

  it('answers false above the high-water mark, and onDrain follows', () => {
    const open = new OpenConnection(role, { highWaterMark: 1_000 });
    open.transport.stuck = true;
    expect(open.connection.sendPrepared(new PreparedMessage('x'.repeat(30_000)))).toBe(false);
    open.connection.flush();
    expect(open.events).toEqual([]);
    open.transport.unstick();
    open.connection.receiveDrain();
    expect(open.events).toEqual(['drain']);
  });

  it('is what backpressurePolicy says where it finds no room', () => {
    const large = new PreparedMessage('x'.repeat(2_000));
    const closing = stuck();
    expect(closing.connection.sendPrepared(large)).toBe(false);
    expect(closing.log).toEqual(['error WS_ERR_READS_TOO_SLOWLY']);
    expect(closing.sent().at(-1)?.payload.readUInt16BE()).toBe(1013);

    const dropping = stuck({ backpressurePolicy: 'drop' });
    expect(dropping.connection.sendPrepared(large)).toBe(false);
    expect([dropping.connection.dropped, dropping.connection.readyState]).toEqual([1, 1]);

    const keeping = stuck({ backpressurePolicy: 'latest', highWaterMark: 49_999 });
    keeping.connection.sendPrepared(large);
    keeping.connection.sendPrepared(new PreparedMessage('y'.repeat(2_000)));
    expect(keeping.connection.dropped).toBe(1);
    keeping.transport.unstick();
    keeping.connection.receiveDrain();
    keeping.connection.receiveDrain();
    expect(keeping.sent().at(-1)?.payload.toString()).toBe('y'.repeat(2_000));
  });

  it('leaves at the end of the turn where it answers what was received', () => {
    const open = new OpenConnection(role);
    const pong = new PreparedMessage('pong');
    open.during.onMessage = () => void open.connection.sendPrepared(pong);
    const ping = peerFrame(role, { payload: 'ping' });
    open.receive(Buffer.concat([ping, ping]));
    expect(open.log).toEqual(['text ping', 'text ping']);
    expect(open.transport.writes).toHaveLength(1);
  });
});

describe.each(ROLES)('the room that a %s has', (role: Role) => {
  it('is there up to the high-water mark, and then onDrain tells when it is there again', () => {
    const open = new OpenConnection(role, { highWaterMark: 100 });
    const { connection } = open;
    expect([connection.hasRoom(), connection.isBlocked]).toEqual([true, false]);
    connection.send(TEXT, 'x'.repeat(200));
    expect([connection.hasRoom(), connection.isBlocked]).toEqual([false, false]);
    connection.flush();
    expect([connection.hasRoom(), connection.isBlocked]).toEqual([true, false]);
    expect(open.events).toEqual(['drain']);
  });

  it('is told to whoever asked, though every send had answered true', () => {
    const open = new OpenConnection(role, { highWaterMark: 17_000 });
    open.transport.stuck = true;
    for (const size of [16_000, 2_000]) {
      expect(open.connection.send(BINARY, Buffer.alloc(size))).toBe(true);
      open.connection.flush();
    }
    expect([open.connection.hasRoom(), open.connection.isBlocked]).toEqual([false, true]);
    open.transport.unstick();
    open.connection.receiveDrain();
    expect([open.connection.hasRoom(), open.connection.isBlocked]).toEqual([true, false]);
    expect(open.events).toEqual(['drain']);
  });

  it.each([100, 20_000, 70_000])(
    'is told of when messages of %d bytes that waited have gone, even at once',
    (size) => {
      const open = new OpenConnection(role, { highWaterMark: 50 });
      const { connection } = open;
      connection.sendFragment(TEXT, 'a', false);
      connection.flush();
      expect(connection.send(BINARY, Buffer.alloc(size))).toBe(false);
      open.log.length = 0;
      connection.sendFragment(TEXT, '', true);
      // Whoever owns a connection flushes when it is asked to, and at no other time.
      if (open.log.includes('pending')) connection.flush();
      expect(connection.bufferedAmount).toBe(0);
      expect(open.events).toEqual(['drain']);
    },
  );

  it('is told of to the sender of fragments, and to those behind when there is room for them', () => {
    const open = new OpenConnection(role, { highWaterMark: 1_000 });
    const { connection, transport } = open;
    transport.stuck = true;
    connection.beginMessage();
    expect(connection.send(BINARY, Buffer.alloc(70_000))).toBe(false);
    expect(connection.sendFragment(BINARY, Buffer.alloc(20_000), false)).toBe(false);
    expect(connection.hasFragmentRoom()).toBe(false);
    connection.flush();
    expect(open.events).toEqual([]);
    transport.unstick();
    connection.receiveDrain();
    expect([connection.hasFragmentRoom(), open.events]).toEqual([true, ['drain']]);
    open.log.length = 0;
    expect(connection.sendFragment(BINARY, Buffer.alloc(10), true)).toBe(true);
    if (open.log.includes('pending')) connection.flush();
    expect([connection.bufferedAmount, open.events]).toEqual([0, ['drain']]);
  });

  it('is counted alike for messages and for control frames', () => {
    const open = new OpenConnection(role, { maxBackpressure: 1_000 });
    const { connection, transport } = open;
    transport.stuck = true;
    connection.send(BINARY, Buffer.alloc(5_000));
    connection.flush();
    // The transport has asked for no pause, and would not tell when that is gone.
    expect(connection.hasControlRoom()).toBe(true);
    expect([connection.send(TEXT, 'x'), connection.ping(), connection.pong()]).toEqual([
      true,
      true,
      true,
    ]);
    expect(open.sent().map(({ opcode }) => opcode)).toEqual([BINARY, TEXT, 9, 10]);
  });

  it('is not told of once the connection has ended, whatever a handler did meanwhile', () => {
    const open = new OpenConnection(role, { highWaterMark: 10 });
    const { connection, transport } = open;
    transport.stuck = true;
    transport.highWaterMark = 1;
    open.during.onMessage = () => void connection.send(TEXT, 'x'.repeat(100));
    open.receiveFrames({ payload: 'a' }, { payload: 'b' }, { payload: 'c' });
    expect(open.events).toEqual(['text a', 'text b']);
    open.during.onMessage = () => connection.receiveTransportClose();
    transport.unstick();
    connection.receiveDrain();
    expect(open.events.at(-1)).toBe('close 1006  unclean');
    expect(open.events.filter((event) => event.startsWith('close'))).toHaveLength(1);
  });
});
