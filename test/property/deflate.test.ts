import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_DEFLATE,
  type ResolvedDeflateOptions,
} from '../../src/extension/deflate-options.ts';
import { type Deflater, KeptDeflater } from '../../src/extension/deflater.ts';
import { type InflateSink, KeptInflater, type Later } from '../../src/extension/inflater.ts';
import { PublicDeflater } from '../../src/extension/public-deflater.ts';
import { PublicInflater } from '../../src/extension/public-inflater.ts';
import {
  InflatingEnd,
  ReferenceDeflater,
  ReferenceInflater,
  cutAt,
  deflateAlone,
  finalStream,
  inflateAlone,
  judge,
  noise,
  stored,
} from '../support/deflate-reference.ts';
import { hex } from '../support/bytes.ts';
import { type CreateDeflater, later } from '../support/deflater-behaviour.ts';
import type { CreateInflater } from '../support/inflater-behaviour.ts';

const DEFLATERS: readonly CreateDeflater[] = [KeptDeflater, PublicDeflater];
const INFLATERS: readonly CreateInflater[] = [KeptInflater, PublicInflater];

const deflaterKind = fc.constantFrom(...DEFLATERS);
const inflaterKind = fc.constantFrom(...INFLATERS);

// ── What is sent ────────────────────────────────────────────────────────────────────────────

const small = fc.oneof(
  fc.constant(Buffer.alloc(0)),
  fc.string({ unit: 'grapheme', maxLength: 300 }).map((string) => Buffer.from(string)),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
);

/** Few seeds, so that messages repeat each other: there must be something to refer to. */
const incompressible = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.tuple(fc.nat(maxLength), fc.integer({ min: 1, max: 4 })).map((size) => noise(...size));

const repetitive = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc
    .tuple(fc.nat(maxLength), fc.uint8Array({ minLength: 1, maxLength: 40 }))
    .map(([size, unit]) => Buffer.alloc(size, unit));

const message: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 6, arbitrary: small },
  { weight: 3, arbitrary: incompressible(2_000) },
  { weight: 3, arbitrary: repetitive(5_000) },
  { weight: 1, arbitrary: incompressible(100_000) },
  { weight: 1, arbitrary: repetitive(400_000) },
);

const places = fc.array(fc.nat(1_000_000), { maxLength: 5 });

interface Terms {
  takeover: boolean;
  windowBits: number;
  options: ResolvedDeflateOptions;
}

const terms: fc.Arbitrary<Terms> = fc
  .record({
    takeover: fc.boolean(),
    windowBits: fc.integer({ min: 9, max: 15 }),
    level: fc.integer({ min: 1, max: 9 }),
    memoryLevel: fc.integer({ min: 1, max: 9 }),
  })
  .map(({ takeover, windowBits, ...options }) => ({
    takeover,
    windowBits,
    options: { ...DEFAULT_DEFLATE, ...options },
  }));

/** A message, how it is compressed, and where its payload is cut. */
interface Step {
  data: Buffer;
  way: 'now' | 'later' | 'parts';
  /** Where the parts end. */
  parts: number[];
  cuts: number[];
  /** A message that was compressed elsewhere and is sent before. */
  foreign: Buffer | null;
}

const step: fc.Arbitrary<Step> = fc.record({
  data: message,
  way: fc.constantFrom('now', 'later', 'parts'),
  parts: places,
  cuts: places,
  foreign: fc.option(small, { freq: 4 }),
});

const steps = fc.array(step, { minLength: 1, maxLength: 8 });

async function compress(deflater: Deflater, { data, way, parts }: Step): Promise<Buffer> {
  if (way === 'now') return Buffer.from(deflater.deflate(data));
  if (way === 'later') return (await later(deflater, data))!;
  const pieces = cutAt(data, parts);
  return Buffer.concat(
    pieces.map((piece, i) => deflater.deflatePart(piece, i === pieces.length - 1)),
  );
}

/** What arrives must be what was sent: told without a printout of 100 KB. */
function expectSame(arrived: readonly Buffer[], sent: readonly Buffer[]): void {
  expect(arrived.map(({ length }) => length)).toEqual(sent.map(({ length }) => length));
  for (const [i, text] of sent.entries()) expect(arrived[i]!.equals(text)).toBe(true);
}

type Receive = (payload: Buffer, cuts: number[]) => Promise<Buffer>;

/** Sends all of it to `receive`; closes what it opened. */
async function sendTo(
  receive: Receive,
  Engine: CreateDeflater,
  { takeover, windowBits, options }: Terms,
  script: readonly Step[],
): Promise<void> {
  const deflater = new Engine(options, windowBits, takeover);
  const sent: Buffer[] = [];
  const arrived: Buffer[] = [];
  try {
    for (const one of script) {
      if (one.foreign !== null) {
        deflater.forget();
        sent.push(one.foreign);
        arrived.push(await receive(deflateAlone(one.foreign, { windowBits }), []));
      }
      sent.push(one.data);
      arrived.push(await receive(await compress(deflater, one), one.cuts));
    }
  } finally {
    deflater.close();
  }
  expectSame(arrived, sent);
}

