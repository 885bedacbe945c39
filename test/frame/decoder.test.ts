import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { FrameDecoder, type FrameSink } from '../../src/frame/decoder.ts';
import { cuts, hex, maskedFrame, peerFrame, rawFrame, type RawFrame } from '../support/bytes.ts';
import { collectGarbage } from '../support/collect-garbage.ts';
import { RecordingSink } from '../support/recording-sink.ts';

type Role = 'client' | 'server';

const ROLES: readonly Role[] = ['client', 'server'];

/** Records, and does what the test says inside each call. Keeps the last source. */
class ActingSink extends RecordingSink {
  act: (call: string) => void = () => {};
  source: Buffer | null = null;

  override onHead(opcode: number, fin: boolean, rsv1: boolean, length: number): void {
    super.onHead(opcode, fin, rsv1, length);
    this.act('head');
  }

  override onPayload(...call: Parameters<FrameSink['onPayload']>): void {
    super.onPayload(...call);
    this.source = call[0];
    this.act('payload');
  }
}

/** The decoder of one end, and what it told. */
function decoderOf(role: Role, rsv1Claimed = false) {
  const sink = new ActingSink();
  return { sink, decoder: new FrameDecoder(sink, role === 'server', rsv1Claimed) };
}

/** A chunk of its own, since decoding unmasks in place. */
function copy(bytes: Uint8Array): Buffer {
  return Buffer.from(Uint8Array.from(bytes).buffer);
}

/** Decodes pieces to their ends. */
function decode(role: Role, pieces: readonly Buffer[], rsv1Claimed = false): RecordingSink {
  const { sink, decoder } = decoderOf(role, rsv1Claimed);
  for (const piece of pieces) expect(decoder.push(copy(piece))).toBe(piece.length);
  return sink;
}

/** What `RecordingSink.frames` has for a frame, by hand. */
function entry({ opcode = 1, fin = true, rsv = 0, payload = '' }: RawFrame): string {
  const bytes = Buffer.from(payload);
  return `${opcode} ${fin} ${rsv === 4} ${bytes.length} ${bytes.toString('hex')}`;
}

// RFC 6455, section 5.7.
const EXAMPLES: readonly (readonly [name: string, role: Role, wire: string, frames: string[]])[] = [
  ['an unmasked text', 'client', '81 05 48 65 6c 6c 6f', ['1 true false 5 48656c6c6f']],
  ['a masked text', 'server', '81 85 37 fa 21 3d 7f 9f 4d 51 58', ['1 true false 5 48656c6c6f']],
  ['an unmasked fragment', 'client', '01 03 48 65 6c', ['1 false false 3 48656c']],
  ['the last fragment', 'client', '80 02 6c 6f', ['0 true false 2 6c6f']],
  ['a Ping', 'client', '89 05 48 65 6c 6c 6f', ['9 true false 5 48656c6c6f']],
  ['a masked Pong', 'server', '8a 85 37 fa 21 3d 7f 9f 4d 51 58', ['10 true false 5 48656c6c6f']],
];

describe('the examples of RFC 6455, section 5.7', () => {
  it.each(EXAMPLES)('reads %s at every cut', (_name, role, wire, frames) => {
    for (const pieces of cuts(hex(wire))) expect(decode(role, pieces).frames).toEqual(frames);
  });

  it.each([
    ['256 bytes', 256, '82 7e 01 00'],
    ['64 KiB', 65_536, '82 7f 00 00 00 00 00 01 00 00'],
  ])('reads %s', (_name, size, head) => {
    const payload = Buffer.alloc(size, 7);
    const wire = Buffer.concat([hex(head), payload]);
    expect(decode('client', [wire]).frames).toEqual([entry({ opcode: 2, payload })]);
  });
});

