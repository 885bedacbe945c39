/**
 * When a connection looks at the clock. Nearly always that is for its next Ping, in half a minute, and
 * then a timer for each connection is mostly memory, and work where connections come and go. So those of
 * a server whose time is far stand in lists, one for each second, with one timer for each list; when the
 * second has come, each has a timer of its own, and is woken as exactly as by one from the beginning, but
 * for a millisecond.
 * (176 bytes for each connection that waits: bench/memory.mjs.)
 *
 * @module
 */

/** What an alarm wakes. */
export interface Wakeable {
  /** It is time. The alarm is not set any more. */
  tick(): void;
}

/** Milliseconds of a list. */
const LIST_SPAN = 1000;

/** What is nearer than this has a timer of its own. */
const NEAR = 2 * LIST_SPAN;

/** The longest that a timer of Node can be set to. */
const MAX_TIMEOUT = 2 ** 31 - 1;

interface AlarmList {
  /** The span, counted from the beginning of the clock. */
  readonly number: number;
  readonly timer: NodeJS.Timeout;
  first: Alarm;
}

export class Alarm {
  readonly #wakeable: Wakeable;
  readonly #alarms: Alarms | null;
  /** When it is time, in milliseconds of `performance`; 0 where it is not set. */
  #at = 0;
  #timer: NodeJS.Timeout | null = null;

  // Its place among those whose time is far. These fields are of `Alarms`.
  list: AlarmList | null = null;
  previous: Alarm | null = null;
  next: Alarm | null = null;

  /**
   * @param alarms - of the same server; null for one that is alone
   */
  constructor(wakeable: Wakeable, alarms: Alarms | null) {
    this.#wakeable = wakeable;
    this.#alarms = alarms;
  }

  /**
   * Wakes at `deadline`, or before: where it is set to an earlier time, it is left alone.
   *
   * @param deadline - in milliseconds of `performance`; `Infinity` for never
   */
  set(deadline: number): void {
    if (this.#at !== 0) {
      if (this.#at <= deadline && deadline !== Number.POSITIVE_INFINITY) return;
      this.stop();
    }
    if (deadline === Number.POSITIVE_INFINITY) return;
    // (A small integer takes no object, and 0 would say that it is not set.)
    this.#at = Math.max(1, Math.floor(deadline));
    const rest = deadline - performance.now();
    if (this.#alarms !== null && rest >= NEAR) this.#alarms.add(this, deadline);
    else this.start(rest);
  }

  private start(rest: number): void {
    this.#timer = setTimeout(ring, Math.min(Math.max(0, rest), MAX_TIMEOUT), this);
    // The open transport keeps the process alive, and not the wait for its next Ping.
    this.#timer.unref();
  }

  private stop(): void {
    this.#at = 0;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#alarms?.delete(this);
  }

  /** The second has come in which it is time. */
  approach(): void {
    this.start(this.#at - performance.now());
  }

  ring(): void {
    this.#at = 0;
    this.#timer = null;
    this.#wakeable.tick();
  }
}

/** Those of a server whose time is far. */
export class Alarms {
  readonly #lists = new Map<number, AlarmList>();

  /** How many lists there are, and so how many timers. */
  get size(): number {
    return this.#lists.size;
  }

  add(alarm: Alarm, deadline: number): void {
    const number = Math.floor(deadline / LIST_SPAN);
    const list = this.#lists.get(number);
    if (list === undefined) {
      this.open(number, alarm);
      return;
    }
    alarm.list = list;
    alarm.next = list.first;
    list.first.previous = alarm;
    list.first = alarm;
  }

  /** Does nothing for one that is in no list. */
  delete(alarm: Alarm): void {
    const { list, previous, next } = alarm;
    if (list === null) return;
    if (next !== null) next.previous = previous;
    if (previous !== null) previous.next = next;
    else if (next !== null) list.first = next;
    else this.close(list);
    leave(alarm);
  }

  private open(number: number, first: Alarm): void {
    const rest = number * LIST_SPAN - performance.now();
    const timer = setTimeout(() => this.approach(number), Math.min(rest, MAX_TIMEOUT));
    timer.unref();
    const list = { number, timer, first };
    this.#lists.set(number, list);
    first.list = list;
  }

  private close({ number, timer }: AlarmList): void {
    clearTimeout(timer);
    this.#lists.delete(number);
  }

  private approach(number: number): void {
    const list = this.#lists.get(number)!;
    this.#lists.delete(number);
    for (let alarm: Alarm | null = list.first; alarm !== null;) {
      const { next }: Alarm = alarm;
      leave(alarm);
      alarm.approach();
      alarm = next;
    }
  }
}

function leave(alarm: Alarm): void {
  alarm.list = null;
  alarm.previous = null;
  alarm.next = null;
}

function ring(alarm: Alarm): void {
  alarm.ring();
}
