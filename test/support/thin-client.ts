/** The least that a client is: the library's own parts, on a socket of Node. */
import { connect as connectNet } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { onTestFinished } from 'vitest';
import type { Socket } from '../../src/connection/socket.ts';
import { type SocketOptions, resolveSocketOptions } from '../../src/connection/socket-options.ts';
import { type ResponseHead, ResponseHeadParser } from '../../src/handshake/http1.ts';
import {
  type Agreement,
  type OfferOptions,
  checkAnswer,
  createOffer,
} from '../../src/handshake/offer.ts';
import { CERTIFICATE } from './certificate.ts';
import { makeSocket } from './open-socket.ts';
import { SocketLog } from './socket-log.ts';

export interface ThinClient {
  readonly socket: Socket;
  /** Written from before the first frame on. */
  readonly log: SocketLog;
  readonly agreement: Agreement;
  readonly head: ResponseHead;
}

/**
 * Connects, for as long as the test lasts. Rejects with the `HandshakeError` of the answer, and has
 * then destroyed its transport.
 *
 * @param url - of this machine; with `wss:` our own certificate is trusted
 */
export function connectThinly(
  url: string,
  offerOptions: OfferOptions = {},
  options: SocketOptions = {},
): Promise<ThinClient> {
  const { protocol, hostname: host, port } = new URL(url);
  const offer = createOffer(new URL(url), offerOptions);
  const transport =
    protocol === 'wss:'
      ? connectTls({ port: Number(port), host, servername: 'localhost', ca: CERTIFICATE })
      : connectNet({ port: Number(port), host, allowHalfOpen: true, noDelay: true });
  onTestFinished(() => void transport.destroy());

  return new Promise((resolve, reject) => {
    const parser = new ResponseHeadParser();
    const leave = (): void => {
      transport.off('data', onData).off('end', onEnd).off('error', fail);
    };
    const fail = (error: unknown): void => {
      leave();
      transport.destroy();
      reject(error);
    };
    const onEnd = (): void => fail(new Error('the server left without an answer'));
    const onData = (chunk: Buffer): void => {
      try {
        const at = parser.push(chunk);
        const { head } = parser;
        if (head === null) return;
        const agreement = checkAnswer(offer, head);
        leave();
        const resolved = resolveSocketOptions(options);
        const socket = makeSocket('client', transport, resolved, chunk.subarray(at));
        resolve({ socket, log: new SocketLog(socket), agreement, head });
      } catch (error) {
        fail(error);
      }
    };
    transport.on('data', onData).on('end', onEnd).on('error', fail);
    transport.write(offer.request, 'latin1');
  });
}
