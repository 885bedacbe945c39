/** RFC 6455, section 5.4: fragmentation. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OPCODE } from '../../src/frame/opcode.ts';
import { type RawFrame, closeBody, cuts, peerFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';
import { openPair } from '../support/open-pair.ts';

/** Cuts `payload` where `sizes` says into the frames of one message. */
function fragments(opcode: number, payload: Buffer, sizes: readonly number[]): RawFrame[] {
  const frames: RawFrame[] = [];
  let at = 0;
  for (const size of sizes) {
    frames.push({ fin: false, opcode, payload: payload.subarray(at, at + size) });
    at += size;
    opcode = 0;
  }
  frames.push({ fin: true, opcode, payload: payload.subarray(at) });
  return frames;
}

describe('what comes', () => {
  it.each(ROLES)('6455-5.4-01 %s: joins fragments in their order', (role) => {
    const open = new OpenConnection(role);
    open.receiveFrames(
      { fin: false, opcode: 1, payload: 'Hel' },
      { fin: false, opcode: 0, payload: 'lo, ' },
      { fin: true, opcode: 0, payload: 'world' },
      { fin: false, opcode: 2, payload: '\x01' },
      { fin: true, opcode: 0, payload: '\x02' },
    );
    expect(open.events).toEqual(['text Hello, world', 'binary 0102']);
  });

  it.each(ROLES)('6455-5.4-01 %s: joins fragments that are empty, all of them or some', (role) => {
    const open = new OpenConnection(role);
    open.receiveFrames(
      ...fragments(1, Buffer.from('ab'), [0, 0, 1, 0, 1, 0]),
      ...fragments(1, Buffer.alloc(0), [0, 0]),
      ...fragments(2, Buffer.from('ab'), [0, 2]),
      { payload: 'next' },
    );
    expect(open.events).toEqual(['text ab', 'text ', 'binary 6162', 'text next']);
  });

  it.each(ROLES)(
    '6455-5.4-01 %s: delivers nothing of a message before its last fragment',
    (role) => {
      const open = new OpenConnection(role);
      open.receiveFrames({ fin: false, payload: 'a' }, { fin: false, opcode: 0, payload: 'b' });
      expect(open.events).toEqual([]);
      open.receiveFrames({ opcode: 0 });
      expect(open.events).toEqual(['text ab']);
    },
  );

  it.each(ROLES)('6455-5.4-02 %s: takes control frames between fragments', (role) => {
    const frames: RawFrame[] = [
      { fin: false, opcode: 1, payload: 'a' },
      { opcode: 9, payload: 'ping' },
      { fin: false, opcode: 0, payload: 'b' },
      { opcode: 10, payload: 'pong' },
      { opcode: 9 },
      { opcode: 0, payload: 'c' },
    ];
    const wire = Buffer.concat(frames.map((frame) => peerFrame(role, frame)));
    for (const chunks of cuts(wire)) {
      const open = new OpenConnection(role);
      for (const chunk of chunks) open.receive(chunk);
      expect(open.events).toEqual(['ping 70696e67', 'pong 706f6e67', 'ping ', 'text abc']);
      expect(open.sent().map(({ opcode }) => opcode)).toEqual([10, 10]);
    }
  });

  it.each(ROLES)('6455-5.4-02 %s: fails on a control frame that is fragmented', (role) => {
    for (const opcode of [8, 9, 10]) {
      for (const payload of ['', '\x03\xe8']) {
        const open = new OpenConnection(role);
        open.receiveFrames({ fin: false, opcode, payload: Buffer.from(payload, 'latin1') });
        expect(open.events).toEqual(['error WS_ERR_CONTROL_FRAGMENTED']);
        expect(open.sent()[0]!.payload.subarray(0, 2)).toEqual(closeBody(1002));
      }
    }
  });

  it.each(ROLES)('6455-5.4-03 %s: fails where a message begins inside another', (role) => {
    for (const first of [1, 2]) {
      for (const second of [1, 2]) {
        for (const fin of [true, false]) {
          const open = new OpenConnection(role);
          open.receiveFrames({ fin: false, opcode: first }, { opcode: 9 }, { fin, opcode: second });
          expect(open.events).toEqual(['ping ', 'error WS_ERR_CONTINUATION_EXPECTED']);
          expect(open.sent()[1]!.payload.subarray(0, 2)).toEqual(closeBody(1002));
        }
      }
    }
  });

  it.each(ROLES)('6455-5.4-04 %s: fails on a continuation where no message is open', (role) => {
    const before: RawFrame[][] = [
      [],
      [{ opcode: 9 }],
      [{ payload: 'whole' }],
      [
        { fin: false, opcode: 2, payload: 'a' },
        { opcode: 0, payload: 'b' },
      ],
      [{ fin: false }, { opcode: 0 }],
    ];
    for (const frames of before) {
      for (const fin of [true, false]) {
        const open = new OpenConnection(role);
        open.receiveFrames(...frames, { fin, opcode: 0, payload: 'x' });
        expect(open.events.at(-1)).toBe('error WS_ERR_CONTINUATION_UNEXPECTED');
        expect(open.sent().at(-1)!.payload.subarray(0, 2)).toEqual(closeBody(1002));
      }
    }
  });

  it.each(ROLES)(
    '6455-5.4-05 %s: answers a Ping at once, inside a message that goes on',
    (role) => {
      const open = new OpenConnection(role, { maxPayload: 200 * 1024 * 1024 });
      open.receiveFrames({ fin: false, opcode: 2, payload: Buffer.alloc(100_000) });
      open.receiveFrames({ opcode: 9, payload: 'now' });
      // The chunk is done: nobody had to flush.
      expect(open.transport.writes).toHaveLength(1);
      expect(open.sent().map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
        [10, 'now'],
      ]);
      expect(open.events).toEqual([`ping ${Buffer.from('now').toString('hex')}`]);
    },
  );

  it.each(ROLES)('6455-5.4-05 %s: obeys a Close inside a message that goes on', (role) => {
    const open = new OpenConnection(role);
    open.receiveFrames(
      { fin: false, payload: 'never ended' },
      { opcode: 8, payload: closeBody(1001) },
    );
    expect(open.sent().map(({ opcode }) => opcode)).toEqual([8]);
    open.connection.receiveTransportClose();
    expect(open.events).toEqual(['close 1001  clean']);
  });

  it.each(ROLES)(
    '6455-5.4-05 %s: answers a Ping over TCP before the message around it ends',
    async (role) => {
      const { peer, log } = await openPair(role);
      await peer.write(
        peerFrame(role, { fin: false, opcode: 2, payload: Buffer.alloc(500_000, 1) }),
      );
      await peer.write(peerFrame(role, { opcode: 9, payload: 'in between' }));
      const [pong] = await peer.readFrames(1);
      expect([pong!.opcode, pong!.payload.toString()]).toEqual([10, 'in between']);
      await peer.write(peerFrame(role, { opcode: 0, payload: Buffer.alloc(500_000, 2) }));
      const message = await log.until('binary');
      expect(message).toBe(`binary ${'01'.repeat(500_000)}${'02'.repeat(500_000)}`);
    },
  );

  it.each(ROLES)(
    '6455-5.4-06 %s: reads the same message, however somebody has cut it anew',
    (role) => {
      const message = fc.uint8Array({ maxLength: 300 });
      const sizes = fc.array(fc.nat({ max: 60 }), { maxLength: 10 });
      fc.assert(
        fc.property(
          message,
          sizes,
          fc.array(fc.nat(), { maxLength: 8 }),
          (bytes, where, chunkCuts) => {
            const frames = fragments(2, Buffer.from(bytes), where);
            const wire = Buffer.concat(frames.map((frame) => peerFrame(role, frame)));
            const at = chunkCuts.map((cut) => cut % (wire.length + 1)).toSorted((a, b) => a - b);
            const open = new OpenConnection(role);
            for (const [i, start] of [0, ...at].entries())
              open.receive(wire.subarray(start, at[i]));
            expect(open.events).toEqual([`binary ${Buffer.from(bytes).toString('hex')}`]);
          },
        ),
        { numRuns: 200 },
      );
    },
  );

  it.each(ROLES)('6455-5.4-07 %s: takes fragmented and unfragmented messages in turn', (role) => {
    const open = new OpenConnection(role);
    const text = Buffer.from('Grüße');
    const expected: string[] = [];
    for (let cut = 0; cut <= text.length; cut++) {
      open.receiveFrames({ payload: text }, ...fragments(1, text, [cut]));
      open.receiveFrames({ opcode: 2, payload: text }, ...fragments(2, text, [cut, 0]));
      expected.push('text Grüße', 'text Grüße');
      expected.push(`binary ${text.toString('hex')}`, `binary ${text.toString('hex')}`);
    }
    expect(open.events).toEqual(expected);
  });
});

