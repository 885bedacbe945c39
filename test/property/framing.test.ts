import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../src/errors.ts';
import { FrameDecoder } from '../../src/frame/decoder.ts';
import { FrameEncoder, maxTextFrameSize } from '../../src/frame/encoder.ts';
import { writeHeader } from '../../src/frame/header.ts';
import { wordsOf } from '../../src/frame/mask.ts';
import { peerFrame, readFrames } from '../support/bytes.ts';
import { RecordingSink } from '../support/recording-sink.ts';

// ── What is framed ────────────────────────────────────────────────────────────────────────────

/** The end that decodes. */
const role = fc.constantFrom<'client' | 'server'>('client', 'server');

/** Lengths of every class, and those around which a class changes. */
const length = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 20 }) },
  { weight: 3, arbitrary: fc.integer({ min: 120, max: 132 }) },
  { weight: 3, arbitrary: fc.integer({ min: 240, max: 600 }) },
  { weight: 1, arbitrary: fc.integer({ min: 65_530, max: 65_545 }) },
);

/** Bytes that differ from place to place, or letters. */
const payload = fc
  .tuple(length, fc.nat({ max: 255 }), fc.constantFrom(0x7f, 0xff))
  .map(([size, seed, bits]) => {
    const bytes = Buffer.alloc(size);
    for (let i = 0; i < size; i++) bytes[i] = (seed + i * 37 + (i >> 3)) & bits;
    return bytes;
  });

const dataFrame = fc.record({
  opcode: fc.constantFrom(0, 1, 2),
  fin: fc.boolean(),
  payload,
});

const controlFrame = fc.record({
  opcode: fc.constantFrom(8, 9, 10),
  fin: fc.constant(true),
  payload: fc.uint8Array({ maxLength: 125, size: 'max' }).map((bytes) => Buffer.from(bytes)),
});

const frame = fc.oneof(dataFrame, controlFrame);

interface Frame {
  opcode: number;
  fin: boolean;
  payload: Buffer;
}

/** What `RecordingSink.frames` has for a frame, from the frame and not from the decoder. */
function entry({ opcode, fin, payload: bytes }: Frame): string {
  return `${opcode} ${fin} false ${bytes.length} ${bytes.toString('hex')}`;
}

/** The first byte of a frame without reserved bits. */
function firstOf({ opcode, fin }: Frame): number {
  return (fin ? 0x80 : 0) + opcode;
}

// ── How the wire is cut ───────────────────────────────────────────────────────────────────────

/** Where to cut: a few places anywhere, or many close to the beginning. */
const cutting = fc.oneof(
  fc.array(fc.nat(), { maxLength: 12 }),
  fc.array(fc.nat({ max: 40 }), { maxLength: 30 }),
);

/** Cuts into pieces that lie in buffers of their own, at any offset there. */
function cut(wire: Buffer, numbers: readonly number[]): Buffer[] {
  const places = numbers.map((n) => n % (wire.length + 1)).toSorted((a, b) => a - b);
  let from = 0;
  return [...places, wire.length].map((to, i) => {
    const offset = i % 8;
    const piece = Buffer.from(new ArrayBuffer(offset + to - from), offset);
    wire.copy(piece, 0, from, to);
    from = to;
    return piece;
  });
}

/** Every complete frame, and then the error if there was one. */
function decode(
  end: 'client' | 'server',
  pieces: readonly Buffer[],
  rsv1Claimed = false,
): string[] {
  const sink = new RecordingSink();
  const decoder = new FrameDecoder(sink, end === 'server', rsv1Claimed);
  try {
    for (const piece of pieces) expect(decoder.push(piece)).toBe(piece.length);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return [...sink.frames, error.code];
  }
  return sink.frames;
}

function headsOf(sink: RecordingSink): string[] {
  return sink.calls.filter((call) => call.startsWith('head'));
}

// ── All the ways in which an encoder writes a frame ───────────────────────────────────────────

type Write = (encoder: FrameEncoder, first: number, payload: Buffer, at: number) => Buffer;

/** Writes between other bytes, which must stay as they are and where they are. */
function writeInto(size: number, at: number, write: (target: Buffer) => number): Buffer {
  const before = Uint8Array.from({ length: at + size + 5 }, (_, i) => 0xa0 ^ (i * 29));
  const target = Buffer.from(before);
  const end = write(target);
  expect(target.subarray(0, at).equals(before.subarray(0, at))).toBe(true);
  expect(target.subarray(end).equals(before.subarray(end))).toBe(true);
  return target.subarray(at, end);
}

