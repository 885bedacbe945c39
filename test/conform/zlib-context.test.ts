import { randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  type ContextOptions,
  createContext,
  DirectContext,
  isUsable,
  StreamContext,
  type ZlibContext,
} from '../../src/conform/zlib-context.ts';

const TEXT = Buffer.from('what is said twice is said shorter: what is said twice is said shorter');

const KINDS: readonly (readonly [string, new (options: ContextOptions) => ZlibContext])[] = [
  ['beneath the streams', DirectContext],
  ['by the streams', StreamContext],
];

describe.each(KINDS)('a context %s', (_name, Context) => {
  function pair(windowBits: number, inflaterBits = windowBits): [ZlibContext, ZlibContext] {
    return [
      new Context({ kind: 'deflate', windowBits }),
      new Context({ kind: 'inflate', windowBits: inflaterBits }),
    ];
  }

  it.each([8, 9, 10, 12, 15])(
    'makes of what it made what it was, in a window of 2^%i',
    async (bits) => {
      const [deflater, inflater] = pair(bits);
      for (let count = 0; count < 30; count++) {
        const noise = randomBytes(count * 7).toString('base64');
        const text = Buffer.from(`${TEXT.toString()}${noise}`.repeat(1 + count));
        const deflated = await deflater.run([text]);
        expect(deflated.subarray(-4).toString('hex')).toBe('0000ffff');
        expect((await inflater.run([deflated])).equals(text)).toBe(true);
      }
      deflater.close();
      inflater.close();
    },
  );

  it('keeps what it saw until it is reset', async () => {
    const [deflater, inflater] = pair(15);
    const first = await deflater.run([TEXT]);
    const second = await deflater.run([TEXT]);
    expect(second.length).toBeLessThan(first.length / 2);
    deflater.reset();
    expect(await deflater.run([TEXT])).toEqual(first);

    expect(await inflater.run([first])).toEqual(TEXT);
    expect(await inflater.run([second])).toEqual(TEXT);
    inflater.reset();
    await expect(inflater.run([second])).rejects.toThrow('distance too far back');
    deflater.close();
    inflater.close();
  });

  it('takes several parts as one, and empty ones', async () => {
    const [deflater, inflater] = pair(15);
    const deflated = await deflater.run([TEXT]);
    const parts = [Buffer.alloc(0), deflated.subarray(0, 5), deflated.subarray(5), Buffer.alloc(0)];
    expect(await inflater.run(parts)).toEqual(TEXT);
    expect(await inflater.run([])).toEqual(Buffer.alloc(0));
    deflater.close();
    inflater.close();
  });

  it.each([9, 10, 12])('objects to what lies behind a window of 2^%i', async (bits) => {
    const [deflater, inflater] = pair(15, bits);
    const noise = randomBytes((1 << bits) + (1 << bits) / 8 + 64);
    const deflated = await deflater.run([Buffer.concat([noise, noise])]);
    await expect(inflater.run([deflated])).rejects.toThrow('distance too far back');
    deflater.close();
    inflater.close();
  });

  it('goes on behind blocks that say they are the last, in one part and in several', async () => {
    const [, inflater] = pair(15);
    const last = deflateRawSync(TEXT);
    const twice = Buffer.concat([TEXT, TEXT]);
    expect(await inflater.run([Buffer.concat([last, last])])).toEqual(twice);
    expect(await inflater.run([last, last])).toEqual(twice);
    inflater.close();
  });

  it('says what is no DEFLATE', async () => {
    const [, inflater] = pair(15);
    await expect(inflater.run([Buffer.from('ffff', 'hex')])).rejects.toThrow('invalid block type');
    inflater.close();
  });

  it('does nothing any more when it is closed, also while it is at work', async () => {
    const [deflater, inflater] = pair(15);
    deflater.close();
    deflater.reset();
    await expect(deflater.run([TEXT])).rejects.toThrow('the connection is over');
    const running = inflater.run([deflateRawSync(TEXT)]).catch(String);
    inflater.close();
    expect([TEXT, 'Error: the connection is over']).toContainEqual(await running);
  });

  it('makes long things, and no endless ones', async () => {
    const [, inflater] = pair(15);
    const zeros = Buffer.alloc(1024 * 1024);
    expect((await inflater.run([deflateRawSync(zeros)])).equals(zeros)).toBe(true);
    const bomb = deflateRawSync(Buffer.alloc(17 * 1024 * 1024));
    await expect(inflater.run([bomb])).rejects.toThrow('more than 16777216 bytes');
    inflater.close();
  });
});

describe('the choice between them', () => {
  it('takes what lies beneath the streams, as it works on this Node', () => {
    expect(isUsable()).toBe(true);
    const context = createContext({ kind: 'inflate', windowBits: 15 });
    expect(context).toBeInstanceOf(DirectContext);
    context.close();
  });

  it('takes the streams where nothing lies beneath them', () => {
    class Missing extends DirectContext {
      constructor(options: ContextOptions) {
        super(options);
        throw new Error('This Node has another zlib beneath its streams');
      }
    }
    expect(isUsable(Missing)).toBe(false);
    const context = createContext({ kind: 'inflate', windowBits: 15 }, false);
    expect(context).toBeInstanceOf(StreamContext);
    context.close();
  });

  it('does not take what forgets', () => {
    class Forgetful extends DirectContext {
      override runNow(parts: readonly Buffer[]): Buffer {
        const output = super.runNow(parts);
        this.reset();
        return output;
      }
    }
    expect(isUsable(Forgetful)).toBe(false);
  });

  it('does not take what is silent about errors', () => {
    class Silent extends DirectContext {
      override runNow(parts: readonly Buffer[]): Buffer {
        try {
          return super.runNow(parts);
        } catch {
          return Buffer.alloc(0);
        }
      }
    }
    expect(isUsable(Silent)).toBe(false);
  });
});
