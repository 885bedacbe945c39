/**
 * What an application does with the connections of a path: types of the hooks, and what the hook
 * `upgrade` may answer.
 *
 * @module
 */

import type { SocketHooks } from '../connection/socket-events.ts';
import {
  type ResolvedSocketOptions,
  SOCKET_OPTION_NAMES,
  type SocketOptions,
  checkNames,
  resolveSocketOptions,
} from '../connection/socket-options.ts';
import { type RefusalAnswer, refusalResponse } from '../handshake/accept.ts';
import type { CookieOptions } from '../handshake/cookie.ts';
import type { HeadersInput } from '../handshake/fields.ts';
import { areSubprotocols } from '../handshake/subprotocol.ts';
import { type Params, RoutePattern } from './pattern.ts';
import type { UpgradeRequest } from './request.ts';
import type { ServerSocket } from './server-socket.ts';

/** The upgrade is refused with an HTTP response. {@link refuse} makes it. */
export class Refusal {
  /** 300 to 599. */
  readonly status: number;
  /** The whole response. */
  readonly response: string;

  constructor(answer: RefusalAnswer) {
    this.status = answer.status;
    this.response = refusalResponse(answer);
  }
}

/**
 * What `upgrade` returns to refuse: `return refuse(401, { 'WWW-Authenticate': 'Basic' })`.
 *
 * @param status - 300 to 599
 * @param headers - such as Location
 * @param body - plain text, unless a Content-Type says otherwise
 * @throws {RangeError} for a status that refuses nothing
 * @throws {TypeError} for a header field that must not be sent
 */
export function refuse(status: number, headers: HeadersInput = {}, body: string = ''): Refusal {
  return new Refusal({ status, headers, body });
}

/** The upgrade is for one of the routes after this one. {@link next} gives it. */
export class Next {
  readonly isNext = true;
}

const NEXT: Next = new Next();

/** What `upgrade` returns to leave the request to the routes after its own. */
export function next(): Next {
  return NEXT;
}

/** What `upgrade` returns to accept. Nothing at all accepts too. */
export interface UpgradeAcceptance<Data> {
  /** Becomes `socket.data`. Where one way of accepting gives it, all should: none is undefined. */
  readonly data?: Data;
  /** Fields for the answer. */
  readonly headers?: HeadersInput | undefined;
  /** Cookies to set, by name (RFC 6265, section 4.1). */
  readonly cookies?: Readonly<Record<string, string | CookieOptions>> | undefined;
  /** One of the subprotocols that the client offers. Default: the first that the server speaks. */
  readonly protocol?: string | undefined;
  /** A `Response` is no acceptance: {@link refuse} refuses. */
  readonly status?: never;
}

/** The hook `upgrade`. */
export type UpgradeHook<Data, P> = (
  request: UpgradeRequest<P>,
) => UpgradeResult<Data> | Promise<UpgradeResult<Data>>;

// `void`, since a function that returns nothing accepts.
export type UpgradeResult<Data> = UpgradeAcceptance<Data> | Refusal | Next | undefined | void;

export interface RouteOptions extends SocketOptions {
  /** The subprotocols of this route. Default: those of the server. */
  readonly subprotocols?: readonly string[] | undefined;
}

/**
 * What to do with the connections of a route. Beside hooks, it may hold the options of its sockets,
 * such as `maxPayload`.
 */
export interface RouteHooks<Data, P> extends RouteOptions, SocketHooks<ServerSocket<Data, P>> {
  /**
   * Before the answer: who is it? Accepts, refuses, or leaves the request to another route. May be
   * async, within `handshakeTimeout`. What it throws becomes a 500.
   *
   * Write it before the other hooks, or give `request` its type, or give it to `route` by itself:
   * only then can the type of `socket.data` be inferred from what it returns.
   */
  readonly upgrade?: UpgradeHook<Data, P> | undefined;
  /** `server.shutdown` is about to close this socket; it waits for a promise, within its timeout. */
  readonly shutdown?: ((socket: ServerSocket<Data, P>) => unknown) | undefined;
}