function createEnd(Engine: CreateInflater, { takeover, windowBits }: Terms): InflatingEnd {
  return new InflatingEnd(
    (sink: InflateSink, onLater: Later) => new Engine(sink, onLater, windowBits, takeover),
  );
}

describe('messages that are compressed', () => {
  it('are those that any other endpoint inflates', async () => {
    await fc.assert(
      fc.asyncProperty(deflaterKind, terms, steps, async (Engine, agreed, script) => {
        const reference = new ReferenceInflater(agreed.windowBits, agreed.takeover);
        try {
          await sendTo((payload) => reference.inflate(payload), Engine, agreed, script);
        } finally {
          reference.close();
        }
      }),
      { numRuns: 60 },
    );
  });

  it('are those that we inflate, by whatever engine, however they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        deflaterKind,
        inflaterKind,
        terms,
        steps,
        async (Engine, Inflating, agreed, script) => {
          const end = createEnd(Inflating, agreed);
          const receive: Receive = async (payload, cuts) => {
            await end.pushAll(cutAt(payload, cuts));
            return end.messages.at(-1)!;
          };
          try {
            await sendTo(receive, Engine, agreed, script);
            expect(end.unfinished.length).toBe(0);
          } finally {
            end.inflater.close();
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('never refer to a text of another connection', async () => {
    const connection = fc.record({ Engine: deflaterKind, takeover: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.array(connection, { minLength: 2, maxLength: 5 }),
        fc.array(fc.tuple(fc.nat(4), step), { minLength: 2, maxLength: 12 }),
        async (kinds, script) => {
          const connections = kinds.map(({ Engine, takeover }) => ({
            takeover,
            deflater: new Engine(DEFAULT_DEFLATE, 15, takeover),
            isUsed: false,
          }));
          for (const [at, one] of script) {
            const used = connections[at % connections.length]!;
            const payload = await compress(used.deflater, one);
            // The first message of each, and every message of those that take nothing over.
            if (used.isUsed && used.takeover) continue;
            used.isUsed = true;
            expect(inflateAlone(payload).equals(one.data)).toBe(true);
          }
          for (const { deflater } of connections) deflater.close();
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('messages of any other endpoint', () => {
  const theirs = fc.record({
    data: message,
    cuts: places,
    /** Without "BFINAL", or with it and with or without the byte behind it. */
    end: fc.constantFrom('flush', 'flush', 'flush', 'final', 'final and a byte'),
  });

  it('are inflated as they were, by whatever engine, however they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        inflaterKind,
        terms,
        fc.integer({ min: 0, max: 4 }),
        fc.array(theirs, { minLength: 1, maxLength: 8 }),
        async (Inflating, agreed, strategy, script) => {
          const { level, memoryLevel } = agreed.options;
          const { windowBits, takeover } = agreed;
          const end = createEnd(Inflating, agreed);
          const zlib = { level, memLevel: memoryLevel, strategy };
          const reference = new ReferenceDeflater(windowBits, takeover, zlib);
          try {
            for (const { data, cuts, end: way } of script) {
              let payload = await reference.deflate(data);
              if (way !== 'flush') {
                // A stream that has ended is forgotten by both.
                reference.forget();
                const byte = way === 'final' ? '' : '00';
                payload = Buffer.concat([finalStream(data, windowBits), hex(byte)]);
              }
              await end.pushAll(cutAt(payload, cuts));
            }
          } finally {
            reference.close();
            end.inflater.close();
          }
          expectSame(
            end.messages,
            script.map(({ data }) => data),
          );
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('any bytes', () => {
  const piece = fc.oneof(
    small.map((text) => deflateAlone(text)),
    small.map((text) => finalStream(text)),
    fc.tuple(small, fc.boolean()).map(([text, final]) => stored(text, final)),
    fc.constantFrom(hex('00'), hex('01'), hex('03 00'), hex('00 00 ff ff')),
    fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
  );

  /** Something like a payload: cut, and with some bits turned. */
  const payloads = fc
    .tuple(
      fc.array(piece, { maxLength: 4 }),
      fc.array(fc.nat(100_000), { maxLength: 2 }),
      fc.option(fc.nat(100_000)),
    )
    .map(([pieces, bits, cut]) => {
      const payload = Buffer.concat(pieces);
      for (const bit of payload.length === 0 ? [] : bits) {
        payload[(bit >>> 3) % payload.length]! ^= 1 << (bit & 7);
      }
      return cut === null ? payload : payload.subarray(0, cut % (payload.length + 1));
    });

  it('are a message for both engines, or for none', async () => {
    await fc.assert(
      fc.asyncProperty(payloads, places, fc.boolean(), async (payload, cuts, takeover) => {
        const expected = judge(payload);
        for (const Engine of INFLATERS) {
          const agreed = { takeover, windowBits: 15, options: DEFAULT_DEFLATE };
          const end = createEnd(Engine, agreed);
          let code = '';
          try {
            await end.pushAll(cutAt(payload, cuts));
          } catch (error) {
            code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
          } finally {
            end.inflater.close();
          }
          expect(code).toBe(expected === null ? 'WS_ERR_INVALID_DEFLATE' : '');
          expectSame(end.messages, expected === null ? [] : [expected]);
        }
      }),
      { numRuns: 500 },
    );
  });
});
