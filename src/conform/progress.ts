/**
 * What a run shows of itself while it runs, and at its end. On a terminal there is one line that lives;
 * elsewhere only what is worth a line of a log.
 *
 * @module
 */

import { type FailOn, isFailure } from './fail-on.ts';
import type { CaseResult } from './result.ts';
import { showInLine, showName } from './unseen.ts';

/** Where it is written to: `process.stdout` or a test. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

/** From good to bad. */
const ORDER = [
  'OK',
  'NON-STRICT',
  'INFORMATIONAL',
  'UNIMPLEMENTED',
  'FAILED BY CLIENT',
  'WRONG CODE',
  'UNCLEAN',
  'FAILED',
];
const CLEAR_LINE = '\r\u{1b}[K';
/** Without a terminal: cases between two signs of life. */
const CASES_PER_LINE = 100;

/** What is to be known of a run before it begins. */
export interface ProgressOptions {
  /** How many cases each of those who are tested has. */
  readonly count: number;
  readonly failOn: FailOn;
  /** Whether each failure says whose it is. Default: `false`. */
  readonly hasManyAgents?: boolean;
}

export class Progress {
  readonly #output: Output;
  readonly #options: ProgressOptions;
  readonly #agents = new Set<string>();
  /** Whether it failed, of each case of each agent: one that is run again counts once. */
  readonly #verdicts = new Map<string, boolean>();

  constructor(output: Output, options: ProgressOptions) {
    this.#output = output;
    this.#options = options;
  }

  add(result: CaseResult): void {
    const { count, failOn, hasManyAgents = false } = this.#options;
    const { agent, id, title } = result;
    const isTerminal = this.#output.isTTY === true;
    const isBad = isFailure(result, failOn);
    this.#agents.add(agent);
    this.#verdicts.set(JSON.stringify([agent, id]), isBad);
    if (isBad) {
      const whose = hasManyAgents ? `${showName(agent)}: ` : '';
      const line = `${whose}${describeResult(result)}`;
      this.#output.write(`${isTerminal ? CLEAR_LINE : ''}${line}\n`);
    }
    const done = this.#verdicts.size;
    const failing = [...this.#verdicts.values()].filter(Boolean).length;
    const line = `${done} of ${count * this.#agents.size} cases, ${failing} of them failing`;
    if (isTerminal) this.#output.write(`${CLEAR_LINE}${line}: ${id} ${title}`.slice(0, 78));
    else if (done % CASES_PER_LINE === 0) this.#output.write(`${line}\n`);
  }

  /** Takes the living line away. */
  finish(): void {
    if (this.#output.isTTY === true) this.#output.write(CLEAR_LINE);
  }
}

/** A line of its own for a case that failed. What the peer said in it cannot leave it. */
export function describeResult(result: CaseResult): string {
  const { id, title, behavior, behaviorClose, sentence, closeSentence } = result;
  const verdict = behaviorClose === 'OK' ? behavior : `${behavior}, close ${behaviorClose}`;
  const why = behavior === 'OK' ? closeSentence : sentence;
  return showInLine(`${id} ${verdict}: ${title}. ${why}`);
}

/** How often each verdict was given: `514 OK, 3 INFORMATIONAL`; and how often a close was wrong. */
export function summarize(results: readonly CaseResult[]): string {
  const verdicts = countEach(results.map(({ behavior }) => behavior));
  const closes = countEach(results.map(({ behaviorClose }) => behaviorClose));
  const wrong = [...closes].filter(([close]) => close !== 'OK' && close !== 'INFORMATIONAL');
  return `${describeCounts([...verdicts])}${wrong.length === 0 ? '' : `; closes: ${describeCounts(wrong)}`}`;
}

function countEach(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

function describeCounts(counts: readonly (readonly [word: string, count: number])[]): string {
  const sorted = counts.toSorted(([one], [other]) => ORDER.indexOf(one) - ORDER.indexOf(other));
  return sorted.map(([word, count]) => `${count} ${word}`).join(', ');
}
