/**
 * Our own listener: `node:net` or `node:tls`, for WebSockets alone.
 *
 * @module
 */

import { type AddressInfo, type Server, type Socket as NetSocket, createServer } from 'node:net';
import {
  type Server as TlsServer,
  type TlsOptions,
  createServer as createTlsServer,
} from 'node:tls';
import { catchErrors } from '../connection/binding.ts';
import { checkNames } from '../connection/socket-options.ts';
import { readProxyHeader } from './proxy-reader.ts';

export interface ListenOptions {
  /** 0 for any that is free: `address()` tells. */
  readonly port?: number | undefined;
  /** Default: all addresses. */
  readonly host?: string | undefined;
  /** A Unix socket, instead of port and host. */
  readonly path?: string | undefined;
  /** Key, certificate and all else of `tls.createServer`: then it is `wss`. Default: no TLS. */
  readonly tls?: TlsOptions | undefined;
  /** Connections that may wait to be accepted. Default: that of Node, 511. */
  readonly backlog?: number | undefined;
  /**
   * Every connection begins with a header of the PROXY protocol, version 1 or 2, before TLS if
   * there is any. Only `trustedProxies` may connect: others are closed at once, and so is who sends
   * something else. Default: false.
   */
  readonly proxyProtocol?: boolean | undefined;
}

export const LISTEN_OPTION_NAMES: ReadonlySet<string> = new Set([
  'port',
  'host',
  'path',
  'tls',
  'backlog',
  'proxyProtocol',
]);

/** TCP has no more (RFC 9293, section 3.1). */
const MAX_PORT = 0xffff;

/**
 * Reads a port: a number, or digits, as an environment has them.
 *
 * @throws {TypeError} for anything else
 * @throws {RangeError} for a number that is no port
 */
export function readPort(port: unknown): number {
  if (typeof port !== 'number' && (typeof port !== 'string' || !/^[0-9]+$/.test(port))) {
    throw new TypeError('a port is a number; a Unix socket is { path }');
  }
  const number = Number(port);
  if (!Number.isInteger(number) || number < 0 || number > MAX_PORT) {
    throw new RangeError(`a port is a whole number from 0 to ${MAX_PORT}`);
  }
  return number;
}

/**
 * Reads what `listen` was given: a port as a number or in digits, or options.
 *
 * @throws {TypeError | RangeError} for anything else, and as {@link readPort}
 */
export function readListenOptions(
  where: number | string | ListenOptions,
  host: string | undefined,
): ListenOptions {
  if (typeof where === 'number' || typeof where === 'string') {
    return { port: readPort(where), host };
  }
  checkNames(where, LISTEN_OPTION_NAMES, 'listen');
  if (where.port !== undefined) readPort(where.port);
  const { proxyProtocol = false, path, tls } = where;
  if (typeof proxyProtocol !== 'boolean') throw new TypeError('proxyProtocol is true or false');
  if (proxyProtocol && path !== undefined && tls !== undefined) {
    // On a Unix socket nobody could tell whose TLS handshake it is that is over.
    throw new TypeError('proxyProtocol with tls needs a port: not a path');
  }
  return where;
}

/** What a {@link Listener} tells its server. */
export interface ListenerOwner {
  /**
   * Whether one more connection may begin its handshake; where not, it has been dealt with.
   *
   * @param isSecuring - whether TLS, or the header of the PROXY protocol, comes first
   */
  mayAccept(transport: NetSocket, isSecuring: boolean): boolean;
  /** That has begun: until {@link onSecured} it counts as one in its handshake. */
  onSecuring(transport: NetSocket): void;
  /** Whether a connection may speak the PROXY protocol. */
  isProxy(transport: NetSocket): boolean;
  /** What comes before the request is over, TLS or that header, one way or the other. */
  onSecured(transport: NetSocket): void;
  /**
   * A connection, after its TLS handshake if it has one.
   *
   * @param timeout - milliseconds that are left for the handshake
   * @param source - for whom a proxy speaks by the PROXY protocol; null where it does not say;
   *   undefined where that is not spoken
   */
  onTransport(transport: NetSocket, timeout: number, source?: string | null): void;
  /** A connection could not be accepted, for want of descriptors perhaps: others may be. */
  onError(error: Error): void;
}

export class Listener {
  readonly #server: Server;
  readonly #owner: ListenerOwner;
  readonly #timeout: number;
  /**
   * Connections in their TLS handshake, but for those of a Unix socket, and those whose header of
   * the PROXY protocol is still to come.
   */
  readonly #securing = new Set<SecuringTransport>();

