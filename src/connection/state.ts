/**
 * The life of a connection after its handshake: RFC 6455, section 7.1. All transitions are in the
 * table below, and nothing else changes a state.
 *
 *                     SEND_CLOSE                     RECEIVE_CLOSE
 *      OPEN ───────────────────────► CLOSE_SENT ─────────────────────► CLOSED_CLEANLY
 *        │ RECEIVE_CLOSE                                                     ▲
 *        └─────────────────────────► CLOSE_RECEIVED ── SEND_CLOSE ───────────┘
 *      FAIL leads from the first three to FAILED, TRANSPORT_CLOSED from every state to CLOSED.
 *
 * @module
 */

export const STATE = {
  OPEN: 0,
  /** We sent a Close, and may not send data any more; the peer may (section 5.5.1). */
  CLOSE_SENT: 1,
  /** The peer sent a Close. Ours follows at once. */
  CLOSE_RECEIVED: 2,
  /** The closing handshake is complete (section 7.1.4). What is left is to close TCP. */
  CLOSED_CLEANLY: 3,
  /** The connection was failed, by us or by the loss of its transport (section 7.1.7). */
  FAILED: 4,
  /** The transport is gone. Nothing happens any more. */
  CLOSED: 5,
} as const;

export type State = (typeof STATE)[keyof typeof STATE];

/** `readyState` as the WHATWG standard counts it; 0, CONNECTING, is over by now. */
export const READY_STATE = { OPEN: 1, CLOSING: 2, CLOSED: 3 } as const;
export type ReadyState = (typeof READY_STATE)[keyof typeof READY_STATE];

export type Transition = 'SEND_CLOSE' | 'RECEIVE_CLOSE' | 'FAIL' | 'TRANSPORT_CLOSED';

const { OPEN, CLOSE_SENT, CLOSE_RECEIVED, CLOSED_CLEANLY, FAILED, CLOSED } = STATE;

/** The row of a state says which transitions it has. What a row has not, would be our mistake. */
const TRANSITIONS: readonly { readonly [transition in Transition]?: State }[] = [
  /* OPEN */
  {
    SEND_CLOSE: CLOSE_SENT,
    RECEIVE_CLOSE: CLOSE_RECEIVED,
    FAIL: FAILED,
    TRANSPORT_CLOSED: CLOSED,
  },
  /* CLOSE_SENT */
  { RECEIVE_CLOSE: CLOSED_CLEANLY, FAIL: FAILED, TRANSPORT_CLOSED: CLOSED },
  /* CLOSE_RECEIVED */
  { SEND_CLOSE: CLOSED_CLEANLY, FAIL: FAILED, TRANSPORT_CLOSED: CLOSED },
  /* CLOSED_CLEANLY */
  { TRANSPORT_CLOSED: CLOSED },
  /* FAILED */
  { TRANSPORT_CLOSED: CLOSED },
  /* CLOSED */
  {},
];

/** What a connection is by itself: it needs no object for its state, nor bytes beside two fields. */
export abstract class Stateful {
  #state: State = OPEN;
  #keepsReceiving = false;

  get readyState(): ReadyState {
    if (this.isOpen) return READY_STATE.OPEN;
    return this.#state === CLOSED ? READY_STATE.CLOSED : READY_STATE.CLOSING;
  }

  protected get state(): State {
    return this.#state;
  }

  /** Whether data may be sent, and messages are delivered. */
  protected get isOpen(): boolean {
    return this.#state === OPEN;
  }

  /** Whether messages are still given out: also behind our Close, where that was asked for. */
  protected get isReceiving(): boolean {
    return this.isOpen || (this.#keepsReceiving && this.#state === CLOSE_SENT);
  }

  /** Whether our Close is no reason to drop what the peer still sends. */
  protected keepReceiving(keeps: boolean): void {
    this.#keepsReceiving = keeps;
  }

  /** Whether a Close of the peer would still mean something: nothing ended the connection yet. */
  protected get isListening(): boolean {
    return this.#state === OPEN || this.#state === CLOSE_SENT;
  }

  /**
   * @throws {Error} for a transition that the state does not have
   */
  protected apply(transition: Transition): void {
    const next = TRANSITIONS[this.#state]![transition];
    if (next === undefined) {
      throw new Error(`the state ${this.#state} has no transition ${transition}`);
    }
    this.#state = next;
  }
}
