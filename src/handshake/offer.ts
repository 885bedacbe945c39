/**
 * The client's half of the opening handshake: RFC 6455, section 4.1. A URL in, a request out; the
 * head of the answer in, what was agreed on out. (The server's half is accept.ts.)
 *
 * @module
 */

import type { Extension } from '../extension/extension.ts';
import { formatExtensions, parseExtensions } from './extensions-header.ts';
import { type HeadersInput, checkHeaders } from './fields.ts';
import { hasToken } from './grammar.ts';
import type { ResponseHead } from './http1.ts';
import { acceptValue, generateKey } from './key.ts';
import { type Refusal, WEBSOCKET_VERSION, refusal } from './refusal.ts';
import { areSubprotocols } from './subprotocol.ts';

/** What a client asks for beside the URL. */
export interface OfferOptions {
  /** In order of preference: unique tokens (section 4.1, item 10). Default: none. */
  readonly subprotocols?: readonly string[];
  /** In order of preference. Default: none. */
  readonly extensions?: readonly Extension[];
  /** The value of Origin, which browsers send and others may. Default: none. */
  readonly origin?: string;
  /** Further fields, such as Cookie. One of them may be Host or Authorization. */
  readonly headers?: HeadersInput;
}

/** A request that is ready to be sent, and what its answer will be held against. */
export interface Offer {
  /**
   * The request, to be sent as latin1. Nothing else may be sent before its answer has come
   * (section 4.1: the client waits for it).
   */
  readonly request: string;
  readonly key: string;
  readonly subprotocols: readonly string[];
  readonly extensions: readonly Extension[];
}

/** What both ends agreed on. */
export interface Agreement {
  /** '' where none is in use. */
  readonly subprotocol: string;
  /** In the order of use (section 9.1). */
  readonly extensions: readonly Extension[];
}

const SCHEMES = new Set(['ws:', 'wss:']);

/**
 * Writes the request for a URL: path and query are the target, host and port the Host field, and
 * user and password become `Authorization: Basic`.
 *
 * @throws {TypeError} for a URL that is not `ws:` or `wss:` or has a fragment (section 3), for
 *   subprotocols that are not unique tokens, for extensions that are not made of tokens, and for a
 *   header field that must not be sent, or not twice
 */
export function createOffer(url: URL, options: OfferOptions = {}): Offer {
  const { subprotocols = [], extensions = [], origin, headers = [] } = options;
  if (!SCHEMES.has(url.protocol)) {
    throw new TypeError(`the scheme of a WebSocket URL is ws or wss, not ${url.protocol}`);
  }
  if (url.href.includes('#')) {
    throw new TypeError('a WebSocket URL has no fragment: write %23 for a # in it');
  }
  if (!areSubprotocols(subprotocols)) {
    throw new TypeError('subprotocols are unique tokens (RFC 6455, section 4.1)');
  }
  const fields = checkHeaders(
    origin === undefined ? headers : [['Origin', origin], ...checkHeaders(headers)],
  );
  const names = fields.map(([name]) => name.toLowerCase());
  const given = new Set(names);
  for (const name of ['host', 'origin']) {
    if (names.indexOf(name) !== names.lastIndexOf(name)) {
      throw new TypeError(`the header field ${name} may stand in a request once`);
    }
  }
  const key = generateKey();

  const lines = [`GET ${url.pathname}${url.search} HTTP/1.1`];
  // The URL has left a default port out, and has put an IPv6 address in brackets.
  if (!given.has('host')) lines.push(`Host: ${url.host}`);
  lines.push(
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
    `Sec-WebSocket-Version: ${WEBSOCKET_VERSION}`,
  );
  if (subprotocols.length > 0) lines.push(`Sec-WebSocket-Protocol: ${subprotocols.join(', ')}`);
  if (extensions.length > 0) {
    lines.push(`Sec-WebSocket-Extensions: ${formatExtensions(extensions)}`);
  }
  if ((url.username !== '' || url.password !== '') && !given.has('authorization')) {
    lines.push(`Authorization: Basic ${basicCredentials(url)}`);
  }
  for (const [name, value] of fields) lines.push(`${name}: ${value}`);
  return { request: `${lines.join('\r\n')}\r\n\r\n`, key, subprotocols, extensions };
}

/** RFC 7617, section 2. What the URL has escaped is decoded, once. */
function basicCredentials(url: URL): string {
  return Buffer.concat([
    decodePercent(url.username),
    Buffer.from(':'),
    decodePercent(url.password),
  ]).toString('base64');
}

/** The bytes behind `%xx`. A `%` that escapes nothing stays what it is. */
function decodePercent(text: string): Buffer {
  const bytes = text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1');
}

/**
 * Checks the answer of the server, item by item as section 4.1 lists them.
 *
 * @throws {HandshakeError} for the first rule that it breaks, with the status that came
 */
export function checkAnswer(offer: Offer, head: ResponseHead): Agreement {
  const { fields, status } = head;
  const fail = (name: Refusal): Error => refusal(name, status);

  // 1. Any other status is for HTTP to explain: the caller has the head. The message says it too,
  // since a log often has nothing else.
  if (status !== 101) {
    throw refusal('ANSWER_STATUS', status, `the server answered ${status} and not 101`);
  }
  if (head.minorVersion < 1) throw fail('ANSWER_VERSION');
  // 2. and 3. An Upgrade that names something else beside websocket did not choose.
  const upgrades = fields.getAll('upgrade');
  if (upgrades.length !== 1 || upgrades[0]!.toLowerCase() !== 'websocket') {
    throw fail('ANSWER_UPGRADE');
  }
  if (!hasToken(fields.getAll('connection'), 'upgrade')) throw fail('ANSWER_CONNECTION');
  // 4. and section 11.3.3: exactly one. The white space around it is gone already.
  const accepts = fields.getAll('sec-websocket-accept');
  if (accepts.length !== 1 || accepts[0] !== acceptValue(offer.key)) throw fail('ANSWER_ACCEPT');
  // Section 11.3.1: the key is the client's alone.
  if (fields.has('sec-websocket-key')) throw fail('ANSWER_KEY');

  return {
    extensions: checkExtensions(offer, fields.getAll('sec-websocket-extensions'), fail),
    subprotocol: checkSubprotocol(offer, fields.getAll('sec-websocket-protocol'), fail),
  };
}

/** 5., and section 11.3.2: one field at the most, and nothing in it that was not offered. */
function checkExtensions(
  offer: Offer,
  values: readonly string[],
  fail: (name: Refusal) => Error,
): readonly Extension[] {
  const extensions = values.length > 1 ? null : parseExtensions(values);
  if (extensions === null) throw fail('ANSWER_EXTENSIONS');
  const offered = new Set(offer.extensions.map(({ name }) => name));
  if (!extensions.every(({ name }) => offered.has(name))) throw fail('ANSWER_EXTENSIONS');
  return extensions;
}

/** 6., and section 11.3.4: one field at the most, with one of the subprotocols that we offered. */
function checkSubprotocol(
  offer: Offer,
  values: readonly string[],
  fail: (name: Refusal) => Error,
): string {
  if (values.length === 0) return '';
  const [subprotocol] = values;
  if (values.length > 1 || !offer.subprotocols.includes(subprotocol!)) {
    throw fail('ANSWER_SUBPROTOCOL');
  }
  return subprotocol!;
}
