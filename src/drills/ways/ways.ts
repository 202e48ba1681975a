import { existsSync } from 'node:fs';
import type { PlaceId } from '../../base/ids.ts';
import { publicPort } from '../../world/dns-config.ts';
import { addressOf, HOST, type WorldLayout } from '../../world/layout.ts';
import type { HttpCohortConfig } from '../load/config.ts';

/**
 * How a user gets to a region. `edge`, `haproxy`: by one in a region that lives. The others ask for a name: `dns` a resolver that
 * keeps to the time to live, `dns-held` one that keeps every answer for minutes, `client-held` a program that asks once and never again.
 */
export type WayName = 'edge' | 'haproxy' | 'dns' | 'dns-held' | 'client-held';

/** For people, at most 27 letters. */
export const WAY_WORDS: Readonly<Record<WayName, string>> = {
  edge: 'edge of a living region',
  haproxy: 'HAProxy of a living region',
  dns: 'DNS, by its time to live',
  'dns-held': 'DNS, resolver holds answers',
  'client-held': 'DNS, client asked once',
};

export const WAYS = Object.keys(WAY_WORDS) as readonly WayName[];

/** Every way is taken twice: over connections that are kept, and over a new one for each request. */
export type Connections = HttpCohortConfig['connections'];

export interface Ways {
  readonly cohorts: readonly HttpCohortConfig[];
  /** Ways that this world or machine does not have, and why. */
  readonly missing: Readonly<Partial<Record<WayName, string>>>;
  /** Null: nobody asks for a name. */
  readonly resolvers: { readonly stub: Stub; readonly honestPort: number; readonly holdingPort: number } | null;
}

/** Where a resolver asks for the names of this world. */
export interface Stub {
  readonly zone: string;
  readonly server: { readonly host: string; readonly port: number };
}

/** Longer than any drill. */
export const HELD_SECONDS = 3_600;
/** Few: the traffic that the drill is judged by has the same machine. */
const READS_PER_SECOND = 2;

/** The ways there are when `lost` is about to be lost. `ports`: two free ones for the resolvers. */
export function waysOf(
  layout: WorldLayout,
  lost: PlaceId,
  resolver: string,
  ports: readonly [number, number],
  readDeadlineMs: number,
): Ways {
  const living = layout.places.find((place) => place.id !== lost && place.ports.edge !== undefined);
  const missing: Partial<Record<WayName, string>> = {};
  const cohorts: HttpCohortConfig[] = [];
  const take = (way: WayName, to: Pick<HttpCohortConfig, 'host' | 'port' | 'resolve'>): void => {
    for (const connections of ['kept', 'new'] as const) {
      const rates = { writesPerSecond: 0, writeDeadlineMs: 0, readsPerSecond: READS_PER_SECOND, readDeadlineMs };
      cohorts.push({ kind: 'http', name: cohortName(way, connections), connections, ...to, ...rates });
    }
  };
  const doors = [
    { way: 'edge', port: living?.ports.edge },
    { way: 'haproxy', port: living?.ports.haproxy },
  ] as const;
  for (const { way, port } of doors) {
    if (port !== undefined) take(way, { host: HOST, port, resolve: null });
    else missing[way] = way === 'edge' ? 'no region but the lost one has an edge' : 'this world runs without --haproxy';
  }
  const stub = stubOf(layout);
  const absent = stub === null ? 'the deployment file has no dns' : existsSync(resolver) ? null : `no ${resolver}`;
  if (stub === null || absent !== null) {
    for (const way of ['dns', 'dns-held', 'client-held'] as const) missing[way] = absent ?? '';
    return { cohorts, missing, resolvers: null };
  }
  const [honestPort, holdingPort] = ports;
  const to = { host: hostOf(layout, stub.zone), port: publicPort(layout) };
  const reach = reachOf(layout);
  take('dns', { ...to, resolve: { resolverPort: honestPort, once: false, reach } });
  take('dns-held', { ...to, resolve: { resolverPort: holdingPort, once: false, reach } });
  take('client-held', { ...to, resolve: { resolverPort: honestPort, once: true, reach } });
  return { cohorts, missing, resolvers: { stub, honestPort, holdingPort } };
}

function stubOf({ dns, places }: WorldLayout): Stub | null {
  const port = places.find((place) => place.id === dns?.place)?.ports.dns;
  return dns === null || port === undefined ? null : { zone: dns.zone, server: { host: HOST, port } };
}

/** Who goes by names stands where the DNS server stands, and reaches every region over its link: what cuts a region off, cuts it off for them. */
const reachOf = (layout: WorldLayout): NonNullable<HttpCohortConfig['resolve']>['reach'] =>
  Object.fromEntries(
    layout.places.flatMap((place) => {
      const way = layout.dns === null ? null : addressOf(layout, layout.dns.place, place.id, 'edge');
      return place.address === null || way === null ? [] : [[place.address, way] as const];
    }),
  );

const hostOf = ({ dns }: WorldLayout, zone: string): string => {
  const first = dns?.hosts[0] ?? '@';
  return first === '@' ? zone : `${first}.${zone}`;
};

const cohortName = (way: WayName, connections: Connections): string => `${way}/${connections}`;

export function wayOfCohort(cohort: string): { readonly way: WayName; readonly connections: Connections } {
  const [way = '', connections = ''] = cohort.split('/');
  return { way: way as WayName, connections: connections as Connections };
}
