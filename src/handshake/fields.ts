/**
 * Header fields as they came: RFC 9110, section 5. In order, with duplicates, and looked up
 * without case by walking a list: there are a hundred at the most, and no name that a peer sends
 * can be the name of a property of ours.
 *
 * @module
 */

import { isFieldValue, isToken, sliceTrimmed } from './grammar.ts';

/** Header fields as an application gives them: an object, or pairs where a name repeats. */
export type HeadersInput =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | Iterable<readonly [name: string, value: string]>;

/** Shared by all that are packed; nothing is ever added to it. */
const NOTHING: string[] = [];

const CAPITAL_A = 0x41;
const CAPITAL_Z = 0x5a;
/** From a capital to its small letter. */
const TO_SMALL = 0x20;

/** Stands in no name and in no value. */
const SEPARATOR = '\n';

/** Numbers that mark one field of a head. */
const MARKS = 3;

/** Of names and values that are joined by {@link SEPARATOR}, and not the fields of a head. */
const JOINED = -1;

export class HeaderFields {
  #names: string[] = NOTHING;
  #values: string[] = NOTHING;
  /** All of them in one string, which is what the lists are made of where that is wanted. */
  #text: string | null = '';
  /** Where the fields of a head begin in the text, or {@link JOINED}. */
  #start: number = JOINED;
  /** The lists are empty, and the text has it all. */
  #isPacked = true;
  /** Of the fields of a head that is in its handshake: where each begins, its colon, and its end. */
  #marks: readonly number[] | null = null;
  /** What Node has found, as long as it is neither in lists nor packed. */
  #raw: readonly string[] | null = null;

  /**
   * Takes over what Node's own parser found.
   *
   * @param raw - name, value, name, value …: `rawHeaders` of an `http.IncomingMessage`
   */
  static fromRaw(raw: readonly string[]): HeaderFields {
    const fields = new HeaderFields();
    // A copy, since it is somebody else's; without a name that has no value.
    fields.#raw = raw.slice(0, raw.length & ~1);
    fields.#text = null;
    return fields;
  }

  /**
   * Takes over the head of a message that has no mistake: valid fields, each with CR LF, and CR LF
   * behind the last.
   *
   * @param start - where the first field begins
   * @param marks - where in the text each field begins, where its colon stands, and where its line
   *   ends: three numbers for each; null where nobody has looked. With them, what a handshake asks
   *   for is read where it lies, and no list of all is made.
   */
  static fromHead(
    text: string,
    start: number,
    marks: readonly number[] | null = null,
  ): HeaderFields {
    const fields = new HeaderFields();
    fields.#text = text;
    fields.#start = start;
    fields.#marks = marks;
    return fields;
  }

  /**
   * Keeps them in one string until somebody asks: a server has the request of every connection, and
   * hardly ever looks at it again. Two lists of small strings are several times as large.
   */
  pack(): void {
    this.#marks = null;
    const raw = this.#raw ?? (this.#isPacked || this.#text !== null ? null : this.pairs());
    if (raw !== null) {
      const text = raw.join(SEPARATOR);
      // A lenient parser in front of us may have let a line break through.
      if (raw.length > 0 && countSeparators(text) !== raw.length - 1) return;
      this.#text = text;
      this.#start = JOINED;
      this.#raw = null;
    }
    this.#isPacked = true;
    this.#names = NOTHING;
    this.#values = NOTHING;
  }

  private pairs(): string[] {
    return this.#names.flatMap((name, i) => [name, this.#values[i]!]);
  }

