// What both ends of a soak have agreed on.

/**
 * Of the server. Short, so that who is gone is found while the soak still runs; but on a busy machine a Close
 * may have to wait for seconds behind large answers, which a client inflates a part in each turn.
 */
export const TIMES = {
  pingInterval: 3000,
  pingTimeout: 5000,
  closeTimeout: 5000,
  handshakeTimeout: 5000,
};
export const MAX_PAYLOAD = 1024 * 1024;
export const MAX_FRAGMENTS = 256;
export const TOPICS = 8;

/** Milliseconds after which whoever is gone must have been found, and been forgotten. */
export const PATIENCE =
  TIMES.pingInterval +
  TIMES.pingTimeout +
  Math.max(TIMES.closeTimeout, TIMES.handshakeTimeout) +
  10_000;

/** Milliseconds in which a session must come to its end, whatever happens in it. */
export const SESSION_TIMEOUT = 120_000;

/** Bytes of the server's memory that may be left when all have gone: caches of zlib, Node and V8. */
export const HEAP_MARGIN = 16 * 1024 * 1024;

/** How a route of the server answers. */
export const ROUTES = {
  /** By `send`, from the hook `message`. */
  echo: {},
  /** The same, with texts as bytes. */
  bytes: { text: 'buffer' },
  /** While the message arrives, from the hook `stream`. */
  stream: {},
  /** Some time later, one after the other. */
  late: {},
  /** Feeds whoever asks with more than waits for who does not read; what has no room is dropped. */
  drop: { backpressurePolicy: 'drop', maxBackpressure: 256 * 1024 },
  latest: { backpressurePolicy: 'latest', maxBackpressure: 256 * 1024 },
};

/**
 * How much a feed gives: more than the kernel takes for a peer that does not read. In few messages: each is
 * compressed in a thread, of which there are three in a turn of the event loop for all connections. (With
 * 16 KiB each, on one busy core, 75 feeds at once were given 90 messages a second together, and needed six
 * minutes.)
 */
export const FEED = { count: 64, size: 128 * 1024 };
