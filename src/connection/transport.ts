/**
 * What a connection asks of the thing that carries its bytes. A `net.Socket`, a `tls.TLSSocket`
 * and an `http2` stream answer to it as they are; a test gives an array.
 *
 * @module
 */

export interface Transport {
  /**
   * Takes bytes to send. They stay unchanged until `writableLength` is 0; when it is 0 as this
   * returns, they may be overwritten at once, so who keeps them copies them.
   *
   * @returns false when enough is buffered: then `Connection.receiveDrain` is called later
   */
  write(bytes: Uint8Array): boolean;
  /** Bytes that were written and that the network has not taken yet. */
  readonly writableLength: number;
  /** From here to `uncork`, what is written may leave together. */
  cork(): void;
  uncork(): void;
  /** No more will be written: FIN behind what is buffered. */
  end(): void;
  /** Ends both directions at once and drops what is buffered. */
  destroy(): void;
  /** Asks for no more bytes until `resume`. Some may still come. */
  pause(): void;
  resume(): void;
}

/** Where a connection reads the time: milliseconds that only grow, such as `performance`. */
export interface Clock {
  now(): number;
}
