/**
 * Which paths a route takes, and what its pattern names in them: `/chat/:room`, `/files/*`, `*`.
 * It knows paths without their query. It does not know routes, their order or requests.
 *
 * @module
 */

/** What a pattern's names stand for in a path, percent-decoded. An object without prototype. */
export type Params = Readonly<Record<string, string>>;

/** What one segment names. */
type NameOf<Text extends string> = Text extends `:${infer Name}` ? Name : never;

/** What all segments name. Tail-recursive, so that patterns may be long. */
type NamesOf<
  Pattern extends string,
  Names extends string = never,
> = Pattern extends `${infer Text}/${infer Rest}`
  ? NamesOf<Rest, Names | NameOf<Text>>
  : Names | (Pattern extends '*' ? '*' : NameOf<Pattern>);

/**
 * The parameters that a pattern names: `{ readonly room: string }` for `'/chat/:room'`, and
 * `{ readonly '*': string }` for `'/files/*'`. A pattern without names has no parameters, and
 * reading one is an error of types. Of a pattern that is not known as a literal nothing can be
 * told: {@link Params}.
 */
export type ParamsOf<Pattern extends string> = Pattern extends string
  ? // Only a literal is a key that an object must have: `string` and `/chat/${string}` are not.
    Partial<Record<Pattern, unknown>> extends Record<Pattern, unknown>
    ? Params
    : { readonly [Name in NamesOf<Pattern>]: string }
  : never;

const TAIL = '*';
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const NOT_IN_A_PATH = /[?#\s\p{Cc}]/u;

/** Shared by all matches that name nothing. */
const NO_PARAMS: Params = Object.freeze(createParams());

/** One segment of a pattern: the text that must stand there, decoded, or a name for any text. */
type Segment = { readonly literal: string } | { readonly name: string };

/**
 * A pattern, read once for many paths.
 *
 * - `/chat/lobby`: a literal. Case counts, and so does a slash at the end. Percent-encoding does
 *   not: `/caf%C3%A9` and `/café` are one. Write `%3A` for a colon, `%2A` for an asterisk and
 *   `%20` for a space.
 * - `/chat/:room`: one whole segment that is not empty. A name is made of letters, digits and
 *   underscores, does not begin with a digit, and stands once in a pattern.
 * - `/files/*`: the rest of the path, which may be empty and may hold slashes: `/files/` and
 *   `/files/a/b`, but not `/files`.
 * - `*`: every path that can be decoded.
 */
export class RoutePattern {
  /** The pattern as it was given. */
  readonly source: string;

  readonly #segments: readonly Segment[];
  readonly #hasTail: boolean;

  /** @throws {TypeError} for what is no pattern */
  constructor(pattern: string) {
    if (typeof pattern !== 'string') throw new TypeError('a route pattern is a string');
    if (pattern !== TAIL && !pattern.startsWith('/')) {
      throw new TypeError(`the pattern ${JSON.stringify(pattern)} does not begin with a slash`);
    }
    if (NOT_IN_A_PATH.test(pattern)) {
      throw new TypeError(
        `the pattern ${JSON.stringify(pattern)} holds what a path does not: a query, a fragment, ` +
          'white space or a control character',
      );
    }
    const segments = pattern.split('/');
    this.source = pattern;
    this.#hasTail = segments.at(-1) === TAIL;
    // Before the first slash stands nothing, or the `*` that is the whole pattern.
    this.#segments = parseSegments(pattern, segments.slice(1, this.#hasTail ? -1 : undefined));
  }

  /**
   * What the pattern names in a path. Literals are compared after decoding, where they can be
   * decoded. A segment is decoded after the path is split, so that an encoded slash in a name's
   * segment is part of its value. The tail is decoded as a whole: there `%2F` and a slash look the
   * same, and `..` may stand, encoded or not. Check it before you open a file by it.
   *
   * @param path - without a query
   * @returns null for a path that is not the pattern's, and where a parameter is not the
   *   percent-encoding of UTF-8
   */
  match(path: string): Params | null {
    let params: Record<string, string> | null = null;
    /** Where the slash before the next segment must stand. */
    let slash = 0;
    for (const segment of this.#segments) {
      if (path[slash] !== '/') return null;
      const end = endOfSegment(path, slash + 1);
      const text = path.slice(slash + 1, end);
      if ('literal' in segment) {
        if ((decode(text) ?? text) !== segment.literal) return null;
      } else {
        const value = decode(text);
        if (value === null || value === '') return null;
        params ??= createParams();
        params[segment.name] = value;
      }
      slash = end;
    }
    if (!this.#hasTail) return slash === path.length ? (params ?? NO_PARAMS) : null;

    const hasSlash = path[slash] === '/';
    if (!hasSlash && this.source !== TAIL) return null;
    const tail = decode(hasSlash ? path.slice(slash + 1) : path);
    if (tail === null) return null;
    params ??= createParams();
    params[TAIL] = tail;
    return params;
  }
}

/** Reads the segments before the tail. */
function parseSegments(pattern: string, texts: readonly string[]): Segment[] {
  const names = new Set<string>();
  return texts.map((text) => {
    if (text.startsWith(':')) {
      const name = text.slice(1);
      if (!NAME.test(name)) {
        throw new TypeError(
          `the pattern ${JSON.stringify(pattern)} has a name that is not made of letters, digits ` +
            'and underscores, or begins with a digit',
        );
      }
      if (names.has(name)) {
        throw new TypeError(`the pattern ${JSON.stringify(pattern)} has the name ${name} twice`);
      }
      names.add(name);
      return { name };
    }
    if (text.includes(':') || text.includes(TAIL)) {
      throw new TypeError(
        `the pattern ${JSON.stringify(pattern)} has a colon inside a segment, or an asterisk that ` +
          'is not the whole last segment: as literals they are written %3A and %2A',
      );
    }
    return { literal: decode(text) ?? text };
  });
}

/** Without prototype, so that a name such as `__proto__` is one like any other. */
function createParams(): Record<string, string> {
  const params: Record<string, string> = Object.create(null);
  return params;
}

function endOfSegment(path: string, start: number): number {
  const slash = path.indexOf('/', start);
  return slash === -1 ? path.length : slash;
}

/** Null where `text` is not the percent-encoding of UTF-8 (RFC 3986, section 2.1). */
function decode(text: string): string | null {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
