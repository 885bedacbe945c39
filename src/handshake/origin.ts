/**
 * Who may connect: RFC 6455, sections 4.2.2 and 10.2. A browser sends its cookies with a handshake
 * from any page, and names that page in Origin. Looking at it is all that stands between a user's
 * session and every other site that this user visits.
 *
 * `origins` holds against that; `hosts` holds against DNS rebinding, where a foreign name leads to
 * our address and Origin and Host agree.
 *
 * @module
 */

/**
 * Which origins may connect.
 * - `'same-origin'`: host and port of Origin are those of Host. The default port is that of the
 *   Origin's scheme, so that it is right behind a proxy that ends TLS. Where a trusted proxy says
 *   that it was reached by TLS, a page that came without is a foreign one.
 * - a list of origins such as `'https://example.com'`
 * - `'*'`: every one, `null` too
 * - a function of Origin and Host
 *
 * A request without Origin comes from no browser and passes, except where a function says no.
 */
export type OriginPolicy =
  | 'same-origin'
  | '*'
  | readonly string[]
  | ((origin: string | undefined, host: string) => boolean);

/**
 * Decides on the values of Origin, where there is one, and Host.
 *
 * @param isSecure - whether the client is known to have come by TLS. Default: that is not known
 */
export type OriginCheck = (origin: string | undefined, host: string, isSecure?: boolean) => boolean;

/**
 * Makes the check of a policy, once for many handshakes.
 *
 * @throws {TypeError} for what is no policy, and for an element of the list that is no origin
 */
export function createOriginCheck(policy: OriginPolicy): OriginCheck {
  if (typeof policy === 'function') return (origin, host) => policy(origin, host);
  if (policy === '*') return () => true;
  if (policy === 'same-origin') {
    return (origin, host, isSecure = false) =>
      origin === undefined || isSameOrigin(origin, host, isSecure);
  }
  if (!isList(policy)) {
    throw new TypeError(
      "origins is a list, such as ['https://example.com'], or 'same-origin', '*' or a function",
    );
  }
  const allowed = new Set(policy.map(requireOrigin));
  return (origin, _host) => origin === undefined || allowed.has(normalizeOrigin(origin) ?? '');
}

/** A single name is the first thing that one tries, and would be read letter by letter. */
function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

/**
 * How an origin is written (RFC 6454, section 7.1): scheme, host and port, and nothing else. The
 * URL parser would take much more and make an origin of it.
 */
const ORIGIN = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^\s/?#@\\]+$/;

function parseOrigin(origin: string): URL | null {
  return ORIGIN.test(origin) ? URL.parse(origin) : null;
}

function isSameOrigin(origin: string, host: string, isSecure: boolean): boolean {
  const page = parseOrigin(origin);
  if (page === null || (page.protocol !== 'https:' && page.protocol !== 'http:')) return false;
  // (Not the other way round: the proxy may stand behind another one that has ended TLS.)
  if (isSecure && page.protocol === 'http:') return false;
  // Reading Host under the scheme of the page drops a port that is the default there.
  return URL.parse(`${page.protocol}//${host}`)?.host === page.host;
}

function requireOrigin(origin: string): string {
  const normal = normalizeOrigin(origin);
  if (normal === null) throw new TypeError(`${JSON.stringify(origin)} is not an origin`);
  return normal;
}

/** Scheme and host in lower case, without a default port. Null for what is no origin. */
function normalizeOrigin(origin: string): string | null {
  const url = parseOrigin(origin);
  if (url === null || url.host === '') return null;
  // Schemes that the URL standard does not know, such as a browser extension's, have no origin
  // of their own there, and their hosts keep their case.
  return url.origin === 'null' ? `${url.protocol}//${url.host.toLowerCase()}` : url.origin;
}

/** Decides on the value of Host. */
export type HostCheck = (host: string) => boolean;

const PORT = /:[0-9]*$/;

/**
 * Makes the check of an allow-list of hosts: `'example.com'` allows every port of it,
 * `'example.com:8080'` only that one. Without a list every host passes.
 *
 * @throws {TypeError} for what is no list of strings
 */
export function createHostCheck(hosts: readonly string[] | undefined): HostCheck {
  if (hosts === undefined) return () => true;
  if (!isList(hosts) || !hosts.every((host) => typeof host === 'string')) {
    throw new TypeError("hosts is a list, such as ['example.com']");
  }
  const allowed = new Set(hosts.map((host) => host.toLowerCase()));
  const onEveryPort = new Set([...allowed].filter((host) => !PORT.test(host)));
  return (host) => {
    const lower = host.toLowerCase();
    return allowed.has(lower) || onEveryPort.has(lower.replace(PORT, ''));
  };
}
