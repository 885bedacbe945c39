import { describe, expect, it } from 'vitest';
import {
  DEFAULT_DEFLATE,
  type ResolvedDeflateOptions,
} from '../../src/extension/deflate-options.ts';
import {
  DEFLATE_NAME,
  type DeflateTerms,
  answerOffers,
  createDeflateOffer,
  readAnswer,
} from '../../src/extension/deflate-params.ts';
import type { Extension } from '../../src/extension/extension.ts';
import { formatExtensions, parseExtensions } from '../../src/handshake/extensions-header.ts';

type Some = Partial<ResolvedDeflateOptions>;

function withDefaults(options: Some = {}): ResolvedDeflateOptions {
  return { ...DEFAULT_DEFLATE, ...options };
}

/** A list of extensions as it stands in a header. */
function read(header: string): Extension[] {
  return parseExtensions([header])!;
}

/** What a server answers to a header, as it stands in one; null where it answers nothing. */
function answerTo(header: string, options: Some = {}): string | null {
  const answer = answerOffers(read(header), withDefaults(options));
  return answer === null ? null : formatExtensions([answer.extension]);
}

/** What an answer means for a server. */
function serverTerms(header: string, options: Some = {}): DeflateTerms | undefined {
  return answerOffers(read(header), withDefaults(options))?.terms;
}

function offerOf(options: Some = {}): string {
  return formatExtensions([createDeflateOffer(withDefaults(options))]);
}

/** What an answer means for a client that has made one offer; null where it does not fit. */
function clientTerms(header: string, options: Some = {}): DeflateTerms | null {
  return readAnswer(read(header)[0]!, [withDefaults(options)])?.terms ?? null;
}

const PLAIN: DeflateTerms = {
  ownTakeover: true,
  ownWindowBits: 15,
  peerTakeover: true,
  peerWindowBits: 15,
};

const ALL_BITS = [8, 9, 10, 11, 12, 13, 14, 15];

/** Parameters that neither an offer nor an answer may have: RFC 7692, section 7.1. */
const MALFORMED = [
  ...['server_max_window_bits', 'client_max_window_bits'].flatMap((name) =>
    [
      ['08', '09', '010', '015', '008'],
      ['7', '16', '0', '1', '80', '150', '1000', '4294967311'],
      ['1e1', '0xf', '0b1111', '12.0', '+10', '-10', '1_0', 'x', 'true', 'NaN', '10x', '٩'],
    ]
      .flat()
      .map((value) => [[name, value] as const]),
  ),
  [['server_max_window_bits', true] as const],
  ...['server_no_context_takeover', 'client_no_context_takeover'].flatMap((name) =>
    ['1', '15', 'true', 'false', 'x', name].map((value) => [[name, value] as const]),
  ),
  ...[
    'x',
    'max_window_bits',
    'no_context_takeover',
    'server_max_window_bit',
    'Server_Max_Window_Bits',
    'SERVER_NO_CONTEXT_TAKEOVER',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'length',
  ].flatMap((name) => [[[name, true] as const], [[name, '10'] as const]]),
  // Twice, be it the same or not.
  ...[
    [['server_no_context_takeover', true] as const],
    [['client_no_context_takeover', true] as const],
    [['server_max_window_bits', '10'] as const, ['server_max_window_bits', '11'] as const],
    [['client_max_window_bits', '10'] as const, ['client_max_window_bits', '11'] as const],
  ].map(([first, second]) => [first!, second ?? first!]),
].map((parameters): Extension => ({ name: DEFLATE_NAME, parameters }));

const malformed = MALFORMED.map((extension): [what: string, extension: Extension] => [
  extension.parameters.map(([name, value]) => (value === true ? name : `${name}=${value}`)).join(),
  extension,
]);

