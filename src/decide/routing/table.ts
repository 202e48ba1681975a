import { placeId, parseNodeId } from '../../base/ids.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { RouteTable } from '../../ports/records.ts';

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
  const { generation, epoch, primary, regions, reason } = raw;
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
  return ok({
    generation,
    epoch,
    primary: parsedPrimary,
    regions: complete,
    reason: { code: reason['code'], text: reason['text'] },
  });
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
  if (typeof id !== 'string' || typeof weight !== 'number') return undefined;
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

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value);
