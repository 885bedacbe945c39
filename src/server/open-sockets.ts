/**
 * The sockets of a server that have not ended, in the order in which they came: a set to look at.
 * It knows neither what they do nor how they end.
 *
 * It is made of links, and not of a `Set`: the table of one that is filled and emptied all the time
 * is made anew every few dozen entries. V8 lets an old table that has become part of the old
 * generation hold what comes behind it until the next full collection, so that most connections
 * outlived their end, and were copied twice. (A young collection took 5.5 ms with a Set, and 2.2 ms
 * without, and there is one for 750 connections: `--trace-gc` under bench/servers.mjs, `open`.)
 *
 * @module
 */

import type { EventEmitter } from 'node:events';
import { inspect } from 'node:util';
import { Alarms } from '../connection/alarm.ts';
import type { EndpointOwner, SocketEvents } from '../connection/socket-events.ts';
import { type AnyServerSocket, ServerSocket, type SocketRoute, routeOf } from './server-socket.ts';

/** What a server is told about its sockets. */
export interface OpenSocketsOwner {
  /** It has ended, and is not among the others any more. */
  onReleased(socket: AnyServerSocket): void;
  /** As `EndpointOwner.onUnheard`. */
  onUnheard(error: Error, socket: unknown): void;
}

/** The place of one socket: what it is given as its owner, and as its route. */
export class OpenSocket implements EndpointOwner, SocketRoute {
  readonly hooks: SocketRoute['hooks'];
  readonly #sockets: OpenSockets;
  // The rest is the list's.
  /** Null before it is there, and when it has ended. */
  socket: AnyServerSocket | null = null;
  previous: OpenSocket | null = null;
  next: OpenSocket | null = null;
  /** Grows from one to the next. */
  number = 0;

  constructor(sockets: OpenSockets, hooks: SocketRoute['hooks']) {
    this.#sockets = sockets;
    this.hooks = hooks;
  }

  get alarms(): Alarms {
    return this.#sockets.alarms;
  }

  isIn(sockets: OpenSockets): boolean {
    return this.#sockets === sockets && this.socket !== null;
  }

  onReleased(): void {
    this.#sockets.release(this);
  }

  onUnheard(error: Error, socket: EventEmitter<SocketEvents>): void {
    this.#sockets.tellUnheard(error, socket);
  }
}

export class OpenSockets implements ReadonlySet<AnyServerSocket> {
  /** Of those that are in no hurry. */
  readonly alarms: Alarms = new Alarms();
  readonly #owner: OpenSocketsOwner;
  #first: OpenSocket | null = null;
  #last: OpenSocket | null = null;
  #size = 0;
  /** Of all that there ever were. */
  #count = 0;

  declare readonly entries: ReadonlySet<AnyServerSocket>['entries'];

  constructor(owner: OpenSocketsOwner) {
    this.#owner = owner;
  }

  static {
    // Who looks at several sets at once is given what a Set answers: the newer ones from Node 22 on.
    const names = ['entries', 'union', 'intersection', 'difference', 'symmetricDifference'];
    names.push('isSubsetOf', 'isSupersetOf', 'isDisjointFrom');
    const methods = names.map((name) => [name, Reflect.get(Set.prototype, name)] as const);
    for (const [name, method] of methods.filter(isThere)) {
      const value = function ask(this: OpenSockets, ...values: unknown[]): unknown {
        return Reflect.apply(method, new Set(this), values);
      };
      Object.defineProperty(OpenSockets.prototype, name, { value });
    }
    Object.defineProperty(OpenSockets.prototype, inspect.custom, {
      value: function show(this: OpenSockets): Set<AnyServerSocket> {
        return new Set(this);
      },
    });
  }

  get size(): number {
    return this.#size;
  }

  has(socket: AnyServerSocket): boolean {
    if (!(socket instanceof ServerSocket)) return false;
    const place = routeOf(socket);
    return place instanceof OpenSocket && place.isIn(this);
  }

  /** As of a Set: also those are visited that come meanwhile, and not those that have left. */
  forEach(
    visit: (socket: AnyServerSocket, same: AnyServerSocket, all: OpenSockets) => void,
    receiver?: unknown,
  ): void {
    for (let place = this.#first; place !== null; place = this.after(place)) {
      visit.call(receiver, place.socket!, place.socket!, this);
    }
  }

  *values(): Generator<AnyServerSocket, undefined, unknown> {
    for (let place = this.#first; place !== null; place = this.after(place)) yield place.socket!;
    return undefined;
  }

  keys(): Generator<AnyServerSocket, undefined, unknown> {
    return this.values();
  }

  [Symbol.iterator](): Generator<AnyServerSocket, undefined, unknown> {
    return this.values();
  }

  add(place: OpenSocket, socket: AnyServerSocket): void {
    const last = this.#last;
    place.socket = socket;
    place.previous = last;
    place.number = this.#count++;
    if (last === null) this.#first = place;
    else last.next = place;
    this.#last = place;
    this.#size++;
  }

  /** Takes a socket out that has ended, and tells so. */
  release(place: OpenSocket): void {
    const { socket, previous, next } = place;
    if (socket === null) return;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    // What has left leads to nobody: it may be garbage of the old generation, which holds others.
    place.previous = null;
    place.next = null;
    place.socket = null;
    this.#size--;
    this.#owner.onReleased(socket);
  }

  tellUnheard(error: Error, socket: unknown): void {
    this.#owner.onUnheard(error, socket);
  }

  /** The next one, also of a place that was left while it was visited. */
  private after(place: OpenSocket): OpenSocket | null {
    if (place.socket !== null) return place.next;
    let next = this.#first;
    while (next !== null && next.number <= place.number) next = next.next;
    return next;
  }
}

type Method = (...values: unknown[]) => unknown;

function isThere(method: readonly [string, unknown]): method is readonly [string, Method] {
  return typeof method[1] === 'function';
}
