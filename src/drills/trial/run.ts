import { writeFileSync } from 'node:fs';
import type { Deployment } from '../../spec/deployment.ts';
import type { World } from '../../world/open.ts';
import { DEFAULT_MIX } from '../load/mix.ts';
import { renderHtml } from '../report/html/page.ts';
import type { DrillReport } from '../report/report.ts';
import { judge } from './judge.ts';
import type { Scenario } from './scenario.ts';
import { runTrial } from './trial.ts';

export interface DrillOptions {
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

/** Runs the drill `trials` times and writes the reports of each. Throws FarshoreError when a trial could not be carried out. */
export async function runDrill(
  world: World,
  deployment: Deployment,
  scenario: Scenario,
  options: DrillOptions,
  signal: AbortSignal,
): Promise<readonly DrillReport[]> {
  const windowMs = options.windowMs ?? Math.max(WINDOW_MIN_MS, 2 * deployment.leaseTtlMs);
  const { command } = options;
  const reports: DrillReport[] = [];
  for (let trial = 1; trial <= options.trials; trial++) {
    const which = options.trials === 1 ? '' : `trial ${trial}/${options.trials}: `;
    const progress = (text: string) => options.progress(`${which}${text}`);
    const trialOptions = { mix: DEFAULT_MIX, windowMs, command, progress };
    const report = judge(await runTrial(world, deployment, scenario, trialOptions, signal));
    writeFileSync(report.files.report, `${JSON.stringify(report, null, 1)}\n`, { mode: 0o600 });
    writeFileSync(report.files.html, renderHtml(report), { mode: 0o600 });
    reports.push(report);
    options.onReport(report);
  }
  return reports;
}
