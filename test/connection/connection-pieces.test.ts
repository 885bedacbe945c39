import { describe, expect, it } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import type { ConnectionOptions, Role } from '../../src/connection/handler.ts';
import { resolveLimits } from '../../src/connection/limits.ts';
import { type RawFrame, closeBody, cuts, hex, peerFrame } from '../support/bytes.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryTransport } from '../support/memory-transport.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const CLOSE = 8;
const PING = 9;

/** One that is given pieces from the first message on. */
function piecewise(role: Role, options: Partial<ConnectionOptions> = {}): OpenConnection {
  const open = new OpenConnection(role, options);
  open.connection.giveInPieces(true);
  return open;
}

/** The log with the pieces of each message joined: `message hex`. */
function joined(log: readonly string[]): string[] {
  const entries: string[] = [];
  let rest = '';
  for (const entry of log) {
    const match = /^(last )?piece ([0-9a-f]*)$/.exec(entry);
    if (match === null) {
      entries.push(entry);
      continue;
    }
    rest += match[2]!;
    if (match[1] === undefined) continue;
    entries.push(`message ${rest}`);
    rest = '';
  }
  return rest === '' ? entries : [...entries, `begun ${rest}`];
}

describe.each(ROLES)('messages that a %s takes in pieces', (role) => {
  function wireOf(...frames: RawFrame[]): Buffer {
    return Buffer.concat(frames.map((frame) => peerFrame(role, frame)));
  }

  it('have the same bytes however the wire is cut, and control frames come between', () => {
    const wire = wireOf(
      { payload: 'a€\u{1f600}' },
      { fin: false, payload: hex('f0 9f') },
      { opcode: PING, payload: 'p' },
      { opcode: 0, fin: false },
      { opcode: 0, payload: hex('98 80') },
      { payload: '' },
      { opcode: 2, payload: Buffer.alloc(126, 1) },
      { opcode: 10, payload: 'q' },
    );
    for (const pieces of cuts(wire)) {
      const open = piecewise(role);
      for (const piece of pieces) open.receive(piece);
      const entries = joined(open.events);
      expect(entries.filter((entry) => entry.startsWith('message'))).toEqual([
        `message ${Buffer.from('a€\u{1f600}').toString('hex')}`,
        'message f09f9880',
        'message ',
        `message ${'01'.repeat(126)}`,
      ]);
      // The Ping came in the middle of the second message.
      const at = open.events.indexOf('ping 70');
      const before = joined(open.events.slice(0, at));
      expect(before).toEqual([entries.find((entry) => entry !== 'ping 70'), 'begun f09f']);
      expect(open.events.at(-1)).toBe('pong 71');
      expect(open.sent().map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
        [10, 'p'],
      ]);
    }
  });

  it('come as they came: nothing waits for the end of a message', () => {
    const open = piecewise(role);
    const wire = wireOf({ opcode: 2, payload: Buffer.from('0123456789') });
    open.receive(wire.subarray(0, wire.length - 8));
    expect(open.log).toEqual(['piece 3031']);
    open.receive(wire.subarray(wire.length - 8, wire.length - 1));
    expect(open.log).toEqual(['piece 3031', 'piece 32333435363738']);
    open.receive(wire.subarray(wire.length - 1));
    expect(open.log.at(-1)).toBe('last piece 39');
  });

  it('have their type in every piece', () => {
    const open = piecewise(role);
    const opcodes: number[] = [];
    open.during.onPiece = (opcode) => opcodes.push(opcode);
    open.receiveFrames(
      { opcode: 2, fin: false, payload: 'a' },
      { opcode: 0, payload: 'b' },
      { payload: 'c' },
    );
    expect(opcodes).toEqual([2, 2, 1]);
  });

  it('begin with the next message, and end with the next one', () => {
    const open = new OpenConnection(role);
    open.receiveFrames({ fin: false, payload: 'a' });
    open.connection.giveInPieces(true);
    open.receiveFrames({ opcode: 0, payload: 'b' }, { fin: false, payload: 'c' });
    open.connection.giveInPieces(false);
    open.receiveFrames({ opcode: 0, payload: 'd' }, { payload: 'e' });
    expect(open.log).toEqual(['text ab', 'piece 63', 'last piece 64', 'text e']);
  });

  it('may be asked for, and not any more, from inside the handler', () => {
    const open = new OpenConnection(role);
    let inPieces = false;
    const turn = (): void => open.connection.giveInPieces((inPieces = !inPieces));
    open.during = { onMessage: turn, onPiece: turn };
    open.receive(wireOf(...['a', 'b', 'c', 'd'].map((payload) => ({ payload }))));
    expect(open.log).toEqual(['text a', 'last piece 62', 'text c', 'last piece 64']);
  });

  it('must be UTF-8 where they are a text', () => {
    const open = piecewise(role);
    open.receiveFrames({ fin: false, payload: 'ok' }, { opcode: 0, payload: hex('c3 41') });
    expect(open.events).toEqual(['piece 6f6b', 'error WS_ERR_INVALID_UTF8']);
    expect(open.sent().at(-1)?.payload.readUInt16BE()).toBe(1007);
    const cut = piecewise(role);
    cut.receiveFrames({ fin: false, payload: hex('f0 9f') }, { opcode: 0 });
    expect(cut.events).toEqual(['piece f09f', 'error WS_ERR_INVALID_UTF8']);
  });

  it('hold the limits', () => {
    const size = piecewise(role, { maxPayload: 10 });
    size.receiveFrames(
      { opcode: 2, payload: Buffer.alloc(10) },
      { opcode: 2, fin: false, payload: Buffer.alloc(6) },
      { opcode: 0, payload: Buffer.alloc(5) },
    );
    expect(size.events.slice(-2)).toEqual([
      `piece ${'00'.repeat(6)}`,
      'error WS_ERR_MESSAGE_TOO_BIG',
    ]);
    expect(size.sent().at(-1)?.payload.readUInt16BE()).toBe(1009);
    const count = piecewise(role, { maxFragments: 2 });
    count.receiveFrames({ fin: false }, { opcode: 0, fin: false }, { opcode: 0 });
    expect(count.events).toEqual(['piece ', 'piece ', 'error WS_ERR_TOO_MANY_FRAGMENTS']);
    expect(count.sent().at(-1)?.payload.readUInt16BE()).toBe(1008);
  });

  it('wait for the end of a pause, from the middle of a message on', () => {
    const open = piecewise(role);
    open.during.onPiece = () => open.connection.pause();
    open.receive(
      wireOf({ fin: false, payload: 'a' }, { opcode: 0, payload: 'b' }, { payload: 'c' }),
    );
    expect([open.log, open.transport.paused]).toEqual([['piece 61'], true]);
    open.connection.resume();
    expect(open.log).toEqual(['piece 61', 'last piece 62']);
    open.connection.resume();
    expect(open.log).toEqual(['piece 61', 'last piece 62', 'last piece 63']);
  });

  it('wait while the network does not take the answers to them', () => {
    const open = piecewise(role);
    open.transport.stuck = true;
    open.during.onPiece = () => void open.connection.send(2, Buffer.alloc(100_000));
    open.receive(wireOf({ fin: false, payload: 'a' }, { opcode: 0, payload: 'b' }));
    expect([open.log, open.transport.paused]).toEqual([['piece 61'], true]);
    open.transport.unstick();
    open.connection.receiveDrain();
    const pieces = open.events.filter((event) => event !== 'drain');
    expect([pieces, open.transport.paused]).toEqual([['piece 61', 'last piece 62'], false]);
    expect(open.events).toContain('drain');
  });

  it('come no more after our Close, and the Close of the peer is still found', () => {
    const open = piecewise(role);
    open.receiveFrames({ fin: false, payload: 'a' });
    open.connection.close(1000);
    open.receiveFrames(
      { opcode: 0, payload: 'b' },
      { payload: 'c' },
      { opcode: CLOSE, payload: closeBody(1000) },
    );
    open.connection.receiveTransportClose();
    expect(open.events).toEqual(['piece 61', 'close 1000  clean']);
  });

  it('come no more after the Close of the peer, nor when the transport is gone', () => {
    for (const last of [false, true]) {
      const open = piecewise(role);
      open.receiveFrames({ fin: false, payload: 'a' });
      if (last) open.receiveFrames({ opcode: CLOSE });
      else open.connection.receiveEnd();
      open.receiveFrames({ opcode: 0, payload: 'b' });
      open.connection.receiveTransportClose();
      expect(open.events).toEqual(['piece 61', last ? 'close 1005  clean' : 'close 1006  unclean']);
    }
  });

  it('are the last ones where the handler ends the connection', () => {
    for (const end of ['close', 'terminate', 'receiveTransportClose'] as const) {
      const open = piecewise(role);
      open.during.onPiece = () => open.connection[end]();
      open.receive(wireOf({ fin: false, payload: 'a' }, { opcode: 0, payload: 'b' }));
      expect(open.events.filter((entry) => !entry.startsWith('close'))).toEqual(['piece 61']);
    }
  });

  it('fail the connection with 1011 where the handler throws, and receive throws it', () => {
    const open = piecewise(role);
    open.during.onPiece = () => {
      throw new Error('a mistake of the application');
    };
    const wire = wireOf({ fin: false, payload: 'a' }, { opcode: 0, payload: 'b' });
    expect(() => open.receive(wire)).toThrow('a mistake of the application');
    open.receiveFrames({ payload: 'c' });
    expect(open.events).toEqual(['piece 61']);
    expect(open.sent().map(({ payload }) => payload)).toEqual([closeBody(1011)]);
  });

  it('are lost on a handler that has no method for them, and on nobody else', () => {
    const transport = new MemoryTransport();
    const log: string[] = [];
    const connection = new Connection(
      role,
      transport,
      {
        onMessage: () => log.push('message'),
        onPing: () => log.push('ping'),
        onPong: () => log.push('pong'),
        onDrain: () => log.push('drain'),
        onPending: () => log.push('pending'),
        onError: () => log.push('error'),
        onClose: () => log.push('close'),
      },
      new ManualClock(),
      resolveLimits(),
    );
    connection.giveInPieces(true);
    connection.receive(wireOf({ payload: 'a' }, { opcode: PING }));
    connection.giveInPieces(false);
    connection.receive(wireOf({ payload: 'b' }));
    expect(log).toEqual(['ping', 'message']);
  });
});
