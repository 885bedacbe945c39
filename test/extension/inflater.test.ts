import { afterEach, describe, expect, it, vi } from 'vitest';
import { KeptInflater } from '../../src/extension/inflater.ts';
import { ZlibContext } from '../../src/extension/zlib-context.ts';
import { hex } from '../support/bytes.ts';
import {
  AllJobs,
  cutAt,
  deflateAlone,
  finalStream,
  jobsEnd,
  noise,
} from '../support/deflate-reference.ts';
import { describeInflater, openEnds } from '../support/inflater-behaviour.ts';
import { describeInflaterLimits } from '../support/inflater-limits-behaviour.ts';

describeInflater('kept contexts', KeptInflater);
describeInflaterLimits('kept contexts', KeptInflater);

const HELLO = 'f2 48 cd c9 c9 07 00';
const ALL_AT_ONCE = 256 * 1024;
const OUTPUT_SIZE = 64 * 1024;

describe('an inflater that keeps its context', () => {
  const end = openEnds(KeptInflater);

  afterEach(() => vi.restoreAllMocks());

  it('gives the text of an unfinished message as it comes', async () => {
    const one = end();
    await one.push(deflateAlone(Buffer.from('Hel')), false);
    await one.push(hex('00 00 ff ff'), false);
    expect(one.unfinished.toString()).toBe('Hel');
    await one.push(deflateAlone(noise(40_000)), false);
    expect(one.unfinished.length).toBeGreaterThan(30_000);
    expect(one.messages).toEqual([]);
  });

  it('ends an unfinished message that is larger than it may be', async () => {
    const limit = 100_000;
    const bombs = [Buffer.alloc(8 * 1024 * 1024), Buffer.alloc(24 * 1024 * 1024), noise(200_000)];
    for (const bomb of bombs) {
      const one = end(true, limit);
      const beginning = deflateAlone(bomb, { level: 9 }).subarray(0, -10);
      await expect(one.push(beginning, false)).rejects.toMatchObject({
        code: 'WS_ERR_MESSAGE_TOO_BIG',
      });
      expect(one.given).toBeLessThanOrEqual(limit + OUTPUT_SIZE);
    }
  });

  it('lets a thread make no more than a turn may give out', async () => {
    const made: number[] = [];
    // oxlint-disable-next-line typescript/unbound-method -- called with its context below
    const { writeLater } = ZlibContext.prototype;
    vi.spyOn(ZlibContext.prototype, 'writeLater').mockImplementation(function wrap(
      this: ZlibContext,
      input,
      maxSize,
      done,
    ) {
      writeLater.call(this, input, maxSize, (written) => {
        made.push(Buffer.concat(written.chunks).length);
        done(written);
      });
    });
    const limit = 100_000;
    const one = end(true, limit);
    const size = 24 * 1024 * 1024;
    const bomb = deflateAlone(Buffer.alloc(size), { level: 9 });
    await expect(one.push(bomb)).rejects.toMatchObject({ code: 'WS_ERR_MESSAGE_TOO_BIG' });
    expect(made.length).toBe(1);
    expect(made[0]).toBeLessThanOrEqual(ALL_AT_ONCE);
    const free = end();
    await free.push(bomb);
    expect(free.messages[0]!.length).toBe(size);
    expect(free.mostAtOnce).toBeLessThanOrEqual(ALL_AT_ONCE + OUTPUT_SIZE);
  });

  it('lets a thread go on only when what it has made was taken', async () => {
    const writeOn = vi.spyOn(ZlibContext.prototype, 'writeOn');
    const bomb = deflateAlone(Buffer.alloc(24 * 1024 * 1024), { level: 9 });
    let taken = 0;
    const held: (() => boolean)[] = [];
    const sink = {
      inflatedRoom: Number.POSITIVE_INFINITY,
      onInflated: (_source: Buffer, start: number, stop: number): void => {
        taken += stop - start;
      },
    };
    const inflater = new KeptInflater(sink, (finish) => held.push(finish), 15, true);
    inflater.push(bomb, 0, bomb.length, true);
    await vi.waitFor(() => expect(held.length).toBe(1));
    await jobsEnd();
    expect([taken, held.length, writeOn.mock.calls.length]).toEqual([0, 1, 0]);
    expect(held[0]!()).toBe(false);
    await vi.waitFor(() => expect(held.length).toBe(2));
    expect([taken, writeOn.mock.calls.length]).toEqual([ALL_AT_ONCE, 1]);
    inflater.close();
    await jobsEnd();
    expect(held.length).toBe(2);
  });

  it('gives a thread nothing that was closed while it waited for one', async () => {
    const writeLater = vi.spyOn(ZlibContext.prototype, 'writeLater');
    const jobs = new AllJobs();
    const { inflater } = end();
    const payload = deflateAlone(noise(30_000));
    inflater.push(payload, 0, payload.length, true);
    inflater.close();
    jobs.giveAll();
    await jobsEnd();
    expect(writeLater).not.toHaveBeenCalled();
  });

  it('lets others have their turn while it inflates a small payload to a large text', async () => {
    const size = 8 * 1024 * 1024;
    const one = end();
    await one.push(deflateAlone(Buffer.alloc(size), { level: 9 }));
    expect(one.messages.map(({ length }) => length)).toEqual([size]);
    expect(one.mostAtOnce).toBeLessThanOrEqual(ALL_AT_ONCE + OUTPUT_SIZE);
    expect(one.turns).toBeGreaterThanOrEqual(size / (ALL_AT_ONCE + OUTPUT_SIZE) - 1);
  });

  it('calls zlib as often as there are final blocks, and not oftener', async () => {
    const write = vi.spyOn(ZlibContext.prototype, 'write');
    const writeLater = vi.spyOn(ZlibContext.prototype, 'writeLater');
    const copy = vi.spyOn(Buffer, 'from');
    const streams = 6_000;
    const payload = Buffer.concat(Array.from({ length: streams }, () => finalStream('Hello')));
    const one = end();
    copy.mockClear();
    await one.push(payload);
    const copied = copy.mock.calls.filter(
      ([bytes]) => bytes instanceof Buffer && bytes.length > 1_000,
    );
    expect(write.mock.calls.length + writeLater.mock.calls.length).toBeLessThan(streams + 300);
    expect(copied.length).toBe(1);
  });

  it('shares its context with all others where messages do not refer to each other', async () => {
    const create = vi.spyOn(ZlibContext, 'inflater');
    const ends = Array.from({ length: 10 }, () => end(false, undefined, 12));
    for (let i = 0; i < 3; i++) {
      for (const one of ends) await one.pushAll(cutAt(hex(HELLO), [3]));
    }
    await Promise.all(ends.map((one) => one.push(deflateAlone(noise(30_000)))));
    const before = create.mock.calls.length;
    for (const one of ends) await one.push(hex(HELLO));
    expect(before).toBe(ends.length);
    expect(create.mock.calls.length).toBe(before);
  });

  it('frees its context when it is closed, and what the pool has no room for', async () => {
    const close = vi.spyOn(ZlibContext.prototype, 'close');
    const create = vi.spyOn(ZlibContext, 'inflater');
    const ends = Array.from({ length: 7 }, () => end(false, undefined, 11));
    await Promise.all(ends.map((one) => one.push(deflateAlone(noise(30_000)))));
    for (const { inflater } of ends) inflater.close();
    expect([create.mock.calls.length, close.mock.calls.length]).toEqual([7, 3]);
    const one = end(true, undefined, 11);
    await one.push(hex(HELLO));
    one.inflater.close();
    expect([create.mock.calls.length, close.mock.calls.length]).toEqual([7, 4]);
  });

  it('throws where a thread cannot even begin, and others are no worse for it', async () => {
    const jobs = new AllJobs();
    const [one, other] = [end(), end()];
    const pushes = [one, other].map((each) => each.push(deflateAlone(noise(30_000))));
    vi.spyOn(ZlibContext.prototype, 'writeLater').mockImplementationOnce(() => {
      throw new RangeError('Array buffer allocation failed');
    });
    jobs.giveAll();
    await expect(pushes[0]).rejects.toThrow(RangeError);
    await pushes[1];
    expect([one.messages.length, other.messages.length]).toEqual([0, 1]);
    await jobsEnd();
  });

  it('throws where zlib has failed, now or in a thread', async () => {
    vi.spyOn(ZlibContext, 'inflater').mockImplementation((windowBits) => {
      const context = ZlibContext.deflater(1, 1, windowBits);
      context.close();
      return context;
    });
    for (const payload of [hex(HELLO), deflateAlone(noise(30_000))]) {
      const one = end(true, undefined, 10);
      await expect(one.push(payload)).rejects.toMatchObject({ code: 'WS_ERR_INVALID_DEFLATE' });
      await jobsEnd();
    }
  });
});
