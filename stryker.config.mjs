// Mutation testing: what `scripts/mutation.mjs` does not say for each file of src/.
// There is no type checker: it needs the API of a compiler that TypeScript 7 does not have.
export default {
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'vitest.mutation.config.ts', related: false },
  coverageAnalysis: 'perTest',
  concurrency: 2,
  // A loop without end is counted and cut; this is for what waits for nothing, on a busy machine.
  timeoutMS: 30_000,
  // Nothing extends it. To rewrite it would take that API, too.
  tsconfigFile: 'none',
  ignorePatterns: ['/*', '!/src', '!/test', '!/package.json', '!/tsconfig.json', '!/*.config.ts'],
  reporters: ['progress-append-only', 'clear-text', 'html'],
  clearTextReporter: { reportTests: false, reportScoreTable: false, skipFull: true },
  allowConsoleColors: false,
  incremental: true,
};
