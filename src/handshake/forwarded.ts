/**
 * What proxies say about whom they speak for, in their words: the field Forwarded (RFC 7239), and
 * the fields X-Forwarded-For, -Host and -Proto that came before it. Fields in, words out, last hop
 * first; whom to believe, and what is an address, is not known here.
 *
 * @module
 */

import type { HeaderFields } from './fields.ts';
import { isToken, isWhiteSpace, splitList } from './grammar.ts';

/** Which fields the proxies in front write; the others are whatever the client sends. */
export type ForwardedFields = 'x-forwarded' | 'forwarded';

/** What one proxy says. What it does not say, or says in a way that cannot be read, is undefined. */
export interface Hop {
  /** Who has connected to it: an address, perhaps with a port, or a word that hides it. */
  readonly node: string | undefined;
  /** The value of Host that it was sent. */
  readonly host: string | undefined;
  /** The scheme by which it was reached, in lower case. */
  readonly scheme: string | undefined;
}

/**
 * What the proxies say, the nearest first. Ends before what is malformed: what stands in front of
 * that may be anybody's.
 */
export function* readHops(
  fields: HeaderFields,
  which: ForwardedFields,
): Generator<Hop, void, undefined> {
  if (which === 'x-forwarded') yield* readSeparateFields(fields);
  else {
    for (const value of fields.getAll('forwarded').toReversed()) {
      const hops = new ForwardedReader(value).read();
      if (hops === null) return;
      yield* hops.toReversed();
    }
  }
}

/** Three lists that nothing holds together: of host and scheme only the nearest proxy's are known. */
function* readSeparateFields(fields: HeaderFields): Generator<Hop, void, undefined> {
  const last = (name: string): string | undefined => splitList(fields.getAll(name)).at(-1);
  let host = last('x-forwarded-host');
  let scheme = last('x-forwarded-proto')?.toLowerCase();
  const nodes = splitList(fields.getAll('x-forwarded-for')).toReversed();
  for (const node of nodes.length === 0 ? [undefined] : nodes) {
    yield { node, host, scheme };
    host = undefined;
    scheme = undefined;
  }
}

/**
 * RFC 7239, section 4, by one walk over the characters:
 *
 *     Forwarded         = 1#forwarded-element
 *     forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )
 *     forwarded-pair    = token "=" ( token | quoted-string )
 */
class ForwardedReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The hops in their order; null where they do not fit the grammar. */
  read(): Hop[] | null {
    const hops: Hop[] = [];
    for (;;) {
      const pairs = this.readElement();
      if (pairs === null) return null;
      // Empty elements of a list count for nothing (RFC 9110, section 5.6.1.2).
      if (pairs.size > 0) {
        const scheme = pairs.get('proto')?.toLowerCase();
        hops.push({ node: pairs.get('for'), host: pairs.get('host'), scheme });
      }
      if (this.#at === this.#text.length) return hops;
      if (!this.take(',')) return null;
    }
  }

  private readElement(): Map<string, string> | null {
    const pairs = new Map<string, string>();
    for (;;) {
      this.skipWhiteSpace();
      const name = this.readToken().toLowerCase();
      if (name !== '') {
        const value = this.take('=') ? this.readValue() : null;
        // "Each parameter MUST NOT occur more than once per field-value."
        if (value === null || pairs.has(name)) return null;
        pairs.set(name, value);
        this.skipWhiteSpace();
      }
      if (!this.take(';')) return pairs;
    }
  }

  private readValue(): string | null {
    if (this.take('"')) return this.readQuoted();
    const token = this.readToken();
    return token === '' ? null : token;
  }

  private readQuoted(): string | null {
    let value = '';
    while (this.#at < this.#text.length) {
      if (this.take('"')) return value;
      this.take('\\');
      value += this.#text[this.#at] ?? '';
      this.#at++;
    }
    return null;
  }

  private readToken(): string {
    const start = this.#at;
    while (this.#at < this.#text.length && isToken(this.#text[this.#at]!)) this.#at++;
    return this.#text.slice(start, this.#at);
  }

  private skipWhiteSpace(): void {
    while (isWhiteSpace(this.#text.charCodeAt(this.#at))) this.#at++;
  }

  private take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }
}
