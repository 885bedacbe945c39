/**
 * What is fuzzed: a way to make inputs, a way to change them, and what must hold for each of them.
 *
 * @module
 */

import type { Random } from './random.ts';

export interface Target {
  readonly name: string;
  /** How inputs are written in the corpus. */
  readonly form: 'text' | 'bytes';
  /** A new input: mostly right, so that what follows a mistake is reached as well. */
  generate(random: Random): Buffer;
  /** `input` with changes, which may come from another one. */
  mutate(random: Random, input: Buffer, other: Buffer): Buffer;
  /**
   * Runs one input.
   *
   * @returns in a few words what became of it, from a set that is not large: it is counted, and what
   *   is new is kept
   * @throws {Finding} for what must not be, and whatever the code under test should not have thrown
   */
  run(input: Buffer): Promise<string> | string;
}

/** Something that must not be. */
export class Finding extends Error {
  override readonly name = 'Finding';
}

/**
 * @throws {Finding} where it does not hold
 */
export function check(holds: boolean, sentence: string, ...details: readonly unknown[]): void {
  if (holds) return;
  const text = details.map((detail) => `\n    ${JSON.stringify(detail)}`.slice(0, 2_000));
  throw new Finding(sentence + text.join(''));
}

/** Both sides have to be the same. */
export function checkSame(one: unknown, other: unknown, sentence: string): void {
  check(JSON.stringify(one) === JSON.stringify(other), sentence, one, other);
}