describe.each(ROLES)('the decoder of a %s', (role) => {
  it.each([0, 1, 2, 8, 9, 10])('reads opcode %i with every length of 7 bits', (opcode) => {
    for (let length = 0; length <= 125; length++) {
      // Only data may stand in a frame that does not end its message.
      const frame = { opcode, fin: opcode > 2 || length % 2 === 0, payload: 'x'.repeat(length) };
      expect(decode(role, [peerFrame(role, frame)]).frames).toEqual([entry(frame)]);
    }
  });

  it.each([126, 127, 255, 256, 1_000, 65_535, 65_536, 65_537])(
    'reads a length of %i, also when its header is cut anywhere',
    (length) => {
      const frame = { opcode: 2, payload: Buffer.alloc(length, 0xc5) };
      const wire = peerFrame(role, frame);
      for (let cut = 0; cut <= 16; cut++) {
        const { sink, decoder } = decoderOf(role);
        for (const piece of [wire.subarray(0, cut), wire.subarray(cut)]) {
          expect(decoder.push(copy(piece))).toBe(piece.length);
        }
        expect(sink.frames).toEqual([entry(frame)]);
      }
    },
  );

  it('reads many frames of all kinds at every cut', () => {
    // No rule above the frame is known here: a continuation of nothing is handed on.
    const frames: RawFrame[] = [
      { opcode: 0 },
      { opcode: 1, fin: false, payload: 'aä€😀' },
      { opcode: 9, payload: 'ping' },
      { opcode: 0, fin: false, payload: '' },
      { opcode: 10, payload: '' },
      { opcode: 0, payload: 'end'.repeat(50) },
      { opcode: 2, payload: Buffer.alloc(130, 0x9c) },
      { opcode: 8, payload: hex('03 e8 62 79 65') },
    ];
    const wire = Buffer.concat(frames.map((frame) => peerFrame(role, frame)));
    const expected = frames.map(entry);
    for (const pieces of cuts(wire)) expect(decode(role, pieces).frames).toEqual(expected);
  });

  it('takes an empty chunk anywhere', () => {
    const pieces = [...peerFrame(role, { payload: 'abc' })].map((byte) => Buffer.from([byte]));
    const withEmpty = pieces.flatMap((piece) => [Buffer.alloc(0), piece, Buffer.alloc(0)]);
    expect(decode(role, withEmpty).frames).toEqual([entry({ payload: 'abc' })]);
  });

  it('begins where it is told to, inside a chunk', () => {
    for (const size of [3, 300]) {
      const { sink, decoder } = decoderOf(role);
      const frame = { payload: 'y'.repeat(size) };
      const chunk = Buffer.concat([hex('ff ff ff ff ff'), peerFrame(role, frame)]);
      expect(decoder.push(chunk, 5)).toBe(chunk.length);
      expect(sink.frames).toEqual([entry(frame)]);
      expect(chunk.toString('hex', 0, 5)).toBe('ffffffffff');
    }
  });

  it('hands on the chunk itself and copies no payload', () => {
    const { sink, decoder } = decoderOf(role);
    const frame = copy(peerFrame(role, { payload: 'abcdef' }));
    const chunk = frame.subarray(0, -2);
    decoder.push(chunk);
    expect(sink.source).toBe(chunk);
    const rest = frame.subarray(-2);
    decoder.push(rest);
    expect(sink.source).toBe(rest);
  });

  it('says with each piece how much remains, and makes no call without a byte', () => {
    const { sink, decoder } = decoderOf(role);
    const wire = peerFrame(role, { opcode: 2, payload: hex('80 81 82 83 84') });
    const headEnd = wire.length - 5;
    let at = 0;
    for (const end of [headEnd, headEnd + 2, headEnd + 2, headEnd + 3, headEnd + 5]) {
      decoder.push(copy(wire.subarray(at, end)));
      at = end;
    }
    expect(sink.calls).toEqual([
      'head 2 true false 5',
      'payload 8081 3',
      'payload 82 2',
      'payload 8384 0',
    ]);
  });

  it('makes one call for an empty payload', () => {
    const { sink, decoder } = decoderOf(role);
    const wire = peerFrame(role, { opcode: 2 });
    decoder.push(copy(Buffer.concat([wire, wire])));
    const ascii = role === 'server' ? ' ascii' : '';
    const calls = ['head 2 true false 0', `payload  0${ascii}`];
    expect(sink.calls).toEqual([...calls, ...calls]);
  });

  it('hands on an error of the sink as it is, and makes no further call', () => {
    for (const count of [1, 2]) {
      for (const pieces of cuts(peerFrame(role, { payload: 'abc' }))) {
        const { sink, decoder } = decoderOf(role);
        const error = new Error('from above');
        sink.act = () => {
          if (sink.calls.length === count) throw error;
        };
        expect(() => pieces.forEach((piece) => decoder.push(copy(piece)))).toThrow(error);
        expect(sink.calls).toHaveLength(count);
      }
    }
  });

  it('reads RSV1 where an extension claims it, on the frames that begin a message', () => {
    const frames = [
      { rsv: 4, opcode: 1, fin: false, payload: 'a' },
      { opcode: 0, payload: 'b' },
      { rsv: 4, opcode: 2, payload: 'c' },
      { opcode: 1, payload: 'd' },
      { opcode: 9, payload: 'e' },
    ];
    const wire = Buffer.concat(frames.map((frame) => peerFrame(role, frame)));
    for (const pieces of cuts(wire)) {
      expect(decode(role, pieces, true).frames).toEqual(frames.map(entry));
    }
  });
});

