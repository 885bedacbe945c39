/**
 * How much zlib may do on the main thread for one connection in one turn of the event loop. A turn may
 * bring hundreds of small messages, each of which becomes a large one: a limit for each of them would
 * not keep a peer from stopping all others.
 *
 * @module
 */

/** Bytes that are inflated in a turn: with all that becomes of them, some milliseconds. */
export const MAX_PER_TURN: number = 256 * 1024;

/** What a message, or a fragment of one, costs beside its bytes, as if it had so many more. */
const MESSAGE_COST = 1024;

/** To compress a byte costs some four times what it costs to inflate one. */
const DEFLATE_FACTOR = 4;

/** Counts the turns in which anybody has spent anything. One timer for all connections. */
let turn = 0;
let isCounting = false;

function endTurn(): void {
  turn++;
  isCounting = false;
}

export class TurnBudget {
  #turn = -1;
  #spent = 0;

  /** Whether nothing more may be done in this turn. Behind a `setImmediate` there is a new one. */
  get isSpent(): boolean {
    return this.#spent >= MAX_PER_TURN && this.#turn === turn;
  }

  /** @param cost - in bytes that were inflated */
  spend(cost: number): void {
    if (this.#turn !== turn) this.begin();
    this.#spent += cost;
  }

  /** What was pushed has been inflated, and so many bytes of it are not paid yet. */
  spendInflated(size: number): void {
    this.spend(size + MESSAGE_COST);
  }

  /** A message of so many bytes was compressed. */
  spendDeflated(size: number): void {
    this.spend(DEFLATE_FACTOR * size + MESSAGE_COST);
  }

  private begin(): void {
    this.#turn = turn;
    this.#spent = 0;
    if (isCounting) return;
    isCounting = true;
    setImmediate(endTurn);
  }
}
