/**
 * `connect`: a URL in, an open `Socket` out. What a caller may ask for is checked here, before
 * anything is opened.
 *
 * @module
 */

import { checkLimit } from '../connection/limits.ts';
import { Socket } from '../connection/socket.ts';
import {
  type ResolvedSocketOptions,
  SOCKET_OPTION_NAMES,
  type SocketOptions,
  checkNames,
  resolveSocketOptions,
} from '../connection/socket-options.ts';
import {
  type DeflateOptions,
  type ResolvedDeflateOptions,
  resolveDeflate,
} from '../extension/deflate-options.ts';
import { createDeflateOffer, readAnswer } from '../extension/deflate-params.ts';
import type { Extension } from '../extension/extension.ts';
import { PerMessageDeflate } from '../extension/permessage-deflate.ts';
import { formatExtensions } from '../handshake/extensions-header.ts';
import type { HeadersInput } from '../handshake/fields.ts';
import { DEFAULT_HEAD_LIMITS, type HeadLimits } from '../handshake/http1.ts';
import { type Offer, createOffer } from '../handshake/offer.ts';
import { refusal } from '../handshake/refusal.ts';
import { type DialOptions, type Dialled, type TlsOptions, dial } from './dial.ts';
import { performOpening } from './opening.ts';
import { Turns } from './turns.ts';
import { type Destination, readUrl } from './url.ts';

const DEFAULT_HANDSHAKE_TIMEOUT = 10_000;

/** What {@link connect} may be told. An option that is `undefined` counts as left out. */
export interface ConnectOptions<Data = undefined> extends Omit<SocketOptions, 'deflate'> {
  /**
   * Whether messages may be compressed, by permessage-deflate (RFC 7692), where the server can do so as
   * well; or how; or several ways, in order of preference. Default: false.
   */
  readonly deflate?: boolean | DeflateOptions | readonly DeflateOptions[] | undefined;
  /**
   * Subprotocols that the server may choose from, in order of preference: unique tokens. Default:
   * none.
   */
  readonly protocols?: string | readonly string[] | undefined;
  /**
   * Further header fields of the request, such as Cookie or Authorization. A user and a password in
   * the URL become an Authorization by themselves. Default: none.
   */
  readonly headers?: HeadersInput | undefined;
  /** The value of Origin, which browsers send and others may. Default: none. */
  readonly origin?: string | undefined;
  /** Gives the attempt up: it rejects with the reason. After the open it has no effect. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds for DNS, TCP, TLS and the answer together, from the moment when its turn came.
   * Beyond: `WS_ERR_ANSWER_TIMEOUT`. Default: 10,000.
   */
  readonly handshakeTimeout?: number | undefined;
  /**
   * For `wss:`, as `node:tls` knows it: `ca`, `cert`, `key`, `servername`, … Certificates are
   * verified unless `rejectUnauthorized` is false.
   */
  readonly tls?: TlsOptions | undefined;
  /** A Unix socket to connect to. The URL still says what is asked for there, and by which host. */
  readonly socketPath?: string | undefined;
  /** Bytes of the head of the answer, interim responses included. Default: 16 KiB. */
  readonly maxHeadSize?: number | undefined;
  /** Header fields of the answer. Default: 100. */
  readonly maxHeaderFields?: number | undefined;
  /** Yours: `socket.data`. */
  readonly data?: Data | undefined;
  /**
   * Connects at once, where otherwise one attempt at a time connects to a host and port and the
   * others wait for their turn. Against RFC 6455, section 4.1, and meant for tests of load.
   * Default: false.
   */
  readonly parallel?: boolean | undefined;
}

export const CONNECT_OPTION_NAMES: ReadonlySet<string> = new Set([
  ...SOCKET_OPTION_NAMES,
  'protocols',
  'headers',
  'origin',
  'signal',
  'handshakeTimeout',
  'tls',
  'socketPath',
  'maxHeadSize',
  'maxHeaderFields',
  'data',
  'parallel',
]);

