import { defineConfig } from 'vitest/config';

// Browser tests: each file runs a cloud of its own, one file after the other.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
