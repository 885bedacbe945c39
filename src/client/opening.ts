/**
 * The client's opening handshake on a transport: RFC 6455, section 4.1. Sends the offer, reads the
 * answer, and hands the transport over, or destroys it. One deadline holds for all of it.
 *
 * What stands in the offer and in the answer is known by handshake/; what becomes of the
 * transport, by who called.
 *
 * @module
 */

import { HandshakeError } from '../errors.ts';
import { type HeadLimits, type ResponseHead, ResponseHeadParser } from '../handshake/http1.ts';
import { type Agreement, type Offer, checkAnswer } from '../handshake/offer.ts';
import { refusal } from '../handshake/refusal.ts';
import type { Dialled } from './dial.ts';

export interface OpeningOptions {
  readonly headLimits: HeadLimits;
  /** Milliseconds from now. */
  readonly handshakeTimeout: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Rejects with a `HandshakeError`, with the error of the transport, or with the reason of `signal`,
 * and has then destroyed the transport.
 *
 * @param onOpen - takes the transport over, with what both ends agreed on and with the bytes that
 *   came behind the answer. Called as they come, since the next ones may follow in the same turn
 * @returns what `onOpen` returned
 */
export function performOpening<Result>(
  { transport, ready }: Dialled,
  offer: Offer,
  { headLimits, handshakeTimeout, signal }: OpeningOptions,
  onOpen: (agreement: Agreement, rest: Buffer) => Result,
): Promise<Result> {
  const parser = new ResponseHeadParser(headLimits);
  return new Promise((resolve, reject) => {
    const onReady = (): void => {
      // The answer to the first small frame would otherwise wait for an acknowledgement.
      transport.setNoDelay(true);
      // Not before: Node knows better what it means when TLS ends before it has begun.
      transport.on('data', onData).on('end', onMissing);
      transport.write(offer.request, 'latin1');
    };
    const onData = (chunk: Buffer): void => {
      try {
        const at = parser.push(chunk);
        if (parser.head === null) return;
        const agreement = checkAnswer(offer, parser.head);
        resolve(onOpen(agreement, chunk.subarray(at)));
        leave();
      } catch (error) {
        fail(withFields(error, parser.head));
      }
    };
    const onMissing = (): void => fail(refusal('ANSWER_MISSING'));
    const onTimeout = (): void => fail(refusal('ANSWER_TIMEOUT'));
    const onAbort = (): void => fail(signal?.reason);
    const fail = (error: unknown): void => {
      // An error that comes now is no news, and must not be unheard.
      transport.on('error', ignore);
      leave();
      transport.destroy();
      reject(error);
    };
    const leave = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      transport.off(ready, onReady).off('data', onData).off('end', onMissing);
      transport.off('error', fail).off('close', onMissing);
    };
    const timer = setTimeout(onTimeout, handshakeTimeout);
    signal?.addEventListener('abort', onAbort, { once: true });
    transport.on(ready, onReady).on('error', fail).on('close', onMissing);
  });
}

function ignore(): void {}

/** Lets the caller see what the server said: where to log in, or where it has moved to. */
function withFields(error: unknown, head: ResponseHead | null): unknown {
  if (head === null || !(error instanceof HandshakeError)) return error;
  return new HandshakeError(error.code, error.status, error.message, [...head.fields]);
}
