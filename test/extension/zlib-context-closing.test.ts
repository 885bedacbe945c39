// oxlint-disable no-underscore-dangle -- names that Node has given
import * as zlib from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Written, ZlibContext } from '../../src/extension/zlib-context.ts';
import { noise } from '../support/deflate-reference.ts';

/** What these tests look at of a stream. */
interface Watched extends zlib.DeflateRaw {
  readonly _handle: object | null;
  readonly _outBuffer: Uint8Array;
  /** Written when a thread is done. */
  readonly _writeState: Uint32Array;
}

const streams = vi.hoisted((): unknown[] => []);

vi.mock('node:zlib', async (importOriginal) => {
  const real = await importOriginal<typeof zlib>();
  const watched =
    <Options, Stream>(create: (options: Options) => Stream) =>
    (options: Options): Stream => {
      const stream = create(options);
      streams.push(stream);
      return stream;
    };
  return {
    ...real,
    createDeflateRaw: watched(real.createDeflateRaw),
    createInflateRaw: watched(real.createInflateRaw),
  };
});

/** No number of bytes that Node would write there. */
const NOT_DONE = 0xffffffff;

const contexts: ZlibContext[] = [];

afterEach(() => {
  for (const context of contexts.splice(0)) context.close();
  streams.length = 0;
});

const TEXT = Buffer.from(noise(400_000).toString('hex'));

const kinds = [
  {
    what: 'deflates',
    create: (): ZlibContext => ZlibContext.deflater(9, 9, 15),
    input: TEXT,
  },
  {
    what: 'inflates',
    create: (): ZlibContext => ZlibContext.inflater(15),
    input: zlib.deflateRawSync(TEXT, { finishFlush: zlib.constants.Z_SYNC_FLUSH }),
  },
  {
    what: 'fails',
    create: (): ZlibContext => ZlibContext.inflater(15),
    input: Buffer.alloc(100_000, 0x07),
  },
  {
    what: 'inflates a bomb',
    create: (): ZlibContext => ZlibContext.inflater(15),
    input: zlib.deflateRawSync(Buffer.alloc(64 * 1024 * 1024)),
  },
  {
    what: 'reads what gives nothing',
    create: (): ZlibContext => ZlibContext.inflater(15),
    input: Buffer.alloc(5 * 100_000, Buffer.of(0x00, 0x00, 0x00, 0xff, 0xff)),
  },
];

/** How often a thread has filled an output, or has ended within one. */
function countOutputs(stream: Watched): () => number {
  let outputs = 0;
  const push = stream.push.bind(stream);
  stream.push = (chunk: unknown): boolean => {
    outputs++;
    return push(chunk);
  };
  return () => outputs;
}

/** A context at work in a thread. Its buffers are what the thread reads and writes. */
function begin(create: () => ZlibContext, input: Buffer) {
  const context = create();
  contexts.push(context);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by the mock above
  const stream = streams.at(-1) as Watched;
  const answers: (Written & { readonly isThreadDone: boolean })[] = [];
  stream._writeState.fill(NOT_DONE);
  const outputs = countOutputs(stream);
  const done = new Promise<void>((resolve) => {
    context.writeLater(input, Number.POSITIVE_INFINITY, (written) => {
      answers.push({ ...written, isThreadDone: stream._writeState[0] !== NOT_DONE });
      resolve();
    });
  });
  return { context, stream, answers, outputs, done };
}

describe.each(kinds)('a context that is closed while a thread $what', ({ create, input }) => {
  it('answers, once', async () => {
    const { context, answers, done } = begin(create, input);
    context.close();
    expect(context.isFailed).toBe(true);
    expect(answers).toEqual([]);
    await done;
    context.close();
    await new Promise(setImmediate);
    expect(answers.length).toBe(1);
  });

  it('is destroyed then', async () => {
    const { context, stream, done } = begin(create, input);
    context.close();
    await done;
    await new Promise(setImmediate);
    expect(stream.destroyed).toBe(true);
    expect(stream._handle).toBeNull();
  });
});

