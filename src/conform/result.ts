/**
 * What is kept of a case when it is over: what the reports are made of.
 *
 * @module
 */

import type { ConformCase } from './case.ts';
import type { Ending, Peer } from './peer.ts';
import { describeEvent, type PeerEvent } from './peer-event.ts';
import { OFFICIAL_MESSAGES, type Settings, WAIT } from './settings.ts';
import { decide, type Verdict } from './verdict.ts';
import type { WireLog } from './wire-log.ts';

export interface CaseResult extends Verdict {
  readonly id: string;
  readonly title: string;
  readonly agent: string;
  readonly started: Date;
  /** Milliseconds, from the opened connection to its end. */
  readonly duration: number;
  /** What may come, for each behaviour that is then said of the peer. */
  readonly expected: ReadonlyMap<string, readonly string[]>;
  /** What came: one line for each event, the first of them if there are many. */
  readonly received: readonly string[];
  /** `undefined` where there was no connection. */
  readonly ending: Ending | undefined;
  readonly log: WireLog;
}

const MAX_EVENTS = 50;
/** The longest that a timer of Node can wait, in milliseconds. */
const MAX_DELAY = 2 ** 31 - 1;

/**
 * Runs one case on a connection that was just opened. It has an end, whatever the peer does.
 *
 * @param signal drops the connection
 * @returns nothing where that was done: there is no verdict then
 */
export async function runCase(
  conformCase: ConformCase,
  agent: string,
  peer: Peer,
  settings: Settings,
  signal?: AbortSignal,
): Promise<CaseResult | undefined> {
  const started = new Date();
  const start = performance.now();
  const seconds = WAIT.CASE * Math.max(1, settings.messages / OFFICIAL_MESSAGES);
  const timer = setTimeout(
    () => peer.drop('the case takes too long'),
    Math.min(seconds * settings.second, MAX_DELAY),
  );
  const abort = (): void => peer.drop('the run is ended');
  if (signal?.aborted === true) abort();
  signal?.addEventListener('abort', abort);
  const outcome = await conformCase.run(peer, settings);
  peer.drop('the case is over');
  const ending = await peer.ended;
  clearTimeout(timer);
  signal?.removeEventListener('abort', abort);
  if (signal?.aborted === true) return undefined;
  const verdict = decide(conformCase, { events: peer.events, ending, role: peer.role, outcome });
  return {
    ...verdict,
    ...describeCase(conformCase),
    agent,
    started,
    duration: Math.round(performance.now() - start),
    received: describeEvents(peer.events),
    ending,
    log: peer.log,
  };
}

/** The result of a case for which there was no connection. */
export function failedToOpen(
  conformCase: ConformCase,
  agent: string,
  why: string,
  log: WireLog,
): CaseResult {
  return {
    ...describeCase(conformCase),
    agent,
    started: new Date(),
    duration: 0,
    behavior: 'FAILED',
    behaviorClose: 'FAILED',
    sentence: why,
    closeSentence: 'There was no connection to close.',
    received: [],
    ending: undefined,
    log,
  };
}

function describeCase({ id, title, expected }: ConformCase): {
  id: string;
  title: string;
  expected: ReadonlyMap<string, readonly string[]>;
} {
  const lines = Object.entries(expected).map(
    ([behavior, events]) => [behavior, describeEvents(events)] as const,
  );
  return { id, title, expected: new Map(lines) };
}

function describeEvents(events: readonly PeerEvent[]): string[] {
  const lines = events.slice(0, MAX_EVENTS).map(describeEvent);
  if (events.length > MAX_EVENTS) lines.push(`and ${events.length - MAX_EVENTS} more`);
  return lines;
}
