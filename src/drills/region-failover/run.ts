import { writeFileSync } from 'node:fs';
import type { PlaceId } from '../../base/ids.ts';
import type { Deployment } from '../../spec/deployment.ts';
import type { World } from '../../world/open.ts';
import { DEFAULT_MIX } from '../load/mix.ts';
import { judge } from './judge.ts';
import type { DrillReport } from './report.ts';
import { runTrial } from './trial.ts';

export interface RegionFailoverOptions {
  /** Null = the region of the present primary, of each trial anew. */
  readonly region: PlaceId | null;
  readonly trials: number;
  /** Null = max(10 s, twice the lease). */
  readonly windowMs: number | null;
  readonly command: string;
  /** One line for a person, without its time. */
  readonly progress: (text: string) => void;
  /** Called after each trial. */
  readonly onReport: (report: DrillReport) => void;
}

/** Service is stable when it held for this long. */
const WINDOW_MIN_MS = 10_000;

/** Runs the drill `trials` times and writes one report file each. Throws FarshoreError when a trial could not be carried out. */
export async function runRegionFailover(
  world: World,
  deployment: Deployment,
  options: RegionFailoverOptions,
  signal: AbortSignal,
): Promise<readonly DrillReport[]> {
  const windowMs = options.windowMs ?? Math.max(WINDOW_MIN_MS, 2 * deployment.leaseTtlMs);
  const { region, command } = options;
  const reports: DrillReport[] = [];
  for (let trial = 1; trial <= options.trials; trial++) {
    const which = options.trials === 1 ? '' : `trial ${trial}/${options.trials}: `;
    const progress = (text: string) => options.progress(`${which}${text}`);
    const trialOptions = { region, mix: DEFAULT_MIX, windowMs, command, progress };
    const report = judge(await runTrial(world, deployment, trialOptions, signal));
    writeFileSync(report.files.report, `${JSON.stringify(report, null, 1)}\n`, { mode: 0o600 });
    reports.push(report);
    options.onReport(report);
  }
  return reports;
}
