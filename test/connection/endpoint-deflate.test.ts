import { deflateRawSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Message } from '../../src/connection/delivery.ts';

import { ENGINES, JobWatch, noise, short } from '../support/deflate-connection.ts';
import { DeflateSocket, LARGE } from '../support/deflate-live.ts';
import { Gate, turns } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

const WAYS = ENGINES.flatMap(({ engine, keepContexts }) =>
  ROLES.map((role) => ({ engine, keepContexts, role })),
);

/** Answers whose transport tells that it has drained, and those that are too small for that. */
const TEXTS: readonly (readonly [what: string, text: string])[] = [
  ['large ones', noise(40_000)],
  ['that become small', 'x'.repeat(40_000)],
];

afterEach(() => {
  vi.restoreAllMocks();
});

/** Keeps what handlers are given, for those who wait for so much of it. */
class Told {
  readonly entries: string[] = [];
  #wake = (): void => {};

  readonly add = (entry: Message): void => {
    this.entries.push(entry.toString());
    this.#wake();
  };

  async until(count: number): Promise<string[]> {
    while (this.entries.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return short(this.entries);
  }
}

/** What inflates to `size` bytes, and is a thousandth of that. */
function bomb(size: number): Buffer {
  return deflateRawSync(Buffer.alloc(size, 'a'));
}

describe.each(WAYS)('the endpoint of a $role, by $engine,', ({ role, keepContexts }) => {
  const options = { keepContexts };

  it('sends what is being compressed before it closes, and no iterable behind that', async () => {
    const deflating = await DeflateSocket.open(role, { options });
    const { socket } = deflating;
    socket.send(LARGE);
    const sent = socket.send(['never']);
    void socket.close(4000);
    expect(short([await deflating.read()])).toEqual(short([`deflated ${LARGE}`]));
    expect(await sent).toBe(false);
    expect(socket.dropped).toBe(0);
  });

  it('calls the hook for a large message and for small ones behind it in their order', async () => {
    const told = new Told();
    const deflating = await DeflateSocket.open(role, {
      options,
      hooks: { message: (_socket, message) => told.add(message) },
    });
    await deflating.send('1', LARGE, '2', '3', noise(50_000), '4');
    const expected = ['1', LARGE, '2', '3', noise(50_000), '4'];
    expect(await told.until(6)).toEqual(short(expected));
  });

  it('waits for a handler that is async, whether a thread or nobody inflates', async () => {
    const told = new Told();
    const gate = new Gate();
    const deflating = await DeflateSocket.open(role, {
      options,
      hooks: {
        async message(_socket, message) {
          told.add(message);
          await gate.passed;
          told.add(`end of ${message.length}`);
        },
      },
    });
    await deflating.send(LARGE, 'small', LARGE, 'last');
    await told.until(1);
    await turns(20);
    expect(short(told.entries)).toEqual(short([LARGE]));
    gate.open();
    expect(await told.until(8)).toEqual(
      short([
        LARGE,
        `end of ${LARGE.length}`,
        'small',
        'end of 5',
        LARGE,
        `end of ${LARGE.length}`,
        'last',
        'end of 4',
      ]),
    );
  });

  it('gives nothing out while it is paused, also what a thread has inflated meanwhile', async () => {
    const jobs = new JobWatch();
    const told = new Told();
    const deflating = await DeflateSocket.open(role, { options });
    const { socket } = deflating;
    socket.on('message', told.add);
    await deflating.send('first');
    await told.until(1);
    socket.pause();
    // (Its payload is large too.)
    await deflating.send(noise(100_000), 'behind');
    await turns(20);
    await jobs.idle();
    expect(told.entries).toEqual(['first']);
    socket.resume();
    expect(await told.until(3)).toEqual(short(['first', noise(100_000), 'behind']));
  });

  it.each(TEXTS)(
    'gives every answer of an echo, however many wait to be compressed: %s',
    async (_what, text) => {
      const told = new Told();
      const deflating = await DeflateSocket.open(role, {
        options: { ...options, level: 9 },
        // As small as it goes: no two answers find room.
        socketOptions: { highWaterMark: 1024, maxBackpressure: 100_000 },
        hooks: {
          message: (socket, message) => void socket.send(message),
          error: (_socket, error) => told.add(error.message),
        },
      });
      // Plain ones come at once, and their answers take a thread.
      const texts = Array.from({ length: 30 }, (_, i) => `${i} ${text}`);
      const sending = deflating.sendFrames(...texts.map((payload) => ({ payload })));
      const answers = await deflating.readMany(texts.length);
      await sending;
      expect(short(answers)).toEqual(short(texts.map((answer) => `deflated ${answer}`)));
      expect(told.entries).toEqual([]);
    },
  );

  it.each(TEXTS)(
    'gives the answers of a handler that is async, which wait for each other: %s',
    async (_what, text) => {
      const deflating = await DeflateSocket.open(role, {
        options,
        // Less than an answer, and all of them fit.
        socketOptions: { highWaterMark: 1024, maxBackpressure: 10_000_000 },
        hooks: {
          async message(socket, message) {
            await turns(1);
            socket.send(message);
          },
        },
      });
      const texts = Array.from({ length: 5 }, (_, i) => `${i} ${text}`);
      await deflating.sendFrames(...texts.map((payload) => ({ payload })));
      expect(short(await deflating.readMany(5))).toEqual(
        short(texts.map((answer) => `deflated ${answer}`)),
      );
    },
  );

  it('answers Pings while a large message is under way in each direction', async () => {
    const deflating = await DeflateSocket.open(role, { options });
    deflating.socket.on('message', (message) => void deflating.socket.send(message));
    deflating.socket.send(LARGE);
    await deflating.sendFrames({ opcode: 9, payload: 'are you there' });
    await deflating.send(LARGE);
    const read = await deflating.readMany(3);
    expect(short(read).toSorted()).toEqual(
      short(['control 10 are you there', `deflated ${LARGE}`, `deflated ${LARGE}`]).toSorted(),
    );
  });

  it.each([
    ['is no compressed message', 1007, Buffer.alloc(40_000, 0xff)],
    ['was cut', 1007, bomb(0x100_0000).subarray(0, 16_000)],
    ['is too large when it is inflated', 1009, bomb(0x200_0000)],
  ])('ends where a message %s: %d', async (_what, code, payload) => {
    const told = new Told();
    const deflating = await DeflateSocket.open(role, {
      options,
      socketOptions: { maxPayload: 0x100_0000, closeTimeout: 50 },
      hooks: {
        message: (_socket, message) => told.add(message),
        error: (_socket, error) => told.add(error.name),
      },
    });
    await deflating.sendFrames({ rsv: 4, opcode: 2, payload }, { payload: 'behind' });
    const close = await deflating.frame();
    expect([close.opcode, close.payload.readUInt16BE()]).toEqual([8, code]);
    // The peer leaves its end open: nobody but a timer ends that.
    expect(await deflating.closed).toEqual([1006, '', false]);
    expect(told.entries).toEqual(['ProtocolError']);
  });

  it('ends with 1011 where the handler of a large message throws, and tells what', async () => {
    const told = new Told();
    const deflating = await DeflateSocket.open(role, {
      options,
      socketOptions: { closeTimeout: 50 },
      hooks: {
        message() {
          throw new Error('of the application');
        },
        error: (_socket, error) => told.add(error.message),
      },
    });
    await deflating.send(LARGE, 'behind');
    expect((await deflating.frame()).payload.readUInt16BE()).toBe(1011);
    expect(await deflating.closed).toEqual([1006, '', false]);
    expect(told.entries).toEqual(['of the application']);
  });

  it('ends where it is terminated in the midst of jobs, and hears of none of them', async () => {
    const jobs = new JobWatch();
    const told = new Told();
    const deflating = await DeflateSocket.open(role, {
      options,
      hooks: { message: (_socket, message) => told.add(message) },
    });
    const { socket, near } = deflating;
    socket.send(noise(500_000));
    await deflating.send(noise(300_000), 'behind');
    await turns(2);
    socket.terminate();
    expect(await deflating.closed).toEqual([1006, '', false]);
    await jobs.idle();
    await turns();
    expect(near.destroyed).toBe(true);
    expect(socket.bufferedAmount).toBe(0);
  });

  it('ends where the peer resets the connection in the midst of jobs', async () => {
    const jobs = new JobWatch();
    const told = new Told();
    const deflating = await DeflateSocket.open(role, {
      options,
      hooks: { error: (_socket, error) => told.add(error.message) },
    });
    deflating.socket.on('message', (message) => void deflating.socket.send(message));
    deflating.socket.send(noise(500_000));
    await deflating.send(noise(300_000), 'behind', noise(300_000));
    deflating.peer.reset();
    expect(await deflating.closed).toEqual([1006, '', false]);
    await jobs.idle();
    await turns();
    expect(told.entries).toEqual([]);
  });

  it('gives out the large message behind which the peer leaves, and then tells', async () => {
    const told = new Told();
    const deflating = await DeflateSocket.open(role, {
      options,
      hooks: {
        message: (_socket, message) => told.add(message),
        close: (_socket, code) => told.add(`closed with ${code}`),
      },
    });
    await deflating.send(noise(100_000));
    await deflating.sendFrames({ opcode: 8, payload: Buffer.of(0x0f, 0xa0) });
    deflating.peer.end();
    expect(await told.until(2)).toEqual(short([noise(100_000), 'closed with 4000']));
  });
});
