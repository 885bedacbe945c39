import { openAsBlob } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { closeBody } from '../support/bytes.ts';
import { Gate, openLive, turns } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

async function* slowly(...pieces: string[]): AsyncGenerator<string> {
  for (const piece of pieces) {
    await turns(1);
    yield piece;
  }
}

describe.each(ROLES)('a Blob that a %s sends', (role) => {
  it('is a binary with its bytes', async () => {
    const live = await openLive(role);
    expect(await live.socket.send(new Blob(['some ', Buffer.from('bytes')]))).toBe(true);
    const message = await live.message();
    expect([message.opcode, message.payload.toString()]).toEqual([2, 'some bytes']);
  });

  it('may be empty, a part of another, or a File', async () => {
    const { File } = await import('node:buffer');
    const live = await openLive(role);
    for (const [blob, text] of [
      [new Blob([]), ''],
      [new Blob(['0123456789']).slice(2, 5), '234'],
      [new File(['of a file'], 'name.txt', { type: 'text/plain' }), 'of a file'],
    ] as const) {
      expect(await live.socket.send(blob)).toBe(true);
      const message = await live.message();
      expect([message.opcode, message.payload.toString()]).toEqual([2, text]);
    }
    expect(await live.socket.sendBinary(new Blob(['binary']))).toBe(true);
    expect((await live.message()).opcode).toBe(2);
  });

  it('counts as buffered until it is on its way', async () => {
    const live = await openLive(role);
    const size = 3 * 1024 * 1024;
    const sent = live.socket.send(new Blob([Buffer.alloc(size, 'b')]));
    expect(live.socket.bufferedAmount).toBe(size);
    live.socket.send('behind');
    expect(live.socket.bufferedAmount).toBeGreaterThan(size);
    expect(await sent).toBe(true);
    await live.socket.flushed();
    expect(live.socket.bufferedAmount).toBe(0);
    const message = await live.message();
    expect(message.payload.equals(Buffer.alloc(size, 'b'))).toBe(true);
    expect(message.fragments).toBeGreaterThan(1);
  });

  it('is read no faster than the peer reads, whatever its size', async () => {
    const live = await openLive(role);
    live.stall();
    const size = 24 * 1024 * 1024;
    const sent = live.socket.send(new Blob([Buffer.alloc(size)]));
    let before = -1;
    while (before !== live.socket.bufferedAmount) {
      before = live.socket.bufferedAmount;
      await turns(50);
    }
    // Most of it waits in the Blob, and what waits in memory is within the mark and a piece.
    expect(live.socket.bufferedAmount).toBeGreaterThan(1024 * 1024);
    expect(live.near.writableLength).toBeLessThan(512 * 1024);
    expect(live.socket.bufferedAmount).toBeLessThan(size + 512 * 1024);
    live.peer.reset();
    expect(await sent).toBe(false);
    expect(live.socket.bufferedAmount).toBe(0);
  });

  it.each(['a Blob', 'an iterable'])(
    'waits for room where %s has more than maxBackpressure, and something waits already',
    async (what) => {
      const errors: unknown[] = [];
      const live = await openLive(role, {
        hooks: { error: (_, error) => void errors.push(error) },
      });
      await live.fill(Buffer.alloc(16 * 1024));
      expect(live.socket.send('below the mark')).toBe(true);
      const bytes = Buffer.alloc(5 * 1024 * 1024, 'b');
      const sent = live.socket.send(what === 'a Blob' ? new Blob([bytes]) : [bytes]);
      await turns(20);
      expect(errors).toEqual([]);
      live.readOn();
      expect(await sent).toBe(true);
      await live.socket.flushed();
      let message: { payload: Buffer };
      do message = await live.message();
      while (message.payload.length <= 16 * 1024);
      expect(message.payload.equals(bytes)).toBe(true);
    },
  );

  it('does not count any more when the socket has closed', async () => {
    const live = await openLive(role);
    const sent = live.socket.send(new Blob([Buffer.alloc(1024 * 1024)]));
    live.socket.terminate();
    expect(await sent).toBe(false);
    await live.closed;
    expect(live.socket.bufferedAmount).toBe(0);
    expect(await live.socket.send(new Blob(['late']))).toBe(false);
    expect(live.socket.bufferedAmount).toBe(0);
  });

  it('closes the socket with 1011 where it cannot be read any more', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'blob-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const path = join(folder, 'file');
    await writeFile(path, 'as it was');
    const blob = await openAsBlob(path);
    await writeFile(path, 'as it is now, and longer');
    const live = await openLive(role, { hooks: { error() {} } });
    const sent = live.socket.send(blob);
    expect((await live.answerClose()).payload).toEqual(closeBody(1011));
    expect(await sent).toBe(false);
    expect(live.socket.bufferedAmount).toBe(0);
  });
});

