/**
 * Who is in its handshake, and how long each may still be: a list in the order of the deadlines,
 * with one timer for all. A timer for each costs as much as the rest of an opening's bookkeeping.
 * It knows no transport and no answer.
 *
 * It is made of links, and not a `Map`, for the reason that open-sockets.ts gives.
 *
 * @module
 */

/** What stands in the list. Its fields are the list's. */
export interface Pending {
  previous: Pending | null;
  next: Pending | null;
  /** In the time of `performance`; null where it is in no list. */
  deadline: number | null;
  /** The time is over. It is taken out of the list by whoever it tells. */
  giveUp(): void;
}

export class Arrivals<P extends Pending> {
  #first: Pending | null = null;
  #last: Pending | null = null;
  #size = 0;
  /** Fires at the first deadline, or before: it is left alone where its arrival has left. */
  #timer: NodeJS.Timeout | null = null;
  #timerAt = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#size;
  }

  has(pending: P): boolean {
    return pending.deadline !== null;
  }

  /**
   * From here on it has so long.
   *
   * @param timeout - in milliseconds
   */
  add(pending: P, timeout: number): void {
    const deadline = performance.now() + timeout;
    // Nearly always they have the same time, so that the last to come is the last to leave.
    let before = this.#last;
    while (before !== null && before.deadline! > deadline) before = before.previous;
    const after = before === null ? this.#first : before.next;
    pending.deadline = deadline;
    pending.previous = before;
    pending.next = after;
    if (before === null) this.#first = pending;
    else before.next = pending;
    if (after === null) this.#last = pending;
    else after.previous = pending;
    this.#size++;
    if (deadline < this.#timerAt) this.arm(deadline, timeout);
  }

  /** @returns whether it was there */
  delete(pending: P): boolean {
    if (pending.deadline === null) return false;
    const { previous, next } = pending;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    pending.previous = null;
    pending.next = null;
    pending.deadline = null;
    this.#size--;
    return true;
  }

  /** All of them, as they are now. */
  all(): P[] {
    const all: Pending[] = [];
    for (let at = this.#first; at !== null; at = at.next) all.push(at);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `add` takes no others.
    return all as P[];
  }

  /** Takes the timer back, where nobody is there whom it could be for. */
  rest(): void {
    if (this.#size > 0 || this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  private arm(deadline: number, timeout: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(look, timeout, this);
    this.#timerAt = deadline;
    // The transport keeps the process alive, and not the wait for its end.
    this.#timer.unref();
  }

  /** Looks who has no more time. */
  look(): void {
    this.#timer = null;
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = performance.now();
    try {
      while (this.#first !== null && this.#first.deadline! <= now) this.#first.giveUp();
    } finally {
      const deadline = this.#first?.deadline ?? null;
      if (deadline !== null) this.arm(deadline, Math.max(1, deadline - now));
    }
  }
}

function look(arrivals: Arrivals<Pending>): void {
  arrivals.look();
}
