import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ProtocolError } from '../../src/errors.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { type RawFrame, hex } from '../support/bytes.ts';
import { ENGINES, JobWatch, noise } from '../support/deflate-connection.ts';
import { type DeflatingPeer, LARGE, joinDeflating } from '../support/deflate-live.ts';
import { listenLocally } from '../support/joined-peer.ts';

const MAX_PAYLOAD = 1024 * 1024;

/** What inflates to so many bytes. */
function deflated(size: number): Buffer {
  return deflateRawSync(Buffer.alloc(size, 'a'));
}

const HELLO = hex('f2 48 cd c9 c9 07 00');
const BOMB = deflated(512 * 1024 * 1024);
const TOO_MUCH = deflated(MAX_PAYLOAD + 1);

/** Streams of which each is as short as it can be and says that it is the last. */
const EMPTY_STREAMS = Buffer.concat(Array.from({ length: 5000 }, () => hex('03 00')));

function fragments(payload: Buffer, size: number): RawFrame[] {
  const frames: RawFrame[] = [];
  for (let at = 0; at < payload.length; at += size) {
    frames.push({
      opcode: at === 0 ? 2 : 0,
      rsv: at === 0 ? 4 : 0,
      fin: at + size >= payload.length,
      payload: payload.subarray(at, at + size),
    });
  }
  return frames;
}

const OFFENCES: readonly (readonly [what: string, code: number, frames: RawFrame[]])[] = [
  ['a bomb', 1009, [{ opcode: 2, rsv: 4, payload: BOMB }]],
  ['a bomb in fragments', 1009, fragments(BOMB, 100_000)],
  ['one byte too much', 1009, [{ opcode: 2, rsv: 4, payload: TOO_MUCH }]],
  ['one byte too much in fragments', 1009, fragments(TOO_MUCH, 50)],
  [
    'a plain message that is too large',
    1009,
    [{ opcode: 2, payload: Buffer.alloc(MAX_PAYLOAD + 1) }],
  ],
  [
    'so much payload as no message needs',
    1009,
    [{ opcode: 2, rsv: 4, payload: Buffer.alloc(2 * MAX_PAYLOAD) }],
  ],
  ['what is no DEFLATE', 1007, [{ opcode: 2, rsv: 4, payload: hex('ff ff ff') }]],
  ['large what is no DEFLATE', 1007, [{ opcode: 2, rsv: 4, payload: Buffer.alloc(50_000, 0xff) }]],
  ['nothing at all', 1007, [{ opcode: 2, rsv: 4, payload: '' }]],
  ['a message that was cut', 1007, [{ rsv: 4, payload: HELLO.subarray(0, 4) }]],
  [
    'a large message that was cut',
    1007,
    [{ rsv: 4, payload: deflateRawSync(noise(200_000)).subarray(0, 60_000) }],
  ],
  ['a stored block that was cut', 1007, [{ rsv: 4, payload: hex('00 05 00 fa ff 48') }]],
  ['a reference to what never was', 1007, [{ rsv: 4, payload: hex('f2 00 11 00 00') }]],
  ['a text that is no UTF-8', 1007, [{ rsv: 4, payload: deflateRawSync(hex('61 c3 28')) }]],
  [
    'RSV1 on a continuation',
    1002,
    [
      { rsv: 4, fin: false, payload: HELLO.subarray(0, 3) },
      { rsv: 4, opcode: 0, payload: HELLO.subarray(3) },
    ],
  ],
  ['RSV1 on a Ping', 1002, [{ rsv: 4, opcode: 9, payload: 'ping' }]],
  ['RSV1 on a Close', 1002, [{ rsv: 4, opcode: 8, payload: hex('03 e8') }]],
  ['RSV2', 1002, [{ rsv: 2, payload: 'text' }]],
  ['RSV1 and RSV3', 1002, [{ rsv: 5, payload: HELLO }]],
];

describe.each(ENGINES)('a server with $engine', ({ keepContexts }) => {
  let port: number;
  let errors: (readonly [name: string, closeCode: number])[];
  let received: number[];
  let jobs: JobWatch;

  beforeEach(async () => {
    errors = [];
    received = [];
    jobs = new JobWatch();
    const server = new WebSocketServer({
      deflate: { keepContexts, threshold: 0 },
      maxPayload: MAX_PAYLOAD,
      maxFragments: 100_000,
    });
    server.route('*', {
      message(socket, message) {
        received.push(message.length);
        if (message.length < 1000) socket.send(message);
      },
      error: (_socket, error) => {
        if (error instanceof ProtocolError) errors.push([error.name, error.closeCode]);
        else errors.push([String(error), 0]);
      },
    });
    port = await listenLocally(server);
  });

  afterEach(() => {
    vi.restoreAllMocks();
  });

  async function expectServed(client: DeflatingPeer): Promise<void> {
    await client.send('still there, still there');
    expect(await client.read()).toBe('deflated still there, still there');
  }

  it.each(OFFENCES)(
    'fails who sends %s with %d, and serves the others',
    async (_what, code, frames) => {
      const [other, client] = await Promise.all([joinDeflating(port), joinDeflating(port)]);
      await expectServed(other);
      // It need not read what stands behind the offence.
      const sending = client.sendFrames(...frames).catch(() => 'cut short');
      const served = expectServed(other);
      const close = await client.frame();
      expect([close.opcode, close.rsv, close.payload.readUInt16BE()]).toEqual([8, 0, code]);
      client.peer.transport.destroy();
      await sending;
      await served;
      await expectServed(await joinDeflating(port));
      expect(errors).toEqual([['ProtocolError', code]]);
      // No message but those that were well.
      expect(new Set(received)).toEqual(new Set([24]));
      await jobs.idle();
    },
  );

  it('aiohttp #13362: serves the others while one sends messages of very many streams', async () => {
    const [other, client] = await Promise.all([joinDeflating(port), joinDeflating(port)]);
    const message = Buffer.concat([EMPTY_STREAMS, HELLO]);
    const sending = client.sendFrames({ rsv: 4, payload: message });
    await expectServed(other);
    await sending;
    expect(await client.read()).toBe('deflated Hello');
  });

  it('keeps nothing of messages that never end', async () => {
    const clients = await Promise.all(Array.from({ length: 5 }, () => joinDeflating(port)));
    for (const client of clients) {
      await client.sendFrames(
        { rsv: 4, fin: false, opcode: 2, payload: client.reference.deflate(LARGE) },
        { opcode: 9, payload: 'all read' },
      );
      expect(await client.read()).toBe('control 10 all read');
      client.peer.reset();
    }
    await expectServed(await joinDeflating(port));
    await jobs.idle();
    expect(received).toEqual([24]);
  });
});
