import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { placeId } from '../../base/ids.ts';
import { readFacts } from '../../cli/read-facts.ts';
import type { Facts } from '../../facts/facts.ts';
import { withOwnHazards, withOwnRtts } from '../../facts/own.ts';
import { parsePlanRequest, type PlanRequest } from '../../spec/planning.ts';
import type { Plan } from '../plan.ts';
import { planRegions } from '../plan-regions.ts';
import { diffPlans } from './diff.ts';
import { driftOf, type Drift } from './drift.ts';
import { planFile, type PlanFile } from './plan-file.ts';
import { pricesOf } from './relax.ts';

const facts = readFacts();
const options = { top: 3, seed: 1 };

function requestOf(name: string): PlanRequest {
  const file = fileURLToPath(new URL(`../../../examples/plan/${name}.yaml`, import.meta.url));
  const parsed = parsePlanRequest(readFileSync(file, 'utf8'), file, facts);
  if (!parsed.ok) throw new Error('the example is valid');
  return parsed.value.request;
}

const shop = requestOf('eu-shop');

function planOf(request: PlanRequest, known: Facts = facts): Plan {
  const result = planRegions(request, known, options);
  if (result.kind !== 'plan') throw new Error('there is a plan');
  return result.plan;
}

/** As it comes back from a file. */
const fileOf = (plan: Plan): PlanFile => planFile.parse(JSON.parse(JSON.stringify(plan)));
const judged = (...regions: string[]): PlanFile =>
  fileOf(planOf({ ...shop, regions: regions.map(placeId), sizes: { min: 2, max: 2 } }));

const slow = (a: string, b: string, ms: number): Facts =>
  withOwnRtts(facts, [
    { rows: [{ from: placeId(a), to: placeId(b), ms, at: 'test' }], source: 'test', asOf: '2026-11-20' },
  ]);

function driftFrom(old: PlanFile, known: Facts = facts, request: PlanRequest = shop): Drift {
  const drift = driftOf(request, known, old, options);
  if (drift === null) throw new Error('there is a plan');
  return drift;
}

test('a plan and itself: the same; two plans: regions, figures, cost and what was asked', () => {
  const plan = fileOf(planOf(shop));
  expect(diffPlans(plan, plan)).toMatchObject({ same: true, regions: [], figures: [], cost: [], asked: [], facts: [] });
  const other = fileOf(planOf({ ...shop, pin: [placeId('aws:eu-central-1')] }));
  const diff = diffPlans(plan, other);
  expect(diff.same).toBe(false);
  expect(diff.asked).toEqual([{ path: 'pin.0', was: null, is: '"aws:eu-central-1"' }]);
  expect(diff.regions.find(({ id }) => id === 'aws:eu-central-1')?.change).toBe('added');
  const cost = diff.figures.find(({ what }) => what === 'cost a month');
  expect([cost?.was, cost?.is]).toEqual([plan.cost.usd, other.cost.usd]);
  const byKind = diff.cost.reduce((sum, { was, is }) => sum + is - was, 0);
  expect(byKind).toBeCloseTo(other.cost.usd - plan.cost.usd, 6);
});

test('what a demand costs is what the plan without a notch of it costs less', () => {
  const prices = pricesOf(shop, facts);
  const plan = planOf(shop);
  expect(prices?.now.usd).toBeCloseTo(plan.cost.usd, 6);
  expect(prices?.now.regions).toEqual(plan.regions.map(({ id }) => id));
  const rto = prices?.notches.find(({ asks }) => asks.startsWith('RTO'));
  expect(rto?.outcome.usd).toBeCloseTo(planOf({ ...shop, rtoMs: 30 * 60_000 }).cost.usd, 6);
  expect(rto?.savedUsd).toBeGreaterThan(100);
  // With a latency objective the cheapest plan is chosen: less of a demand is never dearer.
  for (const { savedUsd, asks } of prices?.notches ?? []) expect(savedUsd, asks).toBeGreaterThan(-0.01);
  const saved = prices?.notches.map(({ savedUsd }) => savedUsd) ?? [];
  expect(saved).toEqual(saved.toSorted((a, b) => b - a));
});

test('where there is no plan, nothing has a price', () => {
  expect(pricesOf(requestOf('in-country'), facts)).toBeNull();
});

test('nothing has moved: nothing is suggested, also from a plan that is second by a little', () => {
  const same = driftFrom(fileOf(planOf(shop)));
  expect(same.moved).toEqual([]);
  expect(same.broken).toEqual([]);
  for (const old of [fileOf(planOf(shop)), judged('aws:eu-west-3', 'aws:eu-north-1')])
    expect(driftFrom(old).actions.filter(({ suggested }) => suggested)).toEqual([]);
});

