import { runSelftest } from '../../drills/selftest/run.ts';
import { readDeployment } from '../read-deployment.ts';
import { demoSpecPath } from '../which-world.ts';
import type { Call } from './call.ts';

const FAILED = 7;

export async function selftest({ extra: file, values, progress, signal }: Call): Promise<number> {
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
