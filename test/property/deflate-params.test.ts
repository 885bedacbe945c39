import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as ws from 'ws';
import {
  DEFAULT_DEFLATE,
  type ResolvedDeflateOptions,
} from '../../src/extension/deflate-options.ts';
import {
  type DeflateTerms,
  answerOffers,
  createDeflateOffer,
  readAnswer,
} from '../../src/extension/deflate-params.ts';
import type { Extension } from '../../src/extension/extension.ts';
import { formatExtensions, parseExtensions } from '../../src/handshake/extensions-header.ts';

const windowBits = fc.integer({ min: 9, max: 15 });

const options: fc.Arbitrary<ResolvedDeflateOptions> = fc.record({
  threshold: fc.constant(1024),
  level: fc.integer({ min: 1, max: 9 }),
  memoryLevel: fc.integer({ min: 1, max: 9 }),
  windowBits,
  contextTakeover: fc.boolean(),
  peerWindowBits: windowBits,
  peerContextTakeover: fc.boolean(),
  keepContexts: fc.boolean(),
});

// ── Lists of extensions, good and nearly good ───────────────────────────────────────────────

const NAMES = [
  'server_no_context_takeover',
  'client_no_context_takeover',
  'server_max_window_bits',
  'client_max_window_bits',
] as const;

/** What a parameter may be in an offer. An answer may not have the last. */
const ALLOWED = new Set([
  'server_no_context_takeover',
  'client_no_context_takeover',
  ...['8', '9', '10', '11', '12', '13', '14', '15'].flatMap((bits) => [
    `server_max_window_bits=${bits}`,
    `client_max_window_bits=${bits}`,
  ]),
  'client_max_window_bits',
]);

const value = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 8, max: 15 }).map(String) },
  { weight: 3, arbitrary: fc.constant(true as const) },
  { weight: 1, arbitrary: fc.constantFrom('7', '16', '08', '1e1', '0xa', '10.0', '+9', 'x', '-8') },
);

const name = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...NAMES) },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'x', 'toString') },
);

/** Names that take no value seldom have one. */
const parameter: fc.Arbitrary<readonly [string, string | true]> = fc
  .tuple(name, value, fc.integer({ min: 0, max: 9 }))
  .map(([key, given, odd]) => [key, key.endsWith('takeover') && odd > 0 ? true : given]);

const deflateExtension: fc.Arbitrary<Extension> = fc.record({
  name: fc.constant('permessage-deflate'),
  parameters: fc.array(parameter, { maxLength: 4 }),
});

const anyExtension: fc.Arbitrary<Extension> = fc.oneof(
  { weight: 4, arbitrary: deflateExtension },
  {
    weight: 1,
    arbitrary: fc.record({
      name: fc.oneof(fc.string(), fc.constantFrom('x', '__proto__', 'Permessage-Deflate')),
      parameters: fc.array(
        fc.tuple(
          fc.oneof(name, fc.string()),
          fc.oneof(value, fc.string(), fc.integer().map(String)),
        ),
      ),
    }),
  },
);

function isWellFormed({ parameters }: Extension): boolean {
  const written = parameters.map(([key, given]) => (given === true ? key : `${key}=${given}`));
  const names = new Set(parameters.map(([key]) => key));
  return names.size === parameters.length && written.every((one) => ALLOWED.has(one));
}

function valueOf({ parameters }: Extension, key: string): string | true | undefined {
  return parameters.find(([other]) => other === key)?.[1];
}

/** What an answer says, seen from the server that gives it. */
function agreed(answer: Extension): DeflateTerms {
  return {
    ownTakeover: valueOf(answer, 'server_no_context_takeover') === undefined,
    ownWindowBits: Number(valueOf(answer, 'server_max_window_bits') ?? 15),
    peerTakeover: valueOf(answer, 'client_no_context_takeover') === undefined,
    peerWindowBits: Number(valueOf(answer, 'client_max_window_bits') ?? 15),
  };
}

/** The same seen from the other end. */
function mirrored(terms: DeflateTerms): DeflateTerms {
  return {
    ownTakeover: terms.peerTakeover,
    ownWindowBits: terms.peerWindowBits,
    peerTakeover: terms.ownTakeover,
    peerWindowBits: terms.ownWindowBits,
  };
}

/** Whether `sender` keeps to what `receiver` counts on. */
function expectSafe(sender: DeflateTerms, receiver: DeflateTerms): void {
  expect(sender.ownWindowBits).toBeLessThanOrEqual(receiver.peerWindowBits);
  if (sender.ownTakeover) expect(receiver.peerTakeover).toBe(true);
}

/** As it comes over the wire. */
function sent(extension: Extension): Extension {
  return parseExtensions([formatExtensions([extension])])![0]!;
}

