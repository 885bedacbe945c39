/** RFC 6455, sections 5.1 and 5.2: masks in the right direction, and the header of a frame. */
import { createServer as createTlsServer } from 'node:tls';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Role } from '../../src/connection/handler.ts';
import { OPCODE } from '../../src/frame/opcode.ts';
import {
  type RawFrame,
  type ReadFrame,
  closeBody,
  hex,
  maskedFrame,
  peerFrame,
  rawFrame,
} from '../support/bytes.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';
import { openPair, startServer } from '../support/open-pair.ts';
import { rawRequest, rawResponse } from '../support/raw-http.ts';
import { RawListener, RawPeer, listenOn } from '../support/raw-peer.ts';
import { type ThinClient, connectThinly } from '../support/thin-client.ts';

const ALL_OPCODES = [0x0, 0x1, 0x2, 0x8, 0x9, 0xa];

/** Sends a frame of every kind, small and large, as messages, fragments, answers and a Close. */
function sendEverything(open: OpenConnection): ReadFrame[] {
  const { connection } = open;
  connection.send(OPCODE.TEXT, 'text');
  connection.send(OPCODE.TEXT, 'ü'.repeat(100));
  connection.send(OPCODE.BINARY, Buffer.from([1, 2, 3]));
  connection.send(OPCODE.TEXT, '');
  connection.send(OPCODE.BINARY, Buffer.alloc(0));
  connection.send(OPCODE.BINARY, Buffer.alloc(20_000, 1));
  connection.send(OPCODE.BINARY, Buffer.alloc(70_000, 2));
  connection.send(OPCODE.TEXT, 'x'.repeat(70_000));
  connection.sendFragment(OPCODE.TEXT, 'frag', false);
  connection.ping(Buffer.from('ping'));
  connection.send(OPCODE.TEXT, 'waits for its turn');
  connection.sendFragment(OPCODE.TEXT, 'ment', true);
  connection.pong();
  open.receiveFrames({ opcode: 9, payload: 'answered by a Pong' });
  open.receiveFrames({ opcode: 8, payload: closeBody(1000) });
  return open.sent();
}

/** A violation ends the connection with this close code, and nothing is delivered. */
function expectFailure(open: OpenConnection, code: string, closeCode: number): void {
  expect(open.events).toEqual([`error ${code}`]);
  const sent = open.sent();
  expect(sent.map(({ opcode }) => opcode)).toEqual([8]);
  expect(sent[0]!.payload.subarray(0, 2)).toEqual(closeBody(closeCode));
  expect(open.transport.ended).toBe(true);
}

function expectRefused(role: Role, frame: Buffer, code: string, closeCode: number): void {
  const whole = new OpenConnection(role);
  whole.receive(frame);
  expectFailure(whole, code, closeCode);
  // Byte by byte, where no later byte can be needed for the judgement than the last of the head.
  const slow = new OpenConnection(role);
  for (const byte of frame) slow.receive(Buffer.from([byte]));
  expectFailure(slow, code, closeCode);
}

/** Opens a client whose server answers with `wire`, in one piece. */
async function answer(wire: (response: Buffer) => Buffer[]): Promise<ThinClient> {
  const listener = await RawListener.listen();
  const opening = connectThinly(`ws://127.0.0.1:${listener.port}/`);
  const peer = await listener.accept();
  const request = await peer.readHead();
  const response = Buffer.from(rawResponse(request.getAll('sec-websocket-key')[0]!));
  await peer.write(Buffer.concat(wire(response)));
  return await opening;
}

