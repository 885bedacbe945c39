import { describe, expect, it } from 'vitest';
import {
  DEFAULT_DEFLATE,
  type ResolvedDeflateOptions,
} from '../../src/extension/deflate-options.ts';
import {
  answerOffers,
  createDeflateOffer,
  readAnswer,
} from '../../src/extension/deflate-params.ts';
import type { Extension } from '../../src/extension/extension.ts';
import { parseExtensions } from '../../src/handshake/extensions-header.ts';

interface Named extends ResolvedDeflateOptions {
  readonly is: string;
}

function offer(is: string, options: Partial<ResolvedDeflateOptions> = {}): Named {
  return { ...DEFAULT_DEFLATE, ...options, is };
}

function answer(parameters: string): Extension {
  return parseExtensions([`permessage-deflate${parameters}`])![0]!;
}

const NARROW = offer('narrow', { peerWindowBits: 10 });
const FORGETFUL = offer('forgetful', { peerContextTakeover: false });
const PLAIN = offer('plain');

describe('readAnswer, where several offers were made,', () => {
  it.each([
    ['', 'plain'],
    ['; server_max_window_bits=10', 'narrow'],
    ['; server_max_window_bits=9', 'narrow'],
    ['; server_max_window_bits=11', 'plain'],
    ['; server_no_context_takeover', 'forgetful'],
    ['; server_no_context_takeover; server_max_window_bits=8', 'narrow'],
    ['; server_no_context_takeover; server_max_window_bits=15', 'forgetful'],
    ['; client_max_window_bits=9', 'plain'],
  ])('takes the answer "%s" for that to the first that it fits', (parameters, expected) => {
    expect(readAnswer(answer(parameters), [NARROW, FORGETFUL, PLAIN])?.options.is).toBe(expected);
  });

  it('gives the very options of that offer', () => {
    expect(readAnswer(answer(''), [NARROW, PLAIN])?.options).toBe(PLAIN);
  });

  it.each([
    [''],
    ['; server_max_window_bits=11'],
    ['; server_max_window_bits=15; client_max_window_bits=9'],
    ['; client_no_context_takeover'],
  ])('refuses the answer "%s", which fits none', (parameters) => {
    expect(readAnswer(answer(parameters), [NARROW, FORGETFUL])).toBeNull();
  });

  it('refuses what would be right if offers could be mixed', () => {
    const offers = [
      offer('a', { peerWindowBits: 10, windowBits: 15 }),
      offer('b', { peerWindowBits: 15, windowBits: 10 }),
    ];
    const mixed = answer('; server_max_window_bits=12; client_max_window_bits=12');
    expect(readAnswer(mixed, offers)).toBeNull();
  });

  it('refuses any where none was made', () => {
    expect(readAnswer(answer(''), [])).toBeNull();
  });

  // Sections 7.1.1.2 and 7.1.2.2: what an offer says of the client, a server may rely on without
  // a word. Which offer it has accepted is not told.
  it('remembers nothing where it has promised that in one that may have been accepted', () => {
    const offers = [PLAIN, offer('without', { contextTakeover: false })];
    expect(readAnswer(answer(''), offers)?.terms.ownTakeover).toBe(false);
    // This one cannot have been.
    const other = offer('other', { contextTakeover: false, peerWindowBits: 9 });
    expect(readAnswer(answer(''), [PLAIN, other])?.terms.ownTakeover).toBe(true);
  });

  it('keeps to the smallest window that it has promised in one that may have been accepted', () => {
    const offers = [PLAIN, offer('small', { windowBits: 10 }), offer('less', { windowBits: 12 })];
    expect(readAnswer(answer(''), offers)?.terms.ownWindowBits).toBe(10);
    expect(readAnswer(answer('; client_max_window_bits=12'), offers)?.terms.ownWindowBits).toBe(12);
  });
});

describe('offers with fallbacks', () => {
  it('are answered by the first, to which the client finds back', () => {
    const offers = [NARROW, FORGETFUL, PLAIN];
    const answered = answerOffers(offers.map(createDeflateOffer), DEFAULT_DEFLATE)!;
    expect(answered.extension).toEqual(answer('; server_max_window_bits=10'));
    expect(readAnswer(answered.extension, offers)).toEqual({
      options: NARROW,
      terms: { ownTakeover: true, ownWindowBits: 15, peerTakeover: true, peerWindowBits: 10 },
    });
  });
});
