/**
 * Reads the header of the PROXY protocol from a transport, and hands the transport on as if it had
 * just been accepted: with all that came behind the header still in it. The time for that is
 * somebody else's affair.
 *
 * @module
 */

import type { Socket as NetSocket } from 'node:net';
import { type TransportListener, bind, catchErrors, unbind } from '../connection/binding.ts';
import { BAD, MORE, ProxyHeaderParser } from './proxy-header.ts';

/**
 * @param onSource - is called with the address for which the proxy speaks, or with null where it
 *   speaks for nobody. Not where the header is malformed, or the proxy leaves: then the transport is
 *   destroyed, since nobody can know what its bytes are.
 */
export function readProxyHeader(
  transport: NetSocket,
  onSource: (source: string | null) => void,
): void {
  catchErrors(transport);
  bind(transport, new ProxyReader(transport, onSource));
}

class ProxyReader implements TransportListener {
  readonly #transport: NetSocket;
  readonly #onSource: (source: string | null) => void;
  readonly #parser = new ProxyHeaderParser();

  constructor(transport: NetSocket, onSource: (source: string | null) => void) {
    this.#transport = transport;
    this.#onSource = onSource;
  }

  receive(chunk: Buffer): void {
    const transport = this.#transport;
    const end = this.#parser.push(chunk);
    if (end === MORE) return;
    unbind(transport);
    if (end === BAD) {
      transport.destroy();
      return;
    }
    // What follows is for whoever reads next: nothing may flow until then.
    transport.pause();
    if (end < chunk.length) transport.unshift(chunk.subarray(end));
    this.#onSource(this.#parser.source);
  }

  receiveEnd(): void {
    this.#transport.destroy();
  }

  receiveClose(): void {
    unbind(this.#transport);
  }

  receiveError(): void {
    this.#transport.destroy();
  }

  receiveDrain(): void {
    // Nothing is written before the header has come.
  }
}
