/**
 * A WebSocket server on raw sockets: reads the head of a request by our own parser, decides, and
 * hands out a {@link Socket}. It also takes requests that an `http.Server` has read.
 *
 * Thin on purpose, for now: routes, hooks, attaching and graceful shutdown build on it.
 *
 * @module
 */

import { EventEmitter, captureRejectionSymbol } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { type AddressInfo, type Server, Socket as NetSocket, createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from '../connection/handler.ts';
import { type ConnectionLimits, checkLimit, resolveLimits } from '../connection/limits.ts';
import { Socket } from '../connection/socket.ts';
import { HandshakeError, asError } from '../errors.ts';
import { CLOSE_CODE } from '../frame/close-code.ts';
import {
  type HandshakeRequest,
  acceptResponse,
  errorResponse,
  readRequest,
} from '../handshake/accept.ts';
import { HeaderFields } from '../handshake/fields.ts';
import {
  DEFAULT_HEAD_LIMITS,
  type HeadLimits,
  type RequestHead,
  RequestHeadParser,
} from '../handshake/http1.ts';
import {
  type HostCheck,
  type OriginCheck,
  type OriginPolicy,
  createHostCheck,
  createOriginCheck,
} from '../handshake/origin.ts';
import { refusal } from '../handshake/refusal.ts';
import { areSubprotocols, chooseSubprotocol } from '../handshake/subprotocol.ts';
import { refuse } from './refuse.ts';

export interface WebSocketServerOptions extends Partial<ConnectionLimits>, Partial<HeadLimits> {
  /** Whether a Ping is answered by itself. Default: true. */
  readonly autoPong?: boolean | undefined;
  /** Which origins may connect; others get 403. Default: `'same-origin'`. */
  readonly origins?: OriginPolicy;
  /** Which hosts are served; others get 421. Default: all. */
  readonly hosts?: readonly string[];
  /** The only path that is served; others get 404. Default: every path. */
  readonly path?: string;
  /** The subprotocols that the server speaks. The client's first choice among them wins. */
  readonly subprotocols?: readonly string[];
  /** Milliseconds from the connection to the end of its request; then 408. Default: 10,000. */
  readonly handshakeTimeout?: number;
}

export interface WebSocketServerEvents {
  /** A connection is open. Its listeners are added now: the first message comes after this. */
  connection: [socket: Socket, request: HandshakeRequest];
}

const DEFAULT_HANDSHAKE_TIMEOUT = 10_000;

export class WebSocketServer extends EventEmitter<WebSocketServerEvents> {
  readonly #connection: ConnectionOptions;
  readonly #onNetSocket: ConnectionOptions;
  readonly #headLimits: HeadLimits;
  readonly #handshakeTimeout: number;
  readonly #path: string | undefined;
  readonly #subprotocols: readonly string[];
  readonly #isOriginAllowed: OriginCheck;
  readonly #isHostAllowed: HostCheck;

  readonly #sockets = new Set<Socket>();
  /** Transports that are in their handshake, or hear that it was refused. */
  readonly #pending = new Set<Duplex>();
  #listener: Server | null = null;
  /** Settles when the listener has begun, or could not. */
  #starting: Promise<void> = Promise.resolve();
  #closing = false;
  /** Who waits for the last socket to end. */
  readonly #onEmpty: (() => void)[] = [];

  /**
   * @throws {TypeError | RangeError} for an option that cannot be
   */
  constructor(options: WebSocketServerOptions = {}) {
    super({ captureRejections: true });
    this.#connection = { ...resolveLimits(options), autoPong: options.autoPong };
    this.#onNetSocket = { ...this.#connection, mayOverwrite: true };
    this.#headLimits = {
      maxHeadSize: options.maxHeadSize ?? DEFAULT_HEAD_LIMITS.maxHeadSize,
      maxHeaderFields: options.maxHeaderFields ?? DEFAULT_HEAD_LIMITS.maxHeaderFields,
      maxTargetSize: options.maxTargetSize ?? DEFAULT_HEAD_LIMITS.maxTargetSize,
    };
    for (const [name, value] of Object.entries(this.#headLimits)) checkLimit(name, value);
    this.#handshakeTimeout = options.handshakeTimeout ?? DEFAULT_HANDSHAKE_TIMEOUT;
    checkLimit('handshakeTimeout', this.#handshakeTimeout);
    this.#path = options.path;
    if (this.#path !== undefined && !/^\/[^?#]*$/.test(this.#path)) {
      throw new TypeError('path begins with a slash, and has no query');
    }
    this.#subprotocols = options.subprotocols ?? [];
    if (!areSubprotocols(this.#subprotocols)) {
      throw new TypeError('subprotocols are unique tokens (RFC 6455, section 4.1)');
    }
    this.#isOriginAllowed = createOriginCheck(options.origins ?? 'same-origin');
    this.#isHostAllowed = createHostCheck(options.hosts);
  }

  static {
    // A listener for `connection` that is async and rejects: the same as one that throws.
    WebSocketServer.prototype[captureRejectionSymbol] = function failOne(error, _event, ...args) {
      const [socket]: unknown[] = args;
      if (socket instanceof Socket) socket.failInternally(error);
      else process.emitWarning(asError(error));
    };
  }

  /** The connections that are open or closing. */
  get sockets(): ReadonlySet<Socket> {
    return this.#sockets;
  }

  /**
   * Listens on a TCP port. Resolves when connections can come.
   *
   * @param port - 0 for any that is free: {@link address} tells
   * @param host - Default: all addresses
   * @throws {Error} where the port cannot be had, or the server listens already
   */
  async listen(port: number, host?: string): Promise<void> {
    if (this.#listener !== null) throw new Error('the server listens already');
    // The closing handshake needs half-open connections: the peer may end before we do.
    const listener = createServer({ allowHalfOpen: true, noDelay: true });
    listener.on('connection', (transport) => this.readHead(transport));
    this.#listener = listener;
    this.#closing = false;
    this.#starting = new Promise((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(port, host, () => {
        listener.off('error', reject);
        // A connection that could not be accepted, for want of descriptors: others may be.
        listener.on('error', (error) => process.emitWarning(error));
        resolve();
      });
    });
    try {
      await this.#starting;
    } catch (error) {
      this.#listener = null;
      throw error;
    }
  }

  /** Where the server listens; null where it does not. */
  address(): AddressInfo | null {
    const address = this.#listener?.address() ?? null;
    return typeof address === 'string' ? null : address;
  }

  /**
   * Takes a request that an `http.Server` has read: call it from its `upgrade` event. Requests
   * that do not fit are answered and closed.
   */
  handleUpgrade(request: IncomingMessage, transport: Duplex, head: Buffer): void {
    // From here on nobody else listens: a reset must not end the process.
    transport.on('error', destroyOnError);
    if (transport instanceof NetSocket) transport.setTimeout(0).setNoDelay();
    this.decide(
      {
        method: request.method ?? '',
        target: request.url ?? '',
        minorVersion: request.httpVersionMinor,
        fields: HeaderFields.fromRaw(request.rawHeaders),
      },
      transport,
      head,
    );
  }

  /**
   * Stops listening, closes all connections with 1001, and resolves when the last one has ended.
   * Upgrades that come meanwhile are refused with 503.
   */
  async close(): Promise<void> {
    this.#closing = true;
    // A listener that has not begun yet cannot end: `listen` tells how that went.
    await Promise.allSettled([this.#starting]);
    const listener = this.#listener;
    this.#listener = null;
    for (const transport of this.#pending) transport.destroy();
    for (const socket of this.#sockets) socket.close(CLOSE_CODE.GOING_AWAY);
    await Promise.all([
      new Promise<void>((resolve) => {
        if (this.#sockets.size === 0) resolve();
        else this.#onEmpty.push(resolve);
      }),
      new Promise<void>((resolve) => {
        if (listener === null) resolve();
        else listener.close(() => resolve());
      }),
    ]);
  }

  /** Reads a request on our own listener. Its deadline is one for the whole, not for each byte. */
  private readHead(transport: NetSocket): void {
    const parser = new RequestHeadParser(this.#headLimits);
    this.#pending.add(transport);
    const leave = (): void => {
      clearTimeout(timer);
      this.#pending.delete(transport);
      transport.off('data', onData).off('end', onEnd).off('close', leave);
    };
    const onData = (chunk: Buffer): void => {
      try {
        const at = parser.push(chunk);
        if (at === -1) return;
        leave();
        this.decide(parser.head!, transport, chunk.subarray(at));
      } catch (error) {
        leave();
        this.refuse(error, transport);
      }
    };
    const onEnd = (): void => {
      leave();
      transport.destroy();
    };
    const timer = setTimeout(() => {
      leave();
      this.refuse(refusal('TIMEOUT'), transport);
    }, this.#handshakeTimeout);
    // Of all these only the first stays: the others would keep the request for as long as it lives.
    transport.on('error', destroyOnError).on('close', leave).on('data', onData).on('end', onEnd);
  }

  /** Answers a request: a connection, or a refusal. */
  private decide(head: RequestHead, transport: Duplex, rest: Buffer): void {
    if (transport.destroyed) return;
    let request: HandshakeRequest;
    try {
      request = this.check(head);
      const subprotocol = chooseSubprotocol(request.subprotocols, this.#subprotocols);
      transport.write(acceptResponse(request, { subprotocol }), 'latin1');
    } catch (error) {
      this.refuse(error, transport);
      return;
    }
    this.open(transport, request, rest);
  }

  private check(head: RequestHead): HandshakeRequest {
    if (this.#closing) throw refusal('CLOSING');
    // Again, since an http.Server has read it by limits of its own.
    if (head.target.length > this.#headLimits.maxTargetSize) throw refusal('TARGET_TOO_LONG');
    if (head.fields.size > this.#headLimits.maxHeaderFields) throw refusal('TOO_MANY_FIELDS');
    const request = readRequest(head);
    const { target, host, origin } = request;
    if (this.#path !== undefined && target.split('?')[0] !== this.#path) throw refusal('NOT_FOUND');
    if (!this.#isHostAllowed(host)) throw refusal('HOST_FORBIDDEN');
    // What a caller without types returns may be a promise, which is not a yes.
    const isAllowed: unknown = this.#isOriginAllowed(origin, host);
    if (isAllowed !== true) throw refusal('ORIGIN');
    return request;
  }

  private open(transport: Duplex, request: HandshakeRequest, rest: Buffer): void {
    // Only of the sockets of Node is it known that they do not keep what they were given.
    const options = transport instanceof NetSocket ? this.#onNetSocket : this.#connection;
    const socket: Socket = new Socket('server', transport, options, rest, () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size > 0) return;
      for (const resolve of this.#onEmpty.splice(0)) resolve();
    });
    this.#sockets.add(socket);
    try {
      this.emit('connection', socket, request);
    } catch (error) {
      // The handshake is over: from here on it is the socket that fails.
      socket.failInternally(error);
    }
  }

  /** Whatever went wrong has an answer: that of the table, or 500 for what the application threw. */
  private refuse(error: unknown, transport: Duplex): void {
    const known = error instanceof HandshakeError ? error : refusal('INTERNAL');
    if (known !== error) process.emitWarning(asError(error));
    this.#pending.add(transport);
    transport.once('close', () => this.#pending.delete(transport));
    refuse(transport, errorResponse(known), this.#connection.closeTimeout);
  }
}

/** A reset in the handshake, when nobody else listens: it must not end the process. */
function destroyOnError(this: Duplex): void {
  this.destroy();
}