/** Hooks of whatever types: what a server keeps of them. It calls each with what is its own. */
export interface AnyHooks extends RouteOptions, SocketHooks<unknown> {
  readonly upgrade?: ((request: UpgradeRequest) => unknown) | undefined;
  readonly shutdown?: ((socket: unknown) => unknown) | undefined;
}

/** A pattern with its hooks, and the options of its sockets. */
export class Route {
  /** Null for every path, even one that cannot be decoded. */
  readonly #pattern: RoutePattern | null;
  readonly hooks: AnyHooks;
  /** The hook of that name, wherever it was given. */
  readonly upgrade: ((request: UpgradeRequest) => unknown) | undefined;
  readonly options: ResolvedSocketOptions;
  /** The same for a `net.Socket`, which does not keep what it was given to write. */
  readonly netOptions: ResolvedSocketOptions;
  readonly subprotocols: readonly string[];

  /**
   * @param upgrade - where it was not given among the hooks
   * @param base - the options of the server
   * @throws {TypeError | RangeError} for a pattern, a hook or an option that cannot be
   */
  constructor(
    pattern: string | null,
    hooks: AnyHooks,
    upgrade: ((request: UpgradeRequest) => unknown) | undefined,
    base: ResolvedSocketOptions,
    subprotocols: readonly string[],
  ) {
    this.#pattern = pattern === null ? null : new RoutePattern(pattern);
    // An object of a class may have fields of its own.
    if (isPlain(hooks)) checkNames(hooks, NAMES, 'a route');
    if (upgrade !== undefined && hooks.upgrade !== undefined) {
      throw new TypeError('a route has one hook `upgrade`: before the others, or among them');
    }
    this.hooks = hooks;
    this.subprotocols = hooks.subprotocols ?? subprotocols;
    if (!areSubprotocols(this.subprotocols)) {
      throw new TypeError('subprotocols are unique tokens (RFC 6455, section 4.1)');
    }
    for (const name of HOOKS) {
      if (hooks[name] !== undefined && typeof hooks[name] !== 'function') {
        throw new TypeError(`the hook ${name} must be a function`);
      }
    }
    this.upgrade = upgrade ?? hooks.upgrade?.bind(hooks);
    if (hooks.message !== undefined && hooks.stream !== undefined) {
      throw new TypeError('a route takes messages whole, by `message`, or as streams, by `stream`');
    }
    this.options = resolveSocketOptions(optionsOf(hooks), base);
    this.netOptions = { ...this.options, mayOverwrite: true };
  }

  /** As it was written, for those who are told what went wrong where. */
  get pattern(): string {
    return this.#pattern?.source ?? '*';
  }

  /** What the path names, where the route takes it. */
  match(path: string): Params | null {
    return this.#pattern === null ? NO_PARAMS : this.#pattern.match(path);
  }
}

/** Whether it is written as `{ … }`, and not made by a class. */
function isPlain(hooks: unknown): boolean {
  if (typeof hooks !== 'object' || hooks === null) return true;
  const prototype: unknown = Object.getPrototypeOf(hooks);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

const NO_PARAMS: Params = Object.freeze({});

const HOOKS = [
  'upgrade',
  'open',
  'message',
  'stream',
  'ping',
  'pong',
  'drain',
  'excess',
  'error',
  'close',
  'shutdown',
] as const;

const NAMES: ReadonlySet<string> = new Set([...HOOKS, ...SOCKET_OPTION_NAMES, 'subprotocols']);

/** The options among hooks. */
function optionsOf(hooks: AnyHooks): SocketOptions {
  const names: ReadonlySet<string> = new Set(HOOKS);
  return Object.fromEntries(Object.entries(hooks).filter(([name]) => !names.has(name)));
}
