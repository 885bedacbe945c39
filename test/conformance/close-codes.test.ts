/** RFC 6455, section 7.4: the status codes of a Close. */
import { describe, expect, it } from 'vitest';
import { OPCODE } from '../../src/frame/opcode.ts';
import { ProtocolError } from '../../src/errors.ts';
import { type RawFrame, closeBody, hex, maskedFrame, peerFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';
import { openPair, startServer } from '../support/open-pair.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

/** Section 7.4.1, and what IANA has registered since: 1012, 1013 and 1014. */
const DEFINED = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
/** "Reserved values … MUST NOT be set as a status code in a Close control frame." */
const NEVER_SENT = [1005, 1006, 1015];

function isAllowed(code: number): boolean {
  return DEFINED.includes(code) || (code >= 3000 && code <= 4999);
}

/** The code of the Close that was sent; null for one without. */
function closeCodeOf(open: OpenConnection): number | null {
  const closes = open.sent().filter(({ opcode }) => opcode === 8);
  expect(closes).toHaveLength(1);
  const { payload } = closes[0]!;
  return payload.length === 0 ? null : payload.readUInt16BE(0);
}

describe('section 7.4.1', () => {
  it.each(ROLES)('6455-7.4.1-01 %s: refuses to send 1005, 1006 and 1015', (role) => {
    for (const code of NEVER_SENT) {
      const open = new OpenConnection(role);
      expect(() => open.connection.close(code)).toThrow(RangeError);
      expect(open.connection.readyState).toBe(1);
      expect(open.sent()).toEqual([]);
    }
  });

  it.each(ROLES)('6455-7.4.1-01 %s: fails on a Close with 1005, 1006 or 1015', (role) => {
    for (const code of NEVER_SENT) {
      const open = new OpenConnection(role);
      open.receiveFrames({ opcode: 8, payload: closeBody(code, 'a reason') });
      expect(open.events).toEqual(['error WS_ERR_CLOSE_CODE']);
      expect(closeCodeOf(open)).toBe(1002);
    }
  });

  it.each(ROLES)(
    '6455-7.4.1-01 %s: puts 1005 and 1006 on no wire, though it reports them',
    (role) => {
      const empty = new OpenConnection(role);
      empty.receiveFrames({ opcode: 8 });
      expect(closeCodeOf(empty)).toBeNull();
      const lost = new OpenConnection(role);
      lost.connection.receiveEnd();
      expect(lost.sent()).toEqual([]);
      const terminated = new OpenConnection(role);
      terminated.connection.terminate();
      expect(terminated.sent()).toEqual([]);
    },
  );

  it.each(ROLES)('6455-7.4.1-02 %s: says by each code what the code means', (role) => {
    const cases: [number, string, RawFrame[]][] = [
      [1002, 'a protocol error', [{ rsv: 2 }]],
      [1007, 'data that does not fit its type', [{ payload: hex('e2 28 a1') }]],
      [1007, 'a reason that is no text', [{ opcode: 8, payload: hex('03 e8 ff') }]],
      [1008, 'too many fragments', [{ fin: false }, { fin: false, opcode: 0 }, { opcode: 0 }]],
      [1009, 'a message that is too big', [{ payload: 'x'.repeat(11) }]],
      [
        1009,
        'fragments that are too big',
        [
          { fin: false, payload: 'x'.repeat(10) },
          { opcode: 0, payload: 'x' },
        ],
      ],
    ];
    for (const [code, what, frames] of cases) {
      const open = new OpenConnection(role, { maxPayload: 10, maxFragments: 2 });
      open.receiveFrames(...frames);
      expect(closeCodeOf(open), what).toBe(code);
      expect(open.errors[0]!.closeCode, what).toBe(code);
    }
  });

  it.each(ROLES)('6455-7.4.1-02 %s: says 1013 to a peer that reads too slowly', (role) => {
    const open = new OpenConnection(role, { maxBackpressure: 1_000 });
    open.transport.stuck = true;
    open.transport.highWaterMark = 500;
    open.connection.send(OPCODE.BINARY, Buffer.alloc(900));
    open.connection.flush();
    expect(open.connection.send(OPCODE.BINARY, Buffer.alloc(900))).toBe(false);
    expect(closeCodeOf(open)).toBe(1013);
    expect(open.events).toEqual(['error WS_ERR_READS_TOO_SLOWLY']);
  });

  it.each(ROLES)('6455-7.4.1-02 %s: says 1011 when the application fails', (role) => {
    const open = new OpenConnection(role);
    const mistake = new Error('a mistake of the application');
    open.during.onMessage = () => {
      throw mistake;
    };
    expect(() => open.receiveFrames({ payload: 'x' })).toThrow(mistake);
    expect(closeCodeOf(open)).toBe(1011);
    expect(open.events).toEqual(['text x']);
  });

  it.each(ROLES)('6455-7.4.1-02 %s: does not blame the peer for what a handler throws', (role) => {
    // It broke no rule, though some other peer did.
    const open = new OpenConnection(role);
    const mistake = new ProtocolError('WS_ERR_RESERVED_BITS', 1002, 'of another connection');
    open.during.onMessage = () => {
      throw mistake;
    };
    expect(() => open.receiveFrames({ payload: 'x' })).toThrow(mistake);
    expect(closeCodeOf(open)).toBe(1011);
    expect(open.events).toEqual(['text x']);
  });

  it.each(ROLES)('6455-7.4.1-02 %s: says 1011 over TCP when a listener throws', async (role) => {
    const { socket, peer, log } = await openPair(role);
    socket.on('message', () => {
      throw new Error('a mistake of the application');
    });
    await peer.write(peerFrame(role, { payload: 'x' }));
    const [close] = await peer.readFrames(1);
    expect(close!.payload.readUInt16BE(0)).toBe(1011);
    expect(await log.until('error')).toBe('error a mistake of the application');
  });

  it('6455-7.4.1-02 server: says 1001 when it goes away', async () => {
    const { server, port } = await startServer();
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest());
    await peer.readHead();
    const stopped = server.shutdown();
    const [close] = await peer.readFrames(1);
    expect(close!.payload.readUInt16BE(0)).toBe(1001);
    peer.end(maskedFrame({ opcode: 8, payload: closeBody(1001) }));
    await stopped;
  });

  it.each(ROLES)(
    '6455-7.4.1-02 %s: takes the defined codes, and not 1004, which is reserved',
    (role) => {
      for (const code of [...DEFINED, 1004]) {
        const open = new OpenConnection(role);
        open.receiveFrames({ opcode: 8, payload: closeBody(code) });
        open.connection.receiveTransportClose();
        const report =
          code === 1004
            ? ['error WS_ERR_CLOSE_CODE', 'close 1006  unclean']
            : [`close ${code}  clean`];
        expect(open.events).toEqual(report);
      }
      expect(() => new OpenConnection(role).connection.close(1004)).toThrow(RangeError);
    },
  );
});

