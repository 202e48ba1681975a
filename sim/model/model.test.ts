import { describe, expect, it } from 'vitest';
import { covers } from '../../src/decide/failover/quorum.ts';
import { nodeId, placeId } from '../../src/base/ids.ts';
import { coversList } from './quorum/facts.ts';
import { listOf, membersOf, sizeOf } from './quorum/state.ts';
import { SEARCHES } from './search.ts';

const SETS = [0, 1, 2, 3, 4, 5, 6, 7];
const nodesIn = (set: number) => membersOf(set).map((node) => nodeId(placeId(`aws:eu-west-${node}`), 'n1'));
/** The rest, and every scope to its end, is `npm run model`. */
const QUICK_STATES = 5_000;
const QUICK_MUTANTS = [
  'create-revision',
  'cancel-is-ack',
  'store-loss-demotes',
  'own-region-confirms',
  'literal-record-with-epoch',
  'literal-slow-old-order',
  'killed-postmaster-only',
  'store-loss-kills',
  'no-salvage',
  'follow-without-comparing',
  'compare-by-length',
  'behind-the-fork-is-a-candidate',
];

describe('the model', () => {
  it('covers what the product covers (P4.1)', () => {
    let compared = 0;
    for (const names of SETS)
      for (const listed of SETS)
        for (let w = 0; w <= sizeOf(names); w++)
          for (let listW = 1; listW <= sizeOf(listed); listW++) {
            const record = { w, names: nodesIn(names) };
            expect(coversList({ w, names }, listOf(listW, listed))).toBe(
              covers(record, { w: listW, names: nodesIn(listed) }),
            );
            compared += 1;
          }
    expect(compared).toBeGreaterThan(200);
  });

  it('finds nothing near the start of a scope', () => {
    const limits = { statesMax: QUICK_STATES, isOver: () => false };
    const scope = SEARCHES.find(({ name }) => name === '3-any1-slow-orders');
    expect(scope?.run(limits)).toMatchObject({ verdict: 'holds-as-far-as-searched', stateCount: QUICK_STATES + 1 });
  });

  it('catches mistakes that are found quickly, and tells how they come about', () => {
    const limits = { statesMax: QUICK_STATES, isOver: () => false };
    const found = SEARCHES.filter(({ name }) => QUICK_MUTANTS.includes(name)).map((search) => search.run(limits));
    expect(found.map(({ name, verdict }) => [name, verdict])).toEqual(QUICK_MUTANTS.map((name) => [name, 'caught']));
    // A counterexample is told in words, from the first event to the violation.
    for (const { trace } of found) expect(trace.every((step) => step.length > 10)).toBe(true);
  });
});
