import { defaultKnobs } from '../src/base/knobs.ts';
import { beginInReign } from './begin.ts';
import { describe, isOfMachine, type Planned, schedule, supervise } from './faults.ts';
import { Judge } from './judge.ts';
import { planFaults } from './plan.ts';
import { Rng } from './rng.ts';
import { type Line, type Parts, usualParts, World } from './world.ts';

export interface Ran {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly lines: readonly Line[];
  readonly events: number;
  readonly acked: number;
  /** Writes of which a client does not know what became of them. */
  readonly unknown: number;
  readonly epochs: number;
  readonly shape: string;
  readonly faults: readonly Planned[];
  /** Async: acknowledged writes that a takeover lost, each of them within what its fence says. */
  readonly lost: number;
}

const CALM_MS = 1_500;
const HEALED_MS = 10_500;
/** How long everything may take to come home once nothing is broken any more. */
const HOME_MS_MAX = 60_000;
const LOOK_EVERY_MS = 500;

/** The shape of the deployment is drawn by the seed too. */
function shapeOf(seed: number): { readonly parts: Parts; readonly fromScratch: boolean; readonly hasSecond: boolean } {
  const rng = new Rng(seed ^ 0x5a9e);
  const regions = rng.chance(0.4) ? 2 : 3;
  const mode = regions === 2 ? 'sync' : rng.pick(['sync', 'semi-sync'] as const);
  const whenAlone = rng.pick(['block', 'serve-with-rpo-suspended'] as const);
  return {
    parts: { ...usualParts(), regions, mode, whenAlone, pairs: pairsOf(seed, regions), knobs: { ...defaultKnobs() } },
    fromScratch: rng.chance(0.1),
    hasSecond: new Rng(seed ^ 0x6a01).chance(0.06),
  };
}

/** In how many regions there are two nodes: in none mostly, in the first, or in every one. */
function pairsOf(seed: number, regions: number): number {
  const rng = new Rng(seed ^ 0x2b0d);
  return rng.chance(0.15) ? rng.pick([1, regions]) : 0;
}

/** One schedule: the same seed gives the same run, with or without the story told. */
export async function runSeed(
  seed: number,
  options: {
    readonly tells?: boolean;
    readonly change?: (parts: Parts) => Parts;
    readonly faults?: readonly Planned[];
  } = {},
): Promise<Ran> {
  const { parts: drawnParts, fromScratch, hasSecond } = shapeOf(seed);
  const parts = options.change?.(drawnParts) ?? drawnParts;
  const world = new World(seed, parts, options.tells ?? false);
  const worlds = [world, ...(hasSecond ? [new World(seed, { ...parts, group: 'second' }, false, world)] : [])];
  const judges = worlds.map((one) => new Judge(one));
  if (!fromScratch) for (const one of worlds) beginInReign(one);
  for (const one of worlds) supervise(one);
  const healedAtMs = HEALED_MS + (fromScratch ? 3_000 : 0);
  const drawn = options.faults ?? planFaults(seed, world, CALM_MS, healedAtMs);
  // A lease rests on clocks that go on: a machine whose clocks stand still is beyond async (P3.1, weak).
  const faults = drawn.filter(({ fault }) => world.policy.mode !== 'async' || fault.kind !== 'suspend');
  for (const one of worlds) schedule(one, one === world ? faults : faults.filter(isOfMachine));
  let isAtRest = false;
  const isHome = (judge: Judge, i: number): boolean =>
    (worlds[i]?.ledger.lastAckMs ?? 0) > healedAtMs && judge.atRest();
  const look = (): void => {
    isAtRest = judges.every(isHome);
    if (!isAtRest) world.scheduler.after(LOOK_EVERY_MS, look);
  };
  world.scheduler.at(healedAtMs + LOOK_EVERY_MS, look);
  const isBroken = (): boolean => judges.some(({ violations }) => violations.length > 0);
  await world.scheduler.run(() => isAtRest || isBroken() || world.scheduler.nowMs > healedAtMs + HOME_MS_MAX);
  if (!isBroken()) for (const [i, judge] of judges.entries()) judge.judgeEnd(healedAtMs, isAtRest || isHome(judge, i));
  const sum = (of: (one: World) => number): number => worlds.reduce((all, one) => all + of(one), 0);
  return {
    seed,
    violations: judges.flatMap(({ violations }) => violations),
    lines: world.lines ?? [],
    events: world.scheduler.events,
    acked: sum(({ ledger }) => ledger.acked.length),
    unknown: sum(({ ledger }) => ledger.unknown),
    epochs: judges[0]?.epoch?.n ?? 0,
    shape: tellShape(parts, fromScratch, hasSecond),
    faults,
    lost: judges.reduce((all, { losses }) => all + losses.count, 0),
  };
}

function tellShape({ regions, mode, whenAlone, pairs }: Parts, fromScratch: boolean, hasSecond: boolean): string {
  const two = pairs > 0 ? `, ${pairs} with two nodes` : '';
  return `${regions} regions${two}, ${mode}, ${whenAlone}${fromScratch ? ', from scratch' : ''}${hasSecond ? ', two groups' : ''}`;
}

/** Leaves out every fault that the violation does not need. */
export async function shrink(ran: Ran, change?: (parts: Parts) => Parts): Promise<readonly Planned[]> {
  const rule = (text: string | undefined): string => text?.split(':')[0] ?? '';
  const wanted = rule(ran.violations[0]);
  let faults = ran.faults;
  for (const fault of ran.faults) {
    const fewer = faults.filter((other) => other !== fault);
    const again = await runSeed(ran.seed, { faults: fewer, ...(change === undefined ? {} : { change }) });
    if (rule(again.violations[0]) === wanted) faults = fewer;
  }
  return faults;
}

export const tellFaults = (faults: readonly Planned[]): string =>
  faults.map(({ atMs, forMs, fault }) => `${Math.round(atMs)}+${Math.round(forMs)} ${describe(fault)}`).join('; ');
