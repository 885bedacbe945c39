/** What hostile frames did to other implementations, in both roles, without a network. */
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { resolveLimits } from '../../src/connection/limits.ts';
import { measureByteWork } from '../support/byte-work.ts';
import { closeBody, hex, peerFrame, rawFrame } from '../support/bytes.ts';
import { collectGarbage } from '../support/collect-garbage.ts';
import { openLive } from '../support/live-socket.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

/** The header of a frame that announces so many bytes, of which none come. */
function announcement(role: 'client' | 'server', length: bigint, opcode: number = 2): Buffer {
  // Behind the length stands the masking-key of a client.
  const head = Buffer.alloc(role === 'server' ? 14 : 10, 1);
  head.writeUInt8(0x80 | opcode);
  head.writeUInt8((role === 'server' ? 0x80 : 0) | 127, 1);
  head.writeBigUInt64BE(length, 2);
  return head;
}

/** The codes of the Close frames that were sent. */
function closeCodes(one: OpenConnection): number[] {
  const closes = one.sent().filter(({ opcode }) => opcode === 8);
  return closes.map(({ payload }) => payload.readUInt16BE());
}

/** Feeds a whole wire, in chunks of so many bytes, and turns in between where it rests. */
async function feed(one: OpenConnection, wire: Buffer, chunkSize: number = 65_536): Promise<void> {
  for (let at = 0; at < wire.length; at += chunkSize) {
    one.receive(wire.subarray(at, at + chunkSize));
    while (one.transport.paused) await setImmediate();
  }
}

describe.each(ROLES)('lengths of 64 bits that a %s is announced', (role) => {
  it('CVE-2016-10542, ws: a message past maxPayload gets 1009 from its header, with nothing kept', () => {
    const one = new OpenConnection(role);
    const { maxPayload } = resolveLimits();
    const head = announcement(role, BigInt(maxPayload + 1));
    const work = measureByteWork(() => one.receive(head));
    expect(closeCodes(one)).toEqual([1009]);
    // Something to send a Close from, and nothing to put a message into.
    expect(work.allocated).toBeLessThan(maxPayload / 8);
  });

  it.each([
    ['CVE-2020-27813, gorilla', 2n ** 63n - 1n],
    ['CVE-2020-27813, gorilla', 2n ** 63n - 4n],
    ['CVE-2020-27813, gorilla', 2n ** 62n],
    ['CVE-2026-1528, undici', 2n ** 53n],
    ['CVE-2026-1528, undici', 2n ** 53n + 1n],
    ['CVE-2026-1528, undici', 0x7fff_ffff_0000_0000n],
    ['CVE-2026-1528, undici', 0x0000_ffff_ffff_ffffn],
    ['nopoll #84', 2n ** 32n],
    ['nopoll #84', 2n ** 31n],
    ['nopoll #84', 2n ** 32n - 1n],
  ])('%s: %d bytes are too many', (_id, length) => {
    const one = new OpenConnection(role);
    one.receive(announcement(role, length));
    expect([one.events.length, closeCodes(one)]).toEqual([1, [1009]]);
  });

  it.each([2n ** 63n, 2n ** 64n - 1n, 2n ** 63n + 5n])(
    '.NET 57598: %d has the sign bit, and is no length',
    (length) => {
      const one = new OpenConnection(role);
      one.receive(announcement(role, length));
      expect(closeCodes(one)).toEqual([1002]);
    },
  );

  it('CVE-2026-1528, undici: without a maxPayload, what JavaScript cannot count is too much', () => {
    for (const length of [2n ** 53n, 2n ** 63n - 1n]) {
      const one = new OpenConnection(role, { maxPayload: Infinity });
      one.receive(announcement(role, length));
      expect(closeCodes(one)).toEqual([1009]);
    }
  });

  it('CVE-2020-27813, gorilla: fragments together are no more than a message may have', () => {
    const one = new OpenConnection(role, { maxPayload: 1_000 });
    one.receiveFrames({ opcode: 2, fin: false, payload: Buffer.alloc(600) });
    const second = peerFrame(role, { opcode: 0, payload: Buffer.alloc(401) });
    one.receive(second.subarray(0, -401));
    expect(closeCodes(one)).toEqual([1009]);
  });

  it('announced length: costs nothing before it comes, whatever the limit', () => {
    const one = new OpenConnection(role, { maxPayload: Infinity });
    const head = Buffer.concat([announcement(role, 2n ** 40n), Buffer.alloc(100)]);
    const work = measureByteWork(() => one.receive(head));
    expect(work.allocated).toBeLessThan(100_000);
    expect(one.events).toEqual([]);
  });
});