test('an RTO that no strategy meets breaks nothing that other regions would mend', () => {
  const request = { ...shop, rtoMs: 5_000 };
  const plan = planOf(request);
  expect(plan.violations).toHaveLength(1);
  const drift = driftFrom(fileOf(plan), facts, request);
  expect(drift.broken).toEqual([]);
  expect(drift.actions.filter(({ suggested }) => suggested)).toEqual([]);
});

test('a link that a commit cannot wait for any more breaks the plan: what moved, what is broken, and a change that is sure', () => {
  const [a, b] = planOf(shop).regions.map(({ id }) => String(id));
  const drift = driftFrom(fileOf(planOf(shop)), slow(a ?? '', b ?? '', 95));
  expect(drift.moved.find(({ what }) => what === `${b} to the primary`)?.is).toBe(95);
  expect(drift.broken.join()).toContain('95');
  const [first] = drift.actions;
  expect(first).toMatchObject({ kind: 'change regions', suggested: true });
  expect(first?.confidence).toBeGreaterThanOrEqual(0.9);
  expect([a, b].every((id) => first?.regions.some((other) => other === id))).toBe(false);
});

test('a link that is slower by less than its error moves nothing but the figure', () => {
  const [primary, standby] = planOf(shop).regions;
  const drift = driftFrom(
    fileOf(planOf(shop)),
    slow(String(primary?.id), String(standby?.id), (standby?.toPrimaryMs ?? 0) + 2),
  );
  expect(drift.moved.map(({ what }) => what)).toContain(`${standby?.id} to the primary`);
  expect(drift.actions.filter(({ suggested }) => suggested)).toEqual([]);
});

test('a primary on the wrong side of the users: a switchover is suggested, and only when it wins by more than the errors', () => {
  const spain: PlanRequest = {
    ...shop,
    users: [{ country: 'ES', share: 1 }],
    hasLatency: false,
    latency: [{ withinMs: 100, share: 0, country: null, metric: 'rtt' as const }],
  };
  const far = fileOf(
    planOf({ ...spain, regions: ['aws:eu-north-1', 'aws:eu-west-3'].map(placeId), sizes: { min: 2, max: 2 } }),
  );
  const action = driftFrom(far, facts, spain).actions.find(({ kind }) => kind === 'change primary');
  expect(action).toMatchObject({ says: 'farshore switchover aws:eu-west-3', suggested: true });
  expect(action?.gainedWriteMs).toBeGreaterThan(10);
  const near = fileOf(
    planOf({ ...spain, regions: ['aws:eu-west-3', 'aws:eu-north-1'].map(placeId), sizes: { min: 2, max: 2 } }),
  );
  expect(driftFrom(near, facts, spain).actions.find(({ kind }) => kind === 'change primary')).toBeUndefined();
});

/** Nothing demanded of the latency. */
const MEASURED = { hasLatency: false, latency: [{ withinMs: 60, share: 0, country: null, metric: 'rtt' as const }] };

test('a move is copied once to whoever joins, and is paid for; regions that the file names are not asked about', () => {
  const old = judged('aws:eu-west-3', 'aws:eu-north-1');
  const changes = driftFrom(old).actions.filter(({ kind }) => kind === 'change regions');
  expect(changes.length).toBeGreaterThan(0);
  for (const { regions, move, savedUsd } of changes) {
    const joining = regions.filter((id) => !old.regions.some((other) => other.id === id)).length;
    expect(move.copyGib).toBe(joining * shop.load.storageGib);
    expect(move.usd).toBeGreaterThan(0);
    expect(move.paidBackMonths === null).toBe(savedUsd <= 0);
  }
  const named = { ...shop, regions: ['aws:eu-west-3', 'aws:eu-north-1'].map(placeId) };
  expect(driftFrom(old, facts, named).actions.filter(({ kind }) => kind === 'change regions')).toEqual([]);
  for (const { outcome } of pricesOf({ ...named, ...MEASURED }, facts)?.notches ?? [])
    expect(outcome.regions.toSorted()).toEqual(named.regions.toSorted());
});

test('a new war zone over both regions breaks the plan', () => {
  const plan = planOf(shop);
  const zone = {
    id: 'test-zone',
    name: 'A test zone',
    kind: 'war' as const,
    antiAffinity: 'hard' as const,
    members: plan.regions.map(({ id }) => String(id)),
    correlation: 1,
    citation: 'a zone of this test',
    confidence: 'confirmed' as const,
  };
  const known = withOwnHazards(facts, { without: [], zones: [zone] }).facts;
  const drift = driftFrom(fileOf(plan), known);
  expect(drift.broken.join()).toContain('A test zone');
  const [first] = drift.actions;
  expect(first?.suggested).toBe(true);
  expect(plan.regions.every(({ id }) => first?.regions.includes(id))).toBe(false);
});

test('a file that is no plan is refused', () => {
  expect(planFile.safeParse({ schema: 'farshore.plan-infeasible/v1' }).success).toBe(false);
  expect(planFile.safeParse({ ...planOf(shop), regions: [] }).success).toBe(false);
});
