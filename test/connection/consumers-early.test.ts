import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { closeBody, peerFrame } from '../support/bytes.ts';
import { Gate, type LiveSocket, openLive, turns } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

function numbers(count: number, from: number = 0): string[] {
  return Array.from({ length: count }, (_, i) => String(from + i));
}

/** Listens, and resolves when that many messages came. */
async function collect({ socket }: LiveSocket, count: number): Promise<string[]> {
  const got: string[] = [];
  await new Promise<void>((resolve) => {
    socket.on('message', (message) => {
      got.push(message.toString());
      if (got.length === count) resolve();
    });
  });
  return got;
}

/** Resolves when the socket has asked its transport for no more. */
async function held({ near }: LiveSocket): Promise<void> {
  while (!near.isPaused()) await turns(1);
}

describe.each(ROLES)('before anybody consumes, a %s socket', (role) => {
  it('keeps what came in one chunk with the handshake', async () => {
    const live = await openLive(role, {
      head: [{ payload: 'one' }, { opcode: 2, payload: 'two' }, { opcode: 9, payload: 'ping' }],
    });
    await live.sendTexts('three');
    expect((await live.frame()).payload.toString()).toBe('ping');
    await turns(20);
    expect(await collect(live, 3)).toEqual(['one', 'two', 'three']);
  });

  it('reads what came with the handshake first, though more comes before that turn ends', async () => {
    const live = await openLive(role, { head: [{ payload: 'one' }] });
    live.near.emit('data', peerFrame(role, { payload: 'two' }));
    expect(await collect(live, 2)).toEqual(['one', 'two']);
  });

  it('keeps a Close that came with the handshake behind the messages', async () => {
    const live = await openLive(role, {
      head: [{ payload: 'one' }, { opcode: 8, payload: closeBody(4000, 'bye') }],
    });
    const got: unknown[] = [];
    live.socket.on('message', (message) => void got.push(message));
    live.peer.end();
    expect(await live.closed).toEqual([4000, 'bye', true]);
    expect(got).toEqual(['one']);
  });

  it('gives out what waits though the connection has ended since', async () => {
    const live = await openLive(role);
    await live.sendTexts('one', 'two');
    await live.closeByPeer(1001);
    expect(await live.closed).toEqual([1001, '', true]);
    await turns();
    expect(await collect(live, 2)).toEqual(['one', 'two']);
  });

  it('keeps as many messages as its queue has, and asks for no more', async () => {
    const live = await openLive(role, { options: { maxQueue: 5 } });
    await live.sendTexts(...numbers(4));
    await live.readAll();
    expect(live.near.isPaused()).toBe(false);
    // What follows the fifth in the same chunk waits as bytes.
    await live.sendTexts(...numbers(8, 4));
    await held(live);
    await live.send({ payload: '12' }, { opcode: 9, payload: 'unread' });
    await turns(20);
    expect(live.peer.unread).toHaveLength(0);
    expect(await collect(live, 13)).toEqual(numbers(13));
    expect((await live.frame()).payload.toString()).toBe('unread');
    expect(live.near.isPaused()).toBe(false);
  });

  it('keeps as many bytes as its queue has, and asks for no more', async () => {
    const live = await openLive(role, { options: { maxQueueSize: 1000 } });
    await live.sendTexts('a'.repeat(999));
    await live.readAll();
    expect(live.near.isPaused()).toBe(false);
    await live.sendTexts('b');
    await held(live);
    expect(await collect(live, 2)).toEqual(['a'.repeat(999), 'b']);
    expect(live.near.isPaused()).toBe(false);
  });

  it('holds back a peer that sends without end, by default at 64 messages', async () => {
    const live = await openLive(role);
    await live.sendTexts(...numbers(63));
    await live.readAll();
    await live.sendTexts('63');
    await held(live);
    const part = peerFrame(role, { opcode: 2, payload: Buffer.alloc(512 * 1024) });
    let written = 0;
    // The kernel takes some of it; then it takes no more, and neither does the socket.
    while (live.peer.transport.write(part) || live.peer.transport.writableLength === 0) {
      written++;
      await turns();
      expect(written).toBeLessThan(100);
    }
    await turns(20);
    expect(live.peer.transport.writableLength).toBeGreaterThan(0);
    const got = await collect(live, 64);
    expect(got).toEqual(numbers(64));
    while (live.peer.transport.writableLength > 0) await turns(1);
  });

  it('goes on for a loop as for a listener', async () => {
    const live = await openLive(role, { options: { maxQueue: 2 } });
    await live.sendTexts(...numbers(10));
    await held(live);
    const got: unknown[] = [];
    for await (const message of live.socket) {
      got.push(message);
      if (got.length === 10) break;
    }
    expect(got).toEqual(numbers(10));
    expect(live.near.isPaused()).toBe(false);
  });

  it('stays held while it is paused, though somebody consumes', async () => {
    const live = await openLive(role, { options: { maxQueue: 2 } });
    live.socket.pause();
    await live.sendTexts(...numbers(3));
    const got: unknown[] = [];
    live.socket.on('message', (message) => void got.push(message));
    await turns(20);
    expect([got, live.near.isPaused()]).toEqual([[], true]);
    live.socket.resume();
    await live.readAll();
    expect(got).toEqual(numbers(3));
  });

  it('stays held where it is full, though it is resumed', async () => {
    const live = await openLive(role, { options: { maxQueue: 2 } });
    await live.sendTexts(...numbers(3));
    await held(live);
    live.socket.pause();
    live.socket.resume();
    expect(live.near.isPaused()).toBe(true);
    expect(await collect(live, 3)).toEqual(numbers(3));
  });

  it.each(['a Close', 'no Close'])(
    'keeps all that came before %s and the end of TCP',
    async (how) => {
      const live = await openLive(role, { options: { maxQueue: 3 } });
      const frames = numbers(20).map((payload) => peerFrame(role, { payload }));
      if (how === 'a Close') frames.push(peerFrame(role, { opcode: 8, payload: closeBody(4000) }));
      live.peer.end(Buffer.concat(frames));
      await held(live);
      await turns(20);
      const got: string[] = [];
      for await (const message of live.socket) {
        got.push(message.toString());
        await turns(got.length % 3);
      }
      expect(got).toEqual(numbers(20));
      expect(await live.closed).toEqual(how === 'a Close' ? [4000, '', true] : [1006, '', false]);
    },
  );

  it('reads on when it closes, so that the Close of the peer is seen', async () => {
    const live = await openLive(role, { options: { maxQueue: 2 } });
    await live.sendTexts(...numbers(5));
    await held(live);
    const ended = live.socket.close(4000);
    await live.answerClose();
    expect(await ended).toEqual({ code: 4000, reason: '', wasClean: true });
    const got: unknown[] = [];
    live.socket.on('message', (message) => void got.push(message));
    await turns();
    expect(got).toEqual([]);
  });
});

