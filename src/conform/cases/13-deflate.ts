/**
 * Group 13: compressed messages with what may be negotiated. What the judge asks for concerns the
 * messages of the peer: a server is offered `server_…`, a client is answered `client_…`.
 *
 * @module
 */

import type { ConformCase } from '../case.ts';
import type { Wish } from '../deflate.ts';
import { messages, SHAPES } from './12-messages.ts';
import { SOURCE } from './12-payloads.ts';

function wish(noContextTakeover: boolean, maxWindowBits?: number): Wish {
  return { noContextTakeover, maxWindowBits };
}

/** In the order of their numbers: each a list of offers, the best first. */
const TERMS: readonly (readonly Wish[])[] = [
  [wish(false)],
  [wish(true)],
  [wish(false, 9)],
  [wish(false, 15)],
  [wish(true, 9)],
  [wish(true, 15)],
  [wish(true, 9), wish(true), wish(false)],
];

function describeWish({ noContextTakeover, maxWindowBits }: Wish): string {
  const parts: string[] = [];
  if (noContextTakeover) parts.push('no context takeover');
  if (maxWindowBits !== undefined) parts.push(`a window of at most ${1 << maxWindowBits} bytes`);
  return parts.length === 0 ? 'nothing' : parts.join(' and ');
}

export const DEFLATE_13: readonly ConformCase[] = TERMS.flatMap((wishes, part) =>
  SHAPES.map((shape, index) =>
    messages({
      id: `13.${part + 1}.${index + 1}`,
      terms: `asked of the peer: ${wishes.map(describeWish).join(', or ')}`,
      source: SOURCE.JSON,
      shape,
      wishes,
    }),
  ),
);
