import { FarshoreError } from '../../base/errors.ts';
import type { NodeId, PlaceId } from '../../base/ids.ts';
import { dataNodesOf, isPartOf } from '../layout.ts';
import { isServerIn } from '../leftovers.ts';
import type { World } from '../open.ts';
import { allProcesses, isAlive, type ProcessStat, readStat, withDescendants } from '../proc.ts';

/** Every process of a place that is alive now; empty is the canary's proof that a crash took effect. */
export async function processesOfRegion(world: World, region: PlaceId | NodeId): Promise<readonly ProcessStat[]> {
  return (await finderOf(world, region))().filter(isAlive);
}

/**
 * Finds the processes of a region: what the supervisor started, everything below, and the PostgreSQL of its data
 * directories (backends outlive their parent for a moment). The supervisor is asked once; after a hold it starts no more.
 */
export async function finderOf(world: World, region: PlaceId | NodeId): Promise<() => readonly ProcessStat[]> {
  const list = await world.supervisor.list();
  if (list.kind !== 'done') throw new FarshoreError('FSH_NOT_RUNNING', `the supervisor does not answer: ${list.why}`);
  const started = list.value.processes.filter((it) => isPartOf(it, region));
  const isServer = serversOf(world, region);
  // Descendants of a killed process get another parent, so what was seen once is looked for by itself as well.
  const known = new Map(started.map((it) => [it.pid, it.startTicks]));
  return () => {
    const all = allProcesses();
    const roots = all.filter((it) => known.get(it.pid) === it.startTicks || isServer(it.pid));
    const found = below(roots, all, region);
    for (const it of found) known.set(it.pid, it.startTicks);
    return found;
  };
}

/** Finds one process of the world by its name, without those below it. */
export async function finderOfOne(world: World, name: string): Promise<() => readonly ProcessStat[]> {
  const list = await world.supervisor.list();
  if (list.kind !== 'done') throw new FarshoreError('FSH_NOT_RUNNING', `the supervisor does not answer: ${list.why}`);
  const started = list.value.processes.find((it) => it.name === name);
  return () => {
    const stat = started?.pid == null ? null : readStat(started.pid);
    return stat === null || stat.startTicks !== started?.startTicks ? [] : [stat];
  };
}

/** Keepers of a place or node, everything below them, and the PostgreSQL of its data directories. */
export async function databasesOf(world: World, target: PlaceId | NodeId): Promise<() => readonly ProcessStat[]> {
  const list = await world.supervisor.list();
  if (list.kind !== 'done') throw new FarshoreError('FSH_NOT_RUNNING', `the supervisor does not answer: ${list.why}`);
  const names = new Set(
    world.layout.processes.filter((it) => it.kind === 'keeper' && isPartOf(it, target)).map((it) => it.name),
  );
  const keepers = new Map(
    list.value.processes.flatMap((it) => (names.has(it.name) && it.pid !== null ? [[it.pid, it.startTicks]] : [])),
  );
  const isServer = serversOf(world, target);
  return () => {
    const all = allProcesses();
    const roots = all.filter((it) => keepers.get(it.pid) === it.startTicks || isServer(it.pid));
    return below(roots, all, target);
  };
}

/** PostgreSQL alone, all of it: its children are process groups of their own. */
export function serverProcessesOf(world: World, target: PlaceId | NodeId): readonly ProcessStat[] {
  const all = allProcesses();
  const isServer = serversOf(world, target);
  return below(
    all.filter((it) => isServer(it.pid)),
    all,
    target,
  ).filter(isAlive);
}

function serversOf({ layout }: World, target: PlaceId | NodeId): (pid: number) => boolean {
  const nodes = dataNodesOf(layout).filter((node) => node.place === target || node.id === target);
  return isServerIn(
    layout,
    nodes.map((node) => node.dataDir),
  );
}

/** Who runs below a process of the place would stop or kill itself, and undo nothing any more. */
function below(roots: readonly ProcessStat[], all: readonly ProcessStat[], target: PlaceId | NodeId) {
  const found = withDescendants(new Set(roots.map((it) => it.pid)), all);
  if (!found.some((it) => it.pid === process.pid)) return found;
  const what = `this command was started by a process of ${target}, and the fault would hit itself`;
  throw new FarshoreError('FSH_REFUSED', `${what}; run it from a terminal of your own. Nothing was changed`);
}
