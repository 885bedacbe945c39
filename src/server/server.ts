/**
 * A WebSocket server: on raw sockets of its own, behind an http or https server, or by hand.
 *
 * @module
 */

import { EventEmitter, captureRejectionSymbol } from 'node:events';
import type { IncomingMessage, Server as HttpServer } from 'node:http';
import { type AddressInfo, Server as NetServer, Socket as NetSocket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Bytes } from '../connection/payload.ts';
import { PreparedMessage } from '../connection/prepared.ts';
import { endpointOf } from '../connection/socket.ts';
import { checkNames, refuseCallback } from '../connection/socket-options.ts';
import { READY_STATE } from '../connection/state.ts';
import { isPromiseLike } from '../connection/waiters.ts';
import { asError, warn } from '../errors.ts';
import { type Subscriber, type TopicHandler, Topics } from '../hub/topics.ts';
import { type Agreement, Gate, type GateOwner } from './gate.ts';
import { type ListenOptions, Listener, readListenOptions } from './listener.ts';
import {
  type ResolvedServerOptions,
  type WebSocketServerOptions,
  resolveServerOptions,
} from './options.ts';
import { OpenSocket, OpenSockets, type OpenSocketsOwner } from './open-sockets.ts';
import type { ParamsOf } from './pattern.ts';
import { Registry } from './registry.ts';
import { type UpgradeRequest, settleRequest } from './request.ts';
import { type AnyHooks, Route, type RouteHooks, type UpgradeHook } from './route.ts';
import { type AnyServerSocket, ServerSocket, type ServerTopics, routeOf } from './server-socket.ts';
import {
  type ShutdownOptions,
  type ShutdownResult,
  closeAll,
  resolveShutdown,
} from './shutdown.ts';
import type { Decision } from './upgrade.ts';

/** Listeners of a {@link WebSocketServer}, by event. */
export interface WebSocketServerEvents {
  /** Connections can come: of our own listener, or of the http server that we are attached to. */
  listening: [];
  /** A connection is open. Its messages wait for a listener. */
  connection: [socket: ServerSocket, request: UpgradeRequest];
  /** The answer is about to be sent with these fields, which may be changed. */
  headers: [headers: [name: string, value: string][], request: UpgradeRequest];
  /**
   * The listener failed, or something of the application threw where its socket has neither a hook
   * nor a listener for errors. Where nobody listens, it becomes a warning of the process; but where
   * the option `port` of the constructor could not be had, it is thrown, as by every emitter.
   */
  error: [error: Error, socket?: AnyServerSocket];
  /** After `close()` or `shutdown()`: nothing is open any more. */
  close: [];
}

/** Who is not to be sent a message. */
export interface PublishOptions {
  readonly except?: AnyServerSocket | undefined;
}

export interface BroadcastOptions extends PublishOptions {
  /** Whether a socket is sent it. Default: all are. */
  readonly filter?: ((socket: AnyServerSocket) => boolean) | undefined;
}

export const PUBLISH_OPTION_NAMES: ReadonlySet<string> = new Set(['except']);
export const BROADCAST_OPTION_NAMES: ReadonlySet<string> = new Set(['except', 'filter']);

const NO_HOOKS: AnyHooks = {};

const WAIT_FOR_PROMISE = 'wait for the promise that it returns';

export class WebSocketServer extends EventEmitter<WebSocketServerEvents> {
  readonly #options: ResolvedServerOptions;
  readonly #gate: Gate;
  readonly #topics = new Topics<Subscriber>();

  #listener: Listener | null = null;
  /** Settles when the listener has begun, or could not; null where there is none. */
  #starting: Promise<Listener> | null = null;
  /** The http servers that we are attached to. */
  readonly #attached = new Set<HttpServer>();
  /** Whose hook `shutdown` was called, and when that is done: once, however often it is asked for. */
  readonly #told = new WeakMap<AnyServerSocket, Promise<void>>();
  /** The end that is under way. */
  #closing: Promise<void> | null = null;
  /** Who waits for the last socket to end. */
  #onEmpty: (() => void)[] = [];

