/**
 * Fuzzes one target: runs the corpus, and then what is made of it by chance. An input that reaches code
 * which no other has reached, or of which something new becomes, is kept and changed further.
 *
 * @module
 */

import type { Coverage } from './coverage.ts';
import { Random } from './random.ts';
import { shrink } from './shrink.ts';
import type { Target } from './target.ts';

/** Inputs between two looks at the coverage, which take some milliseconds. */
const BATCH = 40;

/** Inputs that are kept beside those of the corpus. */
const MOST_KEPT = 3_000;

/** What was found. */
export interface Found {
  readonly input: Buffer;
  readonly error: Error;
}

export class Campaign {
  readonly target: Target;
  readonly #coverage: Coverage | null;
  readonly #random: Random;
  readonly #kept: Buffer[] = [];
  /** What became of how many inputs. */
  readonly verdicts = new Map<string, number>();
  /** The first input of each. */
  readonly examples = new Map<string, Buffer>();
  runs = 0;
  /** Milliseconds. */
  time = 0;
  found: Found | null = null;
  /** What was thrown where nobody could catch it, during the run of an input. */
  loose: Error | null = null;
  /** Is given each input before it is run. */
  readonly #watch: (input: Buffer) => void;

  constructor(
    target: Target,
    seed: number,
    coverage: Coverage | null,
    watch: (input: Buffer) => void = () => {},
  ) {
    this.target = target;
    this.#coverage = coverage;
    this.#random = Random.of(target.name, seed);
    this.#watch = watch;
  }

  get kept(): number {
    return this.#kept.length;
  }

  /** Runs what is known already. */
  async begin(inputs: readonly Buffer[]): Promise<void> {
    for (const input of inputs) {
      if (this.found !== null) return;
      await this.run(input);
      this.keep(input);
    }
    this.#coverage?.take();
  }

  /** Goes on until `isOver`, or until something is found. */
  async fuzz(isOver: () => boolean): Promise<void> {
    const start = performance.now();
    while (this.found === null && !isOver()) {
      const batch = Array.from({ length: BATCH }, () => this.next());
      for (const input of batch) {
        await this.run(input);
        if (this.found !== null || isOver()) break;
      }
      if (this.found === null && (this.#coverage?.look() ?? 0) > 0) await this.reward(batch);
    }
    this.time += performance.now() - start;
  }

  private next(): Buffer {
    const random = this.#random;
    if (this.#kept.length === 0 || random.oneIn(4)) return this.target.generate(random);
    const one = random.pick(this.#kept);
    return this.target.mutate(random, one, random.pick(this.#kept));
  }

  /** One of them has reached something. Which it was, shows when each is run alone. */
  private async reward(batch: readonly Buffer[]): Promise<void> {
    for (const input of batch) {
      await this.run(input);
      if (this.found !== null) return;
      if (this.#coverage!.take() > 0) this.keep(input);
    }
  }

  private keep(input: Buffer): void {
    if (this.#kept.length < MOST_KEPT) this.#kept.push(input);
    else this.#kept[this.#random.below(MOST_KEPT)] = input;
  }

  private async run(input: Buffer): Promise<void> {
    this.runs++;
    try {
      const verdict = await this.judge(input);
      const count = this.verdicts.get(verdict) ?? 0;
      this.verdicts.set(verdict, count + 1);
      if (count > 0) return;
      this.examples.set(verdict, input);
      this.keep(input);
    } catch (error) {
      this.found = { input, error: error instanceof Error ? error : new Error(String(error)) };
    }
  }

  /** What becomes of an input. The code under test may overwrite it. */
  private async judge(input: Buffer): Promise<string> {
    this.#watch(input);
    const verdict = await this.target.run(Buffer.from(input));
    const { loose } = this;
    this.loose = null;
    if (loose !== null) throw loose;
    return verdict;
  }

  /** The smallest input that shows the same as `input`: the same verdict, or the same finding. */
  async smallest(input: Buffer): Promise<Buffer> {
    const shown = await this.show(input);
    return shrink(input, async (candidate) => (await this.show(candidate)) === shown);
  }

  private async show(input: Buffer): Promise<string> {
    try {
      return await this.judge(input);
    } catch (error) {
      const [line = ''] = String(error).split('\n', 1);
      return `! ${line}`;
    }
  }
}
