import { describe, expect, test } from 'vitest';
import { placeId } from '../base/ids.ts';
import { withOwnRegions } from '../facts/own.ts';
import { computePrice } from '../facts/prices.ts';
import { checkPlan } from './check/check.ts';
import type { Plan } from './plan.ts';
import { planRegions } from './plan-regions.ts';
import { example, facts, FREE, infeasibleOf, OPTIONS, planOf, requestOf } from './testing.ts';

describe('the examples', () => {
  test('a shop in the EU: both regions there, a commit waits on one side of the ocean only, and the law is kept (I11)', () => {
    const plan = planOf(requestOf(example('plan/eu-shop')));
    expect(plan.proof?.kind).toBe('optimal');
    expect(plan.regions.every(({ country }) => facts.blocs.get('EU')?.countries.has(country))).toBe(true);
    expect(plan.mode).toBe('sync');
    expect(plan.writes.commitWaitMs).toBeLessThanOrEqual(40);
    expect(plan.reads.objectives[0]?.reached).toBeGreaterThanOrEqual(0.8);
    expect(plan.residency.filter(({ verdict }) => verdict === 'broken')).toEqual([]);
    expect(plan.alternatives).toHaveLength(5);
    expect(plan.regions.length + plan.others.length).toBe(facts.regions.size);
    expect(plan.others.find(({ region }) => region === 'aws:us-east-1')?.constraint).toBe('residency');
  });

  test('recovery inside Germany on AWS: the conflict is named, and the three ways out', () => {
    const { conflict, relaxations, advice } = infeasibleOf(requestOf(example('plan/in-country')));
    expect(conflict.map(({ constraint }) => constraint)).toEqual(['residency', 'providers', 'regions']);
    expect(relaxations.map(({ constraint }) => constraint).toSorted()).toEqual(['providers', 'residency']);
    expect(relaxations.find(({ constraint }) => constraint === 'residency')?.change).toContain('EU instead of DE');
    expect(advice.join()).toContain('one region');
    for (const { regions } of relaxations) expect(regions).toHaveLength(2);
  });

  test('the files that are run are judged: nothing that they ask for is broken', () => {
    for (const name of ['active-passive', 'active-active', 'global', 'two-nodes', 'active-active-etcd']) {
      const plan = planOf(requestOf(example(name)));
      expect(plan.verdict).toBe('judged');
      expect(plan.violations, name).toEqual([]);
    }
  });

  test('the same input gives the same plan', () => {
    const request = requestOf(example('plan/eu-shop'));
    expect(JSON.stringify(planRegions(request, facts, OPTIONS))).toBe(
      JSON.stringify(planRegions(request, facts, OPTIONS)),
    );
  });
});

describe('hazards', () => {
  test('users in the Gulf: never two regions of its war zone', () => {
    expect(planOf(requestOf(FREE)).sharedFate.filter(({ hard }) => hard)).toEqual([]);
  });

  test('300 km apart is not apart: Bahrain and Dubai are one zone, unless that is accepted', () => {
    const pin = [placeId('aws:me-south-1'), placeId('aws:me-central-1')];
    const request = requestOf(FREE, { minSeparationKm: 300, pin });
    expect(infeasibleOf(request).conflict.map(({ constraint }) => constraint)).toContain('hazards');
    const { sharedFate } = planOf({ ...request, hazards: 'accept' });
    expect(sharedFate.filter(({ hard }) => hard).map(({ kind }) => kind)).toContain('war');
  });
});

describe('what cannot be met', () => {
  test('a budget below the cheapest plan: the dollars that are missing are enough, and one less is not', () => {
    const request = requestOf(example('plan/eu-shop'), { budgetUsd: 1_000 });
    const budget = infeasibleOf(request).relaxations.find(({ constraint }) => constraint === 'budget');
    const more = Number(/\$(\d+)/.exec(budget?.change ?? '')?.[1]);
    expect(planOf({ ...request, budgetUsd: 1_000 + more }).cost.usd).toBeLessThanOrEqual(1_000 + more);
    expect(planRegions({ ...request, budgetUsd: 1_000 + more - 1 }, facts, OPTIONS).kind).toBe('infeasible');
  });

  test('too near: the milliseconds that are enough', () => {
    const request = requestOf(example('plan/eu-shop'), {
      latency: [{ withinMs: 25, share: 0.9, country: null, metric: 'rtt' as const }],
    });
    const ways = infeasibleOf(request).relaxations.filter(({ constraint }) => constraint === 'latency');
    const enough = Number(/→ (\d+) ms/.exec(ways.map(({ change }) => change).join())?.[1]);
    expect(enough).toBeGreaterThan(25);
    planOf({ ...request, latency: [{ withinMs: enough, share: 0.9, country: null, metric: 'rtt' as const }] });
  });

  test('users whose law keeps their data at home', () => {
    const request = requestOf(FREE, {
      users: [
        { country: 'RU', share: 0.5 },
        { country: 'DE', share: 0.5 },
      ],
    });
    const { conflict, relaxations } = infeasibleOf(request);
    expect(conflict.map(({ constraint }) => constraint)).toContain('law');
    expect(relaxations.find(({ constraint }) => constraint === 'law')?.change).toContain('RU');
  });
});

