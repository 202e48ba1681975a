import { describe, expect, test } from 'vitest';
import { placeId } from '../../base/ids.ts';
import { sharedHazards } from '../../facts/hazards.ts';
import type { Plan } from '../plan.ts';
import { example, facts, planOf, requestOf } from '../testing.ts';
import { checkPlan } from './check.ts';

describe('the checker', () => {
  const plan = planOf(requestOf(example('plan/eu-shop')));
  const [first, second] = plan.regions;
  const outside = { ...plan, regions: [first, { ...second, id: placeId('aws:us-east-1') }] } as Plan;
  const objective = plan.reads.objectives[0];
  const lying = (change: Partial<Plan>): Plan => ({ ...plan, ...change });
  const LIES: readonly (readonly [string, Plan, RegExp])[] = [
    ['a region outside the law', outside, /outside EU.*I11/],
    ['an RPO that the mode does not keep', { ...plan, mode: 'async' }, /RPO 0 with asynchronous/],
    [
      'a commit that waits less than it does',
      { ...plan, writes: { ...plan.writes, commitWaitMs: 1 } },
      /a commit waits/,
    ],
    [
      'users nearer than they are',
      { ...plan, reads: { ...plan.reads, objectives: [{ ...objective, reached: 1 } as never] } },
      /not 100\.0 %/,
    ],
    ['a sum that its lines do not have', { ...plan, cost: { ...plan.cost, usd: 1 } }, /lines add up/],
    [
      'a line that is free',
      {
        ...plan,
        cost: {
          ...plan.cost,
          lines: plan.cost.lines.map((line) => (line.what === 'storage' ? { ...line, usd: 0 } : line)),
        },
      },
      /storage in/,
    ],
    [
      'a line that is missing',
      { ...plan, cost: { ...plan.cost, lines: plan.cost.lines.filter(({ what }) => what !== 'replication') } },
      /no line/,
    ],
    [
      'a standby that is too small',
      { ...plan, regions: plan.regions.map((one) => ({ ...one, machines: 1 })) },
      /machines for a load/,
    ],
    [
      'a loss that is harmless',
      { ...plan, losses: plan.losses.map((loss) => ({ ...loss, coverage: 1 })) },
      /after the loss/,
    ],
    ['a budget that it breaks', { ...plan, request: { ...plan.request, budgetUsd: 1 } }, /the budget is \$1/],
    ['a pin that is not there', { ...plan, request: { ...plan.request, pin: [placeId('aws:eu-west-2')] } }, /pinned/],
    ['a ban', { ...plan, request: { ...plan.request, ban: ['aws:eu-*'] } }, /banned/],
    ['regions that are too near', { ...plan, request: { ...plan.request, minSeparationKm: 9_000 } }, /km apart/],
    [
      'a witness that is a region',
      { ...plan, witness: plan.witness === null ? null : { ...plan.witness, id: first?.id ?? plan.witness.id } },
      /loses two votes/,
    ],
    [
      'a witness outside the law',
      { ...plan, witness: plan.witness === null ? null : { ...plan.witness, id: placeId('aws:us-east-1') } },
      /us-east-1 is outside EU/,
    ],
    ['a witness that is not there, although one may be', { ...plan, witness: null }, /no third vote, although/],
    [
      'a witness that is far from the regions',
      {
        ...plan,
        request: { ...plan.request, residency: [] },
        witness: plan.witness === null ? null : { ...plan.witness, id: placeId('aws:us-east-1') },
      },
      /witness aws:us-east-1 is \d+(\.\d+)? ms away/,
    ],
    [
      'a witness that nobody pays for',
      { ...plan, cost: { ...plan.cost, lines: plan.cost.lines.filter(({ what }) => what !== 'witness') } },
      /witness in aws:.*no line/,
    ],
    [
      'shares of users that are no numbers',
      lying({ request: { ...plan.request, users: plan.request.users.map((one) => ({ ...one, share: NaN })) } }),
      /NaN %/,
    ],
    ['a wait that is no number', lying({ writes: { ...plan.writes, commitWaitMs: NaN } }), /a commit waits/],
    ['a total that is no number', lying({ cost: { ...plan.cost, usd: NaN } }), /lines add up/],
    [
      'a line that is no number',
      lying({ cost: { ...plan.cost, lines: plan.cost.lines.map((line) => ({ ...line, usd: NaN })) } }),
      /storage in/,
    ],
    [
      'machines that are no number',
      lying({ regions: plan.regions.map((one) => ({ ...one, machines: NaN })) }),
      /machines for a load/,
    ],
    [
      'a loss that is no number',
      lying({ losses: plan.losses.map((loss) => ({ ...loss, coverage: NaN })) }),
      /after the loss/,
    ],
    [
      'a confirmation by a region in which nothing runs',
      lying({ regions: plan.regions.map((one, i) => (i === 1 ? { ...one, role: 'backup' } : one)) }),
      /sync, but nothing runs in aws:\S+ to confirm/,
    ],
    [
      'a minute of loss with the backup of this morning',
      lying({
        mode: 'async',
        request: { ...plan.request, rpoMs: 60_000 },
        regions: plan.regions.map((one, i) => (i === 1 ? { ...one, role: 'backup' } : one)),
      }),
      /a backup is up to/,
    ],
    ['a region twice', { ...plan, regions: [first, first] as never }, /different regions/],
  ];

  test('accepts what the chooser chose', () => {
    expect(checkPlan(plan, facts)).toEqual([]);
  });

  test.each(LIES)('refuses %s', (_, lie, words) => {
    expect(checkPlan(lie, facts).join('\n')).toMatch(words);
  });

  test('refuses two regions of one hard zone', () => {
    const [a, b] = [placeId('aws:me-south-1'), placeId('aws:me-central-1')];
    expect(sharedHazards(facts, a, b).length).toBeGreaterThan(0);
    const lie = {
      ...plan,
      regions: [
        { ...first, id: a },
        { ...second, id: b },
      ],
    } as Plan;
    expect(checkPlan(lie, facts).join()).toContain('share a fate');
  });
});
