import { spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';
import { type ActiveFault, disturbLink, injectFault, pauseProcesses } from '../../world/faults/inject.ts';
import type { UndoResult } from '../../world/faults/undo.ts';
import type { ProcessKind } from '../../world/layout.ts';
import type { World } from '../../world/open.ts';
import { moveLead } from '../../world/store-members.ts';
import { monotonicMs, pause } from '../monotonic.ts';

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

const HOLDER = 'drill no-false-alarm';
/** What is tolerated, and so what is tried. */
const PAUSE_MS = 1_000;
/** Of a pause, kept for the look whether all still stand. */
const LOOK_MS = 50;
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

const pauseNamed = (world: World, name: string): Promise<Seen> =>
  pausing(() => pauseProcesses(world, { kind: 'pause', process: name }, HOLDER));

const pausePostgres = (world: World, postgresOf: PlaceId): Promise<Seen> =>
  pausing(() => pauseProcesses(world, { kind: 'pause', postgresOf }, HOLDER));

const pauseRegion = (world: World, place: PlaceId): Promise<Seen> =>
  pausing(() => injectFault(world, { kind: 'freeze', place }, HOLDER));

/** In the journal before anything stops, so that a drill that is killed in between leaves nothing stopped (I13). */
const pausing = (inject: () => Promise<ActiveFault>): Promise<Seen> =>
  during(inject, async (fault) => {
    await pause(fault.fromMs + PAUSE_MS - LOOK_MS - monotonicMs());
    return fault.evidence;
  });

/** TCP loses a packet now and then and sends it again 200 ms later; everything behind it waits. */
async function losePackets(world: World, signal: AbortSignal): Promise<Seen> {
  const { links } = world.layout;
  const fault = { state: 'up', extraDelayMs: 0, lossShare: LOSS_SHARE } as const;
  const faults = await Promise.all(links.map((link) => disturbLink(world, link.from, link.to, fault)));
  try {
    await pause(LOSSES_MS, signal);
    const lapsed = (await Promise.all(faults.map((it) => it.stillInForce()))).filter((it) => it !== null);
    const what = `${links.length - lapsed.length} of ${links.length} links lost packets`;
    return { real: lapsed.length === 0, what: lapsed[0] === undefined ? what : `${what}: ${lapsed[0]}` };
  } finally {
    undone(await Promise.all(faults.map((it) => it.undo())));
  }
}

/** A disk that answers late: each flush of PostgreSQL below a region, for a few seconds. */
const stallFlushes = (world: World, place: PlaceId, signal: AbortSignal): Promise<Seen> =>
  during(
    () => injectFault(world, { kind: 'slow-disk', place, delayMs: FLUSH_STALL_MS }, HOLDER),
    async ({ evidence }) => {
      await pause(FLUSHES_STALL_FOR_MS, signal);
      return evidence;
    },
  );

/** There and back again: two jumps. */
const jumpClock = (world: World, place: PlaceId, byMs: number, signal: AbortSignal): Promise<Seen> =>
  during(
    () => injectFault(world, { kind: 'clock-skew', place, byMs }, HOLDER),
    async ({ evidence }) => {
      await pause(CLOCK_OFF_FOR_MS, signal);
      return evidence;
    },
  );

/** What could not be injected, or was over before its undo, proves nothing. What can't be undone ends the drill. */
async function during(
  inject: () => Promise<ActiveFault>,
  work: (fault: ActiveFault) => Promise<string>,
): Promise<Seen> {
  let fault: ActiveFault;
  try {
    fault = await inject();
  } catch (error) {
    if (error instanceof FarshoreError && error.code === 'FSH_UNDO_INCOMPLETE') throw error;
    return { real: false, what: messageOf(error) };
  }
  let seen: Seen;
  try {
    const what = await work(fault);
    const lapsed = await fault.stillInForce();
    seen = { real: lapsed === null, what: lapsed ?? what };
  } finally {
    undone([await fault.undo()]);
  }
  // Of a pause that became longer than what is tolerated, a move is no false alarm: this says so.
  return { ...seen, what: `${seen.what}, for ${Math.round(monotonicMs() - fault.fromMs)} ms` };
}

function undone(results: readonly UndoResult[]): void {
  const left = results.flatMap((it) => it.left);
  if (left.length > 0)
    throw new FarshoreError('FSH_UNDO_INCOMPLETE', `a disturbance is not undone: ${left.join('; ')}`);
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
