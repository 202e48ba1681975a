import { readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { basename } from 'node:path';

/** One live process. `startTicks` tells it from a later process with the same pid. */
export interface ProcessSeen {
  readonly pid: number;
  readonly parent: number;
  readonly startTicks: string;
}

export interface KillReport {
  readonly gone: boolean;
  /** Every process that was killed, in the order found. */
  readonly pids: readonly number[];
  readonly tookMs: number;
}

/**
 * Ends every process of a data directory with SIGKILL (P3.1 `killed`) and answers when none is left.
 *
 * A backend is a child of the postmaster, but its own process group and session; after the postmaster's death its
 * parent is init. So a process belongs when a process that belongs is its parent, or when it is a `postgres` whose
 * working directory is the data directory. What was seen once stays remembered until it is gone.
 */
export async function killProcesses(dataDir: string, roots: readonly number[], timeoutMs: number): Promise<KillReport> {
  const startedMs = performance.now();
  const killed = new Map<number, string>();
  let cleanScans = 0;
  for (;;) {
    const members = processesOf(dataDir, [...roots, ...killed.keys()], killed);
    for (const member of members) {
      killed.set(member.pid, member.startTicks);
      signal(member.pid, 'SIGKILL');
    }
    // A process that lives during a whole scan is listed, and the dead can't fork. The second clean scan costs 2 ms.
    cleanScans = members.length === 0 ? cleanScans + 1 : 0;
    const tookMs = performance.now() - startedMs;
    if (cleanScans >= 2) return { gone: true, pids: [...killed.keys()], tookMs };
    if (tookMs > timeoutMs) return { gone: false, pids: members.map((member) => member.pid), tookMs };
    await new Promise((wake) => setTimeout(wake, 2));
  }
}

/**
 * The live processes of a data directory: those of `roots`, PostgreSQL processes working in it, and all descendants.
 * `known` maps a pid to its start time: a process that took over the number of a dead one is not a member.
 */
export function processesOf(
  dataDir: string,
  roots: readonly number[] = [],
  known: ReadonlyMap<number, string> = new Map(),
): ProcessSeen[] {
  const all = liveProcesses();
  const directory = realPath(dataDir);
  const members = new Map<number, ProcessSeen>();
  for (const process of all) {
    const root = roots.includes(process.pid) && (known.get(process.pid) ?? process.startTicks) === process.startTicks;
    if (root || worksIn(process.pid, directory)) members.set(process.pid, process);
  }
  for (let before = -1; before !== members.size; ) {
    before = members.size;
    for (const process of all) if (members.has(process.parent)) members.set(process.pid, process);
  }
  return [...members.values()];
}

/**
 * Does no process work in the data directory any more? Of no member there is no descendant, so each process's working directory is all that is
 * read: half of a whole scan, which costs 8 ms among 180 processes, and a client of a planned move waits for it.
 */
export function isDeserted(dataDir: string): boolean {
  const directory = realPath(dataDir);
  return !readdirSync('/proc').some((name) => /^\d+$/.test(name) && worksIn(Number(name), directory));
}

/** The children of a process by the kernel's own list, without a look at all others; none where the kernel keeps no such list. */
export const childrenOf = (pid: number): readonly number[] =>
  (read(`/proc/${pid}/task/${pid}/children`) ?? '')
    .split(' ')
    .filter((it) => it !== '')
    .map(Number);

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone already, which is what was wanted.
  }
}

/** Every process that can still run. A zombie can't: it only waits for its parent to read the exit code. */
function liveProcesses(): ProcessSeen[] {
  const seen: ProcessSeen[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    // The command name is in parentheses and may hold spaces: fields are counted from the last parenthesis.
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, parent, startTicks] = [fields?.[0], fields?.[1], fields?.[19]];
    if (state === undefined || parent === undefined || startTicks === undefined) continue;
    if (state === 'Z' || state === 'X') continue;
    seen.push({ pid: Number(name), parent: Number(parent), startTicks });
  }
  return seen;
}

/** A shell that somebody opened in the data directory is no PostgreSQL process: the program's name must match too. */
function worksIn(pid: number, directory: string): boolean {
  try {
    if (readlinkSync(`/proc/${pid}/cwd`) !== directory) return false;
    return basename(readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '')) === 'postgres';
  } catch {
    return false;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
