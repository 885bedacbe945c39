/**
 * Every reason for which an opening handshake fails, in one table: what a server answers with an
 * HTTP status, and what makes a client give up. docs/errors.md lists the same rows, and a test
 * holds the two together. (The mirror for frames is frame/violation.ts.)
 *
 * @module
 */

import { HandshakeError } from '../errors.ts';

/** Section 4.4: the only version of the protocol that we speak. */
export const WEBSOCKET_VERSION = '13';

/** What a 426 asks for: the protocol (RFC 9110, section 15.5.22), and its version (section 4.4). */
export const UPGRADE_FIELDS: readonly (readonly [name: string, value: string])[] = [
  ['Upgrade', 'websocket'],
  ['Connection', 'Upgrade'],
  ['Sec-WebSocket-Version', WEBSOCKET_VERSION],
];

// name: [HTTP status, source, what is wrong]
export const REFUSAL = {
  // The head of a message, request and response alike.
  LINE_END: [400, 'RFC 9112, section 2.2', 'a line does not end with CR LF'],
  START_LINE: [400, 'RFC 9112, sections 3 and 4', 'the first line is malformed'],
  FIELD_LINE: [400, 'RFC 9112, section 5.1', 'a header field has no valid name before its colon'],
  FIELD_FOLDED: [400, 'RFC 9112, section 5.2', 'a header field is folded, or white space is first'],
  FIELD_VALUE: [400, 'RFC 9110, section 5.5', 'a header field holds a control character'],
  TARGET_TOO_LONG: [414, 'RFC 9112, section 3', 'the request target is longer than maxTargetSize'],
  HEAD_TOO_LARGE: [431, 'RFC 6585, section 5', 'the head is larger than maxHeadSize'],
  TOO_MANY_FIELDS: [431, 'RFC 6585, section 5', 'there are more fields than maxHeaderFields'],

  // A request that a server refuses.
  HTTP_VERSION: [505, 'RFC 6455, section 4.2.1', 'the HTTP version is not 1.1'],
  METHOD: [405, 'RFC 6455, section 4.2.1', 'the method is not GET'],
  TARGET: [400, 'RFC 9112, section 3.2', 'the request target is neither a path nor an http URI'],
  HOST: [400, 'RFC 9112, section 3.2', 'there is not exactly one valid Host field'],
  FRAMING: [400, 'RFC 9112, section 6.3', 'the length of the body is ambiguous or invalid'],
  BODY: [400, 'RFC 6455, section 4.2.1', 'an opening handshake has no body'],
  EXPECTATION: [417, 'RFC 9110, section 10.1.1', 'the expectation is not 100-continue'],
  UPGRADE: [426, 'RFC 6455, section 4.2.1', 'the Upgrade field does not name websocket'],
  CONNECTION: [400, 'RFC 6455, section 4.2.1', 'the Connection field does not hold Upgrade'],
  VERSION: [426, 'RFC 6455, section 4.4', 'Sec-WebSocket-Version is not 13'],
  VERSION_DUPLICATE: [400, 'RFC 6455, section 11.3.5', 'Sec-WebSocket-Version stands twice'],
  KEY: [400, 'RFC 6455, section 4.2.1', 'Sec-WebSocket-Key is not the base64 of 16 bytes'],
  KEY_DUPLICATE: [400, 'RFC 6455, section 11.3.1', 'Sec-WebSocket-Key stands twice'],
  SUBPROTOCOL: [400, 'RFC 6455, section 4.1', 'Sec-WebSocket-Protocol is no list of unique tokens'],
  EXTENSIONS: [400, 'RFC 6455, section 9.1', 'Sec-WebSocket-Extensions is malformed'],
  ORIGIN: [403, 'RFC 6455, section 4.2.2', 'the origin is not allowed'],
  HOST_FORBIDDEN: [421, 'RFC 9110, section 15.5.20', 'the host is not served here'],
  NOT_FOUND: [404, 'RFC 6455, section 4.2.2', 'there is no WebSocket at this path'],
  TIMEOUT: [408, 'RFC 9110, section 15.5.9', 'the request did not come within handshakeTimeout'],
  UNDECIDED: [503, 'RFC 9110, section 15.6.4', 'the upgrade took longer than handshakeTimeout'],
  TOO_MANY_PENDING: [503, 'RFC 9110, section 15.6.4', 'maxPendingUpgrades are in their handshake'],
  TOO_MANY_OPEN: [503, 'RFC 9110, section 15.6.4', 'there are maxConnections already'],
  TOO_MANY_OF_CLIENT: [
    503,
    'RFC 9110, section 15.6.4',
    'maxConnectionsPerAddress are there already',
  ],
  REFUSED: [403, 'RFC 6455, section 4.2.2', 'the application refused the upgrade'],
  LEFT: [400, 'RFC 6455, section 4.2.2', 'the client left before it had an answer'],
  CLOSING: [503, 'RFC 9110, section 15.6.4', 'the server is closing'],
  INTERNAL: [500, 'RFC 9110, section 15.6.1', 'the server failed while it decided'],

  // A response with which a client fails the connection (the list that ends section 4.1). The
  // status is the server's own.
  ANSWER_STATUS: [0, 'RFC 6455, section 4.1', 'the status of the answer is not 101'],
  ANSWER_VERSION: [0, 'RFC 6455, section 4.2.2', 'the answer is not HTTP/1.1'],
  ANSWER_UPGRADE: [0, 'RFC 6455, section 4.1', 'the answer upgrades to no websocket'],
  ANSWER_CONNECTION: [0, 'RFC 6455, section 4.1', 'Connection does not hold Upgrade'],
  ANSWER_ACCEPT: [0, 'RFC 6455, section 4.1', 'Sec-WebSocket-Accept does not fit the key'],
  ANSWER_KEY: [0, 'RFC 6455, section 11.3.1', 'a Sec-WebSocket-Key stands in the answer'],
  ANSWER_SUBPROTOCOL: [0, 'RFC 6455, section 4.1', 'the subprotocol was not offered'],
  ANSWER_EXTENSIONS: [0, 'RFC 6455, section 4.1', 'the extensions do not fit the offer'],

  // No response at all.
  ANSWER_MISSING: [0, 'RFC 6455, section 4.1', 'the server left before it had answered'],
  ANSWER_TIMEOUT: [0, 'RFC 6455, section 4.1', 'no answer came within handshakeTimeout'],
  TOO_MANY_WAITING: [0, 'RFC 6455, section 4.1', 'too many connections to this host wait already'],
} as const;

export type Refusal = keyof typeof REFUSAL;

const HEADERS: { readonly [name in Refusal]?: readonly (readonly [string, string])[] } = {
  METHOD: [['Allow', 'GET']],
  UPGRADE: UPGRADE_FIELDS,
  VERSION: UPGRADE_FIELDS,
};

/**
 * Builds the error for one row of the table. The caller throws it.
 *
 * @param status - replaces the row's: what a server answered, when we are the client
 * @param sentence - replaces the row's, where more is known than stands there
 */
export function refusal(
  name: Refusal,
  status: number = REFUSAL[name][0],
  sentence: string = REFUSAL[name][2],
): HandshakeError {
  const source = REFUSAL[name][1];
  return new HandshakeError(
    `WS_ERR_${name}`,
    status,
    `${sentence} (${source})`,
    HEADERS[name] ?? [],
  );
}