  // What the parts of a server tell it. Objects of our own, since an application is told otherwise.
  readonly #socketsOwner: OpenSocketsOwner = {
    onReleased: (socket) => this.release(socket),
    onUnheard: (error, socket) => this.tellError(error, socket),
  };
  readonly #sockets = new OpenSockets(this.#socketsOwner);
  readonly #gateOwner: GateOwner = {
    countOpen: () => this.#sockets.size,
    onHeaders: (headers, request) => void this.emit('headers', headers, request),
    onOpen: (decision, transport, agreement, rest) =>
      this.open(decision, transport, agreement, rest),
    onError: (error) => this.tellError(error),
    onListening: () => this.tell('listening'),
  };
  readonly #hub: ServerTopics = {
    topics: this.#topics,
    onTopicError: (error) => this.tellError(asError(error)),
  };

  /**
   * Listens at once where `port` is given, and is attached where `server` is.
   *
   * @throws {TypeError | RangeError} for an option that cannot be, and for a callback
   */
  constructor(options: WebSocketServerOptions = {}) {
    super({ captureRejections: true });
    refuseCallback('a WebSocketServer', arguments, 'listen for `listening`');
    this.#options = resolveServerOptions(options);
    this.#gate = new Gate(this.#gateOwner, this.#options, this.createRoute(null, NO_HOOKS));
    if (options.path !== undefined) this.addRoute(options.path, NO_HOOKS);
    if (options.server !== undefined) this.attach(options.server);
    if (options.port !== undefined) {
      const { port, host, tls } = options;
      this.listen({ port, host, tls }).catch((error: unknown) => {
        // Whoever does not listen for it is told as by every emitter: nothing will come.
        process.nextTick(() => this.emit('error', asError(error)));
      });
    }
  }

  static {
    // A listener for `connection` that is async and rejects: the same as one that throws.
    WebSocketServer.prototype[captureRejectionSymbol] = function failOne(error, event, ...args) {
      const [socket]: unknown[] = args;
      if (socket instanceof ServerSocket) endpointOf(socket).onThrown(error);
      else if (event === 'error') warn(error);
      else this.tellError(asError(error));
    };
  }

  // ── What is open ──────────────────────────────────────────────────────────────────────────

  /** The connections that are open or closing. */
  get sockets(): ReadonlySet<AnyServerSocket> {
    return this.#sockets;
  }

  /** Where the server listens, or the http server that it is attached to; null where it does not. */
  address(): AddressInfo | string | null {
    if (this.#listener !== null) return this.#listener.address();
    const [attached] = this.#attached;
    return attached?.address() ?? null;
  }

  // ── Where connections come from ───────────────────────────────────────────────────────────

  /**
   * Takes the connections of a path. Routes are asked in the order in which they were added; the
   * first whose pattern fits and whose `upgrade` does not say `next()` has it.
   *
   * @param pattern - `/chat/:room`, `/files/*`, or `*`
   * @param upgrade - the hook of that name may stand before the others: then the type of
   *   `socket.data` is inferred from it, whatever the order of the others
   * @throws {TypeError | RangeError} for a pattern, a hook or an option that cannot be
   */
  route<Data = undefined, const Pattern extends string = string>(
    pattern: Pattern,
    hooks: RouteHooks<Data, ParamsOf<Pattern>>,
  ): this;
  route<Data = undefined, const Pattern extends string = string>(
    pattern: Pattern,
    upgrade: UpgradeHook<Data, ParamsOf<Pattern>>,
    hooks: Omit<RouteHooks<Data, ParamsOf<Pattern>>, 'upgrade'>,
  ): this;
  route(pattern: string, first: unknown, hooks?: object): this {
    // A socket goes to the hooks of the route that took it, with the data of its own `upgrade`.
    const isUpgrade = typeof first === 'function';
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const all = (isUpgrade ? (hooks ?? {}) : first) as AnyHooks;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    this.addRoute(pattern, all, isUpgrade ? (first as AnyHooks['upgrade']) : undefined);
    return this;
  }

  private addRoute(pattern: string, hooks: AnyHooks, upgrade?: AnyHooks['upgrade']): void {
    this.#gate.routes.push(this.createRoute(pattern, hooks, upgrade));
  }

  private createRoute(
    pattern: string | null,
    hooks: AnyHooks,
    upgrade?: AnyHooks['upgrade'],
  ): Route {
    const { socket, subprotocols } = this.#options;
    return new Route(pattern, hooks, upgrade, socket, subprotocols);
  }

  /**
   * Listens on sockets of our own. Resolves when connections can come.
   *
   * @param where - a port, or more than that
   * @param host - the address. Default: all addresses
   * @throws {TypeError | RangeError} for what is neither
   * @throws {Error} where the address cannot be had, or the server listens already or is closing
   */
  async listen(where: number | string | ListenOptions, host?: string): Promise<void> {
    refuseCallback('listen', arguments, WAIT_FOR_PROMISE);
    if (this.#starting !== null) throw new Error('the server listens already');
    if (this.#closing !== null) throw new Error('the server is closing');
    const options = readListenOptions(where, host);
    if (options.proxyProtocol === true && !this.#gate.callers.mayHaveProxies) {
      throw new TypeError('proxyProtocol needs trustedProxies: else anybody could be anybody');
    }
    this.#gate.isClosing = false;
    this.#starting = Listener.open(this.#gate, options, this.#options.handshakeTimeout);
    try {
      this.#listener = await this.#starting;
    } catch (error) {
      this.#starting = null;
      throw error;
    }
    this.tell('listening');
  }

  /**
   * Takes the upgrades of an http or https server, as far as routes fit them. Others may be attached
   * to it as well, and may listen for its `upgrade`: what fits nobody gets 404, where nobody else
   * listens; otherwise it is theirs.
   *
   * @throws {TypeError} for what is no server of Node, such as an application of Express
   * @throws {Error} while the server is closing
   */
  attach(server: HttpServer): this {
    // (Such an application is an emitter too, on which nothing would ever come.)
    if (!(server instanceof NetServer)) {
      throw new TypeError('attach takes the http server, as http.createServer(app) returns it');
    }
    if (this.#closing !== null) throw new Error('the server is closing');
    if (this.#attached.has(server)) return this;
    this.#gate.isClosing = false;
    Registry.attach(server, this.#gate);
    this.#attached.add(server);
    return this;
  }

  /**
   * Takes a request that an http server has read: call it from its `upgrade` event. What does not
   * fit is answered and closed.
   *
   * @param head - what came behind the request
   * @returns the socket, after the hook `open` and the event `connection`. Rejects with a
   *   `HandshakeError` where there will be none; who does not look at it need not catch.
   * @throws {TypeError} for a callback
   */
  handleUpgrade(request: IncomingMessage, transport: Duplex, head: Buffer): Promise<ServerSocket> {
    refuseCallback('handleUpgrade', arguments, 'its promise resolves with the socket');
    return this.#gate.handle(request, transport, head);
  }

  private open(
    { route, request, acceptance }: Decision,
    transport: Duplex,
    agreement: Agreement,
    rest: Buffer,
  ): ServerSocket {
    const place = new OpenSocket(this.#sockets, route.hooks);
    const socket = new ServerSocket({
      role: 'server',
      transport,
      // Only of the sockets of Node is it known that they do not keep what they were given.
      options: transport instanceof NetSocket ? route.netOptions : route.options,
      data: acceptance.data,
      protocol: agreement.protocol,
      extensions: agreement.extensions,
      deflate: agreement.deflate,
      hooks: route.hooks,
      owner: place,
      request,
      route: place,
      hub: this.#hub,
    });
    this.#sockets.add(place, socket);
    this.#gate.callers.enterFrom(socket, request);
    const endpoint = endpointOf(socket);
    try {
      this.emit('connection', socket, request);
    } catch (error) {
      // The handshake is over: from here on it is the socket that fails.
      endpoint.onThrown(error);
    }
    endpoint.open(rest);
    settleRequest(request);
    return socket;
  }

  private release(socket: AnyServerSocket): void {
    this.#topics.release(socket);
    this.#gate.callers.leave(socket);
    if (this.#sockets.size > 0 || this.#onEmpty.length === 0) return;
    for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  // ── Sending to many ───────────────────────────────────────────────────────────────────────

  /**
   * Frames a message once, to be sent to many sockets by `send`. `broadcast` and `publish` do so by
   * themselves.
   *
   * @param data - a string becomes a text, bytes a binary. They are copied.
   * @throws {TypeError} for anything else
   */
  prepare(data: string | Bytes): PreparedMessage {
    return new PreparedMessage(data);
  }

  /**
   * Sends a message to all sockets.
   *
   * @returns how many it was sent to
   * @throws {TypeError} as {@link prepare}, for an option that there is not, for a `filter` that is
   *   async, and whatever it throws
   */
  broadcast(data: string | Bytes | PreparedMessage, options: BroadcastOptions = {}): number {
    checkNames(options, BROADCAST_OPTION_NAMES, 'broadcast');
    const { except, filter } = options;
    const message = data instanceof PreparedMessage ? data : new PreparedMessage(data, true);
    let count = 0;
    this.#sockets.forEach((socket) => {
      if (socket === except || (filter !== undefined && !this.passes(filter, socket))) return;
      if (socket.readyState !== READY_STATE.OPEN) return;
      socket.send(message);
      count++;
    });
    return count;
  }

  /** A promise is no answer: as a yes it would let everybody through, whatever it comes to. */
  private passes(filter: (socket: AnyServerSocket) => unknown, socket: AnyServerSocket): boolean {
    const answer = filter(socket);
    if (!isPromiseLike(answer)) return Boolean(answer);
    Promise.resolve(answer).then(undefined, (error) => this.tellError(asError(error)));
    throw new TypeError('the filter of broadcast answers true or false, and not later');
  }

  /**
   * Sends a message to all sockets that have subscribed to a topic.
   *
   * @returns how many it was sent to
   * @throws {TypeError} as {@link prepare}, for a topic that is no string or an empty one, and for
   *   an option that there is not
   */
  publish(
    topic: string,
    data: string | Bytes | PreparedMessage,
    options: PublishOptions = {},
  ): number {
    checkNames(options, PUBLISH_OPTION_NAMES, 'publish');
    const message = this.#topics.prepare(topic, data);
    return this.#topics.publish(topic, message, options.except, (error) => {
      this.tellError(asError(error));
    });
  }

  /**
   * Calls `handler` for what is published to a topic, by the server or by a socket.
   *
   * @returns what takes that back
   * @throws {TypeError} for a topic that is no string, or an empty one
   */
  subscribe(topic: string, handler: TopicHandler): () => void {
    return this.#topics.handle(topic, handler);
  }

  // ── Closing ───────────────────────────────────────────────────────────────────────────────

  /**
   * Accepts no more: stops listening, and refuses upgrades with 503, those too that are in their
   * handshake. Sockets that are open stay so; {@link shutdown} closes them.
   *
   * @returns when the last socket has ended
   * @throws {TypeError} for a callback
   */
  close(): Promise<void> {
    refuseCallback('close', arguments, WAIT_FOR_PROMISE);
    this.#closing ??= this.end().finally(() => {
      this.#closing = null;
      this.tell('close');
    });
    return this.#closing;
  }

  private async end(): Promise<void> {
    this.#gate.close();
    // A listener that has not begun yet cannot end: `listen` tells how that went.
    await Promise.allSettled([this.#starting]);
    const listening = this.#listener?.close();
    this.#listener = null;
    this.#starting = null;
    await this.becomeEmpty();
    this.#gate.destroy();
    await listening;
    for (const server of this.#attached) Registry.detach(server, this.#gate);
    this.#attached.clear();
  }

  /**
   * Ends gracefully: accepts no more, calls the hook `shutdown` of each socket, and closes them in
   * batches.
   *
   * @returns what happened, when the last socket has ended
   * @throws {TypeError | RangeError} for an option that cannot be
   */
  async shutdown(options: ShutdownOptions = {}): Promise<ShutdownResult> {
    const resolved = resolveShutdown(options);
    const closed = this.close();
    const result = await closeAll(
      [...this.#sockets],
      (socket) => this.tellShutdown(socket),
      resolved,
    );
    this.#gate.destroy();
    await closed;
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  private tellShutdown(socket: AnyServerSocket): Promise<void> {
    const told = this.#told.get(socket) ?? this.callShutdown(socket);
    this.#told.set(socket, told);
    return told;
  }

  private async callShutdown(socket: AnyServerSocket): Promise<void> {
    const { hooks } = routeOf(socket);
    try {
      await hooks.shutdown?.(socket);
    } catch (error) {
      endpointOf(socket).onThrown(error);
    }
  }

  private becomeEmpty(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#sockets.size === 0) resolve();
      else this.#onEmpty.push(resolve);
    });
  }

  /** What a listener throws is no reason why this should not have happened. */
  private tell(event: 'listening' | 'close'): void {
    try {
      this.emit(event);
    } catch (error) {
      this.tellError(asError(error));
    }
  }

  /** An 'error' that nobody listens to would end the process, and so would a listener that throws. */
  private tellError(error: Error, socket?: unknown): void {
    if (this.listenerCount('error') === 0) {
      warn(error);
      return;
    }
    try {
      if (socket instanceof ServerSocket) this.emit('error', error, socket);
      else this.emit('error', error);
    } catch (thrown) {
      warn(thrown);
    }
  }
}
