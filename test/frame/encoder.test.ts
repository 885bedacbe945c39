import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FrameEncoder, maxTextFrameSize } from '../../src/frame/encoder.ts';
import { wordsOf } from '../../src/frame/mask.ts';
import { nextMaskingKey } from '../../src/frame/masking-key.ts';
import { hex, maskedFrame, type RawFrame, rawFrame } from '../support/bytes.ts';

/** The key of the examples in RFC 6455, section 5.7, which `maskedFrame` uses too. */
vi.mock('../../src/frame/masking-key.ts', () => ({ nextMaskingKey: vi.fn(() => 0x37fa213d) }));

const ENDS = [
  { end: 'server', encoder: new FrameEncoder(false), frameOf: rawFrame },
  { end: 'client', encoder: new FrameEncoder(true), frameOf: maskedFrame },
];

beforeEach(() => {
  vi.mocked(nextMaskingKey).mockClear();
});

/** What stands in a buffer before anything is written: bytes that show when they are moved. */
function traces(size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, i) => 0xa0 ^ (i * 29)));
}

/** Room for a frame, somewhere in an ArrayBuffer, full of traces. */
function roomOf(size: number, offset = 0): Buffer {
  const room = Buffer.from(new ArrayBuffer(offset + size), offset, size);
  room.set(traces(size));
  return room;
}

/** Encodes a payload at `at`, and gives the frame. No byte around it may have changed. */
function encodeAt(
  encoder: FrameEncoder,
  at: number,
  first: number,
  payload: Uint8Array | string,
  offset = 0,
): Buffer {
  const isText = typeof payload === 'string';
  const size = isText ? maxTextFrameSize(payload) : payload.length + 14;
  const target = roomOf(at + size, offset);
  const words = wordsOf(target);
  const end = isText
    ? encoder.encodeText(target, words, at, first, payload)
    : encoder.encode(target, words, at, first, payload);
  const before = traces(target.length);
  expect(target.subarray(0, at).equals(before.subarray(0, at))).toBe(true);
  expect(target.subarray(end).equals(before.subarray(end))).toBe(true);
  return target.subarray(at, end);
}

/** A frame in all the ways there are to write it. */
function encodeInAllWays(encoder: FrameEncoder, first: number, text: string): Buffer[] {
  return [
    encodeAt(encoder, 0, first, Buffer.from(text)),
    encodeAt(encoder, 0, first, text),
    encoder.encodeAlone(first, Buffer.from(text)),
    encoder.encodeAlone(first, text),
  ];
}

describe('the examples of RFC 6455, section 5.7', () => {
  const [server, client] = [new FrameEncoder(false), new FrameEncoder(true)];

  it.each([
    ['an unmasked text', server, 0x81, 'Hello', '81 05 48 65 6c 6c 6f'],
    ['a masked text', client, 0x81, 'Hello', '81 85 37 fa 21 3d 7f 9f 4d 51 58'],
    ['the first fragment', server, 0x01, 'Hel', '01 03 48 65 6c'],
    ['the last fragment', server, 0x80, 'lo', '80 02 6c 6f'],
    ['a Ping', server, 0x89, 'Hello', '89 05 48 65 6c 6c 6f'],
    ['a masked Pong', client, 0x8a, 'Hello', '8a 85 37 fa 21 3d 7f 9f 4d 51 58'],
  ])('are written to the byte: %s', (_name, encoder, first, text, wire) => {
    for (const frame of encodeInAllWays(encoder, first, text)) {
      expect(frame.toString('hex')).toBe(hex(wire).toString('hex'));
    }
  });

  it.each([
    ['256 bytes', 256, '82 7e 01 00'],
    ['64 KiB', 65_536, '82 7f 00 00 00 00 00 01 00 00'],
  ])('are written to the byte: %s', (_name, size, head) => {
    const expected = Buffer.concat([hex(head), Buffer.alloc(size, 'x')]);
    for (const frame of encodeInAllWays(server, 0x82, 'x'.repeat(size))) {
      expect(frame.equals(expected)).toBe(true);
    }
  });
});

