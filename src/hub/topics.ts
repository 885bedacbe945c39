/**
 * Topics: who has subscribed to what, in memory. It knows subscribers by what they can be sent;
 * it knows no server, and no socket.
 *
 * @module
 */

import { isPromiseLike } from '../connection/waiters.ts';
import type { Bytes } from '../connection/payload.ts';
import { PreparedMessage } from '../connection/prepared.ts';
import { READY_STATE } from '../connection/state.ts';

/** Whoever can be sent a message. */
export interface Subscriber {
  /** 1 while it is open. */
  readonly readyState: number;
  send(message: PreparedMessage): boolean;
}

/** Is given what is published to a topic. `data` is the payload: UTF-8 for a text. */
export type TopicHandler = (message: PreparedMessage, topic: string) => unknown;

const NO_TOPICS: ReadonlySet<string> = new Set();

/**
 * A Map, and not an object: a topic may be called `__proto__`. What nobody has subscribed to any
 * more is forgotten.
 */
export class Topics<S extends Subscriber> {
  readonly #subscribers = new Map<string, Set<S>>();
  readonly #topics = new Map<S, Set<string>>();
  readonly #handlers = new Map<string, Set<TopicHandler>>();

  /** The topics that a subscriber has subscribed to. */
  topicsOf(subscriber: S): ReadonlySet<string> {
    return this.#topics.get(subscriber) ?? NO_TOPICS;
  }

  /** How many have subscribed to a topic. */
  count(topic: string): number {
    return this.#subscribers.get(topic)?.size ?? 0;
  }

  /**
   * @returns false where it has subscribed already
   * @throws {TypeError} for a topic that is no string, or an empty one
   */
  subscribe(subscriber: S, topic: string): boolean {
    checkTopic(topic);
    return add(this.#topics, subscriber, topic) && add(this.#subscribers, topic, subscriber);
  }

  /**
   * @returns false where it had not subscribed
   */
  unsubscribe(subscriber: S, topic: string): boolean {
    return remove(this.#topics, subscriber, topic) && remove(this.#subscribers, topic, subscriber);
  }

  /** Unsubscribes from everything. */
  release(subscriber: S): void {
    for (const topic of this.#topics.get(subscriber) ?? []) {
      remove(this.#subscribers, topic, subscriber);
    }
    this.#topics.delete(subscriber);
  }

  /**
   * Calls `handler` for each message of a topic.
   *
   * @returns what takes it back
   * @throws {TypeError} as {@link subscribe}
   */
  handle(topic: string, handler: TopicHandler): () => void {
    checkTopic(topic);
    if (typeof handler !== 'function') throw new TypeError('a handler of a topic is a function');
    // One function may be given twice, and each time means something.
    const own: TopicHandler = (message, name) => handler(message, name);
    add(this.#handlers, topic, own);
    return () => void remove(this.#handlers, topic, own);
  }

  /**
   * Frames what is published. Where handlers are given it, who may keep it or give its memory away, it
   * has memory of its own.
   *
   * @throws {TypeError} for data that is neither a string nor bytes
   */
  prepare(topic: string, data: string | Bytes | PreparedMessage): PreparedMessage {
    if (data instanceof PreparedMessage) return data;
    return new PreparedMessage(data, !this.#handlers.has(topic));
  }

  /**
   * Sends to all who have subscribed but `except`, and calls the handlers of the topic.
   *
   * @param onThrown - is given what a handler throws or rejects with: the others are called all the same
   * @returns how many subscribers it was sent to
   * @throws {TypeError} as {@link subscribe}
   */
  publish(
    topic: string,
    message: PreparedMessage,
    except: S | undefined,
    onThrown: (error: unknown) => void,
  ): number {
    checkTopic(topic);
    let count = 0;
    // Copies: who leaves and comes again while it is told would be told for ever.
    for (const subscriber of Array.from(this.#subscribers.get(topic) ?? [])) {
      if (subscriber === except || subscriber.readyState !== READY_STATE.OPEN) continue;
      subscriber.send(message);
      count++;
    }
    for (const handler of Array.from(this.#handlers.get(topic) ?? [])) {
      try {
        const done = handler(message, topic);
        if (isPromiseLike(done)) Promise.resolve(done).then(undefined, onThrown);
      } catch (error) {
        onThrown(error);
      }
    }
    return count;
  }
}

/**
 * @throws {TypeError} for a topic that is no string, or an empty one
 */
export function checkTopic(topic: unknown): void {
  if (typeof topic !== 'string' || topic === '') {
    throw new TypeError('a topic is a string that is not empty');
  }
}

function add<Key, Value>(map: Map<Key, Set<Value>>, key: Key, value: Value): boolean {
  const values = map.get(key);
  if (values === undefined) {
    map.set(key, new Set([value]));
    return true;
  }
  if (values.has(value)) return false;
  values.add(value);
  return true;
}

function remove<Key, Value>(map: Map<Key, Set<Value>>, key: Key, value: Value): boolean {
  const values = map.get(key);
  if (values === undefined || !values.delete(value)) return false;
  if (values.size === 0) map.delete(key);
  return true;
}