describe('unmasking', () => {
  it('happens where the bytes lie, and touches no other', () => {
    const { decoder } = decoderOf('server');
    const chunk = hex('81 83 01 02 03 04 60 60 60  82 82 ff ff ff ff 00');
    decoder.push(chunk);
    expect(chunk.toString('hex')).toBe('818301020304616263 8282ffffffffff'.replace(' ', ''));
  });

  it.each([255, 256, 257, 300])('is right in a chunk of %i bytes at any offset', (size) => {
    // A whole chunk of frames of odd sizes, so that they begin at every position in a word.
    const frames: RawFrame[] = [5, 11, 19, 1, 33, 2, 21, 40].map((length) => ({
      opcode: 2,
      payload: Buffer.alloc(length, length),
    }));
    const used = frames.reduce((sum, frame) => sum + maskedFrame(frame).length, 0);
    frames.push({ opcode: 2, payload: Buffer.alloc(size - used - 6, 0x5a) });
    const wire = Buffer.concat(frames.map(maskedFrame));
    expect(wire).toHaveLength(size);
    for (let offset = 0; offset < 8; offset++) {
      const { sink, decoder } = decoderOf('server');
      const chunk = Buffer.from(new ArrayBuffer(offset + size), offset);
      wire.copy(chunk);
      expect(decoder.push(chunk)).toBe(size);
      expect(sink.frames).toEqual(frames.map(entry));
    }
  });

  it('goes on in the next chunk where the key stood', () => {
    const payload = Buffer.from(Uint8Array.from({ length: 900 }, (_, i) => i * 7));
    const wire = maskedFrame({ opcode: 2, payload });
    for (const first of [9, 10, 11, 12, 13, 300, 301, 302, 303]) {
      for (const second of [1, 2, 3, 258, 259]) {
        const pieces = [
          wire.subarray(0, first),
          wire.subarray(first, first + second),
          wire.subarray(first + second),
        ];
        expect(decode('server', pieces).frames).toEqual([entry({ opcode: 2, payload })]);
      }
    }
  });

  it('tells of each piece whether it is ASCII, and says nothing of it where nobody looked', () => {
    for (const filler of ['', 'z'.repeat(300)]) {
      const wire = maskedFrame({ payload: `${filler}abä` });
      const { sink, decoder } = decoderOf('server');
      decoder.push(copy(wire.subarray(0, -2)));
      decoder.push(copy(wire.subarray(-2)));
      const bytes = Buffer.from(`${filler}ab`).toString('hex');
      expect(sink.calls.slice(1)).toEqual([`payload ${bytes} 2 ascii`, 'payload c3a4 0']);
    }
    expect(decode('client', [rawFrame({ payload: 'ab' })]).calls[1]).toBe('payload 6162 0');
  });

  it('uses the words of no chunk but its own: a small chunk behind a large one', () => {
    const { sink, decoder } = decoderOf('server');
    const large = copy(maskedFrame({ payload: 'L'.repeat(500) }));
    decoder.push(large);
    const afterwards = large.toString('hex');
    decoder.push(copy(maskedFrame({ payload: 's'.repeat(100) })));
    expect(sink.frames[1]).toBe(entry({ payload: 's'.repeat(100) }));
    expect(large.toString('hex')).toBe(afterwards);
  });
});