describe.each(ROLES)('fragments that a %s is sent', (role) => {
  const { maxFragments } = resolveLimits();
  const first = peerFrame(role, { opcode: 2, fin: false });
  const next = peerFrame(role, { opcode: 0, fin: false, payload: 'x' });

  it.each([
    ['CVE-2026-48779, ws', 'of one byte', 'x'],
    ['CVE-2026-12151, undici', 'of one byte', 'x'],
    ['ws #2329', 'without a byte', ''],
  ])('%s: as many as may be, %s, and one more gets 1008', async (_id, _what, payload) => {
    const one = new OpenConnection(role);
    const each = peerFrame(role, { opcode: 0, fin: false, payload });
    await feed(one, Buffer.concat([first, Buffer.alloc(each.length * (maxFragments - 1), each)]));
    expect(one.events).toEqual([]);
    one.receive(each);
    expect(one.events).toEqual(['error WS_ERR_TOO_MANY_FRAGMENTS']);
    expect(closeCodes(one)).toEqual([1008]);
  });

  it('CVE-2026-48779, ws #2331: n bytes in fragments of one byte cost a few times n bytes', async () => {
    const one = new OpenConnection(role);
    const wire = Buffer.alloc(next.length * (maxFragments - 1), next);
    await feed(one, first);
    collectGarbage();
    const before = process.memoryUsage();
    await feed(one, wire);
    collectGarbage();
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(8 * maxFragments);
    // An object for each of them would be more.
    expect(after.heapUsed - before.heapUsed).toBeLessThan(40 * maxFragments);
    one.receive(peerFrame(role, { opcode: 0, fin: true }));
    expect(one.events[0]).toBe('error WS_ERR_TOO_MANY_FRAGMENTS');
  });

  it.each([
    ['CVE-2026-65623, Bandit: fragments', 1],
    ['byte drip: a payload that comes byte by byte', 0],
  ])('%s cost work in proportion to their number', (_what, perFrame) => {
    const workFor = (count: number): number => {
      const one = new OpenConnection(role);
      const chunks =
        perFrame === 1
          ? [first, ...Array.from({ length: count }, () => next)]
          : [...peerFrame(role, { opcode: 2, payload: Buffer.alloc(count, 'x') })].slice(0, -1);
      const copies = chunks.map((chunk) => Buffer.from(Buffer.isBuffer(chunk) ? chunk : [chunk]));
      const { allocated, copied } = measureByteWork(() => {
        for (const chunk of copies) one.connection.receive(chunk);
      });
      // All is read, and nothing is complete.
      expect([one.transport.paused, one.events]).toEqual([false, []]);
      return allocated + copied;
    };
    // What is quadratic does sixteen times as much for four times as many.
    expect(workFor(1_600)).toBeLessThan(8 * workFor(400));
  });
});