describe('two conflicts that have nothing to do with each other', () => {
  test('both are named, and the ways out change something about each; one that is printed is enough', () => {
    const request = requestOf(example('plan/eu-shop'), {
      budgetUsd: 1_000,
      minSeparationKm: 600,
      pin: [placeId('aws:eu-central-1'), placeId('aws:eu-west-3')],
    });
    const { conflict, relaxations } = infeasibleOf(request);
    expect(conflict.map(({ constraint }) => constraint)).toEqual(
      expect.arrayContaining(['budget', 'minSeparation', 'pin']) as unknown,
    );
    const both = relaxations.find(({ change }) => change.includes('lift the pin of'));
    const more = Number(/\$(\d+) a month more/.exec(both?.change ?? '')?.[1]);
    expect(planOf({ ...request, pin: [], budgetUsd: 1_000 + more }).cost.usd).toBeLessThanOrEqual(1_000 + more);
  });
});

describe('prices', () => {
  test('a region without a price is a candidate with a range, never free', () => {
    const request = requestOf(example('plan/eu-shop'), {
      residency: [],
      pin: [placeId('aws:ap-southeast-6')],
      latency: [{ withinMs: 100, share: 0, country: null, metric: 'rtt' as const }],
      rpoMs: 30_000,
    });
    const { cost } = planOf(request);
    const compute = cost.lines.find(({ region, what }) => region === 'aws:ap-southeast-6' && what === 'compute');
    expect(compute?.lowUsd).toBeGreaterThan(100);
    expect(compute?.highUsd).toBeGreaterThan(compute?.lowUsd ?? Infinity);
  });

  test('three regions may be cheaper than two: each needs less room for the loss of a neighbour', () => {
    const three = planOf(
      requestOf(FREE, {
        hazards: 'accept',
        sizes: { min: 3, max: 3 },
        load: { instances: 40, storageGib: 10, egressGb: 10, changesGb: 10 },
      }),
    );
    for (const { tightest } of three.losses) expect(tightest.has).toBeGreaterThanOrEqual(tightest.needs);
  });
});

describe('strategy and mode', () => {
  test.each([
    [30_000, 0, 'hot standby', 'sync'],
    [3_600_000, 60_000, 'warm standby', 'async'],
    [10_000_000, 60_000, 'pilot light', 'async'],
    [86_400_000, 60_000, 'pilot light', 'async'],
    [86_400_000, 0, 'pilot light', 'sync'],
    [86_400_000, 43_200_000, 'pilot light', 'async'],
    [57_600_000, 57_600_000, 'backup and restore', 'async'],
  ] as const)('RTO %d ms, RPO %d ms: %s, %s', (rtoMs, rpoMs, strategy, mode) => {
    const plan = planOf(requestOf(example('plan/eu-shop'), { rtoMs, rpoMs }));
    expect([plan.strategy.name, plan.mode]).toEqual([strategy, mode]);
    expect(plan.strategy.rtoMs.high).toBeLessThanOrEqual(rtoMs);
    expect(plan.strategy.rpoMs).toBeLessThanOrEqual(rpoMs);
  });

  test('a file that asks for confirmations has something running that confirms, however late it may be back', () => {
    const request = requestOf(example('plan/eu-shop'), { rtoMs: 57_600_000, rpoMs: 57_600_000, mode: 'sync' });
    expect(planOf(request).strategy.name).toBe('pilot light');
  });
});

