/**
 * The negotiation of permessage-deflate: RFC 7692, sections 5 and 7.1. Offers in, an answer out, and
 * what the two ends have agreed on. Knows no zlib.
 *
 * @module
 */

import type { ResolvedDeflateOptions } from './deflate-options.ts';
import type { Extension } from './extension.ts';

export const DEFLATE_NAME = 'permessage-deflate';

/** What the ends have agreed on, seen from one of them. */
export interface DeflateTerms {
  /** Whether our compressor may refer to messages before. */
  readonly ownTakeover: boolean;
  /** 8 to 15: how far back our compressor may refer, as a power of two. */
  readonly ownWindowBits: number;
  readonly peerTakeover: boolean;
  readonly peerWindowBits: number;
}

const MAX_WINDOW_BITS = 15;

/** The window of our compressor that the peer may count on. */
function limitOf({ windowBits }: ResolvedDeflateOptions): number {
  return windowBits ?? MAX_WINDOW_BITS;
}

/** The parameters of one extension. A number of `client_max_window_bits` without value is null. */
interface Parameters {
  serverNoTakeover: boolean;
  clientNoTakeover: boolean;
  serverBits: number | undefined;
  clientBits: number | null | undefined;
}

/** "A decimal integer value without leading zeroes between 8 to 15": sections 7.1.2.1, 7.1.2.2. */
const WINDOW_BITS = /^(?:8|9|1[0-5])$/;

/** Null where section 7.1 wants it declined: a name or a value that there is not, or a name twice. */
function readParameters(extension: Extension): Parameters | null {
  const parameters: Parameters = {
    serverNoTakeover: false,
    clientNoTakeover: false,
    serverBits: undefined,
    clientBits: undefined,
  };
  const seen = new Set<string>();
  for (const [name, value] of extension.parameters) {
    if (seen.has(name)) return null;
    seen.add(name);
    const bits = typeof value === 'string' && WINDOW_BITS.test(value) ? Number(value) : null;
    if (name === 'server_no_context_takeover') {
      if (value !== true) return null;
      parameters.serverNoTakeover = true;
    } else if (name === 'client_no_context_takeover') {
      if (value !== true) return null;
      parameters.clientNoTakeover = true;
    } else if (name === 'server_max_window_bits') {
      if (bits === null) return null;
      parameters.serverBits = bits;
    } else if (name === 'client_max_window_bits') {
      if (bits === null && value !== true) return null;
      parameters.clientBits = bits;
    } else {
      return null;
    }
  }
  return parameters;
}

/** What a server answers, and what it means for it. */
export interface DeflateAnswer {
  readonly extension: Extension;
  readonly terms: DeflateTerms;
}

/**
 * A server's answer to the offers of a client: to the first that can be accepted. Null where there is
 * none, which is no error: then nothing is compressed.
 */
export function answerOffers(
  offers: readonly Extension[],
  options: ResolvedDeflateOptions,
): DeflateAnswer | null {
  for (const offer of offers) {
    if (offer.name !== DEFLATE_NAME) continue;
    const offered = readParameters(offer);
    if (offered !== null) return answer(offered, options);
  }
  return null;
}

/** Every valid offer can be accepted: what it asks for is never more than zlib can do. */
function answer(offered: Parameters, options: ResolvedDeflateOptions): DeflateAnswer {
  const ownTakeover = options.contextTakeover && !offered.serverNoTakeover;
  // The client's is a hint that it can do without: it costs us a window less.
  const peerTakeover = options.peerContextTakeover && !offered.clientNoTakeover;
  const ownWindowBits = Math.min(limitOf(options), offered.serverBits ?? MAX_WINDOW_BITS);
  // "A server MUST NOT include it unless the client offered it": then it has the largest.
  const mayLimit = offered.clientBits !== undefined;
  const limit = Math.min(options.peerWindowBits, offered.clientBits ?? MAX_WINDOW_BITS);
  const peerWindowBits = mayLimit ? limit : MAX_WINDOW_BITS;

  const parameters: (readonly [string, string | true])[] = [];
  if (!ownTakeover) parameters.push(['server_no_context_takeover', true]);
  if (!peerTakeover) parameters.push(['client_no_context_takeover', true]);
  if (offered.serverBits !== undefined || ownWindowBits < MAX_WINDOW_BITS) {
    parameters.push(['server_max_window_bits', String(ownWindowBits)]);
  }
  if (mayLimit && peerWindowBits < MAX_WINDOW_BITS) {
    parameters.push(['client_max_window_bits', String(peerWindowBits)]);
  }
  return {
    extension: { name: DEFLATE_NAME, parameters },
    terms: { ownTakeover, ownWindowBits, peerTakeover, peerWindowBits },
  };
}

/** The offer of a client with these options. */
export function createDeflateOffer(options: ResolvedDeflateOptions): Extension {
  const { contextTakeover, peerContextTakeover, peerWindowBits } = options;
  const windowBits = limitOf(options);
  const parameters: (readonly [string, string | true])[] = [];
  if (!peerContextTakeover) parameters.push(['server_no_context_takeover', true]);
  if (!contextTakeover) parameters.push(['client_no_context_takeover', true]);
  if (peerWindowBits < MAX_WINDOW_BITS) {
    parameters.push(['server_max_window_bits', String(peerWindowBits)]);
  }
  // Without a value: any limit that the server likes.
  const own = windowBits < MAX_WINDOW_BITS ? String(windowBits) : true;
  parameters.push(['client_max_window_bits', own]);
  return { name: DEFLATE_NAME, parameters };
}

/**
 * What a server's answer means for the client: that to the first of its offers that it fits.
 *
 * @param offers - options of the offers that were made, in their order
 * @returns the options of that offer with the terms; null where the answer fits none, which fails
 *   the connection (section 7.1)
 */
export function readAnswer<Options extends ResolvedDeflateOptions>(
  extension: Extension,
  offers: readonly Options[],
): { readonly options: Options; readonly terms: DeflateTerms } | null {
  const answered = readParameters(extension);
  // Here the value is not optional.
  if (answered === null || answered.clientBits === null) return null;
  const fitting = offers.flatMap((options) => {
    const terms = termsOf(answered, options);
    return terms === null ? [] : [{ options, terms }];
  });
  const [first] = fitting;
  if (first === undefined) return null;
  // It may be another offer that was accepted. What that one promised about our messages holds without
  // a word in the answer (sections 7.1.1.2 and 7.1.2.2).
  return {
    options: first.options,
    terms: {
      ...first.terms,
      ownTakeover: fitting.every(({ terms }) => terms.ownTakeover),
      ownWindowBits: Math.min(...fitting.map(({ terms }) => terms.ownWindowBits)),
    },
  };
}

function termsOf(answered: Parameters, options: ResolvedDeflateOptions): DeflateTerms | null {
  // What was asked for has to be granted: sections 7.1.1.1 and 7.1.2.1.
  if (!options.peerContextTakeover && !answered.serverNoTakeover) return null;
  const peerWindowBits = answered.serverBits ?? MAX_WINDOW_BITS;
  if (peerWindowBits > options.peerWindowBits) return null;
  if ((answered.clientBits ?? 0) > limitOf(options)) return null;
  return {
    ownTakeover: options.contextTakeover && !answered.clientNoTakeover,
    ownWindowBits: answered.clientBits ?? limitOf(options),
    peerTakeover: !answered.serverNoTakeover,
    peerWindowBits,
  };
}
