import { setTimeout as sleep } from 'node:timers/promises';
import type { WorldLayout } from './layout.ts';
import {
  allProcesses,
  environmentOf,
  isAlive,
  killExactly,
  type ProcessIdentity,
  type ProcessStat,
  withDescendants,
  workingDirectoryOf,
} from './proc.ts';

/** Says in a process's environment which world it belongs to. */
export const WORLD_VARIABLE = 'FARSHORE_WORLD';

/**
 * Every process of this world, found without trusting any file: by the mark in its environment, by a data directory as its
 * working directory (PostgreSQL overwrites its environment), or below one of those. Never a stranger, whatever its number.
 */
export function processesOfWorld(layout: Pick<WorldLayout, 'id' | 'places'>): readonly ProcessStat[] {
  const dataDirs = new Set(layout.places.map((place) => place.dataDir));
  const all = allProcesses();
  const marked = all.filter(
    (it) =>
      it.pid !== process.pid &&
      (environmentOf(it.pid, WORLD_VARIABLE) === layout.id || dataDirs.has(workingDirectoryOf(it.pid))),
  );
  return withDescendants(new Set(marked.map((it) => it.pid)), all);
}

/**
 * Kills what `find` returns until two looks in a row find nothing: a process may be born while its parent dies.
 * Returns what was killed and what is left when `withinMs` have passed.
 */
export async function killUntilGone(
  find: () => readonly ProcessStat[],
  withinMs: number,
): Promise<{ readonly killed: readonly ProcessIdentity[]; readonly left: readonly ProcessIdentity[] }> {
  const killed = new Map<number, ProcessIdentity>();
  const endMs = performance.now() + withinMs;
  for (let empty = 0; ; ) {
    const alive = find().filter(isAlive);
    for (const target of alive) if (killExactly(target)) killed.set(target.pid, target);
    empty = alive.length === 0 ? empty + 1 : 0;
    if (empty === 2) return { killed: [...killed.values()], left: [] };
    if (performance.now() > endMs) return { killed: [...killed.values()], left: alive };
    await sleep(alive.length === 0 ? 5 : 2);
  }
}
