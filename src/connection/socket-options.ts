/**
 * What a socket may be told: the limits of its connection, the bounds of its queue, and how it
 * gives out messages.
 *
 * @module
 */

import {
  type DeflateOptions,
  type ResolvedDeflateOptions,
  resolveDeflate,
} from '../extension/deflate-options.ts';
import type { QueueLimits } from './delivery.ts';
import type { ConnectionOptions } from './handler.ts';
import { type ConnectionLimits, DEFAULT_LIMITS, checkLimit, resolveLimits } from './limits.ts';
import { type RateLimit, type RateLimitOptions, resolveRateLimit } from './rate-limit.ts';

/** `'string'`: a string. `'buffer'`: a Buffer of UTF-8, as a binary is; `binary` tells them apart. */
export type TextForm = 'string' | 'buffer';

/** Every one may be left out. */
export type Optional<Options> = { readonly [name in keyof Options]?: Options[name] | undefined };

export interface SocketOptions extends Optional<ConnectionLimits>, Optional<QueueLimits> {
  /** Whether a Ping is answered by itself. Default: true. */
  readonly autoPong?: boolean | undefined;
  /** How a text is given out. Default: `'string'`. */
  readonly text?: TextForm | undefined;
  /**
   * Whether messages may be compressed, by permessage-deflate (RFC 7692), where the peer can do so as
   * well; or how. It costs memory for each connection. Default: false.
   */
  readonly deflate?: boolean | DeflateOptions | undefined;
  /**
   * How many messages and bytes the peer may send in a second, and what becomes of what is more.
   * Default: false, for any number.
   */
  readonly rateLimit?: RateLimitOptions | false | null | undefined;
}

/** What may be chosen for one message. */
export interface SendOptions {
  /**
   * False for a message that must not be compressed: a secret beside what an attacker chooses may be
   * guessed from the size of both. Default: true, where `deflate` is in use.
   */
  readonly compress?: boolean | undefined;
}

export interface ResolvedSocketOptions extends ConnectionOptions, QueueLimits {
  readonly text: TextForm;
  readonly deflate: ResolvedDeflateOptions | null;
  readonly rateLimit: RateLimit | null;
  readonly mayOverwrite: boolean;
}

export const DEFAULT_QUEUE_LIMITS: QueueLimits = {
  maxQueue: 64,
  maxQueueSize: 1024 * 1024,
};

export const SOCKET_OPTION_NAMES: readonly string[] = [
  ...Object.keys(DEFAULT_LIMITS),
  ...Object.keys(DEFAULT_QUEUE_LIMITS),
  'autoPong',
  'deflate',
  'rateLimit',
  'text',
];

const SEND_OPTION_NAMES: ReadonlySet<string> = new Set(['compress']);

const IN_TLS = 'it is one of `tls: { … }`';

/** Options of other libraries, and of other places, with what they are here. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['verifyClient', 'the hook `upgrade` of a route decides who may come'],
  ['handleProtocols', 'the hook `upgrade` of a route may return a `protocol`'],
  ['noServer', 'a server without `port` and `server` waits for `handleUpgrade`'],
  ['perMessageDeflate', 'it is called `deflate`, and some of its options have other names'],
  ['clientTracking', '`server.sockets` has all that are open'],
  ['followRedirects', '`connect` rejects with the status and the headers of the answer'],
  ['ca', IN_TLS],
  ['cert', IN_TLS],
  ['key', IN_TLS],
  ['rejectUnauthorized', IN_TLS],
  ['servername', IN_TLS],
]);

/**
 * Refuses a name that nobody would look at: a misspelt limit is no limit, and a check that is never
 * called lets everybody in.
 *
 * @param what - takes them: for the error
 * @throws {TypeError} for what is no object, and for a name that is not among `names`
 */
export function checkNames(options: unknown, names: ReadonlySet<string>, what: string): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`${what} takes its options in an object`);
  }
  for (const name of Object.keys(options)) {
    if (names.has(name)) continue;
    const hint = ELSEWHERE.get(name);
    throw new TypeError(`${what} has no option ${name}${hint === undefined ? '' : `: ${hint}`}`);
  }
}

/**
 * Refuses a callback, which nobody would ever call: whoever waits for it waits for ever.
 *
 * @param what - was given it: for the error
 * @param values - all that it was given
 * @param instead - what there is in its place: for the error
 * @throws {TypeError} where one of the values is a function
 */
export function refuseCallback(what: string, values: ArrayLike<unknown>, instead: string): void {
  for (let at = 0; at < values.length; at++) {
    if (typeof values[at] === 'function') {
      throw new TypeError(`${what} takes no callback: ${instead}`);
    }
  }
}

/**
 * Reads the options of one message.
 *
 * @returns whether it may be compressed
 * @throws {TypeError} for what are no options, and for one that there is not
 */
export function mayCompress(options: SendOptions): boolean {
  checkNames(options, SEND_OPTION_NAMES, 'send');
  const compress: unknown = options.compress ?? true;
  if (typeof compress !== 'boolean') throw new TypeError('compress is true or false');
  return compress;
}

/**
 * Fills in the defaults: those of `base`, where there is one.
 *
 * @throws {TypeError | RangeError} as `resolveLimits`, and for a `text` that there is not
 */
export function resolveSocketOptions(
  options: SocketOptions,
  base: Optional<ResolvedSocketOptions> = {},
): ResolvedSocketOptions {
  const limits: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined) limits[name] = value;
  }
  const given: SocketOptions = limits;
  const queue: QueueLimits = {
    maxQueue: given.maxQueue ?? DEFAULT_QUEUE_LIMITS.maxQueue,
    maxQueueSize: given.maxQueueSize ?? DEFAULT_QUEUE_LIMITS.maxQueueSize,
  };
  for (const [name, value] of Object.entries(queue)) checkLimit(name, value);
  const text: unknown = given.text ?? 'string';
  if (text !== 'string' && text !== 'buffer') {
    throw new TypeError("text is 'string' or 'buffer'");
  }
  return {
    ...resolveLimits(given),
    ...queue,
    autoPong: given.autoPong ?? true,
    deflate: resolveDeflate(given.deflate ?? false),
    rateLimit: resolveRateLimit(given.rateLimit ?? false),
    text,
    mayOverwrite: false,
  };
}