describe.each(ROLES)('what a %s keeps of a chunk', (role) => {
  const small = peerFrame(role, { opcode: 2, payload: 'small' });
  const text = peerFrame(role, { payload: 'grüße' });
  const fragment = peerFrame(role, { opcode: 1, fin: false, payload: 'frag' });

  it.each([
    ['a whole frame', small, small.length],
    ['one byte of the next frame', Buffer.concat([small, small]), small.length + 1],
    ['all of a header', Buffer.concat([small, small]), 2 * small.length - 5],
    ['half of a small payload', Buffer.concat([small, small]), 2 * small.length - 2],
    ['half of a character', text, text.length - 3],
    ['a fragment', fragment, fragment.length],
    ['a Ping', peerFrame(role, { opcode: 9, payload: 'ping' }), 99],
    ['half of a Ping', peerFrame(role, { opcode: 9, payload: 'ping' }), 5],
    ['a Close with a reason', peerFrame(role, { opcode: 8, payload: closeBody(1000, 'why') }), 99],
  ])('ws 8.22.2, pinned chunk: behind %s it can be collected', async (_what, wire, cut) => {
    const one = new OpenConnection(role);
    const push = (): WeakRef<ArrayBufferLike> => {
      const chunk = Buffer.allocUnsafeSlow(65_536);
      wire.copy(chunk);
      one.connection.receive(chunk.subarray(0, Math.min(cut, wire.length)));
      return new WeakRef(chunk.buffer);
    };
    const memory = push();
    await setImmediate();
    collectGarbage();
    expect(memory.deref()).toBeUndefined();
    expect(one.connection.bufferedAmount).toBe(0);
  });

  it('pooled memory: what an application was given stays as it is, whatever comes then', async () => {
    const live = await openLive(role);
    const kept: Buffer[] = [];
    live.onMessage((message) => {
      if (Buffer.isBuffer(message)) kept.push(message);
    });
    live.socket.on('ping', (payload) => kept.push(payload));
    const sizes = [1, 5, 100, 4_000, 8_192, 70_000];
    for (const size of sizes) {
      await live.send({ opcode: 2, payload: Buffer.alloc(size, size % 251) });
      await live.send({ opcode: 9, payload: Buffer.alloc(Math.min(size, 125), size % 251) });
    }
    for (let i = 0; i < 20; i++) {
      await live.send({ opcode: 2, payload: Buffer.alloc(20_000, 0xff) });
    }
    await live.readAll();
    expect(kept.length).toBe(2 * sizes.length + 21);
    for (const [i, size] of sizes.entries()) {
      for (const [at, length] of [
        [2 * i, size],
        [2 * i + 1, Math.min(size, 125)],
      ] as const) {
        expect(kept[at]!.equals(Buffer.alloc(length, size % 251))).toBe(true);
      }
    }
  });
});

describe.each(ROLES)('control frames that a %s is flooded with', (role) => {
  it('ws 8.23.0, ping flood: of Pongs that nobody reads, 16 and the newest are kept', async () => {
    const one = new OpenConnection(role);
    one.transport.stuck = true;
    one.connection.send(2, Buffer.alloc(64 * 1024));
    one.connection.flush();
    const sent = one.connection.bufferedAmount;
    for (let i = 0; i < 20_000; i++) {
      one.receiveFrames({ opcode: 9, payload: String(i).padStart(125) });
      while (one.transport.paused && !one.transport.stuck) await setImmediate();
    }
    expect(one.connection.bufferedAmount - sent).toBeLessThan(18 * 131);
    expect(one.connection.readyState).toBe(1);
  });

  it('pong flood: is answered with nothing, and takes no memory', async () => {
    const one = new OpenConnection(role);
    one.during.onPong = () => void one.log.pop();
    const pong = peerFrame(role, { opcode: 10, payload: 'x'.repeat(125) });
    await feed(one, Buffer.alloc(pong.length * 20_000, pong));
    expect(one.transport.writes).toEqual([]);
    expect(one.connection.readyState).toBe(1);
  });

  it('event-loop starvation: leaves others their turn', async () => {
    const [greedy, honest] = [new OpenConnection(role), new OpenConnection(role)];
    const frame = peerFrame(role, { payload: 'x' });
    greedy.receive(Buffer.alloc(frame.length * 9_000, frame));
    expect(greedy.transport.paused).toBe(true);
    honest.receiveFrames({ payload: 'honest' });
    expect(honest.events).toEqual(['text honest']);
    while (greedy.transport.paused) await setImmediate();
    expect(greedy.events).toHaveLength(9_000);
  });
});

