import { defineConfig } from 'vitest/config';

// unit: pure and fast. real: starts real PostgreSQL, etcd or processes. e2e: a whole world through the built command line.
export default defineConfig({
  test: {
    // One less than the cores by default, which is one of two.
    maxWorkers: '100%',
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'sim/**/*.test.ts', 'test/unit/**/*.test.ts'],
          exclude: ['src/**/*.real.test.ts'],
          isolate: false,
          pool: 'threads',
          // Nothing here is timed; a busy machine must not make a property red.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'real',
          include: ['src/**/*.real.test.ts'],
          pool: 'forks',
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          pool: 'forks',
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
