/**
 * Header fields as they came: RFC 9110, section 5. In order, with duplicates, and looked up
 * without case by walking a list: there are a hundred at the most, and no name that a peer sends
 * can be the name of a property of ours.
 *
 * @module
 */

import { isFieldValue, isToken } from './grammar.ts';

/** Header fields as an application gives them: an object, or pairs where a name repeats. */
export type HeadersInput =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | Iterable<readonly [name: string, value: string]>;

/** Shared by all that are packed; nothing is ever added to it. */
const NOTHING: string[] = [];

/** Stands in no name and in no value. */
const SEPARATOR = '\n';

export class HeaderFields {
  #names: string[] = [];
  #values: string[] = [];
  /** All names and values in one string, where they are not in the lists. */
  #packed: string | null = null;

  /**
   * Takes over what Node's own parser found.
   *
   * @param raw - name, value, name, value …: `rawHeaders` of an `http.IncomingMessage`
   */
  static fromRaw(raw: readonly string[]): HeaderFields {
    const fields = new HeaderFields();
    for (let i = 0; i + 1 < raw.length; i += 2) fields.append(raw[i]!, raw[i + 1]!);
    return fields;
  }

  /**
   * Keeps them in one string until somebody asks: a server has the request of every connection, and
   * hardly ever looks at it again. Two lists of small strings are several times as large.
   */
  pack(): void {
    if (this.#packed !== null) return;
    const text = this.#names.map((name, i) => name + SEPARATOR + this.#values[i]).join(SEPARATOR);
    // A lenient parser in front of us may have let a line break through.
    if (text.split(SEPARATOR).length !== 2 * this.#names.length) return;
    this.#packed = text;
    this.#names = NOTHING;
    this.#values = NOTHING;
  }

  private unpack(): void {
    if (this.#packed === null) return;
    const texts = this.#packed.split(SEPARATOR);
    this.#packed = null;
    this.#names = texts.filter((_, i) => i % 2 === 0);
    this.#values = texts.filter((_, i) => i % 2 === 1);
  }

  get size(): number {
    this.unpack();
    return this.#names.length;
  }

  append(name: string, value: string): void {
    this.unpack();
    this.#names.push(name.toLowerCase());
    this.#values.push(value);
  }

  /** The value of the first field of that name. `name` is in lower case here and below. */
  get(name: string): string | undefined {
    this.unpack();
    const i = this.#names.indexOf(name);
    return i === -1 ? undefined : this.#values[i];
  }

  /** The values of all fields of that name, in order. */
  getAll(name: string): string[] {
    this.unpack();
    return this.#values.filter((_, i) => this.#names[i] === name);
  }

  has(name: string): boolean {
    this.unpack();
    return this.#names.includes(name);
  }

  /** Name in lower case, and value, in the order in which they came. */
  *[Symbol.iterator](): Generator<readonly [name: string, value: string], void, undefined> {
    this.unpack();
    for (let i = 0; i < this.#names.length; i++) yield [this.#names[i]!, this.#values[i]!];
  }
}

/** The fields that make the handshake: an application may not set them beside us. */
const OURS = new Set([
  'connection',
  'upgrade',
  'content-length',
  'transfer-encoding',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-version',
]);

/**
 * Checks header fields that an application wants to send, before a byte of them is sent.
 *
 * @returns pairs of name, as it was written, and value
 * @throws {TypeError} for a name that is no token, a value that is no string or holds a line
 *   break, a control character or one above U+00FF (RFC 9110, section 5.5), and for a field that
 *   belongs to the handshake
 */
export function checkHeaders(headers: HeadersInput): [name: string, value: string][] {
  const checked: [string, string][] = [];
  const entries: Iterable<readonly [string, string | readonly string[] | undefined]> =
    Symbol.iterator in headers
      ? (headers as Iterable<readonly [string, string]>)
      : Object.entries(headers as Record<string, string | readonly string[] | undefined>);

  for (const [name, given] of entries) {
    if (typeof name !== 'string' || !isToken(name)) {
      throw new TypeError(`${JSON.stringify(name)} is not the name of a header field`);
    }
    if (OURS.has(name.toLowerCase())) {
      throw new TypeError(`the header field ${name} belongs to the handshake`);
    }
    // As every option that is undefined, it counts as left out.
    if (given === undefined) continue;
    for (const value of typeof given === 'string' ? [given] : given) {
      if (typeof value !== 'string' || !isFieldValue(value)) {
        throw new TypeError(`the value of the header field ${name} has a character it must not`);
      }
      checked.push([name, value]);
    }
  }
  return checked;
}