describe('section 5.1', () => {
  it('6455-5.1-01 client: masks every frame', () => {
    const sent = sendEverything(new OpenConnection('client'));
    expect(sent.map(({ opcode }) => opcode)).toEqual([
      1, 1, 2, 1, 2, 2, 2, 1, 1, 9, 0, 1, 10, 10, 8,
    ]);
    expect(sent.map(({ masked }) => masked)).toEqual(sent.map(() => true));
    expect(sent[0]!.payload.toString()).toBe('text');
    expect(sent[6]!.payload.equals(Buffer.alloc(70_000, 2))).toBe(true);
  });

  it('6455-5.1-01 client: masks every frame over TLS, too', async () => {
    let accept: (peer: RawPeer) => void;
    const accepted = new Promise<RawPeer>((resolve) => (accept = resolve));
    const listener = createTlsServer({ key: KEY, cert: CERTIFICATE }, (transport) => {
      accept(new RawPeer(transport));
    });
    const opening = connectThinly(`wss://127.0.0.1:${await listenOn(listener)}/`);
    const peer = await accepted;
    const request = await peer.readHead();
    await peer.write(rawResponse(request.getAll('sec-websocket-key')[0]!));
    const { socket } = await opening;
    socket.send('text');
    socket.send(Buffer.alloc(70_000, 1));
    void socket.ping();
    void socket.close(1000);
    const frames = await peer.readFrames(4);
    expect(frames.map(({ opcode, masked }) => [opcode, masked])).toEqual([
      [1, true],
      [2, true],
      [9, true],
      [8, true],
    ]);
    expect(frames[0]!.payload.toString()).toBe('text');
  });

  it.each(ALL_OPCODES)(
    '6455-5.1-02 server: fails on an unmasked frame with opcode %d',
    (opcode) => {
      expectRefused('server', rawFrame({ opcode }), 'WS_ERR_MASK_MISSING', 1002);
      expectRefused(
        'server',
        rawFrame({ opcode, payload: '\x03\xe8' }),
        'WS_ERR_MASK_MISSING',
        1002,
      );
    },
  );

  it('6455-5.1-02 server: closes TCP after an unmasked frame', async () => {
    const { peer, log } = await openPair('server');
    await peer.write(rawFrame({ payload: 'Hello' }));
    const [close] = await peer.readFrames(1);
    expect(close!.payload.subarray(0, 2)).toEqual(closeBody(1002));
    expect(await peer.readToEnd()).toHaveLength(0);
    peer.end();
    expect(await log.until('close')).toBe('close 1006  unclean');
  });

  it('6455-5.1-03 server: masks no frame', () => {
    const sent = sendEverything(new OpenConnection('server'));
    expect(sent.map(({ opcode }) => opcode)).toEqual([
      1, 1, 2, 1, 2, 2, 2, 1, 1, 9, 0, 1, 10, 10, 8,
    ]);
    expect(sent.map(({ masked }) => masked)).toEqual(sent.map(() => false));
    expect(sent[6]!.payload.equals(Buffer.alloc(70_000, 2))).toBe(true);
  });

  it.each(ALL_OPCODES)('6455-5.1-04 client: fails on a masked frame with opcode %d', (opcode) => {
    expectRefused('client', maskedFrame({ opcode }), 'WS_ERR_MASK_UNEXPECTED', 1002);
    // A key of zeros changes no byte, and is a mask all the same.
    const key = Buffer.alloc(4);
    expectRefused('client', rawFrame({ opcode, key }), 'WS_ERR_MASK_UNEXPECTED', 1002);
  });

  it('6455-5.1-04 client: closes TCP after a masked frame', async () => {
    const { peer, log } = await openPair('client');
    await peer.write(maskedFrame({ payload: 'Hello' }));
    const [close] = await peer.readFrames(1);
    expect(close!.payload.subarray(0, 2)).toEqual(closeBody(1002));
    expect(await peer.readToEnd()).toHaveLength(0);
    peer.end();
    expect(await log.until('close')).toBe('close 1006  unclean');
  });

  it.each(ROLES)('6455-5.1-05 %s: sends no data after its Close', (role) => {
    const open = new OpenConnection(role);
    const { connection } = open;
    connection.sendFragment(OPCODE.TEXT, 'begun', false);
    connection.send(OPCODE.TEXT, 'waits');
    connection.close(1000);
    expect(connection.send(OPCODE.TEXT, 'late')).toBe(false);
    expect(connection.send(OPCODE.BINARY, Buffer.alloc(100_000))).toBe(false);
    expect(connection.sendFragment(OPCODE.TEXT, 'late', true)).toBe(false);
    expect(connection.ping()).toBe(false);
    open.receiveFrames({ payload: 'the peer goes on' });
    connection.send(OPCODE.TEXT, 'later');
    connection.receiveDrain();
    expect(open.sent().map(({ opcode }) => opcode)).toEqual([1, 8]);
  });

  it('6455-5.1-05 server: sends and takes no data before its answer', async () => {
    const { server, port } = await startServer();
    server.on('connection', (socket) => {
      socket.send('first');
      socket.on('message', (message) => socket.send(`you said ${String(message)}`));
    });
    const peer = await RawPeer.connect(port);
    const wire = [Buffer.from(rawRequest()), maskedFrame({ payload: 'too early' })];
    await peer.write(Buffer.concat(wire).subarray(0, -1));
    expect((await peer.readHead()).status).toBe(101);
    await peer.write(Buffer.concat(wire).subarray(-1));
    const frames = await peer.readFrames(2);
    expect(frames.map(({ payload }) => payload.toString())).toEqual([
      'first',
      'you said too early',
    ]);
  });

  it('6455-5.1-05 client: takes data right behind the answer, and none before it', async () => {
    const frame = rawFrame({ payload: 'hi' });
    const { log } = await answer((response) => [response, frame]);
    await log.until('text hi');
    const early = answer((response) => [frame, response]);
    await expect(early).rejects.toMatchObject({ name: 'HandshakeError' });
  });
});

