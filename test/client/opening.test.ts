import * as fc from 'fast-check';
import { once } from 'node:events';
import type { Socket as NetSocket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { dial } from '../../src/client/dial.ts';
import { type OpeningOptions, performOpening } from '../../src/client/opening.ts';
import { readUrl } from '../../src/client/url.ts';
import { HandshakeError } from '../../src/errors.ts';
import { DEFAULT_HEAD_LIMITS } from '../../src/handshake/http1.ts';
import { type Agreement, type OfferOptions, createOffer } from '../../src/handshake/offer.ts';
import { cuts } from '../support/bytes.ts';
import { type Asking, acceptRequest, listenersOf } from '../support/client-pair.ts';
import { rawResponse } from '../support/raw-http.ts';
import { RawListener } from '../support/raw-peer.ts';

interface Opened {
  readonly agreement: Agreement;
  readonly rest: string;
}

/** An opening whose answer is up to the test. */
interface Begun extends Asking {
  readonly transport: NetSocket;
  readonly opening: Promise<Opened>;
  /** Listeners that the transport had before it began. */
  readonly before: Record<string, number>;
}

async function begin(
  options: Partial<OpeningOptions> = {},
  offerOptions: OfferOptions = {},
): Promise<Begun> {
  const listener = await RawListener.listen();
  const destination = readUrl(`ws://127.0.0.1:${listener.port}/path?query`);
  const dialled = dial(destination, {});
  const before = listenersOf(dialled.transport);
  const opening = performOpening(
    dialled,
    createOffer(destination.url, offerOptions),
    { headLimits: DEFAULT_HEAD_LIMITS, handshakeTimeout: 10_000, ...options },
    (agreement, rest) => ({ agreement, rest: rest.toString('latin1') }),
  );
  opening.catch(() => {
    // Each test looks at it in its own time.
  });
  return {
    ...(await acceptRequest(listener)),
    transport: dialled.transport,
    opening,
    before,
  };
}

/** The error of an opening that must fail, after which its transport must be gone. */
async function failureOf({ opening, transport, before }: Begun): Promise<unknown> {
  const outcome = await opening.then(
    () => new Error('it opened'),
    (error: unknown) => error,
  );
  expect(transport.destroyed).toBe(true);
  expect(listenersOf(transport)).toEqual({ ...before, error: (before['error'] ?? 0) + 1 });
  return outcome;
}

describe('performOpening', () => {
  it('sends the request, and hands over what was agreed on and the bytes behind the answer', async () => {
    const begun = await begin({}, { subprotocols: ['chat', 'talk'] });
    expect(begun.request.startLine).toBe('GET /path?query HTTP/1.1');
    expect(begun.peer.unread).toHaveLength(0);
    const answer = rawResponse(begun.key, { 'Sec-WebSocket-Protocol': 'talk' });
    await begun.peer.write(Buffer.from(`${answer}\x81\x02hi`, 'latin1'));
    expect(await begun.opening).toEqual({
      agreement: { subprotocol: 'talk', extensions: [] },
      rest: '\x81\x02hi',
    });
    expect(begun.transport.destroyed).toBe(false);
    expect(listenersOf(begun.transport)).toEqual(begun.before);
    begun.transport.destroy();
  });

  it('sends each character of the request as a byte', async () => {
    const begun = await begin({}, { headers: { 'X-Name': 'Grüße' } });
    expect(begun.request.getAll('x-name')).toEqual(['Grüße']);
    begun.transport.destroy();
  });

  it('reads an answer that is cut anywhere', async () => {
    const length = rawResponse('x'.repeat(24)).length;
    const positions = Array.from({ length: length + 1 }, (_, at) => at);
    for (const at of positions) {
      const begun = await begin();
      const answer = Buffer.from(`${rawResponse(begun.key)}\x81\x00`, 'latin1');
      await begun.peer.write(answer.subarray(0, at));
      // A turn of both ends, so that the pieces arrive apart.
      await new Promise((resolve) => setImmediate(resolve));
      await begun.peer.write(answer.subarray(at));
      const { rest } = await begun.opening;
      expect('\x81\x00'.startsWith(rest)).toBe(true);
      begun.transport.destroy();
    }
  });

  it('comes to the same end however an answer is cut', async () => {
    const answers = (key: string): string[] => [
      rawResponse(key),
      `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${rawResponse(key)}`,
      rawResponse(key, { 'Sec-WebSocket-Accept': 'wrong' }),
      rawResponse(key, { 'Content-Length': '0' }, 'HTTP/1.1 404 Not Found'),
      'no HTTP at all\r\n\r\n',
    ];
    const codes = [
      'open',
      'open',
      'WS_ERR_ANSWER_ACCEPT',
      'WS_ERR_ANSWER_STATUS',
      'WS_ERR_START_LINE',
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.nat(codes.length - 1),
        fc.array(fc.nat(200), { maxLength: 5 }),
        async (which, positions) => {
          const begun = await begin();
          const answer = Buffer.from(answers(begun.key)[which]!);
          let start = 0;
          for (const end of [...positions.toSorted((a, b) => a - b), answer.length]) {
            await begun.peer.write(answer.subarray(start, end)).catch(() => {
              // It may have failed by the first pieces.
            });
            start = end;
          }
          const outcome = await begun.opening.then(
            () => 'open',
            (error: unknown) => (error instanceof HandshakeError ? error.code : error),
          );
          expect(outcome).toBe(codes[which]);
          begun.transport.destroy();
        },
      ),
      { numRuns: 30 },
    );
  });

  it('reads an answer byte by byte', async () => {
    const begun = await begin();
    const pieces = [...cuts(Buffer.from(rawResponse(begun.key)))].at(-1)!;
    for (const piece of pieces) await begun.peer.write(piece);
    expect((await begun.opening).rest).toBe('');
    begun.transport.destroy();
  });
});

