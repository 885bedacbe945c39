/**
 * A run as a whole: what the reports are made of.
 *
 * @module
 */

import type { CaseResult } from './result.ts';
import type { Settings } from './settings.ts';

export interface Report {
  /** What was tested. */
  readonly tested: 'server' | 'client';
  /** By the name of the implementation, the results in the order of the cases. */
  readonly agents: ReadonlyMap<string, readonly CaseResult[]>;
  readonly settings: Settings;
  readonly created: Date;
}

/** Where a case stands in the page: the value of its `id`, which is good in a URL as it is. */
export function anchorOf(agent: string, id: string): string {
  return encodeURIComponent(`${agent}-${id}`).replaceAll('%', '_');
}
