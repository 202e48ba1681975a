import { blocksOf } from '../../decide/routing/blocks.ts';
import { compileGeo, type GeoRows, NO_ROWS } from '../../decide/routing/geo-table.ts';
import { UNMAPPED } from '../../decide/routing/world.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';
import { type Audiences, type AudienceOptions, audiencesOf, countriesOf, ELSEWHERE } from './audiences.ts';
import { mapText } from './map-file.ts';

export interface PlaceMaps {
  readonly audiences: Audiences['list'];
  /** The texts of HAProxy's maps from networks and from countries to audiences; null: everybody is in one audience. */
  readonly maps: { readonly networks: string; readonly countries: string } | null;
}

/**
 * HAProxy looks for an address that no line has among those of the other family too, as a mapped one or as the one that it carries: there is
 * a line for all of each, in the words of `blocksOf`, which may have one too.
 */
const EVERY_ADDRESS = ['0.0.0.0/0', '0:0:0:0::/0'];

/** Who is in which audience, by address and by country, laid out as HAProxy's maps. `rows` null: the policies need no database. Half a second with the whole database. */
export function placeMapsOf(options: Omit<AudienceOptions, 'places'>, rows: GeoRows | null): PlaceMaps {
  const { routing } = options;
  const geo = compileGeo(rows ?? NO_ROWS, routing?.geolocation.overrides ?? []);
  const { list, nameOf } = audiencesOf({ ...options, places: geo.places });
  const unmapped = nameOf(UNMAPPED);
  if (routing === null || new Set([...geo.places, ...countriesOf(routing), ELSEWHERE].map(nameOf)).size === 1)
    return { audiences: list, maps: null };
  const names = [...new Set(geo.places.map(nameOf))];
  const merged = geo.merged((code) => names.indexOf(nameOf(geo.places[code] ?? UNMAPPED)));
  const networks = new Map(EVERY_ADDRESS.map((network) => [network, unmapped]));
  for (const { network, class: its } of blocksOf(merged, names.indexOf(unmapped)))
    networks.set(network, names[its] ?? unmapped);
  return { audiences: list, maps: { networks: mapText(networks), countries: countryLines(routing, nameOf) } };
}

const countryLines = (routing: RoutingPolicy, nameOf: Audiences['nameOf']): string =>
  countriesOf(routing)
    .filter((country) => nameOf(country) !== nameOf(ELSEWHERE))
    .map((country) => `${country.place} ${nameOf(country)}\n`)
    .join('');
