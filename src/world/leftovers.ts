import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../base/result.ts';
import { dataNodesOf, type WorldLayout } from './layout.ts';
import {
  allProcesses,
  environmentOf,
  executableOf,
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
 * Every process of this world, found without trusting any file: by the mark in its environment, as the PostgreSQL of a data
 * directory (it overwrites its environment), or below one of those. Never a stranger, whatever its number.
 */
export function processesOfWorld(layout: Pick<WorldLayout, 'id' | 'places' | 'binDir'>): readonly ProcessStat[] {
  const isServer = isServerIn(
    layout,
    dataNodesOf(layout).map((node) => node.dataDir),
  );
  const all = allProcesses();
  const marked = all.filter(({ pid }) => {
    if (pid === process.pid) return false;
    if (environmentOf(pid, WORLD_VARIABLE) === layout.id) return true;
    return isServer(pid);
  });
  return withDescendants(new Set(marked.map((it) => it.pid)), all).filter((it) => !isUntouchable(it.pid, all));
}

/**
 * Tells the PostgreSQL of these data directories from everybody else who stands there: somebody's shell and editor do, and a fault
 * that took them would kill the person who looks at a file. Only the server's own program counts.
 */
export function isServerIn(
  { binDir }: Pick<WorldLayout, 'binDir'>,
  dataDirs: readonly string[],
): (pid: number) => boolean {
  const folders = new Set<string | null>(dataDirs);
  if (folders.size === 0) return () => false;
  const program = join(binDir, 'postgres');
  const programs = new Set<string | null>([program, realPathOf(program)]);
  return (pid) => folders.has(workingDirectoryOf(pid)) && programs.has(executableOf(pid));
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    // Removed since the world began: what runs has its old path.
    return path;
  }
}

/** Whatever a search says: never the first process, never this one or one above it. */
function isUntouchable(pid: number, all: readonly ProcessStat[]): boolean {
  const parents = new Map(all.map((it) => [it.pid, it.parentPid]));
  for (let at: number | undefined = process.pid; at !== undefined; at = parents.get(at)) if (at === pid) return true;
  return pid <= 1;
}

/** What a killing came to. */
export interface Killing {
  readonly killed: readonly ProcessIdentity[];
  readonly left: readonly ProcessIdentity[];
  /** The first round of SIGKILLs, in CLOCK_MONOTONIC milliseconds: comparable with other processes of this machine. */
  readonly first: { readonly fromMs: number; readonly untilMs: number };
}

const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/**
 * Kills what `find` returns until two looks in a row find nothing: a process may be born while its parent dies.
 * Returns what was killed and what is left when `withinMs` have passed.
 */
export async function killUntilGone(find: () => readonly ProcessStat[], withinMs: number): Promise<Killing> {
  const killed = new Map<number, ProcessIdentity>();
  const endMs = performance.now() + withinMs;
  let first: { readonly fromMs: number; readonly untilMs: number } | null = null;
  for (let empty = 0; ; ) {
    const alive = find().filter(isAlive);
    const all = allProcesses();
    const wrong = alive.find((it) => isUntouchable(it.pid, all));
    assert(wrong === undefined, `process ${wrong?.pid} is no part of a world`);
    const fromMs = monotonicMs();
    for (const target of alive) if (killExactly(target)) killed.set(target.pid, target);
    first ??= { fromMs, untilMs: monotonicMs() };
    empty = alive.length === 0 ? empty + 1 : 0;
    if (empty === 2) return { killed: [...killed.values()], left: [], first };
    if (performance.now() > endMs) return { killed: [...killed.values()], left: alive, first };
    await sleep(alive.length === 0 ? 5 : 2);
  }
}
