import { describe, expect, test } from 'vitest';
import { placeId } from '../base/ids.ts';
import { readFacts } from '../cli/read-facts.ts';
import { carbonOf, clustersOf, countryFact, governanceOf } from './countries.ts';
import { distanceKm, lightRttMs } from './geo.ts';
import { hazardZonesOf, sharedHazards } from './hazards.ts';
import { createLatencyModel, DEFAULT_LAST_MILE_MS } from './latency/model.ts';
import { computePrice, egressPrice, storagePrice, transferPrice } from './prices.ts';
import { residencyRulesOf, ruleAllows } from './residency.ts';

const facts = readFacts();
const ids = [...facts.regions.keys()];
const at = placeId;

describe('prices', () => {
  test('what is published is a value', () => {
    expect(computePrice(facts, at('aws:us-east-1'), 'general')).toMatchObject({ kind: 'value', usd: 0.384 });
    expect(computePrice(facts, at('azure:westeurope'), 'memory')).toMatchObject({ kind: 'value' });
    expect(egressPrice(facts, at('aws:sa-east-1'))).toMatchObject({ kind: 'value', usd: 0.15 });
    expect(transferPrice(facts, at('aws:us-east-1'), at('aws:us-east-2'))).toMatchObject({ kind: 'value', usd: 0.01 });
    expect(transferPrice(facts, at('aws:us-east-1'), at('aws:eu-west-1'))).toMatchObject({ kind: 'value', usd: 0.02 });
    expect(transferPrice(facts, at('azure:eastus'), at('azure:westeurope'))).toMatchObject({
      kind: 'value',
      usd: 0.05,
    });
  });

  test('what is not published is a range that says from what, never another region’s price', () => {
    const saoPaulo = computePrice(facts, at('aws:sa-east-1'), 'general');
    expect(saoPaulo).toMatchObject({ kind: 'range' });
    expect(saoPaulo.kind === 'range' && saoPaulo.source).toContain('x2iedn');
    expect(saoPaulo.kind === 'range' && saoPaulo.lowUsd > 0.384 * 1.6).toBe(true);
    const mexico = computePrice(facts, at('aws:mx-central-1'), 'general');
    expect(mexico.kind === 'range' && mexico.highUsd / mexico.lowUsd).toBeGreaterThan(1.3);
    expect(transferPrice(facts, at('aws:mx-central-1'), at('aws:us-east-1')).kind).toBe('range');
    expect(egressPrice(facts, at('aws:ca-west-1')).kind).toBe('range');
  });

  test('a provider without prices is unknown, not free', () => {
    const other = { ...facts, regions: new Map(facts.regions) };
    const fact = facts.regions.get(at('aws:us-east-1'));
    if (fact === undefined) throw new Error('no us-east-1');
    other.regions.set(at('own:cellar'), { ...fact, id: at('own:cellar') });
    for (const price of [
      computePrice(other, at('own:cellar'), 'general'),
      computePrice(other, at('own:cellar'), 'memory'),
      storagePrice(other, at('own:cellar')),
      egressPrice(other, at('own:cellar')),
    ])
      expect(price.kind).toBe('unknown');
  });

  test('every region: each price is known or a range, and above zero', () => {
    for (const region of ids) {
      for (const price of [
        computePrice(facts, region, 'general'),
        computePrice(facts, region, 'memory'),
        storagePrice(facts, region),
        egressPrice(facts, region),
        transferPrice(facts, region, at(region === 'aws:us-east-1' ? 'gcp:us-east4' : 'aws:us-east-1')),
      ]) {
        if (price.kind === 'unknown') throw new Error(`${region}: ${price.why}`);
        if (price.kind === 'value') expect(price.usd).toBeGreaterThan(0);
        else expect(price.highUsd >= price.lowUsd && price.lowUsd > 0).toBe(true);
      }
    }
  });
});

