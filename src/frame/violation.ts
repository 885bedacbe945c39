/**
 * Every way in which a peer can break the protocol, or a limit, after the handshake, in one table.
 * The decoder and the inbound half throw these and nothing else; `Connection` alone turns one
 * into a Close frame. docs/errors.md lists the same rows, and a test
 * holds the two together. (The mirror for the handshake is handshake/refusal.ts.)
 *
 * @module
 */

import { ProtocolError } from '../errors.ts';

// name: [close code, section of RFC 6455 or of another, what is wrong]
// The sentence is also the reason of our Close frame, so it stays below 124 bytes.
export const VIOLATION = {
  RESERVED_BITS: [1002, '5.2', 'a reserved bit is set that no extension claims'],
  RESERVED_OPCODE: [1002, '5.2', 'the opcode is reserved'],
  LENGTH_NOT_MINIMAL: [1002, '5.2', 'the payload length is not encoded minimally'],
  LENGTH_SIGN_BIT: [1002, '5.2', 'the most significant bit of a 64-bit length is set'],
  MASK_MISSING: [1002, '5.1', 'a client sent a frame without a mask'],
  MASK_UNEXPECTED: [1002, '5.1', 'a server sent a masked frame'],
  CONTROL_FRAGMENTED: [1002, '5.5', 'a control frame is fragmented'],
  CONTROL_TOO_LONG: [1002, '5.5', 'a control frame is longer than 125 bytes'],
  CONTINUATION_UNEXPECTED: [1002, '5.4', 'there is no message to continue'],
  CONTINUATION_EXPECTED: [1002, '5.4', 'a message began inside another'],
  CLOSE_LENGTH: [1002, '5.5.1', 'a Close frame holds half a status code'],
  CLOSE_CODE: [1002, '7.4', 'the status code must not be sent'],
  INVALID_UTF8: [1007, '8.1', 'a text is not valid UTF-8'],
  INVALID_DEFLATE: [1007, 'RFC 7692, section 7.2.2', 'the payload is no compressed message'],
  TOO_MANY_FRAGMENTS: [1008, '10.4', 'a message has more fragments than maxFragments'],
  SENDS_TOO_FAST: [1008, '10.4', 'more comes than rateLimit lets in'],
  MESSAGE_TOO_BIG: [1009, '10.4', 'a message is larger than maxPayload'],
  READS_TOO_SLOWLY: [1013, '10.4', 'more waits to be sent than maxBackpressure'],
} as const;

export type Violation = keyof typeof VIOLATION;

/** Builds the error for one row of the table. The caller throws it. */
export function violation(name: Violation): ProtocolError {
  const [closeCode, section, sentence] = VIOLATION[name];
  return new ProtocolError(
    `WS_ERR_${name}`,
    closeCode,
    `${sentence} (${section.startsWith('RFC') ? section : `RFC 6455, section ${section}`})`,
  );
}
