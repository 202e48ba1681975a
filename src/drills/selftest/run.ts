import { messageOf } from '../../base/errors.ts';
import { type PlaceId, placeOf } from '../../base/ids.ts';
import type { Deployment } from '../../spec/deployment.ts';
import { disturbLink } from '../../world/faults/inject.ts';
import type { World } from '../../world/open.ts';
import type { Verdict } from '../checks/verdict.ts';
import { DEFAULT_MIX, type Mix } from '../load/mix.ts';
import { regionFailover } from '../scenarios/region-failover.ts';
import { pause } from '../monotonic.ts';
import { judge } from '../trial/judge.ts';
import type { TrialObservation } from '../trial/observation.ts';
import type { DrillReport } from '../report/report.ts';
import { runTrial, type TrialOptions } from '../trial/trial.ts';
import { withScratchWorld } from '../scratch-world.ts';
import { MUTANTS } from './mutants.ts';

/** `drill selftest --json`. Versioned as the drill's report is. */
export interface SelftestReport {
  readonly schema: 'farshore.drill-selftest/v1';
  readonly verdict: 'pass' | 'fail';
  readonly cases: readonly SelftestCase[];
}

export interface SelftestCase {
  readonly name: string;
  /** What the drill must say: green without sabotage, red with it. */
  readonly expected: 'pass' | 'fail' | 'not pass';
  readonly got: Verdict;
  readonly why: string;
  readonly ok: boolean;
}

export interface SelftestOptions {
  readonly specPath: string;
  readonly progress: (text: string) => void;
}

/** Sessions that do not wait for any disk. Nobody waits, so there can be more of them. */
const CARELESS: Mix = { ...DEFAULT_MIX, sqlWritesPerSecond: 30, sqlSessionSetup: 'SET synchronous_commit = off' };
const WINDOW_MS = 3_000;
/**
 * Standbys are cut from the primary this long before the crash: what they have is old. Farshore must cope with it, and what is
 * broken on purpose must show. Short enough that nobody suspects anything yet.
 */
const CUT_BEFORE_MS = 800;

/**
 * Breaks Farshore and the evidence on purpose and expects red; does the same without breaking anything and expects green.
 * Uses worlds of its own. Needs a deployment with three data regions, one of which may lag.
 */
export async function runSelftest(
  deployment: Deployment,
  options: SelftestOptions,
  signal: AbortSignal,
): Promise<SelftestReport> {
  const cases: SelftestCase[] = [];
  const add = (found: SelftestCase): void => {
    cases.push(found);
    options.progress(`${found.ok ? 'ok' : 'NOT OK'}  ${found.name}: expected ${found.expected}, got ${found.got}`);
  };
  const attempt = (world: World, change: Partial<TrialOptions>) =>
    runTrial(world, deployment, regionFailover('crash', null), { ...trialOptions(options), ...change }, signal);
  await inWorld(options, {}, async (world) => {
    const honest = await attempt(world, { beforeFault: (region) => cutLast(world, region) });
    add(green('nothing is broken, one standby is behind', judge(honest)));
    for (const found of mutantCases(honest)) add(found);
    const alone = await attempt(world, { beforeFault: (region) => cutAll(world, region) });
    add(green('nothing is broken, the primary was cut off from every standby', judge(alone)));
    const report = judge(await attempt(world, { mix: CARELESS, beforeFault: (region) => cutAll(world, region) }));
    add(red('writes are acknowledged before they are committed anywhere', report));
  });
  await inWorld(options, { FARSHORE_SABOTAGE: 'promote-without-position' }, async (world) => {
    const observation = await attempt(world, { beforeFault: (region) => cutLast(world, region) });
    add(red('a standby is promoted without proof of its position', judge(observation)));
  });
  return {
    schema: 'farshore.drill-selftest/v1',
    verdict: cases.every((found) => found.ok) ? 'pass' : 'fail',
    cases,
  };
}

const inWorld = (
  { specPath, progress }: SelftestOptions,
  env: Readonly<Record<string, string>>,
  work: (world: World) => Promise<void>,
) => withScratchWorld({ specPath, rttScale: 1, env, progress }, work);

const trialOptions = ({ progress }: SelftestOptions): TrialOptions => ({
  mix: DEFAULT_MIX,
  windowMs: WINDOW_MS,
  command: 'farshore drill selftest',
  progress,
});

/** Cuts the ways of these regions to the primary, a moment before the crash. Returns what mends them. */
async function cutOff(world: World, regions: readonly PlaceId[], primary: PlaceId): Promise<() => Promise<void>> {
  const cuts = await Promise.all(
    regions.map((region) => disturbLink(world, region, primary, { state: 'cut', extraDelayMs: 0 })),
  );
  await pause(CUT_BEFORE_MS);
  return async () => void (await Promise.all(cuts.map((cut) => cut.undo())));
}

/** The regions that may become primary when this one is lost, in order of preference. */
const candidates = ({ layout }: World, primary: PlaceId): readonly PlaceId[] =>
  layout.policy.promotable.map(placeOf).filter((region) => region !== primary);

/** The least preferred region is behind: the one that a bad promotion would choose. */
const cutLast = (world: World, primary: PlaceId) => cutOff(world, candidates(world, primary).slice(-1), primary);
/** Nobody can confirm: what is acknowledged now is on one machine, and that one is about to die. */
const cutAll = (world: World, primary: PlaceId) => cutOff(world, candidates(world, primary), primary);

function green(name: string, report: DrillReport): SelftestCase {
  return { name, expected: 'pass', got: report.verdict, why: report.why, ok: report.verdict === 'pass' };
}

/** Red because of lost writes, not by accident. */
function red(name: string, report: DrillReport): SelftestCase {
  const finding = report.findings.find((it) => it.check === 'acknowledged writes are kept');
  const got = finding?.verdict ?? 'inconclusive';
  return {
    name,
    expected: 'fail',
    got,
    why: finding?.why ?? report.why,
    ok: got === 'fail' && report.verdict === 'fail',
  };
}

function mutantCases(honest: TrialObservation): readonly SelftestCase[] {
  return MUTANTS.map(({ name, check, verdict, breakIt }) => {
    try {
      const report = judge(breakIt(honest));
      const finding = report.findings.find((it) => it.check === check);
      const got = finding?.verdict ?? 'inconclusive';
      const ok = got === verdict && report.verdict !== 'pass';
      return { name, expected: 'not pass', got, why: finding?.why ?? report.why, ok };
    } catch (error) {
      return { name, expected: 'not pass', got: 'inconclusive', why: messageOf(error), ok: false };
    }
  });
}