describe('what goes', () => {
  it.each(ROLES)(
    '6455-5.4-01 %s: sends fragments with opcode and FIN where they belong',
    (role) => {
      const open = new OpenConnection(role);
      const { connection } = open;
      for (const opcode of [OPCODE.TEXT, OPCODE.BINARY]) {
        connection.sendFragment(opcode, 'a', false);
        connection.sendFragment(opcode, '', false);
        connection.sendFragment(opcode, 'b', true);
      }
      connection.sendFragment(OPCODE.TEXT, 'alone', true);
      const sent = open.sent();
      expect(sent.map(({ opcode, fin, payload }) => [opcode, fin, payload.toString()])).toEqual([
        [1, false, 'a'],
        [0, false, ''],
        [0, true, 'b'],
        [2, false, 'a'],
        [0, false, ''],
        [0, true, 'b'],
        [1, true, 'alone'],
      ]);
    },
  );

  it.each(ROLES)('6455-5.4-02 %s: sends whole control frames between its fragments', (role) => {
    const open = new OpenConnection(role);
    const { connection } = open;
    connection.sendFragment(OPCODE.TEXT, 'a', false);
    connection.ping(Buffer.alloc(125));
    connection.pong(Buffer.alloc(125));
    connection.sendFragment(OPCODE.TEXT, 'b', false);
    connection.close(1000, 'x'.repeat(123));
    expect(open.sent().map(({ opcode, fin }) => [opcode, fin])).toEqual([
      [1, false],
      [9, true],
      [10, true],
      [0, false],
      [8, true],
    ]);
  });

  it.each(ROLES)('6455-5.4-03 %s: sends no message inside another', (role) => {
    const open = new OpenConnection(role);
    const { connection } = open;
    connection.sendFragment(OPCODE.TEXT, 'a', false);
    connection.send(OPCODE.BINARY, Buffer.from('waits'));
    connection.send(OPCODE.TEXT, 'waits too');
    connection.sendFragment(OPCODE.TEXT, 'b', false);
    expect(open.sent().map(({ payload }) => payload.toString())).toEqual(['a', 'b']);
    connection.sendFragment(OPCODE.TEXT, 'c', true);
    connection.send(OPCODE.TEXT, 'last');
    expect(
      open.sent().map(({ opcode, fin, payload }) => [opcode, fin, payload.toString()]),
    ).toEqual([
      [1, false, 'a'],
      [0, false, 'b'],
      [0, true, 'c'],
      [2, true, 'waits'],
      [1, true, 'waits too'],
      [1, true, 'last'],
    ]);
  });

  it.each(ROLES)('6455-5.4-04 %s: sends no continuation where no message is open', (role) => {
    const open = new OpenConnection(role);
    open.connection.send(OPCODE.TEXT, 'whole');
    open.connection.sendFragment(OPCODE.BINARY, 'a', true);
    open.connection.sendFragment(OPCODE.BINARY, 'b', false);
    expect(open.sent().map(({ opcode }) => opcode)).toEqual([1, 2, 2]);
  });

  it.each(ROLES)(
    '6455-5.4-05 %s: sends its Pong between the fragments that it is sending',
    (role) => {
      const open = new OpenConnection(role);
      open.connection.sendFragment(OPCODE.BINARY, Buffer.alloc(100_000), false);
      open.receiveFrames({ opcode: 9, payload: 'now' });
      open.connection.sendFragment(OPCODE.BINARY, Buffer.alloc(100_000), true);
      expect(open.sent().map(({ opcode }) => opcode)).toEqual([2, 10, 0]);
    },
  );

  it.each(ROLES)('6455-5.4-06 %s: sends fragments of any size', (role) => {
    const sizes = [0, 1, 125, 126, 16_383, 16_384, 65_535, 65_536, 300_000, 0];
    const open = new OpenConnection(role);
    for (const size of sizes)
      open.connection.sendFragment(OPCODE.BINARY, Buffer.alloc(size, 7), false);
    open.connection.sendFragment(OPCODE.BINARY, Buffer.alloc(0), true);
    const sent = open.sent();
    expect(sent.map(({ payload }) => payload.length)).toEqual([...sizes, 0]);
    const peer = new OpenConnection(role === 'client' ? 'server' : 'client');
    peer.receive(open.transport.wire);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    expect(peer.events).toEqual([`binary ${'07'.repeat(total)}`]);
  });
});
