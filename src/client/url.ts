/**
 * What a URL means for a connection: RFC 6455, section 3, and the WHATWG standard, which lets
 * `http:` and `https:` stand for `ws:` and `wss:`. Pure: a URL in, where to connect to out.
 *
 * What is asked for there is written by handshake/offer.ts.
 *
 * @module
 */

/** Where a URL leads. */
export interface Destination {
  /** As it was given, with the scheme `ws:` or `wss:`. */
  readonly url: URL;
  /** Section 3: "The URI is called 'secure' if the scheme component matches 'wss'". */
  readonly secure: boolean;
  /** A name in lower case or an IP address, an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
  /** Path and query: what the request asks for. */
  readonly resourceName: string;
}

const DEFAULT_PORT = { 'ws:': 80, 'wss:': 443 } as const;
type Scheme = keyof typeof DEFAULT_PORT;

const WEBSOCKET_SCHEME: Readonly<Record<string, Scheme | undefined>> = {
  'ws:': 'ws:',
  'wss:': 'wss:',
  'http:': 'ws:',
  'https:': 'wss:',
};

/**
 * The parser of the WHATWG standard reads over slashes that are missing or too many: it would take
 * `ws:///chat` for the host `chat`. For section 3 that URL has no host.
 */
const HAS_AUTHORITY = /^[\0- ]*[a-z]+:\/\/[^/\\]/i;

/**
 * Reads a URL as a browser does.
 *
 * @returns a URL of its own, with the scheme `ws:` or `wss:`
 * @throws {TypeError} for what is no absolute URL, has another scheme, or has a fragment
 */
export function parseUrl(url: string | URL): URL {
  let parsed: URL;
  try {
    parsed = new URL(String(url));
  } catch (cause) {
    // (An argument that was left out; any other text may hold a password.)
    const what = url === undefined ? 'undefined' : 'that';
    throw new TypeError(`${what} is not an absolute URL, such as ws://localhost:3000/chat`, {
      cause,
    });
  }
  const scheme = WEBSOCKET_SCHEME[parsed.protocol];
  if (scheme === undefined) {
    throw new TypeError(`the scheme of a WebSocket URL is ws or wss, not ${parsed.protocol}`);
  }
  // Section 3: "Fragment identifiers are meaningless […] and MUST NOT be used on these URIs". Not
  // `hash`, which is empty for a lone # too.
  if (parsed.href.includes('#')) {
    throw new TypeError('a WebSocket URL has no fragment: write %23 for a # in it');
  }
  parsed.protocol = scheme;
  return parsed;
}

/** Where a URL of {@link parseUrl} leads. */
export function destinationOf(url: URL): Destination {
  const secure = url.protocol === 'wss:';
  return {
    url,
    secure,
    host: url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname,
    // The URL has left a default port out.
    port: url.port === '' ? DEFAULT_PORT[secure ? 'wss:' : 'ws:'] : Number(url.port),
    resourceName: url.pathname + url.search,
  };
}

/**
 * Where a URL leads, more strictly than a browser reads it: section 4.1 fails a connection whose
 * "components […] are invalid".
 *
 * @throws {TypeError} as {@link parseUrl}, for a URL without a host, and for port 0, on which
 *   nobody can listen
 */
export function readUrl(url: string | URL): Destination {
  const destination = destinationOf(parseUrl(url));
  if (!HAS_AUTHORITY.test(String(url))) {
    throw new TypeError('the host of a WebSocket URL stands between // and the path');
  }
  if (destination.port === 0) throw new TypeError('nobody listens on port 0');
  return destination;
}
