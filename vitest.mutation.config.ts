import { defineConfig } from 'vitest/config';

// The tests of the file that `scripts/mutation.mjs` mutates, and no others: a mutant costs as much
// as the test files that are loaded for it.
const { MUTATION_TESTS = '[]' } = process.env;

export default defineConfig({
  test: {
    include: JSON.parse(MUTATION_TESTS),
    setupFiles: ['test/support/properties.ts'],
    testTimeout: 10_000,
    allowOnly: false,
  },
});