describe.each(ROLES)('messages of a %s', (role) => {
  it('keep their order, whatever each of them is', async () => {
    const live = await openLive(role);
    const { socket } = live;
    socket.send('text');
    const done: (boolean | Promise<boolean>)[] = [
      socket.send(slowly('iter', 'able')),
      socket.send('behind it'),
      socket.send(new Blob(['Blob'])),
      socket.send(Buffer.from('bytes')),
      socket.send(new PreparedMessage('prepared')),
      socket.send(slowly('another ', 'one')),
      socket.sendText(Buffer.from('last')),
    ];
    for (const each of done) expect(await Promise.resolve(each)).toBe(true);
    const got: string[] = [];
    while (got.length < 8) got.push((await live.message()).payload.toString());
    expect(got).toEqual([
      'text',
      'iterable',
      'behind it',
      'Blob',
      'bytes',
      'prepared',
      'another one',
      'last',
    ]);
  });

  it('are not overtaken by what a listener for `drain` sends', async () => {
    const live = await openLive(role, { options: { highWaterMark: 100 } });
    const gate = new Gate();
    async function* pieces(): AsyncGenerator<string> {
      yield 'iterable';
      await gate.passed;
    }
    const sent = live.socket.send(pieces());
    live.socket.once('drain', () => void live.socket.send('drain'));
    live.socket.send('A'.repeat(200));
    const flushed = live.socket.flushed();
    live.socket.send('B');
    live.socket.send('C');
    await turns();
    gate.open();
    await Promise.all([sent, flushed]);
    const got: string[] = [];
    while (got.length < 5) got.push((await live.message()).payload.toString());
    expect(got).toEqual(['iterable', 'A'.repeat(200), 'B', 'C', 'drain']);
  });

  it('that wait have the bytes that they had when they were sent', async () => {
    const live = await openLive(role);
    const gate = new Gate();
    async function* pieces(): AsyncGenerator<string> {
      yield 'first';
      await gate.passed;
    }
    const sent = live.socket.send(pieces());
    const bytes = Buffer.from('as it was');
    live.socket.send(bytes);
    bytes.fill('x');
    gate.open();
    await sent;
    await live.message();
    expect((await live.message()).payload.toString()).toBe('as it was');
  });

  it('that wait are dropped and counted when the socket closes in the middle', async () => {
    const live = await openLive(role);
    const sent = live.socket.send(
      slowly('first', 'second', ...Array.from({ length: 100 }, () => '.')),
    );
    const waiting = live.socket.send(slowly('never'));
    live.socket.send('never');
    live.socket.send('never');
    expect((await live.frame()).payload.toString()).toBe('first');
    const ended = live.socket.close(4000);
    expect(live.socket.dropped).toBe(2);
    await live.answerClose();
    expect(await ended).toMatchObject({ code: 4000, wasClean: true });
    expect(await Promise.all([sent, waiting])).toEqual([false, false]);
    expect(live.socket.bufferedAmount).toBe(0);
    expect(live.peer.unread).toHaveLength(0);
  });

  it('that wait are bounded by maxBackpressure', async () => {
    const live = await openLive(role, {
      options: { maxBackpressure: 10_000, backpressurePolicy: 'drop' },
    });
    const gate = new Gate();
    async function* pieces(): AsyncGenerator<string> {
      yield 'first';
      await gate.passed;
    }
    const sent = live.socket.send(pieces());
    await turns();
    for (let i = 0; i < 30; i++) live.socket.send('x'.repeat(1000));
    expect(live.socket.bufferedAmount).toBeLessThanOrEqual(10_000);
    expect(live.socket.dropped).toBeGreaterThan(15);
    gate.open();
    expect(await sent).toBe(true);
    await live.message();
    for (let i = live.socket.dropped; i < 30; i++) {
      expect((await live.message()).payload.length).toBe(1000);
    }
  });
});

type Sending = 'text' | 'large' | 'blob' | 'sync' | 'async' | 'flush' | 'ping' | 'wait';

it('keep their order and their bytes, whatever is sent in whatever turn', async () => {
  const sending = fc.constantFrom<Sending>(
    ...(['text', 'large', 'blob', 'sync', 'async', 'flush', 'ping', 'wait'] as const),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...ROLES),
      fc.array(sending, { minLength: 1, maxLength: 25 }),
      async (role, sendings) => {
        const live = await openLive(role, { options: { highWaterMark: 20_000 } });
        const expected: string[] = [];
        const done: Promise<unknown>[] = [];
        for (const [i, how] of sendings.entries()) {
          const text = `${i} ${how} `.padEnd(how === 'large' ? 30_000 : 0, '.');
          const { socket } = live;
          if (how === 'wait') await turns(1);
          else if (how === 'ping') socket.pong(text);
          else if (how === 'flush') done.push(socket.flushed());
          else expected.push(text);
          if (how === 'text' || how === 'large') socket.send(text);
          if (how === 'blob') done.push(socket.send(new Blob([text])));
          if (how === 'sync') done.push(socket.send(text.split('')));
          if (how === 'async') done.push(socket.send(slowly(...text.split(' '))));
        }
        await Promise.all(done);
        await live.socket.flushed();
        expect(live.socket.bufferedAmount).toBe(0);
        const got: string[] = [];
        while (got.length < expected.length) got.push((await live.message()).payload.toString());
        expect(got.map((text) => text.replaceAll(' ', ''))).toEqual(
          expected.map((text) => text.replaceAll(' ', '')),
        );
        live.near.destroy();
        live.peer.transport.destroy();
      },
    ),
    { numRuns: 30 },
  );
});
