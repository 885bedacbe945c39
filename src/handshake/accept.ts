/**
 * The server's half of the opening handshake: RFC 6455, section 4.2. The head of a request in, a
 * decision out; the answer as a string. (The client's half is offer.ts.)
 *
 * Whether a path exists and whether a user may connect is the application's affair; so these are
 * two steps, with its decision between them: {@link readRequest}, then {@link acceptResponse} or
 * {@link refusalResponse}.
 *
 * @module
 */

import { HandshakeError } from '../errors.ts';
import type { Extension } from '../extension/extension.ts';
import { formatExtensions, parseExtensions } from './extensions-header.ts';
import { type HeaderFields, type HeadersInput, checkHeaders } from './fields.ts';
import { hasToken, isFieldValue, splitList } from './grammar.ts';
import type { RequestHead } from './http1.ts';
import { acceptValue, isKey } from './key.ts';
import { UPGRADE_FIELDS, WEBSOCKET_VERSION, refusal } from './refusal.ts';
import { parseSubprotocols } from './subprotocol.ts';

/** An opening handshake that fits the rules: what a server needs to know in order to decide. */
export interface HandshakeRequest {
  /** The path and query that are asked for, whatever form the request target had. */
  readonly target: string;
  readonly fields: HeaderFields;
  /** The value of Host, which is valid and not empty. */
  readonly host: string;
  /** The value of Origin; undefined where the client is no browser (section 4.2.1, item 7). */
  readonly origin: string | undefined;
  /** Sec-WebSocket-Key, exactly as received. */
  readonly key: string;
  /** What the client offers, in its order of preference. */
  readonly subprotocols: readonly string[];
  readonly extensions: readonly Extension[];
}

/** What a server agrees to. */
export interface Acceptance {
  /** One of the subprotocols that were offered. Default: none. */
  readonly subprotocol?: string | undefined;
  /** Extensions with the parameters agreed on, each offered by the client. Default: none. */
  readonly extensions?: readonly Extension[];
  /** Further fields, such as Set-Cookie. */
  readonly headers?: HeadersInput;
}

