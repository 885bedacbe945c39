import { defineConfig } from 'vitest/config';

/**
 * Three projects: `fast` needs nothing but Node and is what `npm test` runs; `interop` needs Python,
 * Chromium and a build, and is run by `npm run test:interop` and in CI; `conform` proves the judge of
 * `tautline conform` with all cases, which takes minutes, and is run by `npm run test:conform`.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/interop/**', 'test/conform-full/**'],
          setupFiles: ['test/support/properties.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'interop',
          include: ['test/interop/**/*.test.ts'],
          globalSetup: ['test/support/build.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'conform',
          include: ['test/conform-full/**/*.test.ts'],
          globalSetup: ['test/support/build.ts'],
          // One after another: what is judged is not to be slow for want of a processor.
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 60_000,
        },
      },
    ],
    allowOnly: false,
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text', 'json-summary'],
      reportsDirectory: 'coverage',
      thresholds: { perFile: true, lines: 97, branches: 97, functions: 97, statements: 97 },
    },
  },
});
