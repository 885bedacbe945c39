/**
 * Sec-WebSocket-Key and Sec-WebSocket-Accept: RFC 6455, sections 4.1, 4.2.2 and 11.3.
 *
 * @module
 */

import { hash, randomBytes } from 'node:crypto';

/** "258EAFA5-…": the constant that section 1.3 defines for this. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

// The base64 of 16 bytes always has 22 characters and two signs of padding.
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/** A fresh Sec-WebSocket-Key: "a nonce of a randomly selected 16-byte value", in base64. */
export function generateKey(): string {
  return randomBytes(16).toString('base64');
}

/** Whether `key` is the base64 of exactly 16 bytes (section 4.2.1, item 5). */
export function isKey(key: string): boolean {
  return KEY.test(key);
}

/** The Sec-WebSocket-Accept for a key, which is taken exactly as it was received. */
export function acceptValue(key: string): string {
  return hash('sha1', key + GUID, 'base64');
}
