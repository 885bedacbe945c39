import * as zlib from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { PublicDeflater } from '../../src/extension/public-deflater.ts';
import { inflateAlone, jobsEnd, noise, prose } from '../support/deflate-reference.ts';
import { describeDeflater, later, openDeflaters } from '../support/deflater-behaviour.ts';

vi.mock('node:zlib', async (importOriginal) => {
  const original = await importOriginal<typeof zlib>();
  return {
    ...original,
    deflateRaw: vi.fn(original.deflateRaw),
    deflateRawSync: vi.fn(original.deflateRawSync),
  };
});

describeDeflater('public functions', PublicDeflater);

const FULL = Object.assign(new Error('no memory'), { code: 'Z_MEM_ERROR' });

/** The dictionaries of the last calls. */
function dictionarySizes(): number[] {
  return vi
    .mocked(zlib.deflateRawSync)
    .mock.calls.map(([, options]) => options?.dictionary?.byteLength ?? 0);
}

describe('a deflater that calls public functions', () => {
  const open = openDeflaters(PublicDeflater);

  afterEach(() => vi.clearAllMocks());

  it('gives the text before as the dictionary, as far as the window goes', () => {
    vi.clearAllMocks();
    const deflater = open({ windowBits: 10 });
    for (const size of [0, 100, 1_000, 3_000, 10]) deflater.deflate(noise(size));
    deflater.forget();
    deflater.deflate(noise(10));
    expect(dictionarySizes()).toEqual([0, 0, 100, 1_024, 1_024, 0]);
  });

  it('gives none without context takeover, but within a message', () => {
    vi.clearAllMocks();
    const deflater = open({ takeover: false });
    deflater.deflate(noise(100));
    deflater.deflatePart(noise(100), false);
    deflater.deflatePart(noise(100), true);
    deflater.deflate(noise(100));
    expect(dictionarySizes()).toEqual([0, 0, 100, 0]);
  });

  it('throws where zlib has failed', () => {
    vi.mocked(zlib.deflateRawSync).mockImplementation(() => {
      throw FULL;
    });
    const deflater = open();
    expect(() => deflater.deflate(prose(100))).toThrow(FULL);
    expect(() => deflater.deflatePart(prose(100), false)).toThrow(FULL);
    vi.mocked(zlib.deflateRawSync).mockReset();
  });

  it('says null where zlib has failed in a thread', async () => {
    vi.mocked(zlib.deflateRaw).mockImplementationOnce((...call: unknown[]) => {
      const done = call.at(-1);
      if (typeof done === 'function') setImmediate(() => done(FULL, Buffer.alloc(0)));
    });
    const deflater = open();
    expect(await later(deflater, noise(30_000))).toBe(null);
    await jobsEnd();
    const payload = await later(open(), noise(30_000));
    expect(inflateAlone(payload!).equals(noise(30_000))).toBe(true);
  });

  it('says null where a thread cannot even begin', async () => {
    vi.mocked(zlib.deflateRaw).mockImplementationOnce(() => {
      throw new Error('Initialization failed');
    });
    const deflater = open();
    expect(await later(deflater, noise(30_000))).toBe(null);
    await jobsEnd();
  });

  it('says nothing where a thread cannot begin and nobody waits any more', async () => {
    vi.mocked(zlib.deflateRaw).mockImplementationOnce(() => {
      throw new Error('Initialization failed');
    });
    const deflater = open();
    const told = vi.fn();
    deflater.deflateLater(noise(30_000), told);
    deflater.close();
    await jobsEnd();
    expect(told).not.toHaveBeenCalled();
  });
});
