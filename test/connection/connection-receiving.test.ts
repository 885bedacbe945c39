import { describe, expect, it } from 'vitest';
import { READY_STATE } from '../../src/connection/state.ts';
import { type RawFrame, closeBody, peerFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** The peer's Close, as an answer to ours. */
const ANSWER: RawFrame = { opcode: CLOSE, payload: closeBody(1000, 'bye') };

describe.each(ROLES)('a %s that closes, and receives what the peer still sends', (role) => {
  function wireOf(...frames: RawFrame[]): Buffer {
    return Buffer.concat(frames.map((frame) => peerFrame(role, frame)));
  }

  function closing(): OpenConnection {
    const open = new OpenConnection(role);
    open.connection.close(1000, 'done', true);
    return open;
  }

  it('is given the messages up to the Close of the peer, and none behind it', () => {
    const open = closing();
    open.receive(
      wireOf({ payload: 'a' }, { fin: false, payload: 'b' }, { opcode: 0, payload: 'c' }, ANSWER),
    );
    open.receiveFrames({ payload: 'd' });
    open.connection.receiveTransportClose();
    expect(open.events).toEqual(['text a', 'text bc', 'close 1000 bye clean']);
    expect(open.sent().map(({ opcode, payload }) => [opcode, payload])).toEqual([
      [CLOSE, closeBody(1000, 'done')],
    ]);
  });

  it('is given a message whole, or in pieces, that had begun before', () => {
    for (const inPieces of [false, true]) {
      const open = new OpenConnection(role);
      open.connection.giveInPieces(inPieces);
      open.receiveFrames({ fin: false, payload: 'a' });
      open.connection.close(1000, '', true);
      open.receiveFrames({ opcode: 0, payload: 'b' }, ANSWER);
      expect(open.events).toEqual(inPieces ? ['piece 61', 'last piece 62'] : ['text ab']);
    }
  });

  it('is not given what it closed without asking for it', () => {
    const open = new OpenConnection(role);
    open.receiveFrames({ fin: false, payload: 'a' });
    open.connection.close(1000);
    open.connection.giveInPieces(true);
    open.receiveFrames({ opcode: 0, payload: 'b' }, { payload: 'c' }, ANSWER);
    open.connection.receiveTransportClose();
    expect(open.events).toEqual(['close 1000 bye clean']);
  });

  it('sends nothing any more but Pongs', () => {
    const open = closing();
    const { connection } = open;
    open.during.onMessage = () => {
      expect(connection.send(TEXT, 'late')).toBe(false);
      expect(connection.ping()).toBe(false);
    };
    open.receiveFrames({ payload: 'a' }, { opcode: PING, payload: 'p' }, ANSWER);
    expect([connection.readyState, connection.bufferedAmount]).toEqual([READY_STATE.CLOSING, 0]);
    expect(open.sent().map(({ opcode }) => opcode)).toEqual([CLOSE, PONG]);
  });

  it('may pause, and is given the rest by resume, the Close of the peer behind it', () => {
    const open = closing();
    open.during.onMessage = () => open.connection.pause();
    open.receive(wireOf({ payload: 'a' }, { payload: 'b' }, ANSWER));
    open.connection.receiveEnd();
    expect([open.events, open.transport.paused]).toEqual([['text a'], true]);
    open.connection.resume();
    expect([open.events, open.transport.paused]).toEqual([['text a', 'text b'], true]);
    open.connection.resume();
    expect([open.transport.paused, open.transport.ended]).toEqual([false, true]);
    open.connection.receiveTransportClose();
    expect(open.events.at(-1)).toBe('close 1000 bye clean');
  });

  it('stays paused where it was, with what had come before', () => {
    const open = new OpenConnection(role);
    open.connection.pause();
    open.receiveFrames({ payload: 'a' });
    open.connection.close(1000, '', true);
    open.receiveFrames({ payload: 'b' });
    expect([open.events, open.transport.paused]).toEqual([[], true]);
    open.connection.resume();
    expect([open.events, open.transport.paused]).toEqual([['text a', 'text b'], false]);
  });

  it('is not told twice, nor kept from being closed by a second close', () => {
    const open = closing();
    open.connection.close(4000);
    open.receiveFrames(ANSWER);
    open.connection.receiveTransportClose();
    expect(open.sent().map(({ opcode }) => opcode)).toEqual([CLOSE]);
    expect(open.events).toEqual(['close 1000 bye clean']);
  });

  it('reads on by a close that receives no more, so that the Close of the peer is found', () => {
    const open = closing();
    open.connection.pause();
    open.receiveFrames({ payload: 'a' }, ANSWER);
    open.connection.close(1000);
    expect(open.transport.paused).toBe(false);
    open.connection.receiveTransportClose();
    expect(open.events).toEqual(['close 1000 bye clean']);
  });

  it('waits for the Close of the peer as long as closeTimeout, whatever else comes', () => {
    const open = closing();
    const { connection, clock, transport } = open;
    for (let i = 0; i < 9; i++) {
      clock.advance(1_000);
      connection.tick();
      open.receiveFrames({ payload: 'more' });
      expect(transport.destroyed).toBe(false);
    }
    clock.advance(1_000);
    connection.tick();
    expect(transport.destroyed).toBe(true);
    connection.receiveTransportClose();
    expect(open.events.slice(-2)).toEqual(['text more', 'close 1006  unclean']);
  });

  it('fails for what breaks the protocol, and for a handler that throws', () => {
    const broken = closing();
    broken.receiveFrames({ payload: 'a' }, { opcode: 3 }, { payload: 'b' });
    broken.connection.receiveTransportClose();
    expect(broken.events).toEqual([
      'text a',
      'error WS_ERR_RESERVED_OPCODE',
      'close 1006  unclean',
    ]);
    const throwing = closing();
    throwing.during.onMessage = () => {
      throw new Error('a mistake of the application');
    };
    expect(() => throwing.receiveFrames({ payload: 'a' })).toThrow('a mistake of the application');
    throwing.during = {};
    throwing.receiveFrames({ payload: 'b' }, ANSWER);
    throwing.connection.receiveTransportClose();
    expect(throwing.events).toEqual(['text a', 'close 1006  unclean']);
    for (const open of [broken, throwing]) {
      // Nothing goes out behind our Close.
      expect(open.sent().map(({ opcode }) => opcode)).toEqual([8]);
    }
  });

  it('holds the limits for what still comes', () => {
    const open = new OpenConnection(role, { maxPayload: 5 });
    open.connection.close(1000, '', true);
    open.receiveFrames({ payload: 'small' }, { payload: 'larger' });
    expect(open.events).toEqual(['text small', 'error WS_ERR_MESSAGE_TOO_BIG']);
  });
});
