/**
 * The request of an opening handshake, as an application sees it.
 *
 * @module
 */

import type { Duplex } from 'node:stream';
import type { HandshakeRequest } from '../handshake/accept.ts';
import { parseCookies } from '../handshake/cookie.ts';
import type { Extension } from '../extension/extension.ts';
import { parseExtensions } from '../handshake/extensions-header.ts';
import type { HeaderFields } from '../handshake/fields.ts';
import { parseSubprotocols } from '../handshake/subprotocol.ts';
import type { Params } from './pattern.ts';

/** Header fields by name in lower case, without prototype. What came many times is joined. */
export type RequestHeaders = Readonly<Record<string, string | undefined>>;

/** Where an upgrade stands: the side of it that a request asks. */
export interface UpgradeProgress {
  /** Aborted when the client leaves, or `handshakeTimeout` is over, before there is an answer. */
  readonly signal: AbortSignal;
}

/** The request has its answer. Not a method, since it is not for applications. */
export let settleRequest: (request: UpgradeRequest<unknown>) => void;

/** A request that fits the rules of the handshake, from a host and an origin that are allowed. */
export class UpgradeRequest<P = Params> {
  /** Path and query. */
  readonly url: string;
  /**
   * The value of Host: a name or an address, and perhaps a port. Behind a trusted proxy it is that
   * of the client, where the proxy tells.
   */
  readonly host: string;
  /** What the pattern of the route names in the path, percent-decoded. */
  readonly params: P;
  /**
   * The transport: a `net.Socket`, or a `tls.TLSSocket`, of which one may ask for the certificate
   * of the client. It is not for reading or writing.
   */
  readonly socket: Duplex;
  /** The header fields in the order in which they came, with those that came more than once. */
  readonly fields: HeaderFields;
  #headers: RequestHeaders | null = null;
  /** Null when there is an answer. */
  #progress: UpgradeProgress | null;

  /** Requests come from a server. */
  constructor(handshake: HandshakeRequest, progress: UpgradeProgress, socket: Duplex, params: P) {
    this.url = handshake.target;
    this.host = handshake.host;
    this.fields = handshake.fields;
    this.params = params;
    this.socket = socket;
    this.#progress = progress;
  }

  static {
    // It is kept as long as its socket, and then it should be small.
    settleRequest = (request) => {
      request.#progress = null;
      request.#headers = null;
      request.fields.pack();
      // Asked once, it is known after the end too.
      void request.remoteAddress;
    };
  }

  /** The path as it was sent, percent-encoded. */
  get path(): string {
    return pathOf(this.url);
  }

  get query(): URLSearchParams {
    return new URLSearchParams(this.url.slice(this.path.length));
  }

  /** The header fields by name: `request.headers['user-agent']`. {@link fields} has each alone. */
  get headers(): RequestHeaders {
    this.#headers ??= headersOf(this.fields);
    return this.#headers;
  }

  /** The cookies by name, without prototype (RFC 6265, section 4.2). */
  get cookies(): Readonly<Record<string, string | undefined>> {
    return parseCookies(this.fields.getAll('cookie'));
  }

  /** The value of Origin; undefined where the client is no browser. */
  get origin(): string | undefined {
    return this.fields.get('origin');
  }

  /** The subprotocols that the client offers, the one it likes best first. */
  get protocols(): readonly string[] {
    return parseSubprotocols(this.fields.getAll('sec-websocket-protocol')) ?? [];
  }

  /** The extensions that the client offers. */
  get extensions(): readonly Extension[] {
    return parseExtensions(this.fields.getAll('sec-websocket-extensions')) ?? [];
  }

  /**
   * The address of the client: of the peer, or by what a trusted proxy says (`trustedProxies`). That
   * of the peer, whoever it is, has `socket.remoteAddress`. Undefined on a Unix socket, and where a
   * client had left before it was accepted, with its request behind it: with `trustedProxies` or
   * `maxConnectionsPerAddress` nobody is asked about those.
   */
  get remoteAddress(): string | undefined {
    // (A socket of Node remembers what it was asked while it was open.)
    return remoteAddressOf(this.socket);
  }

  /** Whether the client has come by TLS: to us, or by what a trusted proxy says. */
  get isSecure(): boolean {
    return 'encrypted' in this.socket && this.socket.encrypted === true;
  }

  /**
   * Aborted when the client leaves, or `handshakeTimeout` is over, before there is an answer. What a
   * listener of it throws becomes an uncaught exception, as Node does with every `EventTarget`.
   */
  get signal(): AbortSignal {
    return this.#progress?.signal ?? new AbortController().signal;
  }
}

/** What is known of a client that a proxy may have spoken for. */
interface KnownCaller {
  readonly address: string | undefined;
  readonly isSecure: boolean | undefined;
}

/** The same where proxies are trusted: a class of its own, since others need not keep the answer. */
export class ForwardedRequest<P = Params> extends UpgradeRequest<P> {
  readonly #address: string | undefined;
  readonly #isSecure: boolean;

  constructor(
    handshake: HandshakeRequest,
    progress: UpgradeProgress,
    socket: Duplex,
    params: P,
    caller: KnownCaller,
  ) {
    super(handshake, progress, socket, params);
    this.#address = caller.address;
    this.#isSecure = caller.isSecure ?? super.isSecure;
  }

  override get remoteAddress(): string | undefined {
    return this.#address;
  }

  override get isSecure(): boolean {
    return this.#isSecure;
  }
}

/** The address of the peer; undefined where the transport has none. */
export function remoteAddressOf(transport: Duplex): string | undefined {
  return 'remoteAddress' in transport && typeof transport.remoteAddress === 'string'
    ? transport.remoteAddress
    : undefined;
}

/** A target less its query. */
export function pathOf(target: string): string {
  const question = target.indexOf('?');
  return question === -1 ? target : target.slice(0, question);
}

function headersOf(fields: HeaderFields): RequestHeaders {
  const headers: Record<string, string | undefined> = { __proto__: null! };
  for (const [name, value] of fields) {
    const before = headers[name];
    // RFC 9110, section 5.2; and RFC 9113, section 8.2.3, for the one field that is no list.
    const separator = name === 'cookie' ? '; ' : ', ';
    headers[name] = before === undefined ? value : `${before}${separator}${value}`;
  }
  return headers;
}
