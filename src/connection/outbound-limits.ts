/**
 * What may wait to be sent. Types alone.
 *
 * @module
 */

/** What happens to a message for which `maxBackpressure` has no room. */
export type BackpressurePolicy =
  /** The connection is failed with 1013. */
  | 'close'
  /** The message is dropped. */
  | 'drop'
  /** It waits, and the message that waited before it is dropped. */
  | 'latest';

export interface OutboundLimits {
  /**
   * Bytes that may wait before `send` answers false. Those that the transport has taken without
   * asking for a pause do not count. Default: 64 KiB.
   */
  readonly highWaterMark: number;
  /**
   * Bytes that may wait at all, for the peer or for our compressor, one message of any size excepted;
   * counted as for `highWaterMark`. Default: 4 MiB.
   */
  readonly maxBackpressure: number;
  /** Default: `'close'`. */
  readonly backpressurePolicy: BackpressurePolicy;
}
