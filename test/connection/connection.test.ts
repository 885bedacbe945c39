import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ConnectionOptions } from '../../src/connection/handler.ts';
import { READY_STATE } from '../../src/connection/state.ts';
import { closeBody, cuts, hex, peerFrame, type RawFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** Counts the bytes that are allocated to keep what comes. */
function countAllocations(): () => number {
  const spy = vi.spyOn(Buffer, 'allocUnsafeSlow');
  return () => spy.mock.calls.reduce((sum, [size]) => sum + size, 0);
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(ROLES)('a connection as %s', (role) => {
  const open = (options: Partial<ConnectionOptions> = {}): OpenConnection =>
    new OpenConnection(role, options);

  function wireOf(...frames: RawFrame[]): Buffer {
    return Buffer.concat(frames.map((frame) => peerFrame(role, frame)));
  }

  describe('when bytes come', () => {
    it('is open, and nothing waits', () => {
      const { connection, log } = open();
      expect(connection.readyState).toBe(READY_STATE.OPEN);
      expect(connection.bufferedAmount).toBe(0);
      expect(connection.dropped).toBe(0);
      expect(connection.latency).toBeNaN();
      expect(log).toEqual([]);
    });

    it('delivers each message as it was sent', () => {
      const one = open();
      one.receiveFrames(
        { opcode: TEXT, payload: 'Hello' },
        { opcode: BINARY, payload: hex('00 ff') },
        { opcode: TEXT, payload: '' },
        { opcode: TEXT, payload: 'für 2 €' },
      );
      expect(one.log).toEqual(['text Hello', 'binary 00ff', 'text ', 'text für 2 €']);
    });

    it('finds the same in them, however they are cut', () => {
      const wire = wireOf(
        { opcode: TEXT, fin: false, payload: 'a€' },
        { opcode: PING, payload: 'p' },
        { opcode: 0, fin: false, payload: '' },
        { opcode: PONG, payload: 'q' },
        { opcode: 0, payload: 'b€' },
        { opcode: BINARY, payload: Buffer.alloc(130, 1) },
        { opcode: CLOSE, payload: closeBody(1000, 'bye') },
      );
      for (const pieces of cuts(wire)) {
        const one = open();
        for (const piece of pieces) one.receive(piece);
        one.connection.receiveTransportClose();
        expect(one.log).toEqual([
          'ping 70',
          'pong 71',
          'text a€b€',
          `binary ${'01'.repeat(130)}`,
          'close 1000 bye clean',
        ]);
        expect(one.sent().map((frame) => [frame.opcode, frame.payload.toString('hex')])).toEqual([
          [PONG, '70'],
          [CLOSE, '03e8'],
        ]);
      }
    });

    it('answers a Ping between two fragments before the message is whole', () => {
      const one = open();
      one.receiveFrames(
        { opcode: TEXT, fin: false, payload: 'a' },
        { opcode: PING, payload: hex('01 02 03') },
      );
      expect(one.sent()).toMatchObject([{ opcode: PONG, payload: hex('01 02 03') }]);
      expect(one.events).toEqual(['ping 010203']);
      one.receiveFrames({ opcode: 0, payload: 'b' });
      expect(one.events).toEqual(['ping 010203', 'text ab']);
    });

    it('joins a message around a large control frame that comes in pieces', () => {
      const one = open();
      const wire = wireOf(
        { opcode: BINARY, fin: false, payload: 'a' },
        { opcode: PING, payload: Buffer.alloc(125, 'p') },
        { opcode: 0, payload: 'b' },
      );
      for (const byte of wire) one.receive(Buffer.of(byte));
      expect(one.events).toEqual([`ping ${'70'.repeat(125)}`, 'binary 6162']);
      expect(one.sent()[0]?.payload).toEqual(Buffer.alloc(125, 'p'));
    });

    it('takes an empty chunk for nothing', () => {
      const one = open();
      one.receive(Buffer.alloc(0));
      expect(one.log).toEqual([]);
      expect(one.transport.calls).toEqual([]);
    });

    it('takes Pongs that nobody asked for', () => {
      const one = open();
      one.receiveFrames({ opcode: PONG }, { opcode: PONG, payload: hex('00 00 00 01') });
      expect(one.log).toEqual(['pong ', 'pong 00000001']);
      expect(one.sent()).toEqual([]);
      expect(one.connection.latency).toBeNaN();
    });

    it('does not answer a Ping where autoPong is off, and the application may', () => {
      const one = open({ autoPong: false });
      one.during = {
        onPing: (source, start, end) => void one.connection.pong(source.subarray(start, end)),
      };
      one.receiveFrames({ opcode: PING, payload: 'a' });
      one.during = {};
      one.receiveFrames({ opcode: PING, payload: 'b' });
      expect(one.events).toEqual(['ping 61', 'ping 62']);
      expect(one.sent()).toMatchObject([{ opcode: PONG, payload: Buffer.from('a') }]);
      expect(one.sent()).toHaveLength(1);
    });
  });

  describe('when the peer breaks a rule', () => {
    const breaches: [string, RawFrame[], string, number][] = [
      ['sets RSV1', [{ rsv: 0b100 }], 'RESERVED_BITS', 1002],
      ['sets RSV2', [{ rsv: 0b010 }], 'RESERVED_BITS', 1002],
      ['sets RSV3', [{ rsv: 0b001, opcode: PING }], 'RESERVED_BITS', 1002],
      ['sends opcode 3', [{ opcode: 3 }], 'RESERVED_OPCODE', 1002],
      ['sends opcode 15', [{ opcode: 15 }], 'RESERVED_OPCODE', 1002],
      ['writes a length too long', [{ payload: 'a', lengthBits: 16 }], 'LENGTH_NOT_MINIMAL', 1002],
      ['fragments a Ping', [{ opcode: PING, fin: false }], 'CONTROL_FRAGMENTED', 1002],
      [
        'sends a Ping of 126 bytes',
        [{ opcode: PING, payload: Buffer.alloc(126) }],
        'CONTROL_TOO_LONG',
        1002,
      ],
      ['continues nothing', [{ opcode: 0 }], 'CONTINUATION_UNEXPECTED', 1002],
      [
        'begins a message in another',
        [{ fin: false }, { opcode: BINARY }],
        'CONTINUATION_EXPECTED',
        1002,
      ],
      ['sends half a code', [{ opcode: CLOSE, payload: hex('03') }], 'CLOSE_LENGTH', 1002],
      ['sends a Close of 1005', [{ opcode: CLOSE, payload: closeBody(1005) }], 'CLOSE_CODE', 1002],
      ['sends a Close of 999', [{ opcode: CLOSE, payload: closeBody(999) }], 'CLOSE_CODE', 1002],
      [
        'gives a reason that is no UTF-8',
        [{ opcode: CLOSE, payload: hex('03 e8 ff') }],
        'INVALID_UTF8',
        1007,
      ],
      ['sends a text that is no UTF-8', [{ payload: hex('61 ff') }], 'INVALID_UTF8', 1007],
    ];

    it.each(breaches)('fails when it %s', (_, frames, code, closeCode) => {
      const one = open();
      one.receive(wireOf(...frames, { payload: 'what follows' }, { opcode: CLOSE }));
      expect(one.events).toEqual([`error WS_ERR_${code}`]);
      expect(one.errors[0]?.closeCode).toBe(closeCode);
      expect(one.connection.readyState).toBe(READY_STATE.CLOSING);
      expect(one.transport.ended).toBe(true);

      const sent = one.sent();
      expect(sent).toHaveLength(1);
      expect(sent[0]?.opcode).toBe(CLOSE);
      expect(sent[0]?.payload.readUInt16BE()).toBe(closeCode);
      expect(sent[0]?.payload.toString('utf8', 2)).toBe(one.errors[0]?.message);

      one.receiveFrames({ payload: 'later' }, { opcode: PING }, { opcode: CLOSE });
      one.connection.receiveTransportClose();
      expect(one.events.slice(1)).toEqual(['close 1006  unclean']);
      expect(one.sent()).toHaveLength(1);
    });

    it('fails when the mask is not there, or is', () => {
      const one = open();
      const wrong = peerFrame(role === 'server' ? 'client' : 'server', { payload: 'a' });
      one.receive(wrong);
      const code = role === 'server' ? 'MASK_MISSING' : 'MASK_UNEXPECTED';
      expect(one.events).toEqual([`error WS_ERR_${code}`]);
      expect(one.sent()[0]?.payload.readUInt16BE()).toBe(1002);
    });

    it('delivers what came before', () => {
      const one = open();
      one.receive(wireOf({ payload: 'a' }, { opcode: PING, payload: 'p' }, { opcode: 3 }));
      expect(one.events).toEqual(['text a', 'ping 70', 'error WS_ERR_RESERVED_OPCODE']);
      expect(one.sent().map((frame) => frame.opcode)).toEqual([PONG, CLOSE]);
    });

    it('fails a text at its first bad byte, in the middle of a frame', () => {
      const one = open();
      const wire = wireOf({ payload: Buffer.concat([hex('61 62 c3 28'), Buffer.alloc(100, 'x')]) });
      const headerSize = wire.length - 104;
      for (const byte of wire.subarray(0, headerSize + 3)) one.receive(Buffer.of(byte));
      expect(one.events).toEqual([]);
      one.receive(wire.subarray(headerSize + 3, headerSize + 4));
      expect(one.events).toEqual(['error WS_ERR_INVALID_UTF8']);
    });
  });

  describe('what a message may cost', () => {
    it('is refused from the header, before a byte of it is kept', () => {
      const one = open({ maxPayload: 1_000 });
      const header = wireOf({ opcode: BINARY, payload: Buffer.alloc(1_001) }).subarray(0, -1_001);
      const allocated = countAllocations();
      one.connection.receive(Buffer.from(header));
      expect(one.events).toEqual(['error WS_ERR_MESSAGE_TOO_BIG']);
      expect(allocated()).toBeLessThan(100);
      expect(one.sent()[0]?.payload.readUInt16BE()).toBe(1009);
    });

    it('is refused where a header announces more than any machine can hold', () => {
      const one = open({ maxPayload: Infinity });
      const masked =
        role === 'server' ? 'ff 7f ff ff ff ff ff ff ff 00000000' : '7f 7f ff ff ff ff ff ff ff';
      one.receive(hex(`82 ${masked}`));
      expect(one.events).toEqual(['error WS_ERR_MESSAGE_TOO_BIG']);
    });

    it('is the same for fragments together', () => {
      const one = open({ maxPayload: 10 });
      one.receiveFrames({ fin: false, payload: '12345' }, { opcode: 0, payload: '67890' });
      one.receiveFrames({ fin: false, payload: '12345' }, { opcode: 0, payload: '678901' });
      expect(one.events).toEqual(['text 1234567890', 'error WS_ERR_MESSAGE_TOO_BIG']);
    });

    it('is limited in its fragments, empty ones too', () => {
      const one = open({ maxFragments: 3 });
      const empty: RawFrame = { opcode: 0, fin: false };
      one.receiveFrames({ fin: false }, empty, { opcode: 0 });
      one.receiveFrames({ fin: false }, empty, empty);
      expect(one.events).toEqual(['text ']);
      one.receiveFrames({ opcode: 0 });
      expect(one.events).toEqual(['text ', 'error WS_ERR_TOO_MANY_FRAGMENTS']);
      expect(one.sent()[0]?.payload.readUInt16BE()).toBe(1008);
    });

    it('is linear, though it comes in 100,000 fragments of a byte', async () => {
      const one = open({ maxPayload: Infinity, maxFragments: Infinity });
      let room = 0;
      let size = 0;
      one.during = {
        onMessage: (_, source, start, end) => {
          room = source.buffer.byteLength;
          size = end - start;
        },
      };
      const first = wireOf({ opcode: BINARY, fin: false, payload: 'x' });
      const middle = wireOf({ opcode: 0, fin: false, payload: 'x' });
      const allocated = countAllocations();
      one.receive(first);
      for (let i = 1; i < 99_999; i++) {
        one.receive(middle);
        while (one.transport.paused) await nextTurn();
      }
      one.receive(wireOf({ opcode: 0, payload: 'x' }));
      expect(size).toBe(100_000);
      expect(room).toBeLessThanOrEqual(200_000);
      expect(allocated()).toBeLessThanOrEqual(400_000);
    });

    it('is little when a peer announces 1 MiB and sends one byte', () => {
      const one = open();
      const header = wireOf({ opcode: BINARY, payload: Buffer.alloc(1_048_576) }).subarray(
        0,
        -1_048_576,
      );
      const allocated = countAllocations();
      one.receive(header);
      one.receive(Buffer.of(1));
      expect(allocated()).toBeLessThanOrEqual(64);
    });
  });

  describe('when it sends', () => {
    it('masks only as a client', () => {
      const one = open();
      one.connection.send(TEXT, 'a');
      one.connection.ping();
      const masks = one.sent().map((frame) => frame.masked);
      expect(masks).toEqual([role === 'client', role === 'client']);
    });

    it('answers true, and asks once for a flush', () => {
      const one = open();
      expect(one.connection.send(TEXT, 'a')).toBe(true);
      expect(one.connection.send(BINARY, hex('ff'))).toBe(true);
      expect(one.connection.sendFragment(TEXT, 'b', true)).toBe(true);
      expect(one.connection.ping(hex('01'))).toBe(true);
      expect(one.connection.pong()).toBe(true);
      expect(one.log).toEqual(['pending']);
      expect(one.transport.calls).toEqual([]);
      expect(one.connection.bufferedAmount).toBeGreaterThan(0);
      one.connection.flush();
      expect(one.transport.calls).toEqual(['write']);
      expect(one.sent().map((frame) => frame.opcode)).toEqual([TEXT, BINARY, TEXT, PING, PONG]);
    });

    it('asks again after a flush', () => {
      const one = open();
      one.connection.send(TEXT, 'a');
      one.connection.flush();
      one.connection.send(TEXT, 'b');
      expect(one.log).toEqual(['pending', 'pending']);
    });

    it('lets all leave in one write that is sent while one chunk is processed', () => {
      const one = open();
      one.during = {
        onMessage: () => {
          one.connection.send(TEXT, 'reply');
          one.connection.send(TEXT, 'and more');
        },
      };
      one.receive(wireOf({ payload: 'a' }, { opcode: PING }, { payload: 'b' }));
      expect(one.transport.calls).toEqual(['write']);
      expect(one.log).toEqual(['text a', 'ping ', 'text b']);
      expect(one.sent().map((frame) => frame.opcode)).toEqual([TEXT, TEXT, PONG, TEXT, TEXT]);
    });

    it('lets leave what waited before, when a chunk is processed', () => {
      const one = open();
      one.connection.send(TEXT, 'before');
      one.receiveFrames({ opcode: PING });
      expect(one.transport.calls).toEqual(['write']);
      one.connection.flush();
      expect(one.transport.calls).toEqual(['write']);
    });

    it('sends a message after the one that is being sent in fragments', () => {
      const one = open();
      one.connection.sendFragment(TEXT, 'a', false);
      one.connection.send(BINARY, Buffer.from('second'));
      one.connection.ping(Buffer.from('p'));
      one.connection.sendFragment(TEXT, 'b', true);
      expect(
        one.sent().map((frame) => [frame.opcode, frame.fin, frame.payload.toString()]),
      ).toEqual([
        [TEXT, false, 'a'],
        [PING, true, 'p'],
        [0, true, 'b'],
        [BINARY, true, 'second'],
      ]);
    });

    it('asks for no flush where a message only waits for another', () => {
      const one = open();
      one.connection.sendFragment(TEXT, 'a', false);
      one.connection.flush();
      one.connection.send(TEXT, 'second');
      expect(one.log).toEqual(['pending']);
      one.connection.sendFragment(TEXT, 'b', true);
      expect(one.log).toEqual(['pending', 'pending']);
    });

    it('refuses a control frame of more than 125 bytes, whatever the state', () => {
      const one = open();
      const sentence = 'a control frame has at most 125 bytes of payload (RFC 6455, section 5.5)';
      expect(one.connection.ping(Buffer.alloc(125))).toBe(true);
      expect(() => one.connection.ping(Buffer.alloc(126))).toThrow(new RangeError(sentence));
      expect(() => one.connection.pong(Buffer.alloc(126))).toThrow(new RangeError(sentence));
      expect(one.sent()).toHaveLength(1);
      one.connection.terminate();
      expect(() => one.connection.ping(Buffer.alloc(126))).toThrow(RangeError);
    });

    it('answers false when it is not open any more, and sends nothing', () => {
      const one = open();
      one.connection.close(1000);
      expect(one.connection.send(TEXT, 'a')).toBe(false);
      expect(one.connection.sendFragment(TEXT, 'a', true)).toBe(false);
      expect(one.connection.ping()).toBe(false);
      expect(one.connection.pong()).toBe(false);
      expect(one.sent().map((frame) => frame.opcode)).toEqual([CLOSE]);
    });
  });
});
