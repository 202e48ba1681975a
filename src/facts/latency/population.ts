import type { PlaceId } from '../../base/ids.ts';
import type { PopulationCluster } from '../facts.ts';
import type { Latency, LatencyModel } from './model.ts';

/**
 * What users see: the round trip that the share `share` (0 to 1) of the people of `clusters` has at most to `region`, with their last mile.
 * The latency is the one of the cluster where that share is reached. null: no people.
 */
export function latencyOfShare(
  model: LatencyModel,
  clusters: readonly PopulationCluster[],
  region: PlaceId,
  lastMileMs: number,
  share: number,
): Latency | null {
  const all = clusters
    .filter(({ internetUsers }) => internetUsers > 0)
    .map((cluster) => ({ cluster, latency: model.pointToRegion(cluster, region, lastMileMs) }))
    .toSorted((a, b) => a.latency.ms - b.latency.ms);
  const users = all.reduce((sum, { cluster }) => sum + cluster.internetUsers, 0);
  let reached = 0;
  for (const { cluster, latency } of all) {
    reached += cluster.internetUsers;
    if (reached >= share * users) return latency;
  }
  return all.at(-1)?.latency ?? null;
}
