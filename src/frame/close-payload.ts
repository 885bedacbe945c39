/**
 * The body of a Close frame: RFC 6455, section 5.5.1. Two bytes of status code, then a reason in
 * UTF-8; or nothing at all.
 *
 * @module
 */

import { CLOSE_CODE, isWireCloseCode } from './close-code.ts';
import { MAX_CONTROL_SIZE } from './header.ts';
import { isValidUtf8 } from './utf8.ts';
import { violation } from './violation.ts';

/** The longest reason in bytes of UTF-8: a control frame less its status code. */
const MAX_REASON_SIZE = MAX_CONTROL_SIZE - 2;

const NO_BYTES: Buffer = Buffer.alloc(0);

/**
 * Writes a body. Without a code the body is empty, which the peer reports as 1005.
 *
 * @param code - 1000 to 1003, 1007 to 1014 or 3000 to 4999 (section 7.4)
 * @param reason - at most 123 bytes of UTF-8; an unpaired surrogate becomes U+FFFD
 * @throws {TypeError} for a code that is no number, a reason that is no string, or a reason
 *   without a code
 * @throws {RangeError} for a code that must not be sent, or a reason that is too long
 */
export function encodeClosePayload(code?: number, reason: string = ''): Buffer {
  if (typeof reason !== 'string') throw new TypeError('the reason of a Close must be a string');
  if (code === undefined) {
    if (reason !== '') throw new TypeError('a Close with a reason needs a status code');
    return NO_BYTES;
  }
  if (typeof code !== 'number') throw new TypeError('the status code of a Close must be a number');
  if (!isWireCloseCode(code)) {
    throw new RangeError(`the status code ${code} must not be sent (RFC 6455, section 7.4)`);
  }
  const size = Buffer.byteLength(reason);
  if (size > MAX_REASON_SIZE) {
    throw new RangeError(
      `the reason of a Close has ${size} bytes, and ${MAX_REASON_SIZE} at most fit (RFC 6455, section 5.5)`,
    );
  }
  const payload = Buffer.allocUnsafe(2 + size);
  payload.writeUInt16BE(code);
  payload.write(reason, 2);
  return payload;
}

/**
 * The status code in `source[start, end)`, a body that the peer sent. 1005 where it is empty
 * (section 7.1.5).
 *
 * @throws {ProtocolError} for one byte, a code that must not be sent, or a reason that is not
 *   valid UTF-8
 */
export function readCloseCode(source: Buffer, start: number, end: number): number {
  if (start === end) return CLOSE_CODE.NO_STATUS_RECEIVED;
  if (end - start === 1) throw violation('CLOSE_LENGTH');
  const code = source.readUInt16BE(start);
  if (!isWireCloseCode(code)) throw violation('CLOSE_CODE');
  // Section 5.5.1: what follows the code is "UTF-8-encoded data"; section 8.1 fails what is not.
  if (!isValidUtf8(source, start + 2, end)) throw violation('INVALID_UTF8');
  return code;
}

/** The reason in a body that {@link readCloseCode} has taken (section 7.1.6). */
export function readCloseReason(source: Buffer, start: number, end: number): string {
  return source.toString('utf8', Math.min(start + 2, end), end);
}