describe.each(ENDS)('the encoder of a $end', ({ end, encoder, frameOf }) => {
  const masks = end === 'client';

  it('knows whether it masks', () => {
    expect(encoder.masked).toBe(masks);
  });

  it.each([0, 1, 2, 7, 8, 9, 124, 125, 126, 127, 128, 255, 256, 65_535, 65_536, 65_537])(
    'writes %i bytes, or as many letters',
    (length) => {
      const payload = 'q'.repeat(length);
      const expected = frameOf({ opcode: 2, payload });
      for (const frame of encodeInAllWays(encoder, 0x82, payload)) {
        expect(frame.equals(expected)).toBe(true);
      }
    },
  );

  it.each([
    [0x00, { opcode: 0, fin: false }],
    [0x80, { opcode: 0 }],
    [0x01, { opcode: 1, fin: false }],
    [0xc1, { opcode: 1, rsv: 4 }],
    [0x42, { opcode: 2, rsv: 4, fin: false }],
    [0x88, { opcode: 8 }],
  ] satisfies [number, RawFrame][])('writes the first byte as it is given: %i', (first, frame) => {
    const expected = frameOf({ ...frame, payload: 'ab' }).toString('hex');
    for (const written of encodeInAllWays(encoder, first, 'ab')) {
      expect(written.toString('hex')).toBe(expected);
    }
  });

  it('writes at any place of any buffer, and nothing around the frame', () => {
    const payload = 'aä€😀 and on';
    const expected = frameOf({ opcode: 1, payload }).toString('hex');
    for (let offset = 0; offset < 8; offset++) {
      for (let at = 0; at < 10; at++) {
        const frames = [
          encodeAt(encoder, at, 0x81, payload, offset),
          encodeAt(encoder, at, 0x81, Buffer.from(payload), offset),
        ];
        for (const frame of frames) expect(frame.toString('hex')).toBe(expected);
      }
    }
  });

  it('writes into a buffer that is exactly as large as the frame', () => {
    for (const payload of ['', 'a', 'a'.repeat(33), 'a'.repeat(126)]) {
      const expected = frameOf({ opcode: 2, payload });
      const target = roomOf(expected.length);
      const size = encoder.encode(target, wordsOf(target), 0, 0x82, Buffer.from(payload));
      expect(size).toBe(expected.length);
      expect(target.equals(expected)).toBe(true);
    }
  });

  it('writes frames one behind the other into one buffer', () => {
    const target = roomOf(200);
    const words = wordsOf(target);
    let at = encoder.encode(target, words, 0, 0x82, hex('01 02 03'));
    at = encoder.encodeText(target, words, at, 0x81, 'zwölf');
    at = encoder.encode(target, words, at, 0x89, hex(''));
    at = encoder.encodeText(target, words, at, 0x81, '');
    const expected = Buffer.concat([
      frameOf({ opcode: 2, payload: hex('01 02 03') }),
      frameOf({ opcode: 1, payload: 'zwölf' }),
      frameOf({ opcode: 9 }),
      frameOf({ opcode: 1 }),
    ]);
    expect(target.toString('hex', 0, at)).toBe(expected.toString('hex'));
  });

  it.each([
    ['a part of a larger buffer', Buffer.from('..payload..').subarray(2, 9)],
    ['a Uint8Array', Uint8Array.from(Buffer.from('payload'))],
    [
      'a Uint8Array over the end of an ArrayBuffer',
      new TextEncoder().encode('...payload').subarray(3),
    ],
  ])('takes %s, and leaves it as it was', (_name, payload) => {
    const before = Buffer.from(payload.buffer).toString('hex');
    const expected = frameOf({ opcode: 2, payload: 'payload' }).toString('hex');
    expect(encodeAt(encoder, 3, 0x82, payload).toString('hex')).toBe(expected);
    expect(encoder.encodeAlone(0x82, payload).toString('hex')).toBe(expected);
    expect(Buffer.from(payload.buffer).toString('hex')).toBe(before);
  });

  it('writes a short text at any length, ASCII or not, wherever it stops being so', () => {
    for (let length = 0; length <= 44; length++) {
      const ascii = Array.from({ length }, (_, i) => String.fromCharCode((i * 37 + 1) & 0x7f));
      for (const other of ['\x7f', '\x80', 'ä', '語', '😀', '\uD800']) {
        for (let at = 0; at < length; at++) {
          const text = ascii.with(at, other).join('');
          const expected = frameOf({ opcode: 1, payload: text });
          if (!encodeAt(encoder, 3, 0x81, text).equals(expected)) expect.fail(text);
        }
      }
    }
  });

  it('asks native code for no text of up to 40 units that is ASCII, and once for any other', () => {
    const calls = (text: string): number => {
      const target = roomOf(maxTextFrameSize(text));
      const write = vi.spyOn(target, 'write');
      encoder.encodeText(target, wordsOf(target), 0, 0x81, text);
      return write.mock.calls.length;
    };
    for (let length = 0; length <= 44; length++) {
      expect([length, calls('\x7f'.repeat(length))]).toEqual([length, length <= 40 ? 0 : 1]);
      expect(calls(`${'a'.repeat(length)}\x80`)).toBe(1);
    }
  });

  it.each([8_191, 8_192, 8_193, 16_384, 16_385, 20_003])(
    'writes %i bytes, which are copied in blocks',
    (size) => {
      const payload = traces(size);
      const expected = frameOf({ opcode: 2, payload });
      for (const at of [0, 1, 2, 3]) {
        expect(encodeAt(encoder, at, 0x82, payload).equals(expected)).toBe(true);
      }
      expect(encoder.encodeAlone(0x82, payload).equals(expected)).toBe(true);
    },
  );

  it.each([
    // What a text takes in UTF-16 and in UTF-8 falls on different sides of 126 or 65,536.
    ['125 units, 126 bytes', `ä${'a'.repeat(124)}`, 126],
    ['63 units, 125 bytes', `${'ä'.repeat(62)}a`, 125],
    ['63 units, 126 bytes', 'ä'.repeat(63), 126],
    ['42 units, 126 bytes', '€'.repeat(42), 126],
    ['100 units, 200 bytes of 4 each', '😀'.repeat(50), 200],
    ['125 units, 375 bytes', '€'.repeat(125), 375],
    ['65,535 units, 65,536 bytes', `ä${'a'.repeat(65_534)}`, 65_536],
    ['32,768 units, 65,535 bytes', `${'ä'.repeat(32_767)}a`, 65_535],
    ['32,768 units, 65,536 bytes', 'ä'.repeat(32_768), 65_536],
    ['65,535 units, 196,605 bytes', '€'.repeat(65_535), 196_605],
  ])('writes a text whose header is larger than its units tell: %s', (_name, text, size) => {
    const payload = Buffer.from(text);
    expect(payload).toHaveLength(size);
    const expected = frameOf({ opcode: 1, payload });
    for (const at of [0, 5]) {
      expect(encodeAt(encoder, at, 0x81, text).equals(expected)).toBe(true);
    }
    expect(encoder.encodeAlone(0x81, text).equals(expected)).toBe(true);
  });

  it.each([
    ['high, at the end', 'a\uD83D', '61 efbfbd'],
    ['low, at the beginning', '\uDE00a', 'efbfbd 61'],
    ['two in the wrong order', '\uDE00\uD83D', 'efbfbd efbfbd'],
    ['high, before a whole pair', '\uD83D😀', 'efbfbd f09f9880'],
    ['many: 3 bytes for one unit', '\uD800'.repeat(60), 'efbfbd'.repeat(60)],
  ])('replaces an unpaired surrogate by U+FFFD: %s', (_name, text, bytes) => {
    const expected = frameOf({ opcode: 1, payload: hex(bytes) }).toString('hex');
    expect(encodeAt(encoder, 2, 0x81, text).toString('hex')).toBe(expected);
    expect(encoder.encodeAlone(0x81, text).toString('hex')).toBe(expected);
  });

  it('writes a text that begins with U+FEFF, or holds U+0000, as it is', () => {
    const expected = frameOf({ opcode: 1, payload: hex('ef bb bf 00 61') }).toString('hex');
    expect(encodeAt(encoder, 0, 0x81, '\uFEFF\0a').toString('hex')).toBe(expected);
    expect(encoder.encodeAlone(0x81, '\uFEFF\0a').toString('hex')).toBe(expected);
  });

  it('writes an empty text at the very end of a buffer that has room for its header', () => {
    const expected = frameOf({ opcode: 1 });
    const target = roomOf(expected.length);
    expect(encoder.encodeText(target, wordsOf(target), 0, 0x81, '')).toBe(expected.length);
    expect(target.equals(expected)).toBe(true);
  });

  it('gives a frame alone a buffer that is as large as the frame, and shared with nobody', () => {
    for (const payload of ['', 'abc', 'ä'.repeat(100), Buffer.alloc(70_000)]) {
      const frame = encoder.encodeAlone(0x82, payload);
      expect(frame).toHaveLength(frameOf({ payload }).length);
      expect(frame.byteOffset).toBe(0);
      expect(frame.buffer.byteLength).toBe(frame.length);
    }
  });

  it(`asks for ${masks ? 'a key of its own for each frame' : 'no key'}`, () => {
    const keys = [0x01020304, -2, 0, 0x7fffffff];
    for (const key of keys) vi.mocked(nextMaskingKey).mockReturnValueOnce(key);
    const key = (bytes: string) => (masks ? { key: hex(bytes) } : {});
    const expected = [
      rawFrame({ opcode: 2, payload: 'Hello there', ...key('01 02 03 04') }),
      rawFrame({ opcode: 2, payload: 'Hello there', ...key('ff ff ff fe') }),
      rawFrame({ opcode: 2, payload: 'Hello there', ...key('00 00 00 00') }),
      rawFrame({ opcode: 2, payload: 'Hello there', ...key('7f ff ff ff') }),
    ];
    expect(encodeInAllWays(encoder, 0x82, 'Hello there')).toEqual(expected);
    expect(nextMaskingKey).toHaveBeenCalledTimes(masks ? 4 : 0);
    vi.mocked(nextMaskingKey).mockReset();
  });

  it('masks also an empty frame, with a key of its own', () => {
    for (const frame of encodeInAllWays(encoder, 0x89, '')) {
      expect(frame.toString('hex')).toBe(masks ? '898037fa213d' : '8900');
    }
    expect(nextMaskingKey).toHaveBeenCalledTimes(masks ? 4 : 0);
  });
});

describe('maxTextFrameSize', () => {
  it.each([
    ['', 14],
    ['a', 17],
    ['😀', 20],
    ['€'.repeat(1_000), 3_014],
  ])('is a header and three bytes for each UTF-16 unit: %o', (text, size) => {
    expect(maxTextFrameSize(text)).toBe(size);
  });

  it('is room enough for the largest texts there are: each unit takes three bytes', () => {
    for (const count of [1, 41, 42, 125, 126, 21_845, 21_846, 65_536]) {
      const text = '\uFFFD'.repeat(count);
      const target = roomOf(maxTextFrameSize(text));
      const end = new FrameEncoder(true).encodeText(target, wordsOf(target), 0, 0x81, text);
      expect(end).toBe(maskedFrame({ payload: text }).length);
      expect(target.subarray(0, end).equals(maskedFrame({ payload: text }))).toBe(true);
    }
  });
});