describe('an answer that breaks a rule', () => {
  it.each([
    [401, { 'WWW-Authenticate': ['Basic realm="a"', 'Bearer'] }, 'www-authenticate'],
    [302, { Location: 'wss://elsewhere/' }, 'location'],
    [503, { 'Retry-After': '5' }, 'retry-after'],
  ])('fails with the status %i and the fields of the answer', async (status, fields, name) => {
    const begun = await begin();
    await begun.peer.write(rawResponse(begun.key, fields, `HTTP/1.1 ${status} No`));
    const error = await failureOf(begun);
    if (!(error instanceof HandshakeError)) throw error;
    expect([error.code, error.status]).toEqual(['WS_ERR_ANSWER_STATUS', status]);
    expect(error.message).toContain(`the server answered ${status} and not 101`);
    expect(error.headers.filter(([other]) => other === name).map(([, value]) => value)).toEqual(
      Object.values(fields).flat(),
    );
    expect(error.headers).toContainEqual(['upgrade', 'websocket']);
    await begun.peer.readToLeave();
  });

  it('has no fields where it was no HTTP', async () => {
    const begun = await begin();
    await begun.peer.write('SSH-2.0-OpenSSH_9.6\r\n');
    expect(await failureOf(begun)).toMatchObject({
      code: 'WS_ERR_START_LINE',
      status: 0,
      headers: [],
    });
  });

  it('may have no larger a head than it is told', async () => {
    const headLimits = { ...DEFAULT_HEAD_LIMITS, maxHeadSize: 100, maxHeaderFields: 5 };
    const large = await begin({ headLimits });
    await large.peer.write(rawResponse(large.key));
    expect(await failureOf(large)).toMatchObject({ code: 'WS_ERR_HEAD_TOO_LARGE', status: 0 });
    const many = await begin({ headLimits: { ...headLimits, maxHeadSize: 10_000 } });
    await many.peer.write(rawResponse(many.key, { 'X-Many': ['1', '2', '3'] }));
    expect(await failureOf(many)).toMatchObject({ code: 'WS_ERR_TOO_MANY_FIELDS' });
  });

  it('fails with what onOpen throws', async () => {
    const listener = await RawListener.listen();
    const destination = readUrl(`ws://127.0.0.1:${listener.port}/`);
    const dialled = dial(destination, {});
    const mistake = new Error('ours');
    const opening = performOpening(
      dialled,
      createOffer(destination.url),
      { headLimits: DEFAULT_HEAD_LIMITS, handshakeTimeout: 10_000 },
      () => {
        throw mistake;
      },
    );
    const { peer, key } = await acceptRequest(listener);
    await peer.write(rawResponse(key));
    await expect(opening).rejects.toBe(mistake);
    expect(dialled.transport.destroyed).toBe(true);
  });
});

describe('an answer that does not come', () => {
  it('is waited for until handshakeTimeout, whatever drips in', async () => {
    const begun = await begin({ handshakeTimeout: 100 });
    const answer = Buffer.from(rawResponse(begun.key));
    let at = 0;
    const drip = setInterval(() => {
      begun.peer.transport.write(answer.subarray(at, ++at));
    }, 20);
    const error = await failureOf(begun);
    clearInterval(drip);
    expect(error).toBeInstanceOf(HandshakeError);
    expect(error).toMatchObject({ code: 'WS_ERR_ANSWER_TIMEOUT', status: 0, headers: [] });
    await begun.peer.readToLeave();
  });

  it('is waited for until the signal, and its reason is told', async () => {
    const controller = new AbortController();
    const begun = await begin({ signal: controller.signal });
    controller.abort('enough');
    expect(await failureOf(begun)).toBe('enough');
    await begun.peer.readToLeave();
  });

  it('does not end a connection that is open', async () => {
    const controller = new AbortController();
    const begun = await begin({ signal: controller.signal, handshakeTimeout: 50 });
    await begun.peer.write(rawResponse(begun.key));
    await begun.opening;
    controller.abort();
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(begun.transport.destroyed).toBe(false);
    begun.transport.destroy();
  });

  it('ends at every half-close before its last byte', async () => {
    const size = rawResponse('x'.repeat(24)).length;
    for (let at = 0; at < size; at += 7) {
      const begun = await begin();
      begun.peer.end(rawResponse(begun.key).slice(0, at));
      const error = await failureOf(begun);
      expect(error).toBeInstanceOf(HandshakeError);
      expect(error).toMatchObject({ code: 'WS_ERR_ANSWER_MISSING', status: 0, headers: [] });
    }
  });

  it('ends at a reset, with the error of Node', async () => {
    for (const at of [0, 1, 40, 100]) {
      const begun = await begin();
      // Bytes and a reset in one turn are bytes and an end, as Node tells it.
      const arrived = at === 0 ? null : once(begun.transport, 'data');
      await begun.peer.write(rawResponse(begun.key).slice(0, at));
      await arrived;
      begun.peer.reset();
      expect([at, await failureOf(begun)]).toMatchObject([at, { code: 'ECONNRESET' }]);
    }
  });

  it('ends where somebody else destroys the transport', async () => {
    const begun = await begin();
    begun.transport.destroy();
    expect(await failureOf(begun)).toMatchObject({ code: 'WS_ERR_ANSWER_MISSING' });
  });

  it('hears errors that come after its end', async () => {
    const controller = new AbortController();
    const begun = await begin({ signal: controller.signal });
    controller.abort();
    await failureOf(begun);
    begun.transport.emit('error', new Error('late'));
  });
});
