/**
 * A graceful end: sockets are told, and closed in batches, so that not all clients come back to
 * another server in the same moment.
 *
 * @module
 */

import { checkLimit } from '../connection/limits.ts';
import { checkNames } from '../connection/socket-options.ts';
import { READY_STATE } from '../connection/state.ts';
import { CLOSE_CODE } from '../frame/close-code.ts';
import { encodeClosePayload } from '../frame/close-payload.ts';
import type { AnyServerSocket } from './server-socket.ts';

export interface ShutdownOptions {
  /** The close code that sockets are sent. Default: 1001, going away. */
  readonly code?: number | undefined;
  /** At most 123 bytes of UTF-8. Default: ''. */
  readonly reason?: string | undefined;
  /** Milliseconds after which what is still open is terminated; 0 for at once. Default: 10,000. */
  readonly timeout?: number | undefined;
  /** Sockets that are closed at once. Default: 1,000. */
  readonly batchSize?: number | undefined;
  /** Milliseconds from one batch to the next. Default: 100. */
  readonly batchInterval?: number | undefined;
  /** Terminates what is still open. Default: none. */
  readonly signal?: AbortSignal | undefined;
}

/** What became of the sockets that were open. */
export interface ShutdownResult {
  /** They ended by a closing handshake or by its `closeTimeout`, or left by themselves. */
  readonly closed: number;
  /** They had to be terminated. */
  readonly terminated: number;
}

export const SHUTDOWN_OPTION_NAMES: ReadonlySet<string> = new Set([
  'code',
  'reason',
  'timeout',
  'batchSize',
  'batchInterval',
  'signal',
]);

interface ResolvedShutdownOptions {
  readonly code: number;
  readonly reason: string;
  readonly timeout: number;
  readonly batchSize: number;
  readonly batchInterval: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * @throws {TypeError | RangeError} for what cannot be sent, a time or size that cannot be, and an
 *   option that there is not
 */
export function resolveShutdown(options: ShutdownOptions): ResolvedShutdownOptions {
  checkNames(options, SHUTDOWN_OPTION_NAMES, 'shutdown');
  const resolved = {
    code: options.code ?? CLOSE_CODE.GOING_AWAY,
    reason: options.reason ?? '',
    timeout: options.timeout ?? 10_000,
    batchSize: options.batchSize ?? 1000,
    batchInterval: options.batchInterval ?? 100,
    signal: options.signal,
  };
  encodeClosePayload(resolved.code, resolved.reason);
  checkLimit('batchSize', resolved.batchSize);
  checkTime('timeout', resolved.timeout);
  checkTime('batchInterval', resolved.batchInterval);
  return resolved;
}

/**
 * Closes sockets in batches.
 *
 * @param tell - calls the hook `shutdown` of a socket; what it returns is waited for
 */
export async function closeAll(
  sockets: readonly AnyServerSocket[],
  tell: (socket: AnyServerSocket) => unknown,
  options: ResolvedShutdownOptions,
): Promise<ShutdownResult> {
  const { code, reason, batchSize, batchInterval, signal } = options;
  const end = new Deadline(options.timeout, signal);
  try {
    for (let at = 0; at < sockets.length; at += batchSize) {
      if (at > 0) await end.orAfter(batchInterval);
      if (end.hasCome) break;
      const batch = sockets.slice(at, at + batchSize).filter(isOpen);
      await end.orSooner(Promise.allSettled(batch.map(tell)));
      for (const socket of batch) void socket.close(code, reason);
    }
    const all = Promise.all(sockets.map(({ closed }) => closed));
    await end.orSooner(all);
    const left = sockets.filter(({ readyState }) => readyState !== READY_STATE.CLOSED);
    for (const socket of left) socket.terminate();
    await all;
    return { closed: sockets.length - left.length, terminated: left.length };
  } finally {
    end.stop();
  }
}

/** A moment that comes by itself, or by a signal. */
class Deadline {
  hasCome = false;
  readonly #come: Promise<void>;
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal | undefined;
  #resolve: (() => void) | null = null;

  constructor(timeout: number, signal: AbortSignal | undefined) {
    this.#come = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#timer = setTimeout(this.come, timeout);
    this.#signal = signal;
    signal?.addEventListener('abort', this.come, { once: true });
    if (signal?.aborted === true) this.come();
  }

  private readonly come = (): void => {
    this.hasCome = true;
    this.#resolve?.();
  };

  async orSooner(done: Promise<unknown>): Promise<void> {
    await Promise.race([done, this.#come]);
  }

  /** Waits for so many milliseconds. */
  async orAfter(time: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await this.orSooner(
      new Promise((resolve) => {
        timer = setTimeout(resolve, time);
      }),
    );
    clearTimeout(timer);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.come);
  }
}

function isOpen({ readyState }: AnyServerSocket): boolean {
  return readyState === READY_STATE.OPEN;
}

/** As `checkLimit`, for times that may be 0. */
function checkTime(name: string, time: unknown): void {
  if (time !== 0) checkLimit(name, time);
}
