import { existsSync, readFileSync, appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { DrillReport } from '../report/report.ts';
import { farshore, withScratchWorld } from '../scratch-world.ts';
import { type Deployment, derive, type Mode, MODES, type Store, STORES, withDerived } from './deployments.ts';

const USAGE = `Usage: node dist/drills/matrix/main.js [--example NAME]... [--mode MODE]... [--store STORE]... [--drill "NAME OPTIONS"]...
       [--trials N] [--zero-rtt] [--into FILE] [--slice]

Every drill on every example, in every mode (${MODES.join(', ')}) that it allows, on every store (${STORES.join(', ')}): each deployment in
a world of its own, and one table at the end. --into: cells are kept there, one a line; what passed there already is not run again.
--slice: a few cells of it without distance, in under 90 s.
A run that proves nothing either way, because the machine was too busy to send the load in time, is repeated twice; a red one never.
Exit code 7 when anything failed or stayed open. One cell takes about 20 s, a world 10 s more.
`;

const EXAMPLES = ['active-passive', 'active-active', 'global'];
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
/** What neither the examples nor the other tests of whole worlds have. */
const SLICE: readonly Planned[] = [
  { ...deploymentOf('active-passive', 'async', 'etcd'), drills: ['region-failover --fault blackhole'] },
  { ...deploymentOf('active-active', 'sync', 'embedded'), drills: ['region-failover --fault freeze'] },
];
const WINDOW_S = 4;
const FAILED = 7;
const INCONCLUSIVE = 9;
const REFUSED = 4;
const AGAIN_MOST = 2;

interface Planned extends Deployment {
  readonly drills: readonly string[];
}

interface Cell {
  readonly example: string;
  readonly mode: Mode;
  readonly store: Store;
  readonly rttScale: number;
  readonly drill: string;
  readonly trial: number;
  readonly verdict: DrillReport['verdict'];
  readonly why: string;
  readonly gapMs: number | null;
  readonly rejoinMs: number | null;
  readonly lost: number;
}
type Asked = Pick<Cell, 'example' | 'mode' | 'store' | 'rttScale' | 'drill' | 'trial'>;

function deploymentOf(example: string, mode: Mode, store: Store): Deployment {
  const specPath = fileURLToPath(new URL(`../../../examples/${example}.yaml`, import.meta.url));
  return { specPath, example, mode, store };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      example: { type: 'string', multiple: true },
      mode: { type: 'string', multiple: true },
      store: { type: 'string', multiple: true },
      drill: { type: 'string', multiple: true },
      trials: { type: 'string', default: '1' },
      'zero-rtt': { type: 'boolean' },
      into: { type: 'string' },
      slice: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return void process.stdout.write(USAGE);
  const rttScale = values['zero-rtt'] === true || values.slice === true ? 0 : 1;
  const cells = values.into === undefined ? [] : readCells(values.into);
  const asked: Asked[] = [];
  for (const planned of values.slice === true ? SLICE : planOf(values)) {
    const mine = cellsOf(planned, rttScale, Number(values.trials));
    asked.push(...mine);
    const open = mine.filter((it) => !cells.some((cell) => sameCell(cell, it) && cell.verdict === 'pass'));
    if (open.length === 0) continue;
    await runIn(planned, open, (cell) => {
      cells.push(cell);
      if (values.into !== undefined) appendFileSync(values.into, `${JSON.stringify(cell)}\n`);
    });
  }
  const ended = asked.flatMap((it) => cells.findLast((cell) => sameCell(cell, it)) ?? []);
  process.stdout.write(tableOf(ended));
  if (ended.length === 0 || ended.length < asked.length || ended.some((cell) => cell.verdict !== 'pass'))
    process.exitCode = FAILED;
}

function planOf(values: {
  readonly example?: string[];
  readonly mode?: string[];
  readonly store?: string[];
  readonly drill?: string[];
}): readonly Planned[] {
  const pick = <T extends string>(all: readonly T[], wanted: readonly string[] | undefined): readonly T[] => {
    const unknown = wanted?.find((it) => !all.some((one) => one === it));
    if (unknown !== undefined) throw new FarshoreError('FSH_USAGE', `no ${unknown}; there are: ${all.join(', ')}`);
    return all.filter((it) => wanted?.includes(it) ?? true);
  };
  return pick(EXAMPLES, values.example).flatMap((example) =>
    pick(MODES, values.mode).flatMap((mode) =>
      pick(STORES, values.store).flatMap((store) => {
        const it = deploymentOf(example, mode, store);
        const isAllowed = derive(readFileSync(it.specPath, 'utf8'), mode, store) !== null;
        return isAllowed ? [{ ...it, drills: values.drill ?? DRILLS }] : [];
      }),
    ),
  );
}

const cellsOf = ({ example, mode, store, drills }: Planned, rttScale: number, trials: number): readonly Asked[] =>
  drills.flatMap((drill) =>
    Array.from({ length: trials }, (_, trial) => ({ example, mode, store, rttScale, drill, trial })),
  );

const sameCell = (a: Asked, b: Asked): boolean =>
  a.example === b.example &&
  a.mode === b.mode &&
  a.store === b.store &&
  a.rttScale === b.rttScale &&
  a.drill === b.drill &&
  a.trial === b.trial;

function readCells(path: string): Cell[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Cell);
}

async function runIn(planned: Planned, asked: readonly Asked[], ended: (cell: Cell) => void): Promise<void> {
  const { example, mode, store } = planned;
  const progress = (text: string) => void process.stderr.write(`${example} ${mode} ${store}: ${text}\n`);
  const rttScale = asked[0]?.rttScale ?? 1;
  await withDerived(planned, (specPath) =>
    withScratchWorld({ specPath, rttScale, env: {}, progress }, async (world) => {
      for (const it of asked) {
        const cell = await drillOnce(it, world.layout.stateDir);
        ended(cell);
        progress(`${it.drill}: ${cell.verdict}: ${cell.why}`);
      }
    }),
  );
}

async function drillOnce(it: Asked, stateDir: string): Promise<Cell> {
  const args = ['drill', ...it.drill.split(' '), '--json', '--window', String(WINDOW_S), '--state', stateDir];
  const run = () => farshore(args, {}, [0, REFUSED, FAILED, INCONCLUSIVE]);
  const isOpen = (code: number | null) => code === INCONCLUSIVE || code === REFUSED;
  let ended = await run();
  for (let again = 0; again < AGAIN_MOST && isOpen(ended.code); again++) ended = await run();
  // Refused because the world was not whole, or its load not served, before anything was broken: nothing was proven.
  if (ended.code === REFUSED) {
    const why = ended.said.replaceAll(/\s+/g, ' ');
    return { ...it, verdict: 'inconclusive', why, gapMs: null, rejoinMs: null, lost: 0 };
  }
  const report = JSON.parse(ended.stdout) as DrillReport;
  return {
    ...it,
    verdict: report.verdict,
    why: report.why,
    gapMs: report.writeGap?.anyRegionMs ?? null,
    rejoinMs: report.undo.rejoinMs,
    lost: report.rpo.ledger.lost.count + (report.rpo.orders?.lost.count ?? 0),
  };
}

function tableOf(cells: readonly Cell[]): string {
  const ms = (value: number | null) => (value === null ? '-' : String(Math.round(value)));
  const head = ['deployment', 'drill', 'verdict', 'writes stood still, ms', 'whole again, ms', 'lost', ''];
  const rows = cells.map((it) => [
    `${it.example} ${it.mode} ${it.store}`,
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
