import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  DEFAULT_DEFLATE,
  type ResolvedDeflateOptions,
} from '../../src/extension/deflate-options.ts';
import type { DeflateTerms } from '../../src/extension/deflate-params.ts';
import { KeptDeflater } from '../../src/extension/deflater.ts';
import { KeptInflater } from '../../src/extension/inflater.ts';
import { PerMessageDeflate } from '../../src/extension/permessage-deflate.ts';
import { PublicDeflater } from '../../src/extension/public-deflater.ts';
import { PublicInflater } from '../../src/extension/public-inflater.ts';
import * as zlibContext from '../../src/extension/zlib-context.ts';
import {
  InflatingEnd,
  ReferenceDeflater,
  ReferenceInflater,
  deflateAlone,
  inflateAlone,
  jobsEnd,
  noise,
  prose,
} from '../support/deflate-reference.ts';

const TERMS: DeflateTerms = {
  ownTakeover: true,
  ownWindowBits: 15,
  peerTakeover: true,
  peerWindowBits: 15,
};

const open: { close(): void }[] = [];

/** Contexts cost memory that the garbage collector does not see. */
afterEach(() => {
  for (const one of open.splice(0)) one.close();
  vi.restoreAllMocks();
});

function opened<One extends { close(): void }>(one: One): One {
  open.push(one);
  return one;
}

function create(
  terms: Partial<DeflateTerms> = {},
  options: Partial<ResolvedDeflateOptions> = {},
): PerMessageDeflate {
  return opened(new PerMessageDeflate({ ...DEFAULT_DEFLATE, ...options }, { ...TERMS, ...terms }));
}

function inflating(deflate: PerMessageDeflate): InflatingEnd {
  return new InflatingEnd((sink, later) => deflate.inflater(sink, later));
}

const TEXT = prose(4000);

/** Bytes that say by their smallness whether they refer to others before. */
const NOISE = noise(400);

describe('permessage-deflate', () => {
  it('knows what was negotiated', () => {
    const deflate = new PerMessageDeflate(DEFAULT_DEFLATE, TERMS);
    expect(deflate.options).toBe(DEFAULT_DEFLATE);
    expect(deflate.terms).toBe(TERMS);
  });

  it('runs what it is given', () => {
    let ran = 0;
    create().run(() => ran++);
    expect(ran).toBe(1);
  });

  it('gives out a large message that was inflated in a thread', async () => {
    const deflate = create();
    const end = inflating(deflate);
    const bytes = Buffer.from(noise(300_000));
    await end.push(deflateAlone(bytes));
    expect(end.messages[0]?.equals(bytes)).toBe(true);
    expect(end.turns).toBeGreaterThan(0);
  });

  it('compresses messages from the threshold on', () => {
    const deflate = create({}, { threshold: 100 });
    expect([0, 99, 100, 101, Infinity].map((size) => deflate.compresses(size))).toEqual([
      false,
      false,
      true,
      true,
      true,
    ]);
    expect(create({}, { threshold: 0 }).compresses(0)).toBe(true);
  });

  it('compresses nothing in a window of 8 bits, which zlib does not know', () => {
    const deflate = create({ ownWindowBits: 8 }, { threshold: 0 });
    expect([0, 1024, Infinity].some((size) => deflate.compresses(size))).toBe(false);
    expect(create({ ownWindowBits: 9 }).compresses(1024)).toBe(true);
    expect(create({ peerWindowBits: 8 }).compresses(1024)).toBe(true);
  });

  it('calls a message large from where a thread is worth its while', () => {
    expect(PerMessageDeflate.isLarge(0)).toBe(false);
    expect(PerMessageDeflate.isLarge(16 * 1024)).toBe(false);
    expect(PerMessageDeflate.isLarge(16 * 1024 + 1)).toBe(true);
    expect(PerMessageDeflate.isLarge(Infinity)).toBe(true);
  });
});

describe('the kind of a permessage-deflate', () => {
  it('is the same where the compressors write the same', () => {
    const { kind } = create();
    expect(create().kind).toBe(kind);
    expect(create({ ownTakeover: false, peerTakeover: false, peerWindowBits: 9 }).kind).toBe(kind);
    const others = { threshold: 0, contextTakeover: false, windowBits: 13, peerWindowBits: 9 };
    const limited = create({ ownWindowBits: 13 }, { ...others, peerContextTakeover: false });
    expect(limited.kind).toBe(kind);
  });

  it('differs where one of their parameters does', () => {
    const kinds = [
      create(),
      create({ ownWindowBits: 14 }, { windowBits: 15 }),
      create({}, { level: 4 }),
      create({ ownWindowBits: 12 }),
      create({}, { windowBits: 15 }),
      create({}, { memoryLevel: 7 }),
      create({}, { keepContexts: false }),
      create({ ownWindowBits: 9 }, { level: 1, memoryLevel: 1 }),
      create({ ownWindowBits: 11 }, { level: 9, memoryLevel: 1 }),
    ].map(({ kind }) => kind);
    expect(new Set(kinds).size).toBe(kinds.length);
  });
});

