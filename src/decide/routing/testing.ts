/** For the tests of the routing decision and of the planes that follow it: a table with policies, and worlds around it. */
import { nodeId, type PlaceId, placeId } from '../../base/ids.ts';
import { because } from '../../base/reason.ts';
import type { RouteTable } from '../../ports/records.ts';
import type { RoutingPolicy } from '../../ports/routing.ts';
import type { Verdict } from '../health/detector.ts';
import { defaultRouting } from './defaults.ts';
import { Router } from './router.ts';
import { type Client, type ClientPlace, type Health, type RoutingWorld, UNMAPPED } from './world.ts';

export const [FRANKFURT, DUBLIN, VIRGINIA, TOKYO] = [
  placeId('aws:eu-central-1'),
  placeId('aws:eu-west-1'),
  placeId('aws:us-east-1'),
  placeId('aws:ap-northeast-1'),
];
export const FOUR = [FRANKFURT, DUBLIN, VIRGINIA, TOKYO];

interface TableOptions {
  readonly primary?: PlaceId | null;
  readonly weights?: Readonly<Record<string, number>>;
  readonly drained?: readonly PlaceId[];
  readonly passive?: readonly PlaceId[];
  readonly regions?: readonly PlaceId[];
  readonly ramp?: RouteTable['ramp'];
}

export function policyTable(routing: Partial<RoutingPolicy>, options: TableOptions = {}): RouteTable {
  const { primary = FRANKFURT, weights = {}, drained = [], passive = [], regions: ids = FOUR, ramp = null } = options;
  const regions = ids.map((id) => ({
    id,
    role: passive.includes(id) ? ('passive' as const) : ('active' as const),
    weight: weights[id] ?? 1,
    state: drained.includes(id) ? ('drained' as const) : ('serving' as const),
  }));
  return {
    generation: 1,
    epoch: 1,
    primary: primary === null ? null : { node: nodeId(primary, 'n1'), region: primary },
    regions,
    routing: { ...defaultRouting(regions), ...routing },
    ramp,
    released: 0,
    reason: because('test', 'written by a test'),
  };
}

export const verdictOf = (state: Verdict['state'], sinceMs = 0, recovered = false): Verdict => ({
  state,
  sinceMs,
  recovered,
  why: because(state, state),
});

/** All healthy but those named. */
export const healthBut = (others: Readonly<Record<string, Verdict>> = {}): Health =>
  new Map(FOUR.map((id) => [id, others[id] ?? verdictOf('healthy')]));

export const placeIn = (country: string): ClientPlace => ({ place: country, country, source: 'asked' });

export const clientIn = (place: ClientPlace = UNMAPPED, key = 7, extra: Partial<Client> = {}): Client => ({
  method: 'read',
  place,
  key,
  pinned: null,
  canary: false,
  ...extra,
});

export const worldOf = (table: RouteTable, extra: Partial<RoutingWorld> = {}): RoutingWorld => ({
  table,
  from: null,
  health: healthBut(),
  readOnly: new Map(),
  latency: { latencyOf: () => null },
  load: new Map(),
  leaders: new Map(),
  acceptedAtMs: 0,
  nowMs: 1_000_000,
  ...extra,
});

export const routerOf = (table: RouteTable, extra: Partial<RoutingWorld> = {}): Router =>
  new Router(worldOf(table, extra));

export const GEO: RoutingPolicy['geolocation'] = {
  rules: [
    { label: 'europe', places: ['DE', 'FR', 'IE'], regions: [FRANKFURT, DUBLIN] },
    { label: 'north-america', places: ['US', 'CA'], regions: [VIRGINIA] },
    { label: 'office', places: ['office'], regions: [TOKYO] },
  ],
  otherwise: [VIRGINIA],
  overrides: [],
};
