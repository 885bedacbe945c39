/**
 * Waits for the head of the peer's half of the opening handshake, on any stream of bytes. Knows
 * nothing of what stands in it.
 *
 * @module
 */

import type { Duplex } from 'node:stream';
import { type Head, readHead } from './handshake.ts';

/**
 * The stream is paused afterwards, so that no byte is lost until somebody listens again.
 *
 * @throws {Error} (the promise rejects) where what comes is no head, or it does not come in time
 */
export async function receiveHead(stream: Duplex, milliseconds: number): Promise<Head> {
  let bytes = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      settle(() => reject(new Error('There was no opening handshake in time')));
    }, milliseconds);
    const settle = (done: () => void): void => {
      clearTimeout(timer);
      stream
        .off('data', onData)
        .off('end', onEnd)
        .off('error', onError)
        .off('close', onEnd)
        .pause();
      done();
    };
    const onEnd = (): void => {
      settle(() => reject(new Error('TCP was closed in the opening handshake')));
    };
    const onError = (error: Error): void => settle(() => reject(error));
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      try {
        const head = readHead(bytes);
        if (head !== undefined) settle(() => resolve(head));
      } catch (error) {
        settle(() => reject(error));
      }
    };
    stream.on('data', onData).on('end', onEnd).on('error', onError).on('close', onEnd);
  });
}
