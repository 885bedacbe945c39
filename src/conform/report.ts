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
