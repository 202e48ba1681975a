import { placeId, parseNodeId } from '../../base/ids.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { RouteTable } from '../../ports/records.ts';
import type { TrafficRamp } from '../../ports/routing.ts';
import { parseRouting } from './parse-routing.ts';
import { isCount, isRecord } from './raw.ts';

/**
 * Reads a route table from the store. A table that a newer or broken writer made is refused whole:
 * the plane keeps the one it holds, which is known to work.
 */
export function parseRouteTable(text: string): Result<RouteTable, string> {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return err('not JSON');
  }
  if (!isRecord(raw)) return err('not an object');
  const { generation, epoch, primary, regions, reason, routing, ramp, released } = raw;
  if (!isCount(generation)) return err('generation is not a number');
  if (!isCount(epoch)) return err('epoch is not a number');
  if (!isRecord(reason) || typeof reason['code'] !== 'string' || typeof reason['text'] !== 'string') {
    return err('reason is missing');
  }
  const parsedPrimary = parsePrimary(primary);
  if (parsedPrimary === undefined) return err('primary has no node or region');
  if (!Array.isArray(regions)) return err('regions is not a list');
  const parsedRegions = regions.map(parseRegion);
  const complete = parsedRegions.filter((region) => region !== undefined);
  if (complete.length !== parsedRegions.length) return err('a region has no id, role, weight or state');
  if (new Set(complete.map((region) => region.id)).size !== complete.length) return err('a region is listed twice');
  if (parsedPrimary !== null && !complete.some((region) => region.id === parsedPrimary.region)) {
    return err(`the primary's region ${parsedPrimary.region} is not listed`);
  }
  const parsedRouting = routing === undefined ? undefined : parseRouting(routing);
  if (typeof parsedRouting === 'string') return err(`routing: ${parsedRouting}`);
  const parsedRamp = ramp === undefined || ramp === null ? null : parseRamp(ramp);
  if (parsedRamp === undefined) return err('ramp has no to, from or overMs');
  const table: RouteTable = {
    generation,
    epoch,
    primary: parsedPrimary,
    regions: complete,
    ...(parsedRouting === undefined ? {} : { routing: parsedRouting }),
    ramp: parsedRamp,
    released: isCount(released) ? released : 0,
    reason: { code: reason['code'], text: reason['text'] },
  };
  const nowhere = leadsNowhere(table);
  return nowhere === null ? ok(table) : err(nowhere);
}

/** I12: why a table would leave users without any region; null when it leaves some. Its writers ask before they write. */
export function leadsNowhere(table: RouteTable): string | null {
  const serving = table.regions.filter((region) => region.state === 'serving');
  if (serving.length === 0) return 'every region is drained: nobody would be served';
  const usable = serving.filter((region) => region.role === 'active' || region.id === table.primary?.region);
  if (usable.length === 0) return 'only passive regions are left that do not hold the primary: nobody would be served';
  const weighted = table.routing?.policies.includes('weighted') === true && usable.length > 1;
  if (weighted && usable.every((region) => region.weight === 0)) return 'every region that is left has weight 0';
  return null;
}

/**
 * May `seen` replace `held`? The epoch decides, then the generation: epochs grow even across stores (I1), so a store that was
 * set back can never lead writes to a former primary.
 */
export function isNewer(held: RouteTable | null, seen: RouteTable): boolean {
  if (held === null) return true;
  if (seen.epoch !== held.epoch) return seen.epoch > held.epoch;
  return seen.generation > held.generation;
}

type Region = RouteTable['regions'][number];

function parseRegion(raw: unknown): Region | undefined {
  if (!isRecord(raw)) return undefined;
  const { id, role, weight, state } = raw;
  if (typeof id !== 'string' || typeof weight !== 'number' || !(weight >= 0)) return undefined;
  if (role !== 'active' && role !== 'passive') return undefined;
  if (state !== 'serving' && state !== 'drained') return undefined;
  return { id: placeId(id), role, weight, state };
}

/** undefined = malformed; null = nobody may accept writes. */
function parsePrimary(raw: unknown): RouteTable['primary'] | undefined {
  if (raw === null) return null;
  if (!isRecord(raw)) return undefined;
  const { node, region } = raw;
  if (typeof node !== 'string' || typeof region !== 'string') return undefined;
  return { node: parseNodeId(node), region: placeId(region) };
}

function parseRamp(raw: unknown): TrafficRamp | undefined {
  if (!isRecord(raw)) return undefined;
  const { to, from, overMs } = raw;
  if (typeof to !== 'string' || typeof from !== 'string' || !isCount(overMs) || overMs < 0) return undefined;
  return { to: placeId(to), from: placeId(from), overMs };
}
