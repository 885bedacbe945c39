/**
 * The errors that this library throws or hands to a listener. Nothing stands below this file: it
 * imports nothing, so that every other file may import it and no circle can form.
 *
 * What the caller does wrong is none of these: it is a `TypeError` or a `RangeError`, thrown
 * before any state changes.
 *
 * @module
 */

/**
 * The peer broke the WebSocket protocol after the handshake. The connection is failed with
 * {@link closeCode} (RFC 6455, section 7.1.7).
 */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  /** A stable name for the breach, such as `WS_ERR_RESERVED_BITS`. `docs/errors.md` lists all. */
  readonly code: string;
  /** The status code of the Close frame that we send (RFC 6455, section 7.4.1). */
  readonly closeCode: number;

  constructor(code: string, closeCode: number, message: string) {
    super(message);
    this.code = code;
    this.closeCode = closeCode;
  }
}

/**
 * The peer broke the opening handshake (RFC 6455, section 4), or it was refused. On a server this
 * becomes an HTTP answer with {@link status}; on a client a connection that never opened.
 */
export class HandshakeError extends Error {
  override readonly name = 'HandshakeError';
  /** A stable name for the reason, such as `WS_ERR_KEY`. `docs/errors.md` lists all. */
  readonly code: string;
  /**
   * The HTTP status: on a server the one that we answer with, on a client the one that the
   * server answered with (0 where its answer was no HTTP response).
   */
  readonly status: number;
  /**
   * Header fields: on a server those that the answer must carry, such as `Sec-WebSocket-Version`
   * beside a 426; on a client those of the answer that came, with names in lower case.
   */
  readonly headers: readonly (readonly [name: string, value: string])[];

  constructor(
    code: string,
    status: number,
    message: string,
    headers: readonly (readonly [name: string, value: string])[] = [],
  ) {
    super(message);
    this.code = code;
    this.status = status;
    this.headers = headers;
  }
}

/**
 * What was waited for will not come: the connection has ended. Promises reject with it; `send` and
 * its kin never throw it.
 */
export class ConnectionClosedError extends Error {
  override readonly name = 'ConnectionClosedError';
  readonly code = 'WS_ERR_CONNECTION_CLOSED';
  /** As in the `close` event: 1005 for a Close without a code, 1006 where there was no Close. */
  readonly closeCode: number;
  readonly reason: string;

  constructor(closeCode: number, reason: string) {
    super(`the connection is closed (${closeCode}${reason === '' ? '' : `, ${reason}`})`);
    this.closeCode = closeCode;
    this.reason = reason;
  }
}

/**
 * What somebody threw, as an `Error`: anything can be thrown, and not everything can be turned
 * into text.
 */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  if (isPrimitive(thrown)) return new Error(String(thrown));
  return new Error('something was thrown that is no Error', { cause: thrown });
}

/**
 * Tells of a mistake of the application that nobody listens to: not lost, and not the end of the
 * process.
 */
export function warn(thrown: unknown): void {
  const error = asError(thrown);
  // Of a warning Node prints the message, and `detail` below it: there, where it came from.
  if (Object.isExtensible(error) && !('detail' in error)) {
    Object.defineProperty(error, 'detail', { value: error.stack, configurable: true });
  }
  process.emitWarning(error);
}

type Primitive = string | number | bigint | boolean | symbol | null | undefined;

function isPrimitive(value: unknown): value is Primitive {
  return Object(value) !== value;
}
