import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, by a part of their path, the longest first (a whole run on 2 cores). Only speed depends on it. */
const LONGEST = [
  'e2e/drill.test',
  'e2e/bad-days',
  'e2e/faults.test',
  'e2e/etcd',
  'e2e/cold-start',
  'e2e/async',
  'e2e/operations',
  'e2e/two-nodes',
  'e2e/dns',
  'drills/drill.real',
  'database/database.real',
  'postgres/bootstrap.real',
  'postgres/behind.real',
  'choose/choose.test',
  'sim/run.test',
  'latency/latency.test',
];

const rankOf = (file: TestSpecification): number => {
  const at = LONGEST.findIndex((part) => file.moduleId.includes(part));
  return at < 0 ? LONGEST.length : at;
};

/**
 * What takes longest begins first, so that the workers end together. Vitest does this by itself from the second run on; in a fresh
 * clone it goes by the size of the files, which says little where one line starts a world.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rankOf(a) - rankOf(b));
  }
}
