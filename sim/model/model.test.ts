import { describe, expect, it } from 'vitest';
import { covers } from '../../src/decide/failover/quorum.ts';
import { nodeId, placeId } from '../../src/base/ids.ts';
import { coversList } from './quorum/facts.ts';
import { listOf, membersOf, sizeOf } from './quorum/state.ts';
import { SEARCHES } from './search.ts';

const SETS = [0, 1, 2, 3, 4, 5, 6, 7];
const nodesIn = (set: number) => membersOf(set).map((node) => nodeId(placeId(`aws:eu-west-${node}`), 'n1'));
/** Searches that take longer than this many states belong to `npm run model`. */
const QUICK_STATES = 30_000;
const QUICK = ['3-any1-slow-orders'];

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

  it('holds on its small scopes', () => {
    const limits = { statesMax: 200_000, isOver: () => false };
    const small = SEARCHES.filter(({ name }) => QUICK.includes(name));
    expect(small.map((search) => search.run(limits)).map(({ name, verdict }) => [name, verdict])).toEqual(
      QUICK.map((name) => [name, 'holds']),
    );
  }, 60_000);

  it('catches every mistake and every unsafe reading that is found quickly; npm run model does the rest', () => {
    const limits = { statesMax: QUICK_STATES, isOver: () => false };
    const mutants = SEARCHES.filter(({ kind, name }) => kind === 'mutant' && !SLOW.includes(name));
    const found = mutants.map((search) => search.run(limits));
    expect(found.filter(({ verdict }) => verdict !== 'caught').map(({ name }) => name)).toEqual([]);
    expect(found.length).toBeGreaterThan(15);
    // A counterexample is told in words, from the first event to the violation.
    for (const { trace } of found) expect(trace.every((step) => step.length > 10)).toBe(true);
  }, 60_000);
});

/** Their counterexamples are longer than the quick limit reaches. */
const SLOW = [
  'literal-barrier-is-a-probe',
  'literal-record-after-gateway',
  'return-means-suspicion',
  'literal-direction-by-list',
  'literal-late-request',
  'literal-own-region-by-position',
  'literal-promise-forgotten',
  'literal-target-keeps-no-promise',
  'deadline-from-reply',
];