// uri-host [ ":" port ] (RFC 9110, section 7.2): an IPv6 address in brackets, or a name, of which
// the grammar takes almost any character but those that would end it.
const HOST =
  /^(?:(\[[0-9A-Fa-f:.]+\])|(?:[0-9A-Za-z\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?$/;

// What nearly every one is: of the characters above, none that needs a further look.
const PLAIN_HOST = /^[0-9A-Za-z\-._]+(?::[0-9]*)?$/;

/** The absolute form of a target, which a server must take too (RFC 9112, section 3.2.2). */
const ABSOLUTE_TARGET = /^(?:https?|wss?):\/\/([^/?#]*)(\/[^#]*|\?[^#]*)?$/i;

const DIGITS = /^[0-9]+$/;

const NO_EXTENSIONS: readonly Extension[] = [];
const NO_HEADERS: HeadersInput = [];

/**
 * Checks a request against section 4.2.1, item by item, and RFC 9110 and 9112 where they ask
 * something of every request.
 *
 * @throws {HandshakeError} for the first rule that it breaks
 */
export function readRequest(head: RequestHead): HandshakeRequest {
  const { fields } = head;
  // 1. "An HTTP/1.1 or higher GET request." RFC 9110, section 7.8: a server ignores Upgrade in
  // HTTP/1.0, so such a request cannot become a WebSocket.
  if (head.minorVersion < 1) throw refusal('HTTP_VERSION');
  checkBody(fields);
  if (head.method !== 'GET') throw refusal('METHOD');
  // 2. Host, of which RFC 9112, section 3.2 wants exactly one.
  const { host, target } = readTarget(head.target, fields);

  // 3. and 4. Upgrade and Connection.
  if (!hasToken(fields.getAll('upgrade'), 'websocket')) throw refusal('UPGRADE');
  if (!hasToken(fields.getAll('connection'), 'upgrade')) throw refusal('CONNECTION');

  // 6. Before the key: who speaks another version may well have other rules for it.
  const versions = fields.getAll('sec-websocket-version');
  if (versions.length > 1) throw refusal('VERSION_DUPLICATE');
  if (versions[0] !== WEBSOCKET_VERSION) throw refusal('VERSION');

  // 5. The key.
  const keys = fields.getAll('sec-websocket-key');
  if (keys.length > 1) throw refusal('KEY_DUPLICATE');
  const key = keys[0] ?? '';
  if (!isKey(key)) throw refusal('KEY');

  // 7. to 9. What is optional.
  const origins = fields.getAll('origin');
  if (origins.length > 1) throw refusal('ORIGIN');
  const subprotocols = parseSubprotocols(fields.getAll('sec-websocket-protocol'));
  if (subprotocols === null) throw refusal('SUBPROTOCOL');
  const extensions = parseExtensions(fields.getAll('sec-websocket-extensions'));
  if (extensions === null) throw refusal('EXTENSIONS');

  // RFC 9110, section 10.1.1: an expectation that we do not know cannot be met.
  if (fields.getAll('expect').some((value) => value.toLowerCase() !== '100-continue')) {
    throw refusal('EXPECTATION');
  }
  return { target, fields, host, origin: origins[0], key, subprotocols, extensions };
}

/**
 * Refuses a body, announced in whatever way: its bytes would be read as frames. Where the ways
 * contradict each other, that is said (RFC 9112, section 6.3).
 */
function checkBody(fields: HeaderFields): void {
  const announced = fields.has('content-length');
  const chunked = fields.has('transfer-encoding');
  if (!announced && !chunked) return;
  const lengths = splitList(fields.getAll('content-length'));
  if (announced && chunked) throw refusal('FRAMING');
  if (announced && (lengths.length === 0 || !lengths.every((length) => DIGITS.test(length)))) {
    throw refusal('FRAMING');
  }
  if (new Set(lengths).size > 1) throw refusal('FRAMING');
  if (chunked || lengths.some((length) => Number(length) > 0)) throw refusal('BODY');
}

/** Whether it may stand as the value of Host. */
export function isHost(host: string): boolean {
  if (PLAIN_HOST.test(host)) return true;
  const match = HOST.exec(host);
  if (match === null) return false;
  const [, address] = match;
  // Which numbers and colons make an IPv6 address, the URL standard knows.
  return address === undefined || URL.canParse(`http://${address}`);
}

/** Host, and the path with its query. The host of an absolute target goes before the field. */
function readTarget(target: string, fields: HeaderFields): { host: string; target: string } {
  const hosts = fields.getAll('host');
  const host = hosts[0] ?? '';
  if (hosts.length !== 1 || !isHost(host)) throw refusal('HOST');
  if (target.startsWith('/') && !target.includes('#')) return { host, target };

  const authority = ABSOLUTE_TARGET.exec(target)?.[1];
  if (authority === undefined) throw refusal('TARGET');
  if (!isHost(authority)) throw refusal('HOST');
  return { host: authority, target: originFormOf(target) };
}

/** Path and query of a target, whatever form it has; what has none stays as it is. */
export function originFormOf(target: string): string {
  if (target.startsWith('/')) return target;
  const absolute = ABSOLUTE_TARGET.exec(target);
  if (absolute === null) return target;
  const path = absolute[2] ?? '/';
  return path.startsWith('/') ? path : `/${path}`;
}

/**
 * The answer that accepts: the head of a 101, to be sent as latin1. Frames may follow at once.
 *
 * @throws {RangeError} for a subprotocol or an extension that the client did not offer
 * @throws {TypeError} for a header field that must not be sent
 */
export function acceptResponse(request: HandshakeRequest, acceptance: Acceptance = {}): string {
  const { subprotocol, extensions = NO_EXTENSIONS, headers = NO_HEADERS } = acceptance;
  let lines = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptValue(request.key)}\r\n`;
  if (subprotocol !== undefined) {
    if (!request.subprotocols.includes(subprotocol)) {
      throw new RangeError(`the client did not offer the subprotocol ${subprotocol}`);
    }
    lines += `Sec-WebSocket-Protocol: ${subprotocol}\r\n`;
  }
  if (extensions.length > 0) {
    for (const { name } of extensions) {
      if (!request.extensions.some((offered) => offered.name === name)) {
        throw new RangeError(`the client did not offer the extension ${name}`);
      }
    }
    lines += `Sec-WebSocket-Extensions: ${formatExtensions(extensions)}\r\n`;
  }
  if (headers !== NO_HEADERS) {
    for (const [name, value] of checkHeaders(headers)) lines += `${name}: ${value}\r\n`;
  }

  // RFC 9110, section 7.8: who sent Upgrade and Expect gets a 100 before the 101.
  const interim = request.fields.has('expect') ? 'HTTP/1.1 100 Continue\r\n\r\n' : '';
  return `${interim}${lines}\r\n`;
}

/** The answer that refuses: what to tell whom. */
export interface RefusalAnswer {
  /** 300 to 599. */
  readonly status: number;
  /** The reason phrase of the status line. Default: the one of HTTP, or nothing. */
  readonly reason?: string;
  readonly headers?: HeadersInput;
  /** Plain text. Default: none. */
  readonly body?: string;
}

// The reason phrases of the statuses that refusal.ts uses. Others go without: nobody reads them.
const REASON = new Map([
  [400, 'Bad Request'],
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [404, 'Not Found'],
  [405, 'Method Not Allowed'],
  [408, 'Request Timeout'],
  [414, 'URI Too Long'],
  [417, 'Expectation Failed'],
  [421, 'Misdirected Request'],
  [426, 'Upgrade Required'],
  [431, 'Request Header Fields Too Large'],
  [500, 'Internal Server Error'],
  [503, 'Service Unavailable'],
  [505, 'HTTP Version Not Supported'],
]);

/**
 * A whole HTTP response, to be sent as latin1, after which the connection is closed: whatever came
 * behind the request must never be read as another one.
 *
 * @throws {RangeError} for a status that refuses nothing
 * @throws {TypeError} for a header field that must not be sent, or a reason of several lines
 */
export function refusalResponse(answer: RefusalAnswer): string {
  const { status, reason = REASON.get(status) ?? '', headers = [], body = '' } = answer;
  if (!Number.isInteger(status) || status < 300 || status > 599) {
    throw new RangeError(`the status ${status} does not refuse: 300 to 599 do`);
  }
  if (!isFieldValue(reason)) throw new TypeError('a reason phrase is one line of text');
  const upgrade = status === 426 ? UPGRADE_FIELDS : [];
  return writeResponse(status, reason, [...upgrade, ...checkHeaders(headers)], body);
}

/**
 * The response for a handshake that broke a rule, or was refused by a row of refusal.ts.
 *
 * @param method - of the request, as far as it was read: the answer to a HEAD ends with its head
 *   (RFC 9110, section 9.3.2)
 */
export function errorResponse(error: HandshakeError, method: string = 'GET'): string {
  const { status, headers, message } = error;
  const response = writeResponse(status, REASON.get(status) ?? '', headers, `${message}\n`);
  return method === 'HEAD' ? response.slice(0, response.indexOf('\r\n\r\n') + 4) : response;
}

function writeResponse(
  status: number,
  reason: string,
  headers: readonly (readonly [string, string])[],
  body: string,
): string {
  const given = new Set(headers.map(([name]) => name.toLowerCase()));
  const lines = [`HTTP/1.1 ${status} ${reason}`];
  if (!given.has('date')) lines.push(`Date: ${new Date().toUTCString()}`);
  // Upgrade has to be named in Connection, also where the connection ends (RFC 9110, 7.8).
  lines.push(given.has('upgrade') ? 'Connection: Upgrade, close' : 'Connection: close');
  if (!given.has('content-type')) lines.push('Content-Type: text/plain; charset=utf-8');
  lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  for (const [name, value] of headers) {
    if (name.toLowerCase() !== 'connection') lines.push(`${name}: ${value}`);
  }
  // Fields have a byte for a character; so has the body, once it is UTF-8.
  return `${lines.join('\r\n')}\r\n\r\n${Buffer.from(body).toString('latin1')}`;
}