/** Pushes a large chunk that nobody else holds. */
function pushAway(decoder: FrameDecoder, frame: RawFrame, cut: number): WeakRef<ArrayBufferLike> {
  const chunk = copy(maskedFrame(frame).subarray(0, cut));
  try {
    decoder.push(chunk);
  } catch (error) {
    if (!(error instanceof Error && error.message === 'from above')) throw error;
  }
  return new WeakRef(chunk.buffer);
}

describe('what is kept between two chunks', () => {
  const large = { opcode: 2, payload: Buffer.alloc(4_000, 1) };

  it.each([
    ['behind a whole frame', 4_008, false],
    ['inside a payload', 3_000, false],
    ['when the sink has thrown', 4_008, true],
  ])('is no chunk %s: it can be collected', async (_name, cut, throws) => {
    const { sink, decoder } = decoderOf('server');
    sink.act = () => {
      if (throws) throw new Error('from above');
    };
    const chunk = pushAway(decoder, large, cut);
    sink.source = null;
    await setImmediate();
    collectGarbage();
    expect(chunk.deref()).toBeUndefined();
    // The decoder is still there, so the chunk is not gone because of that.
    expect(decoder.push(Buffer.alloc(0))).toBe(0);
  });
});

// Row of VIOLATION, role (+ where an extension claims RSV1), how many bytes the decoder needs to see
// the breach, and wires that have it, by hand from RFC 6455, sections 5.1, 5.2 and 5.5.
const BREACHES = `
RESERVED_BITS       client   2  c100 a100 9100 f100 b200 c200 c000 4100 4005 c800 a800 9905 ca00
RESERVED_BITS       client+  2  c000 4000 c800 c905 ca00 a100 9200 e100 d27e f17f
RESERVED_BITS       server   2  c18037fa213d a1fe007e37fa213d 908137fa213d c98037fa213d
RESERVED_BITS       server+  2  c08037fa213d 408037fa213d c88037fa213d e18037fa213d d2fe007e37fa213d
RESERVED_OPCODE     client   2  8300 8400 8500 8600 8700 8b00 8c00 8d00 8e00 8f00
RESERVED_OPCODE     client+  2  0305 0405 0505 0605 077e 0b05 0c05 0d05 0e7e 0f7f
RESERVED_OPCODE     server   2  838037fa213d 848137fa213d 0580 0680 87fe 8b8037fa213d 8c80 0d80
RESERVED_OPCODE     server+  2  83fe007e37fa213d 8eff00 0f8037fa213d
MASK_MISSING        server   2  8100 8205 0003 8000 8800 8905 8a00 817e0100 827f0000000000010000
MASK_MISSING        server+  2  c100 427e0100
MASK_UNEXPECTED     client   2  818037fa213d 828537fa213d 0083 8080 888037fa213d 8985 8a80 81fe0100
MASK_UNEXPECTED     client+  2  c18037fa213d 42fe0100
CONTROL_FRAGMENTED  client   2  0800 0900 0a00 087d
CONTROL_FRAGMENTED  server   2  088037fa213d 098537fa213d 0afd37fa213d
CONTROL_TOO_LONG    client   2  887e007e 897e0001 8a7e0100 887f0000000000010000 897f0000000000000005
CONTROL_TOO_LONG    server   2  88fe007e37fa213d 89ffffff 8afe0000 8aff000000000001000037fa213d
LENGTH_NOT_MINIMAL  client   4  827e0000 817e0001 007e007c 807e007d
LENGTH_NOT_MINIMAL  server   4  82fe000037fa213d 01fe007d37fa213d
LENGTH_NOT_MINIMAL  client  10  827f0000000000000000 817f000000000000007d 007f000000000000ffff
LENGTH_NOT_MINIMAL  server  10  82ff000000000000007e37fa213d 81ff000000000000ffff37fa213d
LENGTH_SIGN_BIT     client  10  827f8000000000000000 817f8000000000000005 007fffffffffffffffff
LENGTH_SIGN_BIT     server  10  82ff800000000001000037fa213d 81ffffffffffffffffff37fa213d
MESSAGE_TOO_BIG     client  10  827f0020000000000000 817f0020000000000001 007f7fffffffffffffff
MESSAGE_TOO_BIG     server  10  82ff002000000000000037fa213d 81ff004000000000000537fa213d
`;