const WAYS: readonly (readonly [name: string, write: Write])[] = [
  [
    'encode',
    (encoder, first, bytes, at) =>
      writeInto(bytes.length + 14, at, (target) =>
        encoder.encode(target, wordsOf(target), at, first, bytes),
      ),
  ],
  ['encodeAlone', (encoder, first, bytes) => encoder.encodeAlone(first, bytes)],
];

const TEXT_WAYS: readonly (readonly [
  name: string,
  write: (encoder: FrameEncoder, first: number, text: string, at: number) => Buffer,
])[] = [
  [
    'encodeText',
    (encoder, first, text, at) =>
      writeInto(maxTextFrameSize(text), at, (target) =>
        encoder.encodeText(target, wordsOf(target), at, first, text),
      ),
  ],
  ['encodeAlone', (encoder, first, text) => encoder.encodeAlone(first, text)],
];

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 150, size: 'max' }),
  // With unpaired surrogates too.
  fc
    .array(fc.nat({ max: 0xffff }), { maxLength: 150, size: 'max' })
    .map((units) => String.fromCharCode(...units)),
  fc
    .tuple(fc.constantFrom('a', 'é', '€', '😀'), fc.constantFrom('', 'x', 'ß'), length)
    .map(([unit, end, size]) => unit.repeat(size) + end),
);

const RUNS = { numRuns: 300 };

describe('decoding', () => {
  it('gives the same frames however the wire is cut', () => {
    fc.assert(
      fc.property(role, fc.array(frame, { maxLength: 8 }), cutting, (end, frames, numbers) => {
        const wire = Buffer.concat(frames.map((each) => peerFrame(end, each)));
        expect(decode(end, cut(wire, numbers))).toEqual(frames.map(entry));
      }),
      RUNS,
    );
  });

  it('makes the same calls in one piece and byte by byte, once the pieces are joined', () => {
    fc.assert(
      fc.property(role, fc.array(frame, { maxLength: 3 }), (end, frames) => {
        const wire = Buffer.concat(frames.map((each) => peerFrame(end, each)));
        const whole = new RecordingSink();
        new FrameDecoder(whole, end === 'server', false).push(Buffer.from(wire));
        const single = new RecordingSink();
        const decoder = new FrameDecoder(single, end === 'server', false);
        for (const byte of wire) decoder.push(Buffer.from([byte]));
        expect(single.frames).toEqual(whole.frames);
        expect(headsOf(single)).toEqual(headsOf(whole));
      }),
      { numRuns: 60 },
    );
  });

  it('gives the same frames when it is stopped and started again behind any of them', () => {
    fc.assert(
      fc.property(
        role,
        fc.array(frame, { maxLength: 8 }),
        cutting,
        fc.infiniteStream(fc.boolean()),
        (end, frames, numbers, stops) => {
          const wire = Buffer.concat(frames.map((each) => peerFrame(end, each)));
          const sink = new RecordingSink();
          const decoder = new FrameDecoder(
            {
              onWhole: (...call) => {
                sink.onWhole(...call);
                if (stops.next().value) decoder.stop();
              },
              onHead: (...call) => sink.onHead(...call),
              onPayload: (...call) => {
                sink.onPayload(...call);
                if (stops.next().value) decoder.stop();
              },
            },
            end === 'server',
            false,
          );
          for (const piece of cut(wire, numbers)) {
            let at = decoder.push(piece);
            while (at < piece.length) {
              expect(decoder.push(piece, at)).toBe(at);
              decoder.start();
              const next = decoder.push(piece, at);
              expect(next).toBeGreaterThan(at);
              at = next;
            }
            decoder.start();
          }
          expect(sink.frames).toEqual(frames.map(entry));
        },
      ),
      RUNS,
    );
  });
});

