/**
 * Who is at the other end of a transport: the peer, or whom a trusted proxy speaks for; and how many
 * come from each address. It knows what proxies say before a request and in it, and answers nobody.
 *
 * @module
 */

import { Socket as NetSocket } from 'node:net';
import type { Duplex } from 'node:stream';
import { isPromiseLike } from '../connection/waiters.ts';
import { asError } from '../errors.ts';
import { type HandshakeRequest, isHost } from '../handshake/accept.ts';
import type { HeaderFields } from '../handshake/fields.ts';
import { type ForwardedFields, readHops } from '../handshake/forwarded.ts';
import { refusal } from '../handshake/refusal.ts';
import { addressOfNode, normalizeAddress } from './address.ts';
import { AddressCount } from './address-count.ts';
import { type UpgradeRequest, remoteAddressOf } from './request.ts';
import type { ProxyTrust } from './trusted-proxies.ts';

/** Who is at the other end, as far as it is known. */
export interface Caller {
  /** Undefined on a Unix socket. */
  readonly address: string | undefined;
  /** It is a proxy, and its request will tell for whom it speaks. */
  readonly isProxy: boolean;
  /** What the client has asked the first trusted proxy for, where that is told. */
  readonly host: string | undefined;
  /** Whether it reached that proxy by TLS, where that is told. */
  readonly isSecure: boolean | undefined;
}

/** What is in its handshake. */
interface Called {
  readonly transport: Duplex;
  caller: Caller | null;
}

export interface CallersOptions {
  /** Null where no proxy is. */
  readonly proxyTrust: ProxyTrust | null;
  readonly forwardedFields: ForwardedFields;
  readonly maxConnectionsPerAddress: number;
}

const SCHEMES: ReadonlyMap<string | undefined, boolean> = new Map([
  ['https', true],
  ['wss', true],
  ['http', false],
  ['ws', false],
]);

export class Callers {
  readonly #trust: ProxyTrust | null;
  readonly #fields: ForwardedFields;
  /** Null where any number may come from an address. */
  readonly #count: AddressCount | null;
  readonly #onError: (error: Error) => void;

  /** @param onError - is told what a function of the application throws that decides about proxies */
  constructor(options: CallersOptions, onError: (error: Error) => void) {
    const { maxConnectionsPerAddress: max } = options;
    this.#trust = options.proxyTrust;
    this.#fields = options.forwardedFields;
    this.#count = max < Number.POSITIVE_INFINITY ? new AddressCount(max) : null;
    this.#onError = onError;
  }

  /** Whether the peer of a transport is a proxy that is trusted. */
  isProxy(transport: Duplex): boolean {
    const address = remoteAddressOf(transport);
    if (address !== undefined) return this.trusts(normalizeAddress(address) ?? address);
    // Who has left already has no address either.
    return isUnixSocket(transport) && this.trusts(undefined);
  }

  /**
   * Whether nobody can say who it was, since it has left: what it has asked for is still in the
   * kernel, but it has no address any more, as on a Unix socket. Where no address matters, that is
   * not asked for.
   */
  hasLeft(transport: Duplex): boolean {
    if (this.#count === null && this.#trust === null) return false;
    if (!(transport instanceof NetSocket) || transport.remoteAddress !== undefined) return false;
    return !isUnixSocket(transport);
  }

  /** Whether any proxy may be trusted. */
  get mayHaveProxies(): boolean {
    return this.#trust !== null;
  }

  /**
   * Who is at the other end before there is a request; null where no proxy is trusted, so that it
   * is the peer, and nothing else can become of it.
   *
   * @param source - for whom the peer speaks by the PROXY protocol; null where it does not say. Then
   *   nobody knows whose the request is, and what that says of a client is not believed.
   */
  peerOf(transport: Duplex, source?: string | null): Caller | null {
    if (this.#trust === null) return null;
    const own = remoteAddressOf(transport);
    const known = { host: undefined, isSecure: undefined };
    if (typeof source === 'string') {
      return { address: source, isProxy: this.trusts(source), ...known };
    }
    const address = own === undefined ? undefined : (normalizeAddress(own) ?? own);
    return { address, isProxy: source === undefined && this.isProxy(transport), ...known };
  }

  /**
   * Who is at the other end, by what a proxy says of it in the fields of a request. Each of them
   * is believed as far as the one behind it is trusted: the last that is said of somebody else is
   * the client. What cannot be read ends there, and is nobody.
   */
  clientOf(peer: Caller, fields: HeaderFields): Caller {
    let { address, host, isSecure } = peer;
    if (!peer.isProxy) return peer;
    for (const hop of readHops(fields, this.#fields)) {
      if (hop.host !== undefined && isHost(hop.host)) host = hop.host;
      isSecure = SCHEMES.get(hop.scheme) ?? isSecure;
      const node = hop.node === undefined ? null : addressOfNode(hop.node);
      if (node === null) break;
      address = node;
      if (!this.trusts(node)) break;
    }
    return { address, isProxy: false, host, isSecure };
  }

  /**
   * Finds out for whom a proxy asks, and counts it from then on.
   *
   * @returns the request that the client has sent
   * @throws {HandshakeError} where no more may come from there
   */
  recognize(called: Called, request: HandshakeRequest): HandshakeRequest {
    const { caller, transport } = called;
    if (caller === null || !caller.isProxy) return request;
    const client = this.clientOf(caller, request.fields);
    called.caller = client;
    if (!this.hasRoom(transport, client)) throw refusal('TOO_MANY_OF_CLIENT');
    this.enter(called, transport, client);
    return client.host === undefined ? request : { ...request, host: client.host };
  }

  /**
   * Whether one more may come from there.
   *
   * @param caller - a proxy may always: it is counted when it has told for whom it speaks
   */
  hasRoom(transport: Duplex, caller: Caller | null): boolean {
    return this.#count === null || this.#count.hasRoom(countedAddress(transport, caller));
  }

  /** Counts a connection until {@link leave} is called with the same. */
  enter(holder: object, transport: Duplex, caller: Caller | null): void {
    this.#count?.enter(holder, countedAddress(transport, caller));
  }

  /** The same for one whose request is known. */
  enterFrom(holder: object, request: UpgradeRequest): void {
    this.#count?.enter(holder, request.remoteAddress);
  }

  leave(holder: object): void {
    this.#count?.leave(holder);
  }

  private trusts(address: string | undefined): boolean {
    let answer: unknown = false;
    try {
      answer = this.#trust?.(address);
    } catch (error) {
      this.#onError(asError(error));
    }
    if (isPromiseLike(answer)) {
      // A promise is no yes, and what it rejects with must not end the process.
      Promise.resolve(answer).then(undefined, (error) => this.#onError(asError(error)));
    }
    return answer === true;
  }
}

function countedAddress(transport: Duplex, caller: Caller | null): string | undefined {
  if (caller === null) return remoteAddressOf(transport);
  return caller.isProxy ? undefined : caller.address;
}

function isUnixSocket(transport: Duplex): boolean {
  const isOpen = transport instanceof NetSocket && !transport.destroyed;
  return isOpen && transport.localAddress === undefined;
}
