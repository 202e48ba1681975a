import { FarshoreError } from '../base/errors.ts';
import { noFalseAlarm } from '../drills/scenarios/no-false-alarm.ts';
import { failback, switchover } from '../drills/scenarios/planned-move.ts';
import { type Cut, CUTS, partition } from '../drills/scenarios/partition.ts';
import { type Loss, LOSS_NAMES, regionFailover } from '../drills/scenarios/region-failover.ts';
import { nearest } from '../spec/nearest.ts';
import { readArguments, wholeNumber } from './arguments.ts';
import { type Call, OPTIONS } from './drill/call.ts';
import { runScenario } from './drill/scenario.ts';
import { selftest } from './drill/selftest.ts';
import type { PlaceId } from '../base/ids.ts';
import type { Scenario } from '../drills/trial/scenario.ts';
import { regionNamed } from './region-named.ts';
import { seconds } from './text.ts';

const USAGE = `Usage: farshore drill NAME [OPTIONS]
       farshore drill list

Breaks something in a running world under load and proves what became of every write. Measured by the clients alone: RTO from the
proven fault, RPO from the ledger of every attempt against what every node holds in the end. What was broken is mended in every case.

  region-failover [--fault F]   loses a region; F is crash (every process of it is killed at once), blackhole (it lives on, cut off
                                from everybody, and its own users go on asking it), freeze (all of it stands still, and goes on later),
                                wedge (commits hang, everything else answers), slow-disk (no flush ends within wedgedAfter) or
                                disk-full (PostgreSQL's writes get ENOSPC); the last two need strace
  partition [--cut C]           full: one region against all others; pair: two regions do not see each other; one-way: one cannot
                                open connections to the other; store: the primary's region cannot reach the store;
                                replication: nothing is replicated in or out of it
  switchover                    moves the primary to another region as planned: nothing is lost, clients that reconnect see no error, and
                                the pause is as promised; --region is where to (default: the best other one)
  failback                      crashes the primary's region, waits until it confirms again, and moves the primary back home as planned
  no-false-alarm [--minutes N]  pauses every process for 1 s, one after the other, PostgreSQL and whole regions too, loses 2 % of all packets,
                                keeps all processors busy: the primary must not move once (default: 3 minutes)
  selftest [FILE]               breaks Farshore and the evidence on purpose, in worlds of its own, and expects red

  --region R       the region to hit (default: the present primary's)
  --trials N       how many times (default 1); the moment within the lease is drawn each time; median and its 95 % interval at the end
  --window S       service must hold this long, in seconds, to count as stable (default: 10, or twice the lease)
  --json           schema farshore.drill/v1 on stdout (docs/reference/drill.md), one object a line; farshore.drill-trials/v1 last
  --junit FILE     the same as JUnit XML: a suite per trial, a case per check
  --state DIR      the world

Every trial leaves a page with its timeline in the state directory: reports/ID.html.
Exit codes: 0 passed, 7 failed, 9 inconclusive, 10 undo incomplete, 4 refused (the world is not ready).
`;

interface Drill {
  readonly does: string;
  readonly run: (call: Call) => Promise<number>;
}

const DRILLS: Readonly<Record<string, Drill>> = {
  'region-failover': { does: `loses a region: --fault ${LOSS_NAMES.join(' | ')}`, run: lose },
  partition: { does: `cuts places off from each other: --cut ${CUTS.join(' | ')}`, run: divide },
  switchover: { does: 'moves the primary as planned, under load: no loss, no error, a short pause', run: move },
  failback: { does: "loses the primary's region, gets it back, and moves the primary home", run: goHome },
  'no-false-alarm': { does: 'pauses of 1 s, lost packets, a busy machine: the primary must stay', run: disturb },
  selftest: { does: 'is a drill worth running? Breaks Farshore on purpose and expects red', run: selftest },
};

/** `farshore drill NAME`: `argv` is what follows the verb. Resolves to the exit code. Ctrl-C mends what was broken first. */
export async function drill(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS, 2);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (positionals[0] === 'list') return list();
  const { run } = drillNamed(positionals[0]);
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const startedMs = performance.now();
  const progress = (text: string) =>
    void process.stderr.write(`  ${seconds(performance.now() - startedMs).padStart(6)}  ${text}\n`);
  try {
    return await run({ extra: positionals[1], values, progress, signal: stop.signal });
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

function list(): number {
  for (const [name, { does }] of Object.entries(DRILLS)) process.stdout.write(`${name.padEnd(16)}  ${does}\n`);
  return 0;
}

function drillNamed(name: string | undefined): Drill {
  const names = Object.keys(DRILLS);
  if (name === undefined) throw new FarshoreError('FSH_USAGE', `which drill? ${names.join(', ')}`);
  const found = Object.hasOwn(DRILLS, name) ? DRILLS[name] : undefined;
  if (found !== undefined) return found;
  const meant = nearest(name, names);
  throw new FarshoreError(
    'FSH_USAGE',
    `there is no drill "${name}"${meant === null ? '' : `; did you mean ${meant}?`}`,
  );
}

function lose(call: Call): Promise<number> {
  const fault = oneOf<Loss>('fault', call.values.fault, LOSS_NAMES, 'crash');
  return onRegion(call, (region) => regionFailover(fault, region));
}

function divide(call: Call): Promise<number> {
  const how = oneOf<Cut>('cut', call.values.cut, CUTS, 'full');
  return onRegion(call, (region) => partition(how, region));
}

function move(call: Call): Promise<number> {
  return onRegion(call, switchover);
}

function goHome(call: Call): Promise<number> {
  if (call.values.region !== undefined)
    throw new FarshoreError('FSH_USAGE', 'failback takes no --region: it begins with the primary and ends with it');
  return onRegion(call, failback);
}

function disturb(call: Call): Promise<number> {
  const minutes = wholeNumber('minutes', call.values.minutes, 1, 600) ?? 3;
  return onRegion(call, () => noFalseAlarm(minutes * 60_000));
}

function onRegion(call: Call, scenarioOf: (region: PlaceId | null) => Scenario): Promise<number> {
  const { values, extra } = call;
  if (extra !== undefined) throw new FarshoreError('FSH_USAGE', `unexpected "${extra}"`);
  return runScenario(call, ({ layout }) =>
    scenarioOf(values.region === undefined ? null : regionNamed(layout.places, values.region)),
  );
}

function oneOf<T extends string>(option: string, word: string | undefined, known: readonly T[], normal: T): T {
  if (word === undefined) return normal;
  const found = known.find((it) => it === word);
  if (found !== undefined) return found;
  const meant = nearest(word, known);
  const hint = meant === null ? `there is ${known.join(', ')}` : `did you mean ${meant}?`;
  throw new FarshoreError('FSH_USAGE', `--${option} ${word} is not known; ${hint}`);
}