describe('random bytes', () => {
  const head = fc
    .tuple(
      fc.constantFrom(0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a, 0xc1, 0x41, 0xa1, 0x83),
      fc.constantFrom(0, 1, 5, 125, 126, 127, 128, 129, 133, 253, 254, 255),
      fc.array(fc.oneof(fc.constantFrom(0, 0x7f, 0x80, 0xff), fc.nat({ max: 255 })), {
        maxLength: 20,
      }),
    )
    .map(([first, second, rest]) => Buffer.concat([Buffer.of(first, second), Buffer.from(rest)]));

  const noise = fc.oneof(
    fc.array(head, { maxLength: 6 }).map((heads) => Buffer.concat(heads)),
    fc.uint8Array({ maxLength: 400, size: 'max' }).map((bytes) => Buffer.from(bytes)),
  );

  it('never hang and never throw anything but a ProtocolError, the same one at any cut', () => {
    fc.assert(
      fc.property(
        role,
        fc.boolean(),
        fc.array(frame, { maxLength: 2 }),
        noise,
        cutting,
        (end, claimed, frames, bytes, numbers) => {
          const good = frames.map((each) => peerFrame(end, each));
          const wire = Buffer.concat([...good, bytes]);
          const whole = decode(end, [Buffer.from(wire)], claimed);
          expect(whole.slice(0, frames.length)).toEqual(frames.map(entry));
          expect(decode(end, cut(wire, numbers), claimed)).toEqual(whole);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe.each([
  ['a server', false],
  ['a client', true],
])('what the encoder of %s writes', (_name, masked) => {
  const encoder = new FrameEncoder(masked);
  const peer = masked ? 'server' : 'client';

  it.each(WAYS)('comes back from the decoder at any cut: %s', (_way, write) => {
    fc.assert(
      fc.property(frame, fc.nat({ max: 9 }), cutting, (each, at, numbers) => {
        const wire = write(encoder, firstOf(each), each.payload, at);
        expect(decode(peer, cut(wire, numbers))).toEqual([entry(each)]);
      }),
      RUNS,
    );
  });

  it.each(TEXT_WAYS)('comes back from the decoder at any cut: text by %s', (_way, write) => {
    fc.assert(
      fc.property(text, fc.boolean(), fc.nat({ max: 9 }), cutting, (string, fin, at, numbers) => {
        const each = { opcode: 1, fin, payload: Buffer.from(new TextEncoder().encode(string)) };
        const wire = write(encoder, firstOf(each), string, at);
        expect(decode(peer, cut(wire, numbers))).toEqual([entry(each)]);
      }),
      RUNS,
    );
  });

  it.each(WAYS)(
    'is masked or not, as short as possible, to an independent reader: %s',
    (_w, write) => {
      fc.assert(
        fc.property(frame, fc.nat({ max: 9 }), (each, at) => {
          const wire = write(encoder, firstOf(each), each.payload, at);
          const size = each.payload.length;
          const [read, ...more] = readFrames(wire);
          expect(more).toEqual([]);
          expect(read).toMatchObject({ fin: each.fin, rsv: 0, opcode: each.opcode, masked });
          expect(read?.lengthBits).toBe(size < 126 ? 7 : size < 65_536 ? 16 : 64);
          expect(read?.payload.equals(each.payload)).toBe(true);
        }),
        RUNS,
      );
    },
  );

  it.each(WAYS)('leaves the payload, and what stands around it, as it was: %s', (_way, write) => {
    fc.assert(
      fc.property(payload, fc.nat({ max: 7 }), (bytes, offset) => {
        const around = Buffer.alloc(offset + bytes.length + 3, 0x99);
        bytes.copy(around, offset);
        const before = Buffer.from(around);
        write(encoder, 0x82, around.subarray(offset, offset + bytes.length), 2);
        expect(around.equals(before)).toBe(true);
      }),
      RUNS,
    );
  });
});

describe('a header that is written alone', () => {
  it('comes back from the decoder with the payload behind it, at any cut', () => {
    fc.assert(
      fc.property(frame, fc.nat({ max: 9 }), cutting, (each, at, numbers) => {
        const header = writeInto(14, at, (target) =>
          writeHeader(target, at, firstOf(each), each.payload.length, false, 0),
        );
        const wire = Buffer.concat([header, each.payload]);
        expect(decode('client', cut(wire, numbers))).toEqual([entry(each)]);
      }),
      RUNS,
    );
  });

  it('says every length up to 2^53 - 1 to the decoder, at any cut', () => {
    fc.assert(
      fc.property(fc.oneof(fc.maxSafeNat(), fc.nat({ max: 70_000 })), cutting, (size, numbers) => {
        const header = writeInto(14, 0, (target) => writeHeader(target, 0, 0x82, size, false, 0));
        const sink = new RecordingSink();
        const decoder = new FrameDecoder(sink, false, false);
        for (const piece of cut(header, numbers)) decoder.push(piece);
        expect(sink.calls[0]).toBe(`head 2 true false ${size}`);
      }),
      RUNS,
    );
  });
});
