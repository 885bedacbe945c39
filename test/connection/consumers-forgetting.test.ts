import { afterEach, describe, expect, it, vi } from 'vitest';
import { Consumers } from '../../src/connection/consumers.ts';
import type { MessageStream } from '../../src/connection/message-stream.ts';
import type { SocketHooks } from '../../src/connection/socket-events.ts';
import type { Socket } from '../../src/connection/socket.ts';
import { type RawFrame, peerFrame } from '../support/bytes.ts';
import { Gate, turns } from '../support/live-socket.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { ROLES } from '../support/open-connection.ts';
import { type TestSocketOptions, makeSocket } from '../support/open-socket.ts';

type Hooks = SocketHooks<Socket<undefined>>;

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(ROLES)('the consumers of an idle %s', (role) => {
  /** A socket whose peer is the test; and how many consumers have taken messages for it so far. */
  function open(hooks: Hooks, options: TestSocketOptions = {}, stuck: boolean = false) {
    const receives = vi.spyOn(Consumers.prototype, 'receive');
    const { stream, unstick } = memoryStream(stuck);
    const socket = makeSocket(role, stream, options, undefined, hooks);
    const receive = (...frames: RawFrame[]): void => {
      for (const frame of frames) stream.emit('data', peerFrame(role, frame));
    };
    const count = (): number => new Set(receives.mock.contexts).size;
    return { socket, stream, unstick, receive, count };
  }

  it('are forgotten where hooks are done with all', () => {
    const told: unknown[] = [];
    const { receive, count, socket } = open({ message: (_, message) => void told.push(message) });
    receive({ payload: 'one' }, { payload: 'two' });
    expect([told, count(), socket.isPaused]).toEqual([['one', 'two'], 2, false]);
    socket.terminate();
  });

  it('are kept for an answer that has not left: the next message may have to wait for it', async () => {
    const told: unknown[] = [];
    const message: Hooks['message'] = (answerer, text) => {
      told.push(text);
      answerer.send('an answer');
    };
    const { receive, socket, unstick } = open({ message }, { highWaterMark: 0 }, true);
    receive({ payload: 'one' });
    await turns();
    socket.send(Buffer.alloc(100_000));
    await turns();
    receive({ payload: 'two' });
    expect(told).toEqual(['one']);
    unstick();
    await turns();
    expect(told).toEqual(['one', 'two']);
    socket.terminate();
  });

  it('are kept for a hook that is not done, and for what waits for it', async () => {
    const told: unknown[] = [];
    const gate = new Gate();
    const message: Hooks['message'] = async (_, text) => {
      await gate.passed;
      told.push(text);
    };
    const { receive, count, socket } = open({ message });
    receive({ payload: 'one' }, { payload: 'two' });
    gate.open();
    await turns();
    receive({ payload: 'three' });
    await turns();
    receive({ payload: 'four' });
    await turns();
    expect([told, count()]).toEqual([['one', 'two', 'three', 'four'], 1]);
    // The next chunk finds nobody busy.
    receive({ opcode: 10 }, { payload: 'five' });
    await turns();
    expect([told.at(-1), count()]).toEqual(['five', 2]);
    socket.terminate();
  });

  it('are kept while a message is being given out, whatever comes meanwhile', () => {
    const told: unknown[] = [];
    const inner = ['two'];
    const message: Hooks['message'] = (_, text) => {
      told.push(`begin ${String(text)}`);
      for (const payload of inner.splice(0)) receive({ payload });
      told.push(`end ${String(text)}`);
    };
    const { receive, count, socket } = open({ message });
    receive({ payload: 'one' });
    expect(told).toEqual(['begin one', 'end one', 'begin two', 'end two']);
    expect(count()).toBe(1);
    socket.terminate();
  });

  it('are kept for listeners, until the last has gone', () => {
    const told: unknown[] = [];
    const { receive, count, socket } = open({ message() {} });
    const listen = (message: unknown): void => void told.push(message);
    socket.on('message', listen);
    receive({ payload: 'one' }, { payload: 'two' });
    expect(count()).toBe(1);
    socket.off('message', listen);
    receive({ opcode: 10 }, { payload: 'three' });
    expect([told, count()]).toEqual([['one', 'two'], 2]);
    socket.once('message', listen);
    receive({ payload: 'four' }, { payload: 'five' });
    expect(told).toEqual(['one', 'two', 'four']);
    socket.terminate();
  });

  it('are kept for whoever has an iterator, used or not', async () => {
    const { receive, count, socket } = open({ message() {} });
    const loop = socket[Symbol.asyncIterator]();
    receive({ payload: 'one' }, { opcode: 10 });
    const next = loop.next();
    receive({ payload: 'two' });
    expect([await next, count()]).toEqual([{ done: false, value: 'two' }, 1]);
    socket.terminate();
    expect(await loop.next()).toEqual({ done: true, value: undefined });
  });

  it('are kept for a pause, and for what waits until it is over', () => {
    const told: unknown[] = [];
    const { receive, socket } = open({ message: (_, message) => void told.push(message) });
    socket.pause();
    receive({ payload: 'one' }, { opcode: 10 });
    expect([told, socket.isPaused]).toEqual([[], true]);
    socket.resume();
    receive({ payload: 'two' });
    expect(told).toEqual(['one', 'two']);
    socket.terminate();
  });

  it('are kept for what nobody takes', async () => {
    const { receive, socket } = open({});
    receive({ payload: 'one' }, { opcode: 10 });
    const loop = socket[Symbol.asyncIterator]();
    expect(await loop.next()).toEqual({ done: false, value: 'one' });
    socket.terminate();
  });

  it('are kept for a stream until it was read', async () => {
    const made = new Set<unknown>();
    const pieces = vi.spyOn(Consumers.prototype, 'receivePiece');
    const streams: MessageStream[] = [];
    const { receive, socket } = open({ stream: (_, stream) => void streams.push(stream) });
    const count = (): number => {
      for (const context of pieces.mock.contexts) made.add(context);
      return made.size;
    };
    receive({ fin: false, payload: 'one' }, { opcode: 10 }, { opcode: 0, payload: ', whole' });
    receive({ opcode: 10 }, { payload: '' });
    expect([streams.length, count()]).toEqual([1, 1]);
    const read: unknown[] = [];
    for await (const piece of streams[0]!) read.push(piece);
    expect([read, streams.length]).toEqual([['one', ', whole'], 2]);
    streams[1]!.cancel();
    receive({ opcode: 10 }, { payload: 'three' });
    expect([streams.length, count()]).toEqual([3, 2]);
    socket.terminate();
  });

  it('are as good as new ones behind the end: nothing is told twice, nor too early', async () => {
    const told: string[] = [];
    const hooks: Hooks = {
      message() {},
      error(socket) {
        told.push('error begins');
        socket.removeAllListeners('message');
        expect(socket.isPaused).toBe(false);
        told.push('error ends');
      },
      close(socket) {
        told.push('close');
        socket.pause();
        socket.resume();
      },
    };
    const { receive, socket, stream } = open(hooks);
    // What the peer did wrong is told behind a message that is still handled.
    receive({ payload: 'one' });
    receive({ opcode: 3 });
    stream.destroy();
    await turns();
    socket.resume();
    expect(told).toEqual(['error begins', 'error ends', 'close']);
    expect(await socket[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
  });
});
