import { spreadOf, type Spread } from '../../statistics.ts';
import { missingPrograms, type PatroniTimings } from './cluster.ts';
import { type PatroniFault, type PatroniTrial, runPatroni } from './run.ts';

const TIMINGS: Readonly<Record<string, PatroniTimings>> = {
  '30': { ttl: 30, loopWait: 10, retryTimeout: 10 },
  '7': { ttl: 7, loopWait: 1, retryTimeout: 3 },
};
const FAULTS: readonly PatroniFault[] = ['crash', 'freeze', 'switchover'];
const HEAD = [
  'Patroni',
  'fault',
  'trials',
  'writes stood still, p50 / max, ms',
  'in sync again, p50, ms',
  'lost of acknowledged',
];

/** One row of the table: a fault under one set of timings. */
export interface PatroniRow {
  readonly timings: PatroniTimings;
  readonly fault: PatroniFault;
  readonly trials: number;
  readonly gapMs: Spread | null;
  readonly rejoinMs: Spread | null;
  readonly acknowledged: number;
  readonly lost: number;
}

/** Null when it is not installed: `said` names what is missing. */
export async function measurePatroni(
  options: { readonly trials: number; readonly ttls: readonly string[]; readonly basePort: number },
  progress: (text: string) => void,
): Promise<{ readonly rows: readonly PatroniRow[] | null; readonly said: string }> {
  const missing = missingPrograms();
  if (missing.length > 0)
    return {
      rows: null,
      said: `Patroni was not measured: ${missing.join(', ')} missing (as root: npm run setup:debian)\n`,
    };
  const rows: PatroniRow[] = [];
  for (const ttl of options.ttls) {
    const timings = TIMINGS[ttl];
    if (timings === undefined) throw new Error(`--ttl is one of ${Object.keys(TIMINGS).join(', ')}`);
    const faults = Array.from({ length: options.trials }, () => FAULTS).flat();
    const trials = await runPatroni(timings, faults, options.basePort, (text) =>
      progress(`Patroni, ttl ${ttl}: ${text}`),
    );
    rows.push(
      ...FAULTS.map((fault) =>
        rowOf(
          timings,
          fault,
          trials.filter((it) => it.fault === fault),
        ),
      ),
    );
  }
  return { rows, said: tableOf(rows) };
}

function rowOf(timings: PatroniTimings, fault: PatroniFault, trials: readonly PatroniTrial[]): PatroniRow {
  const sum = (of: (trial: PatroniTrial) => number) => trials.reduce((total, it) => total + of(it), 0);
  return {
    timings,
    fault,
    trials: trials.length,
    gapMs: spreadOf(trials.map((it) => it.gapMs)),
    rejoinMs: spreadOf(trials.map((it) => it.rejoinMs)),
    acknowledged: sum((it) => it.acknowledged),
    lost: sum((it) => it.lost),
  };
}

function tableOf(rows: readonly PatroniRow[]): string {
  const cells = rows.map(({ timings, fault, trials, gapMs, rejoinMs, lost, acknowledged }) => [
    `ttl ${timings.ttl}, loop_wait ${timings.loopWait}, retry_timeout ${timings.retryTimeout}`,
    fault,
    String(trials),
    gapMs === null ? 'never' : `${Math.round(gapMs.p50)} / ${Math.round(gapMs.max)}`,
    rejoinMs === null ? 'never' : String(Math.round(rejoinMs.p50)),
    `${lost} of ${acknowledged}`,
  ]);
  return [HEAD, HEAD.map(() => '---'), ...cells].map((row) => `| ${row.join(' | ')} |\n`).join('');
}
