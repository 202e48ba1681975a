import { writeFileSync } from 'node:fs';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import { renderJunit } from '../../drills/report/junit.ts';
import { renderReport } from '../../drills/report/render.ts';
import { type DrillReport, exitCodeOf } from '../../drills/report/report.ts';
import { renderTrials } from '../../drills/report/trials.ts';
import { runDrill } from '../../drills/trial/run.ts';
import type { Scenario } from '../../drills/trial/scenario.ts';
import type { World } from '../../world/open.ts';
import { wholeNumber } from '../arguments.ts';
import { readDeployment } from '../read-deployment.ts';
import { selectWorld } from '../which-world.ts';
import type { Call } from './call.ts';

/** Runs a scenario on a running world and prints what it found. The reports are in the state directory, whatever is printed. */
export async function runScenario(call: Call, scenarioOf: (world: World) => Scenario): Promise<number> {
  const { values, progress, signal } = call;
  const trials = wholeNumber('trials', values.trials, 1, 1_000) ?? 1;
  const windowS = wholeNumber('window', values.window, 1, 3_600);
  const world = selectWorld(values.state);
  try {
    const { deployment } = readDeployment(world.layout.specPath);
    const isJson = values.json === true;
    const print = (lines: readonly string[]) => void process.stdout.write(`${lines.join('\n')}\n`);
    const options = {
      trials,
      windowMs: windowS === undefined ? null : windowS * 1_000,
      command: `farshore drill ${process.argv.slice(3).map(quoted).join(' ')}`,
      progress,
      onReport: (report: DrillReport) => print(isJson ? [JSON.stringify(report)] : renderReport(report)),
    };
    const { reports, ended, together } = await runDrill(world, deployment, scenarioOf(world), options, signal);
    if (together !== null)
      print(
        isJson
          ? [JSON.stringify(together.report)]
          : [...renderTrials(together.report), `${'report'.padEnd(12)} ${together.html}`],
      );
    if (values.junit !== undefined) writeJunit(values.junit, reports);
    const code = exitCodeOf(reports);
    if (ended === null) return code;
    if (code === 0) throw ended;
    // What failed before is the worse news, and has its own exit code.
    progress(`no further trial: ${messageOf(ended)}`);
    return code;
  } finally {
    await world.close();
  }
}

function writeJunit(path: string, reports: readonly DrillReport[]): void {
  try {
    writeFileSync(path, renderJunit(reports));
  } catch (error) {
    throw new FarshoreError(
      'FSH_FAILED',
      `${path} could not be written: ${messageOf(error)}; the reports are in the state directory`,
    );
  }
}

const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
