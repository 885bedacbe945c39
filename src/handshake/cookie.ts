/**
 * Cookies: RFC 6265. What a Cookie field says, and how a Set-Cookie field is written. It knows the
 * syntax, and what a user agent would drop without a word. It keeps nothing, and adds no attribute
 * that was not asked for.
 *
 * @module
 */

import { isToken, sliceTrimmed } from './grammar.ts';

/**
 * The cookies of Cookie fields, by name. Several fields are read as one (RFC 9113, section
 * 8.2.3). The first of a name wins: a user agent writes the one with the longest path first
 * (section 5.4). What has no name or no `=` is left out.
 *
 * @returns an object without prototype. Values are without the quotes around them, and
 *   percent-decoded; a value that cannot be decoded stays as it is. Names stay as they are: a
 *   decoded one could pass for a `__Host-` cookie that it is not.
 */
export function parseCookies(
  values: readonly string[],
): Readonly<Record<string, string | undefined>> {
  const cookies: Record<string, string | undefined> = Object.create(null);
  for (const value of values) {
    for (const pair of value.split(';')) {
      const equals = pair.indexOf('=');
      if (equals === -1) continue;
      const name = sliceTrimmed(pair, 0, equals);
      if (name === '') continue;
      cookies[name] ??= decode(unquote(sliceTrimmed(pair, equals + 1, pair.length)));
    }
  }
  return cookies;
}

/** A quoted value may hold no semicolon, and has no escapes (section 4.1.1). */
function unquote(value: string): string {
  const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
  return isQuoted ? value.slice(1, -1) : value;
}

