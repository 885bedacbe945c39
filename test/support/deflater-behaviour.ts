/** What every deflater does, in whatever way: run by the test file of each. */

import { afterEach, describe, expect, it } from 'vitest';
import {
  DEFAULT_DEFLATE,
  type ResolvedDeflateOptions,
} from '../../src/extension/deflate-options.ts';
import { type Deflater, LENT_BELOW } from '../../src/extension/deflater.ts';
import { hex } from './bytes.ts';
import {
  AllJobs,
  ReferenceInflater,
  TAIL,
  countJobs,
  isBusy,
  deflateAlone,
  inflateAlone,
  jobsEnd,
  noise,
  prose,
} from './deflate-reference.ts';

export type CreateDeflater = new (
  options: ResolvedDeflateOptions,
  windowBits: number,
  takeover: boolean,
) => Deflater;

export interface DeflaterTerms {
  takeover?: boolean;
  windowBits?: number;
  level?: number;
  memoryLevel?: number;
}

/** Opens deflaters that are closed behind each test. */
export function openDeflaters(Engine: CreateDeflater): (terms?: DeflaterTerms) => Deflater {
  const open: Deflater[] = [];
  afterEach(async () => {
    for (const deflater of open.splice(0)) deflater.close();
    await jobsEnd();
  });
  return ({ takeover = true, windowBits = 15, ...options } = {}) => {
    const made = new Engine({ ...DEFAULT_DEFLATE, ...options }, windowBits, takeover);
    open.push(made);
    return made;
  };
}

export function later(deflater: Deflater, data: Uint8Array): Promise<Buffer | null> {
  return new Promise((resolve) => {
    deflater.deflateLater(data, resolve);
  });
}

/** Compresses in a way that is told by a number. */
async function deflateBy(way: number, deflater: Deflater, data: Buffer): Promise<Buffer> {
  if (way === 0) return deflater.deflate(data);
  if (way === 1) return (await later(deflater, data))!;
  const half = data.length >>> 1;
  return Buffer.concat([
    deflater.deflatePart(data.subarray(0, half), false),
    deflater.deflatePart(data.subarray(half), true),
  ]);
}

const TEXTS: readonly Buffer[] = [
  Buffer.from('Hello'),
  Buffer.from('Hello'),
  Buffer.alloc(0),
  Buffer.alloc(0),
  prose(3_000),
  Buffer.of(7),
  noise(2_000),
  prose(3_000),
  Buffer.alloc(100_000),
  Buffer.alloc(0),
  noise(70_000, 2),
  prose(40_000, 2),
  noise(70_000, 2),
];