describe('answerOffers', () => {
  it('accepts an offer without parameters', () => {
    expect(answerTo('permessage-deflate')).toBe('permessage-deflate');
    expect(serverTerms('permessage-deflate')).toEqual(PLAIN);
  });

  it('accepts nothing where nothing is offered, or something else', () => {
    expect(answerOffers([], withDefaults())).toBeNull();
    for (const header of [
      'x-webkit-deflate-frame',
      'permessage-bzip2; client_max_window_bits',
      'Permessage-Deflate',
      'permessage-deflate2',
      '__proto__',
    ]) {
      expect(answerTo(header)).toBeNull();
    }
  });

  it.each(malformed)('declines %s', (_what, extension) => {
    expect(answerOffers([extension], withDefaults())).toBeNull();
  });

  it.each(malformed)('declines %s beside good parameters, wherever it stands', (_what, bad) => {
    const good: [string, string | true][] = [
      ['server_no_context_takeover', true],
      ['client_no_context_takeover', true],
      ['server_max_window_bits', '12'],
      ['client_max_window_bits', true],
    ];
    const names = new Set(bad.parameters.map(([name]) => name));
    const others = good.filter(([name]) => !names.has(name));
    for (const parameters of [
      [...others, ...bad.parameters],
      [...bad.parameters, ...others],
    ]) {
      expect(answerOffers([{ name: DEFLATE_NAME, parameters }], withDefaults())).toBeNull();
    }
  });

  it.each(malformed)('takes the next offer behind %s', (_what, extension) => {
    const [fallback] = read('permessage-deflate; server_max_window_bits=10');
    expect(answerOffers([extension, fallback!], withDefaults())?.extension).toEqual(fallback);
  });

  it('accepts the first offer that it can, among others', () => {
    expect(
      answerTo(
        'x-a, permessage-deflate; server_max_window_bits=7, x-b, ' +
          'permessage-deflate; server_max_window_bits=11, permessage-deflate',
      ),
    ).toBe('permessage-deflate; server_max_window_bits=11');
    expect(answerTo('permessage-deflate, permessage-deflate; server_max_window_bits=11')).toBe(
      'permessage-deflate',
    );
  });

  it('reads values that stand in quotes as others', () => {
    expect(answerTo('permessage-deflate; server_max_window_bits="10"')).toBe(
      'permessage-deflate; server_max_window_bits=10',
    );
    expect(answerTo('permessage-deflate; server_max_window_bits="010"')).toBeNull();
  });

  it('reads parameters in any order', () => {
    const header = 'client_max_window_bits=9; server_no_context_takeover; server_max_window_bits=9';
    expect(answerTo(`permessage-deflate; ${header}; client_no_context_takeover`)).toBe(
      'permessage-deflate; server_no_context_takeover; client_no_context_takeover; ' +
        'server_max_window_bits=9; client_max_window_bits=9',
    );
  });
});

describe('answerOffers, for the compressor of the server,', () => {
  it('grants that it remembers nothing, and says so', () => {
    const header = 'permessage-deflate; server_no_context_takeover';
    expect(answerTo(header)).toBe(header);
    expect(serverTerms(header)).toEqual({ ...PLAIN, ownTakeover: false });
  });

  it('says that it remembers nothing where nobody has asked', () => {
    const options = { contextTakeover: false };
    const answer = 'permessage-deflate; server_no_context_takeover';
    expect(answerTo('permessage-deflate', options)).toBe(answer);
    expect(answerTo(answer, options)).toBe(answer);
    expect(serverTerms('permessage-deflate', options)).toEqual({ ...PLAIN, ownTakeover: false });
  });

  it.each(ALL_BITS)('grants a window of %d bits, and says so', (bits) => {
    const header = `permessage-deflate; server_max_window_bits=${bits}`;
    expect(answerTo(header)).toBe(header);
    expect(serverTerms(header)).toEqual({ ...PLAIN, ownWindowBits: bits });
  });

  it('says which window it has where that is not the largest, though nobody has asked', () => {
    const options = { windowBits: 12 };
    expect(answerTo('permessage-deflate', options)).toBe(
      'permessage-deflate; server_max_window_bits=12',
    );
    expect(serverTerms('permessage-deflate', options)).toEqual({ ...PLAIN, ownWindowBits: 12 });
  });

  it('has the smaller one of two windows', () => {
    for (const bits of ALL_BITS) {
      const header = `permessage-deflate; server_max_window_bits=${bits}`;
      const smaller = Math.min(bits, 12);
      expect(answerTo(header, { windowBits: 12 })).toBe(
        `permessage-deflate; server_max_window_bits=${smaller}`,
      );
      expect(serverTerms(header, { windowBits: 12 })?.ownWindowBits).toBe(smaller);
    }
  });
});