describe('an offer of ours, answered by a server of ours,', () => {
  it('is always accepted, and both ends mean the same by it', () => {
    fc.assert(
      fc.property(options, options, (client, server) => {
        const answer = answerOffers([sent(createDeflateOffer(client))], server)!;
        expect(answer.terms).toEqual(agreed(answer.extension));
        const read = readAnswer(sent(answer.extension), [client])!;
        expect(read.options).toBe(client);
        expect(read.terms).toEqual(mirrored(answer.terms));
      }),
      { numRuns: 1000 },
    );
  });

  it('gives each end what it wants at the least', () => {
    fc.assert(
      fc.property(options, options, (client, server) => {
        const { terms } = answerOffers([createDeflateOffer(client)], server)!;
        expect(terms).toEqual({
          ownTakeover: server.contextTakeover && client.peerContextTakeover,
          ownWindowBits: Math.min(server.windowBits ?? 15, client.peerWindowBits),
          peerTakeover: client.contextTakeover && server.peerContextTakeover,
          peerWindowBits: Math.min(client.windowBits ?? 15, server.peerWindowBits),
        });
      }),
    );
  });

  it('is accepted with fallbacks as well, and no end does what the other does not expect', () => {
    fc.assert(
      fc.property(fc.array(options, { minLength: 1, maxLength: 4 }), options, (offers, server) => {
        const answer = answerOffers(offers.map(createDeflateOffer), server)!;
        const read = readAnswer(answer.extension, offers)!;
        expect(offers).toContain(read.options);
        expectSafe(read.terms, answer.terms);
        expectSafe(answer.terms, read.terms);
      }),
      { numRuns: 500 },
    );
  });
});

