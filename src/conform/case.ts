/**
 * What a case is: what the judge does on a connection, what it must see then, and how the connection
 * must end. Ids are those of the Autobahn test suite. Knows no case in particular.
 *
 * @module
 */

import type { Extension } from './extension.ts';
import type { Peer } from './peer.ts';
import type { PeerEvent } from './peer-event.ts';
import type { Settings } from './settings.ts';

/** What a case says of the peer. */
export type Behavior = 'OK' | 'NON-STRICT' | 'INFORMATIONAL' | 'UNIMPLEMENTED' | 'FAILED';

/** What it says of the way in which the connection ended. */
export type CloseBehavior =
  | 'OK'
  | 'INFORMATIONAL'
  | 'WRONG CODE'
  | 'UNCLEAN'
  | 'FAILED BY CLIENT'
  | 'FAILED';

export interface Closing {
  /** Whether the judge's Close frame comes first. */
  readonly isByJudge: boolean;
  /** What the peer's Close frame may say. It may also say nothing. */
  readonly codes: readonly number[];
  /** Whether both must send a Close frame before TCP is closed, by the server. */
  readonly mustBeClean: boolean;
}

/** How the connection ends where the peer is told so, or finds a breach. */
export const CLOSING: Readonly<Record<'NORMAL' | 'PROTOCOL_ERROR' | 'INVALID_TEXT', Closing>> = {
  NORMAL: { isByJudge: true, codes: [1000], mustBeClean: true },
  PROTOCOL_ERROR: { isByJudge: false, codes: [1002], mustBeClean: false },
  INVALID_TEXT: { isByJudge: false, codes: [1007], mustBeClean: false },
};

/** What `run` may say itself, where it is more than a list of events. */
export interface Outcome {
  readonly behavior: Behavior;
  /** Why. */
  readonly sentence: string;
}

export interface ConformCase {
  /** The same as in the Autobahn test suite. */
  readonly id: string;
  readonly title: string;
  /** All that may be seen, in order, and what is then said. Empty where `run` returns an outcome. */
  readonly expected: Readonly<Partial<Record<'OK' | 'NON-STRICT', readonly PeerEvent[]>>>;
  readonly closing: Closing;
  /** Whether the RFC leaves it open what is right, so that nothing can be wrong. Default: `false`. */
  readonly isInformational?: boolean;
  /** Whether another close code than the expected ones fails the case. Default: `false`. */
  readonly needsRightCode?: boolean;
  /** What is negotiated in the opening handshake. Default: nothing. */
  readonly extension?: Extension;
  /**
   * Talks with the peer, on an open connection. What it has not ended when it returns is dropped.
   *
   * @returns nothing where the events are to be compared with `expected`
   */
  run(peer: Peer, settings: Settings): Promise<Outcome | undefined>;
}
