/**
 * The verdicts as the `index.json` of the Autobahn test suite, so that whatever reads that reads this;
 * but `reportfile` is a place in the page, where the official suite has a file for each case.
 *
 * @module
 */

import type { CloseBehavior, Behavior } from './case.ts';
import { anchorOf, type Report } from './report.ts';
import type { CaseResult } from './result.ts';

/** What stands there of one case. */
interface IndexEntry {
  readonly behavior: Behavior;
  readonly behaviorClose: CloseBehavior;
  /** Milliseconds. */
  readonly duration: number;
  /** `null` where there was no Close frame, or none with a code. */
  readonly remoteCloseCode: number | null;
  readonly reportfile: string;
}

/** By the name of the implementation, and by the id of the case. */
export function renderIndex({ agents }: Report): string {
  // Not by assignment: an agent may have the name `__proto__`.
  const index = Object.fromEntries(
    [...agents].map(([agent, results]) => [
      agent,
      Object.fromEntries(results.map((result) => [result.id, createEntry(result)])),
    ]),
  );
  return `${JSON.stringify(index, undefined, 2)}\n`;
}

function createEntry(result: CaseResult): IndexEntry {
  const { id, agent, behavior, behaviorClose, duration, ending } = result;
  return {
    behavior,
    behaviorClose,
    duration,
    remoteCloseCode: ending?.peerCode ?? null,
    reportfile: `index.html#${anchorOf(agent, id)}`,
  };
}
