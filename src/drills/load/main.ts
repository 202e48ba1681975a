import { readFileSync } from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import { goFirst } from '../../system/first-in-line.ts';
import type { Secrets } from '../../ports/config.ts';
import { monotonicMs } from '../monotonic.ts';
import type { LoadConfig } from './config.ts';
import { HttpCohort } from './http-cohort.ts';
import { LedgerWriter } from './ledger-writer.ts';
import { SqlCohort } from './sql-cohort.ts';

/** Sessions open before the first request is due. */
const HEAD_START_MS = 1_500;

/**
 * The load of a drill, as its own process: a busy event loop of the drill must not delay requests. It ends when its
 * standard input ends (the drill is gone), on SIGTERM, or after `maxDurationMs`; it always lets the answers in flight come.
 */
async function main(path: string | undefined): Promise<void> {
  if (path === undefined) throw new Error('usage: main.js LOAD-CONFIG.json');
  // A busy machine must not make the generator late; where this is not allowed the drill says how late it was.
  goFirst(-10);
  const config = JSON.parse(readFileSync(path, 'utf8')) as LoadConfig;
  const secrets = JSON.parse(readFileSync(config.secretsPath, 'utf8')) as Secrets;
  const ledger = new LedgerWriter(config.ledgerPath, config.drill);
  const stop = new AbortController();
  process.on('SIGTERM', () => stop.abort());
  process.on('SIGINT', () => stop.abort());
  process.stdin.on('end', () => stop.abort());
  process.stdin.on('error', () => stop.abort());
  process.stdin.resume();
  const limit = setTimeout(() => stop.abort(), config.maxDurationMs);

  const record = ledger.record.bind(ledger);
  const startMs = monotonicMs() + HEAD_START_MS;
  await Promise.all(
    config.cohorts.map((cohort) =>
      (cohort.kind === 'sql'
        ? new SqlCohort(cohort, config.drill, secrets.appPassword, record)
        : new HttpCohort(cohort, config.drill, record)
      ).run(startMs, stop.signal),
    ),
  );
  clearTimeout(limit);
  ledger.close();
  process.stdin.destroy();
}

main(process.argv[2]).catch((error: unknown) => {
  process.stderr.write(`drill load: ${messageOf(error)}\n`);
  process.exitCode = 1;
});
