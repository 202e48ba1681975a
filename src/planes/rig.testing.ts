/** For the tests of edge, DNS and looks: stores, regions and planes that end with the test that started them, the last one first. */
import { onTestFinished } from 'vitest';
import { placeId, type PlaceId } from '../base/ids.ts';
import { memoryStore } from '../coordination/memory.ts';
import type { Coordination } from '../ports/coordination.ts';
import type { DnsConfig } from '../ports/dns.ts';
import { nodeClock } from '../telemetry/node-clock.ts';
import { type DnsServer, startDns } from './dns/server.ts';
import { ZONE } from './dns/testing.ts';
import { EDGE_LIMITS, type EdgeLimits } from './edge/limits.ts';
import { type Edge, startEdge } from './edge/server.ts';
import { A, B, C, configOf, type RegionProcess, startRegion, until } from './edge/testing.ts';

/** A longer time than any test has: what ends all the same was ended by something else. */
export const NEVER_MS = 600_000;
const PATIENT = { checkTimeoutMs: 10_000, drainMs: 200 };
/** Outside of all regions. */
export const SITE = placeId('aws:eu-north-1');

export function aStore() {
  const store = memoryStore(nodeClock);
  onTestFinished(() => store.close());
  return store;
}

export async function threeRegions([a, b, c]: readonly [PlaceId, PlaceId, PlaceId] = [A, B, C]) {
  const regions: [RegionProcess, RegionProcess, RegionProcess] = await Promise.all([
    startRegion(a),
    startRegion(b),
    startRegion(c),
  ]);
  for (const region of regions) onTestFinished(() => region.kill());
  return regions;
}

/**
 * What is not said here is as in production, but for a short drain, and checks that are patient with a busy machine: at the address
 * of a process that died nobody answers, which takes no time to see.
 */
export interface EdgeOptions {
  readonly config?: Partial<Parameters<typeof startEdge>[0]>;
  readonly limits?: Partial<EdgeLimits>;
  readonly clock?: typeof nodeClock;
  readonly tell?: (text: string) => void;
}

/** An edge in A. */
export async function anEdge(
  upstreams: Parameters<typeof configOf>[0],
  store: Coordination,
  { config = {}, limits = {}, clock = nodeClock, tell }: EdgeOptions = {},
): Promise<Edge> {
  const served = { ...configOf(upstreams), ...config };
  const edge = await startEdge(served, store, clock, { ...EDGE_LIMITS, ...PATIENT, ...limits }, undefined, tell);
  onTestFinished(() => edge.close());
  return edge;
}

/** A DNS server outside of all regions. */
export async function aDnsServer(regions: DnsConfig['regions'], coordination: Coordination): Promise<DnsServer> {
  const config = {
    place: SITE,
    deployment: 'shop',
    group: 'main',
    listen: [{ host: '127.0.0.1', port: 0 }],
    status: { host: '127.0.0.1', port: 0 },
    nsid: null,
    rateLimit: { perSecond: 100, slip: 2, exempt: ['127.0.0.0/8'] },
    zones: [ZONE],
    healthPath: '/healthz',
    regions,
  };
  const server = await startDns(config, { coordination, clock: nodeClock, seed: 5 });
  onTestFinished(() => server.close());
  return server;
}

interface Plane {
  status(): { readonly regions: readonly { readonly id: string; readonly health: string }[] };
}

export const healthOf = (plane: Plane, region: string) =>
  plane.status().regions.find(({ id }) => id === region)?.health;

export const allHealthy = (plane: Plane) => plane.status().regions.every(({ health }) => health === 'healthy');

export const untilHealthy = (...planes: readonly Plane[]) =>
  until('all regions are healthy', () => planes.every(allHealthy));