describe('the window of a compressor', () => {
  it.each([
    { agreed: 15, chosen: undefined, used: 13 },
    { agreed: 10, chosen: undefined, used: 10 },
    { agreed: 15, chosen: 15, used: 15 },
    { agreed: 12, chosen: 15, used: 12 },
  ])('is of $used bits where $agreed were agreed on, and $chosen chosen', (bits) => {
    const made = vi.spyOn(zlibContext.ZlibContext, 'deflater');
    const deflate = create({ ownWindowBits: bits.agreed }, { windowBits: bits.chosen });
    deflate.deflater.deflate(TEXT);
    // Perhaps behind a trial.
    expect(made).toHaveBeenLastCalledWith(3, 6, bits.used);
  });
});

describe('permessage-deflate, where contexts may be kept,', () => {
  it('keeps them', () => {
    const deflate = create();
    expect(deflate.deflater).toBeInstanceOf(KeptDeflater);
    expect(deflate.createAlone()).toBeInstanceOf(KeptDeflater);
    expect(inflating(deflate).inflater).toBeInstanceOf(KeptInflater);
  });

  it('takes the public way where this Node is not the one we know', () => {
    vi.spyOn(zlibContext, 'areContextsUsable').mockReturnValue(false);
    const deflate = create();
    expect(deflate.deflater).toBeInstanceOf(PublicDeflater);
    expect(deflate.createAlone()).toBeInstanceOf(PublicDeflater);
    expect(inflating(deflate).inflater).toBeInstanceOf(PublicInflater);
  });
});

describe('permessage-deflate, where contexts may not be kept,', () => {
  it('takes the public way, and does not even try the other', () => {
    const usable = vi.spyOn(zlibContext, 'areContextsUsable');
    const deflate = create({}, { keepContexts: false });
    expect(deflate.deflater).toBeInstanceOf(PublicDeflater);
    expect(deflate.createAlone()).toBeInstanceOf(PublicDeflater);
    expect(inflating(deflate).inflater).toBeInstanceOf(PublicInflater);
    expect(usable).not.toHaveBeenCalled();
  });
});

