import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type ProcessIdentity, readStat } from '../proc.ts';
import type { World } from '../open.ts';
import type { AnySpec } from './spec.ts';

/** A fault lives this long without its holder. */
export const LEASE_MS = 10_000;

type Where = Pick<World, 'layout'>;

/** One fault as the journal has it. */
export interface JournalEntry {
  readonly id: string;
  readonly spec: AnySpec;
  readonly holder: string;
  readonly pid: number;
  readonly ticks: number;
  readonly atWallMs: number;
  /** Processes that were, or were about to be, stopped: all of them must go on. */
  readonly stopped: readonly ProcessIdentity[];
  /** What the last try to undo it left; empty when nobody tried. */
  readonly left: readonly string[];
}

type Line =
  | ({ readonly state: 'injecting' } & Omit<JournalEntry, 'stopped' | 'left'>)
  | { readonly state: 'stopping'; readonly id: string; readonly stopped: readonly ProcessIdentity[] }
  | { readonly state: 'left'; readonly id: string; readonly left: readonly string[] }
  | { readonly state: 'undone'; readonly id: string };

const journalPath = ({ layout }: Where): string => join(layout.stateDir, 'faults.jsonl');
const beatPath = ({ layout }: Where, id: string): string => join(layout.runDir, `fault-${id}`);

/** On disk before the fault is: a killed holder can't make it forgotten (I13). */
export function openEntry(world: Where, spec: AnySpec, holder: string): JournalEntry {
  const id = randomBytes(4).toString('hex');
  const ticks = readStat(process.pid)?.startTicks ?? 0;
  const entry = { id, spec, holder, pid: process.pid, ticks, atWallMs: Date.now() };
  append(world, { state: 'injecting', ...entry });
  writeFileSync(beatPath(world, id), '', { mode: 0o600 });
  return { ...entry, stopped: [], left: [] };
}

/** On disk before the signal is sent. */
export const noteStopping = (world: Where, id: string, stopped: readonly ProcessIdentity[]): void =>
  append(world, { state: 'stopping', id, stopped: stopped.map(({ pid, startTicks }) => ({ pid, startTicks })) });

/** It could not be undone whole: for whoever looks, and tries again. */
export const noteLeft = (world: Where, id: string, left: readonly string[]): void =>
  append(world, { state: 'left', id, left });

export function closeEntry(world: Where, id: string): void {
  append(world, { state: 'undone', id });
  rmSync(beatPath(world, id), { force: true });
}

/** The holder lives and wants it still. */
export function beat(world: Where, id: string): void {
  const now = new Date();
  try {
    utimesSync(beatPath(world, id), now, now);
  } catch {
    // Undone by somebody else, or the world went down: no fault is left to hold.
  }
}

/** Nobody holds it any more: its holder is gone, or did not refresh it for the length of the lease. */
export function isAbandoned(world: Where, entry: JournalEntry, nowWallMs: number): boolean {
  if (readStat(entry.pid)?.startTicks !== entry.ticks) return true;
  return nowWallMs - lastBeatMs(world, entry) > LEASE_MS;
}

function lastBeatMs(world: Where, entry: JournalEntry): number {
  try {
    return statSync(beatPath(world, entry.id)).mtimeMs;
  } catch {
    return entry.atWallMs;
  }
}

/** The faults that nobody has undone yet, oldest first. */
export function openEntries(world: Where): readonly JournalEntry[] {
  const open = new Map<string, JournalEntry>();
  for (const line of readLines(journalPath(world))) {
    const entry = open.get(line.id);
    if (line.state === 'injecting') open.set(line.id, { ...line, stopped: [], left: [] });
    else if (line.state === 'undone') open.delete(line.id);
    else if (entry === undefined) continue;
    else if (line.state === 'left') open.set(line.id, { ...entry, left: line.left });
    else open.set(line.id, { ...entry, stopped: [...entry.stopped, ...line.stopped] });
  }
  return [...open.values()];
}

/** Nobody has undone it. */
export const isOpen = (world: Where, id: string): boolean => openEntries(world).some((it) => it.id === id);

function append(world: Where, line: Line): void {
  const file = openSync(journalPath(world), 'a', 0o600);
  try {
    // Begins with an end of line: what a crash left of an earlier line must not swallow this one.
    writeSync(file, `\n${JSON.stringify(line)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function readLines(path: string): readonly Line[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => parse(line) ?? []);
}

function parse(line: string): Line | null {
  if (line === '') return null;
  try {
    const parsed = JSON.parse(line) as Line;
    return typeof parsed.id === 'string' ? parsed : null;
  } catch {
    // The last line of a crash in the middle of a write: its fault was never injected.
    return null;
  }
}
