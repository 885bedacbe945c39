/**
 * Opens the transport of a client: TCP or a Unix socket, and TLS above it where the URL is secure
 * (RFC 6455, section 4.1, items 2 to 5). What is said on it is not known here.
 *
 * @module
 */

import { type Socket as NetSocket, connect as connectNet, isIP } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { Destination } from './url.ts';

/** What `node:tls` may be told: whom to trust, who we are. Where to connect to is not its matter. */
export type TlsOptions = Omit<
  ConnectionOptions,
  'ALPNProtocols' | 'allowHalfOpen' | 'host' | 'path' | 'port' | 'socket' | 'timeout'
>;

export interface DialOptions {
  readonly socketPath?: string | undefined;
  readonly tls?: TlsOptions | undefined;
}

/** A transport on its way. */
export interface Dialled {
  readonly transport: NetSocket;
  /** The event after which it may be written to. */
  readonly ready: 'connect' | 'secureConnect';
}

/**
 * Begins to connect.
 *
 * @throws {TypeError} and what else `node:tls` throws for options that are wrong
 */
export function dial(destination: Destination, options: DialOptions): Dialled {
  const { host, port } = destination;
  // The closing handshake goes on after the FIN of one end.
  const place =
    options.socketPath === undefined
      ? { host, port, allowHalfOpen: true }
      : { path: options.socketPath, host, allowHalfOpen: true };
  if (!destination.secure) return { transport: connectNet(place), ready: 'connect' };

  // Where a key is there, Node takes its value for given, and undefined is none.
  const tls = Object.entries(options.tls ?? {}).filter(([, value]) => value !== undefined);
  const transport = connectTls({
    servername: serverNameOf(host),
    ...Object.fromEntries(tls),
    ...place,
    ALPNProtocols: ['http/1.1'],
  });
  return { transport, ready: 'secureConnect' };
}

/**
 * Section 4.1, item 5: "Clients MUST use the Server Name Indication extension". It names no
 * addresses, and has no dot at its end (RFC 6066, section 3); '' stands for none. The certificate
 * is held against the host all the same.
 */
function serverNameOf(host: string): string {
  return isIP(host) === 0 ? host.replace(/\.$/, '') : '';
}
