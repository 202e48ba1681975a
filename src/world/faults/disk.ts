import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import { locateStrace } from '../locate-program.ts';
import type { World } from '../open.ts';
import { allProcesses, commandLineOf, isAlive, killExactly, type ProcessStat, tracerOf } from '../proc.ts';
import { COMMIT, openPrimaryIn, openSession } from './commit-probe.ts';
import { databasesOf } from './processes.ts';
import { monotonicMs, type Seen } from './seen.ts';
import { type DiskSpec, describe } from './spec.ts';
import { act } from './turn.ts';

const ATTACHED_WITHIN_MS = 5_000;
const BITES_WITHIN_MS = 15_000;
const DETACHED_WITHIN_MS = 2_000;
/** A commit without an answer for this long is late enough to be seen, whatever the delay. */
const LATE_MS = 1_000;

const FLUSHES = 'fsync,fdatasync,sync_file_range';
/** How PostgreSQL writes WAL and tables. Logs, pipes and sockets go by `write` and `send` and are left alone. */
const WRITES = 'pwrite64,pwritev,pwritev2,fallocate';

/**
 * A disk that is slow to flush, or full, below the PostgreSQL of a place or node: strace holds or fails the system calls of the
 * keeper and everything below it, also of servers that it starts later. Nothing is configured and no other file system is needed.
 * When the tracer ends, however it ends, the kernel lets every process go on untouched; it ends with its runner (docs/adr/0017).
 */
export async function disk(world: World, spec: DiskSpec, id: string): Promise<Seen> {
  const strace = locateStrace(process.env['PATH']);
  const primary = await openPrimaryIn(world, spec.place).catch(() => null);
  const find = await databasesOf(world, spec.place);
  const fromMs = monotonicMs();
  const said: string[] = [];
  let traced: readonly ProcessStat[] = [];
  for (let quiet = 0, round = 0; quiet < 2; ) {
    traced = find().filter(isAlive);
    const free = traced.filter((it) => tracerOf(it.pid) === 0);
    if (free.length === 0 && traced.length > 0) quiet++;
    else {
      quiet = 0;
      if (free.length > 0) await act(world, id, () => attach(strace, tracePath(world, id, round++), spec, free, said));
      await until(() => free.every((it) => !isAlive(it) || tracerOf(it.pid) !== 0), 1_000);
    }
    if (monotonicMs() - fromMs > ATTACHED_WITHIN_MS) {
      const why = traced.length === 0 ? 'it has no PostgreSQL' : said.join('').trim() || 'some processes stay untraced';
      throw new FarshoreError('FSH_FAILED', `cannot get below the PostgreSQL of ${spec.place}: ${why}`);
    }
    await sleep(5);
  }
  const effectiveMs = monotonicMs();
  const felt = primary === null ? null : await commitFeels(world, primary, spec);
  const bites =
    spec.kind === 'slow-disk' ? oneIsHeld(find, lateOf(spec.delayMs)) : () => traces(world, id).includes('(INJECTED)');
  if (!(await until(bites, BITES_WITHIN_MS)))
    throw new FarshoreError('FSH_FAILED', `nothing flushed or wrote in ${spec.place}: the fault hit no system call`);
  const calls =
    spec.kind === 'slow-disk' ? `a flush was held for ${Math.round(lateOf(spec.delayMs))} ms` : 'a write got ENOSPC';
  const evidence = felt === null ? `${calls}, seen by the tracer` : `${calls}, seen by the tracer; ${felt}`;
  const times = { fromMs, effectiveMs, provenMs: monotonicMs() };
  return { ...times, processes: traced.length, what: describe(spec), evidence };
}

const lateOf = (delayMs: number): number => Math.min(LATE_MS, delayMs * 0.9);

/** One process stood in a tracing stop (state t) at every look for so long; a call that is not held stops for microseconds. */
function oneIsHeld(find: () => readonly ProcessStat[], forMs: number): () => boolean {
  const sinceMs = new Map<number, number>();
  return () => {
    const nowMs = monotonicMs();
    const held = new Set(find().flatMap((it) => (it.state === 't' ? [it.pid] : [])));
    for (const pid of sinceMs.keys()) if (!held.has(pid)) sinceMs.delete(pid);
    for (const pid of held) if (!sinceMs.has(pid)) sinceMs.set(pid, nowMs);
    return [...sinceMs.values()].some((since) => nowMs - since >= forMs);
  };
}