describe('section 5.2, the first two bytes', () => {
  it.each(ROLES)('6455-5.2-01 %s: fails on every reserved bit, on every frame', (role) => {
    for (let rsv = 1; rsv < 8; rsv++) {
      for (const opcode of ALL_OPCODES) {
        expectRefused(role, peerFrame(role, { rsv, opcode }), 'WS_ERR_RESERVED_BITS', 1002);
      }
    }
  });

  it.each(ROLES)('6455-5.2-01 %s: fails on a reserved bit between good frames', (role) => {
    const open = new OpenConnection(role);
    open.receiveFrames({ fin: false, payload: 'a' }, { opcode: 9 });
    open.receiveFrames({ opcode: 0, rsv: 4, payload: 'b' }, { payload: 'not heard' });
    expect(open.events).toEqual(['ping ', 'error WS_ERR_RESERVED_BITS']);
  });

  it.each(ROLES)('6455-5.2-01 %s: sets no reserved bit', (role) => {
    const sent = sendEverything(new OpenConnection(role));
    expect(sent.map(({ rsv }) => rsv)).toEqual(sent.map(() => 0));
  });

  it.each(ROLES)('6455-5.2-02 %s: fails on every unknown opcode', (role) => {
    for (const opcode of [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf]) {
      for (const payload of ['', 'Hello']) {
        expectRefused(role, peerFrame(role, { opcode, payload }), 'WS_ERR_RESERVED_OPCODE', 1002);
      }
      const inMessage = new OpenConnection(role);
      inMessage.receiveFrames({ fin: false, payload: 'a' }, { opcode });
      expectFailure(inMessage, 'WS_ERR_RESERVED_OPCODE', 1002);
    }
  });

  it.each(ROLES)('6455-5.2-03 %s: fails where the mask bit does not fit the direction', (role) => {
    const code = role === 'server' ? 'WS_ERR_MASK_MISSING' : 'WS_ERR_MASK_UNEXPECTED';
    const wrong = (frame: RawFrame): Buffer =>
      peerFrame(role === 'server' ? 'client' : 'server', frame);
    for (const opcode of ALL_OPCODES) {
      for (const size of [0, 1, 125]) {
        expectRefused(role, wrong({ opcode, payload: Buffer.alloc(size) }), code, 1002);
      }
    }
    const later = new OpenConnection(role);
    later.receiveFrames({ payload: 'good' });
    later.receive(wrong({ payload: 'bad' }));
    expect(later.events).toEqual(['text good', `error ${code}`]);
  });

  it.each(ROLES)('6455-5.2-03 %s: sends the mask bit of its direction', (role) => {
    const sent = sendEverything(new OpenConnection(role));
    expect(new Set(sent.map(({ masked }) => masked))).toEqual(new Set([role === 'client']));
  });
});

