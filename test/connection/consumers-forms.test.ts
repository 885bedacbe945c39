import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/connection/delivery.ts';
import type { MessageStream } from '../../src/connection/message-stream.ts';
import { openLive, turns } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

async function readAll(stream: MessageStream): Promise<unknown[]> {
  const pieces: unknown[] = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}

describe.each(ROLES)('messages that waited in a %s', (role) => {
  it('whole are given as streams, where that is what is wanted by then', async () => {
    const live = await openLive(role);
    await live.send(
      { payload: 'text' },
      { opcode: 2, payload: 'bytes' },
      { payload: '' },
      { fin: false, payload: 'frag' },
      { opcode: 0, payload: 'ments' },
    );
    await live.readAll();
    const got: unknown[] = [];
    live.onStream(async (stream) => {
      got.push([stream.binary, await readAll(stream)]);
    });
    await live.sendTexts('late');
    await live.readAll();
    expect(got).toEqual([
      [false, ['text']],
      [true, [Buffer.from('bytes')]],
      [false, []],
      [false, ['fragments']],
      [false, ['late']],
    ]);
  });

  it('whole count for the queue as long as they are not read as streams', async () => {
    const live = await openLive(role, { options: { maxQueueSize: 100 } });
    await live.sendTexts('a'.repeat(60));
    await live.readAll();
    await live.sendTexts('b'.repeat(60));
    while (!live.near.isPaused()) await turns(1);
    const streams: MessageStream[] = [];
    live.socket.on('stream', (stream) => void streams.push(stream));
    await turns();
    expect(await readAll(streams[0]!)).toEqual(['a'.repeat(60)]);
    await turns();
    expect(await readAll(streams[1]!)).toEqual(['b'.repeat(60)]);
    expect(live.near.isPaused()).toBe(false);
  });

  it.each(['string', 'buffer'] as const)(
    'as streams are given whole, where that is what is wanted by then (text: %s)',
    async (text) => {
      const live = await openLive(role, { options: { text } });
      const streams: MessageStream[] = [];
      const listen = (stream: MessageStream): void => void streams.push(stream);
      live.socket.on('stream', listen);
      await live.send({ payload: 'first' }, { payload: 'é' }, { opcode: 2, payload: 'bytes' });
      await live.send({ fin: false, payload: 'in ' });
      await live.readAll();
      live.socket.off('stream', listen);
      const got: [Message, boolean][] = [];
      live.socket.on('message', (message, binary) => void got.push([message, binary]));
      expect(await readAll(streams[0]!)).toHaveLength(1);
      await live.send({ opcode: 0, payload: 'parts' }, { payload: 'whole' });
      await live.readAll();
      await turns(20);
      const asText = (value: string): Message => (text === 'string' ? value : Buffer.from(value));
      expect(got).toEqual([
        [asText('é'), false],
        [Buffer.from('bytes'), true],
        [asText('in parts'), false],
        [asText('whole'), false],
      ]);
    },
  );

  it('are given to a listener for one stream, and then to one for messages', async () => {
    const live = await openLive(role);
    const got: unknown[] = [];
    const listen = async (stream: MessageStream): Promise<unknown> =>
      got.push(await readAll(stream));
    live.socket.once('stream', (stream): unknown => listen(stream));
    await live.sendTexts('1', '2', '3');
    await live.readAll();
    live.socket.on('message', (message) => void got.push(message));
    await live.sendTexts('4');
    await live.readAll();
    await turns(20);
    expect(got).toEqual([['1'], '2', '3', '4']);
  });

  it('as streams that were cut are given to nobody who wants them whole', async () => {
    const live = await openLive(role);
    const streams: MessageStream[] = [];
    live.socket.once('stream', (stream) => void streams.push(stream));
    live.socket.once('stream', () => {});
    await live.sendTexts('first');
    await live.readAll();
    live.socket.on('stream', () => {});
    await live.send({ payload: 'whole' }, { fin: false, payload: 'half' });
    await live.readAll();
    live.socket.removeAllListeners('stream');
    const got: unknown[] = [];
    live.socket.on('message', (message) => void got.push(message));
    live.peer.reset();
    await live.socket.closed;
    streams[0]!.cancel();
    expect(await live.closed).toEqual([1006, '', false]);
    await turns();
    expect(got).toEqual(['whole']);
  });

  it('as a stream is not lost with a loop that is left before it has ended', async () => {
    const live = await openLive(role);
    const streams: MessageStream[] = [];
    live.socket.on('stream', (stream) => void streams.push(stream));
    await live.send({ payload: 'first' }, { fin: false, payload: 'in ' });
    await live.readAll();
    live.socket.removeAllListeners('stream');
    streams[0]!.cancel();
    const iterator = live.socket[Symbol.asyncIterator]();
    const read = iterator.next();
    await turns();
    await iterator.return?.();
    expect((await read).done).toBe(true);
    await live.send({ opcode: 0, payload: 'parts' }, { payload: 'behind' });
    await live.readAll();
    const got: unknown[] = [];
    live.socket.on('message', (message) => void got.push(message));
    await turns(20);
    expect(got).toEqual(['in parts', 'behind']);
  });

  it('are given to all listeners that are added in one turn, and to none inside of `on`', async () => {
    const live = await openLive(role);
    await live.sendTexts('1', '2');
    await live.readAll();
    const got: string[] = [];
    live.socket.on('message', (message) => void got.push(`first ${message.toString()}`));
    live.socket.on('message', (message) => void got.push(`second ${message.toString()}`));
    expect(got).toEqual([]);
    await turns(1);
    expect(got).toEqual(['first 1', 'second 1', 'first 2', 'second 2']);
  });

  it('wait on where the listener is gone before the turn ends', async () => {
    const live = await openLive(role);
    await live.sendTexts('1');
    await live.readAll();
    const never = (): void => {
      throw new Error('it was removed');
    };
    live.socket.on('message', never);
    live.socket.off('message', never);
    await turns();
    const got: unknown[] = [];
    live.socket.on('message', (message) => void got.push(message));
    await turns();
    expect(got).toEqual(['1']);
  });
});
