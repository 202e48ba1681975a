import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { FarshoreError } from '../base/errors.ts';
import type { NodeId, PlaceId } from '../base/ids.ts';
import type { LinkFault } from '../ports/link.ts';
import { killUntilGone } from './leftovers.ts';
import { dataNodesOf, isPartOf } from './layout.ts';
import type { World } from './open.ts';
import {
  allProcesses,
  isAlive,
  type ProcessIdentity,
  type ProcessStat,
  readStat,
  withDescendants,
  workingDirectoryOf,
} from './proc.ts';

/** A fault lives this long without its holder. */
const LEASE_MS = 10_000;
const REFRESH_MS = 2_000;
const KILL_WITHIN_MS = 5_000;

/** A fault in force. `undo` may be called twice; the lease undoes it when the holder is gone. */
export interface ActiveFault {
  readonly what: string;
  undo(): Promise<void>;
}

export interface RegionCrash extends ActiveFault {
  /** CLOCK_MONOTONIC milliseconds, comparable with other processes of this machine: the first and last SIGKILL of the first round. */
  readonly killedFromMs: number;
  readonly killedUntilMs: number;
  /** When nothing of the region was left, seen twice. */
  readonly provenMs: number;
  readonly killed: readonly ProcessIdentity[];
}

interface JournalEntry {
  readonly at: string;
  readonly fault: 'crash-region' | 'link';
  readonly places: readonly (PlaceId | NodeId)[];
  readonly state: 'injecting' | 'undone';
  readonly holderPid: number;
  readonly holderTicks: number;
}

const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/**
 * Kills every process of a region, or of one node, at one moment, as the loss of its power would, and keeps it down until `undo`.
 * Written to the undo journal first. Throws FSH_REFUSED when somebody else holds the region, FSH_FAILED when a process is left (the canary), after undoing everything.
 */
export async function crashRegion(world: World, region: PlaceId | NodeId, holder: string): Promise<RegionCrash> {
  if (!world.layout.processes.some((it) => isPartOf(it, region)))
    throw new FarshoreError('FSH_USAGE', `${region} is no place or node of this world`);
  await refuseWhenHeld(world, region);
  writeJournal(world, 'crash-region', [region], 'injecting');
  const refresh = await holdRegion(world, region, holder);
  const undo = undoOnce(async () => {
    clearInterval(refresh);
    await world.supervisor.release(region);
    writeJournal(world, 'crash-region', [region], 'undone');
  });
  try {
    const { killed, left, first } = await killUntilGone(await finderOf(world, region), KILL_WITHIN_MS);
    const provenMs = monotonicMs();
    await dropEgress(world, region);
    if (left.length > 0)
      throw new FarshoreError('FSH_FAILED', `${left.length} processes of ${region} survived SIGKILL`);
    if (killed.length === 0) throw new FarshoreError('FSH_FAILED', `${region} had no process to kill`);
    const [killedFromMs, killedUntilMs] = [first.fromMs, first.untilMs];
    return { what: `every process of ${region} killed`, killedFromMs, killedUntilMs, provenMs, killed, undo };
  } catch (error) {
    await undo();
    throw error;
  }
}

/** Cuts or slows one directed link until `undo`. */
export async function disturbLink(world: World, from: PlaceId, to: PlaceId, fault: LinkFault): Promise<ActiveFault> {
  writeJournal(world, 'link', [from, to], 'injecting');
  const link = world.link(from, to);
  const set = await link.set(fault, LEASE_MS);
  if (set.kind !== 'done') throw new FarshoreError('FSH_FAILED', `link ${from} → ${to}: ${set.why}`);
  const refresh = setInterval(() => void link.set(fault, LEASE_MS), REFRESH_MS);
  const undo = undoOnce(async () => {
    clearInterval(refresh);
    await link.set({ state: 'up', extraDelayMs: 0 });
    writeJournal(world, 'link', [from, to], 'undone');
  });
  return { what: `link ${from} → ${to} ${fault.state}, ${fault.extraDelayMs} ms slower`, undo };
}

