import { assert } from '../base/result.ts';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** One process, told apart from a later one with the same number by its start time (clock ticks since boot). */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: number;
}

export interface ProcessStat extends ProcessIdentity {
  readonly parentPid: number;
  /** One letter of `ps`: Z is a zombie, which runs nothing any more. */
  readonly state: string;
}

/** What the kernel says about a process; null when there is none. */
export function readStat(pid: number): ProcessStat | null {
  const text = readText(`/proc/${pid}/stat`);
  if (text === null) return null;
  // The name in parentheses may hold anything; the fields after it are fixed: state, ppid, … the 22nd is the start time.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { pid, state: fields[0] ?? '?', parentPid: Number(fields[1]), startTicks: Number(fields[19]) };
}

/** Is it the same process still, and not a zombie? */
export function isAlive(process: ProcessIdentity): boolean {
  const stat = readStat(process.pid);
  return stat !== null && stat.startTicks === process.startTicks && stat.state !== 'Z';
}

/** Every process that can be seen. */
export function allProcesses(): readonly ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readStat(Number(name)))
    .filter((stat) => stat !== null);
}

/** The given processes and everything below them. PostgreSQL's backends are process groups of their own: only parents tell. */
export function withDescendants(roots: ReadonlySet<number>, all: readonly ProcessStat[]): readonly ProcessStat[] {
  const wanted = new Set(roots);
  // Everything is below the first process: as a root it can only be a mistake.
  assert(!wanted.has(1) && !wanted.has(0), 'the first process is no root of a search');
  for (let grew = true; grew; ) {
    grew = false;
    for (const stat of all) {
      if (wanted.has(stat.pid) || !wanted.has(stat.parentPid)) continue;
      wanted.add(stat.pid);
      grew = true;
    }
  }
  return all.filter((stat) => wanted.has(stat.pid) && stat.state !== 'Z');
}

/** An environment variable that a process was started with; null when it can't be read. PostgreSQL overwrites its own. */
export function environmentOf(pid: number, name: string): string | null {
  const entries = readText(`/proc/${pid}/environ`)?.split('\0') ?? [];
  return entries.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1) ?? null;
}

/** Who traces a process; 0 when nobody does or there is no such process. */
export function tracerOf(pid: number): number {
  return Number(/^TracerPid:\s*(\d+)/m.exec(readText(`/proc/${pid}/status`) ?? '')?.[1] ?? 0);
}

export function workingDirectoryOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return null;
  }
}

/** The program that a process runs, links resolved; also when it was replaced meanwhile. */
export function executableOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '');
  } catch {
    return null;
  }
}

export function commandLineOf(pid: number): string {
  return (readText(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ').trim();
}

/** Sends SIGKILL to exactly this process; false when it was gone already. */
export function killExactly(target: ProcessIdentity): boolean {
  if (readStat(target.pid)?.startTicks !== target.startTicks) return false;
  try {
    process.kill(target.pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
