import { randomBytes } from 'node:crypto';
import { constants, createDeflateRaw, deflateRawSync, inflateRawSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeflateCoder, deflateExtension, type Wish } from '../../src/conform/deflate.ts';
import type { MessageCoder } from '../../src/conform/extension.ts';
import { DirectContext, StreamContext } from '../../src/conform/zlib-context.ts';

const TEXT = Buffer.from('what is said twice is said shorter: what is said twice is said shorter');
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);

function wish(noContextTakeover = false, maxWindowBits?: number): Wish {
  return { noContextTakeover, maxWindowBits };
}

/** Whether the second of two equal messages is shorter: the context was kept. */
async function keepsContext(coder: MessageCoder): Promise<boolean> {
  const first = await coder.encode(TEXT);
  return (await coder.encode(TEXT)).length < first.length;
}

describe('the offer of the judge', () => {
  it('lets the server choose how the judge compresses', () => {
    expect(deflateExtension([wish()]).offer).toBe(
      'permessage-deflate; client_no_context_takeover; client_max_window_bits',
    );
  });

  it('asks for what the case wants of the server, the best first', () => {
    const { offer } = deflateExtension([wish(true, 9), wish(true), wish(false, 15)]);
    const both = 'client_no_context_takeover';
    expect(offer.split(', ')).toEqual([
      `permessage-deflate; server_no_context_takeover; ${both}; server_max_window_bits=9; client_max_window_bits`,
      `permessage-deflate; server_no_context_takeover; ${both}; client_max_window_bits`,
      `permessage-deflate; ${both}; server_max_window_bits=15; client_max_window_bits`,
    ]);
  });
});

describe('the answer of a server', () => {
  const ALL = 'permessage-deflate; server_no_context_takeover; server_max_window_bits=9';

  it.each([
    [[wish()], 'permessage-deflate'],
    [[wish()], ALL],
    [[wish()], 'permessage-deflate; client_max_window_bits=8; client_no_context_takeover'],
    [[wish(true)], 'permessage-deflate; server_no_context_takeover'],
    [[wish(false, 9)], 'permessage-deflate; server_max_window_bits=9'],
    [[wish(false, 10)], 'permessage-deflate; server_max_window_bits=8'],
    [[wish(true, 9), wish()], 'permessage-deflate'],
    [[wish(false, 15)], 'permessage-deflate; server_max_window_bits=15'],
  ])('to %j may be %s', (wishes, answer) => {
    deflateExtension(wishes).acceptAnswer(answer).close();
  });

  it.each([
    ['permessage-deflate', 'no context takeover is not promised', [wish(true)]],
    ['permessage-deflate', 'no window is promised', [wish(false, 9)]],
    ['permessage-deflate', 'no window is promised', [wish(false, 15)]],
    ['permessage-deflate; server_max_window_bits=10', 'it is too large', [wish(false, 9)]],
    ['permessage-deflate; server_max_window_bits=9', 'half of it is missing', [wish(true, 9)]],
  ])('may not be %s where %s', (answer, _why, wishes) => {
    expect(() => deflateExtension(wishes).acceptAnswer(answer)).toThrow('fits no offer');
  });

  it.each(['x-webkit-deflate-frame', 'permessage-deflate, permessage-deflate', ''])(
    'may not be "%s"',
    (answer) => {
      expect(() => deflateExtension([wish()]).acceptAnswer(answer)).toThrow('not offered');
    },
  );

  it('must be right in every parameter', () => {
    const extension = deflateExtension([wish()]);
    expect(() => extension.acceptAnswer('permessage-deflate; client_max_window_bits')).toThrow(
      'is nothing',
    );
    expect(() => extension.acceptAnswer('permessage-deflate; foo')).toThrow('is no parameter');
    expect(() => extension.acceptAnswer('permessage-deflate; =')).toThrow('no list of extensions');
  });

  it('decides how the judge compresses', async () => {
    const extension = deflateExtension([wish()]);
    const kept = extension.acceptAnswer('permessage-deflate');
    const forgotten = extension.acceptAnswer('permessage-deflate; client_no_context_takeover');
    expect(await keepsContext(kept)).toBe(true);
    expect(await keepsContext(forgotten)).toBe(false);
    const small = extension.acceptAnswer('permessage-deflate; client_max_window_bits=9');
    const noise = randomBytes(1000);
    const encoded = await small.encode(Buffer.concat([noise, noise]));
    expect(encoded.length).toBeGreaterThan(2000);
    for (const coder of [kept, forgotten, small]) coder.close();
  });

  it('decides what the judge takes', async () => {
    const extension = deflateExtension([wish()]);
    const source = extension.acceptAnswer('permessage-deflate');
    const kept = extension.acceptAnswer('permessage-deflate');
    const forgotten = extension.acceptAnswer('permessage-deflate; server_no_context_takeover');
    const [first, second] = [await source.encode(TEXT), await source.encode(TEXT)];
    expect(await kept.decode(first)).toEqual(TEXT);
    expect(await kept.decode(second)).toEqual(TEXT);
    expect(await forgotten.decode(first)).toEqual(TEXT);
    await expect(forgotten.decode(second)).rejects.toThrow(
      'a window of 32768 bytes was agreed upon, and messages may not refer to earlier ones',
    );
    for (const coder of [source, kept, forgotten]) coder.close();
  });
});