describe('people', () => {
  test('the clusters of a country add up to its internet users', () => {
    for (const country of facts.countries.values()) {
      const sum = clustersOf(facts, country.iso2).reduce((total, cluster) => total + cluster.internetUsers, 0);
      expect(Math.abs(sum - country.internetUsers), country.iso2).toBeLessThan(
        1 + clustersOf(facts, country.iso2).length,
      );
    }
  });

  test('about 1000 clusters, 5.6 thousand million users, every hosting country known', () => {
    expect(facts.clusters.length).toBe(1000);
    const users = facts.clusters.reduce((total, cluster) => total + cluster.internetUsers, 0);
    expect(users / 1e9).toBeCloseTo(5.6, 1);
    for (const region of facts.regions.values()) expect(countryFact(facts, region.country), region.id).not.toBeNull();
  });
});

describe('hazards, governance, carbon, law', () => {
  test('two regions of one war share its zone, however far apart', () => {
    const shared = sharedHazards(facts, at('aws:me-central-1'), at('aws:me-south-1')).map(({ id }) => id);
    expect(shared).toContain('gulf-levant');
    expect(sharedHazards(facts, at('aws:eu-west-1'), at('azure:westeurope'))).toEqual([]);
    expect(hazardZonesOf(facts, at('aws:eu-west-1')).map(({ kind }) => kind)).toEqual(['control-plane']);
  });

  test('every member of a zone is a region, and every zone has a citation', () => {
    for (const zone of facts.hazards) {
      expect(zone.citation.length).toBeGreaterThan(10);
      expect(ids.filter((id) => hazardZonesOf(facts, id).includes(zone)).length).toBeGreaterThanOrEqual(
        zone.members.length,
      );
    }
  });

  test('the unknown is null', () => {
    expect(governanceOf(facts, at('aws:eu-central-1'))).toBeGreaterThan(0.7);
    expect(carbonOf(facts, at('gcp:europe-west1'))).toMatchObject({ asOf: '2024' });
    expect(carbonOf(facts, at('azure:austriaeast'))).toBeNull();
  });

  test('rules of law: of a country and of the bloc it is in', () => {
    const [gdpr] = residencyRulesOf(facts, 'DE', 'personal');
    if (gdpr === undefined) throw new Error('no rule');
    expect(gdpr.id).toBe('eu-gdpr-ch5');
    expect([ruleAllows(facts, gdpr, 'NO'), ruleAllows(facts, gdpr, 'JP'), ruleAllows(facts, gdpr, 'US')]).toEqual([
      true,
      true,
      false,
    ]);
    expect(residencyRulesOf(facts, 'IN', 'payment').map(({ kind }) => kind)).toEqual(['hard']);
    expect(residencyRulesOf(facts, 'FR', 'card').map(({ id }) => id)).toEqual(['pci-dss']);
  });
});

describe('the latency model', () => {
  const model = createLatencyModel(facts);

  test('measured, triangulated, near: each says how', () => {
    expect(model.regionToRegion(at('aws:us-east-1'), at('aws:eu-west-1'))).toMatchObject({
      ms: 70,
      method: 'measured',
    });
    const across = model.regionToRegion(at('aws:us-east-1'), at('gcp:europe-west4'));
    expect(across.method).toBe('triangulated');
    expect(across.ms).toBeGreaterThan(70);
    expect(across.ms).toBeLessThan(100);
  });

  test('symmetric, inside its own band, no faster than light, and people add their last mile', () => {
    const lagos = { lat: 6.45, lon: 3.39 };
    for (const a of ids.filter((_, i) => i % 7 === 0))
      for (const b of ids.filter((_, i) => i % 5 === 0)) {
        const found = model.regionToRegion(a, b);
        expect(model.regionToRegion(b, a)).toEqual(found);
        expect(found.band.lowMs).toBeLessThanOrEqual(found.ms);
        expect(found.band.highMs).toBeGreaterThanOrEqual(found.ms);
      }
    for (const region of ids) {
      const fixed = model.pointToRegion(lagos, region, 0);
      expect(model.pointToRegion(lagos, region, DEFAULT_LAST_MILE_MS).ms).toBeCloseTo(fixed.ms + DEFAULT_LAST_MILE_MS);
      const to = facts.regions.get(region);
      if (to !== undefined) expect(fixed.ms).toBeGreaterThanOrEqual(lightRttMs(distanceKm(lagos, to)));
    }
    expect(model.pointToPoint(lagos, { lat: 51.5, lon: -0.1 }).ms).toBeGreaterThan(50);
  });
});
