/**
 * How an application is called, and what becomes of what it throws; and how it hears of an error: by a
 * hook, by an event, or not at all.
 *
 * @module
 */

import type { EventEmitter } from 'node:events';
import { warn } from '../errors.ts';
import { copyBytes } from './payload.ts';
import type { EndpointOwner, SocketEvents, SocketHooks } from './socket-events.ts';
import { isPromiseLike } from './waiters.ts';

/**
 * An 'error' that nobody listens to would end the process, and so would a listener that throws.
 *
 * @returns whether anybody was there to hear it
 */
export function tellError(
  socket: EventEmitter<SocketEvents>,
  hooks: SocketHooks<unknown>,
  error: Error,
): boolean {
  const hasListener = socket.listenerCount('error') > 0;
  if (hooks.error === undefined && !hasListener) return false;
  try {
    if (hooks.error !== undefined) catchRejection(hooks.error(socket, error));
  } catch (thrown) {
    warn(thrown);
  }
  try {
    if (hasListener) socket.emit('error', error);
  } catch (thrown) {
    warn(thrown);
  }
  return true;
}

/** A hook for errors that is async and rejects: to tell it of its own error would never end. */
function catchRejection(done: unknown): void {
  if (isPromiseLike(done)) Promise.resolve(done).then(undefined, warn);
}

/** The part of endpoint.ts that calls the application. */
export abstract class Telling {
  protected readonly socket: EventEmitter<SocketEvents>;
  protected readonly hooks: SocketHooks<unknown>;
  protected readonly owner: EndpointOwner;

  constructor(
    socket: EventEmitter<SocketEvents>,
    hooks: SocketHooks<unknown>,
    owner: EndpointOwner,
  ) {
    this.socket = socket;
    this.hooks = hooks;
    this.owner = owner;
  }

  /** The application threw something. */
  abstract onThrown(thrown: unknown): void;

  /** Calls the application. What it throws ends this socket, and no more. */
  protected call(callback: () => unknown): PromiseLike<unknown> | null {
    try {
      const result = callback();
      return isPromiseLike(result) ? result : null;
    } catch (error) {
      this.onThrown(error);
      return null;
    }
  }

  /** The same, where nothing waits for what it does. */
  protected callAside(callback: () => unknown): void {
    const done = this.call(callback);
    if (done !== null) Promise.resolve(done).then(undefined, (error) => this.onThrown(error));
  }

  /** Each is given bytes of its own. */
  protected tellControl(name: 'ping' | 'pong', source: Buffer, start: number, end: number): void {
    const hook = this.hooks[name];
    if (hook !== undefined) {
      const payload = copyBytes(source, start, end);
      this.callAside(() => hook.call(this.hooks, this.socket, payload));
    }
    if (this.socket.listenerCount(name) > 0) {
      this.callAside(() => this.socket.emit(name, copyBytes(source, start, end)));
    }
  }

  /**
   * @param isOurs - whether it has to be heard by somebody: a mistake of the application, which
   *   nothing else tells
   */
  protected tellError(error: Error, isOurs: boolean): void {
    const isHeard = tellError(this.socket, this.hooks, error);
    if (!isHeard && isOurs) this.owner.onUnheard(error, this.socket);
  }
}
