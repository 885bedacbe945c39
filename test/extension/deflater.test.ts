import { afterEach, describe, expect, it, vi } from 'vitest';
import { KeptDeflater, withoutTail } from '../../src/extension/deflater.ts';
import { ZlibContext } from '../../src/extension/zlib-context.ts';
import { hex } from '../support/bytes.ts';
import { inflateAlone, jobsEnd, noise, prose } from '../support/deflate-reference.ts';
import { describeDeflater, later, openDeflaters } from '../support/deflater-behaviour.ts';

describeDeflater('kept contexts', KeptDeflater);

/** Contexts that zlib has no memory for. */
function failContexts(): void {
  const create = ZlibContext.deflater.bind(ZlibContext);
  vi.spyOn(ZlibContext, 'deflater').mockImplementation((...options) => {
    const context = create(...options);
    context.close();
    return context;
  });
}

describe('a deflater that keeps its context', () => {
  const open = openDeflaters(KeptDeflater);

  afterEach(() => vi.restoreAllMocks());

  it('shares it with all others where messages do not refer to each other', async () => {
    const create = vi.spyOn(ZlibContext, 'deflater');
    const terms = { takeover: false, level: 2 };
    for (let i = 0; i < 10; i++) {
      const deflater = open(terms);
      deflater.deflate(prose(100));
      deflater.deflatePart(prose(100), false);
      deflater.deflatePart(prose(100), true);
      await later(deflater, noise(30_000));
    }
    expect(create.mock.calls).toEqual([[2, 6, 15]]);
  });

  it('shares it with no others of other terms', () => {
    const create = vi.spyOn(ZlibContext, 'deflater');
    const kinds = [
      { level: 4, memoryLevel: 7, windowBits: 15 },
      { level: 5, memoryLevel: 7, windowBits: 15 },
      { level: 4, memoryLevel: 6, windowBits: 15 },
      { level: 4, memoryLevel: 7, windowBits: 14 },
    ];
    for (const kind of kinds) open({ ...kind, takeover: false }).deflate(prose(100));
    expect(create.mock.calls).toEqual([
      [4, 7, 15],
      [5, 7, 15],
      [4, 6, 15],
      [4, 7, 14],
    ]);
  });

  it('has one of its own where they do, made when it is first needed and freed when it is closed', () => {
    const create = vi.spyOn(ZlibContext, 'deflater');
    const close = vi.spyOn(ZlibContext.prototype, 'close');
    const terms = { takeover: true, level: 7 };
    const deflaters = [open(terms), open(terms)];
    expect(create).not.toHaveBeenCalled();
    for (let i = 0; i < 3; i++) for (const deflater of deflaters) deflater.deflate(prose(100));
    expect(create).toHaveBeenCalledTimes(2);
    for (const deflater of deflaters) deflater.close();
    expect(close).toHaveBeenCalledTimes(2);
  });

  it('throws where zlib has no memory, and gives the context to nobody else', () => {
    failContexts();
    for (const takeover of [true, false]) {
      const deflater = open({ takeover, memoryLevel: 2 });
      expect(() => deflater.deflate(prose(100))).toThrow('zlib has no memory for a compressor');
      expect(() => deflater.deflatePart(prose(100), false)).toThrow('zlib has no memory');
    }
    const failing = open({ memoryLevel: 2 });
    expect(() => failing.deflate(prose(100))).toThrow('zlib has no memory');
    vi.restoreAllMocks();
    for (const deflater of [failing, open({ takeover: false, memoryLevel: 2 })]) {
      expect(inflateAlone(deflater.deflate(prose(100))).equals(prose(100))).toBe(true);
    }
  });

  it('says null where zlib has no memory in a thread', async () => {
    failContexts();
    for (const takeover of [true, false]) {
      expect(await later(open({ takeover, memoryLevel: 3 }), noise(30_000))).toBe(null);
    }
    await jobsEnd();
    vi.restoreAllMocks();
    const payload = await later(open({ memoryLevel: 3 }), noise(30_000));
    expect(inflateAlone(payload!).equals(noise(30_000))).toBe(true);
  });

  it('says null where not even a context can be made', async () => {
    vi.spyOn(ZlibContext, 'deflater').mockImplementation(() => {
      throw new RangeError('Array buffer allocation failed');
    });
    const deflater = open({ memoryLevel: 4 });
    expect(await later(deflater, noise(30_000))).toBe(null);
    expect(() => deflater.deflate(prose(100))).toThrow(RangeError);
    await jobsEnd();
  });
});

describe('what is not sent at the end of a message', () => {
  it('is left out', () => {
    expect(withoutTail(hex('f2 48 00 00 00 ff ff'))).toEqual(hex('f2 48 00'));
    expect(withoutTail(hex('00 00 00 ff ff'))).toEqual(hex('00'));
  });

  it('was not even written where a flush follows another: then the message is not nothing', () => {
    expect(withoutTail(Buffer.alloc(0))).toEqual(hex('00'));
  });
});