/** An attempt to connect whose options have been found good. */
export interface Attempt {
  readonly destination: Destination;
  readonly offer: Offer;
  /** Of the offers of permessage-deflate, in their order. */
  readonly deflates: readonly ResolvedDeflateOptions[];
  readonly dialOptions: DialOptions;
  readonly headLimits: HeadLimits;
  readonly handshakeTimeout: number;
  readonly signal: AbortSignal | undefined;
  readonly socketOptions: ResolvedSocketOptions;
  readonly data: unknown;
  readonly parallel: boolean;
}

const turns = new Turns();

/**
 * Opens a connection.
 *
 * Listeners that are added to the socket before anything else is awaited miss nothing. Messages
 * wait for the first of their listeners in any case.
 *
 * Rejects, and leaves nothing open:
 * - with a `HandshakeError` where the server does not answer as RFC 6455, section 4.1 asks. It has
 *   the `status` and the `headers` of the answer: a 401 says how to log in, a 301 where to go
 * - with the error of Node where DNS, TCP or TLS fail
 * - with the reason of `signal`
 * - with a `TypeError` or a `RangeError` for a URL or an option that is wrong; nothing has been
 *   opened then
 *
 * @param url - `ws:` or `wss:` (or `http:` or `https:`), absolute and without a fragment
 */
export function connect<Data>(
  url: string | URL,
  options: ConnectOptions<Data> & { readonly data: Data },
): Promise<Socket<Data>>;
export function connect(url: string | URL, options?: ConnectOptions): Promise<Socket<undefined>>;
export function connect<Data>(
  url: string | URL,
  options?: ConnectOptions<Data>,
): Promise<Socket<Data | undefined>>;
export async function connect(
  url: string | URL,
  options: ConnectOptions<unknown> = {},
): Promise<Socket> {
  return openAttempt(prepareAttempt(readUrl(url), options));
}

/**
 * Checks all that is asked for, and opens nothing.
 *
 * @throws {TypeError | RangeError} for an option that is wrong
 */
export function prepareAttempt(
  destination: Destination,
  options: ConnectOptions<unknown>,
): Attempt {
  // A subprotocol, as the second argument of `new WebSocket` has it, would be lost without a word.
  if (typeof options === 'string' || Array.isArray(options)) {
    throw new TypeError('connect takes subprotocols by an option: { protocols }');
  }
  checkNames(options, CONNECT_OPTION_NAMES, 'connect');
  const { signal, socketPath } = options;
  if (signal !== undefined && typeof signal.addEventListener !== 'function') {
    throw new TypeError('signal must be an AbortSignal');
  }
  if (socketPath !== undefined && (typeof socketPath !== 'string' || socketPath === '')) {
    throw new TypeError('socketPath must be the path of a Unix socket');
  }
  const { tls } = options;
  if (tls?.servername !== undefined && typeof tls.servername !== 'string') {
    throw new TypeError('tls.servername must be a string');
  }
  const limits = {
    handshakeTimeout: options.handshakeTimeout ?? DEFAULT_HANDSHAKE_TIMEOUT,
    maxHeadSize: options.maxHeadSize ?? DEFAULT_HEAD_LIMITS.maxHeadSize,
    maxHeaderFields: options.maxHeaderFields ?? DEFAULT_HEAD_LIMITS.maxHeaderFields,
  };
  for (const [name, value] of Object.entries(limits)) checkLimit(name, value);
  const { handshakeTimeout, maxHeadSize, maxHeaderFields } = limits;
  const { deflate, ...socketOptions } = options;
  const deflates = listDeflates(deflate);
  return {
    destination,
    offer: createOffer(destination.url, {
      subprotocols: listSubprotocols(options.protocols),
      extensions: deflates.map(createDeflateOffer),
      headers: options.headers ?? [],
      ...(options.origin !== undefined && { origin: options.origin }),
    }),
    deflates,
    dialOptions: { socketPath, tls },
    headLimits: { ...DEFAULT_HEAD_LIMITS, maxHeadSize, maxHeaderFields },
    handshakeTimeout,
    signal,
    // A socket of `net` or `tls` is done with bytes when its `writableLength` is 0.
    socketOptions: { ...resolveSocketOptions(socketOptions), mayOverwrite: true },
    data: options.data,
    parallel: options.parallel ?? false,
  };
}

