/**
 * The status codes of a Close frame: RFC 6455, section 7.4, and the IANA registry "WebSocket
 * Close Code Number" that section 11.7 founded.
 *
 * @module
 */

export const CLOSE_CODE = {
  NORMAL_CLOSURE: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  UNSUPPORTED_DATA: 1003,
  // 1004 is reserved.
  /** Never on the wire: the Close frame carried no status code (section 7.1.5). */
  NO_STATUS_RECEIVED: 1005,
  /** Never on the wire: the connection ended without a Close frame (section 7.1.5). */
  ABNORMAL_CLOSURE: 1006,
  INVALID_PAYLOAD: 1007,
  POLICY_VIOLATION: 1008,
  MESSAGE_TOO_BIG: 1009,
  MANDATORY_EXTENSION: 1010,
  INTERNAL_ERROR: 1011,
  /** Registered with IANA after RFC 6455, as are the next two. */
  SERVICE_RESTART: 1012,
  TRY_AGAIN_LATER: 1013,
  BAD_GATEWAY: 1014,
  /** Never on the wire: the TLS handshake failed. */
  TLS_HANDSHAKE: 1015,
} as const;

/**
 * Whether `code` may stand in a Close frame, sent or received: 1000 to 1014 without the reserved
 * ones (section 7.4.1 and IANA), and 3000 to 4999 (section 7.4.2). What lies between is for
 * later revisions of the protocol, and what lies beyond is not defined.
 */
export function isWireCloseCode(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  if (code >= 3000 && code <= 4999) return true;
  return (
    code >= CLOSE_CODE.NORMAL_CLOSURE &&
    code <= CLOSE_CODE.BAD_GATEWAY &&
    code !== 1004 &&
    code !== CLOSE_CODE.NO_STATUS_RECEIVED &&
    code !== CLOSE_CODE.ABNORMAL_CLOSURE
  );
}