/** Ends the tracers of a fault; returns what is left of them. May be done twice, and by somebody who did not start them. */
export async function endTracers(world: World, id: string): Promise<readonly string[]> {
  const tracers = () =>
    allProcesses().filter((it) => isAlive(it) && commandLineOf(it.pid).includes(tracePrefix(world, id)));
  for (const it of tracers()) terminate(it.pid);
  // SIGTERM lets a call that is held be finished by the tracer; SIGKILL leaves that to the kernel.
  if (!(await until(() => tracers().length === 0, DETACHED_WITHIN_MS))) {
    for (const it of tracers()) killExactly(it);
    await until(() => tracers().length === 0, DETACHED_WITHIN_MS);
  }
  const left = tracers();
  if (left.length === 0)
    for (const name of await readdir(world.layout.runDir).catch(() => []))
      if (name.startsWith(`disk-${id}-`)) await rm(join(world.layout.runDir, name), { force: true });
  return left.map(({ pid }) => `tracer ${pid} does not end`);
}

function attach(strace: string, path: string, spec: DiskSpec, targets: readonly ProcessStat[], said: string[]): void {
  const calls = spec.kind === 'slow-disk' ? FLUSHES : WRITES;
  const does = spec.kind === 'slow-disk' ? `delay_enter=${Math.round(spec.delayMs * 1_000)}` : 'error=ENOSPC';
  const args = ['-f', '-qq', '-o', path, '-e', `trace=${calls}`, '-e', `inject=${calls}:${does}`];
  const pids = targets.flatMap(({ pid }) => ['-p', String(pid)]);
  // In its own session: Ctrl-C is the runner's to answer. With its runner it dies.
  const { command, wrapped } = dyingWithUs([strace, ...args, ...pids]);
  const child = spawn(command, wrapped, { detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
  child.on('error', (error) => said.push(messageOf(error)));
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  child.unref();
}

/** setpriv (util-linux) is on every Debian; PostgreSQL is started with it too. */
const dyingWithUs = (argv: readonly string[]) => ({
  command: 'setpriv',
  wrapped: ['--pdeathsig', 'TERM', '--', ...argv],
});

/** What a commit on the primary meets. Throws FSH_FAILED when it is answered as if nothing had happened. */
async function commitFeels(world: World, node: Parameters<typeof openSession>[1], spec: DiskSpec): Promise<string> {
  const lateMs = spec.kind === 'slow-disk' ? lateOf(spec.delayMs) : BITES_WITHIN_MS;
  const client = await openSession(world, node).catch((error: unknown) => messageOf(error));
  if (typeof client === 'string') {
    if (spec.kind === 'disk-full') return `the server takes no session any more (${client})`;
    throw new FarshoreError('FSH_FAILED', `the server takes no session: ${client}`);
  }
  const ended = await Promise.race([
    client.query(COMMIT).then(() => 'committed', messageOf),
    sleep(lateMs, null, { ref: false }),
  ]);
  void client.end().catch(() => undefined);
  if (spec.kind === 'slow-disk') {
    if (ended === null) return `a commit got no answer for ${Math.round(lateMs)} ms`;
    throw new FarshoreError('FSH_FAILED', `a commit was answered within ${Math.round(lateMs)} ms: ${ended}`);
  }
  if (ended !== null && ended !== 'committed') return `a commit failed (${ended})`;
  throw new FarshoreError(
    'FSH_FAILED',
    ended === null ? 'a commit hangs instead of failing' : 'a commit was acknowledged',
  );
}

const tracePrefix = ({ layout }: World, id: string): string => join(layout.runDir, `disk-${id}-`);
const tracePath = (world: World, id: string, round: number): string => `${tracePrefix(world, id)}${round}`;

function traces(world: World, id: string): string {
  let text = '';
  for (let round = 0; ; round++) {
    try {
      text += readFileSync(tracePath(world, id, round), 'utf8');
    } catch {
      return text;
    }
  }
}

function terminate(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // Gone already.
  }
}

async function until(check: () => boolean, withinMs: number): Promise<boolean> {
  const endMs = monotonicMs() + withinMs;
  while (!check()) {
    if (monotonicMs() > endMs) return false;
    await sleep(10);
  }
  return true;
}