const ROWS = BREACHES.trim()
  .split('\n')
  .flatMap((line) => {
    const [name = '', end = '', needed, ...wires] = line.split(/ +/);
    const role: Role = end.startsWith('server') ? 'server' : 'client';
    const claimed = end.endsWith('+');
    return wires.map((wire) => ({ name, end, role, claimed, wire, needed: Number(needed) }));
  });

describe.each(ROWS)('$name in $wire, at a $end', ({ name, role, claimed, wire, needed }) => {
  const error = expect.objectContaining({
    name: 'ProtocolError',
    code: `WS_ERR_${name}`,
    closeCode: name === 'MESSAGE_TOO_BIG' ? 1009 : 1002,
  });

  it('is refused at every cut, before the sink hears of the frame', () => {
    const bytes = Buffer.concat([hex(wire), Buffer.from('and more')]);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { sink, decoder } = decoderOf(role, claimed);
      // Behind a good frame, which is handed on.
      decoder.push(copy(peerFrame(role, { payload: 'ok' })));
      if (cut < needed) expect(decoder.push(copy(bytes.subarray(0, cut)))).toBe(cut);
      const decisive = cut < needed ? bytes.subarray(cut) : bytes.subarray(0, cut);
      expect(() => decoder.push(copy(decisive))).toThrow(error);
      expect(sink.calls).toHaveLength(2);
    }
  });

  it('is refused byte by byte with the field that breaks the rule, and not behind the key', () => {
    const { sink, decoder } = decoderOf(role, claimed);
    const pieces = [...hex(wire)].map((byte) => Buffer.from([byte]));
    for (const piece of pieces.slice(0, needed - 1)) expect(decoder.push(piece)).toBe(1);
    expect(() => decoder.push(pieces[needed - 1] ?? hex(''))).toThrow(error);
    expect(sink.calls).toEqual([]);
  });
});

describe('lengths of 64 bits', () => {
  it.each([
    ['2^16', '0000000000010000', 65_536],
    ['2^31 - 1', '000000007fffffff', 2_147_483_647],
    ['2^31', '0000000080000000', 2_147_483_648],
    ['2^32 - 1', '00000000ffffffff', 4_294_967_295],
    ['2^32', '0000000100000000', 4_294_967_296],
    ['2^32 + 5', '0000000100000005', 4_294_967_301],
    ['2^53 - 1', '001fffffffffffff', 9_007_199_254_740_991],
  ])('takes %s exactly, and counts down from it', (_name, bytes, length) => {
    for (const [role, wire] of [
      ['client', hex(`827f${bytes}`)],
      ['server', hex(`82ff${bytes}00000000`)],
    ] as const) {
      for (const pieces of cuts(wire)) {
        const { sink, decoder } = decoderOf(role);
        for (const piece of pieces) decoder.push(piece);
        decoder.push(hex('ff'));
        decoder.push(hex('fe fd'));
        expect(sink.calls).toEqual([
          `head 2 true false ${length}`,
          `payload ff ${length - 1}`,
          `payload fefd ${length - 3}`,
        ]);
      }
    }
  });
});

