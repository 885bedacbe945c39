// oxlint-disable no-underscore-dangle -- names that Node has given
import * as zlib from 'node:zlib';
import { beforeEach, describe, expect, it, vi } from 'vitest';

/** What a version of Node may do that we do not know. */
interface Handle {
  writeSync: unknown;
}

interface Stream {
  _handle: Handle;
  _writeState: unknown;
  readonly destroyed: boolean;
}

const { Z_FINISH, Z_SYNC_FLUSH } = zlib.constants;

type Change = (stream: Stream) => void;

const node = vi.hoisted(() => ({
  streams: [] as unknown[],
  deflater: null as ((stream: unknown) => void) | null,
  inflater: null as ((stream: unknown) => void) | null,
}));

vi.mock('node:zlib', async (importOriginal) => {
  const real = await importOriginal<typeof zlib>();
  return {
    ...real,
    createDeflateRaw: (options: zlib.ZlibOptions): unknown => {
      const stream = real.createDeflateRaw(options);
      node.streams.push(stream);
      node.deflater?.(stream);
      return stream;
    },
    createInflateRaw: (options: zlib.ZlibOptions): unknown => {
      const stream = real.createInflateRaw(options);
      node.streams.push(stream);
      node.inflater?.(stream);
      return stream;
    },
  };
});

/** What the trial finds where a Node changes the streams that deflate and those that inflate. */
async function tryWith(changes: { deflater?: Change; inflater?: Change }): Promise<boolean> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by the mock above
  node.deflater = (changes.deflater ?? null) as (stream: unknown) => void;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by the mock above
  node.inflater = (changes.inflater ?? null) as (stream: unknown) => void;
  vi.resetModules();
  const { areContextsUsable } = await import('../../src/extension/zlib-context.ts');
  const areUsable = areContextsUsable();
  expect(areContextsUsable()).toBe(areUsable);
  return areUsable;
}

function streams(): readonly Stream[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by the mock above
  return node.streams as Stream[];
}

type WriteSync = (...values: unknown[]) => void;

/** Calls `after` when the real `writeSync` has written. */
function wrapWrite(stream: Stream, after: (...values: unknown[]) => void): void {
  const handle = stream._handle;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- so it is in this version
  const writeSync = (handle.writeSync as WriteSync).bind(handle);
  handle.writeSync = (...values: unknown[]): void => {
    writeSync(...values);
    after(...values);
  };
}

beforeEach(() => {
  node.streams.length = 0;
});

describe('areContextsUsable', () => {
  it('tries once, and frees what it has tried', async () => {
    expect(await tryWith({})).toBe(true);
    expect(streams().length).toBe(2);
    expect(streams().map(({ destroyed }) => destroyed)).toEqual([true, true]);
  });

  const missing: (readonly [what: string, change: Change])[] = [
    [
      'has no writeSync',
      (stream) => {
        stream._handle.writeSync = undefined;
      },
    ],
    [
      'throws at writeSync',
      (stream) => {
        stream._handle.writeSync = (): never => {
          throw new Error('not like that');
        };
      },
    ],
    [
      'has no numbers behind a write',
      (stream) => {
        stream._writeState = undefined;
      },
    ],
    [
      'writes nothing',
      (stream) => {
        stream._handle.writeSync = (): void => {};
      },
    ],
    [
      'leaves the numbers the other way round',
      (stream) => {
        wrapWrite(stream, () => {
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- so it is in this version
          (stream._writeState as Uint32Array).reverse();
        });
      },
    ],
    [
      'has not read all',
      (stream) => {
        wrapWrite(stream, () => {
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- so it is in this version
          (stream._writeState as Uint32Array)[1] = 1;
        });
      },
    ],
    [
      'writes something else',
      (stream) => {
        wrapWrite(stream, (...values) => {
          const output = values[4];
          if (output instanceof Uint8Array) output.fill(0x2a);
        });
      },
    ],
    [
      'takes the flush for something else',
      (stream) => {
        const handle = stream._handle;
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- so it is in this version
        const writeSync = (handle.writeSync as WriteSync).bind(handle);
        handle.writeSync = (flush: unknown, ...values: unknown[]): void => {
          writeSync(flush === Z_SYNC_FLUSH ? Z_FINISH : flush, ...values);
        };
      },
    ],
    ...['_outBuffer', '_outOffset', '_chunkSize'].flatMap((name): [string, Change][] => [
      [
        `has no ${name}`,
        (stream) => {
          Reflect.deleteProperty(stream, name);
        },
      ],
      [
        `keeps ${name} somewhere else`,
        (stream) => {
          const value: unknown = Reflect.get(stream, name);
          Object.defineProperty(stream, name, { get: () => value, set: () => {} });
        },
      ],
    ]),
    [
      'has an output of another size',
      (stream) => {
        Reflect.set(stream, '_outBuffer', Buffer.alloc(65));
      },
    ],
    [
      'counts its output in another way',
      (stream) => {
        Reflect.set(stream, '_outOffset', 64);
      },
    ],
    [
      'has another size of chunks',
      (stream) => {
        Reflect.set(stream, '_chunkSize', 65);
      },
    ],
  ];

  it.each(missing)('is false where a stream that deflates %s', async (_what, deflater) => {
    expect(await tryWith({ deflater })).toBe(false);
    expect(streams().map(({ destroyed }) => destroyed)).toEqual([true, true]);
  });

  it.each(missing)('is false where a stream that inflates %s', async (_what, inflater) => {
    expect(await tryWith({ inflater })).toBe(false);
    expect(streams().map(({ destroyed }) => destroyed)).toEqual([true, true]);
  });

  it('is false where there is no handle', async () => {
    const deflater = (stream: Stream): void => {
      Object.defineProperty(stream, '_handle', { value: null });
    };
    expect(await tryWith({ deflater })).toBe(false);
  });

  it('is false where streams cannot be made, or not be closed', async () => {
    const fail = (): never => {
      throw new Error('zlib has no memory');
    };
    expect(await tryWith({ deflater: fail })).toBe(false);
    expect(await tryWith({ inflater: fail })).toBe(false);
    const unclosable = (stream: Stream): void => {
      Object.defineProperty(stream, 'close', { value: fail });
    };
    expect(await tryWith({ deflater: unclosable })).toBe(false);
  });

  it('leaves no error behind that nobody listens to', async () => {
    const deflater: Change = (stream) => {
      wrapWrite(stream, (...values) => {
        const output = values[4];
        if (output instanceof Uint8Array) output.fill(0xff, 0, 6);
      });
    };
    expect(await tryWith({ deflater })).toBe(false);
    // An 'error' without a listener would end the process now.
    await new Promise(setImmediate);
  });
});
