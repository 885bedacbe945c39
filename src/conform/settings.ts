/**
 * What may be set for a whole run of cases.
 *
 * @module
 */

export interface Settings {
  /** Milliseconds of what the cases call a second. Tests have shorter ones. */
  readonly second: number;
  /** How many messages each case of 12.* and 13.* sends. Officially 1,000. */
  readonly messages: number;
}

export const DEFAULT_SETTINGS: Settings = { second: 1000, messages: 100 };
export const OFFICIAL_MESSAGES = 1000;

/**
 * How long the judge waits, in seconds. The official suite waits for one second, and a busy machine
 * is slower than that; only a peer that does not do what it must is waited for so long.
 */
export const WAIT = {
  /** For the answer to the opening handshake. */
  OPENING: 5,
  /** For the answer to a Close frame. */
  CLOSING: 2,
  /** For the end of TCP, once both have sent a Close frame. */
  TCP_END: 2,
  /** For a peer that must fail the connection. */
  FAILING: 2,
  /** For what must come back at once. */
  ECHO: 5,
  /** For one of many messages: a peer that is silent for so long does not answer at all. */
  MESSAGE: 10,
  /** For large messages. */
  LARGE: 120,
  /** For a server that was there and is gone: somebody may start it again. */
  RESTART: 5,
  /** For one that did not come back. */
  GONE: 2,
  /** For a whole case with 1,000 messages, whatever it does. No case takes as long. */
  CASE: 600,
} as const;
