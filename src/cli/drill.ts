import { FarshoreError } from '../base/errors.ts';
import { placeId } from '../base/ids.ts';
import { renderReport } from '../drills/region-failover/render.ts';
import { exitCodeOf } from '../drills/region-failover/report.ts';
import { runRegionFailover } from '../drills/region-failover/run.ts';
import { nearest } from '../spec/nearest.ts';
import { readArguments, wholeNumber } from './arguments.ts';
import { readDeployment } from './read-deployment.ts';
import { seconds } from './text.ts';
import { selectWorld } from './which-world.ts';

const USAGE = `Usage: farshore drill region-failover [--fault crash] [--region R] [--trials N] [--json] [--state DIR]

Loses a region of a running world under load and proves what became of every write. Measured by the clients alone: RTO from the
proven crash, RPO from the ledger of every attempt against what every node holds in the end.

  --region R       the region to lose (default: the present primary's)
  --fault crash    every process of the region is killed at once
  --trials N       how many times (default 1); the moment within the lease is drawn each time
  --window S       service must hold this long, in seconds, to count as stable (default: 10, or twice the lease)
  --json           schema farshore.drill/v1 on stdout (docs/reference/drill.md), one object a line

Exit codes: 0 passed, 7 failed, 9 inconclusive, 10 undo incomplete, 4 refused (the world is not ready).
`;

const DRILLS = ['region-failover'];

/** `farshore drill NAME`: `argv` is what follows the verb. Resolves to the exit code. */
export async function drill(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS, 1);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  requireKnown(positionals[0], values.fault);
  const trials = wholeNumber('trials', values.trials, 1, 1_000) ?? 1;
  const windowS = wholeNumber('window', values.window, 1, 3_600);
  const world = selectWorld(values.state);
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const startedMs = performance.now();
  try {
    const { deployment } = readDeployment(world.layout.specPath);
    const options = {
      region: values.region === undefined ? null : placeId(values.region),
      trials,
      windowMs: windowS === undefined ? null : windowS * 1_000,
      command: `farshore drill ${argv.join(' ')}`,
      progress: (text: string) =>
        void process.stderr.write(`  ${seconds(performance.now() - startedMs).padStart(6)}  ${text}\n`),
    };
    const reports = await runRegionFailover(world, deployment, options, stop.signal);
    for (const report of reports) {
      const lines = values.json === true ? [JSON.stringify(report)] : renderReport(report);
      process.stdout.write(`${lines.join('\n')}\n`);
    }
    return exitCodeOf(reports);
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    await world.close();
  }
}

const OPTIONS = {
  fault: { type: 'string' },
  region: { type: 'string' },
  trials: { type: 'string' },
  window: { type: 'string' },
  json: { type: 'boolean' },
  state: { type: 'string' },
} as const;

function requireKnown(name: string | undefined, fault: string | undefined): void {
  if (name === undefined) throw new FarshoreError('FSH_USAGE', `which drill? ${DRILLS.join(', ')}`);
  if (!DRILLS.includes(name)) {
    const meant = nearest(name, DRILLS);
    throw new FarshoreError(
      'FSH_USAGE',
      `there is no drill "${name}"${meant === null ? '' : `; did you mean ${meant}?`}`,
    );
  }
  if (fault !== undefined && fault !== 'crash')
    throw new FarshoreError('FSH_USAGE', `--fault ${fault} is not built yet; there is crash`);
}
