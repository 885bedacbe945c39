/**
 * How a handshake is refused on a transport of Node: the answer goes out whole, and then both
 * directions end (RFC 9112, section 9.6).
 *
 * @module
 */

import type { Duplex } from 'node:stream';

/**
 * Sends `response` and closes. What the client is still sending is read and dropped for a while:
 * closing on unread bytes would reset the connection, and the reset could destroy the answer
 * before the client has read it.
 *
 * @param timeout - milliseconds after which the transport is destroyed, whatever the peer does
 */
export function refuse(transport: Duplex, response: string, timeout: number): void {
  if (transport.destroyed) return;
  const timer = setTimeout(() => transport.destroy(), timeout);
  transport.once('close', () => clearTimeout(timer));
  transport.resume();
  transport.end(response, 'latin1');
}
