/**
 * What the judge sees of a peer, frame headers and closing aside: the list that a case expects.
 *
 * @module
 */

import { quote } from './wire-log.ts';

/** What the judge saw. A timeout is one that the case waited for, with a name. */
export type PeerEvent =
  | { readonly kind: 'message'; readonly isBinary: boolean; readonly payload: Buffer }
  | { readonly kind: 'pong'; readonly payload: Buffer }
  | { readonly kind: 'timeout'; readonly name: string };

export function isSameEvent(one: PeerEvent, other: PeerEvent): boolean {
  if (one.kind === 'timeout') return other.kind === 'timeout' && one.name === other.name;
  if (other.kind === 'timeout' || !one.payload.equals(other.payload)) return false;
  if (one.kind === 'pong') return other.kind === 'pong';
  return other.kind === 'message' && one.isBinary === other.isBinary;
}

export function text(payload: string | Buffer): PeerEvent {
  return { kind: 'message', isBinary: false, payload: Buffer.from(payload) };
}

export function binary(payload: Buffer): PeerEvent {
  return { kind: 'message', isBinary: true, payload };
}

export function pong(payload: string | Buffer): PeerEvent {
  return { kind: 'pong', payload: Buffer.from(payload) };
}

export function timeout(name: string): PeerEvent {
  return { kind: 'timeout', name };
}

/** One event in words: `text, 5 bytes: "Hello"`. */
export function describeEvent(event: PeerEvent): string {
  if (event.kind === 'timeout') return `nothing until timeout ${event.name}`;
  const { kind, payload } = event;
  const name = kind === 'pong' ? 'Pong' : event.isBinary ? 'binary' : 'text';
  const content = payload.length === 0 ? '' : `: ${quote(payload)}`;
  return `${name}, ${payload.length} ${payload.length === 1 ? 'byte' : 'bytes'}${content}`;
}
