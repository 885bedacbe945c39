/**
 * The way into a server: every transport passes here, from the moment it is accepted, or handed
 * over, to its answer. Which host and origin may enter, how many may wait, what the routes decide.
 *
 * @module
 */

import type { IncomingMessage } from 'node:http';
import { Socket as NetSocket } from 'node:net';
import type { Duplex } from 'node:stream';
import { catchErrors } from '../connection/binding.ts';
import type { SocketInit } from '../connection/socket.ts';
import { isPromiseLike, quiet } from '../connection/waiters.ts';
import { HandshakeError, asError } from '../errors.ts';
import type { Extension } from '../extension/extension.ts';
import { answerOffers } from '../extension/deflate-params.ts';
import { PerMessageDeflate } from '../extension/permessage-deflate.ts';
import {
  type HandshakeRequest,
  acceptResponse,
  errorResponse,
  readRequest,
} from '../handshake/accept.ts';
import { formatCookie } from '../handshake/cookie.ts';
import { formatExtensions } from '../handshake/extensions-header.ts';
import { HeaderFields, checkHeaders } from '../handshake/fields.ts';
import type { RequestHead } from '../handshake/http1.ts';
import { refusal } from '../handshake/refusal.ts';
import { chooseSubprotocol } from '../handshake/subprotocol.ts';
import { Arrival, type ArrivalOwner, NOBODY, type Waiting } from './arrival.ts';
import { Arrivals } from './arrivals.ts';
import { type Caller, Callers } from './callers.ts';
import type { ListenerOwner } from './listener.ts';
import type { ResolvedServerOptions } from './options.ts';
import { refuse } from './refuse.ts';
import type { Upgrader } from './registry.ts';
import type { UpgradeRequest } from './request.ts';
import type { Refusal, Route, UpgradeAcceptance } from './route.ts';
import type { ServerSocket } from './server-socket.ts';
import { type Decision, Upgrade, type UpgradeOwner } from './upgrade.ts';

/** What the handshake has brought about, as a socket is told it. */
export type Agreement = Pick<SocketInit<unknown>, 'protocol' | 'extensions' | 'deflate'>;

/** What a {@link Gate} tells its server. */
export interface GateOwner {
  /** How many sockets are open. */
  countOpen(): number;
  /** The fields of an answer that is about to be sent. They may be changed. */
  onHeaders(headers: [name: string, value: string][], request: UpgradeRequest): void;
  /** The handshake is over: what comes from the transport now are frames, `rest` the first. */
  onOpen(decision: Decision, transport: Duplex, agreement: Agreement, rest: Buffer): ServerSocket;
  /** Something of the application threw, or the listener failed. */
  onError(error: Error): void;
  /** An http server that we are attached to listens. */
  onListening(): void;
}

/**
 * On what http servers have handed over: an answer goes out once. (Not a WeakSet of them, which is
 * work for each young collection: bench/servers.mjs, `open-http`.)
 */
const TAKEN: unique symbol = Symbol('taken');

function isTaken(transport: Duplex & { [TAKEN]?: boolean }): boolean {
  return transport[TAKEN] === true;
}

function setTaken(transport: Duplex & { [TAKEN]?: boolean }, isTakenNow: boolean): void {
  transport[TAKEN] = isTakenNow;
}

const NO_EXTENSIONS: readonly Extension[] = [];

export class Gate implements ListenerOwner, ArrivalOwner, UpgradeOwner, Upgrader {
  readonly #owner: GateOwner;
  readonly #options: ResolvedServerOptions;
  /** In the order in which they are asked. */
  readonly routes: Route[] = [];
  /** Takes every path, as long as there is no route. */
  readonly #anyRoute: readonly Route[];
  /** From now on everything is refused with 503, or not any more. */
  isClosing = false;
  /** From where they come, and how many from each address. */
  readonly callers: Callers;

  /** In their handshake. */
  readonly #arrivals = new Arrivals<Arrival>();
  /** How many are before that: in their TLS handshake, or before the header of the PROXY protocol. */
  #securing = 0;
  /** Transports that hear that they are refused. */
  readonly #refused = new Set<Duplex>();

  constructor(owner: GateOwner, options: ResolvedServerOptions, anyRoute: Route) {
    this.#owner = owner;
    this.#options = options;
    this.#anyRoute = [anyRoute];
    this.callers = new Callers(options.callers, (error) => owner.onError(error));
  }

  get handshakeTimeout(): number {
    return this.#options.handshakeTimeout;
  }

