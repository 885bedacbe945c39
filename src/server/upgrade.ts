/**
 * One upgrade: which route takes it, and what its hook decides. Nothing is awaited where nothing is
 * async: most upgrades are decided in the turn in which their request comes.
 *
 * @module
 */

import { isPromiseLike } from '../connection/waiters.ts';
import type { HandshakeRequest } from '../handshake/accept.ts';
import type { Arrival } from './arrival.ts';
import type { Params } from './pattern.ts';
import { ForwardedRequest, UpgradeRequest, pathOf } from './request.ts';
import { Next, Refusal, type Route, type UpgradeAcceptance } from './route.ts';

/** What an {@link Upgrade} tells its server. One of them is called, unless the client leaves. */
export interface UpgradeOwner {
  onAccepted(upgrade: Upgrade, decision: Decision): void;
  onRefusal(upgrade: Upgrade, refusal: Refusal): void;
  /** No route takes it. */
  onPassed(upgrade: Upgrade): void;
  /** A hook threw, or rejected. */
  onFailed(upgrade: Upgrade, error: unknown): void;
}

/** A route that has accepted, and with what. */
export interface Decision {
  readonly route: Route;
  readonly request: UpgradeRequest;
  readonly acceptance: UpgradeAcceptance<unknown>;
}

const NOTHING: UpgradeAcceptance<unknown> = {};

export class Upgrade {
  readonly arrival: Arrival;
  readonly handshake: HandshakeRequest;
  readonly #owner: UpgradeOwner;
  readonly #routes: readonly Route[];

  constructor(
    arrival: Arrival,
    handshake: HandshakeRequest,
    routes: readonly Route[],
    owner: UpgradeOwner,
  ) {
    this.arrival = arrival;
    this.handshake = handshake;
    this.#routes = routes;
    this.#owner = owner;
  }

  /** Asks the routes in their order, from the one at `from` on. */
  decide(from: number = 0): void {
    const path = pathOf(this.handshake.target);
    for (let at = from; at < this.#routes.length; at++) {
      const route = this.#routes[at]!;
      const params = route.match(path);
      if (params === null) continue;
      const request = this.requestOf(params);
      let result: unknown;
      let isLater: boolean;
      try {
        result = route.upgrade?.(request);
        isLater = isPromiseLike(result);
      } catch (error) {
        this.#owner.onFailed(this, error);
        return;
      }
      if (isLater) {
        Promise.resolve(result).then(
          (settled) => this.settleLater(settled, route, request, at),
          (error: unknown) => this.failLater(error),
        );
        return;
      }
      if (result !== undefined && result instanceof Next) continue;
      this.settle(result, route, request);
      return;
    }
    this.#owner.onPassed(this);
  }

  private settleLater(result: unknown, route: Route, request: UpgradeRequest, at: number): void {
    // It took too long, or the client has left.
    if (this.arrival.isOver) return;
    if (result instanceof Next) this.decide(at + 1);
    else this.settle(result, route, request);
  }

  private failLater(error: unknown): void {
    // Nobody waits for the answer any more: most likely, this is what the signal has brought about.
    if (this.arrival.isOver) return;
    this.#owner.onFailed(this, error);
  }

  private settle(result: unknown, route: Route, request: UpgradeRequest): void {
    if (result === undefined) {
      this.#owner.onAccepted(this, { route, request, acceptance: NOTHING });
    } else if (result instanceof Refusal) {
      this.#owner.onRefusal(this, result);
    } else if (isAcceptance(result)) {
      this.accept(result, route, request);
    } else {
      this.#owner.onFailed(
        this,
        new TypeError(
          `the hook upgrade of ${route.pattern} returned ${nameOf(result)}: \`return refuse(403)\` to refuse; to accept, return nothing or { data, headers, cookies, protocol }; or next()`,
        ),
      );
    }
  }

  private accept(given: UpgradeAcceptance<unknown>, route: Route, request: UpgradeRequest): void {
    let acceptance: UpgradeAcceptance<unknown>;
    try {
      // Read once, while there is somebody who catches what it throws.
      acceptance = { ...given };
    } catch (error) {
      this.#owner.onFailed(this, error);
      return;
    }
    this.#owner.onAccepted(this, { route, request, acceptance });
  }

  private requestOf(params: Params): UpgradeRequest {
    const { handshake, arrival } = this;
    const { transport, caller } = arrival;
    return caller === null
      ? new UpgradeRequest(handshake, arrival, transport, params)
      : new ForwardedRequest(handshake, arrival, transport, params, caller);
  }
}

/** What was returned, without what is in it: that may be a secret. */
function nameOf(result: unknown): string {
  if (typeof result === 'boolean' || result === null) return String(result);
  if (typeof result !== 'object') return `a ${typeof result}`;
  if (Array.isArray(result)) return 'an array';
  if (!isPlain(result)) {
    return typeof result.constructor === 'function' ? `a ${result.constructor.name}` : 'an object';
  }
  return `an object with \`${Object.keys(result).find((name) => !ACCEPTANCE.has(name))}\``;
}

const ACCEPTANCE: ReadonlySet<string> = new Set(['data', 'headers', 'cookies', 'protocol']);

/**
 * A hook of a caller without types may return anything: `false` is not a yes, and neither is a
 * `Response`, an `Error`, or a refusal that another copy of this library has made.
 */
function isAcceptance(result: unknown): result is UpgradeAcceptance<unknown> {
  if (typeof result !== 'object' || result === null) return false;
  return isPlain(result) && Object.keys(result).every((name) => ACCEPTANCE.has(name));
}

/** Whether it is written as `{ … }`, and not made by a class. */
function isPlain(result: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(result);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