describe.each(ROLES)('stop() and start() at a %s', (role) => {
  const sizes = [3, 0, 300, 1, 130];
  const frames = sizes.map((size): RawFrame => ({ opcode: 2, payload: Buffer.alloc(size, 0xd1) }));
  const wires = frames.map((frame) => peerFrame(role, frame));
  const wire = Buffer.concat(wires);
  const expected = frames.map(entry);

  it('stops behind each frame in the middle of a chunk, and returns where', () => {
    const { sink, decoder } = decoderOf(role);
    sink.act = (call) => call === 'payload' && decoder.stop();
    const chunk = copy(wire);
    let at = 0;
    for (const [i, frame] of wires.entries()) {
      const next = at + frame.length;
      expect(decoder.push(chunk, at)).toBe(next);
      expect(sink.frames).toEqual(expected.slice(0, i + 1));
      // What was not taken is not touched: it is unmasked when its turn comes.
      expect(chunk.subarray(next).equals(wire.subarray(next))).toBe(true);
      expect(decoder.push(chunk, next)).toBe(next);
      expect(sink.frames).toHaveLength(i + 1);
      decoder.start();
      at = next;
    }
    expect(at).toBe(wire.length);
  });

  it('stops behind the piece of payload that follows when it is stopped at the head', () => {
    const { sink, decoder } = decoderOf(role);
    sink.act = (call) => call === 'head' && decoder.stop();
    const frame = peerFrame(role, { opcode: 2, payload: hex('d1 d2 d3') });
    expect(decoder.push(copy(Buffer.concat([frame, frame])))).toBe(frame.length);
    expect(sink.frames).toEqual(['2 true false 3 d1d2d3']);
  });

  it('loses and repeats nothing, whichever calls it stops in, at every cut', () => {
    const short = [wires[0]!, wires[1]!, wires[3]!];
    const all = [expected[0], expected[1], expected[3]];
    for (const pieces of cuts(Buffer.concat(short))) {
      for (let every = 1; every <= 4; every++) {
        const { sink, decoder } = decoderOf(role);
        sink.act = () => sink.calls.length % every === 0 && decoder.stop();
        for (const piece of pieces) {
          const chunk = copy(piece);
          let at = decoder.push(chunk);
          while (at < chunk.length) {
            expect(decoder.push(chunk, at)).toBe(at);
            decoder.start();
            const next = decoder.push(chunk, at);
            expect(next).toBeGreaterThan(at);
            at = next;
          }
          decoder.start();
        }
        expect(sink.frames).toEqual(all);
      }
    }
  });

  it('stops in the middle of a payload, and goes on with the mask where it stood', () => {
    const payload = Buffer.from(Uint8Array.from({ length: 700 }, (_, i) => i));
    const frame = peerFrame(role, { opcode: 2, payload });
    for (const cut of [20, 21, 22, 23, 400]) {
      const { sink, decoder } = decoderOf(role);
      sink.act = (call) => call === 'payload' && decoder.stop();
      // All of the chunk is taken: a piece is never cut by a stop.
      expect(decoder.push(copy(frame.subarray(0, cut)))).toBe(cut);
      const rest = copy(Buffer.concat([frame.subarray(cut), wires[0]!]));
      expect(decoder.push(rest)).toBe(0);
      expect(rest.equals(Buffer.concat([frame.subarray(cut), wires[0]!]))).toBe(true);
      expect(sink.calls).toHaveLength(2);
      decoder.start();
      expect(decoder.push(rest)).toBe(frame.length - cut);
      expect(sink.frames).toEqual([entry({ opcode: 2, payload })]);
      decoder.start();
      expect(decoder.push(rest, frame.length - cut)).toBe(rest.length);
      expect(sink.frames).toHaveLength(2);
    }
  });

  it('takes nothing while it is stopped in the middle of a header', () => {
    const frame = peerFrame(role, { opcode: 2, payload: Buffer.alloc(200, 0xd1) });
    for (let cut = 0; cut <= frame.length - 200; cut++) {
      const { sink, decoder } = decoderOf(role);
      expect(decoder.push(copy(frame.subarray(0, cut)))).toBe(cut);
      decoder.stop();
      const rest = copy(frame.subarray(cut));
      expect(decoder.push(rest)).toBe(0);
      expect(sink.frames).toEqual([]);
      decoder.start();
      expect(decoder.push(rest)).toBe(rest.length);
      expect(sink.frames).toEqual([entry({ opcode: 2, payload: Buffer.alloc(200, 0xd1) })]);
    }
  });

  it('takes all when it is started again inside the call that stopped it', () => {
    const { sink, decoder } = decoderOf(role);
    sink.act = () => {
      decoder.stop();
      decoder.start();
    };
    expect(decoder.push(copy(wire))).toBe(wire.length);
    expect(sink.frames).toEqual(expected);
  });
});