describe.each(ROLES)('while a consumer is busy, a %s socket', (role) => {
  it('answers Pings and hears Pongs', async () => {
    const live = await openLive(role);
    const gate = new Gate();
    const times: number[] = [];
    live.onMessage(async () => {
      times.push(await live.socket.ping('inside'));
      await gate.passed;
    });
    await live.sendTexts('1', '2');
    expect((await live.frame()).payload.toString()).toBe('inside');
    await live.send({ opcode: 10, payload: 'inside' }, { opcode: 9, payload: 'outside' });
    const pong = await live.frame();
    expect([pong.opcode, pong.payload.toString()]).toEqual([10, 'outside']);
    await turns();
    expect(times).toHaveLength(1);
    gate.open();
    expect((await live.frame()).payload.toString()).toBe('inside');
    await live.send({ opcode: 10, payload: 'inside' });
    while (times.length < 2) await turns(1);
  });

  it('sees and answers the Close of its peer', async () => {
    const live = await openLive(role);
    const gate = new Gate();
    onTestFinished(() => gate.open());
    live.onMessage(() => gate.passed);
    await live.sendTexts('1', '2');
    await live.send({ opcode: 8, payload: closeBody(1001) });
    expect((await live.frame()).payload).toEqual(closeBody(1001));
    expect(live.socket.readyState).toBe(2);
  });

  it('is held when its queue is full, and goes on when there is room', async () => {
    const live = await openLive(role, { options: { maxQueue: 3 } });
    const gates = numbers(6).map(() => new Gate());
    const got: string[] = [];
    live.onMessage(async (message) => {
      got.push(message.toString());
      await gates[Number(message)]!.passed;
    });
    await live.sendTexts(...numbers(6));
    await held(live);
    expect(got).toEqual(['0']);
    gates[0]!.open();
    // One is taken from the queue, and half of it has to go before more comes in.
    await turns();
    expect([got, live.near.isPaused()]).toEqual([['0', '1'], true]);
    for (const gate of gates.slice(1, 5)) gate.open();
    await turns();
    expect([got, live.near.isPaused()]).toEqual([numbers(6), false]);
    for (const gate of gates) gate.open();
    await live.readAll();
    expect(got).toEqual(numbers(6));
  });
});

it('loses no message and keeps the order, wherever the network cuts and whoever is busy', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...ROLES),
      fc.array(fc.nat({ max: 300 }), { minLength: 1, maxLength: 40 }),
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 10 }),
      fc.record({
        maxQueue: fc.integer({ min: 1, max: 5 }),
        maxQueueSize: fc.integer({ min: 1, max: 500 }),
      }),
      fc.nat({ max: 3 }),
      async (role, sizes, cuts, options, patience) => {
        const live = await openLive(role, { options });
        const texts = sizes.map((size, i) => `${i} `.padEnd(size, '.'));
        const wire = Buffer.concat(texts.map((payload) => peerFrame(role, { payload })));
        let at = 0;
        for (let i = 0; at < wire.length; i++) {
          const size = cuts[i % cuts.length]!;
          live.peer.transport.write(wire.subarray(at, at + size));
          at += size;
          if (i % 7 === 0) await turns(1);
        }
        const got: string[] = [];
        for await (const message of live.socket) {
          got.push(message.toString());
          if (got.length === texts.length) break;
          await turns(got.length % (patience + 1));
        }
        expect(got).toEqual(texts);
        live.near.destroy();
        live.peer.transport.destroy();
      },
    ),
    { numRuns: 25 },
  );
});