describe('answerOffers', () => {
  it('accepts the first that is well-formed of any extensions, and never throws', () => {
    let accepted = 0;
    fc.assert(
      fc.property(fc.array(anyExtension, { maxLength: 5 }), options, (offers, server) => {
        const answer = answerOffers(offers, server);
        const first = offers.find(
          (offer) => offer.name === 'permessage-deflate' && isWellFormed(offer),
        );
        expect(answer === null).toBe(first === undefined);
        if (answer === null || first === undefined) return;
        accepted++;
        expect(answer.terms).toEqual(agreed(answer.extension));
        // What the sections 7.1.1.1, 7.1.2.1 and 7.1.2.2 demand of an answer.
        expect(isWellFormed(answer.extension)).toBe(true);
        const asked = agreed(first);
        if (!asked.ownTakeover) expect(answer.terms.ownTakeover).toBe(false);
        expect(answer.terms.ownWindowBits).toBeLessThanOrEqual(asked.ownWindowBits);
        if (valueOf(first, 'server_max_window_bits') !== undefined) {
          expect(valueOf(answer.extension, 'server_max_window_bits')).toBeTypeOf('string');
        }
        const limit = valueOf(answer.extension, 'client_max_window_bits');
        if (limit === undefined) return;
        expect(limit).toBeTypeOf('string');
        const offered = valueOf(first, 'client_max_window_bits');
        expect(offered).toBeDefined();
        if (offered !== true) expect(Number(limit)).toBeLessThanOrEqual(Number(offered));
      }),
      { numRuns: 1000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });
});

describe('readAnswer', () => {
  it('takes what fits an offer, refuses everything else, and never throws', () => {
    let accepted = 0;
    fc.assert(
      fc.property(deflateExtension, options, (answer, client) => {
        const read = readAnswer(answer, [client]);
        const said = agreed(answer);
        const limit = valueOf(answer, 'client_max_window_bits');
        const fits =
          isWellFormed(answer) &&
          limit !== true &&
          (client.peerContextTakeover || !said.ownTakeover) &&
          said.ownWindowBits <= client.peerWindowBits &&
          (limit === undefined || Number(limit) <= (client.windowBits ?? 15));
        expect(read !== null).toBe(fits);
        if (read === null) return;
        accepted++;
        expect(read.terms.peerTakeover).toBe(said.ownTakeover);
        expect(read.terms.peerWindowBits).toBe(said.ownWindowBits);
        expectSafe(read.terms, said);
        // It has promised this in its offer: the server may count on it without a word.
        expect(read.terms.ownWindowBits).toBeLessThanOrEqual(client.windowBits ?? 15);
        if (!client.contextTakeover) expect(read.terms.ownTakeover).toBe(false);
      }),
      { numRuns: 2000 },
    );
    expect(accepted).toBeGreaterThan(50);
  });

  it('never throws for any extension and any number of offers', () => {
    fc.assert(
      fc.property(anyExtension, fc.array(options, { maxLength: 3 }), (answer, offers) => {
        const read = readAnswer(answer, offers);
        if (read !== null) expect(offers).toContain(read.options);
      }),
    );
  });
});

// ── ws as a second opinion ──────────────────────────────────────────────────────────────────

type WsParams = Record<string, string | number | true>;

interface WsOptions {
  readonly serverNoContextTakeover?: boolean | undefined;
  readonly clientNoContextTakeover?: boolean | undefined;
  readonly serverMaxWindowBits?: number | undefined;
  readonly clientMaxWindowBits?: boolean | number | undefined;
}

/** What ws has for itself, and its types do not tell of. */
interface WsInternals {
  readonly PerMessageDeflate: new (options: WsOptions & { readonly isServer: boolean }) => {
    offer(): WsParams;
    accept(configurations: readonly unknown[]): WsParams;
  };
  readonly extension: {
    parse(header: string): Record<string, unknown[]>;
    format(extensions: Record<string, WsParams>): string;
  };
}

const asked: unknown = ws;
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- so it is in this version
const { PerMessageDeflate, extension } = asked as WsInternals;

const wsOptions: fc.Arbitrary<WsOptions> = fc.record({
  serverNoContextTakeover: fc.constantFrom(undefined, true, false),
  clientNoContextTakeover: fc.constantFrom(undefined, true, false),
  serverMaxWindowBits: fc.oneof(fc.constant(undefined), windowBits),
  clientMaxWindowBits: fc.oneof(fc.constantFrom(undefined, true, false), windowBits),
});

/** What ws makes of offers or of an answer; null where it refuses them. */
function wsAccept(given: Extension, isServer: boolean, wanted: WsOptions = {}): WsParams | null {
  try {
    const parsed = extension.parse(formatExtensions([given]));
    return new PerMessageDeflate({ ...wanted, isServer }).accept(parsed['permessage-deflate']!);
  } catch {
    return null;
  }
}

function fromWs(params: WsParams): Extension {
  return parseExtensions([extension.format({ 'permessage-deflate': params })])![0]!;
}

/** "08", "1e1" and the like: to ws they are numbers. */
function isOddNumber({ parameters }: Extension): boolean {
  return parameters.some(
    ([key, given]) => given !== true && !ALLOWED.has(`${key}=${given}`) && key.endsWith('bits'),
  );
}

describe('the negotiation with ws', () => {
  it('succeeds with its server wherever it accepts our offer, and means the same', () => {
    let accepted = 0;
    fc.assert(
      fc.property(options, wsOptions, (client, server) => {
        const params = wsAccept(createDeflateOffer(client), true, server);
        if (params === null) return;
        accepted++;
        const answer = fromWs(params);
        const { terms } = readAnswer(answer, [client])!;
        expect(terms.peerTakeover).toBe(agreed(answer).ownTakeover);
        expect(terms.peerWindowBits).toBe(agreed(answer).ownWindowBits);
        expectSafe(terms, agreed(answer));
      }),
      { numRuns: 1000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it('succeeds with its client wherever it accepts our answer, and means the same', () => {
    let accepted = 0;
    fc.assert(
      fc.property(options, wsOptions, (server, client) => {
        const offer = fromWs(new PerMessageDeflate({ ...client, isServer: false }).offer());
        const { extension: answer, terms } = answerOffers([offer], server)!;
        const params = wsAccept(answer, false, client);
        if (params === null) {
          // It refuses what section 7.1.1.2 allows us, and nothing else.
          expect(client.clientNoContextTakeover).toBe(false);
          expect(terms.peerTakeover).toBe(false);
          return;
        }
        accepted++;
        const said = agreed(fromWs(params));
        expect(terms.ownTakeover).toBe(said.ownTakeover);
        expect(terms.ownWindowBits).toBe(said.ownWindowBits);
        expectSafe(mirrored(said), terms);
      }),
      { numRuns: 1000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it('agrees on any offer, but for numbers that ws reads too kindly', () => {
    fc.assert(
      fc.property(deflateExtension, (offer) => {
        const ours = answerOffers([offer], DEFAULT_DEFLATE);
        const theirs = wsAccept(offer, true);
        if (ours !== null) {
          expect(theirs).not.toBeNull();
          expect(ours.terms).toEqual(agreed(fromWs(theirs!)));
        } else if (theirs !== null) {
          expect(isOddNumber(offer)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('agrees on any answer, but for numbers that ws reads too kindly', () => {
    fc.assert(
      fc.property(deflateExtension, (answer) => {
        const ours = readAnswer(answer, [DEFAULT_DEFLATE]);
        const theirs = wsAccept(answer, false);
        if (ours !== null) {
          expect(theirs).not.toBeNull();
          expect(ours.terms).toEqual(mirrored(agreed(fromWs(theirs!))));
        } else if (theirs !== null) {
          expect(isOddNumber(answer)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