export function describeDeflater(name: string, Engine: CreateDeflater): void {
  const open = openDeflaters(Engine);

  describe(`${name}: a payload`, () => {
    it('is that of RFC 7692, section 7.2.3', () => {
      expect(open().deflate(Buffer.from('Hello'))).toEqual(hex('f2 48 cd c9 c9 07 00'));
      expect(open().deflate(Buffer.alloc(0))).toEqual(hex('00'));
    });

    it.each([
      ['now', 0],
      ['in a thread', 1],
      ['in two parts', 2],
    ])('is what others inflate (%s)', async (_, way) => {
      for (const takeover of [true, false]) {
        for (const windowBits of [15, 12, 9]) {
          const deflater = open({ takeover, windowBits });
          const reference = new ReferenceInflater(windowBits, takeover);
          for (const text of TEXTS) {
            const payload = await deflateBy(way, deflater, text);
            // Section 7.2.1: no message is nothing at all, and its last four bytes are not sent.
            expect(payload.length).toBeGreaterThan(0);
            expect((await reference.inflate(payload)).equals(text)).toBe(true);
          }
          reference.close();
          deflater.close();
        }
      }
    });

    it('is what zlib makes of it with the same options', async () => {
      const text = prose(20_000);
      for (const [level, memoryLevel, windowBits] of [
        [1, 9, 15],
        [3, 8, 15],
        [6, 1, 10],
        [9, 5, 12],
      ] as const) {
        const deflater = open({ takeover: false, level, memoryLevel, windowBits });
        const expected = deflateAlone(text, { level, memLevel: memoryLevel, windowBits });
        expect(deflater.deflate(text)).toEqual(expected);
        expect(await later(deflater, text)).toEqual(expected);
        expect(deflater.deflatePart(text, true)).toEqual(expected);
      }
    });

    it('may be longer than any buffer, or just as long', () => {
      const deflater = open({ takeover: false, memoryLevel: 8 });
      // Bytes that cannot be compressed: the output ends before, at and behind 64 KiB.
      const source = noise(65_600);
      const sizes: number[] = [];
      for (let size = 65_480; size < 65_560; size++) {
        const payload = deflater.deflate(source.subarray(0, size));
        sizes.push(payload.length);
        expect(inflateAlone(payload).equals(source.subarray(0, size))).toBe(true);
      }
      expect(sizes[0]).toBeLessThan(65_530);
      expect(sizes.at(-1)).toBeGreaterThan(65_540);
      expect(inflateAlone(deflater.deflate(noise(1_000_000))).equals(noise(1_000_000))).toBe(true);
    });

    it('is a copy, but for a small one of a whole message', async () => {
      const deflater = open();
      const payloads = [deflater.deflate(noise(9000)), deflater.deflatePart(prose(500, 2), true)];
      expect(payloads[0]!.length).toBeGreaterThanOrEqual(LENT_BELOW);
      payloads.push((await later(deflater, prose(500, 3)))!);
      const before = payloads.map((payload) => Buffer.from(payload));
      await later(deflater, noise(100_000));
      deflater.deflate(noise(100_000));
      expect(payloads).toEqual(before);
    });

    it('is that of the bytes that were given, and of no others', async () => {
      const text = prose(600);
      // A view in the midst of other bytes, which is no Buffer.
      const around = new Uint8Array(800);
      around.set(noise(800));
      around.set(text, 100);
      const data = around.subarray(100, 700);
      const deflater = open({ takeover: false });
      for (const way of [() => deflater.deflate(data), () => later(deflater, data)]) {
        expect(inflateAlone((await way())!).equals(text)).toBe(true);
      }
      expect(Buffer.from(data).equals(text)).toBe(true);
    });
  });

  describe(`${name}: a message`, () => {
    it('refers to those before it', async () => {
      for (const way of [0, 1, 2]) {
        for (const wayBefore of [0, 1, 2]) {
          const deflater = open();
          const text = noise(500);
          const first = await deflateBy(wayBefore, deflater, text);
          expect(first.length).toBeGreaterThan(500);
          const second = await deflateBy(way, deflater, text);
          expect(second.length).toBeLessThan(40);
        }
      }
    });

    it('refers to a large one before it', async () => {
      const text = noise(300_000);
      for (const way of [0, 1, 2]) {
        const deflater = open();
        await deflateBy(way, deflater, text);
        expect(deflater.deflate(text.subarray(-10_000)).length).toBeLessThan(300);
      }
    });

    it('refers to nothing without context takeover, not even to another connection', async () => {
      const deflaters = [open({ takeover: false }), open({ takeover: false })];
      const text = noise(500);
      for (let i = 0; i < 6; i++) {
        for (const deflater of deflaters) {
          const payload = await deflateBy(i % 3, deflater, text);
          expect(inflateAlone(payload).equals(text)).toBe(true);
        }
      }
      const taking = open();
      expect(inflateAlone(taking.deflate(text)).equals(text)).toBe(true);
    });

    it.each([9, 10, 11, 12, 13, 14, 15])('refers back no further than %i bits', (windowBits) => {
      const deflater = open({ windowBits });
      const text = noise(100);
      const between = noise(2 ** windowBits - 100, 2);
      // One message that inflates with a window of this size alone.
      const payload = deflater.deflate(Buffer.concat([text, between, text, between, text]));
      expect(inflateAlone(payload, windowBits).length).toBe(300 + 2 * between.length);
      // And others, of which the reference keeps no more either.
      const near = deflater.deflate(text);
      expect(near.length).toBeLessThan(20);
    });
  });

  describe(`${name}: a message in fragments`, () => {
    it.each([
      ['two parts', ['Hel', 'lo']],
      ['an empty last part', ['Hello', '']],
      ['an empty first part', ['', 'Hello']],
      ['empty parts everywhere', ['', '', 'Hel', '', '', 'lo', '', '']],
      ['empty parts alone', ['', '', '']],
      ['one part', ['Hello']],
      ['one empty part', ['']],
    ])('is inflated as a whole (%s)', async (_, parts) => {
      for (const takeover of [true, false]) {
        const deflater = open({ takeover });
        const reference = new ReferenceInflater(15, takeover);
        for (let i = 0; i < 3; i++) {
          const payloads = parts.map((part, at) =>
            deflater.deflatePart(Buffer.from(part), at === parts.length - 1),
          );
          const text = await reference.inflate(Buffer.concat(payloads));
          expect(text.toString()).toBe(parts.join(''));
          // Nobody may take it for several messages.
          expect(payloads.at(-1)!.length).toBeGreaterThan(0);
        }
        expect((await reference.inflate(deflater.deflate(prose(90)))).equals(prose(90))).toBe(true);
        reference.close();
      }
    });

    it('can be read as far as it has come', () => {
      const deflater = open({ takeover: false });
      const parts = [prose(300), noise(100_000), prose(300, 2)];
      const payloads: Buffer[] = [];
      for (const [i, part] of parts.entries()) {
        const payload = deflater.deflatePart(part, false);
        expect(payload.subarray(-TAIL.length)).toEqual(TAIL);
        payloads.push(payload);
        const soFar = inflateAlone(Buffer.concat([...payloads, hex('00')]));
        expect(soFar.equals(Buffer.concat(parts.slice(0, i + 1)))).toBe(true);
      }
      deflater.deflatePart(Buffer.alloc(0), true);
    });

    it('refers to its own parts, with and without context takeover', () => {
      for (const takeover of [true, false]) {
        const deflater = open({ takeover });
        const text = noise(500);
        deflater.deflatePart(text, false);
        deflater.deflatePart(Buffer.alloc(0), false);
        expect(deflater.deflatePart(text, true).length).toBeLessThan(20);
      }
    });
  });

  describe(`${name}: a deflater that forgets`, () => {
    it('refers to nothing before, and others still follow', async () => {
      for (const takeover of [true, false]) {
        for (const way of [0, 1, 2]) {
          const deflater = open({ takeover });
          const reference = new ReferenceInflater(15, takeover);
          const text = noise(500);
          for (let i = 0; i < 3; i++) {
            await reference.inflate(await deflateBy(way, deflater, text));
            // A message that was compressed elsewhere, and inflated by the same peer.
            await reference.inflate(deflateAlone(prose(2_000, i)));
            deflater.forget();
            if (i === 1) deflater.forget();
            const payload = await deflateBy(way, deflater, text);
            expect(inflateAlone(payload).equals(text)).toBe(true);
            expect((await reference.inflate(payload)).equals(text)).toBe(true);
          }
          reference.close();
        }
      }
    });

    it('remembers what came behind that', () => {
      const deflater = open();
      const text = noise(500);
      deflater.forget();
      deflater.deflate(text);
      deflater.forget();
      expect(deflater.deflate(text).length).toBeGreaterThan(500);
      expect(deflater.deflate(text).length).toBeLessThan(20);
    });

    it('may do so before its first message, and while a large one is under way', async () => {
      const deflater = open();
      deflater.forget();
      const text = noise(50_000);
      const payload = later(deflater, text);
      deflater.forget();
      expect(inflateAlone((await payload)!).equals(text)).toBe(true);
      const next = deflater.deflate(text.subarray(-1_000));
      expect(inflateAlone(next).equals(text.subarray(-1_000))).toBe(true);
    });
  });

  describeJobs(name, open);
}

