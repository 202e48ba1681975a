import type { PlaceId } from '../../base/ids.ts';
import { placeOf, type NodeId } from '../../base/ids.ts';
import { because } from '../../base/reason.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { GroupPolicy } from '../../ports/config.ts';
import type { OperationRecord, RouteTable } from '../../ports/records.ts';
import { routingOf } from './defaults.ts';
import { eligibleForReads } from './eligible.ts';
import { leadsNowhere } from './table.ts';
import { type ClientPlace, UNMAPPED } from './world.ts';

/**
 * The route table of a reign that has just opened. What an operator holds stays held, but for the region that alone can take
 * writes now. After a planned move reads follow by the deployment's slow start, so that cold caches meet them by and by.
 */
export function tableOfReign(
  before: RouteTable | null,
  policy: Pick<GroupPolicy, 'regions' | 'routing'>,
  reign: { readonly epoch: number; readonly node: NodeId; readonly by: OperationRecord['kind'] | null },
  why: string,
): RouteTable {
  const region = placeOf(reign.node);
  const from = before?.primary?.region ?? null;
  const overMs = policy.routing?.slowStartMs ?? 0;
  const planned = reign.by === 'failback' || reign.by === 'switchover';
  const stateOf = (id: PlaceId) => before?.regions.find((each) => each.id === id)?.state ?? 'serving';
  return {
    generation: (before?.generation ?? 0) + 1,
    epoch: reign.epoch,
    primary: { node: reign.node, region },
    regions: policy.regions.map((each) => ({ ...each, state: each.id === region ? 'serving' : stateOf(each.id) })),
    ...(policy.routing === undefined ? {} : { routing: policy.routing }),
    ramp: planned && from !== null && from !== region && overMs > 0 ? { to: region, from, overMs } : null,
    released: before?.released ?? 0,
    reason: because('primary-opened', why),
  };
}

/** A region held by a person, or let serve again. An error says why that cannot be; the table is newer than the one before. */
export function tableWithHold(
  before: RouteTable,
  region: PlaceId,
  state: 'serving' | 'drained',
  why: string,
): Result<RouteTable, string> {
  const known = before.regions.find((each) => each.id === region);
  if (known === undefined) return err(`${region} is no region of the route table`);
  if (state === 'drained' && before.primary?.region === region)
    return err(`${region} holds the primary: without it nobody could write. Move it first: farshore switchover`);
  const next: RouteTable = {
    ...before,
    generation: before.generation + 1,
    regions: before.regions.map((each) => (each.id === region ? { ...each, state } : each)),
    // Planes forget which regions had failed: what waits for a person is what this person lets serve.
    released: (before.released ?? 0) + (state === 'serving' ? 1 : 0),
    reason: because(state === 'serving' ? 'let-serve' : 'held', why),
  };
  const nowhere = leadsNowhere(next) ?? (state === 'drained' ? somebodyNowhere(before, next) : null);
  return nowhere === null ? ok(next) : err(nowhere);
}

/**
 * I12 within I11: some users would be served by nobody, though others are. Those that have no region already don't count. It is asked
 * for every country that a fence names, for one that none does, and for clients of no known place.
 */
function somebodyNowhere(before: RouteTable, next: RouteTable): string | null {
  const policy = routingOf(next);
  const reads = (table: RouteTable, place: ClientPlace) => eligibleForReads({ table, ...AFTER_RAMPS }, policy, place);
  const countries = [ELSEWHERE, ...new Set(policy.fences.flatMap((fence) => fence.countries))];
  const places = [...countries.map((country) => ({ place: country, country, source: 'asked' as const })), UNMAPPED];
  for (const place of places) {
    const left = reads(next, place);
    if (left.regions.length > 0 || reads(before, place).regions.length === 0) continue;
    const who = place.country === null ? 'users of no known place' : `users in ${place.country}`;
    const why = left.why.filter(({ code }) => code === 'residency' || code === 'weight-zero').map(({ text }) => text);
    return `nobody would be left to serve ${place.country === ELSEWHERE ? 'anybody' : who}: ${why.join('; ')}`;
  }
  return null;
}

/** A country that nobody names. */
const ELSEWHERE = 'ZZ';
/** A ramp ends by itself; who is served by it alone is served by nobody then. */
const AFTER_RAMPS = { acceptedAtMs: 0, nowMs: Number.MAX_SAFE_INTEGER };
