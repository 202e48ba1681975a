import type { PlaceId } from '../../base/ids.ts';
import { CONTINENTS, countriesOf } from '../../facts/continents.ts';
import { governanceOf } from '../../facts/countries.ts';
import { providerOf, type Facts, type RegionFact } from '../../facts/facts.ts';
import { distanceKm } from '../../facts/geo.ts';
import { sharedHazards } from '../../facts/hazards.ts';
import type { LatencyMethod } from '../../facts/latency/band.ts';
import type { LatencyModel } from '../../facts/latency/model.ts';

/** Two regions of one provider on one continent. */
export interface Pair {
  readonly regions: readonly [PlaceId, PlaceId];
  readonly km: number;
  readonly rttMs: number;
  readonly method: LatencyMethod;
  readonly lowMs: number;
  readonly highMs: number;
  /** Zones that both are in and that alone keep no two regions apart: a storm's coast. The provider's control plane is not listed: every pair shares it. */
  readonly soft: readonly string[];
  /** Zones that both are in and that keep them apart; empty in `pairs`. */
  readonly hard: readonly string[];
  /** The provider itself names them a pair. */
  readonly providersOwn: boolean;
  /** The lower of both countries', 0 to 1; null: unknown. */
  readonly governance: number | null;
}

export interface ContinentPairs {
  readonly continent: string;
  /** Nearest first, each region at most once. */
  readonly pairs: readonly Pair[];
  /** Far enough apart for a rule about distance, and yet one fate; nearest first. */
  readonly oneFate: readonly Pair[];
  /** Every region with its nearest separate partner; null: it has none on this continent, and why. */
  readonly partners: readonly {
    readonly region: PlaceId;
    readonly partner: PlaceId | null;
    readonly km: number | null;
    readonly rttMs: number | null;
    /** What the provider calls its pair; null: nothing. */
    readonly providersOwn: PlaceId | null;
    readonly why: string;
  }[];
}

export interface PairOptions {
  readonly providers: readonly string[];
  /** Regions nearer to each other are one place. */
  readonly minKm: number;
}

/**
 * The pairs that a disaster takes down together least and that a commit crosses soonest: by measured or estimated round trip, among regions that are
 * `minKm` apart and in no common hard hazard zone. Deterministic; ties by name.
 */
export function pairsOf(facts: Facts, model: LatencyModel, options: PairOptions): readonly ContinentPairs[] {
  return CONTINENTS.map((continent) => {
    const countries = new Set(countriesOf(facts, continent));
    const regions = [...facts.regions.values()]
      .filter(({ id, country }) => countries.has(country) && options.providers.includes(providerOf(id)))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const all = regions
      .flatMap((a, i) =>
        regions
          .slice(i + 1)
          .filter((b) => providerOf(a.id) === providerOf(b.id))
          .map((b) => pairOf(facts, model, a, b)),
      )
      .toSorted((a, b) => a.rttMs - b.rttMs || (nameOf(a) < nameOf(b) ? -1 : 1));
    const far = all.filter(({ km }) => km >= options.minKm);
    const separate = far.filter(({ hard }) => hard.length === 0);
    return {
      continent,
      pairs: eachOnce(separate),
      oneFate: far.filter(({ hard }) => hard.length > 0),
      partners: regions.map((region) => partnerOf(region, all, separate, options.minKm)),
    };
  });
}

const nameOf = ({ regions }: Pair): string => regions.join();

function pairOf(facts: Facts, model: LatencyModel, a: RegionFact, b: RegionFact): Pair {
  const { ms, method, band } = model.regionToRegion(a.id, b.id);
  const shared = sharedHazards(facts, a.id, b.id);
  const governances = [governanceOf(facts, a.id), governanceOf(facts, b.id)].filter((one) => one !== null);
  return {
    regions: [a.id, b.id],
    km: Math.round(distanceKm(a, b)),
    rttMs: ms,
    method,
    lowMs: band.lowMs,
    highMs: band.highMs,
    soft: shared
      .filter(({ antiAffinity, kind }) => antiAffinity === 'soft' && kind !== 'control-plane')
      .map(({ name }) => name),
    hard: shared.filter(({ antiAffinity }) => antiAffinity === 'hard').map(({ name, kind }) => `${name} (${kind})`),
    providersOwn: a.pair === b.id || b.pair === a.id,
    governance: governances.length < 2 ? null : Math.min(...governances),
  };
}

function eachOnce(pairs: readonly Pair[]): readonly Pair[] {
  const taken = new Set<PlaceId>();
  return pairs.filter(({ regions: [a, b] }) => {
    if (taken.has(a) || taken.has(b)) return false;
    taken.add(a).add(b);
    return true;
  });
}

function partnerOf(
  { id, pair }: RegionFact,
  all: readonly Pair[],
  separate: readonly Pair[],
  minKm: number,
): ContinentPairs['partners'][number] {
  const mine = separate.find(({ regions }) => regions.includes(id));
  const other = ({ regions: [a, b] }: Pair): PlaceId => (a === id ? b : a);
  if (mine !== undefined)
    return {
      region: id,
      partner: other(mine),
      km: mine.km,
      rttMs: mine.rttMs,
      providersOwn: pair,
      why: ownPairSays(id, pair, mine, all, minKm),
    };
  const near = all.filter(({ regions }) => regions.includes(id));
  const why =
    near.length === 0
      ? `the only region of ${providerOf(id)} here`
      : near
          .map((one) => `${other(one)}: ${one.hard.length > 0 ? one.hard.join(', ') : `only ${one.km} km away`}`)
          .join('; ');
  return { region: id, partner: null, km: null, rttMs: null, providersOwn: pair, why };
}

/** What to know about the provider's own pair, when it is another one. */
function ownPairSays(id: PlaceId, own: PlaceId | null, mine: Pair, all: readonly Pair[], minKm: number): string {
  if (own === null || mine.regions.includes(own)) return '';
  const found = all.find(({ regions }) => regions.includes(id) && regions.includes(own));
  if (found === undefined) return `the provider pairs it with ${own}, on another continent`;
  if (found.hard.length > 0) return `the provider pairs it with ${own}: one fate, ${found.hard.join(', ')}`;
  if (found.km < minKm) return `the provider pairs it with ${own}, only ${found.km} km away`;
  return `the provider pairs it with ${own}, ${Math.round(found.rttMs)} ms away`;
}
