import { expect, test } from 'vitest';
import { placeId } from '../../base/ids.ts';
import { readFacts } from '../../cli/read-facts.ts';
import { providerOf, regionFact } from '../../facts/facts.ts';
import { distanceKm } from '../../facts/geo.ts';
import { sharedHazards } from '../../facts/hazards.ts';
import { createLatencyModel } from '../../facts/latency/model.ts';
import { withOwnRtts } from '../../facts/own.ts';
import { pairsOf } from './pairs.ts';
import { thumbRulesOf } from './thumb.ts';

const facts = readFacts();
const model = createLatencyModel(facts);
const all = { providers: ['aws', 'azure', 'gcp'], minKm: 300 };
const found = pairsOf(facts, model, all);
const on = (continent: string) => found.filter((one) => one.continent === continent).flatMap(({ pairs }) => pairs);

test('every pair is of one provider, far enough apart, in no common hard zone, nearest first, each region once', () => {
  for (const { continent, pairs } of found) {
    const regions = pairs.flatMap((pair) => pair.regions);
    expect(new Set(regions).size, continent).toBe(regions.length);
    expect(pairs.map(({ rttMs }) => rttMs)).toEqual(pairs.map(({ rttMs }) => rttMs).toSorted((a, b) => a - b));
    for (const {
      regions: [a, b],
    } of pairs) {
      expect(providerOf(a)).toBe(providerOf(b));
      expect(distanceKm(regionFact(facts, a), regionFact(facts, b))).toBeGreaterThan(299.5);
      expect(sharedHazards(facts, a, b).filter(({ antiAffinity }) => antiAffinity === 'hard')).toEqual([]);
    }
  }
  expect(on('europe').length).toBeGreaterThan(5);
});

test('the nearest separate partner of a region is the nearest: looked for in another way', () => {
  const partners = found.flatMap((one) => one.partners);
  const partner = partners.find(({ region }) => region === 'aws:eu-west-1');
  const europe = ['eu-central-1', 'eu-central-2', 'eu-north-1', 'eu-south-1', 'eu-south-2', 'eu-west-2', 'eu-west-3'];
  const [nearest] = europe
    .map((name) => ({ name, ms: model.regionToRegion(placeId('aws:eu-west-1'), placeId(`aws:${name}`)).ms }))
    .toSorted((a, b) => a.ms - b.ms);
  expect(partner?.partner).toBe(`aws:${nearest?.name}`);
});

test('distance alone would pair the Gulf and Tokyo with Osaka: they are one fate', () => {
  const fates = found.flatMap(({ oneFate }) => oneFate.map(({ regions }) => regions.join()));
  expect(fates).toContain('aws:me-central-1,aws:me-south-1');
  expect(fates).toContain('aws:ap-northeast-1,aws:ap-northeast-3');
});

test('a region alone on its continent has no partner, and says why; so does one whose only neighbour shares its grid', () => {
  const africa = found.find(({ continent }) => continent === 'africa');
  expect(africa?.pairs).toEqual([]);
  const why = new Map(africa?.partners.map((one) => [String(one.region), one.why]));
  expect(why.get('aws:af-south-1')).toBe('the only region of aws here');
  expect(why.get('azure:southafricanorth')).toMatch(/azure:southafricawest: .*grid/);
});

test('the provider’s own pair is named, also where another one is nearer or safer', () => {
  const partners = found.flatMap((one) => one.partners);
  const brazil = pairsOf(facts, model, { ...all, minKm: 1_000 }).flatMap((one) => one.partners);
  expect(brazil.find(({ region }) => region === 'azure:brazilsouth')?.why).not.toBe('');
  expect(partners.find(({ region }) => region === 'azure:southafricanorth')?.providersOwn).toBe(
    'azure:southafricawest',
  );
});

test('the rules of thumb: every figure of planner research within 1 ms and 0.5 % of the kilometres, with its verdict', () => {
  const { pairs } = thumbRulesOf(facts, model);
  expect(pairs.map(({ verdict }) => verdict)).toEqual(['half right', 'half right', 'half right']);
  const figures = pairs.flatMap((rule) => rule.pairs);
  const expected = [
    [3_502, 64.1, 'more', 'right'],
    [484, 14.6, 'less', 'less'],
    [1_088, 27.1, 'right', 'right'],
    [463, 13.7, 'less', 'less'],
    [6_306, 94.7, 'right', 'right'],
    [3_904, 63.6, 'less', 'less'],
    [7_826, 106.9, 'more', 'right'],
    [6_720, 133.8, 'right', 'right'],
  ] as const;
  expect(figures).toHaveLength(expected.length);
  for (const [i, [km, ms, kmIs, rttIs]] of expected.entries()) {
    expect(Math.abs((figures[i]?.km ?? 0) - km)).toBeLessThan(km / 200);
    expect(Math.abs((figures[i]?.rttMs ?? 0) - ms)).toBeLessThanOrEqual(1);
    expect([figures[i]?.kmIs, figures[i]?.rttIs]).toEqual([kmIs, rttIs]);
  }
});

test('the triad: Singapore is enough on a short last mile, Tokyo never; the best three reach more', () => {
  const { triad } = thumbRulesOf(facts, model);
  expect(triad.verdict).toBe('half right');
  const [singapore, tokyo, best] = triad.reach;
  const at = (one: typeof singapore, lastMileMs: number) =>
    one?.shares.find((share) => share.lastMileMs === lastMileMs)?.all ?? Number.NaN;
  expect(at(singapore, 0)).toBeGreaterThan(0.8);
  expect(at(singapore, 30)).toBeLessThan(0.8);
  for (const { all: share } of tokyo?.shares ?? []) expect(share).toBeLessThan(0.8);
  expect(best?.best).toBe(true);
  expect(at(best, 15)).toBeGreaterThan(at(singapore, 15));
});

test('a rule follows the facts: with other round trips it gets another verdict', () => {
  const slower = [
    ['us-west-2', 90],
    ['us-east-2', 90],
  ].map(([to, ms]) => ({ from: placeId('aws:us-east-1'), to: placeId(`aws:${to}`), ms: Number(ms), at: 'test' }));
  const own = withOwnRtts(facts, [{ rows: slower, source: 'test', asOf: '2026-11-01' }]);
  const [rule] = thumbRulesOf(own, createLatencyModel(own)).pairs;
  expect(rule?.verdict).toBe('wrong');
  expect(rule?.pairs.map(({ rttIs }) => rttIs)).toEqual(['more', 'more']);
});
