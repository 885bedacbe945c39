/**
 * What is said of a peer after a case: its behaviour, and the way in which the connection ended. The
 * rules are those of the Autobahn test suite, and stricter where the RFC is:
 *
 * - who breaks the protocol in any frame has failed, whatever the case is about, also where it is
 *   informational (the official judge then fails the connection and may say OK, as it saw nothing);
 * - who must fail the connection and does nothing at all has failed;
 * - who closes a connection of group 7 with another code than it may has failed, but for the
 *   informational cases (`needsRightCode`);
 *
 * and in the cases themselves: every byte of a large message must come back (9.*), nothing may come
 * back that was not sent, and an answer that fits no offer of permessage-deflate has failed (13.*).
 *
 * @module
 */

import { type Behavior, type CloseBehavior, type ConformCase, type Outcome } from './case.ts';
import type { Ending } from './peer.ts';
import { isSameEvent, type PeerEvent } from './peer-event.ts';

export interface Verdict {
  readonly behavior: Behavior;
  readonly behaviorClose: CloseBehavior;
  /** Why it is this behaviour. */
  readonly sentence: string;
  /** Why it is this way of closing. */
  readonly closeSentence: string;
}

/** What the judge saw of one case. */
export interface Observation {
  readonly events: readonly PeerEvent[];
  readonly ending: Ending;
  /** What the judge was. */
  readonly role: 'client' | 'server';
  /** What the case says itself, if it does. */
  readonly outcome?: Outcome | undefined;
}

export function decide(conformCase: ConformCase, observation: Observation): Verdict {
  const [behaviorClose, closeSentence] = decideClose(conformCase, observation);
  const { breach } = observation.ending;
  if (conformCase.isInformational === true && breach === undefined) {
    const { sentence } = compare(conformCase, observation.events);
    return {
      behavior: 'INFORMATIONAL',
      behaviorClose: 'INFORMATIONAL',
      sentence: `The RFC leaves this open. ${sentence}`,
      closeSentence,
    };
  }
  const { behavior, sentence } = decideBehavior(conformCase, observation);
  if (behaviorClose === 'WRONG CODE' && conformCase.needsRightCode === true) {
    return { behavior: 'FAILED', behaviorClose, sentence: closeSentence, closeSentence };
  }
  return { behavior, behaviorClose, sentence, closeSentence };
}

function decideBehavior(conformCase: ConformCase, observation: Observation): Outcome {
  const { events, ending, outcome } = observation;
  if (ending.breach !== undefined) return { behavior: 'FAILED', sentence: ending.breach };
  const { mustBeClean } = conformCase.closing;
  const didNothing = ending.isDroppedByJudge && !ending.hasPeerClosed;
  const { behavior, sentence } = outcome ?? compare(conformCase, events);
  if (didNothing && !mustBeClean && behavior !== 'FAILED') {
    return { behavior: 'FAILED', sentence: 'The peer did not fail the connection.' };
  }
  return { behavior, sentence };
}

function compare({ expected }: ConformCase, events: readonly PeerEvent[]): Outcome {
  for (const behavior of ['OK', 'NON-STRICT'] as const) {
    const wanted = expected[behavior];
    if (wanted?.length !== events.length) continue;
    if (wanted.every((event, index) => isSameEvent(event, events[index]!))) {
      return { behavior, sentence: behavior === 'OK' ? 'All came as it must.' : LATE };
    }
  }
  return { behavior: 'FAILED', sentence: 'What came is not what must come.' };
}

const LATE = 'The protocol is kept, though not as early or not as fully as it could be.';

function decideClose(
  { closing }: ConformCase,
  { ending, role }: Observation,
): [CloseBehavior, string] {
  if (closing.isByJudge !== ending.isByJudge) {
    const who = closing.isByJudge ? 'the judge' : 'the peer';
    return ['FAILED', `The connection should have been closed by ${who} first.`];
  }
  if (closing.mustBeClean && !ending.wasClean) {
    return ['UNCLEAN', 'The connection should have been closed cleanly.'];
  }
  if (ending.peerCode !== undefined && !closing.codes.includes(ending.peerCode)) {
    const codes = [...new Set(closing.codes)].join(' or ');
    return ['WRONG CODE', `The close code should have been ${codes}, not ${ending.peerCode}.`];
  }
  if (role === 'client' && ending.isDroppedByJudge) {
    return ['FAILED BY CLIENT', 'The server should have ended TCP.'];
  }
  return ['OK', 'The connection was closed as it must be.'];
}
