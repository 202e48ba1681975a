import { type PlaceId, placeId } from '../base/ids.ts';
import type { CanaryPolicy, DeepCheck, HealthPolicy, PolicyName, RoutingPolicy } from '../ports/routing.ts';
import { CONTINENTS, countriesOf } from '../facts/continents.ts';
import type { Facts } from '../facts/facts.ts';
import { jurisdictionHolds } from '../facts/residency.ts';
import { parseDuration } from './duration.ts';
import type { TrafficSection } from './traffic-schema.ts';

/** What `traffic` needs to know of the rest of the file. */
export interface TrafficContext {
  readonly model: 'active-passive' | 'active-active' | 'global';
  /** In order of preference. */
  readonly regions: readonly { readonly id: PlaceId; readonly capacity: number | null }[];
}

export const DEFAULT_HEALTH = { everyMs: 500, timeoutMs: 500, fall: 2, rise: 4, bucket: 6, leakAfter: 20 };
const DEFAULT_DEEP = { everyMs: 1_000, timeoutMs: 1_000, withinMs: 3_000 };
export const DEFAULT_HYSTERESIS_MS = 5;

export const defaultPolicies = (model: TrafficContext['model']): readonly PolicyName[] =>
  model === 'active-passive' ? ['failover'] : ['latency'];

/** The section with its defaults, and every word for places turned into countries. Only for a section without errors. */
export function resolveTraffic(section: TrafficSection, context: TrafficContext, facts: Facts): RoutingPolicy {
  const { geolocation: geo = {}, latency = {}, failover = {}, health = {}, canary } = section;
  const all = context.regions.map((region) => region.id);
  return {
    hosts: section.hosts ?? [],
    policies: section.policies ?? defaultPolicies(context.model),
    geolocation: {
      rules: resolveRules(geo.rules ?? [], facts),
      otherwise: geo.otherwise?.map(placeId) ?? null,
      overrides: (geo.networks ?? []).map(({ network, place, country }) => ({
        network,
        place,
        country: country ?? (isCountry(place) ? place : null),
      })),
    },
    latency: { withinMs: msOf(latency.within, 0), hysteresisMs: msOf(latency.hysteresis, DEFAULT_HYSTERESIS_MS) },
    failover: {
      order:
        failover.order === undefined
          ? all
          : [...failover.order.map(placeId), ...all.filter((id) => !failover.order?.includes(id))],
      holdDownMs: msOf(failover.holdDown, 0),
      failback: failover.failback ?? 'auto',
    },
    slowStartMs: msOf(section.slowStart, 0),
    capacity: Object.fromEntries(
      context.regions.flatMap(({ id, capacity }) => (capacity === null ? [] : [[id, capacity]])),
    ) as Record<PlaceId, number>,
    canary:
      canary === undefined
        ? null
        : {
            regions: canary.regions.map(placeId),
            header: markOf(canary.header, (name) => name.toLowerCase()),
            cookie: markOf(canary.cookie, (name) => name),
          },
    affinity: section.affinity ?? 'none',
    fences: (section.fences ?? []).map((fence) => ({
      name: fence.name,
      countries: [...new Set(fence.users.flatMap((word) => expand(word, facts)))].toSorted(),
      regions: all.filter((id) => inside(facts, fence.within, id)),
    })),
    unmapped: section.unmapped ?? 'fenced',
    whenAllUnhealthy:
      section.whenAllUnhealthy === 'static'
        ? { kind: 'static', regions: (section.static ?? []).map(placeId) }
        : { kind: section.whenAllUnhealthy ?? 'hold-last' },
    health: resolveHealth(health, section.hosts?.[0] ?? null),
  };
}

function resolveHealth(health: NonNullable<TrafficSection['health']>, firstHost: string | null): HealthPolicy {
  const { every, timeout, address } = health;
  const host = address?.host ?? firstHost;
  return {
    everyMs: msOf(every, DEFAULT_HEALTH.everyMs),
    timeoutMs: msOf(timeout, DEFAULT_HEALTH.timeoutMs),
    fall: health.fall ?? DEFAULT_HEALTH.fall,
    rise: health.rise ?? DEFAULT_HEALTH.rise,
    bucket: health.bucket ?? DEFAULT_HEALTH.bucket,
    leakAfter: health.leakAfter ?? DEFAULT_HEALTH.leakAfter,
    check: health.check ?? 'http',
    observers: health.observers ?? 'majority',
    ...(health.deep === undefined ? {} : { deep: resolveDeep(health.deep) }),
    // Without a name `validate` refuses the file.
    address: address?.check === 'tls' ? { check: 'tls', host: host ?? '' } : { check: address?.check ?? 'http' },
  };
}

function resolveDeep(deep: NonNullable<NonNullable<TrafficSection['health']>['deep']>): DeepCheck {
  const { everyMs, timeoutMs, withinMs } = DEFAULT_DEEP;
  const pace = { everyMs: msOf(deep.every, everyMs), timeoutMs: msOf(deep.timeout, timeoutMs) };
  if (deep.check === 'commit') return { check: 'commit', withinMs: msOf(deep.within, withinMs), ...pace };
  // Without a path `validate` refuses the file.
  return { check: 'http', path: deep.path ?? '/', ...pace };
}

const isCountry = (word: string): boolean => /^[A-Z]{2}$/.test(word);

/** How wide a word for a place is: the narrower one counts. */
const widthOf = (word: string, facts: Facts): number => (CONTINENTS.includes(word) ? 2 : facts.blocs.has(word) ? 1 : 0);

/** The countries of a word, or the word itself: a country, or a name that the operator gave. */
export function expand(word: string, facts: Facts): readonly string[] {
  if (CONTINENTS.includes(word)) return countriesOf(facts, word);
  const bloc = facts.blocs.get(word);
  return bloc === undefined ? [word] : [...bloc.countries].toSorted();
}

/** May a region serve behind a fence: is its country inside of the bloc or country? */
export function inside(facts: Facts, within: string, region: PlaceId): boolean {
  const fact = facts.regions.get(region);
  return fact !== undefined && jurisdictionHolds(facts, within, fact.country);
}

type Rules = NonNullable<NonNullable<TrafficSection['geolocation']>['rules']>;

/** Each place goes to the rule that names it by the narrowest word; of two as narrow, to the first (and `validate` refuses that). */
function resolveRules(rules: Rules, facts: Facts): RoutingPolicy['geolocation']['rules'] {
  const owner = new Map<string, { readonly rule: number; readonly width: number }>();
  for (const [rule, { places }] of rules.entries()) {
    for (const word of places) {
      const width = widthOf(word, facts);
      for (const place of expand(word, facts)) {
        const before = owner.get(place);
        if (before === undefined || width < before.width) owner.set(place, { rule, width });
      }
    }
  }
  return rules.map(({ places, regions }, index) => ({
    label: places.join(', '),
    places: [...owner].filter(([, { rule }]) => rule === index).map(([place]) => place),
    regions: regions.map(placeId),
  }));
}

function markOf(
  mark: { readonly name: string; readonly value?: string | undefined } | undefined,
  nameOf: (name: string) => string,
): CanaryPolicy['header'] {
  return mark === undefined ? null : { name: nameOf(mark.name), value: mark.value ?? null };
}

const msOf = (text: string | undefined, fallback: number): number =>
  text === undefined ? fallback : (parseDuration(text) ?? fallback);
