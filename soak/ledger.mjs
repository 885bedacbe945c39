// What was counted, and what was not as it must be. A process keeps one, and hands on what came to it
// since the last time.

/** Deviations that are kept in words; all are counted. */
const MAX_TOLD = 20;

/** What must not happen. */
export const DEVIATIONS = [
  'lost',
  'duplicated',
  'out of order',
  'corrupted',
  'unexpected end',
  'stuck',
  'failed',
  'left behind',
];

export class Ledger {
  #counts = {};
  #told = [];

  /** @param {string} name - of what is counted: `group.name` for one of a group */
  count(name, amount = 1) {
    if (amount === 0) return;
    this.#counts[name] = (this.#counts[name] ?? 0) + amount;
  }

  /**
   * @param {string} kind - one of DEVIATIONS
   * @param {string} text - what happened, and to whom
   */
  deviate(kind, text, amount = 1) {
    if (amount === 0) return;
    this.count(`deviation.${kind}`, amount);
    if (this.#told.length < MAX_TOLD) this.#told.push(`${kind}: ${text}`);
  }

  /** Takes out what there is. */
  take() {
    const taken = { counts: this.#counts, told: this.#told };
    this.#counts = {};
    this.#told = [];
    return taken;
  }

  /** Adds what was taken from another. */
  add({ counts, told }) {
    for (const [name, amount] of Object.entries(counts)) this.count(name, amount);
    this.#told.push(...told.slice(0, MAX_TOLD - this.#told.length));
  }

  /** How often; 0 for never. */
  of(name) {
    return this.#counts[name] ?? 0;
  }

  /** What was counted in a group: names without it, and how often. @returns {[string, number][]} */
  group(name) {
    return Object.entries(this.#counts)
      .filter(([key]) => key.startsWith(`${name}.`))
      .map(([key, amount]) => [key.slice(name.length + 1), amount]);
  }

  /** All deviations. */
  get deviations() {
    return this.group('deviation').reduce((sum, [, amount]) => sum + amount, 0);
  }

  /** The first of them, in words. */
  get told() {
    return this.#told;
  }
}
