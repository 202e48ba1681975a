import { describe, expect, test } from 'vitest';
import { nodeId } from '../../base/ids.ts';
import { defaultRouting } from './defaults.ts';
import { tableOfReign, tableWithHold } from './next-table.ts';
import { DUBLIN, FRANKFURT, policyTable, TOKYO, VIRGINIA } from './testing.ts';

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
    expect(two).toMatchObject({ ok: false, error: expect.stringContaining('"law" allows its users') });
    expect(tableWithHold(fenced, VIRGINIA, 'drained', 'x').ok).toBe(true);
    const standby = policyTable({ fences }, { primary: FRANKFURT, passive: [TOKYO, DUBLIN] });
    expect(tableWithHold(standby, TOKYO, 'drained', 'x').ok).toBe(true);
  });
});
