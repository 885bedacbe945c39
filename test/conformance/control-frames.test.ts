/** RFC 6455, section 5.5: Close, Ping and Pong. */
import { describe, expect, it } from 'vitest';
import { OPCODE } from '../../src/frame/opcode.ts';
import { closeBody, hex, peerFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';
import { openPair } from '../support/open-pair.ts';

function opcodesOf(open: OpenConnection): number[] {
  return open.sent().map(({ opcode }) => opcode);
}

/** The body of the only Close that was sent. */
function closeOf(open: OpenConnection): Buffer {
  const closes = open.sent().filter(({ opcode }) => opcode === 8);
  expect(closes).toHaveLength(1);
  return closes[0]!.payload;
}

describe('control frames', () => {
  it.each(ROLES)('6455-5.5-01 %s: takes control frames of 125 bytes, and none of more', (role) => {
    for (const opcode of [9, 10]) {
      const name = opcode === 9 ? 'ping' : 'pong';
      const good = new OpenConnection(role);
      good.receiveFrames({ opcode, payload: Buffer.alloc(125, 1) });
      expect(good.events).toEqual([`${name} ${'01'.repeat(125)}`]);
    }
    for (const opcode of [8, 9, 10]) {
      for (const size of [126, 127, 65_535, 65_536]) {
        const bad = new OpenConnection(role);
        bad.receiveFrames({ opcode, payload: Buffer.alloc(size) });
        expect(bad.events).toEqual(['error WS_ERR_CONTROL_TOO_LONG']);
        expect(closeOf(bad).subarray(0, 2)).toEqual(closeBody(1002));
      }
    }
  });

  it.each(ROLES)('6455-5.5-01 %s: refuses a long control frame at its second byte', (role) => {
    for (const length of [126, 127]) {
      const open = new OpenConnection(role);
      open.receive(Buffer.from([0x89, (role === 'server' ? 0x80 : 0) | length]));
      expect(open.events).toEqual(['error WS_ERR_CONTROL_TOO_LONG']);
    }
  });

  it.each(ROLES)('6455-5.5-01 %s: fails on a control frame without FIN', (role) => {
    for (const opcode of [8, 9, 10]) {
      const open = new OpenConnection(role);
      open.receiveFrames({ fin: false, opcode, payload: 'ab' });
      expect(open.events).toEqual(['error WS_ERR_CONTROL_FRAGMENTED']);
      expect(closeOf(open).subarray(0, 2)).toEqual(closeBody(1002));
    }
  });

  it.each(ROLES)(
    '6455-5.5-01 %s: refuses to send a control frame of more than 125 bytes',
    (role) => {
      const open = new OpenConnection(role);
      const { connection } = open;
      for (const size of [126, 127, 70_000]) {
        expect(() => connection.ping(Buffer.alloc(size))).toThrow(RangeError);
        expect(() => connection.pong(Buffer.alloc(size))).toThrow(RangeError);
        expect(() => connection.close(1000, 'x'.repeat(size - 2))).toThrow(RangeError);
      }
      connection.ping(Buffer.alloc(125));
      connection.pong(Buffer.alloc(125));
      connection.close(1000, 'x'.repeat(123));
      expect(open.sent().map(({ fin, opcode, payload }) => [fin, opcode, payload.length])).toEqual([
        [true, 9, 125],
        [true, 10, 125],
        [true, 8, 125],
      ]);
    },
  );
});

describe('Close', () => {
  it.each(ROLES)('6455-5.5.1-01 %s: fails on a Close with half a status code', (role) => {
    for (const byte of [0x00, 0x03, 0xff]) {
      const open = new OpenConnection(role);
      open.receiveFrames({ opcode: 8, payload: Buffer.from([byte]) });
      expect(open.events).toEqual(['error WS_ERR_CLOSE_LENGTH']);
      expect(closeOf(open).subarray(0, 2)).toEqual(closeBody(1002));
    }
  });

  it.each(ROLES)(
    '6455-5.5.1-01 %s: takes a Close without a body, and with a status code alone',
    (role) => {
      const empty = new OpenConnection(role);
      empty.receiveFrames({ opcode: 8 });
      empty.connection.receiveTransportClose();
      expect(empty.events).toEqual(['close 1005  clean']);
      const code = new OpenConnection(role);
      code.receiveFrames({ opcode: 8, payload: hex('03 e8') });
      code.connection.receiveTransportClose();
      expect(code.events).toEqual(['close 1000  clean']);
    },
  );

  it.each(ROLES)('6455-5.5.1-01 %s: begins the body of its Close with the code', (role) => {
    const open = new OpenConnection(role);
    open.connection.close(4321, 'why');
    expect(closeOf(open)).toEqual(hex('10 e1 77 68 79'));
    const bare = new OpenConnection(role);
    bare.connection.close();
    expect(closeOf(bare)).toHaveLength(0);
    expect(() => new OpenConnection(role).connection.close(undefined, 'why')).toThrow(TypeError);
  });

  it.each(ROLES)('6455-5.5.1-02 %s: fails on a reason that is not UTF-8', (role) => {
    const bad = ['80', 'c3', 'c3 28', 'e2 82', 'ed a0 80', 'f4 90 80 80', '61 ff 62', 'c0 80'];
    for (const reason of bad) {
      const open = new OpenConnection(role);
      open.receiveFrames({ opcode: 8, payload: Buffer.concat([closeBody(1000), hex(reason)]) });
      expect(open.events, reason).toEqual(['error WS_ERR_INVALID_UTF8']);
      expect(closeOf(open).subarray(0, 2)).toEqual(closeBody(1007));
    }
  });

  it.each(ROLES)(
    '6455-5.5.1-02 %s: sends a reason of 123 bytes, and cuts none that is longer',
    (role) => {
      const fits = ['x'.repeat(123), 'ü'.repeat(61), `${'🌍'.repeat(30)}abc`, '€'.repeat(41), ''];
      for (const reason of fits) {
        const open = new OpenConnection(role);
        open.connection.close(1000, reason);
        expect(closeOf(open)).toEqual(closeBody(1000, reason));
      }
      for (const reason of [
        'x'.repeat(124),
        'ü'.repeat(62),
        `${'🌍'.repeat(30)}abcd`,
        '€'.repeat(42),
      ]) {
        const open = new OpenConnection(role);
        expect(() => open.connection.close(1000, reason)).toThrow(RangeError);
        // Nothing has happened: the caller may try again.
        expect(open.connection.readyState).toBe(1);
        expect(open.sent()).toEqual([]);
      }
    },
  );

  it.each(ROLES)(
    '6455-5.5.1-02 %s: sends valid UTF-8, though the reason is half a character',
    (role) => {
      const open = new OpenConnection(role);
      open.connection.close(1000, 'a\ud83dz');
      expect(closeOf(open)).toEqual(hex('03 e8 61 ef bf bd 7a'));
    },
  );

  it.each(ROLES)(
    '6455-5.5.1-03 %s: sends no data behind its Close, nor what has waited',
    (role) => {
      const open = new OpenConnection(role);
      const { connection } = open;
      connection.send(OPCODE.TEXT, 'before');
      connection.sendFragment(OPCODE.BINARY, Buffer.from('begun'), false);
      connection.send(OPCODE.TEXT, 'waits for the last fragment');
      connection.close(1000);
      connection.close(1001);
      expect(connection.send(OPCODE.TEXT, 'late')).toBe(false);
      expect(connection.sendFragment(OPCODE.BINARY, 'late', true)).toBe(false);
      expect(opcodesOf(open)).toEqual([1, 2, 8]);
      expect(connection.bufferedAmount).toBe(0);
    },
  );

  it.each(ROLES)(
    '6455-5.5.1-03 %s: sends no data behind the Close that answers the peer',
    (role) => {
      const open = new OpenConnection(role);
      const { connection } = open;
      open.during.onMessage = () => void connection.send(OPCODE.TEXT, 'an answer');
      open.receive(
        Buffer.concat([
          peerFrame(role, { payload: 'a question' }),
          peerFrame(role, { opcode: 8, payload: closeBody(1000) }),
          peerFrame(role, { payload: 'and another' }),
        ]),
      );
      expect(connection.send(OPCODE.TEXT, 'late')).toBe(false);
      connection.receiveDrain();
      expect(opcodesOf(open)).toEqual([1, 8]);
    },
  );

  it.each(ROLES)('6455-5.5.1-04 %s: answers a Close with one that has the same code', (role) => {
    const bodies = [Buffer.alloc(0), closeBody(1000), closeBody(1001, 'bye'), closeBody(4999, 'ü')];
    for (const payload of bodies) {
      const open = new OpenConnection(role);
      open.receiveFrames({ opcode: 8, payload });
      // It has left: nobody had to flush.
      expect(open.transport.writes).toHaveLength(1);
      expect(closeOf(open).subarray(0, 2)).toEqual(payload.subarray(0, 2));
    }
  });

  it.each(ROLES)('6455-5.5.1-04 %s: answers no Close where it has sent one', (role) => {
    const open = new OpenConnection(role);
    open.connection.close(1000, 'first');
    open.receiveFrames({ opcode: 8, payload: closeBody(1000) });
    expect(closeOf(open)).toEqual(closeBody(1000, 'first'));
  });

  it.each(ROLES)('6455-5.5.1-04 %s: answers a Close over TCP, wherever it is cut', async (role) => {
    const { peer } = await openPair(role);
    for (const byte of peerFrame(role, { opcode: 8, payload: closeBody(3000, 'enough') })) {
      await peer.write(Buffer.from([byte]));
    }
    const [close] = await peer.readFrames(1);
    expect([close!.opcode, close!.payload.subarray(0, 2)]).toEqual([8, closeBody(3000)]);
  });

  it.each(ROLES)(
    '6455-5.5.1-05 %s: sends the message that is on its way before it answers',
    async (role) => {
      const { socket, peer, log } = await openPair(role);
      peer.transport.pause();
      const message = Buffer.alloc(10 * 1024 * 1024, 0x42);
      expect(socket.send(message)).toBe(false);
      await peer.write(peerFrame(role, { opcode: 8, payload: closeBody(1000) }));
      peer.transport.resume();
      const [data, close] = await peer.readFrames(2);
      expect([data!.opcode, data!.payload.equals(message)]).toEqual([2, true]);
      expect([close!.opcode, close!.payload]).toEqual([8, closeBody(1000)]);
      peer.end();
      expect(await log.until('close')).toBe('close 1000  clean');
    },
  );

  it.each(ROLES)(
    '6455-5.5.1-05 %s: answers between the fragments of a message that goes on',
    (role) => {
      const open = new OpenConnection(role);
      open.connection.sendFragment(OPCODE.TEXT, 'one', false);
      open.receiveFrames({ opcode: 8, payload: closeBody(1000) });
      open.connection.sendFragment(OPCODE.TEXT, 'two', true);
      expect(opcodesOf(open)).toEqual([1, 8]);
    },
  );

  it('6455-5.5.1-06 server: ends TCP at once when both have sent a Close', () => {
    const answering = new OpenConnection('server');
    answering.receiveFrames({ opcode: 8, payload: closeBody(1000) });
    expect(answering.transport.calls.filter((call) => call !== 'resume')).toEqual(['write', 'end']);
    const asking = new OpenConnection('server');
    asking.connection.close(1000);
    asking.connection.flush();
    expect(asking.transport.ended).toBe(false);
    asking.receiveFrames({ opcode: 8, payload: closeBody(1000) });
    expect(asking.transport.ended).toBe(true);
  });

  it('6455-5.5.1-07 client: leaves it to the server to end TCP', () => {
    for (const first of ['client', 'server']) {
      const open = new OpenConnection('client', { closeTimeout: 5_000 });
      if (first === 'client') open.connection.close(1000);
      open.receiveFrames({ opcode: 8, payload: closeBody(1000) });
      expect([open.transport.ended, open.transport.destroyed]).toEqual([false, false]);
      open.connection.receiveEnd();
      expect([open.transport.ended, open.transport.destroyed]).toEqual([true, false]);
      open.connection.receiveTransportClose();
      expect(open.events).toEqual(['close 1000  clean']);
    }
  });

  it('6455-5.5.1-07 client: waits for the server no longer than closeTimeout', async () => {
    const { socket, peer, log } = await openPair('client', { closeTimeout: 1_000 });
    void socket.close(1000);
    await peer.readFrames(1);
    // Long before the time is over, however busy the machine is.
    await peer.write(peerFrame('client', { opcode: 8, payload: closeBody(1000) }));
    // This server never ends TCP.
    expect(await log.until('close')).toBe('close 1000  clean');
    await peer.readToLeave();
  });

  it.each(ROLES)('6455-5.5.1-08 %s: is closed when both have sent a Close at once', (role) => {
    for (let i = 0; i < 1_000; i++) {
      const ours = new OpenConnection(role);
      const theirs = new OpenConnection(role === 'client' ? 'server' : 'client');
      ours.connection.close(4000, 'ours');
      theirs.connection.close(4001, 'theirs');
      ours.connection.flush();
      theirs.connection.flush();
      const [fromOurs, fromTheirs] = [ours.transport.wire, theirs.transport.wire];
      ours.receive(fromTheirs);
      theirs.receive(fromOurs);
      expect(ours.transport.ended).toBe(role === 'server');
      if (role === 'client') ours.connection.receiveEnd();
      expect(ours.transport.ended).toBe(true);
      ours.connection.receiveTransportClose();
      expect(ours.events).toEqual(['close 4001 theirs clean']);
      expect(opcodesOf(ours)).toEqual([8]);
    }
  });
});

describe('Ping and Pong', () => {
  it.each(ROLES)('6455-5.5.2-01 %s: answers every Ping, one Pong for each', (role) => {
    const open = new OpenConnection(role);
    const pings = ['one', 'two', '', 'three'].map((payload) => ({ opcode: 9, payload }));
    open.receive(Buffer.concat(pings.map((ping) => peerFrame(role, ping))));
    expect(open.sent().map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
      [10, 'one'],
      [10, 'two'],
      [10, ''],
      [10, 'three'],
    ]);
  });

  it.each(ROLES)('6455-5.5.2-01 %s: answers no Ping behind the Close of the peer', (role) => {
    const close = { opcode: 8, payload: closeBody(1000) };
    const together = new OpenConnection(role);
    together.receive(Buffer.concat([peerFrame(role, close), peerFrame(role, { opcode: 9 })]));
    expect(opcodesOf(together)).toEqual([8]);
    const apart = new OpenConnection(role);
    apart.receiveFrames(close, { opcode: 9 });
    expect(opcodesOf(apart)).toEqual([8]);
  });

  it.each(ROLES)('6455-5.5.2-01 %s: answers a Ping behind its own Close', (role) => {
    const open = new OpenConnection(role);
    open.connection.close(1000);
    open.receiveFrames({ opcode: 9, payload: 'still here' });
    expect(opcodesOf(open)).toEqual([8, 10]);
  });

  it.each(ROLES)('6455-5.5.2-02 %s: answers a Ping in the turn in which it came', (role) => {
    const open = new OpenConnection(role);
    open.receiveFrames({ opcode: 9, payload: 'now' });
    expect(open.transport.calls).toEqual(['write']);
    // Behind nothing but the data that was given to the network before.
    open.connection.sendFragment(OPCODE.BINARY, Buffer.alloc(1_000), false);
    open.receiveFrames({ opcode: 9, payload: 'and now' });
    expect(opcodesOf(open)).toEqual([10, 2, 10]);
  });

  it.each(ROLES)(
    '6455-5.5.2-02 %s: answers a Ping in a message that is still arriving',
    async (role) => {
      const { peer, log } = await openPair(role);
      await peer.write(peerFrame(role, { fin: false, opcode: 2, payload: Buffer.alloc(900_000) }));
      await peer.write(peerFrame(role, { opcode: 9, payload: 'in the middle' }));
      const [pong] = await peer.readFrames(1);
      expect([pong!.opcode, pong!.payload.toString()]).toEqual([10, 'in the middle']);
      expect(log.entries).toEqual([`ping ${Buffer.from('in the middle').toString('hex')}`]);
    },
  );

  it.each(ROLES)(
    '6455-5.5.3-01 %s: answers a Ping with its own bytes, wherever it is cut',
    (role) => {
      for (const size of [0, 1, 4, 124, 125]) {
        const payload = Buffer.from(Array.from({ length: size }, (_, i) => (255 - i) & 0xff));
        const wire = peerFrame(role, { opcode: 9, payload });
        for (let cut = 0; cut <= wire.length; cut++) {
          const open = new OpenConnection(role);
          open.receive(wire.subarray(0, cut));
          open.receive(wire.subarray(cut));
          expect(open.sent().map(({ payload: sent }) => sent)).toEqual([payload]);
          expect(open.events).toEqual([`ping ${payload.toString('hex')}`]);
        }
      }
    },
  );

  it.each(ROLES)('6455-5.5.3-02 %s: answers at least the latest of many Pings', (role) => {
    const open = new OpenConnection(role);
    open.transport.stuck = true;
    open.connection.send(OPCODE.BINARY, Buffer.alloc(20_000));
    open.connection.flush();
    for (let i = 0; i < 500; i++) open.receiveFrames({ opcode: 9, payload: `ping ${i}` });
    open.transport.unstick();
    open.connection.receiveDrain();
    const pongs = open.sent().filter(({ opcode }) => opcode === 10);
    const numbers = pongs.map(({ payload }) => Number(payload.toString().slice(5)));
    expect(numbers.at(-1)).toBe(499);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    // A peer that asks without reading cannot make us keep hundreds of answers.
    expect(numbers.length).toBeLessThan(50);
    open.receiveFrames({ opcode: 9, payload: 'after all' });
    expect(open.sent().at(-1)!.payload.toString()).toBe('after all');
  });

  it.each(ROLES)(
    '6455-5.5.3-03 %s: takes a Pong that it did not ask for, and answers nothing',
    (role) => {
      const open = new OpenConnection(role);
      const payloads = ['', 'unasked', '\0\0\0\x01', 'x'.repeat(125)];
      open.receiveFrames(...payloads.map((payload) => ({ opcode: 10, payload })), {
        payload: 'go on',
      });
      const pongs = payloads.map((payload) => `pong ${Buffer.from(payload).toString('hex')}`);
      expect(open.events).toEqual([...pongs, 'text go on']);
      expect(open.sent()).toEqual([]);
    },
  );

  it.each(ROLES)('6455-5.5.3-03 %s: can send a Pong that nobody asked for', (role) => {
    const open = new OpenConnection(role);
    expect(open.connection.pong(Buffer.from('still alive'))).toBe(true);
    expect(open.sent().map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
      [10, 'still alive'],
    ]);
  });
});
