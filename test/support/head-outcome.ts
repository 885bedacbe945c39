/** What becomes of the head of an HTTP message, in words that can be compared. */
import { HandshakeError } from '../../src/errors.ts';
import {
  type HeadLimits,
  type RequestHead,
  RequestHeadParser,
  type ResponseHead,
  ResponseHeadParser,
} from '../../src/handshake/http1.ts';
import { cuts } from './bytes.ts';

export type HeadOutcome =
  | {
      /** `GET / 1.1`, or `101 1.1`. */
      readonly start: string;
      readonly fields: readonly (readonly [name: string, value: string])[];
      /** How many bytes the head has, and what came before it. */
      readonly size: number;
    }
  | { readonly code: string; readonly status: number }
  | 'unfinished';

interface AnyParser {
  readonly head: RequestHead | ResponseHead | null;
  push(chunk: Buffer, at?: number): number;
}

function startOf(head: RequestHead | ResponseHead): string {
  const start = 'status' in head ? String(head.status) : `${head.method} ${head.target}`;
  return `${start} 1.${head.minorVersion}`;
}

/** Feeds pieces up to the end of the head or its refusal. Any other error goes on. */
function feed(parser: AnyParser, pieces: Iterable<Buffer>): HeadOutcome {
  let before = 0;
  try {
    for (const piece of pieces) {
      const at = parser.push(piece);
      const { head } = parser;
      if ((head === null) !== (at === -1)) throw new Error('head and position contradict');
      if (head !== null)
        return { start: startOf(head), fields: [...head.fields], size: before + at };
      before += piece.length;
    }
    return 'unfinished';
  } catch (error) {
    if (!(error instanceof HandshakeError)) throw error;
    return { code: error.code, status: error.status };
  }
}

/** What becomes of a request that arrives in these pieces. */
export function requestOutcome(pieces: Iterable<Buffer>, limits?: HeadLimits): HeadOutcome {
  return feed(new RequestHeadParser(limits), pieces);
}

/** What becomes of a response that arrives in these pieces. */
export function responseOutcome(pieces: Iterable<Buffer>, limits?: HeadLimits): HeadOutcome {
  return feed(new ResponseHeadParser(limits), pieces);
}

/** Every outcome that there is for a text sent whole, cut in two anywhere, or byte by byte. */
export function outcomesOfCuts(
  read: (pieces: Buffer[], limits?: HeadLimits) => HeadOutcome,
  text: string,
  limits?: HeadLimits,
): HeadOutcome[] {
  const outcomes = new Map<string, HeadOutcome>();
  for (const pieces of cuts(Buffer.from(text, 'latin1'))) {
    const outcome = read(pieces, limits);
    outcomes.set(JSON.stringify(outcome), outcome);
  }
  return [...outcomes.values()];
}
