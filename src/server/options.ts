/**
 * What a server may be told.
 *
 * @module
 */

import type { Server as HttpServer } from 'node:http';
import type { TlsOptions } from 'node:tls';
import { checkLimit } from '../connection/limits.ts';
import {
  type Optional,
  type ResolvedSocketOptions,
  SOCKET_OPTION_NAMES,
  type SocketOptions,
  checkNames,
  resolveSocketOptions,
} from '../connection/socket-options.ts';
import { DEFAULT_HEAD_LIMITS, type HeadLimits } from '../handshake/http1.ts';
import {
  type HostCheck,
  type OriginCheck,
  type OriginPolicy,
  createHostCheck,
  createOriginCheck,
} from '../handshake/origin.ts';
import type { ForwardedFields } from '../handshake/forwarded.ts';
import { areSubprotocols } from '../handshake/subprotocol.ts';
import type { CallersOptions } from './callers.ts';
import { readPort } from './listener.ts';
import { type TrustedProxies, createProxyTrust } from './trusted-proxies.ts';

export interface WebSocketServerOptions extends SocketOptions, Optional<HeadLimits> {
  /** Listens on this port at once, on all addresses or on `host`. What fails is told by `error`. */
  readonly port?: number | undefined;
  /** The address for `port`. Default: all. */
  readonly host?: string | undefined;
  /** TLS for `port`: key, certificate and all else of `tls.createServer`. Default: none. */
  readonly tls?: TlsOptions | undefined;
  /** Attaches to this http or https server at once. */
  readonly server?: HttpServer | undefined;
  /** Which origins may connect; others get 403. Default: `'same-origin'`. */
  readonly origins?: OriginPolicy | undefined;
  /** Which hosts are served; others get 421. Default: all. */
  readonly hosts?: readonly string[] | undefined;
  /**
   * The pattern of a first route without hooks, for those who listen to `connection`. Where there
   * is neither this nor a route, every path is served; otherwise what fits none gets 404.
   */
  readonly path?: string | undefined;
  /** The subprotocols that the server speaks. The client's first choice among them wins. */
  readonly subprotocols?: readonly string[] | undefined;
  /**
   * Milliseconds from the connection to the answer, the handshake of TLS and the hook `upgrade`
   * included; then 408, or 503 where it was the hook. Default: 10,000.
   */
  readonly handshakeTimeout?: number | undefined;
  /** Connections that may be in their handshake at the same time; then 503. Default: 1,000. */
  readonly maxPendingUpgrades?: number | undefined;
  /**
   * The proxies that may say for whom they speak, in `forwardedFields`: addresses, ranges such as
   * `'10.0.0.0/8'`, `'loopback'`, `'linklocal'`, `'uniquelocal'`, `'unix'`, or a function of the
   * address. What they say counts for `request.remoteAddress`, `host` and `isSecure`, and so for
   * `origins`, `hosts` and `maxConnectionsPerAddress`. Default: none.
   */
  readonly trustedProxies?: TrustedProxies | undefined;
  /**
   * Which fields these proxies write: X-Forwarded-For, -Host and -Proto, or Forwarded (RFC 7239).
   * The others may be the client's own, and are not looked at. Default: `'x-forwarded'`.
   */
  readonly forwardedFields?: ForwardedFields | undefined;
  /** Connections that may be open or in their handshake at the same time; then 503. Default: any. */
  readonly maxConnections?: number | undefined;
  /** The same of one IPv4 address, or of one /64 of IPv6; then 503. Default: any. */
  readonly maxConnectionsPerAddress?: number | undefined;
}

export interface ResolvedServerOptions {
  readonly socket: ResolvedSocketOptions;
  readonly head: HeadLimits;
  readonly handshakeTimeout: number;
  readonly maxPendingUpgrades: number;
  readonly maxConnections: number;
  readonly callers: CallersOptions;
  readonly subprotocols: readonly string[];
  readonly isOriginAllowed: OriginCheck;
  readonly isHostAllowed: HostCheck;
}

export const DEFAULT_SERVER_LIMITS = {
  handshakeTimeout: 10_000,
  maxPendingUpgrades: 1000,
} as const;

/** There is no number of connections that is right for all: they are bounded by who sets these. */
const NO_LIMIT = Number.POSITIVE_INFINITY;

export const SERVER_OPTION_NAMES: ReadonlySet<string> = new Set([
  ...SOCKET_OPTION_NAMES,
  ...Object.keys(DEFAULT_HEAD_LIMITS),
  ...Object.keys(DEFAULT_SERVER_LIMITS),
  'port',
  'host',
  'tls',
  'server',
  'origins',
  'hosts',
  'path',
  'subprotocols',
  'maxConnections',
  'maxConnectionsPerAddress',
  'trustedProxies',
  'forwardedFields',
]);

/**
 * Fills in the defaults.
 *
 * @throws {TypeError | RangeError} for an option that cannot be
 */
export function resolveServerOptions(options: WebSocketServerOptions): ResolvedServerOptions {
  checkNames(options, SERVER_OPTION_NAMES, 'a WebSocketServer');
  const head: HeadLimits = {
    maxHeadSize: options.maxHeadSize ?? DEFAULT_HEAD_LIMITS.maxHeadSize,
    maxHeaderFields: options.maxHeaderFields ?? DEFAULT_HEAD_LIMITS.maxHeaderFields,
    maxTargetSize: options.maxTargetSize ?? DEFAULT_HEAD_LIMITS.maxTargetSize,
  };
  const limits = {
    handshakeTimeout: options.handshakeTimeout ?? DEFAULT_SERVER_LIMITS.handshakeTimeout,
    maxPendingUpgrades: options.maxPendingUpgrades ?? DEFAULT_SERVER_LIMITS.maxPendingUpgrades,
    maxConnections: options.maxConnections ?? NO_LIMIT,
  };
  const { maxConnectionsPerAddress = NO_LIMIT, trustedProxies } = options;
  const all = { ...head, ...limits, maxConnectionsPerAddress };
  for (const [name, value] of Object.entries(all)) checkLimit(name, value);
  const forwardedFields = options.forwardedFields ?? 'x-forwarded';
  if (forwardedFields !== 'x-forwarded' && forwardedFields !== 'forwarded') {
    throw new TypeError("forwardedFields is 'x-forwarded' or 'forwarded'");
  }
  const subprotocols = options.subprotocols ?? [];
  if (!areSubprotocols(subprotocols)) {
    throw new TypeError('subprotocols are unique tokens (RFC 6455, section 4.1)');
  }
  if (options.port !== undefined) readPort(options.port);
  if (options.port !== undefined && options.server !== undefined) {
    throw new TypeError('a server listens on a port of its own, or is attached to another server');
  }
  return {
    socket: resolveSocketOptions(options),
    head,
    ...limits,
    callers: {
      proxyTrust: trustedProxies === undefined ? null : createProxyTrust(trustedProxies),
      forwardedFields,
      maxConnectionsPerAddress,
    },
    subprotocols,
    isOriginAllowed: createOriginCheck(options.origins ?? 'same-origin'),
    isHostAllowed: createHostCheck(options.hosts),
  };
}
