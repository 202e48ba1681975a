import { placeId, type PlaceId } from '../../base/ids.ts';
import type {
  AddressCheck,
  AllUnhealthy,
  CanaryPolicy,
  DeepCheck,
  GeolocationPolicy,
  GeoOverride,
  HealthPolicy,
  PolicyName,
  ResidencyFence,
  RoutingPolicy,
} from '../../ports/routing.ts';
import { isCount, isRecord, isTexts } from './raw.ts';

/**
 * The policies of a route table, or what is wrong with them. Strict: a plane that understood half of a policy would send
 * users where nobody wants them.
 */
export function parseRouting(raw: unknown): RoutingPolicy | string {
  if (!isRecord(raw)) return 'not an object';
  const { hosts, policies, slowStartMs, affinity, unmapped } = raw;
  if (!isTexts(hosts)) return 'hosts is not a list of names';
  if (!isTexts(policies) || !policies.every(isPolicy)) return 'policies has an unknown name';
  if (!isCount(slowStartMs)) return 'slowStartMs is not a number';
  if (affinity !== 'none' && affinity !== 'cookie') return 'affinity is unknown';
  if (unmapped !== 'fenced' && unmapped !== 'free') return 'unmapped is unknown';
  const geolocation = parseGeolocation(raw['geolocation']);
  const latency = raw['latency'];
  const failover = raw['failover'];
  const capacity = raw['capacity'];
  const canary = parseCanary(raw['canary']);
  const fences = listOf(raw['fences'], parseFence);
  const whenAllUnhealthy = parseAllUnhealthy(raw['whenAllUnhealthy']);
  const health = parseHealth(raw['health']);
  if (geolocation === null) return 'geolocation is malformed';
  if (!isRecord(latency) || !isCount(latency['withinMs']) || !isCount(latency['hysteresisMs'])) {
    return 'latency is malformed';
  }
  if (!isRecord(failover) || !isTexts(failover['order']) || !isCount(failover['holdDownMs'])) {
    return 'failover is malformed';
  }
  const failback = failover['failback'];
  if (failback !== 'auto' && failback !== 'manual') return 'failback is unknown';
  if (!isRecord(capacity) || !Object.values(capacity).every((each) => typeof each === 'number' && each > 0)) {
    return 'capacity is malformed';
  }
  if (canary === undefined) return 'canary is malformed';
  if (fences === null) return 'a fence is malformed';
  if (whenAllUnhealthy === null) return 'whenAllUnhealthy is malformed';
  if (health === null) return 'health is malformed';
  return {
    hosts,
    policies,
    geolocation,
    latency: { withinMs: latency['withinMs'], hysteresisMs: latency['hysteresisMs'] },
    failover: { order: failover['order'].map(placeId), holdDownMs: failover['holdDownMs'], failback },
    slowStartMs,
    capacity: capacity as Readonly<Record<PlaceId, number>>,
    canary,
    affinity,
    fences,
    unmapped,
    whenAllUnhealthy,
    health,
  };
}

const POLICIES: readonly string[] = ['geolocation', 'latency', 'weighted', 'failover'] satisfies PolicyName[];
const isPolicy = (name: string): name is PolicyName => POLICIES.includes(name);

function parseGeolocation(raw: unknown): GeolocationPolicy | null {
  if (!isRecord(raw)) return null;
  const { otherwise } = raw;
  const rules = listOf(raw['rules'], (rule) => {
    if (typeof rule['label'] !== 'string' || !isTexts(rule['places']) || !isTexts(rule['regions'])) return null;
    return { label: rule['label'], places: rule['places'], regions: rule['regions'].map(placeId) };
  });
  const overrides = listOf(raw['overrides'], parseOverride);
  if (rules === null || overrides === null) return null;
  if (otherwise !== null && !isTexts(otherwise)) return null;
  return { rules, otherwise: otherwise?.map(placeId) ?? null, overrides };
}

