import { describe, expect, it, vi } from 'vitest';
import { closeBody } from '../support/bytes.ts';
import { Gate, openLive, turns, watchRejections } from '../support/live-socket.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { ROLES } from '../support/open-connection.ts';
import { makeSocket } from '../support/open-socket.ts';

const mistake = new Error('a mistake of the source');

/** A source that a test can look at. */
class Source<Piece> implements AsyncIterable<Piece> {
  asked = 0;
  left = 0;
  readonly #give: (index: number) => Piece | Promise<Piece> | undefined;

  /** @param give - the piece of that number; undefined for the end */
  constructor(give: (index: number) => Piece | Promise<Piece> | undefined) {
    this.#give = give;
  }

  [Symbol.asyncIterator](): AsyncIterator<Piece, undefined> {
    return {
      next: async () => {
        const piece = this.#give(this.asked++);
        if (piece === undefined) return { done: true, value: undefined };
        return { done: false, value: await piece };
      },
      return: () => {
        this.left++;
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }
}

/** A source that has begun, and gives no more. */
function silent(): Source<string> {
  return new Source((index) => (index === 0 ? 'first' : new Promise<never>(() => {})));
}

describe.each(ROLES)('an iterable that a %s sends', (role) => {
  it('leaves as fragments, each as soon as it is there', async () => {
    const live = await openLive(role);
    const gates = [new Gate(), new Gate()];
    async function* pieces(): AsyncGenerator<string> {
      yield 'one';
      await gates[0]!.passed;
      yield 'two';
      await gates[1]!.passed;
    }
    const sent = live.socket.send(pieces());
    const first = await live.frame();
    expect([first.opcode, first.fin, first.payload.toString()]).toEqual([1, false, 'one']);
    gates[0]!.open();
    const second = await live.frame();
    expect([second.opcode, second.fin, second.payload.toString()]).toEqual([0, false, 'two']);
    gates[1]!.open();
    const last = await live.frame();
    expect([last.opcode, last.fin, last.payload.length]).toEqual([0, true, 0]);
    expect(await sent).toBe(true);
  });

  it.each([
    ['strings of an array', ['a', 'b', 'c'], 1, 'abc'],
    ['bytes of an array', [Buffer.from('a'), new Uint8Array([98]).buffer], 2, 'ab'],
    [
      'views of an iterator',
      [new DataView(Buffer.from('xyz').buffer, 0, 0), Buffer.from('q')].values(),
      2,
      'q',
    ],
    ['nothing', [], 2, ''],
    ['empty strings', ['', ''], 1, ''],
    ['empty bytes', [Buffer.alloc(0)], 2, ''],
  ])('may be made of %s', async (_name, pieces, opcode, text) => {
    const live = await openLive(role);
    expect(await live.socket.send(pieces)).toBe(true);
    const message = await live.message();
    expect([message.opcode, message.payload.toString()]).toEqual([opcode, text]);
  });

  it('may be a generator, a ReadableStream or a stream of Node', async () => {
    const live = await openLive(role);
    function* letters(): Generator<string> {
      yield* 'abc';
    }
    const stream = new Blob(['from a ', 'stream']).stream();
    expect(await live.socket.send(letters())).toBe(true);
    expect(await live.socket.send(stream)).toBe(true);
    const { Readable } = await import('node:stream');
    expect(await live.socket.send(Readable.from([Buffer.from('of '), Buffer.from('Node')]))).toBe(
      true,
    );
    const messages = [await live.message(), await live.message(), await live.message()];
    expect(messages.map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
      [1, 'abc'],
      [2, 'from a stream'],
      [2, 'of Node'],
    ]);
  });

  it('is left alone when it has ended by itself', async () => {
    const live = await openLive(role);
    const source = new Source((index) => (index < 2 ? 'x' : undefined));
    expect(await live.socket.send(source)).toBe(true);
    await turns();
    expect([source.asked, source.left]).toEqual([3, 0]);
  });

  it('lets control frames and Pings of others between its fragments', async () => {
    const live = await openLive(role);
    const gate = new Gate();
    async function* pieces(): AsyncGenerator<string> {
      yield 'one';
      await gate.passed;
    }
    const sent = live.socket.send(pieces());
    expect((await live.frame()).payload.toString()).toBe('one');
    await live.send({ opcode: 9, payload: 'you' });
    const pong = await live.frame();
    expect([pong.opcode, pong.payload.toString()]).toEqual([10, 'you']);
    live.socket.pong('me');
    expect((await live.frame()).payload.toString()).toBe('me');
    gate.open();
    expect((await live.frame()).fin).toBe(true);
    expect(await sent).toBe(true);
  });

  describe.each([
    [
      'throws at once',
      (): AsyncIterable<string> =>
        new Source(() => {
          throw mistake;
        }),
    ],
    ['rejects', (): AsyncIterable<string> => new Source(() => Promise.reject(mistake))],
    [
      'throws after a piece',
      async function* give(): AsyncGenerator<string> {
        yield 'first';
        await turns(1);
        throw mistake;
      },
    ],
    [
      'cannot be begun',
      (): AsyncIterable<string> => ({
        [Symbol.asyncIterator]: () => {
          throw mistake;
        },
      }),
    ],
    [
      'throws as a sync iterator',
      function* give(): Generator<string> {
        yield 'first';
        throw mistake;
      },
    ],
  ] as const)('that %s', (_name, make) => {
    it('closes the socket with 1011, since a message cannot be taken back', async () => {
      const rejections = watchRejections();
      const live = await openLive(role);
      const errors: unknown[] = [];
      live.socket.on('error', (error) => void errors.push(error));
      const sent = live.socket.send(make());
      live.socket.send('waits for its end');
      expect((await live.answerClose()).payload).toEqual(closeBody(1011));
      expect(await sent).toBe(false);
      await live.closed;
      await turns();
      expect(errors).toEqual([mistake]);
      expect(rejections).toEqual([]);
    });
  });

  it('closes the socket with 1011 where it is locked already', async () => {
    const live = await openLive(role, { hooks: { error() {} } });
    const stream = new Blob(['locked']).stream();
    stream.getReader();
    const sent = live.socket.send(stream);
    expect((await live.answerClose()).payload).toEqual(closeBody(1011));
    expect(await sent).toBe(false);
  });

  it.each([
    ['a string behind bytes', [Buffer.from('a'), 'b']],
    ['bytes behind a string', ['a', Buffer.from('b')]],
    ['a number', [7]],
    ['null', [null]],
    ['an object', ['a', {}]],
  ])('closes the socket with 1011 for %s, and is left', async (_name, pieces) => {
    const errors: unknown[] = [];
    const live = await openLive(role, { hooks: { error: (_, error) => void errors.push(error) } });
    const source = new Source((index) => pieces[index]);
    // @ts-expect-error -- what has no types is to be refused too
    const sent = live.socket.send(source);
    expect((await live.answerClose()).payload).toEqual(closeBody(1011));
    expect(await sent).toBe(false);
    await turns();
    expect(errors[0]).toBeInstanceOf(TypeError);
    expect(source.left).toBe(1);
  });

  it.each([
    ['the peer closes', (live) => live.closeByPeer(4000)],
    ['the connection is lost', (live) => live.peer.reset()],
    ['we terminate', (live) => live.socket.terminate()],
    [
      'we close',
      (live) => {
        void live.socket.close();
        return live.answerClose();
      },
    ],
  ] as const satisfies [string, (live: Awaited<ReturnType<typeof openLive>>) => unknown][])(
    'is left at once when %s, though it gives nothing',
    async (_name, end) => {
      const rejections = watchRejections();
      const live = await openLive(role);
      const errors: unknown[] = [];
      live.socket.on('error', (error) => void errors.push(error));
      const source = silent();
      const sent = live.socket.send(source);
      expect((await live.frame()).payload.toString()).toBe('first');
      await end(live);
      expect(await sent).toBe(false);
      await turns();
      expect([source.asked, source.left, errors]).toEqual([2, 1, []]);
      expect(rejections).toEqual([]);
    },
  );

  it('is left where the transport is gone before it has begun', async () => {
    const { stream } = memoryStream();
    const socket = makeSocket(role, stream);
    const source = new Source<string>(() => new Promise<never>(() => {}));
    // In a turn of its own: what `destroy` calls back comes before any promise.
    const sent = await new Promise((resolve) => {
      setImmediate(() => {
        const promise = socket.send(source);
        socket.terminate();
        resolve(promise);
      });
    });
    expect(sent).toBe(false);
  });

  it('is not asked for anything where the socket is not open', async () => {
    const live = await openLive(role);
    const source = silent();
    live.socket.terminate();
    expect(await live.socket.send(source)).toBe(false);
    await live.closed;
    expect(await live.socket.send(source)).toBe(false);
    expect(source.asked).toBe(0);
  });

  it.each(['before', 'while'])(
    'is destroyed where it is a stream of Node, %s it is sent',
    async (when) => {
      const live = await openLive(role);
      const { Readable } = await import('node:stream');
      const stream = new Readable({ read() {} });
      stream.push('first');
      if (when === 'before') live.socket.terminate();
      const sent = live.socket.send(stream);
      if (when === 'while') {
        expect((await live.frame()).payload.toString()).toBe('first');
        live.peer.reset();
      }
      expect(await sent).toBe(false);
      expect(stream.destroyed).toBe(true);
    },
  );

  it('is left by its generator: `finally` runs', async () => {
    const live = await openLive(role);
    const cleaned: string[] = [];
    async function* pieces(): AsyncGenerator<string> {
      try {
        for (;;) {
          yield 'more';
          await turns(1);
        }
      } finally {
        cleaned.push('cleaned');
      }
    }
    const sent = live.socket.send(pieces());
    await live.frame();
    live.peer.reset();
    expect(await sent).toBe(false);
    await vi.waitFor(() => expect(cleaned).toEqual(['cleaned']));
  });

  it('only warns where it fails as it is left', async () => {
    const rejections = watchRejections();
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const live = await openLive(role);
    const source: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => {}),
        return: () => Promise.reject(mistake),
      }),
    };
    const sent = live.socket.send(source);
    await turns();
    live.socket.terminate();
    expect(await sent).toBe(false);
    await vi.waitFor(() => expect(warn.mock.calls).toEqual([[mistake]]));
    warn.mockRestore();
    expect(rejections).toEqual([]);
  });

  it('rejects nowhere where the source fails after the connection has ended', async () => {
    const rejections = watchRejections();
    const live = await openLive(role);
    const gate = new Gate();
    const errors: unknown[] = [];
    live.socket.on('error', (error) => void errors.push(error));
    const sent = live.socket.send(
      new Source<string>(() =>
        gate.passed.then(() => {
          throw mistake;
        }),
      ),
    );
    await turns();
    live.peer.reset();
    await live.closed;
    expect(await sent).toBe(false);
    gate.open();
    await turns();
    expect([errors, rejections]).toEqual([[], []]);
  });

  it('is not read ahead while the peer does not read', async () => {
    const live = await openLive(role);
    live.stall();
    const part = Buffer.alloc(256 * 1024, 'p');
    const source = new Source((index) => (index < 60 ? part : undefined));
    const sent = live.socket.send(source);
    let before = -1;
    while (source.asked > before) {
      before = source.asked;
      await turns(30);
    }
    expect(source.asked).toBeLessThan(60);
    expect(live.socket.bufferedAmount).toBeLessThan(3 * part.length);
    // What is sent meanwhile waits for its end, and does not hold it up.
    expect(live.socket.send(Buffer.alloc(512 * 1024, 'q'))).toBe(false);
    live.readOn();
    expect(await sent).toBe(true);
    await live.socket.flushed();
    const message = await live.message();
    expect(message.payload.equals(Buffer.alloc(60 * part.length, 'p'))).toBe(true);
    expect((await live.message()).payload.length).toBe(512 * 1024);
  });

  it('is left when the connection ends while it waits for the peer to read', async () => {
    const rejections = watchRejections();
    const live = await openLive(role);
    live.stall();
    const part = Buffer.alloc(1024 * 1024);
    const source = new Source((index) => (index < 100 ? part : undefined));
    const sent = live.socket.send(source);
    let before = -1;
    while (source.asked > before) {
      before = source.asked;
      await turns(30);
    }
    live.peer.reset();
    expect(await sent).toBe(false);
    await turns();
    expect([source.left, rejections]).toEqual([1, []]);
  });
});
