import { describe, expect, it } from 'vitest';
import type { ConnectionOptions } from '../../src/connection/handler.ts';
import { READY_STATE } from '../../src/connection/state.ts';
import { closeBody, hex, peerFrame, type RawFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const { OPEN, CLOSING, CLOSED } = READY_STATE;

const PEER_CLOSE: RawFrame = { opcode: CLOSE, payload: closeBody(1001, 'leaving') };

/** `opcode payload-in-hex` of all that was sent. */
function sent(one: OpenConnection): string[] {
  return one.sent().map((frame) => `${frame.opcode} ${frame.payload.toString('hex')}`);
}

describe.each(ROLES)('a connection as %s', (role) => {
  const open = (options: Partial<ConnectionOptions> = {}): OpenConnection =>
    new OpenConnection(role, options);

  describe('when the peer sends a Close', () => {
    it.each([
      ['nothing', '', '8 ', 'close 1005  clean'],
      ['a code', '03 e8', '8 03e8', 'close 1000  clean'],
      ['a code and a reason', '0f a1 68 69', '8 0fa1', 'close 4001 hi clean'],
      ['the smallest code for libraries', '0b b8', '8 0bb8', 'close 3000  clean'],
      ['the largest private code', '13 87', '8 1387', 'close 4999  clean'],
    ])('with %s, answers with its code and reports what it said', (_, body, answer, event) => {
      const one = open();
      one.receiveFrames({ opcode: CLOSE, payload: hex(body) });
      expect(one.connection.readyState).toBe(CLOSING);
      expect(one.log).toEqual([]);
      // The answer leaves without waiting for anybody.
      expect(one.transport.writes).toHaveLength(1);
      expect(sent(one)).toEqual([answer]);
      one.connection.receiveTransportClose();
      expect(one.connection.readyState).toBe(CLOSED);
      expect(one.log).toEqual([event]);
    });

    it('with a reason of 123 bytes, reports all of it', () => {
      const one = open();
      const reason = 'é'.repeat(61) + 'x';
      one.receiveFrames({ opcode: CLOSE, payload: closeBody(1000, reason) });
      one.connection.receiveTransportClose();
      expect(one.log).toEqual([`close 1000 ${reason} clean`]);
    });

    it('in pieces, understands it when it is whole', () => {
      const one = open();
      const wire = peerFrame(role, PEER_CLOSE);
      for (const byte of wire.subarray(0, -1)) one.receive(Buffer.of(byte));
      expect(one.connection.readyState).toBe(OPEN);
      one.receive(wire.subarray(-1));
      one.connection.receiveTransportClose();
      expect(one.log).toEqual(['close 1001 leaving clean']);
    });

    it('discards all that comes after it, in the same chunk and later', () => {
      const one = open();
      const frames: RawFrame[] = [PEER_CLOSE, { payload: 'a' }, { opcode: PING }, { opcode: 3 }];
      one.receive(Buffer.concat(frames.map((frame) => peerFrame(role, frame))));
      one.receiveFrames(...frames);
      expect(one.log).toEqual([]);
      expect(sent(one)).toEqual(['8 03e9']);
    });

    it('inside a message, gives that message up', () => {
      const one = open();
      one.receiveFrames({ fin: false, payload: 'a' }, PEER_CLOSE, { opcode: 0, payload: 'b' });
      one.connection.receiveTransportClose();
      expect(one.log).toEqual(['close 1001 leaving clean']);
    });

    it('sends its answer behind what waits, and neither fragments nor messages after it', () => {
      const one = open();
      one.connection.sendFragment(TEXT, 'a', false);
      one.connection.send(TEXT, 'waits for the fragments');
      one.receiveFrames(PEER_CLOSE);
      one.connection.sendFragment(TEXT, 'b', true);
      one.connection.send(TEXT, 'c');
      expect(sent(one)).toEqual(['1 61', '8 03e9']);
      expect(one.connection.bufferedAmount).toBe(0);
    });

    it('does not answer a Ping that waited for the network', () => {
      const one = open();
      one.transport.stuck = true;
      one.transport.highWaterMark = 1;
      for (let i = 0; i < 40; i++) one.receiveFrames({ opcode: PING });
      one.receiveFrames(PEER_CLOSE);
      one.transport.unstick();
      one.connection.receiveDrain();
      expect(sent(one).at(-1)).toBe('8 03e9');
    });

    it('is closed by close, terminate or failure no second time', () => {
      const one = open();
      one.receiveFrames(PEER_CLOSE);
      one.connection.close(1000);
      one.connection.failInternally();
      expect(sent(one)).toEqual(['8 03e9']);
      one.connection.terminate();
      one.connection.receiveTransportClose();
      expect(one.log).toEqual(['close 1001 leaving clean']);
    });
  });

  describe('when we close', () => {
    it('sends the Close, tells nobody yet, and leaves TCP alone', () => {
      const one = open();
      one.connection.close(1000, 'bye');
      expect(one.connection.readyState).toBe(CLOSING);
      expect(one.log).toEqual(['pending']);
      expect(sent(one)).toEqual(['8 03e8627965']);
      expect([one.transport.ended, one.transport.destroyed]).toEqual([false, false]);
    });

    it('may send no code', () => {
      const one = open();
      one.connection.close();
      expect(sent(one)).toEqual(['8 ']);
    });

    it('reports what the peer answers', () => {
      const one = open();
      one.connection.close(1000, 'ours');
      one.receiveFrames({ opcode: CLOSE, payload: closeBody(1000) });
      expect(one.events).toEqual([]);
      one.connection.receiveTransportClose();
      expect(one.events).toEqual(['close 1000  clean']);
      expect(sent(one)).toHaveLength(1);
    });

    it('reports the code of the peer when both send a Close at once', () => {
      const one = open();
      one.connection.close(4000, 'ours');
      one.connection.flush();
      one.receiveFrames(PEER_CLOSE);
      expect(sent(one)).toEqual(['8 0fa06f757273']);
      one.connection.receiveTransportClose();
      expect(one.events).toEqual(['close 1001 leaving clean']);
    });

    it('sends one Close when it is asked twice', () => {
      const one = open();
      one.connection.close(1000);
      one.connection.close(1001);
      one.connection.close();
      expect(sent(one)).toEqual(['8 03e8']);
    });

    it('delivers no message any more, and still answers Pings', () => {
      const one = open();
      one.connection.close(1000);
      one.receiveFrames(
        { payload: 'a' },
        { opcode: PING, payload: 'p' },
        { opcode: PONG, payload: 'q' },
        { fin: false, payload: 'b' },
        { opcode: 0, payload: 'c' },
        PEER_CLOSE,
        { opcode: PING, payload: 'too late' },
      );
      expect(one.events).toEqual([]);
      expect(sent(one)).toEqual(['8 03e8', '10 70']);
    });

    it('still answers the newest Ping that waited for the network', () => {
      const one = open();
      one.transport.stuck = true;
      one.transport.highWaterMark = 1;
      for (let i = 0; i < 40; i++) one.receiveFrames({ opcode: PING, payload: `${i}` });
      one.connection.close(1000);
      one.connection.flush();
      one.transport.unstick();
      one.connection.receiveDrain();
      // Section 5.5.2: "unless it already received a Close frame", and it has not.
      const pongs = one.sent().filter((frame) => frame.opcode === PONG);
      expect(pongs.at(-1)?.payload.toString()).toBe('39');
    });

    it('still fails when the peer breaks a rule, without a second Close', () => {
      const one = open();
      one.connection.close(1000);
      one.receiveFrames({ opcode: 3 }, PEER_CLOSE);
      expect(one.events).toEqual(['error WS_ERR_RESERVED_OPCODE']);
      expect(one.transport.ended).toBe(true);
      one.connection.receiveTransportClose();
      expect(one.events).toEqual(['error WS_ERR_RESERVED_OPCODE', 'close 1006  unclean']);
      expect(sent(one)).toEqual(['8 03e8']);
    });

    it('gives up what waits for its turn, and not what is in frames', () => {
      const one = open();
      one.connection.send(TEXT, 'a');
      one.connection.sendFragment(TEXT, 'b', false);
      one.connection.send(TEXT, 'c');
      one.connection.close(1000);
      expect(one.connection.sendFragment(TEXT, 'd', true)).toBe(false);
      expect(sent(one)).toEqual(['1 61', '1 62', '8 03e8']);
    });

    it.each<[string, number | undefined, string, ErrorConstructor]>([
      ['a code that must not be sent', 1005, '', RangeError],
      ['a code out of range', 5000, '', RangeError],
      ['a reason that is too long', 1000, 'x'.repeat(124), RangeError],
      ['a reason without a code', undefined, 'why', TypeError],
    ])('throws for %s, and is open as before', (_, code, reason, type) => {
      const one = open();
      expect(() => one.connection.close(code, reason)).toThrow(type);
      expect(one.connection.readyState).toBe(OPEN);
      expect(one.connection.send(TEXT, 'a')).toBe(true);
      expect(sent(one)).toEqual(['1 61']);
    });

    it('throws for a wrong code even when it is closed', () => {
      const one = open();
      one.connection.receiveTransportClose();
      expect(() => one.connection.close(1006)).toThrow(RangeError);
    });
  });

  describe('when the transport ends', () => {
    it('without a Close, reports 1006 and ends its own side', () => {
      const one = open();
      one.receiveFrames({ payload: 'a' });
      one.connection.send(TEXT, 'still to send');
      one.connection.receiveEnd();
      expect(one.connection.readyState).toBe(CLOSING);
      expect(one.transport.ended).toBe(true);
      one.connection.receiveTransportClose();
      expect(one.events).toEqual(['text a', 'close 1006  unclean']);
      // Without a peer that said goodbye there is nobody to say it to.
      expect(sent(one).map((frame) => frame.slice(0, 1))).toEqual(['1']);
    });

    it('in the middle of a frame or a message, reports 1006', () => {
      for (const wire of [
        peerFrame(role, { payload: 'abc' }).subarray(0, -1),
        peerFrame(role, { payload: 'abc' }).subarray(0, 1),
        peerFrame(role, { fin: false, payload: 'abc' }),
      ]) {
        const one = open();
        one.receive(wire);
        one.connection.receiveEnd();
        one.connection.receiveTransportClose();
        expect(one.events).toEqual(['close 1006  unclean']);
      }
    });

    it('between our Close and its answer, reports 1006', () => {
      const one = open();
      one.connection.close(1000);
      one.connection.receiveEnd();
      expect(one.transport.ended).toBe(true);
      one.connection.receiveTransportClose();
      expect(one.events).toEqual(['close 1006  unclean']);
      expect(sent(one)).toEqual(['8 03e8']);
    });

    it('after both Closes, ends its own side, once', () => {
      const one = open();
      one.receiveFrames(PEER_CLOSE);
      one.connection.receiveEnd();
      expect(one.transport.calls.filter((call) => call === 'end')).toHaveLength(1);
      expect(one.transport.destroyed).toBe(false);
    });

    it('after it was failed, is over', () => {
      const one = open();
      one.receiveFrames({ opcode: 3 });
      one.connection.receiveEnd();
      one.connection.receiveTransportClose();
      one.connection.receiveEnd();
      expect(one.events).toEqual(['error WS_ERR_RESERVED_OPCODE', 'close 1006  unclean']);
    });

    it('by a reset, reports 1006', () => {
      const one = open();
      one.connection.receiveTransportClose();
      expect(one.connection.readyState).toBe(CLOSED);
      expect(one.log).toEqual(['close 1006  unclean']);
    });

    it('by a reset after the Close of the peer, reports that Close', () => {
      const one = open();
      one.receiveFrames(PEER_CLOSE);
      one.connection.receiveTransportClose();
      expect(one.log).toEqual(['close 1001 leaving clean']);
    });
  });

  describe('when it is over', () => {
    it('tells nothing more, whatever is called', () => {
      const one = open();
      const { connection } = one;
      connection.receiveTransportClose();
      connection.receiveTransportClose();
      connection.receiveEnd();
      connection.receiveDrain();
      one.receiveFrames({ payload: 'a' }, { opcode: PING }, PEER_CLOSE);
      expect(connection.send(TEXT, 'a')).toBe(false);
      expect(connection.ping()).toBe(false);
      connection.close(1000);
      connection.pause();
      connection.resume();
      connection.terminate();
      connection.failInternally();
      one.clock.advance(1e9);
      connection.tick();
      connection.flush();
      expect(one.log).toEqual(['close 1006  unclean']);
      expect(one.transport.writes).toEqual([]);
      expect(connection.deadline).toBe(Number.POSITIVE_INFINITY);
    });

    it('tells nobody that there is room again, and writes nothing', () => {
      const one = open({ highWaterMark: 10 });
      expect(one.connection.send(TEXT, 'x'.repeat(20))).toBe(false);
      one.connection.receiveTransportClose();
      // Due since `onPending`.
      one.connection.flush();
      one.connection.receiveDrain();
      expect(one.log).toEqual(['pending', 'close 1006  unclean']);
      expect(one.transport.writes).toEqual([]);
    });
  });

  describe('terminate', () => {
    it('ends both directions at once, without a Close', () => {
      const one = open();
      one.connection.terminate();
      expect(one.transport.destroyed).toBe(true);
      expect(one.connection.readyState).toBe(CLOSING);
      one.receiveFrames({ payload: 'a' }, PEER_CLOSE);
      one.connection.receiveTransportClose();
      expect(one.log).toEqual(['close 1006  unclean']);
      expect(one.transport.writes).toEqual([]);
    });

    it('writes nothing of what waited', () => {
      const one = open();
      one.connection.send(TEXT, 'a');
      one.connection.terminate();
      one.connection.flush();
      expect(one.transport.writes).toEqual([]);
    });

    it('after our Close, reports 1006', () => {
      const one = open();
      one.connection.close(1000);
      one.connection.terminate();
      one.connection.receiveTransportClose();
      expect(one.events).toEqual(['close 1006  unclean']);
    });

    it('has no effect when it is over', () => {
      const one = open();
      one.connection.receiveTransportClose();
      one.connection.terminate();
      expect(one.transport.destroyed).toBe(false);
    });
  });

  describe('failInternally', () => {
    it('sends 1011, and ends', () => {
      const one = open();
      one.connection.failInternally();
      expect(sent(one)).toEqual(['8 03f3']);
      expect(one.transport.ended).toBe(true);
      one.connection.failInternally();
      one.connection.receiveTransportClose();
      // What was wrong was not the peer's mistake, so there is no ProtocolError.
      expect(one.events).toEqual(['close 1006  unclean']);
    });

    it('sends no second Close', () => {
      const one = open();
      one.connection.close(1000);
      one.connection.failInternally();
      expect(sent(one)).toEqual(['8 03e8']);
      expect(one.transport.ended).toBe(true);
    });
  });

  describe('closeTimeout', () => {
    it.each<[string, (one: OpenConnection) => void]>([
      ['our Close', (one) => one.connection.close(1000)],
      ['the Close of the peer', (one) => one.receiveFrames(PEER_CLOSE)],
      ['a failure', (one) => one.receiveFrames({ opcode: 3 })],
      ['the end of the transport', (one) => one.connection.receiveEnd()],
    ])('destroys the transport that long after %s', (_, begin) => {
      const one = open({ closeTimeout: 5_000 });
      begin(one);
      expect(one.connection.deadline).toBe(6_000);
      one.clock.advance(4_999);
      one.connection.tick();
      expect(one.transport.destroyed).toBe(false);
      one.clock.advance(1);
      one.connection.tick();
      expect(one.transport.destroyed).toBe(true);
      expect(one.connection.deadline).toBe(Number.POSITIVE_INFINITY);
    });

    it('cannot be put off by the peer', () => {
      const one = open({ closeTimeout: 5_000 });
      one.connection.close(1000);
      one.clock.advance(4_000);
      one.receiveFrames({ opcode: PING }, PEER_CLOSE);
      one.connection.receiveEnd();
      expect(one.connection.deadline).toBe(6_000);
    });

    it.each<[string, (one: OpenConnection) => void]>([
      ['a violation', (one) => one.receiveFrames({ opcode: 3 })],
      ['the end of the transport', (one) => one.connection.receiveEnd()],
      ['a mistake of our own', (one) => one.connection.failInternally()],
    ])('is not put off by %s behind our Close', (_, step) => {
      const one = open({ closeTimeout: 5_000 });
      one.connection.close(1000);
      one.clock.advance(4_000);
      step(one);
      expect(one.connection.deadline).toBe(6_000);
    });

    it('reports 1006 when the peer never answered, and its Close when it did', () => {
      for (const answers of [false, true]) {
        const one = open();
        one.connection.close(1000);
        if (answers) one.receiveFrames(PEER_CLOSE);
        one.clock.advance(10_000);
        one.connection.tick();
        one.connection.receiveTransportClose();
        expect(one.events).toEqual([answers ? 'close 1001 leaving clean' : 'close 1006  unclean']);
      }
    });

    it('is over with the transport', () => {
      const one = open();
      one.connection.close(1000);
      one.connection.receiveTransportClose();
      expect(one.connection.deadline).toBe(Number.POSITIVE_INFINITY);
    });
  });
});

describe('after both Closes', () => {
  it('a server ends TCP at once, behind its answer, whoever began', () => {
    const answering = new OpenConnection('server');
    answering.receiveFrames(PEER_CLOSE);
    expect(answering.transport.calls.filter((call) => call !== 'resume')).toEqual(['write', 'end']);

    const beginning = new OpenConnection('server');
    beginning.connection.close(1000);
    beginning.connection.flush();
    expect(beginning.transport.ended).toBe(false);
    beginning.receiveFrames(PEER_CLOSE);
    expect(beginning.transport.ended).toBe(true);
    expect(beginning.transport.destroyed).toBe(false);
  });

  it('a client waits for the server to end TCP, whoever began', () => {
    for (const begins of [true, false]) {
      const one = new OpenConnection('client');
      if (begins) one.connection.close(1000);
      one.receiveFrames(PEER_CLOSE);
      expect(one.transport.ended).toBe(false);
      one.clock.advance(9_999);
      one.connection.tick();
      expect([one.transport.ended, one.transport.destroyed]).toEqual([false, false]);
      one.connection.receiveEnd();
      expect(one.transport.ended).toBe(true);
    }
  });

  it('what still comes is read, so that the end of TCP is no reset', () => {
    for (const role of ROLES) {
      const one = new OpenConnection(role);
      one.connection.pause();
      expect(one.transport.paused).toBe(true);
      one.connection.close(1000);
      expect(one.transport.paused).toBe(false);
      one.receiveFrames(PEER_CLOSE);
      expect(one.transport.paused).toBe(false);
    }
  });
});