describe('answerOffers, for the compressor of the client,', () => {
  it('says that it may not remember where the client can do without', () => {
    const header = 'permessage-deflate; client_no_context_takeover';
    expect(answerTo(header)).toBe(header);
    expect(serverTerms(header)).toEqual({ ...PLAIN, peerTakeover: false });
  });

  it('says that it may not remember where the server wants that', () => {
    const options = { peerContextTakeover: false };
    const answer = 'permessage-deflate; client_no_context_takeover';
    expect(answerTo('permessage-deflate', options)).toBe(answer);
    expect(serverTerms('permessage-deflate', options)).toEqual({ ...PLAIN, peerTakeover: false });
  });

  it('never limits its window where that was not offered', () => {
    for (const peerWindowBits of [9, 12, 15]) {
      for (const header of ['permessage-deflate', 'permessage-deflate; server_max_window_bits=9']) {
        expect(answerTo(header, { peerWindowBits })).toBe(header);
        expect(serverTerms(header, { peerWindowBits })?.peerWindowBits).toBe(15);
      }
    }
  });

  it('leaves the largest window to it where the server wants no limit', () => {
    expect(answerTo('permessage-deflate; client_max_window_bits')).toBe('permessage-deflate');
    expect(serverTerms('permessage-deflate; client_max_window_bits')).toEqual(PLAIN);
    expect(answerTo('permessage-deflate; client_max_window_bits=15')).toBe('permessage-deflate');
    expect(serverTerms('permessage-deflate; client_max_window_bits=15')).toEqual(PLAIN);
  });

  it.each([9, 10, 11, 12, 13, 14])('limits it to %d bits, always with a value', (bits) => {
    const options = { peerWindowBits: bits };
    const answer = `permessage-deflate; client_max_window_bits=${bits}`;
    for (const offered of ['client_max_window_bits', 'client_max_window_bits=15']) {
      expect(answerTo(`permessage-deflate; ${offered}`, options)).toBe(answer);
    }
    expect(serverTerms('permessage-deflate; client_max_window_bits', options)).toEqual({
      ...PLAIN,
      peerWindowBits: bits,
    });
  });

  it('never allows it more than it has offered', () => {
    for (const bits of ALL_BITS.slice(0, -1)) {
      const header = `permessage-deflate; client_max_window_bits=${bits}`;
      expect(answerTo(header)).toBe(header);
      expect(serverTerms(header)?.peerWindowBits).toBe(bits);
      expect(serverTerms(header, { peerWindowBits: 12 })?.peerWindowBits).toBe(Math.min(bits, 12));
    }
  });
});

describe('createDeflateOffer', () => {
  it('offers to keep to any limit', () => {
    expect(offerOf()).toBe('permessage-deflate; client_max_window_bits');
  });

  it.each([
    [{ contextTakeover: false }, 'client_no_context_takeover; client_max_window_bits'],
    [{ peerContextTakeover: false }, 'server_no_context_takeover; client_max_window_bits'],
    [{ windowBits: 12 }, 'client_max_window_bits=12'],
    [{ windowBits: 15 }, 'client_max_window_bits'],
    [{ peerWindowBits: 9 }, 'server_max_window_bits=9; client_max_window_bits'],
    [
      { contextTakeover: false, peerContextTakeover: false, windowBits: 9, peerWindowBits: 10 },
      'server_no_context_takeover; client_no_context_takeover; ' +
        'server_max_window_bits=10; client_max_window_bits=9',
    ],
    [{ threshold: 0, level: 9, memoryLevel: 1, keepContexts: false }, 'client_max_window_bits'],
  ])('writes %j as %s', (options, parameters) => {
    expect(offerOf(options)).toBe(`permessage-deflate; ${parameters}`);
  });
});

