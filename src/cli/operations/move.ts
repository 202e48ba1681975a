import { createInterface } from 'node:readline/promises';
import { FarshoreError } from '../../base/errors.ts';
import { predictSwitchover, survivorRtts } from '../../drills/predict.ts';
import type { OperationAnswer, OperationAsked } from '../../ports/operations.ts';
import type { OperationRecord } from '../../ports/records.ts';
import type { World } from '../../world/open.ts';
import { openDesk, type OperationsDesk } from '../../world/operations.ts';
import { readArguments, wholeNumber } from '../arguments.ts';
import { paint } from '../paint.ts';
import { regionNamed } from '../region-named.ts';
import { selectWorld } from '../which-world.ts';
import { followOperation } from './follow.ts';
import { checkLines, exitOf, pauseText, tookMs } from './render.ts';
import { durationOption, SIGNED_OPTIONS, signed } from './signed.ts';

type Kind = OperationAsked['kind'];

const OPTIONS = {
  ...SIGNED_OPTIONS,
  'dry-run': { type: 'boolean' },
  wait: { type: 'string' },
  fenced: { type: 'string' },
  'allow-data-loss': { type: 'string' },
  yes: { type: 'boolean' },
} as const;

const SHARED = `  --dry-run        print the checks and the prediction, change nothing; 0: it would begin, 4: it would be refused
  --reason TEXT    why; goes into the journal
  --actor NAME     who; default: user@host
  --wait S         how many seconds to follow it (default 120); 5 when it goes on after that
  --json           schema farshore.operation/v1 on stdout (docs/reference/operations.md)
`;

const USAGE: Readonly<Record<Kind, string>> = {
  switchover: `Usage: farshore switchover REGION [--dry-run] [--reason TEXT] [--actor NAME] [--wait S] [--json] [--state DIR]

Moves the primary to REGION: planned, no acknowledged write is lost, or it is refused. New connections wait meanwhile.

${SHARED}`,
  failback: `Usage: farshore failback REGION [--dry-run] [--reason TEXT] [--actor NAME] [--wait S] [--json] [--state DIR]

Moves the primary back to REGION, once it follows and confirms again. The same guards as switchover.

${SHARED}`,
  failover: `Usage: farshore failover REGION [--allow-data-loss D|any] [--fenced REGION] [--yes] [--dry-run] [...] [--state DIR]

Makes REGION primary without asking the old primary. Where enough of the recorded set can be read nothing is lost; where it can't be, this needs
both of the following, and says before what would be lost.

  --fenced REGION         you know that the old primary's region can acknowledge nothing more (it is destroyed, or switched off)
  --allow-data-loss D     acknowledged writes of at most this time may be lost, for example 15s; "any" when nobody can tell
  --yes                   no question; needed where there is no terminal
${SHARED}`,
};

export const switchover = (argv: readonly string[]): Promise<number> => move('switchover', argv);
export const failback = (argv: readonly string[]): Promise<number> => move('failback', argv);
export const failover = (argv: readonly string[]): Promise<number> => move('failover', argv);

async function move(kind: Kind, argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS, 1);
  if (values.help === true) {
    process.stdout.write(USAGE[kind]);
    return 0;
  }
  const { fenced, 'allow-data-loss': loss, yes } = values;
  if (kind !== 'failover' && (fenced ?? loss ?? yes) !== undefined)
    throw new FarshoreError(
      'FSH_USAGE',
      `${kind} loses nothing and asks for nothing; --fenced, --allow-data-loss and --yes belong to failover`,
    );
  const world = selectWorld(values.state);
  try {
    const target = await targetOf(world, kind, positionals[0]);
    const asked: OperationAsked = {
      ...signed(values.actor, values.reason, 'no reason given'),
      kind,
      target,
      dryRun: values['dry-run'] === true,
      fenced: fenced === undefined ? null : regionNamed(world.layout.places, fenced),
      allowLossMs: loss === undefined ? null : loss === 'any' ? 'any' : durationOption('allow-data-loss', loss),
    };
    const json = values.json === true;
    const waitMs = (wholeNumber('wait', values.wait, 0, 86_400) ?? 120) * 1_000;
    const desk = await openDesk(world, target);
    if (asked.dryRun) return await dryRun(world, desk, asked, json);
    if (kind === 'failover' && yes !== true) await confirm(desk, asked, json);
    return await carryOut(world, desk, asked, waitMs, json);
  } finally {
    await world.close();
  }
}

/** No default target, ever: without one the candidates are shown, with what each would need. */
async function targetOf(world: World, kind: Kind, word: string | undefined): Promise<string> {
  if (word !== undefined) return regionNamed(world.layout.places, word);
  const desk = await openDesk(world);
  for (const place of world.layout.places.filter((it) => it.data)) {
    const ask = {
      ...signed(undefined, undefined, 'look'),
      kind,
      target: place.id,
      dryRun: true,
      fenced: null,
      allowLossMs: null,
    };
    const answer = await desk.post('/operations', ask);
    const obstacle = answer.kind === 'checked' ? answer.checks.find((check) => check.verdict === 'refused') : undefined;
    const text = obstacle === undefined ? 'could take over now' : `${obstacle.name}: ${obstacle.value}`;
    process.stderr.write(`  ${place.id}  ${text}\n`);
  }
  throw new FarshoreError('FSH_USAGE', `${kind} to which region?`);
}