describe.each([
  ['contexts that are kept', true],
  ['public functions', false],
])('permessage-deflate by %s', (_what, keepContexts) => {
  const options = { keepContexts };

  it('makes one deflater and one inflater', () => {
    const deflate = create({}, options);
    expect(deflate.deflater).toBe(deflate.deflater);
    expect(inflating(deflate).inflater).toBe(inflating(deflate).inflater);
  });

  it.each([9, 10, 11, 12, 13, 14, 15])(
    'writes what a window of %d bits inflates, and not for a larger one',
    async (ownWindowBits) => {
      // The peer's window is another, so that neither is taken for the other.
      const peerWindowBits = ownWindowBits === 15 ? 9 : 15;
      const deflate = create({ ownWindowBits, peerWindowBits }, options);
      const peer = opened(new ReferenceInflater(ownWindowBits, true));
      const far = Buffer.concat([NOISE, noise(2 ** ownWindowBits - 400, 2), NOISE, TEXT]);
      for (const message of [TEXT, TEXT, far, NOISE]) {
        expect((await peer.inflate(deflate.deflater.deflate(message))).equals(message)).toBe(true);
      }
    },
  );

  it.each([8, 9, 10, 11, 12, 13, 14, 15])(
    'inflates what comes from a window of %d bits',
    async (peerWindowBits) => {
      const ownWindowBits = peerWindowBits === 15 ? 9 : 15;
      const end = inflating(create({ ownWindowBits, peerWindowBits }, options));
      const peer = opened(new ReferenceDeflater(Math.max(peerWindowBits, 9), true));
      const messages = [TEXT, TEXT, NOISE, Buffer.concat([noise(5000, 3), noise(5000, 3)]), NOISE];
      for (const message of messages) await end.push(await peer.deflate(message));
      expect(end.messages).toEqual(messages);
    },
  );

  it('refers to messages before where it may', async () => {
    const deflate = create({ peerTakeover: false }, options);
    const first = Buffer.from(deflate.deflater.deflate(NOISE));
    const second = deflate.deflater.deflate(NOISE);
    expect(second.length).toBeLessThan(first.length / 4);
    const peer = opened(new ReferenceInflater(15, true));
    expect(await peer.inflate(first)).toEqual(NOISE);
    expect(await peer.inflate(second)).toEqual(NOISE);
  });

  it('refers to none where it may not', () => {
    const deflate = create({ ownTakeover: false }, options);
    const payloads = [1, 2, 3].map(() => Buffer.from(deflate.deflater.deflate(NOISE)));
    expect(payloads[1]).toEqual(payloads[0]);
    expect(payloads[2]).toEqual(payloads[0]);
    expect(inflateAlone(payloads[0]!)).toEqual(NOISE);
  });

  it('knows messages before where the peer may refer to them', async () => {
    const end = inflating(create({ ownTakeover: false }, options));
    const peer = opened(new ReferenceDeflater(15, true));
    for (let i = 0; i < 3; i++) await end.push(await peer.deflate(NOISE));
    expect(end.messages).toEqual([NOISE, NOISE, NOISE]);
  });

  it('knows none where it may not, and refuses what does', async () => {
    const end = inflating(create({ peerTakeover: false }, options));
    const peer = opened(new ReferenceDeflater(15, true));
    await end.push(await peer.deflate(NOISE));
    await expect(end.push(await peer.deflate(NOISE))).rejects.toMatchObject({
      code: 'WS_ERR_INVALID_DEFLATE',
      closeCode: 1007,
    });
  });

  it('compresses with the level and the memory that were chosen', () => {
    for (const [level, memoryLevel] of [
      [1, 1],
      [9, 9],
    ] as const) {
      const deflate = create({}, { ...options, level, memoryLevel });
      const expected = deflateAlone(TEXT, { level, memLevel: memoryLevel });
      expect(deflate.deflater.deflate(TEXT)).toEqual(expected);
      expect(deflate.createAlone().deflate(TEXT)).toEqual(expected);
    }
  });

  it('makes deflaters for a message alone, which refers to nothing and to which nothing does', async () => {
    const deflate = create({ ownWindowBits: 10 }, options);
    const peer = opened(new ReferenceInflater(10, true));
    expect(await peer.inflate(deflate.deflater.deflate(NOISE))).toEqual(NOISE);
    const alone = deflate.createAlone();
    expect(inflateAlone(alone.deflate(NOISE), 10)).toEqual(NOISE);
    expect(alone.deflate(NOISE)).toEqual(deflate.createAlone().deflate(NOISE));
    // Nobody was told: what the deflater refers to is still the first one.
    expect(await peer.inflate(deflate.deflater.deflate(NOISE))).toEqual(NOISE);
  });

  it('forgets what it has sent', () => {
    const deflate = create({}, options);
    // Nothing was sent yet.
    deflate.forget();
    const first = deflate.deflater.deflate(NOISE);
    deflate.forget();
    expect(deflate.deflater.deflate(NOISE)).toEqual(first);
    expect(deflate.deflater.deflate(NOISE).length).toBeLessThan(first.length / 4);
  });

  it('closes what it has made', () => {
    const deflate = create({}, options);
    const { deflater } = deflate;
    const { inflater } = inflating(deflate);
    const closed = [vi.spyOn(deflater, 'close'), vi.spyOn(inflater, 'close')];
    deflate.close();
    for (const close of closed) expect(close).toHaveBeenCalledOnce();
    expect(deflate.compresses(Infinity)).toBe(false);
  });

  it('closes while a thread works, and never tells of it', async () => {
    const deflate = create({}, options);
    const end = inflating(deflate);
    const told = vi.fn<(payload: Buffer | null) => void>();
    deflate.deflater.deflateLater(noise(100_000), told);
    void end.push(deflateAlone(noise(100_000)));
    deflate.close();
    await jobsEnd();
    // And what a job leaves to the next turn.
    await new Promise(setImmediate);
    expect(told).not.toHaveBeenCalled();
    expect(end.turns).toBe(0);
  });
});

describe('permessage-deflate that is closed before anything was sent', () => {
  it('has nothing to close, and compresses nothing', () => {
    const deflate = create();
    deflate.close();
    deflate.close();
    expect(deflate.compresses(Infinity)).toBe(false);
  });
});
