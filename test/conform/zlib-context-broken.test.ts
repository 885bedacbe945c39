import { describe, expect, it, vi } from 'vitest';
import { createContext, DirectContext, StreamContext } from '../../src/conform/zlib-context.ts';

/** What this Node has beneath its streams of zlib, as far as these tests have it. */
const node = vi.hoisted(() => ({ internals: {} as object, bytesWritten: undefined as unknown }));

vi.mock('node:zlib', async (importOriginal) => {
  const zlib = await importOriginal<typeof import('node:zlib')>();
  return {
    ...zlib,
    createInflateRaw: (...args: Parameters<typeof zlib.createInflateRaw>): object => {
      const stream = zlib.createInflateRaw(...args);
      const { bytesWritten } = node;
      if (bytesWritten !== undefined)
        Object.defineProperty(stream, 'bytesWritten', { get: () => 0, set() {} });
      return new Proxy(stream, {
        has: (_target, name) => name in node.internals,
        get: (target, name) => {
          const source: object = name in node.internals ? node.internals : target;
          const value: unknown = Reflect.get(source, name);
          return typeof value === 'function' && source === target ? value.bind(target) : value;
        },
      });
    },
  };
});

const INFLATE = { kind: 'inflate', windowBits: 15 } as const;

describe('a Node with another zlib', () => {
  it('is told by the parts that are missing, and its streams are taken', () => {
    expect(() => new DirectContext(INFLATE)).toThrow('another zlib');
    const context = createContext(INFLATE);
    expect(context).toBeInstanceOf(StreamContext);
    context.close();
  });

  it('is not waited for where what lies beneath its streams takes nothing', () => {
    node.internals = {
      _handle: { writeSync: () => {}, reset: () => {} },
      _writeState: new Uint32Array([1, 3]),
    };
    const context = new DirectContext(INFLATE);
    expect(() => context.runNow([Buffer.from('abc')])).toThrow('zlib does not go on');
    node.internals = {};
  });

  it('is not waited for where its streams take nothing', async () => {
    node.bytesWritten = 0;
    const context = new StreamContext(INFLATE);
    await expect(context.run([Buffer.from([0])])).rejects.toThrow('zlib does not go on');
    context.close();
  });
});
