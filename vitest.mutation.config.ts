import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

// The tests of the file that `scripts/mutation.mjs` mutates, and no others: a mutant costs as much
// as what is loaded for it.
const { MUTATION_TESTS = '[]' } = process.env;
const tests: string[] = JSON.parse(MUTATION_TESTS);
const haveProperties = tests.some((test) => readFileSync(test, 'utf8').includes('fast-check'));

export default defineConfig({
  test: {
    include: tests,
    setupFiles: haveProperties ? ['test/support/properties.ts'] : [],
    testTimeout: 30_000,
    // Nobody reads what differs.
    diff: { truncateThreshold: 20 },
    allowOnly: false,
  },
});
