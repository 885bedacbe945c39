import { describe, expect, it } from 'vitest';
import type { ConnectionHandler, ConnectionOptions } from '../../src/connection/handler.ts';
import { READY_STATE } from '../../src/connection/state.ts';
import { ProtocolError } from '../../src/errors.ts';
import { closeBody, hex, peerFrame, type RawFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

const THROWN = new Error('from a handler');

function throwIt(): never {
  throw THROWN;
}

/** The codes of the Closes that were sent. */
function closeCodes(one: OpenConnection): number[] {
  return one
    .sent()
    .filter((frame) => frame.opcode === CLOSE)
    .map((frame) => frame.payload.readUInt16BE());
}

describe.each(ROLES)('the handler of a %s', (role) => {
  const open = (options: Partial<ConnectionOptions> = {}): OpenConnection =>
    new OpenConnection(role, options);

  function wireOf(...frames: RawFrame[]): Buffer {
    return Buffer.concat(frames.map((frame) => peerFrame(role, frame)));
  }

  const methods: [method: keyof ConnectionHandler, frame: RawFrame, event: string][] = [
    ['onMessage', { opcode: TEXT, payload: 'a' }, 'text a'],
    ['onPing', { opcode: PING, payload: 'a' }, 'ping 61'],
    ['onPong', { opcode: PONG, payload: 'a' }, 'pong 61'],
  ];

  describe.each(methods)('that throws in %s', (method, frame, event) => {
    it('fails the connection with 1011, and receive throws it', () => {
      const one = open();
      one.during = { [method]: throwIt };
      const wire = wireOf(frame, { payload: 'what follows' }, { opcode: CLOSE });
      expect(() => one.receive(wire)).toThrow(THROWN);
      expect(one.connection.readyState).toBe(READY_STATE.CLOSING);
      expect(one.transport.ended).toBe(true);
      expect(closeCodes(one)).toEqual([1011]);

      one.receiveFrames({ payload: 'later' }, { opcode: CLOSE });
      one.connection.receiveTransportClose();
      expect(one.log).toEqual([event, 'close 1006  unclean']);
    });

    it('is not blamed for what the peer does after it returned', () => {
      const one = open();
      one.receive(wireOf(frame, { opcode: 3 }));
      expect(one.log).toEqual([event, 'error WS_ERR_RESERVED_OPCODE']);
      expect(closeCodes(one)).toEqual([1002]);
    });

    it('sends what it sent before it threw', () => {
      const one = open();
      one.during = {
        [method]: () => {
          one.connection.send(TEXT, 'reply');
          throwIt();
        },
      };
      expect(() => one.receiveFrames(frame)).toThrow(THROWN);
      const opcodes = one.sent().map((sent) => sent.opcode);
      expect(opcodes.slice(-2)).toEqual([TEXT, CLOSE]);
    });

    it('after it called close, sends no second Close', () => {
      const one = open();
      one.during = {
        [method]: () => {
          one.connection.close(4000);
          throwIt();
        },
      };
      expect(() => one.receiveFrames(frame)).toThrow(THROWN);
      expect(closeCodes(one)).toEqual([4000]);
      expect(one.transport.ended).toBe(true);
    });

    it('after it called terminate, sends no Close', () => {
      const one = open();
      one.during = {
        [method]: () => {
          one.connection.terminate();
          throwIt();
        },
      };
      expect(() => one.receiveFrames(frame)).toThrow(THROWN);
      expect(one.transport.destroyed).toBe(true);
      expect(closeCodes(one)).toEqual([]);
      one.connection.receiveTransportClose();
      expect(one.log).toEqual([event, 'close 1006  unclean']);
    });

    it('a ProtocolError of its own, is not taken for the peer', () => {
      const one = open();
      const own = new ProtocolError('WS_ERR_OF_ANOTHER_CONNECTION', 1002, 'not of this one');
      one.during = {
        [method]: () => {
          throw own;
        },
      };
      expect(() => one.receiveFrames(frame)).toThrow(own);
      expect(closeCodes(one)).toEqual([1011]);
      expect(one.errors).toEqual([]);
    });

    it('while bytes that were held are read, makes resume throw it', () => {
      const one = open();
      one.connection.pause();
      one.receiveFrames(frame);
      one.during = { [method]: throwIt };
      expect(() => one.connection.resume()).toThrow(THROWN);
      expect(closeCodes(one)).toEqual([1011]);
    });
  });

  it('that throws what is no Error fails the connection all the same', () => {
    const one = open();
    one.during = {
      onMessage: () => {
        throw 'a string';
      },
    };
    let thrown: unknown;
    try {
      one.receiveFrames({ payload: 'a' });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBe('a string');
    expect(closeCodes(one)).toEqual([1011]);
  });

  it('that throws in onError: the connection was failed before, and receive throws it', () => {
    const one = open();
    one.during = { onError: throwIt };
    expect(() => one.receive(wireOf({ opcode: 3 }, { payload: 'a' }))).toThrow(THROWN);
    expect(closeCodes(one)).toEqual([1002]);
    expect(one.transport.ended).toBe(true);
    one.connection.receiveTransportClose();
    expect(one.log).toEqual(['error WS_ERR_RESERVED_OPCODE', 'close 1006  unclean']);
  });

  it('that throws in onClose: it is over, and receiveTransportClose throws it', () => {
    const one = open();
    one.during = { onClose: throwIt };
    expect(() => one.connection.receiveTransportClose()).toThrow(THROWN);
    expect(one.connection.readyState).toBe(READY_STATE.CLOSED);
    one.connection.receiveTransportClose();
    expect(one.log).toEqual(['close 1006  unclean']);
  });

  it.each<[string, (one: OpenConnection) => void]>([
    ['receive', (one) => one.receiveFrames({ payload: 'a' })],
    [
      'flush',
      (one) => {
        one.connection.send(TEXT, 'x'.repeat(100));
        one.connection.flush();
      },
    ],
    [
      'receiveDrain',
      (one) => {
        one.transport.stuck = true;
        one.transport.highWaterMark = 1;
        one.connection.send(TEXT, 'x'.repeat(100));
        one.connection.flush();
        one.transport.unstick();
        one.connection.receiveDrain();
      },
    ],
  ])('that throws in onDrain fails the connection with 1011, and %s throws it', (_, step) => {
    const one = open({ highWaterMark: 10 });
    one.during = {
      onMessage: () => void one.connection.send(TEXT, 'x'.repeat(100)),
      onDrain: throwIt,
    };
    expect(() => step(one)).toThrow(THROWN);
    one.during = {};
    expect(one.connection.readyState).toBe(READY_STATE.CLOSING);
    expect(closeCodes(one)).toEqual([1011]);
  });

  describe('that calls the connection again', () => {
    it('may close in onMessage: no message follows, and the Close of the peer is found', () => {
      const one = open();
      one.during = { onMessage: () => one.connection.close(1000) };
      one.receive(
        wireOf(
          { payload: 'a' },
          { payload: 'b' },
          { opcode: PING, payload: 'p' },
          { opcode: CLOSE, payload: closeBody(4001, 'too') },
        ),
      );
      one.connection.receiveTransportClose();
      expect(one.log).toEqual(['text a', 'close 4001 too clean']);
      expect(one.sent().map((frame) => frame.opcode)).toEqual([CLOSE, PONG]);
      expect(closeCodes(one)).toEqual([1000]);
    });

    it('may close in onPing: the Pong has gone before', () => {
      const one = open();
      one.during = { onPing: () => one.connection.close(1000) };
      one.receive(wireOf({ opcode: PING, payload: 'p' }, { payload: 'a' }));
      expect(one.sent().map((frame) => frame.opcode)).toEqual([PONG, CLOSE]);
      expect(one.log).toEqual(['ping 70']);
    });

    it.each(methods)('may terminate in %s: nothing follows', (method, frame, event) => {
      const one = open();
      one.during = { [method]: () => one.connection.terminate() };
      one.receive(wireOf(frame, { payload: 'b' }, { opcode: CLOSE }, { opcode: 3 }));
      one.connection.receiveTransportClose();
      expect(one.log).toEqual([event, 'close 1006  unclean']);
    });

    it('may lose its transport in onMessage', () => {
      const one = open();
      one.during = { onMessage: () => one.connection.receiveTransportClose() };
      one.receive(wireOf({ payload: 'a' }, { payload: 'b' }, { opcode: 3 }));
      expect(one.log).toEqual(['text a', 'close 1006  unclean']);
      expect(one.connection.readyState).toBe(READY_STATE.CLOSED);
    });

    it('may be told of the end of the transport in onMessage', () => {
      const one = open();
      one.during = { onMessage: () => one.connection.receiveEnd() };
      one.receive(wireOf({ payload: 'a' }));
      expect(one.connection.readyState).toBe(READY_STATE.CLOSING);
      expect(one.transport.ended).toBe(true);
    });

    it('may be given bytes in onMessage, which wait their turn', () => {
      const one = open();
      one.during = {
        onMessage: () => {
          one.during = {};
          one.receiveFrames({ payload: 'c' });
        },
      };
      one.receive(wireOf({ payload: 'a' }, { payload: 'b' }));
      expect(one.log).toEqual(['text a', 'text b', 'text c']);
    });

    it('may flush in onMessage', () => {
      const one = open();
      one.during = {
        onMessage: () => {
          one.connection.send(TEXT, 'reply');
          one.connection.flush();
        },
      };
      one.receive(wireOf({ payload: 'a' }, { payload: 'b' }));
      expect(one.transport.calls).toEqual(['write', 'write']);
      expect(one.sent().map((frame) => frame.payload.toString())).toEqual(['reply', 'reply']);
    });

    it('may send in onDrain, and is told that this waits', () => {
      const one = open({ highWaterMark: 10 });
      let drains = 0;
      one.during = {
        onMessage: () => void one.connection.send(TEXT, 'x'.repeat(100)),
        onDrain: () => {
          if (drains++ === 0) one.connection.send(TEXT, 'more');
        },
      };
      one.receiveFrames({ payload: 'a' });
      expect(one.log).toEqual(['text a', 'drain', 'pending']);
      expect(one.sent().map((frame) => frame.payload.toString())).toEqual([
        'x'.repeat(100),
        'more',
      ]);
    });

    it('may send in onDrain outside a turn, and is told that this waits', () => {
      const one = open({ highWaterMark: 10 });
      let drains = 0;
      one.during = {
        onDrain: () => {
          if (drains++ === 0) one.connection.send(TEXT, 'more');
        },
      };
      one.connection.send(TEXT, 'x'.repeat(100));
      one.connection.flush();
      expect(one.log).toEqual(['pending', 'drain', 'pending']);
    });

    it('may flush at once when it is told that something waits', () => {
      const one = open();
      one.during = { onPending: () => one.connection.flush() };
      one.connection.send(TEXT, 'a');
      one.connection.send(TEXT, 'b');
      expect(one.log).toEqual(['pending', 'pending']);
      expect(one.transport.calls).toEqual(['write', 'write']);
    });

    it('may do anything in onError: it is not open any more', () => {
      const one = open();
      const results: boolean[] = [];
      one.during = {
        onError: () => {
          results.push(one.connection.send(TEXT, 'a'), one.connection.ping());
          one.connection.close(1000);
          one.connection.pause();
          one.connection.resume();
          one.connection.failInternally();
          one.receiveFrames({ payload: 'a' });
        },
      };
      one.receive(wireOf({ opcode: 3 }, { payload: 'b' }));
      expect(results).toEqual([false, false]);
      expect(one.log).toEqual(['error WS_ERR_RESERVED_OPCODE']);
      expect(closeCodes(one)).toEqual([1002]);
    });

    it('may terminate in onError', () => {
      const one = open();
      one.during = { onError: () => one.connection.terminate() };
      one.receive(wireOf({ opcode: 3 }));
      expect(one.transport.destroyed).toBe(true);
      one.connection.receiveTransportClose();
      expect(one.log).toEqual(['error WS_ERR_RESERVED_OPCODE', 'close 1006  unclean']);
    });

    it('may do anything in onClose: it is over', () => {
      const one = open();
      one.during = {
        onClose: () => {
          expect(one.connection.readyState).toBe(READY_STATE.CLOSED);
          one.connection.receiveTransportClose();
          one.connection.close(1000);
          one.connection.terminate();
          expect(one.connection.send(TEXT, 'a')).toBe(false);
        },
      };
      one.connection.receiveTransportClose();
      expect(one.log).toEqual(['close 1006  unclean']);
      expect(one.transport.calls.filter((call) => call !== 'resume')).toEqual([]);
    });
  });

  it('is given bytes that it may look at, with nothing of other frames', () => {
    const one = open();
    const seen: Buffer[] = [];
    const keep = (source: Buffer, start: number, end: number): void => {
      seen.push(Buffer.from(source.subarray(start, end)));
    };
    one.during = {
      onMessage: (_, source, start, end) => keep(source, start, end),
      onPing: keep,
      onPong: keep,
    };
    one.receive(
      wireOf(
        { opcode: PING, payload: hex('01') },
        { opcode: 2, payload: hex('02 03') },
        { opcode: PONG, payload: hex('04') },
      ),
    );
    expect(seen).toEqual([hex('01'), hex('02 03'), hex('04')]);
  });
});