/** The head of a binary frame whose 64-bit length is written out, and some bytes behind it. */
function hugeFrame(role: Role, length: bigint, rest: string = 'Hello'): Buffer {
  const head = Buffer.alloc(10);
  head.writeUInt16BE(role === 'server' ? 0x82ff : 0x827f);
  head.writeBigUInt64BE(length, 2);
  const key = role === 'server' ? Buffer.alloc(4) : Buffer.alloc(0);
  return Buffer.concat([head, key, Buffer.from(rest)]);
}

describe('section 5.2, the length', () => {
  it.each(ROLES)('6455-5.2-04 %s: fails on a 64-bit length with its top bit set', (role) => {
    for (const length of [2n ** 63n, 2n ** 63n + 5n, 2n ** 64n - 1n]) {
      for (const maxPayload of [1024, Number.POSITIVE_INFINITY]) {
        const open = new OpenConnection(role, { maxPayload });
        open.receive(hugeFrame(role, length));
        expectFailure(open, 'WS_ERR_LENGTH_SIGN_BIT', 1002);
      }
    }
  });

  it.each(ROLES)(
    '6455-5.2-04 %s: fails on a length that it cannot hold, and rounds none',
    (role) => {
      // Nothing above 2^53 - 1 can be counted, whatever the limit is.
      for (const length of [2n ** 53n, 2n ** 53n + 1n, 2n ** 62n, 2n ** 63n - 1n]) {
        for (const maxPayload of [1024, Number.POSITIVE_INFINITY]) {
          const open = new OpenConnection(role, { maxPayload });
          open.receive(hugeFrame(role, length));
          expectFailure(open, 'WS_ERR_MESSAGE_TOO_BIG', 1009);
        }
      }
      for (const length of [2n ** 31n, 2n ** 32n, 2n ** 32n + 5n, 2n ** 53n - 1n]) {
        const open = new OpenConnection(role, { maxPayload: 2 ** 20 });
        open.receive(hugeFrame(role, length));
        expectFailure(open, 'WS_ERR_MESSAGE_TOO_BIG', 1009);
      }
    },
  );

  it.each(ROLES)('6455-5.2-04 %s: does not take the low 32 bits for the length', (role) => {
    for (const length of [2n ** 31n + 5n, 2n ** 32n + 5n, 2n ** 52n + 5n]) {
      const open = new OpenConnection(role, { maxPayload: Number.POSITIVE_INFINITY });
      open.receive(hugeFrame(role, length, 'Hello'));
      open.receive(Buffer.from('not the head of the next frame'));
      expect(open.events).toEqual([]);
      expect(open.sent()).toEqual([]);
    }
  });

  it.each(ROLES)('6455-5.2-05 %s: writes lengths in network byte order', (role) => {
    const mask = role === 'client' ? 0x80 : 0;
    const expected: [number, number[]][] = [
      [0, [mask]],
      [1, [mask | 1]],
      [125, [mask | 125]],
      [126, [mask | 126, 0, 126]],
      [0x0102, [mask | 126, 1, 2]],
      [0xffff, [mask | 126, 0xff, 0xff]],
      [0x10000, [mask | 127, 0, 0, 0, 0, 0, 1, 0, 0]],
      [0x010203, [mask | 127, 0, 0, 0, 0, 0, 1, 2, 3]],
    ];
    for (const [size, bytes] of expected) {
      for (const data of [Buffer.alloc(size), 'x'.repeat(size)]) {
        const open = new OpenConnection(role);
        const opcode = typeof data === 'string' ? OPCODE.TEXT : OPCODE.BINARY;
        open.connection.send(opcode, data);
        open.connection.flush();
        const { wire } = open.transport;
        expect([...wire.subarray(0, 1 + bytes.length)]).toEqual([0x80 | opcode, ...bytes]);
        expect(wire).toHaveLength(1 + bytes.length + (mask === 0 ? 0 : 4) + size);
      }
    }
  });

  it.each(ROLES)('6455-5.2-05 %s: writes every length in its shortest form', (role) => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.nat({ max: 140_000 }),
          fc.constantFrom(124, 125, 126, 127, 65_534, 65_535, 65_536, 65_537),
        ),
        // One, two, three and four bytes of UTF-8: the length is that of the bytes.
        fc.constantFrom('binary', 'x', 'ü', '€', '🌍'),
        (size, kind) => {
          const open = new OpenConnection(role);
          if (kind === 'binary') {
            open.connection.send(OPCODE.BINARY, Buffer.alloc(size));
          } else {
            const whole = Math.floor(size / Buffer.byteLength(kind));
            const rest = 'x'.repeat(size % Buffer.byteLength(kind));
            open.connection.send(OPCODE.TEXT, kind.repeat(whole) + rest);
          }
          const [frame] = open.sent();
          expect(frame!.payload).toHaveLength(size);
          expect(frame!.lengthBits).toBe(size < 126 ? 7 : size < 65_536 ? 16 : 64);
        },
      ),
      { numRuns: 200 },
    );
  });

  it.each(ROLES)('6455-5.2-06 %s: fails on a length that is longer than it has to be', (role) => {
    for (const size of [0, 1, 125]) {
      const payload = Buffer.alloc(size);
      for (const lengthBits of [16, 64] as const) {
        for (const opcode of [1, 2]) {
          const frame = peerFrame(role, { opcode, payload, lengthBits });
          expectRefused(role, frame, 'WS_ERR_LENGTH_NOT_MINIMAL', 1002);
        }
        const ping = peerFrame(role, { opcode: 9, payload, lengthBits });
        expectRefused(role, ping, 'WS_ERR_CONTROL_TOO_LONG', 1002);
      }
    }
    for (const size of [126, 127, 65_535]) {
      const frame = peerFrame(role, { opcode: 2, payload: Buffer.alloc(size), lengthBits: 64 });
      const open = new OpenConnection(role);
      open.receive(frame);
      expectFailure(open, 'WS_ERR_LENGTH_NOT_MINIMAL', 1002);
    }
  });

  it.each(ROLES)('6455-5.2-06 %s: takes every length at the edge of its form', (role) => {
    for (const size of [0, 1, 125, 126, 127, 65_535, 65_536, 65_537]) {
      const open = new OpenConnection(role);
      open.receiveFrames({ opcode: 2, payload: Buffer.alloc(size, 0xa5) });
      expect(open.events).toEqual([`binary ${'a5'.repeat(size)}`]);
    }
  });

  it.each(ROLES)('6455-5.2-07 %s: counts the payload, and not the masking-key', (role) => {
    const payload = Buffer.alloc(125, 'x');
    const open = new OpenConnection(role);
    open.connection.send(OPCODE.BINARY, payload);
    open.connection.flush();
    const { wire } = open.transport;
    expect(wire.readUInt8(1) & 0x7f).toBe(125);
    expect(wire).toHaveLength(role === 'client' ? 2 + 4 + 125 : 2 + 125);

    // Where the key counted, the next frame would begin four bytes early.
    for (const size of [1, 125, 126, 65_536]) {
      const receiver = new OpenConnection(role);
      const frames = [{ opcode: 2, payload: Buffer.alloc(size, 1) }, { payload: 'next' }];
      receiver.receive(Buffer.concat(frames.map((frame) => peerFrame(role, frame))));
      expect(receiver.events).toEqual([`binary ${'01'.repeat(size)}`, 'text next']);
    }
  });

  it('6455-5.2-05 server: reads lengths in network byte order', () => {
    const open = new OpenConnection('server');
    open.receive(Buffer.concat([hex('82 fe 01 02 00 00 00 00'), Buffer.alloc(0x0102, 7)]));
    open.receive(
      Buffer.concat([hex('82 ff 00 00 00 00 00 01 00 01 00 00 00 00'), Buffer.alloc(65_537)]),
    );
    expect(open.events).toEqual([`binary ${'07'.repeat(258)}`, `binary ${'00'.repeat(65_537)}`]);
  });

  it('6455-5.2-05 client: reads lengths in network byte order', () => {
    const open = new OpenConnection('client');
    open.receive(Buffer.concat([hex('82 7e 01 02'), Buffer.alloc(0x0102, 7)]));
    open.receive(Buffer.concat([hex('82 7f 00 00 00 00 00 01 00 01'), Buffer.alloc(65_537)]));
    expect(open.events).toEqual([`binary ${'07'.repeat(258)}`, `binary ${'00'.repeat(65_537)}`]);
  });
});
