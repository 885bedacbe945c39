/**
 * Promises that an application waits for, settled by what happens or given up by its signal; and
 * those that it returns.
 *
 * @module
 */

interface Waiter<Value> {
  readonly resolve: (value: Value) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Marks a promise as looked after. Who calls `socket.ping()` and walks on has nothing to catch: an
 * ended connection must not end the process. Who awaits the promise is told all the same.
 */
export function quiet<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => {
    // Whoever awaits it has the error; for everyone else there is nothing to do.
  });
  return promise;
}

/** Whether something that an application returned has to be waited for. */
export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return 'then' in value && typeof value.then === 'function';
}

export class Waiters<Value = void> {
  readonly #waiting = new Set<Waiter<Value>>();

  get size(): number {
    return this.#waiting.size;
  }

  /**
   * A promise for {@link resolve} or {@link reject}, or for the reason of the signal.
   *
   * @param begin - is given what resolves this promise alone; not called where it is over already
   */
  wait(
    signal?: AbortSignal,
    begin: (resolve: (value: Value) => void) => void = () => {},
  ): Promise<Value> {
    return quiet(
      new Promise<Value>((resolve, reject) => {
        if (signal === undefined) {
          const waiter: Waiter<Value> = { resolve, reject };
          this.#waiting.add(waiter);
          begin((value) => {
            this.#waiting.delete(waiter);
            resolve(value);
          });
          return;
        }
        if (signal.aborted) {
          reject(signal.reason);
          return;
        }
        const leave = (): void => {
          this.#waiting.delete(waiter);
          signal.removeEventListener('abort', giveUp);
        };
        const giveUp = (): void => {
          leave();
          reject(signal.reason);
        };
        const waiter: Waiter<Value> = {
          resolve: (value) => {
            leave();
            resolve(value);
          },
          reject: (reason) => {
            leave();
            reject(reason);
          },
        };
        this.#waiting.add(waiter);
        signal.addEventListener('abort', giveUp, { once: true });
        begin(waiter.resolve);
      }),
    );
  }

  /** Settles those that wait now. */
  resolve(value: Value): void {
    for (const { resolve } of this.takeAll()) resolve(value);
  }

  reject(reason: unknown): void {
    for (const { reject } of this.takeAll()) reject(reason);
  }

  private takeAll(): Waiter<Value>[] {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    return waiting;
  }
}
