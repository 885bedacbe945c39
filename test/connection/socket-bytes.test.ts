import { describe, expect, it } from 'vitest';
import { Socket } from '../../src/connection/socket.ts';
import { peerFrame } from '../support/bytes.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { ROLES } from '../support/open-connection.ts';
import { connectionOptions } from '../support/open-socket.ts';

const NO_BYTES = Buffer.alloc(0);

describe.each(ROLES)('the bytes that a %s socket hands out', (role) => {
  it('copies a small binary out of its chunk', () => {
    const { stream } = memoryStream();
    const socket = new Socket(role, stream, connectionOptions(), NO_BYTES);
    const kept: Buffer[] = [];
    socket.on('message', (message) => {
      if (typeof message !== 'string') kept.push(message);
    });
    const small = peerFrame(role, { opcode: 2, payload: Buffer.from([1, 2, 3, 4, 5]) });
    const chunk = Buffer.alloc(64 * 1024);
    const filler = peerFrame(role, { opcode: 2, payload: Buffer.alloc(65_000, 7) });
    small.copy(chunk);
    filler.copy(chunk, small.length);
    stream.emit('data', chunk.subarray(0, small.length + filler.length));
    expect(kept.map(({ length }) => length)).toEqual([5, 65_000]);
    expect(kept[0]!.buffer).not.toBe(chunk.buffer);
    chunk.fill(0xee);
    expect(kept[0]).toEqual(Buffer.from([1, 2, 3, 4, 5]));
    socket.terminate();
  });

  it('gives out a binary that fills its chunk without a copy', () => {
    const { stream } = memoryStream();
    const socket = new Socket(role, stream, connectionOptions(), NO_BYTES);
    const kept: (string | Buffer)[] = [];
    socket.on('message', (message) => kept.push(message));
    const chunk = peerFrame(role, { opcode: 2, payload: Buffer.alloc(60_000, 7) });
    stream.emit('data', chunk);
    const [message] = kept;
    expect(Buffer.isBuffer(message) && message.buffer === chunk.buffer).toBe(true);
    expect(message).toEqual(Buffer.alloc(60_000, 7));
    socket.terminate();
  });

  it('keeps every binary of a fragmented message apart from the next one', () => {
    const { stream } = memoryStream();
    const socket = new Socket(role, stream, connectionOptions(), NO_BYTES);
    const kept: (string | Buffer)[] = [];
    socket.on('message', (message) => kept.push(message));
    for (const byte of [1, 2]) {
      stream.emit('data', peerFrame(role, { opcode: 2, fin: false, payload: bytes(byte, 70) }));
      stream.emit('data', peerFrame(role, { opcode: 0, payload: bytes(byte, 30) }));
    }
    expect(kept).toEqual([bytes(1, 100), bytes(2, 100)]);
    socket.terminate();
  });
  it.each([
    ['Ping', 9, 'ping'],
    ['Pong', 10, 'pong'],
  ] as const)(
    'leaves the payload of a %s that came in pieces alone when the next one comes',
    (_name, opcode, event) => {
      const { stream } = memoryStream();
      const socket = new Socket(role, stream, connectionOptions(), NO_BYTES);
      const payloads: Buffer[] = [];
      socket.on(event, (payload) => payloads.push(payload));
      for (const byte of [1, 2]) {
        const frame = peerFrame(role, { opcode, payload: bytes(byte, 100) });
        stream.emit('data', frame.subarray(0, 50));
        stream.emit('data', frame.subarray(50));
      }
      expect(payloads).toEqual([bytes(1, 100), bytes(2, 100)]);
      socket.terminate();
    },
  );
});

describe.each(ROLES)('the bytes behind the handshake of a %s', (role) => {
  it('are left as they are: they belong to whoever read the request', async () => {
    const { stream } = memoryStream();
    const head = peerFrame(role, { payload: 'mine' });
    const before = Buffer.from(head);
    const socket = new Socket(role, stream, connectionOptions(), head);
    await tick();
    expect(head).toEqual(before);
    socket.terminate();
  });

  it('come before those of the transport, wherever a frame is cut', async () => {
    const wire = Buffer.concat([
      peerFrame(role, { payload: 'one' }),
      peerFrame(role, { opcode: 2, payload: bytes(3, 200) }),
    ]);
    const pairs = [...wire.keys()].map(async (cut) => {
      const { stream } = memoryStream();
      stream.push(Buffer.from(wire.subarray(cut)));
      const socket = new Socket(role, stream, connectionOptions(), wire.subarray(0, cut));
      const messages = await collect(socket, 2);
      socket.terminate();
      return messages;
    });
    const expected = ['one', bytes(3, 200)];
    for (const messages of await Promise.all(pairs)) expect(messages).toEqual(expected);
  });

  it('come first even where the transport speaks before the tick is over', async () => {
    const wire = peerFrame(role, { payload: 'one message' });
    const { stream } = memoryStream();
    const socket = new Socket(role, stream, connectionOptions(), wire.subarray(0, 4));
    const messages: unknown[] = [];
    socket.on('message', (message) => messages.push(message));
    stream.emit('data', wire.subarray(4));
    await tick();
    expect(messages).toEqual(['one message']);
    socket.terminate();
  });
});

function bytes(byte: number, size: number): Buffer {
  return Buffer.alloc(size, byte);
}

/** The next `count` messages. */
async function collect(socket: Socket, count: number): Promise<(string | Buffer)[]> {
  const messages: (string | Buffer)[] = [];
  await new Promise<void>((resolve) => {
    socket.on('message', (message) => {
      messages.push(message);
      if (messages.length === count) resolve();
    });
  });
  return messages;
}

/** Resolves when what was put off to the next tick has run. */
async function tick(): Promise<void> {
  await new Promise<void>((resolve) => {
    process.nextTick(resolve);
  });
}