function decode(value: string): string {
  if (!value.includes('%')) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

/** What a Set-Cookie field says: RFC 6265, section 4.1. Nothing has a default. */
export interface CookieOptions {
  /** Any text. Percent-encoded where it holds what a cookie may not, or a percent sign. */
  readonly value: string;
  /** How long the cookie lives, in whole seconds. 0 removes it. Stronger than `expires`. */
  readonly maxAge?: number | undefined;
  /** When it ends. Without this and `maxAge` it lives as long as the browser's session. */
  readonly expires?: Date | undefined;
  /** The host that it is for, together with its subdomains. Without it: our host alone. */
  readonly domain?: string | undefined;
  /** The path under which it is sent. Without it: the folder of the request's path. */
  readonly path?: string | undefined;
  /** Send it over TLS only. */
  readonly secure?: boolean | undefined;
  /** Keep it from scripts. */
  readonly httpOnly?: boolean | undefined;
  /** Whether requests that other sites begin carry it, handshakes too. `'none'` needs `secure`. */
  readonly sameSite?: 'strict' | 'lax' | 'none' | undefined;
  /** Keep one for each site in whose pages ours is embedded. Needs `secure`. */
  readonly partitioned?: boolean | undefined;
}

// RFC 6265, section 4.1.1: cookie-octet, but no percent sign, which reading would decode.
const PLAIN_VALUE = /^[\x21\x23\x24\x26-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/;
// Section 4.1.1: "any CHAR except CTLs or ';'". What a user agent does with none is undefined.
const ATTRIBUTE_VALUE = /^[\x20-\x3a\x3c-\x7e]+$/;
/** Half of a surrogate pair, which UTF-8 has no bytes for. */
const LONE_SURROGATE = /\p{Surrogate}/u;

const SAME_SITE: ReadonlyMap<unknown, string> = new Map([
  ['strict', 'Strict'],
  ['lax', 'Lax'],
  ['none', 'None'],
]);

/** Section 5.1.1: a user agent ignores a date before, or with a year of more than four digits. */
const MIN_YEAR = 1601;
const MAX_YEAR = 9999;

/**
 * Writes the value of a Set-Cookie field (section 4.1). {@link parseCookies} gives the same value
 * back.
 *
 * @param name - a token, such as `sid` or `__Host-sid`
 * @param cookie - a string is the value alone
 * @throws {TypeError} for what may not stand in the field, and for what a user agent would refuse:
 *   `sameSite: 'none'` or `partitioned` without `secure`, and the names `__Secure-…` and
 *   `__Host-…` without what they promise
 */
export function formatCookie(name: string, cookie: string | CookieOptions): string {
  if (typeof name !== 'string' || !isToken(name)) {
    throw new TypeError(`${JSON.stringify(name)} is not the name of a cookie: it must be a token`);
  }
  const options = typeof cookie === 'string' ? { value: cookie } : cookie;
  const parts = [`${name}=${encodeValue(name, options?.value)}`, ...formatAttributes(options)];
  checkPromises(name, options);
  return parts.join('; ');
}

function encodeValue(name: string, value: unknown): string {
  if (typeof value !== 'string')
    throw new TypeError(`the value of the cookie ${name} is no string`);
  if (LONE_SURROGATE.test(value)) {
    throw new TypeError(`the value of the cookie ${name} has half of a surrogate pair`);
  }
  return PLAIN_VALUE.test(value) ? value : encodeURIComponent(value);
}

function formatAttributes(options: CookieOptions): string[] {
  const { maxAge, expires, domain, path, secure, httpOnly, sameSite, partitioned } = options;
  const attributes: string[] = [];
  if (maxAge !== undefined) {
    // RFC: section 4.1.1 has no 0 here, but section 5.2.2 says that it ends the cookie at once,
    // and that is how cookies are removed.
    if (!Number.isSafeInteger(maxAge) || maxAge < 0) {
      throw new TypeError('maxAge is a whole number of seconds, and not negative');
    }
    attributes.push(`Max-Age=${maxAge}`);
  }
  if (expires !== undefined) attributes.push(`Expires=${formatDate(expires)}`);
  if (domain !== undefined) attributes.push(`Domain=${requireAttributeValue('domain', domain)}`);
  if (path !== undefined) attributes.push(`Path=${requireAttributeValue('path', path)}`);
  if (secure) attributes.push('Secure');
  if (httpOnly) attributes.push('HttpOnly');
  if (sameSite !== undefined) {
    const written = SAME_SITE.get(sameSite);
    if (written === undefined) throw new TypeError('sameSite is one of strict, lax, none');
    attributes.push(`SameSite=${written}`);
  }
  if (partitioned) attributes.push('Partitioned');
  return attributes;
}

/** `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7). */
function formatDate(date: unknown): string {
  if (date instanceof Date) {
    const year = date.getUTCFullYear();
    // An invalid Date has no year, and fails here too.
    if (year >= MIN_YEAR && year <= MAX_YEAR) return date.toUTCString();
  }
  throw new TypeError(`expires is a valid Date of the years ${MIN_YEAR} to ${MAX_YEAR}`);
}

function requireAttributeValue(attribute: string, value: unknown): string {
  if (typeof value !== 'string' || !ATTRIBUTE_VALUE.test(value)) {
    throw new TypeError(
      `the ${attribute} of a cookie is ASCII text without semicolon or control character, and not empty`,
    );
  }
  return value;
}

/**
 * What a user agent checks before it keeps a cookie: the draft RFC 6265bis, section 4.1.3 for
 * names, which it compares without case, and CHIPS for `Partitioned`.
 */
function checkPromises(name: string, options: CookieOptions): void {
  const { domain, path, secure, sameSite, partitioned } = options;
  const lower = name.toLowerCase();
  const isHost = lower.startsWith('__host-');
  if (!secure) {
    if (sameSite === 'none') throw new TypeError("a cookie with sameSite 'none' must be secure");
    if (partitioned) throw new TypeError('a partitioned cookie must be secure');
    if (isHost || lower.startsWith('__secure-')) {
      throw new TypeError(`the cookie ${name} must be secure, as its name says`);
    }
  }
  if (isHost && (path !== '/' || domain !== undefined)) {
    throw new TypeError(`the cookie ${name} must have the path / and no domain, as its name says`);
  }
}