  private constructor(
    owner: ListenerOwner,
    timeout: number,
    { tls, proxyProtocol = false }: ListenOptions,
  ) {
    this.#owner = owner;
    this.#timeout = timeout;
    if (tls === undefined) {
      // The closing handshake needs half-open connections: the peer may end before we do.
      const options = { allowHalfOpen: true, noDelay: true };
      this.#server = createServer(options, (transport) => {
        if (proxyProtocol) {
          this.acceptProxy(transport, (securing, source) => {
            this.forget(securing);
            owner.onTransport(transport, this.timeLeft(securing), source);
          });
          return;
        }
        if (owner.mayAccept(transport, false)) owner.onTransport(transport, timeout);
      });
    } else {
      const server = createTlsServer({
        ALPNProtocols: ['http/1.1'],
        ...tls,
        // Not during its handshake: who ends that by a FIN has left.
        allowHalfOpen: false,
        noDelay: true,
        handshakeTimeout: timeout,
      });
      this.secure(server);
      this.#server = proxyProtocol ? this.createProxied(server) : server;
      if (!proxyProtocol) this.beginSecuring(server);
    }
  }

  /**
   * Resolves when connections can come.
   *
   * @param timeout - milliseconds for a handshake, that of TLS included
   * @throws {Error} where the address cannot be had
   */
  static async open(
    owner: ListenerOwner,
    options: ListenOptions,
    timeout: number,
  ): Promise<Listener> {
    const { port, host, path, backlog } = options;
    const listener = new Listener(owner, timeout, options);
    const server = listener.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path === undefined ? { port, host, backlog } : { path, backlog }, () => {
        server.off('error', reject);
        server.on('error', (error) => owner.onError(error));
        resolve();
      });
    });
    return listener;
  }

  address(): AddressInfo | string | null {
    return this.#server.address();
  }

  /** Accepts no more. Resolves when the last connection has ended. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const { transport } of this.#securing) transport.destroy();
    });
  }

  /** Counts the time of a TLS handshake as a part of ours. */
  private beginSecuring(server: TlsServer): void {
    // Before the listener of Node, which begins with TLS.
    server.prependListener('connection', (transport: NetSocket) => {
      catchErrors(transport);
      if (!this.#owner.mayAccept(transport, true)) return;
      // On a Unix socket nobody could tell which of them it was that has become secure.
      if (transport.remotePort === undefined) return;
      this.addSecuring(transport);
    });
  }

  private secure(server: TlsServer): void {
    server.on('secureConnection', (transport) => {
      const securing = this.takeSecuring(originOf(transport));
      transport.allowHalfOpen = true;
      // One that was not counted until now.
      if (securing === undefined && !this.#owner.mayAccept(transport, false)) return;
      this.#owner.onTransport(transport, this.timeLeft(securing), securing?.source);
    });
    // Node tells, and leaves it open.
    server.on('tlsClientError', (_error, transport) => transport.destroy());
  }

  /** A listener whose connections go on to `tlsServer`, which has none, behind their header. */
  private createProxied(tlsServer: TlsServer): Server {
    return createServer({ allowHalfOpen: false, noDelay: true }, (transport) => {
      this.acceptProxy(transport, (securing, source) => {
        securing.source = source;
        tlsServer.emit('connection', transport);
      });
    });
  }

  private acceptProxy(
    transport: NetSocket,
    onSource: (securing: SecuringTransport, source: string | null) => void,
  ): void {
    catchErrors(transport);
    if (!this.#owner.isProxy(transport)) {
      transport.destroy();
      return;
    }
    if (!this.#owner.mayAccept(transport, true)) return;
    const securing = this.addSecuring(transport);
    // One time for the header and for TLS.
    securing.timer = setTimeout(() => transport.destroy(), this.#timeout);
    securing.timer.unref();
    readProxyHeader(transport, (source) => onSource(securing, source));
  }

  private addSecuring(transport: NetSocket): SecuringTransport {
    const deadline = performance.now() + this.#timeout;
    const securing = { transport, origin: originOf(transport), deadline };
    this.#securing.add(securing);
    this.#owner.onSecuring(transport);
    transport.once('close', () => this.forget(securing));
    return securing;
  }

  /** The handshake that began with a connection from there. */
  private takeSecuring(origin: string): SecuringTransport | undefined {
    for (const securing of this.#securing) {
      if (securing.origin !== origin) continue;
      this.forget(securing);
      return securing;
    }
    return undefined;
  }

  private timeLeft(securing: SecuringTransport | undefined): number {
    if (securing === undefined) return this.#timeout;
    return Math.max(1, securing.deadline - performance.now());
  }

  private forget(securing: SecuringTransport): void {
    clearTimeout(securing.timer);
    if (this.#securing.delete(securing)) this.#owner.onSecured(securing.transport);
  }
}

interface SecuringTransport {
  readonly transport: NetSocket;
  readonly origin: string;
  /** In the time of `performance`. */
  readonly deadline: number;
  /** For whom a proxy speaks, where the PROXY protocol is spoken. */
  source?: string | null;
  /** Ends it at its deadline, where nobody else does. */
  timer?: NodeJS.Timeout;
}

/** The same for a transport and for the TLS that is spoken over it, which do not know each other. */
function originOf({ remoteAddress, remotePort, localAddress, localPort }: NetSocket): string {
  // All four: from one port a proxy may come to two addresses of ours.
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
