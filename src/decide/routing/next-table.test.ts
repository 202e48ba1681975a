import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nodeId, type PlaceId } from '../../base/ids.ts';
import type { RouteTable } from '../../ports/records.ts';
import { defaultRouting } from './defaults.ts';
import { eligibleForReads } from './eligible.ts';
import { tableOfReign, tableWithHold } from './next-table.ts';
import { DUBLIN, FOUR, FRANKFURT, placeIn, policyTable, TOKYO, VIRGINIA } from './testing.ts';
import { UNMAPPED } from './world.ts';

const regions = [FRANKFURT, DUBLIN].map((id, i) => ({
  id,
  role: i === 0 ? ('active' as const) : ('passive' as const),
  weight: 1,
}));
const routing = { ...defaultRouting([]), slowStartMs: 60_000 };
const reign = (by: 'failback' | 'switchover' | 'takeover' | null) => ({ epoch: 4, node: nodeId(FRANKFURT, 'n1'), by });

describe('the table of a new reign', () => {
  const before = policyTable(routing, { primary: DUBLIN, regions: [FRANKFURT, DUBLIN], drained: [FRANKFURT] });

  test.each([
    ['failback', { to: FRANKFURT, from: DUBLIN, overMs: 60_000 }],
    ['switchover', { to: FRANKFURT, from: DUBLIN, overMs: 60_000 }],
    ['takeover', null],
    [null, null],
  ] as const)('%s: reads return by a ramp only when the move was planned', (by, ramp) => {
    const table = tableOfReign(before, { regions, routing }, reign(by), 'why');
    expect(table).toMatchObject({ generation: 2, epoch: 4, primary: { region: FRANKFURT }, ramp });
  });

  test('without a slow start reads move at once', () => {
    const plain = { ...routing, slowStartMs: 0 };
    expect(tableOfReign(before, { regions, routing: plain }, reign('failback'), 'why').ramp).toBeNull();
  });

  test('a hold stays, but not for the region that alone can take writes; so does what was let serve', () => {
    const held = policyTable({}, { primary: FRANKFURT, regions: [FRANKFURT, DUBLIN], drained: [DUBLIN] });
    const states = (table: ReturnType<typeof tableOfReign>) => table.regions.map((each) => each.state);
    expect(states(tableOfReign({ ...held, released: 3 }, { regions }, reign(null), 'why'))).toEqual([
      'serving',
      'drained',
    ]);
    expect(states(tableOfReign(before, { regions }, reign(null), 'why'))).toEqual(['serving', 'serving']);
    expect(tableOfReign({ ...held, released: 3 }, { regions }, reign(null), 'why').released).toBe(3);
  });
});

