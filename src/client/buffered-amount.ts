/**
 * `bufferedAmount` as the WHATWG standard counts it (WebSockets, section 3.1): bytes of messages
 * without their frames, all that was sent in this turn among them, and those that will never leave
 * too. What a `Socket` counts is what it holds.
 *
 * @module
 */

import type { Socket } from '../connection/socket.ts';
import { READY_STATE } from '../connection/state.ts';

export class BufferedAmount {
  #socket: Socket | null = null;
  /** Bytes that the socket was given, and that are not known to have left. */
  #waitingSize = 0;
  /** How much of that was given to it in this turn. */
  #turnSize = 0;
  #lostSize = 0;
  #isLooking = false;

  get value(): number {
    const waiting =
      this.#socket === null ? 0 : Math.min(this.#waitingSize, this.#socket.bufferedAmount);
    // "This does not include […] framing overhead", and does not fall within a turn.
    return this.#lostSize + Math.max(waiting, this.#turnSize);
  }

  /** `size` bytes were given to the socket. */
  add(socket: Socket, size: number): void {
    this.#socket = socket;
    this.#waitingSize += size;
    // By then the socket has written what was sent in this turn.
    if (this.#turnSize === 0) process.nextTick(endTurn, this);
    this.#turnSize += size;
  }

  /** `size` bytes are not sent any more: "does not reset to zero once the connection closes". */
  lose(size: number): void {
    this.#lostSize += size;
  }

  endTurn(): void {
    this.#turnSize = 0;
    this.look();
  }

  /** The connection has ended. Behind a Close that was sent, nothing waits. */
  end(wasClean: boolean): void {
    if (!wasClean) this.#lostSize += this.#waitingSize;
    this.#waitingSize = 0;
    this.#turnSize = 0;
    this.#socket = null;
  }

  /** Looks whether all has left, and if not, once more when what waits by now has. */
  private look(): void {
    const socket = this.#socket;
    if (socket === null || this.#isLooking) return;
    if (socket.bufferedAmount === 0) this.#waitingSize = 0;
    else if (socket.readyState === READY_STATE.OPEN) void this.lookAgain(socket);
  }

  private async lookAgain(socket: Socket): Promise<void> {
    this.#isLooking = true;
    try {
      await socket.flushed();
    } catch {
      // The connection ends, and `end` is told how.
      return;
    } finally {
      this.#isLooking = false;
    }
    this.look();
  }
}

/** One function for all, since every turn in which something is sent needs it. */
function endTurn(amount: BufferedAmount): void {
  amount.endTurn();
}