describe.each(kinds.filter(({ what }) => what !== 'fails'))(
  'a context that is closed while a thread $what',
  ({ create, input }) => {
    it('answers when the thread is done: only then its place is free, and its output', async () => {
      const { context, stream, answers, done } = begin(create, input);
      const output = stream._outBuffer;
      expect(output.length).toBe(64 * 1024);
      context.close();
      expect(stream._outBuffer).toBe(output);
      await done;
      expect(answers[0]?.isThreadDone).toBe(true);
    });

    it('makes no more than the thread was about to', async () => {
      const { context, answers, outputs, done } = begin(create, input);
      context.close();
      await done;
      expect(answers[0]?.chunks).toEqual([]);
      expect(outputs()).toBeLessThanOrEqual(1);
    });
  },
);

describe('a context that is closed by what it gives', () => {
  it('answers, and makes no more', async () => {
    const { context, stream, answers } = begin(
      () => ZlibContext.inflater(15),
      zlib.deflateRawSync(TEXT),
    );
    // From within the first output, as one who is given it would.
    await new Promise<void>((resolve) => {
      const push = stream.push.bind(stream);
      stream.push = (chunk: unknown): boolean => {
        const result = push(chunk);
        context.close();
        resolve();
        return result;
      };
    });
    await vi.waitFor(() => expect(answers.length).toBe(1));
    expect(answers[0]?.chunks.length).toBe(1);
    expect(stream._handle).toBeNull();
  });
});

describe('a context of which much comes', () => {
  it('answers, makes no more, and is freed when it is closed', async () => {
    const context = ZlibContext.inflater(15);
    contexts.push(context);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by the mock above
    const stream = streams.at(-1) as Watched;
    const outputs = countOutputs(stream);
    const bomb = zlib.deflateRawSync(Buffer.alloc(64 * 1024 * 1024));
    const { chunks } = await new Promise<Written>((resolve) => {
      context.writeLater(bomb, 100_000, resolve);
    });
    expect(chunks.length).toBe(2);
    await new Promise(setImmediate);
    expect(outputs()).toBe(2);
    context.close();
    await new Promise(setImmediate);
    expect([outputs(), stream._handle]).toEqual([2, null]);
  });
});

describe('a context that has nothing to do', () => {
  it('has no listener left of what it has done', async () => {
    const context = ZlibContext.inflater(15);
    contexts.push(context);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by the mock above
    const stream = streams.at(-1) as Watched;
    const before = stream.listenerCount('close');
    for (let i = 0; i < 3; i++) {
      await new Promise<Written>((resolve) => {
        context.writeLater(zlib.deflateRawSync(TEXT), TEXT.length, resolve);
      });
      context.reset();
    }
    expect(stream.listenerCount('close')).toBe(before);
  });

  it('takes nothing that its stream gives', async () => {
    const context = ZlibContext.inflater(15);
    contexts.push(context);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by the mock above
    const stream = streams.at(-1) as Watched;
    expect(stream.push(TEXT)).toBe(true);
    expect(stream.push(null)).toBe(true);
    const { chunks } = await new Promise<Written>((resolve) => {
      context.writeLater(zlib.deflateRawSync(TEXT), TEXT.length, resolve);
    });
    expect(Buffer.concat(chunks).equals(TEXT)).toBe(true);
  });
});

describe('a context whose stream calls back and closes too', () => {
  it('answers once', async () => {
    const context = ZlibContext.inflater(15);
    contexts.push(context);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by the mock above
    const stream = streams.at(-1) as Watched;
    const write = stream.write.bind(stream);
    Object.defineProperty(stream, 'write', {
      value: (input: Buffer, callback: () => void): boolean =>
        write(input, () => {
          stream.emit('close');
          callback();
        }),
    });
    let answers = 0;
    await new Promise<void>((resolve) => {
      context.writeLater(zlib.deflateRawSync(TEXT), Number.POSITIVE_INFINITY, () => {
        answers++;
        resolve();
      });
    });
    expect(answers).toBe(1);
  });
});

describe('many contexts that are closed while threads work', () => {
  it('all answer', async () => {
    const works = kinds.flatMap(({ create, input }) =>
      Array.from({ length: 4 }, () => begin(create, input)),
    );
    for (const { context } of works) context.close();
    await Promise.all(works.map(({ done }) => done));
    expect(works.map(({ answers }) => answers.length)).toEqual(works.map(() => 1));
  });
});