describe('users at places', () => {
  const NORTH = '{ country: US, at: "47.61,-122.33", share: 60 }';
  const SOUTH = '{ country: US, at: "25.76,-80.19", share: 40 }';
  const at = (...users: readonly string[]) =>
    requestOf(
      FREE.replace(/users:[^]*objectives:[^]*plan:/, `users:\n${users.map((user) => `  - ${user}`).join('\n')}\nplan:`),
      { sizes: { min: 2, max: 2 } },
    );

  test('they are counted where they are, under the law of their country, and the checker finds the same', () => {
    const plan = planOf(at(NORTH, SOUTH));
    expect(plan.reads.countries.map(({ country, share }) => [country, share])).toEqual([['US', 1]]);
    const shares = plan.regions.map(({ share }) => Math.round(share * 100)).toSorted((a, b) => b - a);
    expect(shares).toEqual([60, 40]);
    expect(plan.reads.p95Ms).toBeLessThan(planOf(at('{ country: US }')).reads.p95Ms);
    expect(checkPlan({ ...plan, reads: { ...plan.reads, objectives: [] } }, facts).length).toBeGreaterThan(0);
    expect(checkPlan(plan, facts)).toEqual([]);
  });
});

describe('users of a country of which nobody counts the internet users', () => {
  test('are spread over its places alike: they are in the plan, and all shares are numbers', () => {
    const plan = planOf(
      requestOf(FREE, {
        users: [
          { country: 'PR', share: 0.5 },
          { country: 'DE', share: 0.5 },
        ],
      }),
    );
    expect(plan.reads.countries.map(({ country, share }) => [country, share])).toEqual([
      ['PR', 0.5],
      ['DE', 0.5],
    ]);
    expect(plan.reads.countries.filter(({ meanMs }) => !(meanMs > 0))).toEqual([]);
    expect(plan.regions.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(plan.reads.curve.at(-1)?.[1]).toBeCloseTo(1, 9);
  });
});

describe('users of metros', () => {
  test('are counted at their city, and named by it', () => {
    const of = (where: string) =>
      planOf(
        requestOf(
          FREE.replace(
            /users:[^]*objectives:/,
            `users:\n  - { country: JP, ${where}, share: 100 }\nobjectives:`,
          ).replace('150ms', '40ms'),
        ),
      );
    const { reads, request } = of('metro: osaka');
    expect(request.users).toEqual([{ country: 'JP', share: 1, at: { lat: 34.69, lon: 135.5 }, metro: 'Osaka' }]);
    expect(reads).toEqual(of('at: "34.69,135.5"').reads);
    expect(reads.p80Ms).toBeLessThan(40);
  });
});

describe('roles', () => {
  test('a region too far from every other one to have its commits confirmed only reads, under RPO 0; not under a minute of it', () => {
    const pin = ['aws:eu-central-1', 'aws:eu-west-3', 'aws:ap-southeast-1'].map(placeId);
    const request = requestOf(FREE, {
      pin,
      sizes: { min: 3, max: 3 },
      latency: [{ withinMs: 150, share: 0, country: null, metric: 'rtt' as const }],
    });
    const roleOf = (rpoMs: number) =>
      planOf({ ...request, rpoMs }).regions.find(({ id }) => String(id) === 'aws:ap-southeast-1');
    expect(roleOf(0)).toMatchObject({ role: 'read', roleWhy: expect.stringContaining('would break RPO 0') as string });
    expect(roleOf(60_000)?.role).not.toBe('read');
  });

  test('the witness is paid for, and the cheapest place that may vote: no other passes the checker for less', () => {
    const plan = planOf({ ...requestOf(example('plan/eu-shop')), providers: ['aws', 'gcp'], supportShare: 0.1 });
    const line = plan.cost.lines.find(({ what }) => what === 'witness');
    expect(line).toMatchObject({ region: plan.witness?.id, usd: plan.witness?.usd });
    expect(plan.cost.usd).toBeLessThanOrEqual(plan.alternatives[0]?.usd ?? 0);
    const others = [...facts.regions.keys()].flatMap((id) => {
      const claims = checkPlan({ ...plan, witness: { ...plan.witness, id } as Plan['witness'] }, facts);
      const price = computePrice(facts, id, 'general');
      return claims.every((claim) => claim.startsWith('witness in')) && price.kind === 'value'
        ? [price.usd * 182.5]
        : [];
    });
    expect(others.length).toBeGreaterThan(3);
    expect(Math.min(...others)).toBeGreaterThanOrEqual((plan.witness?.usd ?? 0) - 0.01);
  });

  test('where no place is left for a third vote there is a plan without one; never because of the budget', () => {
    const request = requestOf(example('plan/in-country'), { providers: ['gcp'] });
    const plan = planOf(request);
    expect([plan.witness, plan.request.thirdVote]).toEqual([null, true]);
    expect(plan.cost.lines.map(({ what }) => what)).not.toContain('witness');
    const shop = requestOf(example('plan/eu-shop'));
    const { cost } = planOf(shop);
    expect(infeasibleOf({ ...shop, budgetUsd: cost.usd - 1 }).conflict.map(({ constraint }) => constraint)).toContain(
      'budget',
    );
  });

  test('a file with sites of its own pays for no other vote', () => {
    const plan = planOf(requestOf(`${FREE}sites: [{ id: 'aws:eu-north-1', store: true, witness: true }]\n`));
    expect([plan.witness, plan.cost.lines.some(({ what }) => what === 'witness')]).toEqual([null, false]);
  });
});

test('countries that a default leaves out are named, with the law that keeps their data at home', () => {
  const world = requestOf('farshore: v1\nname: world\nmodel: active-passive\nplan: { providers: [aws] }\n');
  const out = new Map(world.usersLeftOut.map(({ country, law }) => [country, law]));
  expect([out.get('RU'), out.has('DE'), world.users.some(({ country }) => out.has(country))]).toEqual([
    expect.any(String),
    false,
    false,
  ]);
  expect(out.has('CN')).toBe(true);
  const plan = planOf({ ...world, regions: [placeId('aws:us-east-1'), placeId('aws:us-west-2')] });
  const line = plan.assumptions.find((one) => one.startsWith('not among these users:'));
  expect(line).toContain(`RU (${out.get('RU')})`);
  expect(line).toContain('CN (');
  expect(planOf(requestOf(FREE)).assumptions.join()).not.toContain('not among these users');
});

describe('services that the application needs', () => {
  const request = requestOf(FREE, { services: ['redis'] });
  const free = planOf(request);
  const [primary] = free.regions;
  const knowing = (services: readonly string[]) =>
    withOwnRegions(facts, { [primary?.id ?? '']: { services: [...services] } }).facts;

  test('where nobody said what a region has, they are shown as unknown and exclude nothing', () => {
    expect(free.assumptions.at(-1)).toContain(`redis: unknown in ${free.regions.map(({ id }) => id).join(', ')}`);
  });

  test('a region that is known not to have one is left out, and says why; the checker would refuse it', () => {
    const lacking = knowing(['postgres']);
    const result = planRegions(request, lacking, OPTIONS);
    if (result.kind !== 'plan') throw new Error('another region is as good');
    expect(result.plan.regions.map(({ id }) => id)).not.toContain(primary?.id);
    const other = result.plan.others.find(({ region }) => region === primary?.id);
    expect([other?.constraint, other?.why]).toEqual(['services', expect.stringContaining('redis')]);
    expect(checkPlan(free, lacking)).toEqual([`${primary?.id} has no redis`]);
  });

  test('pinned all the same: the conflict names them, and what to do without', () => {
    const pinned = { ...request, pin: [placeId(primary?.id ?? '')] };
    const result = planRegions(pinned, knowing(['postgres']), OPTIONS);
    if (result.kind !== 'infeasible') throw new Error('it has no redis');
    expect(result.infeasible.conflict.map(({ constraint }) => constraint)).toEqual(['pin', 'services', 'regions']);
    expect(result.infeasible.relaxations.map(({ change }) => change).toSorted()).toEqual([
      'do without redis in some region',
      `lift the pin of ${primary?.id}`,
    ]);
  });
});

describe('active-passive: every order of the regions is looked at', () => {
  const BASE = 'farshore: v1\nname: order\nmodel: active-passive\n';
  test('the primary that a write likes least may be the only one that is near enough', () => {
    const request = requestOf(
      `${BASE}users: [{ country: AU, at: '-33.87,151.21', share: 36 }, { country: GB, share: 64 }]
objectives: { rpo: 1m, latency: [{ within: 60ms, for: 35 }] }
plan: { providers: [aws], pin: [aws:us-west-2, aws:ap-southeast-2] }\n`,
    );
    const { regions, reads } = planOf(request);
    expect(regions.map(({ id }) => id)).toEqual(['aws:ap-southeast-2', 'aws:us-west-2']);
    expect(reads.objectives[0]?.reached).toBeGreaterThanOrEqual(0.35);
  });

  test('no order of the same regions is cheaper and keeps the demands', () => {
    const request = requestOf(
      `${BASE}users: [{ country: BR, share: 100 }]
objectives: { rpo: 1m, latency: [{ within: 250ms, for: 90 }] }
plan: { providers: [aws], pin: [aws:sa-east-1] }\n`,
    );
    const plan = planOf(request);
    const turned = planOf({ ...request, pin: [], regions: plan.regions.map(({ id }) => id).toReversed() });
    const isMet = (turned.reads.objectives[0]?.reached ?? 0) >= 0.9;
    expect(isMet ? turned.cost.usd : Infinity).toBeGreaterThanOrEqual(plan.cost.usd - 0.01);
    expect(plan.regions[0]?.id).not.toBe('aws:sa-east-1');
  });
});