function parseOverride(raw: Readonly<Record<string, unknown>>): GeoOverride | null {
  const { network, place, country } = raw;
  if (typeof network !== 'string' || typeof place !== 'string') return null;
  if (country !== null && typeof country !== 'string') return null;
  return { network, place, country };
}

/** undefined = malformed; null = there is none. */
function parseCanary(raw: unknown): CanaryPolicy | null | undefined {
  if (raw === null) return null;
  if (!isRecord(raw) || !isTexts(raw['regions'])) return undefined;
  const header = parseMark(raw['header']);
  const cookie = parseMark(raw['cookie']);
  if (header === undefined || cookie === undefined) return undefined;
  return { regions: raw['regions'].map(placeId), header, cookie };
}

function parseMark(raw: unknown): CanaryPolicy['header'] | undefined {
  if (raw === null) return null;
  if (!isRecord(raw) || typeof raw['name'] !== 'string') return undefined;
  const { name, value } = raw;
  return value === null || typeof value === 'string' ? { name, value } : undefined;
}

function parseFence(raw: Readonly<Record<string, unknown>>): ResidencyFence | null {
  const { name, countries, regions } = raw;
  if (typeof name !== 'string' || !isTexts(countries) || !isTexts(regions)) return null;
  return { name, countries, regions: regions.map(placeId) };
}

function parseAllUnhealthy(raw: unknown): AllUnhealthy | null {
  if (!isRecord(raw)) return null;
  const { kind, regions } = raw;
  if (kind === 'hold-last' || kind === 'open' || kind === 'closed') return { kind };
  return kind === 'static' && isTexts(regions) ? { kind, regions: regions.map(placeId) } : null;
}

function parseHealth(raw: unknown): HealthPolicy | null {
  if (!isRecord(raw)) return null;
  const { everyMs, timeoutMs, fall, rise, bucket, leakAfter, check, observers } = raw;
  if (!isPositive(everyMs) || !isPositive(timeoutMs) || !isPositive(fall) || !isPositive(rise)) return null;
  if (bucket !== undefined && !isPositive(bucket)) return null;
  if (leakAfter !== undefined && !isPositive(leakAfter)) return null;
  if (check !== undefined && check !== 'http' && check !== 'tcp') return null;
  if (observers !== undefined && observers !== 'majority' && observers !== 'own') return null;
  const address = raw['address'] === undefined ? undefined : parseAddressCheck(raw['address']);
  const deep = raw['deep'] === undefined ? undefined : parseDeep(raw['deep']);
  if (address === null || deep === null) return null;
  return {
    everyMs,
    timeoutMs,
    fall,
    rise,
    ...(bucket === undefined ? {} : { bucket }),
    ...(leakAfter === undefined ? {} : { leakAfter }),
    ...(check === undefined ? {} : { check }),
    ...(address === undefined ? {} : { address }),
    ...(deep === undefined ? {} : { deep }),
    ...(observers === undefined ? {} : { observers }),
  };
}

function parseAddressCheck(raw: unknown): AddressCheck | null {
  if (!isRecord(raw)) return null;
  const { check, host } = raw;
  if (check === 'http' || check === 'tcp') return { check };
  return check === 'tls' && typeof host === 'string' ? { check, host } : null;
}

function parseDeep(raw: unknown): DeepCheck | null {
  if (!isRecord(raw)) return null;
  const { check, path, everyMs, timeoutMs, withinMs } = raw;
  if (!isPositive(everyMs) || !isPositive(timeoutMs)) return null;
  if (check === 'http') return typeof path === 'string' ? { check, path, everyMs, timeoutMs } : null;
  return check === 'commit' && isPositive(withinMs) ? { check, withinMs, everyMs, timeoutMs } : null;
}

const isPositive = (raw: unknown): raw is number => isCount(raw) && raw > 0;

function listOf<T>(raw: unknown, parse: (raw: Readonly<Record<string, unknown>>) => T | null): readonly T[] | null {
  if (!Array.isArray(raw)) return null;
  const parsed = raw.map((each) => (isRecord(each) ? parse(each) : null));
  return parsed.every((each) => each !== null) ? parsed : null;
}
