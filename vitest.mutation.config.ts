import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// The tests of the file that `scripts/mutation.mjs` mutates, and no others: a mutant costs as much
// as the test files that are loaded for it.
const { MUTATION_TESTS = '[]' } = process.env;
const tests: string[] = JSON.parse(MUTATION_TESTS);

/** In the order in which they are named, quick ones first: the first that fails is the last that is run. */
class InOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number =>
      tests.findIndex((test) => moduleId.endsWith(test));
    return files.toSorted((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    include: tests,
    setupFiles: ['test/support/properties.ts'],
    sequence: { sequencer: InOrder },
    testTimeout: 30_000,
    // Nobody reads what differs.
    diff: { truncateThreshold: 20 },
    allowOnly: false,
  },
});
