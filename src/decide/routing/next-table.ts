import type { PlaceId } from '../../base/ids.ts';
import { placeOf, type NodeId } from '../../base/ids.ts';
import { because } from '../../base/reason.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { GroupPolicy } from '../../ports/config.ts';
import type { OperationRecord, RouteTable } from '../../ports/records.ts';
import type { ResidencyFence } from '../../ports/routing.ts';
import { leadsNowhere } from './table.ts';

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
  const nowhere = leadsNowhere(next) ?? (state === 'drained' ? fencedNowhere(before, next) : null);
  return nowhere === null ? ok(next) : err(nowhere);
}

/** I12 within I11: users whose fence holds no other region would be served by nobody. Those that a fence leaves without one already don't count. */
function fencedNowhere(before: RouteTable, next: RouteTable): string | null {
  const serves = ({ regions, primary }: RouteTable, fence: ResidencyFence) =>
    regions.some(
      ({ id, role, state }) =>
        fence.regions.includes(id) && state === 'serving' && (role === 'active' || id === primary?.region),
    );
  const lost = next.routing?.fences.find((fence) => serves(before, fence) && !serves(next, fence));
  if (lost === undefined) return null;
  return `the fence "${lost.name}" allows its users ${lost.regions.join(', ')} only: nobody would be left to serve them`;
}
