/**
 * Subprotocols: RFC 6455, sections 1.9, 4.1 and 11.3.4.
 *
 * @module
 */

import { isToken, splitList } from './grammar.ts';

/**
 * What the Sec-WebSocket-Protocol fields of a request offer, in the client's order of preference.
 * Null where an element is no token or stands twice, or where the fields hold none.
 */
export function parseSubprotocols(values: readonly string[]): string[] | null {
  if (values.length === 0) return [];
  const offered = splitList(values);
  if (offered.length === 0) return null;
  return areSubprotocols(offered) ? offered : null;
}

/** Whether all are tokens, "and MUST all be unique strings" (section 4.1, item 10). */
export function areSubprotocols(names: readonly string[]): boolean {
  return new Set(names).size === names.length && names.every(isToken);
}

/** The first of the client's subprotocols that the server speaks; undefined where there is none. */
export function chooseSubprotocol(
  offered: readonly string[],
  spoken: readonly string[],
): string | undefined {
  return offered.find((name) => spoken.includes(name));
}