function describeJobs(name: string, open: (terms?: DeflaterTerms) => Deflater): void {
  const large = noise(200_000);

  /** Begins a large message, and answers how often it was told that it is done. */
  function begin(deflater: Deflater): () => number {
    let count = 0;
    deflater.deflateLater(large, () => count++);
    return () => count;
  }

  describe(`${name}: a large message`, () => {
    it('is done later, and once', async () => {
      const deflater = open();
      const count = begin(deflater);
      expect([count(), countJobs()]).toEqual([0, 1]);
      await jobsEnd();
      expect(count()).toBe(1);
    });

    it('waits where no more can be worked at', async () => {
      const jobs = new AllJobs();
      const deflater = open();
      let isDone = false;
      const payload = new Promise<Buffer | null>((resolve) => {
        deflater.deflateLater(large, (made) => {
          isDone = true;
          resolve(made);
        });
      });
      // Time enough for another one to be done, which does not ask.
      const reference = new ReferenceInflater(15, true);
      for (let i = 0; i < 3; i++) await reference.inflate(deflateAlone(large));
      reference.close();
      expect([isDone, isBusy()]).toEqual([false, true]);
      jobs.giveOne();
      expect(inflateAlone((await payload)!).equals(large)).toBe(true);
      jobs.giveAll();
    });

    it('is one of many at once, and all come in their order', async () => {
      for (const takeover of [true, false]) {
        const order: number[] = [];
        const payloads = Array.from({ length: 9 }, async (_, i) => {
          const payload = await later(open({ takeover }), large);
          order.push(i);
          return payload!;
        });
        expect(isBusy()).toBe(true);
        for (const payload of await Promise.all(payloads)) {
          expect(inflateAlone(payload).equals(large)).toBe(true);
        }
        expect(order.length).toBe(9);
      }
    });

    it('begins the next one where it is done', async () => {
      const deflater = open();
      const text = noise(30_000);
      const second = await new Promise<Buffer | null>((resolve) => {
        deflater.deflateLater(text, () => deflater.deflateLater(text, resolve));
      });
      expect(second!.length).toBeLessThan(500);
    });
  });

  describe(`${name}: a deflater that is closed`, () => {
    it('says nothing of what a thread works at', async () => {
      for (const takeover of [true, false]) {
        const deflater = open({ takeover });
        const count = begin(deflater);
        deflater.close();
        await jobsEnd();
        expect(count()).toBe(0);
      }
    });

    it('says nothing of what waits for a thread', async () => {
      const jobs = new AllJobs();
      const deflater = open();
      const count = begin(deflater);
      deflater.close();
      jobs.giveAll();
      await jobsEnd();
      expect(count()).toBe(0);
    });

    it('may be closed where it says that it is done, twice, and unused', async () => {
      const unused = open();
      unused.close();
      unused.close();
      for (const takeover of [true, false]) {
        const deflater = open({ takeover });
        const payload = await new Promise<Buffer | null>((resolve) => {
          deflater.deflateLater(large, (made) => {
            deflater.close();
            deflater.close();
            resolve(made);
          });
        });
        expect(inflateAlone(payload!).equals(large)).toBe(true);
      }
      await jobsEnd();
    });

    it('may be closed within a message of fragments', () => {
      for (const takeover of [true, false]) {
        const deflater = open({ takeover });
        const text = noise(500);
        deflater.deflatePart(text, false);
        deflater.close();
        // Nothing of it is found by another one.
        expect(inflateAlone(open({ takeover }).deflate(text)).equals(text)).toBe(true);
      }
    });
  });
}
