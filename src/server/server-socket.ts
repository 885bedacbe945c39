/**
 * The socket of a server: a `Socket` that knows the request it came from, and the topics of its
 * server.
 *
 * @module
 */

import type { Bytes } from '../connection/payload.ts';
import { PreparedMessage } from '../connection/prepared.ts';
import { Socket, type SocketInit } from '../connection/socket.ts';
import { READY_STATE } from '../connection/state.ts';
import { type Subscriber, type Topics, checkTopic } from '../hub/topics.ts';
import type { Params } from './pattern.ts';
import type { UpgradeRequest } from './request.ts';

/** The topics of a server, and what becomes of an error of one of their handlers. */
export interface ServerTopics {
  readonly topics: Topics<Subscriber>;
  onTopicError(error: unknown): void;
}

export interface ServerSocketInit<Data, P> extends SocketInit<Data> {
  readonly request: UpgradeRequest<P>;
  readonly route: SocketRoute;
  readonly hub: ServerTopics;
}

/** What a socket keeps of its route. */
export interface SocketRoute {
  readonly hooks: { readonly shutdown?: ((socket: unknown) => unknown) | undefined };
}

/** The route of a socket. Not a member, since it is not for applications. */
export let routeOf: (socket: AnyServerSocket) => SocketRoute;

/** A socket of any route. */
export type AnyServerSocket = ServerSocket<unknown, unknown>;

/** One end of an open connection, on a server. */
export class ServerSocket<Data = unknown, P = Params> extends Socket<Data> {
  readonly #route: SocketRoute;
  readonly #hub: ServerTopics;
  /** The request of its handshake: url, headers, cookies, remoteAddress. */
  readonly request: UpgradeRequest<P>;

  /** Sockets come from a server. */
  constructor(init: ServerSocketInit<Data, P>) {
    super(init);
    this.request = init.request;
    this.#route = init.route;
    this.#hub = init.hub;
  }

  static {
    routeOf = (socket) => socket.#route;
  }

  /** What the pattern of the route names in the path, percent-decoded. */
  get params(): P {
    return this.request.params;
  }

  /** The topics that it has subscribed to. */
  get topics(): ReadonlySet<string> {
    return this.#hub.topics.topicsOf(this);
  }

  /**
   * From here on it is sent what is published to `topic`, until it unsubscribes or ends.
   *
   * @returns false where it has subscribed already, or is not open
   * @throws {TypeError} for a topic that is no string, or an empty one
   */
  subscribe(topic: string): boolean {
    checkTopic(topic);
    if (this.readyState !== READY_STATE.OPEN) return false;
    return this.#hub.topics.subscribe(this, topic);
  }

  /**
   * @returns false where it had not subscribed
   */
  unsubscribe(topic: string): boolean {
    return this.#hub.topics.unsubscribe(this, topic);
  }

  /**
   * Sends to all who have subscribed to `topic`, but not to this socket. `server.publish` sends to
   * all.
   *
   * @returns how many it was sent to
   * @throws {TypeError} for a topic or data that cannot be
   */
  publish(topic: string, data: string | Bytes | PreparedMessage): number {
    const message = this.#hub.topics.prepare(topic, data);
    return this.#hub.topics.publish(topic, message, this, (error) => {
      this.#hub.onTopicError(error);
    });
  }
}
