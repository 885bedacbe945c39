/**
 * How an application hears of an error: by a hook, by an event, or not at all.
 *
 * @module
 */

import type { EventEmitter } from 'node:events';
import { warn } from '../errors.ts';
import type { SocketEvents, SocketHooks } from './socket-events.ts';
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
