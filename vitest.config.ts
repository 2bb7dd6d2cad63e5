import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/engines/setup.ts'],
    // A warning of Node is a fault of ours: the file of tests in which one is heard fails.
    setupFiles: ['test/warnings.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // A busy machine is no failure: what waits for something is only ended when it will never come.
    testTimeout: 180_000,
    hookTimeout: 120_000,
  },
})