describe('a hold', () => {
  const table = policyTable({}, { primary: FRANKFURT });

  test('drains a region and lets it serve again; only the second is a release', () => {
    const drained = tableWithHold(table, TOKYO, 'drained', 'by me');
    expect(drained).toMatchObject({ ok: true, value: { generation: 2, released: 0, reason: { code: 'held' } } });
    if (!drained.ok) return;
    expect(drained.value.regions.find(({ id }) => id === TOKYO)?.state).toBe('drained');
    expect(tableWithHold(drained.value, TOKYO, 'serving', 'by me')).toMatchObject({
      ok: true,
      value: { generation: 3, released: 1 },
    });
  });

  test('refused: for the region of the primary, for one that does not exist, and when nobody would be served (I12)', () => {
    expect(tableWithHold(table, FRANKFURT, 'drained', 'x')).toMatchObject({ ok: false });
    const two = policyTable({}, { primary: null, regions: [FRANKFURT] });
    expect(tableWithHold(two, TOKYO, 'drained', 'x')).toMatchObject({ ok: false });
    expect(tableWithHold(two, FRANKFURT, 'drained', 'x')).toEqual({
      ok: false,
      error: 'every region is drained: nobody would be served',
    });
  });

  test('refused: when it leaves the users of a fence nobody, though others would be served (I11, I12)', () => {
    const fences = [{ name: 'law', countries: ['JP', 'DE'], regions: [TOKYO, DUBLIN] }];
    const fenced = policyTable({ fences }, { primary: FRANKFURT });
    const one = tableWithHold(fenced, TOKYO, 'drained', 'x');
    expect(one.ok).toBe(true);
    const two = one.ok ? tableWithHold(one.value, DUBLIN, 'drained', 'x') : null;
    expect(two).toMatchObject({ ok: false, error: expect.stringContaining('"law" serves users in JP') });
    expect(tableWithHold(fenced, VIRGINIA, 'drained', 'x').ok).toBe(true);
    const standby = policyTable({ fences }, { primary: FRANKFURT, passive: [TOKYO, DUBLIN] });
    expect(tableWithHold(standby, TOKYO, 'drained', 'x').ok).toBe(true);
  });

  test('refused: when what a fence leaves has weight 0, and when two fences that hold at once leave nobody (I11, I12)', () => {
    const refusal = (table: RouteTable, region: PlaceId) => {
      const next = tableWithHold(table, region, 'drained', 'x');
      return next.ok ? null : next.error;
    };
    const eea = [{ name: 'eea', countries: ['DE'], regions: [FRANKFURT, DUBLIN] }];
    const weights = { [DUBLIN]: 0 };
    const weighted = policyTable({ fences: eea, policies: ['weighted'] }, { primary: VIRGINIA, weights });
    expect(refusal(weighted, FRANKFURT)).toContain('"eea" serves users in DE');
    expect(refusal(policyTable({ fences: eea }, { primary: VIRGINIA, weights }), FRANKFURT)).toBeNull();
    const both = [
      { name: 'one', countries: ['DE', 'FR'], regions: [FRANKFURT, DUBLIN] },
      { name: 'two', countries: ['DE'], regions: [DUBLIN, TOKYO] },
    ];
    expect(refusal(policyTable({ fences: both }, { primary: VIRGINIA }), DUBLIN)).toContain('"two" serves users in DE');
    expect(refusal(policyTable({ fences: both.slice(1) }, { primary: VIRGINIA }), DUBLIN)).toBeNull();
    const plain = policyTable({ policies: ['weighted'] }, { primary: null, regions: [FRANKFURT, DUBLIN], weights });
    expect(refusal(plain, FRANKFURT)).toContain('weight 0');
  });

  test('active-passive after a failover: whoever a fence keeps in the former region is served there, so it stays', () => {
    const fences = [{ name: 'law', countries: ['DE'], regions: [FRANKFURT] }];
    const options = { primary: DUBLIN, regions: [FRANKFURT, DUBLIN], passive: [DUBLIN] };
    expect(tableWithHold(policyTable({ fences }, options), FRANKFURT, 'drained', 'x').ok).toBe(false);
    expect(tableWithHold(policyTable({}, options), FRANKFURT, 'drained', 'x').ok).toBe(true);
  });

  test('property: nobody who is served before is served by nobody after it (I11, I12)', () => {
    const fence = fc.record({
      name: fc.constantFrom('a', 'b'),
      countries: fc.subarray(['DE', 'FR', 'JP'], { minLength: 1 }),
      regions: fc.subarray(FOUR),
    });
    const policy = fc.record({
      policies: fc.constantFrom([], ['weighted' as const]),
      fences: fc.array(fence, { maxLength: 3 }),
      unmapped: fc.constantFrom('fenced' as const, 'free' as const),
    });
    const state = fc.record({
      primary: fc.option(fc.constantFrom(...FOUR)),
      drained: fc.subarray(FOUR),
      passive: fc.subarray(FOUR),
      weights: fc.tuple(...FOUR.map(() => fc.nat(2))),
    });
    const after = { acceptedAtMs: 0, nowMs: 1e12 };
    fc.assert(
      fc.property(policy, state, fc.constantFrom(...FOUR), (routing, { weights, ...others }, region) => {
        const before = policyTable(routing, {
          ...others,
          weights: Object.fromEntries(FOUR.map((id, i) => [id, weights[i] ?? 1])),
        });
        const next = tableWithHold(before, region, 'drained', 'x');
        const rules = before.routing ?? defaultRouting([]);
        const served = (table: RouteTable) =>
          [...['DE', 'FR', 'JP', 'US'].map(placeIn), UNMAPPED].map(
            (place) => eligibleForReads({ table, ...after }, rules, place).regions.length > 0,
          );
        for (const [i, was] of served(before).entries()) if (next.ok && was) expect(served(next.value)[i]).toBe(true);
        const drained = {
          ...before,
          regions: before.regions.map((it) => (it.id === region ? { ...it, state: 'drained' as const } : it)),
        };
        if (!next.ok && next.error.startsWith('nobody would be left'))
          expect(served(drained)).not.toEqual(served(before));
      }),
      { numRuns: 500 },
    );
  });
});
