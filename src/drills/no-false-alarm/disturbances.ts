import { spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { messageOf } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';
import { disturbLink, injectFault } from '../../world/faults/inject.ts';
import { processesOfRegion, serverProcessesOf } from '../../world/faults/processes.ts';
import type { ProcessKind } from '../../world/layout.ts';
import type { World } from '../../world/open.ts';
import { isAlive, type ProcessStat, readStat } from '../../world/proc.ts';
import { moveLead } from '../../world/store-members.ts';
import { pause } from '../monotonic.ts';
import { pauseProcesses } from './pause.ts';

/** Something that happens on a bad day and is no loss. `happen` resolves when it is over, with what was seen of it. */
export interface Disturbance {
  readonly name: string;
  happen(world: World, signal: AbortSignal): Promise<Seen>;
}

/** `real`: it was seen in force; otherwise it proves nothing. */
export interface Seen {
  readonly real: boolean;
  readonly what: string;
}

/** What is tolerated, and so what is tried. */
const PAUSE_MS = 1_000;
const LOSSES_MS = 8_000;
const LOSS_SHARE = 0.02;
const BUSY_MS = 8_000;
/** A commit may wait for the flush before its own, so for two of them on either side. */
const FLUSH_STALL_MS = 300;
const FLUSHES_STALL_FOR_MS = 4_000;
const CLOCK_OFF_MS = 3_600_000;
const CLOCK_OFF_FOR_MS = 4_000;

const KINDS: readonly ProcessKind[] = ['agent', 'keeper', 'gateway', 'edge', 'app', 'store', 'link'];

/** Every disturbance of this world, one of each: pauses of processes and regions; losses; a busy machine; slow disks; wrong clocks; another leader of the store. */
export function disturbancesOf(world: World): readonly Disturbance[] {
  const { layout } = world;
  const singles = layout.processes
    .filter((plan) => KINDS.includes(plan.kind))
    .map((plan): Disturbance => ({ name: `1 s pause of ${plan.name}`, happen: (it) => pauseNamed(it, plan.name) }));
  const regions = layout.places.filter((place) => place.data).map((place) => place.id);
  // What hits most comes first, so that a short run is worth something; then single processes, in an order that is drawn.
  return [
    ...regions.map(
      (id): Disturbance => ({ name: `1 s pause of everything in ${id}`, happen: (it) => pauseRegion(it, id) }),
    ),
    { name: 'all processors busy', happen: busyProcessors },
    { name: `${LOSS_SHARE * 100} % of all packets lost once`, happen: losePackets },
    ...(layout.store.kind === 'etcd' ? [{ name: 'the store has another leader', happen: moveStoreLead }] : []),
    ...regions.map(
      (id): Disturbance => ({ name: `1 s pause of PostgreSQL in ${id}`, happen: (it) => pausePostgres(it, id) }),
    ),
    ...regions.map(
      (id): Disturbance => ({ name: `flushes stall in ${id}`, happen: (it, signal) => stallFlushes(it, id, signal) }),
    ),
    ...layout.places.map(
      ({ id }, i): Disturbance => ({
        name: `the clock of ${id} jumps an hour ${i % 2 === 0 ? 'back' : 'ahead'}`,
        happen: (it, signal) => jumpClock(it, id, i % 2 === 0 ? -CLOCK_OFF_MS : CLOCK_OFF_MS, signal),
      }),
    ),
    ...singles.toSorted(() => Math.random() - 0.5),
  ];
}

async function pauseNamed(world: World, name: string): Promise<Seen> {
  const list = await world.supervisor.list();
  const found = list.kind === 'done' ? list.value.processes.find((it) => it.name === name) : undefined;
  const stat = found?.pid == null ? null : readStat(found.pid);
  return stat === null ? { real: false, what: `${name} does not run` } : pauseThese([stat]);
}

const pausePostgres = async (world: World, region: PlaceId): Promise<Seen> =>
  pauseThese(serverProcessesOf(world, region));

const pauseRegion = async (world: World, region: PlaceId): Promise<Seen> =>
  pauseThese(await processesOfRegion(world, region));

async function pauseThese(targets: readonly ProcessStat[]): Promise<Seen> {
  if (targets.length === 0) return { real: false, what: 'there was no process' };
  const isStopped = () => targets.filter((it) => isAlive(it) && readStat(it.pid)?.state === 'T').length;
  const stopped = await pauseProcesses(targets, PAUSE_MS, isStopped);
  return { real: stopped > 0, what: `${stopped} of ${targets.length} processes were stopped` };
}

/** TCP loses a packet now and then and sends it again 200 ms later; everything behind it waits. */
async function losePackets(world: World, signal: AbortSignal): Promise<Seen> {
  const { links } = world.layout;
  const fault = { state: 'up', extraDelayMs: 0, lossShare: LOSS_SHARE } as const;
  const faults = await Promise.all(links.map((link) => disturbLink(world, link.from, link.to, fault)));
  try {
    const states = await Promise.all(links.map((link) => world.link(link.from, link.to).status()));
    const lossy = states.filter((state) => state.kind === 'done' && state.value.state === 'slow').length;
    await pause(LOSSES_MS, signal);
    return { real: lossy === links.length, what: `${lossy} of ${links.length} links lost packets` };
  } finally {
    await Promise.all(faults.map((it) => it.undo()));
  }
}

/** A disk that answers late: each flush of PostgreSQL below a region, for a few seconds. */
async function stallFlushes(world: World, place: PlaceId, signal: AbortSignal): Promise<Seen> {
  const fault = await injectFault(world, { kind: 'slow-disk', place, delayMs: FLUSH_STALL_MS }, 'drill').catch(
    messageOf,
  );
  if (typeof fault === 'string') return { real: false, what: fault };
  try {
    await pause(FLUSHES_STALL_FOR_MS, signal);
    return { real: true, what: fault.evidence };
  } finally {
    await fault.undo();
  }
}

/** There and back again: two jumps. */
async function jumpClock(world: World, place: PlaceId, byMs: number, signal: AbortSignal): Promise<Seen> {
  const fault = await injectFault(world, { kind: 'clock-skew', place, byMs }, 'drill').catch(messageOf);
  if (typeof fault === 'string') return { real: false, what: fault };
  try {
    await pause(CLOCK_OFF_FOR_MS, signal);
    return { real: true, what: fault.evidence };
  } finally {
    await fault.undo();
  }
}

async function moveStoreLead({ layout }: World): Promise<Seen> {
  const { to, why } = await moveLead(layout);
  return { real: to !== null, what: to === null ? why : `${to} leads: ${why}` };
}

const BUSY = 'const end = Date.now() + Number(process.argv[1]); while (Date.now() < end);';

/** Twice as many busy loops as processors. They end by themselves. */
async function busyProcessors(_: World, signal: AbortSignal): Promise<Seen> {
  const count = 2 * cpus().length;
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', BUSY, String(BUSY_MS)], { stdio: 'ignore' }),
  );
  await pause(BUSY_MS / 2, signal);
  const running = children.filter((child) => child.exitCode === null && child.pid !== undefined).length;
  await Promise.all(
    children.map(
      (child) =>
        new Promise<void>((resolve) => (child.exitCode === null ? child.once('exit', () => resolve()) : resolve())),
    ),
  );
  return { real: running === count, what: `${running} busy processes on ${cpus().length} processors` };
}
