import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, by a part of their path, the longest first (a whole run on 2 cores). Only speed depends on it. */
const LONGEST = [
  'e2e/drill.test',
  'e2e/bad-days',
  'e2e/faults.test',
  'e2e/forced-failover',
  'e2e/etcd',
  'e2e/operations',
  'e2e/world',
  'e2e/two-nodes',
  'e2e/cold-start',
  'e2e/async',
  'database/database.real',
  'salvage/salvage.real',
  'drills/drill.real',
  'postgres/behind.real',
  'gateway/peers.real',
  'faults/faults.real',
  'coordination/contract.real',
  'embedded/embedded.real',
  'postgres/failover.real',
  'choose/choose.test',
  'plan/within.test',
  'plan/plan-regions.test',
  'sim/run.test',
  'latency/latency.test',
];

const rankOf = (file: TestSpecification): number => {
  const at = LONGEST.findIndex((part) => file.moduleId.includes(part));
  return at < 0 ? LONGEST.length : at;
};

/** Both in their own order, each as evenly spread over the whole as it can be. */
function spread<T>(one: readonly T[], other: readonly T[]): T[] {
  const placed = [one, other].flatMap((list) => list.map((item, i) => ({ item, at: (i + 0.5) / list.length })));
  return placed.toSorted((a, b) => a.at - b.at).map(({ item }) => item);
}

/**
 * What takes longest begins first, so that the workers end together. Vitest does this by itself from the second run on; in a fresh
 * clone it goes by the size of the files, which says little where one line starts a world. Whole worlds are spread among the others:
 * a world that starts takes all of the processor, and most of the other files wait for a time to pass.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = (await super.sort(files)).toSorted((a, b) => rankOf(a) - rankOf(b));
    const isWorld = (file: TestSpecification): boolean => file.project.name === 'e2e';
    return spread(
      sorted.filter(isWorld),
      sorted.filter((file) => !isWorld(file)),
    );
  }
}