  private unpack(): void {
    if (!this.#isPacked) return;
    const raw = this.#raw;
    this.#isPacked = false;
    this.#marks = null;
    this.#raw = null;
    this.#names = [];
    this.#values = [];
    if (raw !== null) this.takePairs(raw);
    else if (this.#start !== JOINED) this.readHead(this.#text!);
    // Without fields there is nothing, and not one that is empty.
    else if (this.#text !== '') this.takePairs(this.#text!.split(SEPARATOR));
  }

  private takePairs(pairs: readonly string[]): void {
    for (let i = 0; i + 1 < pairs.length; i += 2) {
      this.#names.push(pairs[i]!.toLowerCase());
      this.#values.push(pairs[i + 1]!);
    }
  }

  private readHead(text: string): void {
    const end = text.length - 2;
    for (let at = this.#start; at < end;) {
      const colon = text.indexOf(':', at);
      const lineEnd = text.indexOf('\r', colon);
      this.#names.push(text.slice(at, colon).toLowerCase());
      this.#values.push(sliceTrimmed(text, colon + 1, lineEnd));
      at = lineEnd + 2;
    }
  }

  get size(): number {
    if (this.#marks !== null) return this.#marks.length / MARKS;
    if (this.#raw !== null) return this.#raw.length / 2;
    this.unpack();
    return this.#names.length;
  }

  append(name: string, value: string): void {
    this.unpack();
    this.#text = null;
    this.#names.push(name.toLowerCase());
    this.#values.push(value);
  }

  /** The value of the first field of that name. `name` is in lower case here and below. */
  get(name: string): string | undefined {
    if (this.#marks !== null) {
      const at = this.find(this.#marks, name, 0);
      return at === -1 ? undefined : this.valueAt(this.#marks, at);
    }
    if (this.#raw !== null) return this.#raw[findRaw(this.#raw, name, 0) + 1];
    this.unpack();
    const i = this.#names.indexOf(name);
    return i === -1 ? undefined : this.#values[i];
  }

  /** The values of all fields of that name, in order. */
  getAll(name: string): string[] {
    const values: string[] = [];
    const marks = this.#marks;
    if (marks !== null) {
      for (let at = this.find(marks, name, 0); at !== -1; at = this.find(marks, name, at + MARKS)) {
        values.push(this.valueAt(marks, at));
      }
      return values;
    }
    const raw = this.#raw;
    if (raw !== null) {
      for (let i = findRaw(raw, name, 0); i < raw.length; i = findRaw(raw, name, i + 2)) {
        values.push(raw[i + 1]!);
      }
      return values;
    }
    this.unpack();
    for (let i = this.#names.indexOf(name); i !== -1; i = this.#names.indexOf(name, i + 1)) {
      values.push(this.#values[i]!);
    }
    return values;
  }

  has(name: string): boolean {
    if (this.#marks !== null) return this.find(this.#marks, name, 0) !== -1;
    if (this.#raw !== null) return findRaw(this.#raw, name, 0) < this.#raw.length;
    this.unpack();
    return this.#names.includes(name);
  }

  /** The marks of the first field of that name from `at` on; -1 where there is none. */
  private find(marks: readonly number[], name: string, at: number): number {
    for (; at < marks.length; at += MARKS) {
      const start = marks[at]!;
      if (marks[at + 1]! - start !== name.length) continue;
      if (isNamed(this.#text!, start, name)) return at;
    }
    return -1;
  }

  private valueAt(marks: readonly number[], at: number): string {
    return sliceTrimmed(this.#text!, marks[at + 1]! + 1, marks[at + 2]!);
  }

  /** Name in lower case, and value, in the order in which they came. */
  *[Symbol.iterator](): Generator<readonly [name: string, value: string], void, undefined> {
    this.unpack();
    for (let i = 0; i < this.#names.length; i++) yield [this.#names[i]!, this.#values[i]!];
  }
}

/** The first name of that kind from `i` on, among names and values; their number where there is none. */
function findRaw(raw: readonly string[], name: string, i: number): number {
  for (; i < raw.length; i += 2) {
    if (raw[i]!.length === name.length && isNamed(raw[i]!, 0, name)) return i;
  }
  return raw.length;
}

function countSeparators(text: string): number {
  let count = 0;
  for (let at = text.indexOf(SEPARATOR); at !== -1; at = text.indexOf(SEPARATOR, at + 1)) count++;
  return count;
}

/** Whether that name, which is in lower case, stands at `start`, in whatever case. */
function isNamed(text: string, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = text.charCodeAt(start + i);
    const isCapital = code >= CAPITAL_A && code <= CAPITAL_Z;
    if ((isCapital ? code + TO_SMALL : code) !== name.charCodeAt(i)) return false;
  }
  return true;
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
