/** What every inflater does about limits, sinks and its end: run by the test file of each. */

import { describe, expect, it } from 'vitest';
import { hex } from './bytes.ts';
import {
  AllJobs,
  type InflatingEnd,
  isBusy,
  cutAt,
  deflateAlone,
  finalStream,
  jobsEnd,
  noise,
} from './deflate-reference.ts';
import { type CreateInflater, openEnds } from './inflater-behaviour.ts';

const HELLO = 'f2 48 cd c9 c9 07 00';
const TOO_BIG = { code: 'WS_ERR_MESSAGE_TOO_BIG', closeCode: 1009 };

/** More than this is not inflated beyond what a message may have. */
const SLACK = 64 * 1024;

/** A payload of so many bytes or more goes to a thread. */
const LARGE = 16 * 1024 + 1;

export function describeInflaterLimits(name: string, Engine: CreateInflater): void {
  const end = openEnds(Engine);
  const large = deflateAlone(noise(100_000));

  describe(`${name}: a message larger than it may be`, () => {
    const LIMIT = 100_000;

    it.each([
      ['a small payload', deflateAlone(Buffer.alloc(LIMIT)), deflateAlone(Buffer.alloc(LIMIT + 1))],
      ['a large payload', deflateAlone(noise(LIMIT)), deflateAlone(noise(LIMIT + 1))],
    ])('is one byte too large (%s)', async (_, allowed, refused) => {
      const one = end(true, LIMIT);
      await one.push(allowed);
      expect(one.messages.map(({ length }) => length)).toEqual([LIMIT]);
      await expect(one.push(refused)).rejects.toMatchObject(TOO_BIG);
      expect(one.messages.length).toBe(1);
    });

    it.each([
      ['in a small payload', 8 * 1024 * 1024],
      ['in a thread', 24 * 1024 * 1024],
    ])('is inflated no further (%s)', async (_, size) => {
      const bomb = deflateAlone(Buffer.alloc(size), { level: 9 });
      expect(bomb.length >= LARGE).toBe(size > 16 * 1024 * 1024);
      for (const takeover of [true, false]) {
        const one = end(takeover, LIMIT);
        await expect(one.push(bomb)).rejects.toMatchObject(TOO_BIG);
        expect(one.given).toBeLessThanOrEqual(LIMIT + SLACK);
        expect(one.messages).toEqual([]);
      }
    });

    it('is inflated no further where it has many final blocks', async () => {
      const bomb = finalStream(Buffer.alloc(9_999));
      for (const count of [50, 4_000]) {
        const one = end(true, LIMIT);
        await expect(
          one.push(Buffer.concat(Array.from({ length: count }, () => bomb))),
        ).rejects.toMatchObject(TOO_BIG);
        expect(one.given).toBeLessThanOrEqual(LIMIT + SLACK);
      }
    });

    it('is inflated no further where it comes in fragments', async () => {
      const bomb = deflateAlone(Buffer.alloc(8 * 1024 * 1024), { level: 9 });
      const one = end(true, LIMIT);
      const pieces = cutAt(bomb, [10, 20, 30, 1_000, 2_000, 3_000, 4_000]);
      await expect(one.pushAll(pieces)).rejects.toMatchObject(TOO_BIG);
      expect(one.given).toBeLessThanOrEqual(LIMIT + SLACK);
    });

    it('gives no byte where there may be none', async () => {
      const one = end(true, 0);
      await one.push(hex('00'));
      expect(one.messages).toEqual([Buffer.alloc(0)]);
      await expect(one.push(hex(HELLO))).rejects.toMatchObject(TOO_BIG);
    });

    it('is none where there is no limit', async () => {
      const one = end(true, Number.POSITIVE_INFINITY);
      await one.push(hex(HELLO));
      await one.push(deflateAlone(noise(LIMIT)));
      expect(one.messages.map(({ length }) => length)).toEqual([5, LIMIT]);
    });
  });

  describe(`${name}: a sink`, () => {
    it('may throw: nothing more is given', async () => {
      const payloads = [
        [hex(HELLO), 1],
        [deflateAlone(Buffer.alloc(500_000)), 1],
        [deflateAlone(noise(100_000)), 1],
        [Buffer.concat([finalStream('one'), finalStream('two')]), 1],
      ] as const;
      for (const [payload, calls] of payloads) {
        const one = end();
        let count = 0;
        one.during = () => {
          count++;
          throw new Error('of the application');
        };
        await expect(one.push(payload)).rejects.toThrow('of the application');
        one.inflater.close();
        await jobsEnd();
        expect(count).toBe(calls);
      }
    });

    it('may close the inflater: nothing more is given', async () => {
      const payloads = [
        hex(HELLO),
        deflateAlone(Buffer.alloc(500_000)),
        deflateAlone(noise(200_000)),
        Buffer.concat([finalStream('one'), finalStream('two')]),
        Buffer.concat([finalStream(noise(100_000)), finalStream('two')]),
      ];
      for (const payload of payloads) {
        for (const takeover of [true, false]) {
          const one = end(takeover);
          let count = 0;
          one.during = () => {
            count++;
            one.inflater.close();
          };
          await one.push(payload);
          await jobsEnd();
          expect(count).toBe(1);
        }
      }
    });
  });
  describe(`${name}: a large message`, () => {
    it('is given later, and by then the bytes that were pushed may have changed', async () => {
      const one = end();
      const source = Buffer.from(large);
      const pushed = one.push(source);
      source.fill(0);
      expect([one.given, one.turns]).toEqual([0, 0]);
      await pushed;
      expect(one.turns).toBeGreaterThan(0);
      expect(one.messages.map((message) => message.equals(noise(100_000)))).toEqual([true]);
    });

    it('waits for its turn where no more can be worked at', async () => {
      const jobs = new AllJobs();
      const one = end();
      const pushed = one.push(large);
      // Where it did not wait, it would be done before another.
      await end().push(deflateAlone(Buffer.alloc(1_000)));
      expect([one.turns, isBusy()]).toEqual([0, true]);
      jobs.giveOne();
      await pushed;
      expect(one.messages.length).toBe(1);
      jobs.giveAll();
    });

    it('is one of many at once, and all come', async () => {
      for (const takeover of [true, false]) {
        const ends = Array.from({ length: 9 }, () => end(takeover));
        const pushes = ends.map((one) => one.push(large));
        expect(isBusy()).toBe(true);
        await Promise.all(pushes);
        for (const { messages } of ends) {
          expect(messages.map((message) => message.equals(noise(100_000)))).toEqual([true]);
        }
      }
    });
  });

  describe(`${name}: an inflater that is closed`, () => {
    /** Pushes, closes, and answers what came of it when all jobs have ended. */
    async function closeDuring(one: InflatingEnd, payload: Buffer): Promise<number> {
      expect(one.inflater.push(payload, 0, payload.length, true)).toBe(false);
      one.inflater.close();
      await jobsEnd();
      return one.turns + one.given;
    }

    it('gives nothing of what a thread works at', async () => {
      for (const takeover of [true, false]) {
        expect(await closeDuring(end(takeover), large)).toBe(0);
      }
    });

    it('gives nothing of what waits for a thread', async () => {
      const jobs = new AllJobs();
      const one = end();
      expect(one.inflater.push(large, 0, large.length, true)).toBe(false);
      one.inflater.close();
      jobs.giveAll();
      await jobsEnd();
      expect([one.turns, one.given]).toEqual([0, 0]);
    });

    it('gives nothing of what waits for its next turn', async () => {
      const one = end();
      const streams = Buffer.concat(Array.from({ length: 200 }, () => finalStream('')));
      expect(await closeDuring(one, streams)).toBe(one.given);
      expect([one.turns, one.messages]).toEqual([0, []]);
    });

    it('may be closed twice, before it was used and behind a message', async () => {
      const unused = end();
      unused.inflater.close();
      unused.inflater.close();
      const used = end();
      await used.push(large);
      used.inflater.close();
      used.inflater.close();
      await jobsEnd();
      expect([unused.turns, used.messages.length]).toEqual([0, 1]);
    });
  });
}