describe('the answer of the judge', () => {
  function answerOf(wishes: readonly Wish[], offer: string): string | undefined {
    const agreed = deflateExtension(wishes).answerOffer(offer);
    agreed?.coder.close();
    return agreed?.answer;
  }

  it.each([
    ['permessage-deflate', 'permessage-deflate'],
    ['permessage-deflate; client_max_window_bits', 'permessage-deflate'],
    ['permessage-deflate; client_max_window_bits=10', 'permessage-deflate'],
    [
      'permessage-deflate; server_no_context_takeover; server_max_window_bits=10',
      'permessage-deflate; server_no_context_takeover; server_max_window_bits=10',
    ],
    ['x-foo; a=1, permessage-deflate', 'permessage-deflate'],
    [
      'permessage-deflate; foo, permessage-deflate; server_no_context_takeover',
      'permessage-deflate; server_no_context_takeover',
    ],
    ['x-foo', undefined],
    ['permessage-deflate; server_max_window_bits=08', undefined],
    ['', undefined],
  ])('to %s is %s where nothing is wanted', (offer, answer) => {
    expect(answerOf([wish()], offer)).toBe(answer);
  });

  it('demands what the case wants of the client, and a window only where one is offered', () => {
    const windows = 'permessage-deflate; client_max_window_bits';
    expect(answerOf([wish(true)], 'permessage-deflate')).toBe(
      'permessage-deflate; client_no_context_takeover',
    );
    expect(answerOf([wish(false, 9)], 'permessage-deflate')).toBeUndefined();
    expect(answerOf([wish(false, 9)], `permessage-deflate, ${windows}`)).toBe(`${windows}=9`);
    expect(answerOf([wish(false, 15)], `${windows}=12`)).toBe(`${windows}=12`);
    expect(answerOf([wish(false, 9)], `${windows}=12`)).toBe(`${windows}=9`);
  });

  it('is the best that the client allows', () => {
    const wishes = [wish(true, 9), wish(true), wish(false)];
    expect(answerOf(wishes, 'permessage-deflate; client_max_window_bits')).toBe(
      'permessage-deflate; client_no_context_takeover; client_max_window_bits=9',
    );
    expect(answerOf(wishes, 'permessage-deflate')).toBe(
      'permessage-deflate; client_no_context_takeover',
    );
  });

  it('throws for an offer that is no list', () => {
    expect(() => answerOf([wish()], 'permessage deflate')).toThrow('no list of extensions');
  });

  it('decides what both do', async () => {
    const extension = deflateExtension([wish(true)]);
    const { coder } = extension.answerOffer('permessage-deflate')!;
    expect(await keepsContext(coder)).toBe(true);
    const source = deflateExtension([wish()]).answerOffer('permessage-deflate')!.coder;
    await coder.decode(await source.encode(TEXT));
    await expect(coder.decode(await source.encode(TEXT))).rejects.toThrow('too far back');
    coder.close();
    source.close();
    const forgotten = extension.answerOffer(
      'permessage-deflate; server_no_context_takeover',
    )!.coder;
    expect(await keepsContext(forgotten)).toBe(false);
    forgotten.close();
  });
});

