import { setTimeout as sleep } from 'node:timers/promises';
import { FarshoreError } from '../../base/errors.ts';
import type { NodeId, PlaceId } from '../../base/ids.ts';
import { killUntilGone } from '../leftovers.ts';
import type { World } from '../open.ts';
import type { ProcessIdentity } from '../proc.ts';
import { LEASE_MS } from './journal.ts';
import { finderOf, processesOfRegion } from './processes.ts';
import { monotonicMs, type Seen } from './seen.ts';
import { act } from './turn.ts';

const KILL_WITHIN_MS = 5_000;
const RELEASED_WITHIN_MS = 3_000;

export interface CrashSeen extends Seen {
  readonly killed: readonly ProcessIdentity[];
}

/** Every process killed at one moment, as the loss of power would, and held down. FSH_FAILED when one is left (the canary). */
export async function crash(world: World, place: PlaceId | NodeId, holder: string, id: string): Promise<CrashSeen> {
  await act(world, id, () => holdDown(world, place, holder));
  const before = await processesOfRegion(world, place);
  const { killed, left, first } = await killUntilGone(await finderOf(world, place), KILL_WITHIN_MS);
  await dropEgress(world, place);
  if (left.length > 0) throw new FarshoreError('FSH_FAILED', `${left.length} processes of ${place} survived SIGKILL`);
  if (killed.length === 0) throw new FarshoreError('FSH_FAILED', `${place} had no process to kill`);
  // PostgreSQL ends its own children when the first of them is gone, so fewer are killed than were there.
  const evidence = `${before.length} processes before, ${killed.length} of them killed by us, none left`;
  const times = { fromMs: first.fromMs, effectiveMs: first.untilMs, provenMs: monotonicMs() };
  return { ...times, processes: before.length, what: `${place} is gone`, evidence, killed };
}

export async function holdDown(world: World, place: PlaceId | NodeId, holder: string): Promise<void> {
  const held = await world.supervisor.hold(place, holder, LEASE_MS);
  if (held.kind !== 'done') throw new FarshoreError('FSH_NOT_RUNNING', `cannot hold ${place}: ${held.why}`);
}

/** Ends the hold; returns what is left of it. */
export async function bringBack(world: World, place: PlaceId | NodeId): Promise<readonly string[]> {
  await world.supervisor.release(place);
  const endMs = monotonicMs() + RELEASED_WITHIN_MS;
  for (;;) {
    const list = await world.supervisor.list();
    // Without a supervisor nothing is held, and the next start starts all.
    if (list.kind === 'refused') return [];
    if (list.kind === 'done' && !list.value.holds.some((it) => it.target === place)) return [];
    if (monotonicMs() > endMs) return [`${place} is still held down`];
    await sleep(50);
  }
}

/** The region's bytes that no link had sent yet die with it. Those of one node are on the region's network, which lives. */
async function dropEgress(world: World, region: PlaceId | NodeId): Promise<void> {
  const touching = world.layout.links.filter((link) => link.from === region || link.to === region);
  await Promise.all(
    touching.map((link) => world.link(link.from, link.to).dropEgress(link.from === region ? link.from : link.to)),
  );
}
