/**
 * The kinds of cases that most groups are made of: what is sent is answered; what is sent is a breach,
 * and the peer fails the connection; what is sent ends the connection. Knows no case in particular.
 *
 * @module
 */

import { type Closing, CLOSING, type ConformCase, type Outcome } from '../case.ts';
import type { Chops, Peer } from '../peer.ts';
import { isSameEvent, type PeerEvent } from '../peer-event.ts';
import { WAIT } from '../settings.ts';
import type { Frame } from '../wire.ts';

/** What every case of a table says of itself. */
export interface CaseRow {
  readonly id: string;
  readonly title: string;
  readonly frames: readonly Frame[];
  readonly chops?: Chops;
}

/** The peer answers, and the judge then closes. */
export function answered(row: CaseRow, answer: readonly PeerEvent[]): ConformCase {
  const { id, title, frames, chops } = row;
  return {
    id,
    title,
    expected: { OK: answer },
    closing: CLOSING.NORMAL,
    async run(peer) {
      await peer.send(frames, chops);
      return closeAfter(peer, answer);
    },
  };
}

/**
 * The peer fails the connection. What it may have answered before that is `answer`; that it did not
 * is not strict.
 */
export function failed(
  row: CaseRow,
  closing: Closing,
  answer: readonly PeerEvent[] = [],
): ConformCase {
  const { id, title, frames, chops } = row;
  return {
    id,
    title,
    expected: answer.length === 0 ? { OK: [] } : { OK: answer, 'NON-STRICT': [] },
    closing,
    async run(peer) {
      await peer.send(frames, chops);
      return waitForEnd(peer);
    },
  };
}

/** Closes once the answer is there, or cannot come any more. */
export async function closeAfter(
  peer: Peer,
  answer: readonly PeerEvent[],
): Promise<Outcome | undefined> {
  await peer.until(() => !canBecome(peer.events, answer), WAIT.ECHO);
  peer.sendClose();
  const { isWithinMessage } = await peer.ended;
  return isWithinMessage ? UNFINISHED : undefined;
}

const UNFINISHED: Outcome = {
  behavior: 'FAILED',
  sentence: 'More came than the answer: a message that was begun, and not ended.',
};

/** Gives the peer its time to end the connection. */
export async function waitForEnd(peer: Peer): Promise<undefined> {
  await peer.until(() => !peer.isOpen, WAIT.FAILING);
  if (peer.isOpen) peer.drop('the peer should have failed the connection');
  await peer.ended;
}

/** Whether the events are a beginning of the answer, and not all of it. */
function canBecome(events: readonly PeerEvent[], answer: readonly PeerEvent[]): boolean {
  return (
    events.length < answer.length &&
    events.every((event, index) => isSameEvent(event, answer[index]!))
  );
}
