import { writeFileSync } from 'node:fs';
import type { Deployment } from '../../spec/deployment.ts';
import type { World } from '../../world/open.ts';
import { DEFAULT_MIX } from '../load/mix.ts';
import { renderHtml } from '../report/html/page.ts';
import { renderTrialsHtml } from '../report/html/trials-page.ts';
import type { DrillReport } from '../report/report.ts';
import { summarizeTrials, type TrialsReport } from '../report/trials.ts';
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

export interface DrillReports {
  readonly reports: readonly DrillReport[];
  /** Why there are fewer trials than were asked for. */
  readonly ended: Error | null;
  readonly together: { readonly report: TrialsReport; readonly html: string } | null;
}

/** Service is stable when it held for this long. */
const WINDOW_MIN_MS = 10_000;

/**
 * Runs the drill `trials` times and writes the reports of each. Throws FarshoreError when the first could not be carried out; a later one
 * ends the row (`ended`), and what was found before it counts.
 */
export async function runDrill(
  world: World,
  deployment: Deployment,
  scenario: Scenario,
  options: DrillOptions,
  signal: AbortSignal,
): Promise<DrillReports> {
  const windowMs = options.windowMs ?? Math.max(WINDOW_MIN_MS, 2 * deployment.leaseTtlMs);
  const reports: DrillReport[] = [];
  for (let trial = 1; trial <= options.trials; trial++) {
    const which = options.trials === 1 ? '' : `trial ${trial}/${options.trials}: `;
    const progress = (text: string) => options.progress(`${which}${text}`);
    const trialOptions = { mix: DEFAULT_MIX, windowMs, command: options.command, progress };
    const seen = await runTrial(world, deployment, scenario, trialOptions, signal).catch((error: unknown) => {
      if (reports.length === 0) throw error;
      return { ended: error instanceof Error ? error : new Error(String(error)) };
    });
    if ('ended' in seen) return { reports, ended: seen.ended, together: writeTogether(reports) };
    const report = judge(seen);
    write(report.files.report, `${JSON.stringify(report, null, 1)}\n`);
    write(report.files.html, renderHtml(report));
    reports.push(report);
    options.onReport(report);
  }
  return { reports, ended: null, together: writeTogether(reports) };
}

/** What several trials say together, with its page beside theirs. Null for a single one. */
function writeTogether(reports: readonly DrillReport[]): DrillReports['together'] {
  const [first, ...others] = reports;
  if (first === undefined || others.length === 0) return null;
  const report = summarizeTrials([first, ...others]);
  const html = first.files.html.replace(/\.html$/, '.trials.html');
  write(html, renderTrialsHtml(report));
  write(html.replace(/html$/, 'json'), `${JSON.stringify(report, null, 1)}\n`);
  return { report, html };
}

const write = (path: string, content: string): void => writeFileSync(path, content, { mode: 0o600 });
