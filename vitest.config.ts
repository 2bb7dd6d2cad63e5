import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/engines/setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // A busy machine is no failure: what waits for something is only ended when it will never come.
    testTimeout: 180_000,
    hookTimeout: 120_000,
  },
})
