import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import type { Role } from '../../src/connection/handler.ts';
import type { Bytes } from '../../src/connection/payload.ts';
import type { Socket } from '../../src/connection/socket.ts';
import { hex, peerFrame } from '../support/bytes.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { ROLES } from '../support/open-connection.ts';
import { type OpenSocket, makeSocket, openSocket } from '../support/open-socket.ts';

const opened: OpenSocket[] = [];

async function open(role: Role): Promise<OpenSocket> {
  const side = await openSocket(role);
  opened.push(side);
  return side;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((side) => side.dispose()));
});

/** What surrounds a view in its memory, and must never be sent. */
const SECRET = 'secret';

/** These bytes, in every form that bytes have: some of them views inside of more. */
function formsOf(bytes: Buffer): [name: string, data: Bytes][] {
  const secret = Buffer.from(SECRET);
  const whole = Uint8Array.from(bytes);
  const at = 8;
  const memory = new ArrayBuffer(at + bytes.length + secret.length);
  const shared = new SharedArrayBuffer(memory.byteLength);
  const exact = new SharedArrayBuffer(bytes.length);
  for (const each of [memory, shared]) Buffer.from(each).fill(SECRET);
  for (const each of [memory, shared]) new Uint8Array(each).set(bytes, at);
  new Uint8Array(exact).set(bytes);
  const forms: [string, Bytes][] = [
    ['a Buffer', bytes],
    ['a slice of a Buffer', Buffer.concat([secret, bytes, secret]).subarray(6, 6 + bytes.length)],
    ['a Uint8Array', whole],
    ['a part of a Uint8Array', new Uint8Array(memory, at, bytes.length)],
    ['a Uint8ClampedArray', new Uint8ClampedArray(memory, at, bytes.length)],
    ['an Int8Array', new Int8Array(memory, at, bytes.length)],
    ['a DataView', new DataView(memory, at, bytes.length)],
    ['an ArrayBuffer', whole.buffer],
    ['a SharedArrayBuffer', exact],
    ['a part of shared memory', new Uint8Array(shared, at, bytes.length)],
    ['a DataView of shared memory', new DataView(shared, at, bytes.length)],
    ['a Buffer of shared memory', Buffer.from(shared, at, bytes.length)],
  ];
  for (const View of [Uint16Array, Int32Array, Float32Array, Float64Array, BigUint64Array]) {
    const length = bytes.length / View.BYTES_PER_ELEMENT;
    if (Number.isInteger(length)) forms.push([`a ${View.name}`, new View(memory, at, length)]);
  }
  return forms;
}

describe.each(ROLES)('the bytes that a %s socket sends', (role) => {
  it.each([0, 8, 120, 16_376, 16_384, 100_000])(
    'are exactly those that it was given, in all forms of %d bytes',
    async (size) => {
      const { socket, peer } = await open(role);
      const payload = Buffer.from(Array.from({ length: size }, (_, i) => (i * 7) & 0x7f));
      for (const [name, data] of formsOf(payload)) {
        expect(socket.send(data)).toBeTypeOf('boolean');
        socket.sendBinary(data);
        socket.sendText(data);
        const frames = await peer.readFrames(3);
        expect(frames.map(({ opcode, fin }) => [opcode, fin])).toEqual([
          [2, true],
          [2, true],
          [1, true],
        ]);
        for (const frame of frames) expect(frame.payload.equals(payload), name).toBe(true);
      }
    },
  );

  it.each([0, 8, 120])(
    'are those of a control frame too, in all forms of %d bytes',
    async (size) => {
      const { socket, peer } = await open(role);
      const payload = Buffer.from(Array.from({ length: size }, (_, i) => 255 - i));
      for (const [name, data] of formsOf(payload)) {
        void socket.ping(data);
        expect(socket.pong(data)).toBe(true);
        const frames = await peer.readFrames(2);
        expect(frames.map(({ opcode }) => opcode)).toEqual([9, 10]);
        for (const frame of frames) expect(frame.payload.equals(payload), name).toBe(true);
        // Answered, since no more than 64 may wait for their Pong.
        await peer.write(peerFrame(role, { opcode: 10, payload }));
      }
    },
  );

  it('are those of the reason of a Close, in all forms', async () => {
    const reason = Buffer.from('\ufeffgrüße, 世界.\0');
    const padded = Buffer.concat([reason, Buffer.alloc(8 - (reason.length % 8), '.')]);
    await Promise.all(
      formsOf(padded).map(async ([name, data]) => {
        const side = await open(role);
        void side.socket.close(4000, data);
        const { opcode, payload } = await side.frame();
        expect([opcode, payload], name).toEqual([8, Buffer.concat([hex('0f a0'), padded])]);
      }),
    );
  });

  it('are UTF-8 where a string is given, in control frames too', async () => {
    const side = await open(role);
    const { socket, peer } = side;
    socket.send('é');
    socket.sendBinary('é');
    void socket.ping('é');
    socket.pong('é\ud800');
    void socket.close(1000, 'é');
    const frames = await peer.readFrames(5);
    expect(frames.map(({ opcode, payload }) => `${opcode} ${payload.toString('hex')}`)).toEqual([
      '1 c3a9',
      '2 c3a9',
      '9 c3a9',
      '10 c3a9efbfbd',
      '8 03e8c3a9',
    ]);
  });

  it('may belong to another realm', async () => {
    const { socket, peer } = await open(role);
    const foreign = runInNewContext('new Uint8Array([9, 1, 2, 9]).subarray(1, 3)');
    socket.send(foreign);
    socket.send(foreign.buffer);
    void socket.ping(foreign);
    const frames = await peer.readFrames(3);
    expect(frames.map(({ payload }) => payload.toString('hex'))).toEqual([
      '0102',
      '09010209',
      '0102',
    ]);
  });
});

