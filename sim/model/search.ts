import { canReach, explore, type Limits } from './explore.ts';
import { leaseModel } from './lease.ts';
import { quorumModel } from './quorum/model.ts';
import type { QuorumScope } from './quorum/scope.ts';
import { rejoinModel } from './rejoin.ts';
import {
  LEASE_MUTANTS,
  LEASE_SCOPES,
  PROGRESS,
  PROGRESS_MUTANTS,
  QUORUM_MUTANTS,
  QUORUM_SCOPES,
  REJOIN_MUTANTS,
  REJOIN_SCOPES,
} from './scopes.ts';

/** What a search came to: `holds` and `caught` are as they should be. */
export interface Finding {
  readonly name: string;
  readonly verdict: 'holds' | 'holds-as-far-as-searched' | 'caught' | 'VIOLATION' | 'NOT-CAUGHT';
  readonly isAsExpected: boolean;
  readonly stateCount: number;
  readonly what: string;
  readonly trace: readonly string[];
}

export type Kind = 'scope' | 'mutant';

/** One entry of the list of searches. */
export interface Search {
  readonly name: string;
  readonly kind: Kind;
  run(limits: Limits): Finding;
}

const safety = <S>(
  table: Readonly<Record<string, S>>,
  kind: Kind,
  search: (scope: S, limits: Limits) => Found,
): Search[] =>
  Object.entries(table).map(([name, scope]) => ({
    name,
    kind,
    run: (limits) => findingOf(name, kind, search(scope, limits)),
  }));

interface Found {
  readonly stateCount: number;
  readonly isComplete: boolean;
  readonly what: string | null;
  readonly trace: readonly string[];
}

function findingOf(name: string, kind: Kind, found: Found): Finding {
  const { stateCount, what, trace, isComplete } = found;
  const isAsExpected = (what !== null) === (kind === 'mutant');
  const good = kind === 'mutant' ? 'caught' : isComplete ? 'holds' : 'holds-as-far-as-searched';
  const bad = kind === 'mutant' ? 'NOT-CAUGHT' : 'VIOLATION';
  return { name, verdict: isAsExpected ? good : bad, isAsExpected, stateCount, what: what ?? '', trace };
}

function violationIn(exploration: ReturnType<typeof explore>): Found {
  const { violation, stateCount, isComplete } = exploration;
  return { stateCount, isComplete, what: violation?.what ?? null, trace: violation?.trace ?? [] };
}

/**
 * Progress: from every state, after repair of everything, or of all but one node that is gone for good, a new write can be
 * acknowledged without an operator (unless `mustServe` says that nobody may).
 */
function progress(scope: QuorumScope, limits: Limits): Found {
  const model = quorumModel(scope);
  const { keys, traceTo, isComplete } = explore(model, limits);
  const nobodyOrOne = [0, ...scope.regions.map((_, node) => 1 << node)];
  for (const dead of nobodyOrOne) {
    const learnt = { good: new Set<string>(), bad: new Set<string>() };
    for (const [at, key] of keys.entries()) {
      if (limits.isOver()) return { stateCount: keys.length, isComplete: false, what: null, trace: [] };
      const state = model.unpack(key);
      if (!model.mustServe(state, dead) || canReach(model, model.repaired(state, dead), model.isServed, learnt))
        continue;
      const gone =
        dead === 0 ? 'with everything repaired' : `with ${'ABC'[Math.log2(dead)]} gone for good and all else repaired`;
      return { stateCount: keys.length, isComplete, what: `never serves again, ${gone}`, trace: traceTo(at) };
    }
  }
  return { stateCount: keys.length, isComplete, what: null, trace: [] };
}

/** Every search, those that must hold first. */
export const SEARCHES: readonly Search[] = [
  ...safety(QUORUM_SCOPES, 'scope', (scope, limits) => violationIn(explore(quorumModel(scope), limits))),
  ...safety(LEASE_SCOPES, 'scope', (scope, limits) => violationIn(explore(leaseModel(scope), limits))),
  ...safety(REJOIN_SCOPES, 'scope', (scope, limits) => violationIn(explore(rejoinModel(scope), limits))),
  ...safety(PROGRESS, 'scope', progress),
  ...safety(QUORUM_MUTANTS, 'mutant', (scope, limits) => violationIn(explore(quorumModel(scope), limits))),
  ...safety(LEASE_MUTANTS, 'mutant', (scope, limits) => violationIn(explore(leaseModel(scope), limits))),
  ...safety(REJOIN_MUTANTS, 'mutant', (scope, limits) => violationIn(explore(rejoinModel(scope), limits))),
  ...safety(PROGRESS_MUTANTS, 'mutant', progress),
];
