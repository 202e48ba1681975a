import type { PlaceId } from '../../base/ids.ts';
import { providerOf, regionFact, type Facts } from '../facts.ts';
import { distanceKm, type Point } from '../geo.ts';
import { folded } from '../metros.ts';
import { PACKS } from '../packs.ts';
import { rttFindings } from './rtt-gates.ts';
import type { Finding } from './table.ts';

const COORDINATES_KM = 150;
const OLDEST_YEARS = 3;

/** All gates for the packs of this program and the user's own rows. `year`: now, as 2026.9. */
export function packFindings(facts: Facts, year: number): readonly Finding[] {
  const second = [...facts.secondCoordinates].map(([region, point]) => ({
    region,
    ...point,
    at: 'coordinates-second',
  }));
  return [
    ...coordinateFindings(facts, second),
    ...[...facts.regions.keys()].filter((id) => !facts.secondCoordinates.has(id)).map(onlyOneSource),
    ...metroFindings(facts),
    ...unknownIds(facts),
    ...tables(facts),
    ...ageFindings(facts, year),
  ];
}

/** Where another source places regions far from where the facts do. */
export function coordinateFindings(
  facts: Facts,
  rows: readonly (Point & { readonly region: PlaceId; readonly at: string })[],
): readonly Finding[] {
  return rows.flatMap((row) => {
    const fact = regionFact(facts, row.region);
    const km = Math.round(distanceKm(fact, row));
    if (km <= COORDINATES_KM) return [];
    const text = `${row.region} (${fact.place}) is placed at ${row.lat}, ${row.lon}: ${km} km from ${fact.lat}, ${fact.lon}`;
    return [{ gate: 'coordinates', severity: 'error', at: row.at, text }];
  });
}

/** Metros of countries without people, and those that are far from a region of the same name, which other sources have placed. */
export function metroFindings(facts: Pick<Facts, 'metros' | 'clusters' | 'regions'>): readonly Finding[] {
  const countries = new Set(facts.clusters.map(({ country }) => country));
  const regions = [...facts.regions.values()];
  return facts.metros.flatMap((metro): readonly Finding[] => {
    const named = `${metro.name}, ${metro.country}`;
    if (!countries.has(metro.country))
      return [{ gate: 'ids', severity: 'error', at: 'metros', text: `${named}: nobody is known to live there` }];
    return regions
      .filter(({ country, place }) => country === metro.country && folded(place) === folded(metro.name))
      .filter((region) => distanceKm(region, metro) > COORDINATES_KM)
      .map(({ id, lat, lon }) => {
        const text = `${named} is placed at ${metro.lat}, ${metro.lon}; ${id}, of the same name, at ${lat}, ${lon}`;
        return { gate: 'coordinates', severity: 'error', at: 'metros', text };
      });
  });
}

const onlyOneSource = (id: PlaceId): Finding => ({
  gate: 'coordinates',
  severity: 'note',
  at: 'coordinates-second',
  text: `${id} has one source of coordinates only`,
});

/** Ids in the packs that no region has. */
function unknownIds(facts: Facts): Finding[] {
  const ids: (readonly [string, string])[] = [
    ...[...facts.rtts.keys()].flatMap((key) => key.split('|').map((id) => ['rtt', id] as const)),
    ...facts.prices.usdPerHour.map(([, id]) => ['prices', id] as const),
    ...[...facts.carbon.keys()].map((id) => ['carbon', id] as const),
    ...[...facts.regions.values()].flatMap(({ pair }) => (pair === null ? [] : [['regions', pair] as const])),
    ...facts.hazards.flatMap(({ members }) =>
      members.filter((id) => !id.endsWith('*')).map((id) => ['hazards', id] as const),
    ),
  ];
  const unknown = new Map(
    ids.filter(([, id]) => !facts.regions.has(id as PlaceId)).map((entry) => [entry.join(), entry]),
  );
  return [...unknown.values()].map(([pack, id]) => ({
    gate: 'ids',
    severity: 'error',
    at: pack,
    text: `there is no region ${id}`,
  }));
}

function tables(facts: Facts): Finding[] {
  const byNetwork = new Map<string, { from: PlaceId; to: PlaceId; ms: number; at: string }[]>();
  for (const [key, row] of facts.rtts) {
    const [from, to] = key.split('|') as [PlaceId, PlaceId];
    if (!facts.regions.has(from) || !facts.regions.has(to)) continue;
    const network = providerOf(from) === providerOf(to) ? providerOf(from) : 'between providers';
    byNetwork.set(network, [...(byNetwork.get(network) ?? []), { from, to, ms: row.rttMs, at: row.source }]);
  }
  return [...byNetwork.values()].flatMap((rows) => rttFindings(facts, rows));
}

function ageFindings(facts: Facts, year: number): Finding[] {
  return facts.packs
    .filter(({ name }) => PACKS.some((known) => known === name))
    .flatMap(({ name, asOf, ageAccepted }) => {
      const years = year - Number(asOf.slice(0, 4)) - (Number(asOf.slice(5, 7) || '6') - 1) / 12;
      if (years <= OLDEST_YEARS) return [];
      const text = `${name} is of ${asOf}, ${years.toFixed(1)} years old${ageAccepted === null ? '' : `; still used: ${ageAccepted}`}`;
      return [{ gate: 'age', severity: ageAccepted === null ? 'error' : 'note', at: name, text }];
    });
}
