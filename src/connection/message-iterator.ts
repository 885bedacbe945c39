/**
 * `for await (const message of socket)`.
 *
 * @module
 */

import type { Message } from './delivery.ts';

/** What a {@link MessageIterator} tells the endpoint that made it. */
export interface MessageIteratorOwner {
  /** Somebody waits for the next message. */
  onWant(iterator: MessageIterator): void;
  /** The loop was left. */
  onLeave(iterator: MessageIterator): void;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

type Reader = (result: IteratorResult<Message, undefined>) => void;

/**
 * The messages of a socket, from the first that nobody was given. Ends with the connection,
 * however that ended: `socket.closed` tells. To leave the loop leaves the socket open.
 */
export class MessageIterator implements AsyncIterableIterator<Message, undefined> {
  readonly #owner: MessageIteratorOwner;
  readonly #readers: Reader[] = [];
  #ended = false;

  constructor(owner: MessageIteratorOwner) {
    this.#owner = owner;
  }

  /** Whether the next message would be taken at once. */
  get isWaiting(): boolean {
    return this.#readers.length > 0;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Message, undefined>> {
    return new Promise((resolve) => {
      if (this.#ended) {
        resolve(DONE);
        return;
      }
      this.#readers.push(resolve);
      this.#owner.onWant(this);
    });
  }

  return(): Promise<IteratorResult<Message, undefined>> {
    this.end();
    this.#owner.onLeave(this);
    return Promise.resolve(DONE);
  }

  /** Gives a message to whoever waits. */
  give(message: Message): void {
    this.#readers.shift()?.({ done: false, value: message });
  }

  /** There will be no more. */
  end(): void {
    this.#ended = true;
    for (const resolve of this.#readers.splice(0)) resolve(DONE);
  }
}