/** Every process of a place that is alive now; empty is the canary's proof that a crash took effect. */
export async function processesOfRegion(world: World, region: PlaceId | NodeId): Promise<readonly ProcessStat[]> {
  return (await finderOf(world, region))().filter(isAlive);
}

/**
 * Undoes what a killed holder left in the journal. Leases do it too, a little later; this does it now. Returns what was undone.
 * Faults of a holder that still lives are left alone.
 */
export async function recoverFaults(world: World): Promise<readonly string[]> {
  const undone: string[] = [];
  for (const entry of openEntries(world)) {
    if (readStat(entry.holderPid)?.startTicks === entry.holderTicks) continue;
    const [first, second] = entry.places as readonly PlaceId[];
    if (first === undefined) continue;
    if (entry.fault === 'crash-region') await world.supervisor.release(first);
    else if (second !== undefined) await world.link(first, second).set({ state: 'up', extraDelayMs: 0 });
    writeJournal(world, entry.fault, entry.places, 'undone');
    undone.push(`${entry.fault} ${entry.places.join(' → ')}`);
  }
  return undone;
}

/** Two holders would undo each other. */
async function refuseWhenHeld(world: World, region: PlaceId | NodeId): Promise<void> {
  const list = await world.supervisor.list();
  const hold = list.kind === 'done' ? list.value.holds.find((it) => it.target === region) : undefined;
  if (hold !== undefined) throw new FarshoreError('FSH_REFUSED', `${region} is held down by ${hold.holder} already`);
}

async function holdRegion(world: World, region: PlaceId | NodeId, holder: string): Promise<NodeJS.Timeout> {
  const held = await world.supervisor.hold(region, holder, LEASE_MS);
  if (held.kind !== 'done') throw new FarshoreError('FSH_NOT_RUNNING', `cannot hold ${region}: ${held.why}`);
  return setInterval(() => void world.supervisor.hold(region, holder, LEASE_MS), REFRESH_MS);
}

/**
 * Finds the processes of a region: what the supervisor started, everything below, and whatever sits in its data directory
 * (backends outlive their parent for a moment). The supervisor is asked once; after a hold it starts no more.
 */
async function finderOf(world: World, region: PlaceId | NodeId): Promise<() => readonly ProcessStat[]> {
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

/** The region's bytes that no link had sent yet die with it. Those of one node are on the region's network, which lives. */
async function dropEgress(world: World, region: PlaceId | NodeId): Promise<void> {
  const touching = world.layout.links.filter((link) => link.from === region || link.to === region);
  await Promise.all(
    touching.map((link) => world.link(link.from, link.to).dropEgress(link.from === region ? link.from : link.to)),
  );
}

function undoOnce(undo: () => Promise<void>): () => Promise<void> {
  let undone: Promise<void> | null = null;
  return () => {
    undone ??= undo();
    return undone;
  };
}

const journalPath = (world: World): string => join(world.layout.stateDir, 'faults.jsonl');

/** On disk before the fault is: a killed holder can't make it forgotten (I13). */
function writeJournal(
  world: World,
  fault: JournalEntry['fault'],
  places: JournalEntry['places'],
  state: JournalEntry['state'],
): void {
  const holderTicks = readStat(process.pid)?.startTicks ?? 0;
  const at = new Date().toISOString();
  const entry: JournalEntry = { at, fault, places, state, holderPid: process.pid, holderTicks };
  const file = openSync(journalPath(world), 'a', 0o600);
  try {
    writeSync(file, `${JSON.stringify(entry)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function openEntries(world: World): readonly JournalEntry[] {
  const open = new Map<string, JournalEntry>();
  for (const line of readLines(journalPath(world))) {
    try {
      const entry = JSON.parse(line) as JournalEntry;
      const key = `${entry.fault} ${entry.places.join(' ')}`;
      if (entry.state === 'injecting') open.set(key, entry);
      else open.delete(key);
    } catch {
      // The last line of a crash in the middle of a write: its fault was never injected.
    }
  }
  return [...open.values()];
}

function readLines(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}
