import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Plan } from '../../../plan/plan.ts';
import { servedPlaces, shareWithin } from '../../../plan/places.ts';
import { planRegions, type PlanResult } from '../../../plan/plan-regions.ts';
import { parsePlanRequest } from '../../../spec/planning.ts';
import { readFacts } from '../../read-facts.ts';
import { planPage } from './page.ts';
import { circlePath, landPath, projectionOf } from './project.ts';

const facts = readFacts();

function planOf(name: string, changed: (text: string) => string = (text) => text): PlanResult {
  const file = fileURLToPath(new URL(`../../../../examples/plan/${name}.yaml`, import.meta.url));
  const parsed = parsePlanRequest(changed(readFileSync(file, 'utf8')), file, facts);
  if (!parsed.ok) throw new Error('the example is valid');
  return planRegions(parsed.value.request, facts, { top: 3, seed: 1 });
}

function only(result: PlanResult): Plan {
  if (result.kind !== 'plan') throw new Error('there is a plan');
  return result.plan;
}

const shop = planOf('eu-shop');

test('it needs no network and no script, and holds every region, loss, line of cost, alternative and reason', () => {
  const plan = only(shop);
  const page = planPage(shop, facts, 'farshore plan shop.yaml');
  expect(page).not.toMatch(/<script|(?:src|href)=|url\(|@import/);
  expect(page).toContain("default-src 'none'");
  for (const { region, why } of plan.others) {
    expect(page).toContain(String(region));
    expect(page).toContain(why.replaceAll('"', '&quot;'));
  }
  for (const { detail } of plan.cost.lines) expect(page).toContain(detail.replaceAll("'", '&#39;'));
  for (const { regions } of plan.alternatives) expect(page).toContain(regions.join(', '));
  expect(page).toContain('farshore plan shop.yaml');
});

test('the witness is on the map, in the list and in the costs', () => {
  const { witness } = only(shop);
  const page = planPage(shop, facts, 'x');
  expect(page).toMatch(
    new RegExp(`<g class="pin witness"><rect [^>]*/>.*?>W</text><text [^>]*>${witness?.id}</text></g>`),
  );
  expect(page).toContain(`<li class="witness"><b><i>W</i>${witness?.id} · witness</b>`);
  expect(page).toContain('title="witness: $');
});

test('names of the file are text, not markup', () => {
  const plan = only(shop);
  const evil: PlanResult = { kind: 'plan', plan: { ...plan, name: '<b>&"x' } };
  const page = planPage(evil, facts, "farshore plan '<i>.yaml'");
  expect(page).toContain('&lt;b&gt;&amp;&quot;x');
  expect(page).not.toContain('<b>&"x');
  expect(page).not.toContain('<i>.yaml');
});

test('the curve sums up to what the plan says, and so does the loss', () => {
  for (const name of ['eu-shop', 'world']) {
    const plan = only(planOf(name));
    const { now, afterWorst } = servedPlaces(plan, facts);
    const [objective] = plan.reads.objectives;
    expect(shareWithin(now, 'ms', objective?.withinMs ?? 0)).toBeCloseTo(objective?.reached ?? -1, 6);
    expect(shareWithin(now, 'highMs', objective?.withinMs ?? 0)).toBeCloseTo(objective?.low ?? -1, 6);
    const least = Math.min(...plan.losses.map(({ coverage }) => coverage));
    expect(shareWithin(afterWorst?.places ?? [], 'ms', objective?.withinMs ?? 0)).toBeCloseTo(least, 6);
  }
});

test('a plan that breaks its file says so first; no plan is a page too', () => {
  const plan = only(shop);
  const broken = planPage({ kind: 'plan', plan: { ...plan, violations: ['too far'] } }, facts, '');
  expect(broken).toContain('BREAKS THE FILE');
  expect(broken).toContain('<p class="warn">too far</p>');
  const none = planPage(planOf('in-country'), facts, '');
  expect(none).toContain('NO PLAN');
  expect(none).toContain('keeps all data in DE');
  expect(none).toContain('Any one of these is enough');
});

test('the map holds all its points; land across the date line is drawn on both sides; a circle is broken there', () => {
  const points = [
    { lat: 64, lon: -22 },
    { lat: -37, lon: 175 },
    { lat: 35, lon: 139 },
    { lat: 37, lon: -122 },
  ];
  const to = projectionOf(points);
  for (const point of points) {
    expect(to.x(point)).toBeGreaterThan(0);
    expect(to.x(point)).toBeLessThan(720);
    expect(to.y(point)).toBeGreaterThan(0);
    expect(to.y(point)).toBeLessThan(to.height);
  }
  // No stroke of the coast is longer than a tenth of the map.
  for (const ring of landPath(to).split('M').slice(1)) {
    const corners = ring
      .replace('Z', '')
      .split('L')
      .map((pair) => pair.split(' ').map(Number));
    for (const [i, [x = 0]] of corners.entries()) expect(Math.abs(x - (corners[i - 1]?.[0] ?? x))).toBeLessThan(72);
  }
  const [, , tokyo, sanJose] = points;
  const { path } = circlePath(tokyo ?? to0, sanJose ?? to0, to);
  expect(path.match(/M/g)).toHaveLength(2);
});

const to0 = { lat: 0, lon: 0 };
