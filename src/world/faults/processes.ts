import { FarshoreError } from '../../base/errors.ts';
import type { NodeId, PlaceId } from '../../base/ids.ts';
import { dataNodesOf, isPartOf } from '../layout.ts';
import type { World } from '../open.ts';
import { allProcesses, isAlive, type ProcessStat, withDescendants, workingDirectoryOf } from '../proc.ts';

/** Every process of a place that is alive now; empty is the canary's proof that a crash took effect. */
export async function processesOfRegion(world: World, region: PlaceId | NodeId): Promise<readonly ProcessStat[]> {
  return (await finderOf(world, region))().filter(isAlive);
}

/**
 * Finds the processes of a region: what the supervisor started, everything below, and whatever sits in its data directory
 * (backends outlive their parent for a moment). The supervisor is asked once; after a hold it starts no more.
 */
export async function finderOf(world: World, region: PlaceId | NodeId): Promise<() => readonly ProcessStat[]> {
  const list = await world.supervisor.list();
  if (list.kind !== 'done') throw new FarshoreError('FSH_NOT_RUNNING', `the supervisor does not answer: ${list.why}`);
  const started = list.value.processes.filter((it) => isPartOf(it, region));
  const nodes = dataNodesOf(world.layout).filter((node) => node.place === region || node.id === region);
  const dataDirs = new Set<string | null>(nodes.map((node) => node.dataDir));
  // Descendants of a killed process get another parent, so what was seen once is looked for by itself as well.
  const known = new Map(started.map((it) => [it.pid, it.startTicks]));
  return () => {
    const all = allProcesses();
    const roots = all.filter((it) => known.get(it.pid) === it.startTicks || dataDirs.has(workingDirectoryOf(it.pid)));
    const found = withDescendants(new Set(roots.map((it) => it.pid)), all);
    for (const it of found) known.set(it.pid, it.startTicks);
    return found;
  };
}