/** The callers without types, who pass what is no bytes: once that sent memory of the process. */
const NOT_BYTES: readonly (readonly [string, unknown])[] = [
  ['a number', 100],
  ['zero', 0],
  ['NaN', Number.NaN],
  ['true', true],
  ['null', null],
  ['a bigint', 5n],
  ['a symbol', Symbol('bytes')],
  ['a function', () => 'x'],
  ['an object', {}],
  ['an object that looks like a buffer', { type: 'Buffer', data: [1], byteLength: 1 }],
  ['an object with a length', { length: 16, 0: 1 }],
  ['a Date', new Date(0)],
  ['a promise', Promise.resolve('x')],
];

describe.each(ROLES)('a caller of a %s socket who gives', (role) => {
  it.each(NOT_BYTES)('%s gets a TypeError at once, and nothing is sent', async (_, data) => {
    const side = await open(role);
    const { socket, peer } = side;
    for (const name of ['send', 'sendText', 'sendBinary', 'ping', 'pong'] as const) {
      expect(() => Reflect.apply(socket[name].bind(socket), null, [data]), name).toThrow(TypeError);
    }
    expect(() => Reflect.apply(socket.close.bind(socket), null, [1000, data])).toThrow(TypeError);
    if (typeof data !== 'number') {
      expect(() => Reflect.apply(socket.close.bind(socket), null, [data])).toThrow(TypeError);
    }
    expect([socket.readyState, socket.bufferedAmount]).toEqual([1, 0]);
    socket.send('nothing before this');
    expect((await peer.readFrames(1))[0]?.payload.toString()).toBe('nothing before this');
  });

  it('nothing at all gets a TypeError, where something is needed', async () => {
    const { socket } = await open(role);
    for (const name of ['send', 'sendText', 'sendBinary'] as const) {
      expect(() => Reflect.apply(socket[name].bind(socket), null, []), name).toThrow(TypeError);
    }
    expect([socket.readyState, socket.bufferedAmount]).toEqual([1, 0]);
  });

  it('a text or a reason that is no UTF-8 gets a TypeError, and nothing is sent', async () => {
    const { socket, peer } = await open(role);
    for (const invalid of ['ff', 'c3', 'ed a0 80', '61 f0 9f 98']) {
      for (const [, data] of formsOf(hex(invalid))) {
        expect(() => socket.sendText(data)).toThrow(TypeError);
        expect(() => socket.close(1000, data)).toThrow(TypeError);
      }
    }
    socket.send('nothing before this');
    expect((await peer.readFrames(1))[0]?.payload.toString()).toBe('nothing before this');
  });

  it('too much for a control frame gets a RangeError, and nothing is sent', async () => {
    const { socket, peer } = await open(role);
    const large = 'é'.repeat(63);
    for (const data of [large, Buffer.from(large), new Uint16Array(63)]) {
      expect(() => socket.ping(data)).toThrow(RangeError);
      expect(() => socket.pong(data)).toThrow(RangeError);
    }
    for (const reason of [large, Buffer.from(large), new Uint32Array(31)]) {
      expect(() => socket.close(1000, reason)).toThrow(RangeError);
    }
    expect(socket.readyState).toBe(1);
    socket.send('nothing before this');
    expect((await peer.readFrames(1))[0]?.payload.toString()).toBe('nothing before this');
  });

  it('what is wrong is told so after the end of the socket, too', async () => {
    const side = await open(role);
    const { socket } = side;
    await side.dispose();
    expect(socket.readyState).toBe(3);
    for (const name of ['send', 'sendText', 'sendBinary', 'ping', 'pong'] as const) {
      expect(() => Reflect.apply(socket[name].bind(socket), null, [5]), name).toThrow(TypeError);
    }
    expect(() => socket.close(1005)).toThrow(RangeError);
    expect(() => socket.ping(Buffer.alloc(126))).toThrow(RangeError);
    expect(() => socket.pong(Buffer.alloc(126))).toThrow(RangeError);
    expect(socket.send(hex('00'))).toBe(false);
    expect(await socket.close(1000)).toMatchObject({ code: 1006 });
  });
});

