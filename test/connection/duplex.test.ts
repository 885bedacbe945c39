import { once } from 'node:events';
import { type Duplex, Readable, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type DuplexSocket,
  type SocketDuplexOptions,
  createDuplex,
} from '../../src/connection/duplex.ts';
import { ConnectionClosedError } from '../../src/errors.ts';
import { closeBody } from '../support/bytes.ts';
import { type LiveSocket, openLive, turns, watchRejections } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

const KIB = 1024;

/** A duplex until the test is over. */
function duplexOf({ socket }: LiveSocket, options?: SocketDuplexOptions): Duplex {
  const duplex = socket.duplex(options);
  onTestFinished(() => void duplex.destroy());
  return duplex;
}

/** Takes all chunks, until its source ends. */
function collector(): { sink: Writable; chunks: unknown[] } {
  const chunks: unknown[] = [];
  const sink = new Writable({
    objectMode: true,
    write(chunk, _encoding, callback) {
      chunks.push(chunk);
      callback();
    },
  });
  return { sink, chunks };
}

describe.each(ROLES)('the duplex of a %s socket', (role) => {
  it('is a stream of bytes: each message a chunk, and each chunk a binary', async () => {
    const live = await openLive(role);
    const duplex = duplexOf(live);
    duplex.write('text');
    duplex.write(Buffer.from([0xff]));
    const frames = await live.peer.readFrames(2);
    expect(frames.map(({ opcode, payload }) => [opcode, payload])).toEqual([
      [2, Buffer.from('text')],
      [2, Buffer.from([0xff])],
    ]);
    await live.send({ payload: 'é' }, { opcode: 2, payload: Buffer.from([0xfe]) });
    const chunks: unknown[] = [];
    duplex.on('data', (chunk) => void chunks.push(chunk));
    await live.readAll();
    expect(chunks).toEqual([Buffer.from('é'), Buffer.from([0xfe])]);
  });

  it('keeps the types of chunks in objectMode, and empty messages', async () => {
    const live = await openLive(role);
    const duplex = duplexOf(live, { objectMode: true });
    duplex.write('text');
    duplex.write('');
    duplex.write(Buffer.alloc(0));
    const frames = await live.peer.readFrames(3);
    expect(frames.map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
      [1, 'text'],
      [1, ''],
      [2, ''],
    ]);
    await live.send({ payload: '' }, { payload: 'é' }, { opcode: 2 }, { opcode: 2, payload: 'b' });
    const chunks: unknown[] = [];
    duplex.on('data', (chunk) => void chunks.push(chunk));
    await live.readAll();
    expect(chunks).toEqual(['', 'é', Buffer.alloc(0), Buffer.from('b')]);
  });

  it('goes on behind an empty message in a stream of bytes', async () => {
    const live = await openLive(role);
    const duplex = duplexOf(live);
    const chunks: unknown[] = [];
    duplex.on('data', (chunk) => void chunks.push(chunk));
    await live.send(
      { payload: '' },
      { opcode: 2 },
      { payload: 'a' },
      { payload: '' },
      { payload: 'b' },
    );
    await live.readAll();
    expect(chunks).toEqual([Buffer.from('a'), Buffer.from('b')]);
  });

  it('pipes both ways through what is between', async () => {
    const live = await openLive(role);
    const duplex = duplexOf(live);
    const upper = new Transform({
      transform(chunk, _encoding, callback) {
        callback(null, String(chunk).toUpperCase());
      },
    });
    const piped = pipeline(duplex, upper, duplex);
    await live.sendTexts('one', 'two');
    expect(await live.texts(2)).toEqual(['ONE', 'TWO']);
    await live.closeByPeer(1000);
    await piped;
    expect(await live.closed).toEqual([1000, '', true]);
  });

  it('closes with 1000 when it is ended, behind all that was written', async () => {
    const live = await openLive(role);
    const duplex = duplexOf(live);
    const sent = pipeline(Readable.from(['a', 'b', 'c']), duplex, async function read(source) {
      for await (const chunk of source) void chunk;
    });
    expect(await live.texts(3)).toEqual(['a', 'b', 'c']);
    expect((await live.answerClose()).payload).toEqual(closeBody(1000));
    await sent;
    await live.closed;
    expect(duplex.destroyed).toBe(true);
  });

  it('reads on when it is ended, up to the Close of the peer', async () => {
    const live = await openLive(role);
    const duplex = duplexOf(live);
    const { sink, chunks } = collector();
    const piped = pipeline(duplex, sink);
    duplex.end('the question');
    expect(await live.texts(1)).toEqual(['the question']);
    expect((await live.frame()).payload).toEqual(closeBody(1000));
    expect(live.socket.send('too late')).toBe(false);
    await live.sendTexts('the', 'answer');
    await live.closeByPeer(1000);
    await piped;
    expect(chunks.map(String)).toEqual(['the', 'answer']);
    expect(await live.closed).toEqual([1000, '', true]);
  });

  it.each([
    ['bytes', Buffer.alloc(10 * 1024 * KIB, 'b')],
    ['a text', 'é'.repeat(1024 * KIB)],
  ])(
    'sends a chunk of %s that is larger than all that may wait, in fragments',
    async (_, chunk) => {
      const live = await openLive(role);
      await live.fill(Buffer.alloc(16 * KIB));
      const duplex = duplexOf(live, { objectMode: true });
      const written = new Promise((resolve) => duplex.write(chunk, resolve));
      duplex.write('behind');
      await turns(20);
      live.readOn();
      // Neither undefined nor null is an error.
      expect((await written) ?? null).toBe(null);
      let message = await live.message();
      while (message.fragments === 1) message = await live.message();
      expect(message.opcode).toBe(typeof chunk === 'string' ? 1 : 2);
      expect(message.payload.equals(Buffer.from(chunk))).toBe(true);
      expect((await live.message()).payload.toString()).toBe('behind');
    },
  );

  it('fails for a large chunk where the connection ends in its middle', async () => {
    const live = await openLive(role);
    live.stall();
    const duplex = duplexOf(live);
    const told = once(duplex, 'error');
    duplex.write(Buffer.alloc(24 * 1024 * KIB));
    await turns(20);
    live.peer.reset();
    expect((await told)[0]).toBeInstanceOf(ConnectionClosedError);
  });

  it('terminates where it is destroyed while the peer still sends', async () => {
    const live = await openLive(role);
    const duplex = duplexOf(live);
    duplex.resume();
    duplex.end();
    expect((await live.frame()).opcode).toBe(8);
    duplex.destroy();
    expect(await live.closed).toEqual([1006, '', false]);
  });

  it('terminates the socket when it is destroyed', async () => {
    const rejections = watchRejections();
    const live = await openLive(role);
    const duplex = duplexOf(live);
    duplex.resume();
    await turns();
    duplex.destroy();
    expect(await live.closed).toEqual([1006, '', false]);
    await turns();
    expect(rejections).toEqual([]);
  });

  it('hands on the error with which it is destroyed', async () => {
    const live = await openLive(role);
    const duplex = duplexOf(live);
    const mistake = new Error('a mistake');
    const told = once(duplex, 'error');
    duplex.destroy(mistake);
    expect(await told).toEqual([mistake]);
    await live.closed;
  });

  it('ends, finishes and closes when the peer closes', async () => {
    const live = await openLive(role);
    const duplex = duplexOf(live);
    const { sink, chunks } = collector();
    const events: string[] = [];
    for (const event of ['end', 'finish', 'close', 'error']) {
      duplex.on(event, () => void events.push(event));
    }
    const piped = pipeline(duplex, sink);
    await live.sendTexts('last');
    await live.closeByPeer(4000);
    await piped;
    if (!duplex.closed) await once(duplex, 'close');
    expect(chunks.map(String)).toEqual(['last']);
    expect(events.toSorted()).toEqual(['close', 'end', 'finish']);
  });

  it('fails where the connection ends without a Close, behind what came', async () => {
    const live = await openLive(role);
    const duplex = duplexOf(live);
    const { sink, chunks } = collector();
    const piped = expect(pipeline(duplex, sink)).rejects.toMatchObject({
      name: 'ConnectionClosedError',
      closeCode: 1006,
    });
    await live.sendTexts('half');
    await live.readAll();
    live.peer.reset();
    await piped;
    expect(chunks.map(String)).toEqual(['half']);
  });

  it.each(['is reset', 'breaks the protocol'])(
    'only closes where its peer %s, and nobody listens for errors',
    async (how) => {
      const live = await openLive(role);
      const duplex = duplexOf(live);
      const told: string[] = [];
      duplex.on('data', (data) => void told.push(String(data)));
      duplex.on('end', () => void told.push('end'));
      const uncaught: unknown[] = [];
      const onUncaught = (error: unknown): void => void uncaught.push(error);
      process.on('uncaughtException', onUncaught);
      onTestFinished(() => void process.off('uncaughtException', onUncaught));
      await live.send({ payload: 'before' });
      await live.readAll();
      // (`once` would listen for errors.)
      const closed = new Promise<void>((resolve) => void duplex.on('close', resolve));
      if (how === 'is reset') live.peer.reset();
      else {
        await live.send({ opcode: 3 });
        await live.answerClose();
      }
      await closed;
      await turns();
      expect([told, uncaught]).toEqual([['before'], []]);
    },
  );

  it('fails for what is written after the end', async () => {
    const live = await openLive(role);
    const duplex = duplexOf(live);
    live.socket.terminate();
    await live.closed;
    const told = once(duplex, 'error');
    duplex.write('too late');
    expect((await told)[0]).toBeInstanceOf(ConnectionClosedError);
    expect(duplex.destroyed).toBe(true);
  });

  it('takes no option that there is not, and does nothing then', async () => {
    const live = await openLive(role);
    const options: object = { objectmode: true };
    expect(() => duplexOf(live, options)).toThrow(TypeError);
    expect(live.socket.readyState).toBe(1);
  });

  it('fails for what is no message, and terminates', async () => {
    const live = await openLive(role);
    const duplex = duplexOf(live, { objectMode: true });
    const told = once(duplex, 'error');
    duplex.write(42);
    expect((await told)[0]).toBeInstanceOf(TypeError);
    expect(await live.closed).toEqual([1006, '', false]);
  });

  it('is not written to faster than the peer reads', async () => {
    const live = await openLive(role);
    live.stall();
    const duplex = duplexOf(live);
    let made = 0;
    function* chunks(): Generator<Buffer> {
      for (; made < 800; made++) yield Buffer.alloc(32 * KIB);
    }
    const piped = pipeline(Readable.from(chunks()), duplex, async function read(source) {
      for await (const chunk of source) void chunk;
    });
    let before = -1;
    while (made > before) {
      before = made;
      await turns(20);
    }
    expect(made).toBeLessThan(800);
    expect(live.socket.bufferedAmount).toBeLessThan(1024 * KIB);
    live.readOn();
    // oxlint-disable-next-line no-unmodified-loop-condition -- the generator counts
    while (made < 800) await turns(1);
    await live.answerClose();
    await piped;
  });

  it('holds back the peer where nobody reads it', async () => {
    const live = await openLive(role, { options: { maxQueue: 4 } });
    const duplex = duplexOf(live, { highWaterMark: 10 });
    for (let i = 0; i < 12; i++) await live.sendTexts(`message ${i}`);
    duplex.read(0);
    while (!live.near.isPaused()) await turns(1);
    expect(duplex.readableLength).toBeLessThanOrEqual(20);
    const chunks: string[] = [];
    duplex.on('data', (chunk) => void chunks.push(String(chunk)));
    while (chunks.length < 12) await turns(1);
    expect(chunks).toEqual(Array.from({ length: 12 }, (_, i) => `message ${i}`));
    expect(live.near.isPaused()).toBe(false);
  });

  it('has the high-water mark that it is told, in chunks where they are objects', async () => {
    const live = await openLive(role);
    expect(duplexOf(live, { highWaterMark: 3 }).writableHighWaterMark).toBe(3);
    const objects = duplexOf(live, { objectMode: true, highWaterMark: 2 });
    expect([objects.readableHighWaterMark, objects.readableObjectMode]).toEqual([2, true]);
  });

  it('leaves messages to others when it is destroyed after the connection has ended', async () => {
    const live = await openLive(role);
    const duplex = duplexOf(live);
    const closed = once(duplex, 'close');
    await live.sendTexts('kept');
    await live.closeByPeer();
    await live.closed;
    duplex.destroy();
    await closed;
    const got: unknown[] = [];
    for await (const message of live.socket) got.push(message);
    expect(got).toEqual(['kept']);
  });
});

it('fails where the messages of its socket cannot be read', async () => {
  const mistake = new Error('no messages');
  const socket: DuplexSocket = {
    closed: new Promise(() => {}),
    readyState: 3,
    send: (): never => {
      throw new Error('nothing is sent');
    },
    drained: () => Promise.resolve(),
    terminate() {},
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(mistake) }),
  };
  const duplex = createDuplex(socket, () => new Promise(() => {}));
  const told = once(duplex, 'error');
  duplex.resume();
  expect(await told).toEqual([mistake]);
});
