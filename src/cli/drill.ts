import { FarshoreError } from '../base/errors.ts';
import { renderReport } from '../drills/report/render.ts';
import { type DrillReport, exitCodeOf } from '../drills/report/report.ts';
import { regionFailover as regionFailoverOf } from '../drills/scenarios/region-failover.ts';
import { runDrill } from '../drills/trial/run.ts';
import { runSelftest } from '../drills/selftest/run.ts';
import { nearest } from '../spec/nearest.ts';
import { readArguments, wholeNumber } from './arguments.ts';
import { readDeployment } from './read-deployment.ts';
import { regionNamed } from './region-named.ts';
import { seconds } from './text.ts';
import { demoSpecPath, selectWorld } from './which-world.ts';

const USAGE = `Usage: farshore drill region-failover [--fault crash] [--region R] [--trials N] [--window S] [--json] [--state DIR]
       farshore drill selftest [FILE] [--json]

region-failover loses a region of a running world under load and proves what became of every write. Measured by the clients alone:
RTO from the proven crash, RPO from the ledger of every attempt against what every node holds in the end.

  --region R       the region to lose (default: the present primary's)
  --fault crash    every process of the region is killed at once
  --trials N       how many times (default 1); the moment within the lease is drawn each time
  --window S       service must hold this long, in seconds, to count as stable (default: 10, or twice the lease)
  --json           schema farshore.drill/v1 on stdout (docs/reference/drill.md), one object a line

selftest breaks Farshore and the evidence on purpose, in worlds of its own made of FILE (default: the demo's), and expects the drill
to turn red each time.

Exit codes: 0 passed, 7 failed, 9 inconclusive, 10 undo incomplete, 4 refused (the world is not ready).
`;

const OPTIONS = {
  fault: { type: 'string' },
  region: { type: 'string' },
  trials: { type: 'string' },
  window: { type: 'string' },
  json: { type: 'boolean' },
  state: { type: 'string' },
} as const;

type Values = ReturnType<typeof readArguments<typeof OPTIONS>>['values'];
type Progress = (text: string) => void;
type Run = (file: string | undefined, values: Values, progress: Progress, signal: AbortSignal) => Promise<number>;

const DRILLS: Readonly<Record<string, Run>> = { 'region-failover': regionFailover, selftest };
const FAILED = 7;

/** `farshore drill NAME`: `argv` is what follows the verb. Resolves to the exit code. Ctrl-C brings the region back first. */
export async function drill(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS, 2);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const run = drillNamed(positionals[0]);
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const startedMs = performance.now();
  const progress: Progress = (text) =>
    void process.stderr.write(`  ${seconds(performance.now() - startedMs).padStart(6)}  ${text}\n`);
  try {
    return await run(positionals[1], values, progress, stop.signal);
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

function drillNamed(name: string | undefined): Run {
  const names = Object.keys(DRILLS);
  if (name === undefined) throw new FarshoreError('FSH_USAGE', `which drill? ${names.join(', ')}`);
  const run = Object.hasOwn(DRILLS, name) ? DRILLS[name] : undefined;
  if (run !== undefined) return run;
  const meant = nearest(name, names);
  throw new FarshoreError(
    'FSH_USAGE',
    `there is no drill "${name}"${meant === null ? '' : `; did you mean ${meant}?`}`,
  );
}

async function regionFailover(
  extra: string | undefined,
  values: Values,
  progress: Progress,
  signal: AbortSignal,
): Promise<number> {
  if (extra !== undefined) throw new FarshoreError('FSH_USAGE', `unexpected "${extra}"`);
  if (values.fault !== undefined && values.fault !== 'crash')
    throw new FarshoreError('FSH_USAGE', `--fault ${values.fault} is not built yet; there is crash`);
  const trials = wholeNumber('trials', values.trials, 1, 1_000) ?? 1;
  const windowS = wholeNumber('window', values.window, 1, 3_600);
  const world = selectWorld(values.state);
  try {
    const { deployment } = readDeployment(world.layout.specPath);
    const region = values.region === undefined ? null : regionNamed(world.layout.places, values.region);
    const windowMs = windowS === undefined ? null : windowS * 1_000;
    const command = `farshore drill ${process.argv.slice(3).join(' ')}`;
    const onReport = (report: DrillReport): void => {
      const lines = values.json === true ? [JSON.stringify(report)] : renderReport(report);
      process.stdout.write(`${lines.join('\n')}\n`);
    };
    const options = { trials, windowMs, command, progress, onReport };
    const reports = await runDrill(world, deployment, regionFailoverOf('crash', region), options, signal);
    return exitCodeOf(reports);
  } finally {
    await world.close();
  }
}

async function selftest(
  file: string | undefined,
  values: Values,
  progress: Progress,
  signal: AbortSignal,
): Promise<number> {
  const specPath = file ?? demoSpecPath();
  const { deployment } = readDeployment(specPath);
  const report = await runSelftest(deployment, { specPath, progress }, signal);
  if (values.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    for (const { ok, name, got, why } of report.cases)
      process.stdout.write(`${ok ? 'ok    ' : 'NOT OK'}  ${got.padEnd(12)}  ${name}: ${why}\n`);
    process.stdout.write(
      `${report.verdict.toUpperCase()}  the drill ${report.verdict === 'pass' ? 'notices' : 'misses'} what it must notice\n`,
    );
  }
  return report.verdict === 'pass' ? 0 : FAILED;
}
