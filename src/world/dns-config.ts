import { assert } from '../base/result.ts';
import type { DnsConfig } from '../ports/dns.ts';
import { addressOf, HOST, type PlaceLayout, type WorldLayout } from './layout.ts';

type Plan = Pick<
  WorldLayout,
  | 'places'
  | 'links'
  | 'dns'
  | 'deployment'
  | 'group'
  | 'store'
  | 'secretsPath'
  | 'geo'
  | 'healthPath'
  | 'edgeTls'
  | 'policy'
>;

/** How long what never changes, and what does not exist, may be kept. In a world a file is edited often. */
const STATIC_TTL_SEC = 300;
const NEGATIVE_TTL_SEC = 30;
/** A busy resolver asks for a name as often as its time to live lets it; more than this is somebody else. */
const ANSWERS_PER_SECOND = 500;

/** The port at which the edges of all regions listen on the addresses that DNS answers. */
export function publicPort({ places }: Pick<WorldLayout, 'places'>, door: 'edge' | 'edgeTls' = 'edge'): number {
  const port = places.find((place) => place.ports[door] !== undefined)?.ports[door];
  assert(port !== undefined, 'a world that is led by DNS has an edge');
  return port;
}

/** The file of the DNS server, which reaches the edges over links as users of its place would; null when there is none. */
export function dnsConfig(plan: Plan, storeUrls: readonly string[], serial: number): DnsConfig | null {
  const { dns, places, links } = plan;
  const stands = places.find((place) => place.id === dns?.place);
  if (dns === null || stands === undefined) return null;
  const { dns: port, dnsStatus: statusPort } = stands.ports;
  assert(port !== undefined && statusPort !== undefined, 'the place of the DNS server has its ports');
  const asksTls = plan.policy.routing?.health.address?.check === 'tls';
  const door = plan.edgeTls !== null && asksTls ? 'edgeTls' : 'edge';
  const checkOf = (place: PlaceLayout) => {
    const way = addressOf(plan, stands.id, place.id, door);
    assert(way !== null, `there is a way to the edge of ${place.id}`);
    return { ...way, rttMs: links.find((link) => link.from === stands.id && link.to === place.id)?.rttMs ?? 0 };
  };
  return {
    place: stands.id,
    deployment: plan.deployment,
    group: plan.group,
    listen: [{ host: HOST, port }],
    status: { host: HOST, port: statusPort },
    storeUrls,
    storeKind: plan.store.kind,
    secretsPath: plan.secretsPath,
    nsid: stands.id,
    rateLimit: { perSecond: ANSWERS_PER_SECOND, slip: 2, exempt: ['127.0.0.0/8'] },
    zones: [
      {
        name: dns.zone,
        serial,
        contact: `hostmaster.${dns.zone}`,
        nameservers: [{ name: `ns1.${dns.zone}`, addresses: [HOST] }],
        hosts: dns.hosts,
        alpn: dns.alpn,
        records: dns.records,
        ttlSec: Math.ceil(dns.ttlMs / 1_000),
        staticTtlSec: STATIC_TTL_SEC,
        negativeTtlSec: NEGATIVE_TTL_SEC,
      },
    ],
    geo: plan.geo,
    healthPath: plan.healthPath ?? '/',
    caPath: plan.edgeTls?.ca ?? null,
    regions: places.flatMap((place) =>
      place.address === null ? [] : [{ region: place.id, addresses: [place.address], check: checkOf(place) }],
    ),
  };
}
