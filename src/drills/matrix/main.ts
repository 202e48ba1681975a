import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../base/errors.ts';
import type { DrillReport } from '../report/report.ts';
import { farshore, withScratchWorld } from '../scratch-world.ts';

const USAGE = `Usage: node dist/drills/matrix/main.js [--spec FILE]... [--drill "NAME OPTIONS"]... [--trials N] [--zero-rtt]

Every drill on every deployment (default: the three examples), each in a world of its own, and one table at the end.
A run that proves nothing either way, because the machine was too busy to send the load in time, is repeated twice; a red one never.
Exit code 7 when anything failed or stayed open. One cell takes about 20 s, a world 10 s more.
`;

const EXAMPLES = ['active-passive', 'active-active', 'global'].map((name) =>
  fileURLToPath(new URL(`../../../examples/${name}.yaml`, import.meta.url)),
);
const DRILLS = [
  'region-failover --fault crash',
  'region-failover --fault blackhole',
  'region-failover --fault freeze',
  'region-failover --fault wedge',
  'region-failover --fault slow-disk',
  'region-failover --fault disk-full',
  'partition --cut full',
  'partition --cut pair',
  'partition --cut one-way',
  'partition --cut store',
];
const WINDOW_S = 4;
const FAILED = 7;
const INCONCLUSIVE = 9;
const AGAIN_MOST = 2;

interface Cell {
  readonly spec: string;
  readonly drill: string;
  readonly verdict: DrillReport['verdict'];
  readonly why: string;
  readonly gapMs: number | null;
  readonly rejoinMs: number | null;
  readonly lost: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      spec: { type: 'string', multiple: true },
      drill: { type: 'string', multiple: true },
      trials: { type: 'string', default: '1' },
      'zero-rtt': { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return void process.stdout.write(USAGE);
  const cells: Cell[] = [];
  for (const specPath of values.spec ?? EXAMPLES) {
    const progress = (text: string) => void process.stderr.write(`${nameOf(specPath)}: ${text}\n`);
    const options = { specPath, rttScale: values['zero-rtt'] === true ? 0 : 1, env: {}, progress };
    await withScratchWorld(options, async (world) => {
      for (const drill of values.drill ?? DRILLS)
        for (let trial = 0; trial < Number(values.trials); trial++) {
          const cell = await drillOnce(specPath, world.layout.stateDir, drill);
          cells.push(cell);
          progress(`${drill}: ${cell.verdict}: ${cell.why}`);
        }
    });
  }
  process.stdout.write(tableOf(cells));
  if (cells.length === 0 || cells.some((cell) => cell.verdict !== 'pass')) process.exitCode = FAILED;
}

async function drillOnce(specPath: string, stateDir: string, drill: string): Promise<Cell> {
  const args = ['drill', ...drill.split(' '), '--json', '--window', String(WINDOW_S), '--state', stateDir];
  let ended = await farshore(args, {}, [0, FAILED, INCONCLUSIVE]);
  for (let again = 0; again < AGAIN_MOST && ended.code === INCONCLUSIVE; again++)
    ended = await farshore(args, {}, [0, FAILED, INCONCLUSIVE]);
  const report = JSON.parse(ended.stdout) as DrillReport;
  return {
    spec: nameOf(specPath),
    drill,
    verdict: report.verdict,
    why: report.why,
    gapMs: report.writeGap?.anyRegionMs ?? null,
    rejoinMs: report.undo.rejoinMs,
    lost: report.rpo.ledger.lost.count + (report.rpo.orders?.lost.count ?? 0),
  };
}

const nameOf = (specPath: string): string => specPath.slice(specPath.lastIndexOf('/') + 1).replace(/\.ya?ml$/, '');

function tableOf(cells: readonly Cell[]): string {
  const ms = (value: number | null) => (value === null ? '-' : String(Math.round(value)));
  const head = ['deployment', 'drill', 'verdict', 'writes stood still, ms', 'whole again, ms', 'lost', ''];
  const rows = cells.map((it) => [
    it.spec,
    it.drill,
    it.verdict === 'pass' ? 'pass' : it.verdict.toUpperCase(),
    ms(it.gapMs),
    ms(it.rejoinMs),
    String(it.lost),
    it.verdict === 'pass' ? '' : it.why,
  ]);
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('');
}

main().catch((error: unknown) => {
  process.stderr.write(`matrix: ${messageOf(error)}\n`);
  process.exitCode = 1;
});