async function dryRun(world: World, desk: OperationsDesk, asked: OperationAsked, json: boolean): Promise<number> {
  const answer = await desk.post('/operations', asked);
  if (answer.kind !== 'checked') return refuse(answer, json);
  const refused = answer.checks.some((check) => check.verdict === 'refused');
  const pause = asked.kind === 'failover' ? null : predictionFor(world);
  if (json) {
    const { target, checks, loss } = answer;
    print({ kind: asked.kind, dryRun: true, target, wouldBegin: !refused, checks, loss, prediction: pause });
    return refused ? 4 : 0;
  }
  const lines = [...checkLines(answer.checks)];
  if (answer.loss !== null) lines.push(`  would lose: ${answer.loss}`);
  if (pause !== null)
    lines.push(
      `  nobody writes for about ${Math.round(pause.expectedMs)} ms (promised: at most ${Math.round(pause.promisedMs)} ms); ${pause.formula}`,
    );
  lines.push(
    refused
      ? `would be refused; nothing was changed`
      : `would begin: ${asked.kind} to ${answer.target}; nothing was changed`,
  );
  process.stdout.write(`${lines.join('\n')}\n`);
  return refused ? 4 : 0;
}

/** The old primary's region goes on as a standby, so every region counts. */
const predictionFor = (world: World): ReturnType<typeof predictSwitchover> =>
  predictSwitchover(survivorRtts(world.layout, null));

/** Returns only when a person has seen what would happen and said yes. What the dry run can't say, nobody can agree to. */
async function confirm(desk: OperationsDesk, asked: OperationAsked, json: boolean): Promise<void> {
  const answer = await desk.post('/operations', { ...asked, dryRun: true });
  if (answer.kind !== 'checked') return void refuse(answer, json);
  process.stderr.write(`${checkLines(answer.checks).join('\n')}\n`);
  if (answer.loss !== null) process.stderr.write(`  would lose: ${answer.loss}\n`);
  const obstacle = answer.checks.find((check) => check.verdict === 'refused');
  if (obstacle !== undefined)
    throw new FarshoreError('FSH_REFUSED', `${obstacle.name}: ${obstacle.value}; nothing was changed`);
  if (!process.stdin.isTTY)
    throw new FarshoreError(
      'FSH_REFUSED',
      `${asked.kind} asks before it begins; --yes says yes where there is no terminal`,
    );
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const word = await terminal.question(`Make ${answer.target} primary? Type its region to go on: `);
  terminal.close();
  if (word.trim() !== asked.target) throw new FarshoreError('FSH_REFUSED', 'not confirmed; nothing was changed');
}

async function carryOut(
  world: World,
  desk: OperationsDesk,
  asked: OperationAsked,
  waitMs: number,
  json: boolean,
): Promise<number> {
  const answer = await desk.post('/operations', asked);
  if (answer.kind !== 'accepted') return refuse(answer, json);
  process.stderr.write(`${answer.id}: ${answer.what}\n`);
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once('SIGINT', interrupt);
  const ended = await followOperation(world, answer.id, waitMs, stop.signal).finally(() =>
    process.off('SIGINT', interrupt),
  );
  if (ended !== null) {
    const code = report(ended, json);
    if (!json) process.stdout.write(pauseText(ended, predictionFor(world)));
    return code;
  }
  if (stop.signal.aborted) return interrupted(desk, answer.id, asked, json);
  throw new FarshoreError(
    'FSH_TIMEOUT',
    `${answer.id} is not over after ${waitMs / 1_000} s; \`farshore ops watch ${answer.id}\` follows it`,
  );
}

/** Ctrl-C before the epoch was written takes the request back; after it, it goes on. */
async function interrupted(desk: OperationsDesk, id: string, asked: OperationAsked, json: boolean): Promise<number> {
  const answer = await desk.post(`/operations/${id}/cancel`, { actor: asked.actor, reason: 'interrupted' });
  if (answer.kind === 'accepted') {
    process.stderr.write(
      `${id} was taken back before a new epoch; a primary that it had stopped already comes back by itself\n`,
    );
    return 130;
  }
  if (json) print({ id, state: 'running' });
  process.stderr.write(`${id} goes on; \`farshore ops watch ${id}\` follows it\n`);
  return 5;
}

/** The end of an operation, on stdout, and the exit code that it means. */
export function report(operation: OperationRecord, json: boolean): number {
  if (json) {
    print({ ...operation, tookMs: tookMs(operation) });
    return exitOf(operation.state);
  }
  const { green, red } = paint(process.stdout);
  const word = operation.state.toUpperCase();
  const last = operation.steps.at(-1);
  const colour = operation.state === 'done' ? green : red;
  process.stdout.write(
    `${colour(word)}  ${operation.id}: ${last?.what ?? ''} (${tookMs(operation)} ms from the request)\n`,
  );
  return exitOf(operation.state);
}

function refuse(answer: OperationAnswer, json: boolean): number {
  if (answer.kind === 'unknown') throw new FarshoreError('FSH_OUTCOME_UNKNOWN', answer.why);
  if (answer.kind !== 'refused') throw new FarshoreError('FSH_FAILED', `unexpected answer ${answer.kind}`);
  if (json) print({ state: 'refused', code: answer.code, why: answer.why, checks: answer.checks });
  else if (answer.checks.length > 0) process.stderr.write(`${checkLines(answer.checks).join('\n')}\n`);
  throw new FarshoreError('FSH_REFUSED', `${answer.why}; nothing was changed`);
}

const print = (value: object): void =>
  void process.stdout.write(`${JSON.stringify({ schema: 'farshore.operation/v1', ...value }, null, 2)}\n`);