function listDeflates(
  deflate: boolean | DeflateOptions | readonly DeflateOptions[] = false,
): readonly ResolvedDeflateOptions[] {
  const list = isList(deflate) ? deflate : [deflate];
  return list.map(resolveDeflate).filter((options) => options !== null);
}

/** (`Array.isArray` knows no readonly arrays.) */
function isList(value: unknown): value is readonly DeflateOptions[] {
  return Array.isArray(value);
}

function listSubprotocols(protocols: string | readonly string[] = []): readonly string[] {
  if (typeof protocols === 'string') return [protocols];
  const list = [...protocols];
  if (!list.every((name) => typeof name === 'string')) {
    throw new TypeError('protocols must be a string or strings');
  }
  return list;
}

/** Connects, when it is its turn. */
export async function openAttempt(attempt: Attempt): Promise<Socket> {
  const { signal } = attempt;
  signal?.throwIfAborted();
  if (attempt.parallel) return open(attempt);
  const place = placeOf(attempt);
  await turns.take(place, signal);
  try {
    return await open(attempt);
  } finally {
    turns.give(place);
  }
}

/**
 * What must not be connected to twice at once.
 *
 * RFC: section 4.1 speaks of addresses, "even if the remote host is known by a different name". By
 * the time when an address is known, Node is connecting to it, perhaps to several in turn; so two
 * names of one host are two places here. (That section lets a client go by the name where it
 * cannot determine the address.)
 */
function placeOf({ destination, dialOptions }: Attempt): string {
  const { socketPath } = dialOptions;
  // No host has a slash in it.
  return socketPath === undefined ? `${destination.host} ${destination.port}` : `/ ${socketPath}`;
}

async function open(attempt: Attempt): Promise<Socket> {
  // It may have waited.
  attempt.signal?.throwIfAborted();
  const dialled = dial(attempt.destination, attempt.dialOptions);
  const { transport } = dialled;
  return performOpening(dialled, attempt.offer, attempt, ({ subprotocol, extensions }, rest) => {
    const deflate = agreeOnDeflate(extensions, attempt);
    const socket = new Socket({
      role: 'client',
      transport,
      options: attempt.socketOptions,
      data: attempt.data,
      protocol: subprotocol,
      extensions: formatExtensions(extensions),
      deflate,
    });
    // Who awaits `connect` adds listeners first: no frame is read before. (Nor is one lost: the
    // transport was just flowing.)
    transport.pause();
    // (A copy, which does not keep the answer alive with it.)
    if (rest.length > 0) transport.unshift(Buffer.from(rest));
    queueMicrotask(() => process.nextTick(beginReading, transport));
    return socket;
  });
}

/**
 * What the server has made of our offers.
 *
 * @throws {HandshakeError} where it fits none of them, or stands twice (RFC 7692, sections 5 and 7.1)
 */
function agreeOnDeflate(
  extensions: readonly Extension[],
  { deflates }: Attempt,
): PerMessageDeflate | undefined {
  const [extension] = extensions;
  if (extension === undefined) return undefined;
  const agreed = extensions.length > 1 ? null : readAnswer(extension, deflates);
  if (agreed === null) throw refusal('ANSWER_EXTENSIONS', 101);
  return new PerMessageDeflate(agreed.options, agreed.terms);
}

/** All microtasks of the turn are over, those of the caller's `await` among them. */
function beginReading(transport: Dialled['transport']): void {
  transport.resume();
}