describe.each(ROLES)('bits that a %s has not agreed on', (role) => {
  it('CVE-2026-59881, aiohttp: RSV1 without permessage-deflate is not inflated, but refused', () => {
    const one = new OpenConnection(role);
    one.receiveFrames({ rsv: 4, payload: hex('f2 48 cd c9 c9 07 00') });
    expect(one.events).toEqual(['error WS_ERR_RESERVED_BITS']);
    expect(closeCodes(one)).toEqual([1002]);
  });

  it.each([2, 1, 3, 7])(
    'CVE-2022-21676, engine.io: RSV %d is an event, and nothing that is thrown',
    (rsv) => {
      const one = new OpenConnection(role);
      one.receiveFrames({ rsv, payload: 'x' });
      expect(one.events).toEqual(['error WS_ERR_RESERVED_BITS']);
    },
  );
});

describe('masking', () => {
  it('websocket 1.0.35: a frame of a client without a mask is refused', () => {
    const one = new OpenConnection('server');
    one.receive(rawFrame({ payload: 'unmasked' }));
    expect([one.events, closeCodes(one)]).toEqual([['error WS_ERR_MASK_MISSING'], [1002]]);
  });

  it('websocket 1.0.35: a frame of a server with one as well', () => {
    const one = new OpenConnection('client');
    one.receive(peerFrame('server', { payload: 'masked' }));
    expect([one.events, closeCodes(one)]).toEqual([['error WS_ERR_MASK_UNEXPECTED'], [1002]]);
  });
});

describe.each(ROLES)('a peer of a %s that is gone, or does not go', (role) => {
  it('half-open TCP: is found by a Ping that nobody answers', () => {
    const one = new OpenConnection(role);
    const { pingInterval, pingTimeout } = resolveLimits();
    one.clock.advance(pingInterval);
    one.connection.tick();
    expect(one.sent().map(({ opcode }) => opcode)).toEqual([9]);
    one.clock.advance(pingTimeout);
    one.connection.tick();
    expect(one.transport.destroyed).toBe(true);
    one.connection.receiveTransportClose();
    expect(one.events.at(-1)).toBe('close 1006  unclean');
  });

  it('never answers Close: is cut off after closeTimeout', () => {
    const one = new OpenConnection(role);
    one.connection.close(1000);
    const { closeTimeout } = resolveLimits();
    one.clock.advance(closeTimeout - 1);
    one.connection.tick();
    expect(one.transport.destroyed).toBe(false);
    one.clock.advance(1);
    one.connection.tick();
    expect(one.transport.destroyed).toBe(true);
  });

  it('never closes TCP: is cut off after closeTimeout', () => {
    const one = new OpenConnection(role);
    one.receiveFrames({ opcode: 8, payload: closeBody(1000) });
    one.connection.flush();
    one.clock.advance(resolveLimits().closeTimeout);
    one.connection.tick();
    expect(one.transport.destroyed).toBe(true);
  });

  it('never reads: replies to it wait up to a bound, and no more is read', () => {
    const one = new OpenConnection(role);
    const { highWaterMark } = resolveLimits();
    one.during.onMessage = () => void one.connection.send(2, Buffer.alloc(1_000));
    one.transport.stuck = true;
    const frame = peerFrame(role, { opcode: 2, payload: Buffer.alloc(1_000) });
    for (let i = 0; i < 1_000 && !one.transport.paused; i++) one.receive(frame);
    expect(one.transport.paused).toBe(true);
    expect(one.connection.bufferedAmount).toBeLessThan(highWaterMark + 16 * 1_010);
    expect(one.connection.readyState).toBe(1);
  });
});
