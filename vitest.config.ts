import { defineConfig } from 'vitest/config'

/** Their servers are killed while they are loaded to what two cores can do: another file beside them would be one more fault. */
const alone = ['test/e2e/faults.test.ts', 'test/e2e/rebalance.test.ts']

export default defineConfig({
  test: {
    globalSetup: ['test/engines/setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'suite',
          include: ['test/**/*.test.ts'],
          exclude: ['**/node_modules/**', ...alone],
          sequence: { groupOrder: 0 },
        },
      },
      { extends: true, test: { name: 'alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
    // A warning of Node is a fault of ours: the file of tests in which one is heard fails.
    setupFiles: ['test/warnings.ts'],
    // A busy machine is no failure: what waits for something is only ended when it will never come.
    testTimeout: 180_000,
    hookTimeout: 120_000,
  },
})