describe('readAnswer', () => {
  it('takes an answer without parameters', () => {
    expect(clientTerms('permessage-deflate')).toEqual(PLAIN);
  });

  it.each(malformed)('refuses %s', (_what, extension) => {
    expect(readAnswer(extension, [withDefaults()])).toBeNull();
  });

  it.each(malformed)('refuses %s beside good parameters', (_what, bad) => {
    const others: [string, string | true][] = [
      ['server_no_context_takeover', true],
      ['server_max_window_bits', '12'],
    ];
    const names = new Set(bad.parameters.map(([name]) => name));
    const good = others.filter(([name]) => !names.has(name));
    const extension = { name: DEFLATE_NAME, parameters: [...good, ...bad.parameters] };
    expect(readAnswer(extension, [withDefaults(), withDefaults()])).toBeNull();
  });

  it('refuses a limit without a value, which only an offer may have', () => {
    expect(clientTerms('permessage-deflate; client_max_window_bits')).toBeNull();
  });

  it('takes a server that remembers nothing, whether it was asked or not', () => {
    for (const peerContextTakeover of [true, false]) {
      expect(
        clientTerms('permessage-deflate; server_no_context_takeover', { peerContextTakeover }),
      ).toEqual({ ...PLAIN, peerTakeover: false });
    }
  });

  it('refuses a server that remembers though it was asked not to', () => {
    expect(clientTerms('permessage-deflate', { peerContextTakeover: false })).toBeNull();
  });

  it('remembers nothing where the server says so, whether that was offered or not', () => {
    for (const contextTakeover of [true, false]) {
      expect(
        clientTerms('permessage-deflate; client_no_context_takeover', { contextTakeover }),
      ).toEqual({ ...PLAIN, ownTakeover: false });
    }
  });

  it('remembers nothing where it has said so, though the server does not care', () => {
    expect(clientTerms('permessage-deflate', { contextTakeover: false })).toEqual({
      ...PLAIN,
      ownTakeover: false,
    });
  });

  it.each(ALL_BITS)('takes a server window of %d bits, where none was asked for', (bits) => {
    expect(clientTerms(`permessage-deflate; server_max_window_bits=${bits}`)).toEqual({
      ...PLAIN,
      peerWindowBits: bits,
    });
  });

  it('takes a server window up to what was asked for, and refuses a larger one', () => {
    for (const bits of ALL_BITS) {
      const answer = `permessage-deflate; server_max_window_bits=${bits}`;
      const terms = clientTerms(answer, { peerWindowBits: 12 });
      expect(terms).toEqual(bits <= 12 ? { ...PLAIN, peerWindowBits: bits } : null);
    }
    expect(clientTerms('permessage-deflate', { peerWindowBits: 12 })).toBeNull();
    expect(clientTerms('permessage-deflate', { peerWindowBits: 14 })).toBeNull();
  });

  it.each(ALL_BITS)('keeps to a limit of %d bits', (bits) => {
    expect(clientTerms(`permessage-deflate; client_max_window_bits=${bits}`)).toEqual({
      ...PLAIN,
      ownWindowBits: bits,
    });
  });

  it('refuses a limit that is more than it has offered', () => {
    for (const bits of ALL_BITS) {
      const answer = `permessage-deflate; client_max_window_bits=${bits}`;
      const terms = clientTerms(answer, { windowBits: 12 });
      expect(terms).toEqual(bits <= 12 ? { ...PLAIN, ownWindowBits: bits } : null);
    }
  });

  it('keeps to what it has offered where the server sets no limit', () => {
    expect(clientTerms('permessage-deflate', { windowBits: 12 })).toEqual({
      ...PLAIN,
      ownWindowBits: 12,
    });
  });
});