describe.each(ROLES)('the bytes that a %s socket hands out', (role) => {
  it('copies a small binary out of its chunk', () => {
    const { stream } = memoryStream();
    const socket = makeSocket(role, stream);
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
    const socket = makeSocket(role, stream);
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
    const socket = makeSocket(role, stream);
    const kept: (string | Buffer)[] = [];
    socket.on('message', (message) => kept.push(message));
    for (const byte of [1, 2]) {
      stream.emit('data', peerFrame(role, { opcode: 2, fin: false, payload: filled(byte, 70) }));
      stream.emit('data', peerFrame(role, { opcode: 0, payload: filled(byte, 30) }));
    }
    expect(kept).toEqual([filled(1, 100), filled(2, 100)]);
    socket.terminate();
  });
  it.each([
    ['Ping', 9, 'ping'],
    ['Pong', 10, 'pong'],
  ] as const)(
    'leaves the payload of a %s that came in pieces alone when the next one comes',
    (_name, opcode, event) => {
      const { stream } = memoryStream();
      const socket = makeSocket(role, stream);
      const payloads: Buffer[] = [];
      socket.on(event, (payload) => payloads.push(payload));
      for (const byte of [1, 2]) {
        const frame = peerFrame(role, { opcode, payload: filled(byte, 100) });
        stream.emit('data', frame.subarray(0, 50));
        stream.emit('data', frame.subarray(50));
      }
      expect(payloads).toEqual([filled(1, 100), filled(2, 100)]);
      socket.terminate();
    },
  );
});

describe.each(ROLES)('the bytes behind the handshake of a %s', (role) => {
  it('are left as they are: they belong to whoever read the request', async () => {
    const { stream } = memoryStream();
    const head = peerFrame(role, { payload: 'mine' });
    const before = Buffer.from(head);
    const socket = makeSocket(role, stream, {}, head);
    await tick();
    expect(head).toEqual(before);
    socket.terminate();
  });

  it('come before those of the transport, wherever a frame is cut', async () => {
    const wire = Buffer.concat([
      peerFrame(role, { payload: 'one' }),
      peerFrame(role, { opcode: 2, payload: filled(3, 200) }),
    ]);
    const pairs = [...wire.keys()].map(async (cut) => {
      const { stream } = memoryStream();
      stream.push(Buffer.from(wire.subarray(cut)));
      const socket = makeSocket(role, stream, {}, wire.subarray(0, cut));
      const messages = await collect(socket, 2);
      socket.terminate();
      return messages;
    });
    const expected = ['one', filled(3, 200)];
    for (const messages of await Promise.all(pairs)) expect(messages).toEqual(expected);
  });

  it('come first even where the transport speaks before the tick is over', async () => {
    const wire = peerFrame(role, { payload: 'one message' });
    const { stream } = memoryStream();
    const socket = makeSocket(role, stream, {}, wire.subarray(0, 4));
    const messages: unknown[] = [];
    socket.on('message', (message) => messages.push(message));
    stream.emit('data', wire.subarray(4));
    await tick();
    expect(messages).toEqual(['one message']);
    socket.terminate();
  });
});

function filled(byte: number, size: number): Buffer {
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