describe('section 7.4.2', () => {
  it.each(ROLES)(
    '6455-7.4.2-01 %s: takes every code that may be, and fails on every other one',
    (role) => {
      const wrong: number[] = [];
      for (let code = 0; code <= 0xffff; code++) {
        const open = new OpenConnection(role);
        open.receiveFrames({ opcode: 8, payload: closeBody(code) });
        open.connection.receiveTransportClose();
        const expected = isAllowed(code) ? `close ${code}  clean` : 'close 1006  unclean';
        const body = open.transport.wire.subarray(-2);
        const answered = role === 'server' ? body.readUInt16BE(0) : code;
        // Ours ends with the echoed code, or with a reason behind 1002.
        const fits = !isAllowed(code) || answered === code;
        if (open.events.at(-1) !== expected || !fits) wrong.push(code);
      }
      expect(wrong).toEqual([]);
    },
  );

  it.each(ROLES)(
    '6455-7.4.2-01 %s: sends every code that may be, and refuses every other one',
    (role) => {
      const wrong: number[] = [];
      for (let code = -2; code <= 0x1_0010; code++) {
        const open = new OpenConnection(role);
        let isRefused = false;
        try {
          open.connection.close(code);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          isRefused = true;
        }
        const isSent = open.connection.readyState === 2;
        if (isRefused === isAllowed(code) || isSent === isRefused) wrong.push(code);
      }
      expect(wrong).toEqual([]);
      for (const code of [1000.5, Number.NaN, Number.POSITIVE_INFINITY, 3000.000_1]) {
        expect(() => new OpenConnection(role).connection.close(code)).toThrow(RangeError);
      }
    },
  );

  it.each(ROLES)(
    '6455-7.4.2-01 %s: sends and takes the codes at the edges over TCP',
    async (role) => {
      for (const code of [1000, 1014, 3000, 4999]) {
        const { socket, peer, log } = await openPair(role);
        void socket.close(code);
        const [close] = await peer.readFrames(1);
        expect(close!.payload).toEqual(closeBody(code));
        peer.end(peerFrame(role, { opcode: 8, payload: closeBody(code) }));
        expect(await log.until('close')).toBe(`close ${code}  clean`);
      }
    },
  );
});