describe.each([
  ['beneath the streams', DirectContext],
  ['by the streams', StreamContext],
])('a message, by contexts %s', (_name, Context) => {
  const KEPT = { windowBits: 15, isContextKept: true };

  function createCoder(): DeflateCoder {
    return new DeflateCoder(KEPT, KEPT, (options) => new Context(options));
  }

  it('is what plain zlib makes of it, and the other way round', async () => {
    const coder = createCoder();
    const encoded = await coder.encode(TEXT);
    const finishFlush = constants.Z_SYNC_FLUSH;
    expect(inflateRawSync(Buffer.concat([encoded, TAIL]), { finishFlush })).toEqual(TEXT);
    const flushed = deflateRawSync(TEXT, { finishFlush });
    expect(await coder.decode(flushed.subarray(0, -4))).toEqual(TEXT);
    coder.close();
  });

  it('may be empty', async () => {
    const coder = createCoder();
    for (let count = 0; count < 3; count++) {
      const encoded = await coder.encode(Buffer.alloc(0));
      expect(encoded.toString('hex')).toBe('00');
      expect((await coder.decode(encoded)).length).toBe(0);
    }
    coder.close();
  });

  it('may be made of the blocks that section 7.2.3 shows', async () => {
    for (const hex of [
      'f248cdc9c90700',
      '000500faff48656c6c6f00',
      'f348cdc9c9070000',
      'f248050000 00ffffcac9c90700',
    ]) {
      const coder = createCoder();
      const decoded = await coder.decode(Buffer.from(hex.replace(' ', ''), 'hex'));
      expect(decoded.toString()).toBe('Hello');
      coder.close();
    }
  });

  it.each([
    ['the tail was not removed', 'f248cdc9c907000000ffff'],
    ['too much was removed', 'f248cdc9c907'],
    ['there is nothing', ''],
    ['there is the last block alone', 'f348cdc9c90700'],
  ])('is wrong where %s', async (_why, hex) => {
    const coder = createCoder();
    await expect(coder.decode(Buffer.from(hex, 'hex'))).rejects.toThrow('RFC 7692, section 7.2');
    coder.close();
  });

  it('is wrong where it is not DEFLATE', async () => {
    const coder = createCoder();
    await expect(coder.decode(Buffer.from('ff', 'hex'))).rejects.toThrow(
      'A message cannot be inflated (RFC 7692, section 7.2.2): invalid block type',
    );
    coder.close();
  });

  it('may not refer to what lies behind the window', async () => {
    const small = { windowBits: 9, isContextKept: true };
    const coder = new DeflateCoder(KEPT, small, (options) => new Context(options));
    const noise = randomBytes(2000);
    const deflater = createCoder();
    const encoded = await deflater.encode(Buffer.concat([noise, noise]));
    await expect(coder.decode(encoded)).rejects.toThrow(
      /invalid distance too far back, where a window of 512 bytes was agreed upon$/,
    );
    coder.close();
    deflater.close();
  });

  it('comes back whatever it is, in any window, with a context or without', async () => {
    const direction = fc.record({
      windowBits: fc.integer({ min: 8, max: 15 }),
      isContextKept: fc.boolean(),
    });
    const word = fc.constantFrom('tautline ', 'wire ', 'frame ', '\u{1f9f5}', 'ab');
    const content = fc.oneof(
      fc.array(word, { maxLength: 2000 }).map((words) => Buffer.from(words.join(''))),
      fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
    );
    await fc.assert(
      fc.asyncProperty(direction, fc.array(content, { maxLength: 6 }), async (terms, contents) => {
        const one = new DeflateCoder(terms, KEPT, (options) => new Context(options));
        const other = new DeflateCoder(KEPT, terms, (options) => new Context(options));
        for (const message of contents) {
          expect((await other.decode(await one.encode(message))).equals(message)).toBe(true);
        }
        one.close();
        other.close();
      }),
      { numRuns: 40 },
    );
  });
});

describe('a message of a peer', () => {
  it('may be compressed in any way that zlib knows', async () => {
    for (const strategy of [
      constants.Z_DEFAULT_STRATEGY,
      constants.Z_HUFFMAN_ONLY,
      constants.Z_RLE,
      constants.Z_FIXED,
    ]) {
      for (const level of [0, 1, 6, 9]) {
        const stream = createDeflateRaw({ strategy, level });
        const coder = deflateExtension([wish()]).acceptAnswer('permessage-deflate');
        for (let count = 0; count < 3; count++) {
          const parts: Buffer[] = [];
          const onData = (part: Buffer): void => void parts.push(part);
          stream.on('data', onData).write(TEXT);
          await new Promise<void>((resolve) => {
            stream.flush(constants.Z_SYNC_FLUSH, resolve);
          });
          stream.off('data', onData);
          expect(await coder.decode(Buffer.concat(parts).subarray(0, -4))).toEqual(TEXT);
        }
        coder.close();
        stream.close();
      }
    }
  });
});
