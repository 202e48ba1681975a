import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import { parseNodeId, placeOf } from '../../base/ids.ts';
import type { World } from '../../world/open.ts';
import { moveLead } from '../../world/store-members.ts';
import type { DrillReport } from '../report/report.ts';
import { farshore, withScratchWorld } from '../scratch-world.ts';
import { preflight } from '../trial/preflight.ts';
import { measurePatroni } from './patroni/measure.ts';
import { type BenchReport, type BenchRow, ratiosOf, renderTable, summarize } from './summary.ts';

const USAGE = `Usage: npm run bench:failover -- [--trials N] [--fault F]... [--example NAME]... [--zero-rtt | --real-rtt] [--no-patroni] [--json]

Loses the primary's region N times (default 10) by each fault (default: crash, blackhole, freeze) in each example, once with real round
trips and once with none, and prints a table: last acknowledged write before to first after, as the clients of the surviving regions
saw it. Worlds of its own, fsync on. Then Patroni, when Debian's is installed, under the same load, and the ratios.

  --fault switchover              nothing is lost: the primary moves as planned
  --fault standby:freeze          a standby's region, by any of the faults: how soon it confirms again ("whole again")
  --example async                 what is lost must be within the bound that the takeover told of, and saved
  --example active-active-etcd    each fault twice: with the store's leader elsewhere, and in the region that is lost

One trial takes about 18 s: everything with 10 trials 55 minutes, one fault at one distance 9; Patroni with at most 3 trials 10.
`;

const FAULTS = ['crash', 'blackhole', 'freeze'];
/** Nothing is lost: the primary moves because somebody asks. */
const PLANNED = 'switchover';
/** Nothing is lost here either: one who confirms goes away and comes back. */
const STANDBY = 'standby:';
const EXAMPLES = ['active-passive', 'active-active', 'global'];
/** Service must hold this long; the bench is after the gap, and a drill after everything. */
const WINDOW_S = 3;
/** A trial that failed or could not be judged is part of the result, not the end of the bench. */
const DRILL_EXITS = [0, 7, 9];

interface Case {
  readonly example: string;
  readonly rttScale: 0 | 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      trials: { type: 'string', default: '10' },
      fault: { type: 'string', multiple: true },
      example: { type: 'string', multiple: true },
      'zero-rtt': { type: 'boolean' },
      'real-rtt': { type: 'boolean' },
      'no-patroni': { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return void process.stdout.write(USAGE);
  const examples = values.example ?? EXAMPLES;
  const faults = values.fault ?? FAULTS;
  const scales = ([1, 0] as const).filter((scale) =>
    scale === 0 ? values['real-rtt'] !== true : values['zero-rtt'] !== true,
  );
  const rows: BenchRow[] = [];
  for (const rttScale of scales) {
    for (const example of examples)
      rows.push(...(await benchOne({ example, rttScale }, faults, Number(values.trials))));
  }
  const patroni = values['no-patroni'] === true ? null : await besidePatroni(Number(values.trials));
  const report: BenchReport = { schema: 'farshore.bench-failover/v1', rows, patroni: patroni?.rows ?? null };
  if (values.json === true) process.stdout.write(`${JSON.stringify(report, null, 1)}\n`);
  else process.stdout.write([`${renderTable(rows)}\n`, patroni?.said, ...ratiosOf(report)].join('\n'));
  if (rows.some((row) => (row.lost > 0 && !row.mayLose) || row.verdicts.pass < row.trials)) process.exitCode = 1;
}

function benchOne(
  { example, rttScale }: Case,
  faults: readonly string[],
  trials: number,
): Promise<readonly BenchRow[]> {
  const specPath = fileURLToPath(new URL(`../../../examples/${example}.yaml`, import.meta.url));
  const links = rttScale === 0 ? '0 ms' : 'real round trips';
  const progress = (text: string) => void process.stderr.write(`${example}, ${links}: ${text}\n`);
  return withScratchWorld({ specPath, rttScale, env: {}, progress }, async (world, readyMs) => {
    const rows: BenchRow[] = [];
    const leads = world.layout.store.kind === 'etcd' ? LEADS : ([null] as const);
    for (const lead of leads) {
      for (const drilled of faults) {
        const fault = lead === null ? drilled : `${drilled}, store's leader ${lead}`;
        const reports = await drillAgain(world, drilled, lead, trials, (text) => progress(`${fault}: ${text}`));
        rows.push(summarize({ example, fault, links, readyMs }, reports));
      }
    }
    return rows;
  });
}

/** Where the leader of a store of several members is when the primary's region is lost. */
const LEADS = ['elsewhere', 'lost too'] as const;
type Lead = (typeof LEADS)[number] | null;
const READY_WITHIN_MS = 90_000;

async function drillAgain(
  world: World,
  fault: string,
  lead: Lead,
  trials: number,
  progress: (text: string) => void,
): Promise<readonly DrillReport[]> {
  const reports: DrillReport[] = [];
  for (let trial = 1; trial <= trials; trial++) {
    if (lead !== null) await placeLead(world, lead);
    const { stateDir } = world.layout;
    const options = ['--json', '--window', String(WINDOW_S), '--state', stateDir];
    const { stdout } = await farshore(['drill', ...(await drillOf(world, fault)), ...options], {}, DRILL_EXITS);
    const report = JSON.parse(stdout) as DrillReport;
    reports.push(report);
    progress(`trial ${trial}/${trials}: ${gapText(report)}, ${report.verdict}: ${report.why}`);
  }
  return reports;
}

async function drillOf(world: World, fault: string): Promise<readonly string[]> {
  if (fault === PLANNED) return [PLANNED];
  if (!fault.startsWith(STANDBY)) return ['region-failover', '--fault', fault];
  const [standby] = (await preflight(world, null, READY_WITHIN_MS)).confirms;
  if (standby === undefined) throw new FarshoreError('FSH_REFUSED', 'nobody confirms, so no standby can be lost');
  const region = placeOf(parseNodeId(standby));
  return ['region-failover', '--fault', fault.slice(STANDBY.length), '--region', region];
}

/** Hands the lead on from member to member until it is where this trial wants it. */
async function placeLead(world: World, lead: NonNullable<Lead>): Promise<void> {
  const members = world.layout.places.filter((place) => place.ports.store !== undefined).length;
  for (let tries = 0; tries <= members; tries++) {
    const { primary, storeLeader } = await preflight(world, null, READY_WITHIN_MS);
    if ((storeLeader === primary.region) === (lead === 'lost too')) return;
    await moveLead(world.layout);
  }
  throw new FarshoreError('FSH_FAILED', `the lead of the store could not be placed: ${lead}`);
}

const PATRONI_TRIALS_MOST = 3;
const PATRONI_PORT = 23_600;

/** The same load, the same faults, the same measure. */
const besidePatroni = (trials: number) =>
  measurePatroni(
    { trials: Math.min(trials, PATRONI_TRIALS_MOST), ttls: ['30', '7'], basePort: PATRONI_PORT },
    (text) => void process.stderr.write(`${text}\n`),
  );

const gapText = ({ writeGap }: DrillReport): string =>
  writeGap === null ? 'no change of primary' : `${Math.round(writeGap.anyRegionMs)} ms`;

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${messageOf(error)}\n`);
  process.exitCode = 1;
});
