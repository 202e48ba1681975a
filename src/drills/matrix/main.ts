import { existsSync, readFileSync, appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { DrillReport } from '../report/report.ts';
import { farshore, withScratchWorld } from '../scratch-world.ts';
import { buildId } from './build.ts';
import { type Asked, type Cell, cellOf, endedOf, openOf, progressOf, refusedCell, tableOf } from './cells.ts';
import { type Deployment, derive, type Mode, MODES, type Store, STORES, withDerived } from './deployments.ts';

const USAGE = `Usage: node dist/drills/matrix/main.js [--example NAME]... [--mode MODE]... [--store STORE]... [--drill "NAME OPTIONS"]...
       [--trials N] [--zero-rtt] [--into FILE [--any-build]] [--for MINUTES] [--slice] [--left]

Every drill on every example, in every mode (${MODES.join(', ')}) that it allows, on every store (${STORES.join(', ')}): each deployment in
a world of its own, and one table at the end. --into: cells are kept there, one a line; what passed there is not run again if it was run
by this very build: a hash of the programs and examples, so a change of texts or tests makes nothing void; --any-build counts others too.
--for: begins no cell after so many minutes. --left: only says how many cells are left. --slice: a few cells without distance, in under 90 s.
A load that was sent late takes nothing from a cell but its times. A run that proves nothing for another reason is repeated twice; a red one
never. Exit code 7 when anything failed or is left. One cell takes about 20 s, a world 10 s more.
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
      'any-build': { type: 'boolean' },
      for: { type: 'string' },
      left: { type: 'boolean' },
      slice: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return void process.stdout.write(USAGE);
  const rttScale = values['zero-rtt'] === true || values.slice === true ? 0 : 1;
  const cells = values.into === undefined ? [] : readCells(values.into);
  const build = buildId();
  const counted = values['any-build'] === true ? null : build;
  const plan = values.slice === true ? SLICE : planOf(values);
  const asked = plan.flatMap((planned) => cellsOf(planned, rttScale, Number(values.trials)));
  const endMs = values.for === undefined ? Number.POSITIVE_INFINITY : performance.now() + Number(values.for) * 60_000;
  for (const planned of values.left === true ? [] : plan) {
    const open = openOf(cellsOf(planned, rttScale, Number(values.trials)), cells, counted);
    if (open.length === 0) continue;
    await runIn(planned, open, {
      build,
      isTime: () => performance.now() < endMs,
      ended: (cell) => {
        cells.push(cell);
        if (values.into !== undefined) appendFileSync(values.into, `${JSON.stringify(cell)}\n`);
        process.stderr.write(`${progressOf(asked, endedOf(asked, cells, counted), counted)}\n`);
      },
    });
  }
  const ended = endedOf(asked, cells, counted);
  process.stdout.write(`${tableOf(ended)}\n${progressOf(asked, ended, counted)}\n`);
  if (ended.length === 0 || openOf(asked, ended, counted).length > 0) process.exitCode = FAILED;
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

function readCells(path: string): Cell[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Cell);
}

interface Run {
  readonly build: string;
  isTime(): boolean;
  ended(cell: Cell): void;
}

/** Cells of one deployment share a world. What a cell that did not pass left behind is no ground for the next: that one gets a new world. */
async function runIn(planned: Planned, asked: readonly Asked[], run: Run): Promise<void> {
  const { example, mode, store } = planned;
  const progress = (text: string) => void process.stderr.write(`${example} ${mode} ${store}: ${text}\n`);
  const rttScale = asked[0]?.rttScale ?? 1;
  const rest = [...asked];
  await withDerived(planned, async (specPath) => {
    while (rest.length > 0 && run.isTime())
      await withScratchWorld({ specPath, rttScale, env: {}, progress }, async (world) => {
        let isSound = true;
        while (isSound && run.isTime()) {
          const it = rest.shift();
          if (it === undefined) return;
          const cell = await drillOnce(it, run.build, world.layout.stateDir);
          progress(`${it.drill}: ${cell.verdict}: ${cell.why}`);
          run.ended(cell);
          isSound = cell.verdict === 'pass';
        }
      });
  });
}

async function drillOnce(it: Asked, build: string, stateDir: string): Promise<Cell> {
  const args = ['drill', ...it.drill.split(' '), '--json', '--window', String(WINDOW_S), '--state', stateDir];
  const run = async (): Promise<Cell> => {
    const ended = await farshore(args, {}, [0, REFUSED, FAILED, INCONCLUSIVE]);
    if (ended.code === REFUSED) return refusedCell(it, build, ended.said);
    return cellOf(it, build, JSON.parse(ended.stdout) as DrillReport);
  };
  let cell = await run();
  for (let again = 0; again < AGAIN_MOST && cell.verdict === 'inconclusive'; again++) cell = await run();
  return cell;
}

main().catch((error: unknown) => {
  process.stderr.write(`matrix: ${messageOf(error)}\n`);
  process.exitCode = 1;
});
