/**
 * The grammar of Sec-WebSocket-Extensions: RFC 6455, section 9.1. One walk over the characters.
 * Parameters stand in a list of pairs, so that no name a peer sends can be a property of ours.
 *
 *     extension-list  = 1#extension
 *     extension       = extension-token *( ";" extension-param )
 *     extension-param = token [ "=" ( token | quoted-string ) ]
 *
 * Which extensions and parameters there are is not known here.
 *
 * @module
 */

import type { Extension } from '../extension/extension.ts';
import { isToken, isWhiteSpace } from './grammar.ts';

/**
 * Parses the values of all Sec-WebSocket-Extensions fields, which are equal to one field joined by
 * commas. Null where they do not fit the grammar.
 */
export function parseExtensions(values: readonly string[]): Extension[] | null {
  const extensions: Extension[] = [];
  for (const value of values) {
    if (!new ExtensionsReader(value).readList(extensions)) return null;
  }
  // "1#": a field without a single extension is malformed.
  return values.length > 0 && extensions.length === 0 ? null : extensions;
}

/**
 * Writes extensions as the value of one field. Values are tokens, so nothing is quoted.
 *
 * @throws {TypeError} for a name or a value that is no token
 */
export function formatExtensions(extensions: readonly Extension[]): string {
  if (extensions.length === 0) return '';
  return extensions
    .map(({ name, parameters }) =>
      [requireToken(name), ...parameters.map(([key, value]) => formatParameter(key, value))].join(
        '; ',
      ),
    )
    .join(', ');
}

function formatParameter(name: string, value: string | true): string {
  return value === true ? requireToken(name) : `${requireToken(name)}=${requireToken(value)}`;
}

function requireToken(text: string): string {
  if (isToken(text)) return text;
  throw new TypeError(`${JSON.stringify(text)} is no token (RFC 6455, section 9.1)`);
}

class ExtensionsReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Reads the whole text. False where it does not fit. */
  readList(into: Extension[]): boolean {
    for (;;) {
      this.skipWhiteSpace();
      // An empty element, which a recipient has to take (RFC 9110, section 5.6.1.2).
      if (this.take(',')) continue;
      if (this.#at === this.#text.length) return true;
      const extension = this.readExtension();
      if (extension === null) return false;
      into.push(extension);
      if (this.#at < this.#text.length && !this.take(',')) return false;
    }
  }

  private readExtension(): Extension | null {
    const name = this.readToken();
    if (name === '') return null;
    const parameters: [string, string | true][] = [];
    for (;;) {
      this.skipWhiteSpace();
      if (!this.take(';')) return { name, parameters };
      this.skipWhiteSpace();
      const key = this.readToken();
      if (key === '') return null;
      this.skipWhiteSpace();
      let value: string | true = true;
      if (this.take('=')) {
        this.skipWhiteSpace();
        value = this.take('"') ? this.readQuoted() : this.readToken();
        if (value === '') return null;
      }
      parameters.push([key, value]);
    }
  }

  private skipWhiteSpace(): void {
    while (isWhiteSpace(this.#text.charCodeAt(this.#at))) this.#at++;
  }

  private take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  /** The longest token that begins here, perhaps ''. */
  private readToken(): string {
    const start = this.#at;
    while (this.#at < this.#text.length && isToken(this.#text[this.#at]!)) this.#at++;
    return this.#text.slice(start, this.#at);
  }

  /**
   * The rest of a quoted-string. "When using the quoted-string syntax variant, the value after
   * quoted-string unescaping MUST conform to the 'token' ABNF": '' where it does not, or where
   * the quote never ends.
   */
  private readQuoted(): string {
    let value = '';
    while (this.#at < this.#text.length) {
      if (this.take('"')) return value;
      this.take('\\');
      const character = this.#text[this.#at] ?? '';
      if (!isToken(character)) return '';
      value += character;
      this.#at++;
    }
    return '';
  }
}