  /** Ends all that is in its handshake: with an answer, where there is one to wait for. */
  close(): void {
    this.isClosing = true;
    for (const arrival of this.#arrivals.all()) this.answer(arrival, refusal('CLOSING'));
  }

  /** Ends those too that do not leave. */
  destroy(): void {
    this.#arrivals.rest();
    for (const transport of this.#refused) transport.destroy();
  }

  // ── Who comes ─────────────────────────────────────────────────────────────────────────────

  mayAccept(transport: NetSocket, isSecuring: boolean): boolean {
    const hasLeft = this.callers.hasLeft(transport);
    const error = this.objectionTo(transport, this.callers.peerOf(transport));
    if (error === null && !hasLeft) return true;
    catchErrors(transport);
    // Before TLS there is nobody who would understand an answer.
    if (isSecuring || error === null) transport.destroy();
    else this.refuse(transport, errorResponse(error));
    return false;
  }

  onSecuring(transport: NetSocket): void {
    this.#securing++;
    this.callers.enter(transport, transport, this.callers.peerOf(transport));
  }

  onSecured(transport: NetSocket): void {
    this.#securing--;
    this.callers.leave(transport);
  }

  isProxy(transport: NetSocket): boolean {
    return this.callers.isProxy(transport);
  }

  onTransport(transport: NetSocket, timeout: number, source?: string | null): void {
    const arrival = new Arrival(transport, this, this.#options.head);
    arrival.caller = this.callers.peerOf(transport, source);
    this.#arrivals.add(arrival, timeout);
    // Whoever comes by the PROXY protocol was a proxy until now, and not counted as anybody.
    if (source !== undefined && !this.callers.hasRoom(transport, arrival.caller)) {
      this.answer(arrival, refusal('TOO_MANY_OF_CLIENT'));
      return;
    }
    this.callers.enter(arrival, transport, arrival.caller);
  }

  /** Why one more may not come; null where it may. */
  private objectionTo(transport: Duplex, caller: Caller | null): HandshakeError | null {
    const { maxPendingUpgrades, maxConnections } = this.#options;
    const pending = this.#arrivals.size + this.#securing;
    if (pending >= maxPendingUpgrades) return refusal('TOO_MANY_PENDING');
    if (pending + this.#owner.countOpen() >= maxConnections) {
      return refusal('TOO_MANY_OPEN');
    }
    return this.callers.hasRoom(transport, caller) ? null : refusal('TOO_MANY_OF_CLIENT');
  }

  onError(error: Error): void {
    this.#owner.onError(error);
  }

  onListening(): void {
    this.#owner.onListening();
  }

  takes(path: string): boolean {
    return this.routes.length === 0 || this.routes.some((route) => route.match(path) !== null);
  }

  /** A request that an http server has read, of which the routes may take it or leave it. */
  upgrade(
    request: IncomingMessage,
    transport: Duplex,
    head: Buffer,
    onPassed: (rest: Buffer) => void,
  ): void {
    this.take(request, transport, head, { onPassed });
  }

  /** A request that the application hands over. */
  handle(request: IncomingMessage, transport: Duplex, head: Buffer): Promise<ServerSocket> {
    return quiet(
      new Promise((resolve, reject) => {
        this.take(request, transport, head, { resolve, reject });
      }),
    );
  }

  private take(request: IncomingMessage, transport: Duplex, head: Buffer, waiting: Waiting): void {
    if (isTaken(transport)) {
      waiting.reject?.(new TypeError('this transport was handed over before'));
      return;
    }
    setTaken(transport, true);
    if (transport instanceof NetSocket) {
      if (transport.timeout !== undefined && transport.timeout > 0) transport.setTimeout(0);
      transport.setNoDelay();
    }
    const arrival = new Arrival(transport, this, null, head, waiting);
    arrival.caller = this.callers.peerOf(transport);
    const error = this.objectionTo(transport, arrival.caller);
    this.#arrivals.add(arrival, this.#options.handshakeTimeout);
    if (transport.destroyed || this.callers.hasLeft(transport)) {
      arrival.finish();
      transport.destroy();
      this.onLeft(arrival);
    } else if (error !== null) {
      this.answer(arrival, error, request.method);
    } else {
      this.callers.enter(arrival, transport, arrival.caller);
      this.onHead(arrival, {
        method: request.method ?? '',
        target: request.url ?? '',
        minorVersion: request.httpVersionMinor,
        fields: HeaderFields.fromRaw(request.rawHeaders),
      });
    }
  }

  // ── ArrivalOwner ──────────────────────────────────────────────────────────────────────────

  onHead(arrival: Arrival, head: RequestHead): void {
    let handshake: HandshakeRequest;
    try {
      handshake = this.check(arrival, head);
    } catch (error) {
      // What breaks a rule is answered by the table, and there is nothing else to go wrong.
      if (error instanceof HandshakeError) this.answer(arrival, error, head.method);
      else this.fail(arrival, error);
      return;
    }
    let isAllowed: unknown;
    try {
      const isSecure = arrival.caller?.isSecure;
      isAllowed = this.#options.isOriginAllowed(handshake.origin, handshake.host, isSecure);
    } catch (error) {
      this.fail(arrival, error);
      return;
    }
    if (isPromiseLike(isAllowed)) {
      // A promise is no yes, and what it rejects with must not end the process.
      Promise.resolve(isAllowed).then(undefined, (error) => this.#owner.onError(asError(error)));
    }
    if (isAllowed !== true) {
      this.answer(arrival, refusal('ORIGIN'));
      return;
    }
    const routes = this.routes.length === 0 ? this.#anyRoute : this.routes;
    new Upgrade(arrival, handshake, routes, this).decide();
  }

  onRefused(arrival: Arrival, error: HandshakeError, method?: string): void {
    this.answer(arrival, error, method);
  }

  onLeft(arrival: Arrival): void {
    this.forget(arrival).reject?.(refusal('LEFT'));
  }

  private check(arrival: Arrival, head: RequestHead): HandshakeRequest {
    if (this.isClosing) throw refusal('CLOSING');
    const { head: limits, isHostAllowed } = this.#options;
    // Again, since an http.Server has read it by limits of its own.
    if (head.target.length > limits.maxTargetSize) throw refusal('TARGET_TOO_LONG');
    if (head.fields.size > limits.maxHeaderFields) throw refusal('TOO_MANY_FIELDS');
    const request = this.callers.recognize(arrival, readRequest(head));
    if (!isHostAllowed(request.host)) throw refusal('HOST_FORBIDDEN');
    return request;
  }

  // ── UpgradeOwner ──────────────────────────────────────────────────────────────────────────

  onAccepted({ arrival, handshake }: Upgrade, decision: Decision): void {
    const { transport } = arrival;
    if (this.hasGone(arrival)) return;
    let response: string;
    let agreement: Agreement;
    try {
      const { route, acceptance, request } = decision;
      const subprotocol =
        acceptance.protocol ?? chooseSubprotocol(handshake.subprotocols, route.subprotocols);
      const headers = headersOf(acceptance);
      this.#owner.onHeaders(headers, request);
      const options = route.options.deflate;
      const answer = options === null ? null : answerOffers(handshake.extensions, options);
      const extensions = answer === null ? NO_EXTENSIONS : [answer.extension];
      response = acceptResponse(handshake, { subprotocol, extensions, headers });
      agreement = {
        protocol: subprotocol ?? '',
        extensions: formatExtensions(extensions),
        deflate:
          answer === null || options === null
            ? undefined
            : new PerMessageDeflate(options, answer.terms),
      };
    } catch (error) {
      this.fail(arrival, error);
      return;
    }
    if (this.hasGone(arrival)) return;
    const waiting = this.forget(arrival);
    transport.write(response, 'latin1');
    const rest = arrival.handOver();
    const socket = this.#owner.onOpen(decision, transport, agreement, rest);
    waiting.resolve?.(socket);
  }

  /** The application was called, and may have ended all of it: the transport, or the server. */
  private hasGone(arrival: Arrival): boolean {
    if (arrival.isOver) return true;
    const { transport } = arrival;
    if (!transport.destroyed && transport.writable) return false;
    arrival.finish(refusal('LEFT'));
    transport.destroy();
    this.onLeft(arrival);
    return true;
  }

  onRefusal({ arrival }: Upgrade, { status, response }: Refusal): void {
    this.send(arrival, response, refusal('REFUSED', status));
  }

  onPassed({ arrival }: Upgrade): void {
    const { onPassed } = this.#arrivals.has(arrival) ? arrival.waiting : NOBODY;
    if (onPassed === undefined) {
      this.answer(arrival, refusal('NOT_FOUND'));
      return;
    }
    this.forget(arrival);
    setTaken(arrival.transport, false);
    onPassed(arrival.finish());
  }

  onFailed({ arrival }: Upgrade, error: unknown): void {
    this.fail(arrival, error);
  }

  // ── Answers ───────────────────────────────────────────────────────────────────────────────

  /** The application threw, whatever it was: even one of our own errors was not meant for this. */
  private fail(arrival: Arrival, error: unknown): void {
    this.answer(arrival, refusal('INTERNAL'));
    this.#owner.onError(asError(error));
  }

  private answer(arrival: Arrival, error: HandshakeError, method?: string): void {
    this.send(arrival, errorResponse(error, method), error);
  }

  private send(arrival: Arrival, response: string, error: HandshakeError): void {
    const { transport } = arrival;
    // It may have an answer already, or nobody to hear one.
    if (!this.#arrivals.has(arrival)) return;
    const waiting = this.forget(arrival);
    arrival.finish(error);
    this.refuse(transport, response);
    waiting.reject?.(error);
  }

  /** Patiently, as long as not too many are refused so: they are counted nowhere else. */
  private refuse(transport: Duplex, response: string): void {
    const isPatient = this.#refused.size < this.#options.maxPendingUpgrades;
    this.#refused.add(transport);
    transport.once('close', () => this.#refused.delete(transport));
    if (!isPatient) transport.once('finish', () => transport.destroy());
    refuse(transport, response, this.#options.socket.closeTimeout);
  }

  private forget(arrival: Arrival): Waiting {
    if (!this.#arrivals.delete(arrival)) return NOBODY;
    this.callers.leave(arrival);
    return arrival.waiting;
  }
}

function headersOf({
  headers,
  cookies,
}: UpgradeAcceptance<unknown>): [name: string, value: string][] {
  const fields = headers === undefined ? [] : checkHeaders(headers);
  if (cookies === undefined) return fields;
  for (const [name, cookie] of Object.entries(cookies)) {
    fields.push(['Set-Cookie', formatCookie(name, cookie)]);
  }
  return fields;
}
