import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/longest-first.ts';

/**
 * Files of real processes that run at a time, on two cores. Three take a quarter less time, and made one timed test in each whole run
 * late: a machine that is slower than this one would not be served by that.
 */
const WAITING = 2;

// unit: pure and fast. real: starts real PostgreSQL, etcd or processes. e2e: a whole world through the built command line.
export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'sim/**/*.test.ts', 'test/unit/**/*.test.ts'],
          exclude: ['src/**/*.real.test.ts'],
          isolate: false,
          pool: 'threads',
          // By default one less than the cores, which is one of two.
          maxWorkers: '100%',
          // Nothing here is timed; a busy machine must not make a property red.
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'real',
          include: ['src/**/*.real.test.ts'],
          pool: 'forks',
          // They wait more than they compute. `npm test` runs them and e2e in one pool: as many there.
          maxWorkers: WAITING,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          pool: 'forks',
          // A world is about sixty processes, which compute for 15 s when they start and little after.
          maxWorkers: WAITING,
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
