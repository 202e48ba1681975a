import { FarshoreError } from '../../base/errors.ts';
import { nearest } from '../../spec/nearest.ts';
import type { OperationAnswer } from '../../ports/operations.ts';
import type { World } from '../../world/open.ts';
import { openDesk } from '../../world/operations.ts';
import { readArguments, wholeNumber } from '../arguments.ts';
import { table } from '../text.ts';
import { selectWorld } from '../which-world.ts';
import { followOperation } from './follow.ts';
import { report } from './move.ts';
import { isOver, lossOf, OPERATION_HEADER, operationRow, pausedText, tookMs } from './render.ts';
import { durationOption, SIGNED_OPTIONS, signed } from './signed.ts';

const OPS_USAGE = `Usage: farshore ops [list] [--json] [--state DIR]
       farshore ops watch [ID] [--wait S] [--json]
       farshore ops cancel [ID] [--reason TEXT] [--actor NAME]

list shows what runs now; watch follows it to its end (exit code as of the operation itself, 5 when it goes on); cancel takes it back
while that is possible: until the new epoch is written. Without ID the one that runs is meant.
`;
const HISTORY_USAGE = `Usage: farshore history [--last N] [--json] [--state DIR]

Every operation of the journal, newest first: who, why, how it ended, how long it took, what was lost. Takeovers too.
`;
const PAUSE_USAGE = `Usage: farshore pause --for DURATION --reason TEXT [--actor NAME] [--json] [--state DIR]
       farshore resume [--actor NAME] [--json] [--state DIR]

While automatic takeovers are paused nobody is promoted because a primary is lost; what you ask for yourself still works. A pause ends by itself.
`;

const WATCH_S = 600;

/** `farshore ops list|watch|cancel`. */
export async function ops(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, { ...SIGNED_OPTIONS, wait: { type: 'string' } }, 2);
  if (values.help === true) {
    process.stdout.write(OPS_USAGE);
    return 0;
  }
  const verbs = ['list', 'watch', 'cancel'];
  const verb = positionals[0] ?? 'list';
  if (!verbs.includes(verb)) {
    const meant = nearest(verb, verbs);
    throw new FarshoreError(
      'FSH_USAGE',
      `ops ${verb}? ${meant === null ? `one of ${verbs.join(', ')}` : `did you mean ${meant}?`}`,
    );
  }
  const world = selectWorld(values.state);
  try {
    if (verb === 'list') return await list(world, values.json === true);
    const id = positionals[1] ?? (await openDesk(world)).view.running;
    if (id === null)
      throw new FarshoreError('FSH_USAGE', 'no operation runs; `farshore history` lists those that are over');
    if (verb === 'cancel') {
      const desk = await openDesk(world);
      const by = signed(values.actor, values.reason, 'no reason given');
      return say(await desk.post(`/operations/${id}/cancel`, by), values.json === true);
    }
    const waitMs = (wholeNumber('wait', values.wait, 0, 86_400) ?? WATCH_S) * 1_000;
    return await watch(world, id, waitMs, values.json === true);
  } finally {
    await world.close();
  }
}

async function watch(world: World, id: string, waitMs: number, json: boolean): Promise<number> {
  const { view } = await openDesk(world);
  if (!view.operations.some((operation) => operation.id === id))
    throw new FarshoreError('FSH_USAGE', `the journal has no operation ${id}`);
  const ended = await followOperation(world, id, waitMs);
  if (ended === null) throw new FarshoreError('FSH_TIMEOUT', `${id} is not over after ${waitMs / 1_000} s`);
  return report(ended, json);
}

async function list(world: World, json: boolean): Promise<number> {
  const { view } = await openDesk(world);
  const open = view.operations.filter((operation) => !isOver(operation));
  if (json) print({ running: view.running, paused: view.paused, operations: open });
  else if (open.length === 0) process.stdout.write('no operation runs\n');
  else process.stdout.write(`${table([OPERATION_HEADER, ...open.map(operationRow)]).join('\n')}\n`);
  if (!json && view.paused !== null) process.stdout.write(`${pausedText(view.paused)}\n`);
  return 0;
}

/** `farshore history`. */
export async function history(argv: readonly string[]): Promise<number> {
  const options = { last: { type: 'string' }, json: { type: 'boolean' }, state: { type: 'string' } } as const;
  const { values } = readArguments(argv, options, 0);
  if (values.help === true) {
    process.stdout.write(HISTORY_USAGE);
    return 0;
  }
  const last = wholeNumber('last', values.last, 1, 100_000) ?? 20;
  const world = selectWorld(values.state);
  try {
    const { view } = await openDesk(world);
    const operations = view.operations.slice(0, last);
    if (values.json === true)
      print({ operations: operations.map((it) => ({ ...it, tookMs: tookMs(it), loss: lossOf(it) })) });
    else process.stdout.write(`${table([OPERATION_HEADER, ...operations.map(operationRow)]).join('\n')}\n`);
    return 0;
  } finally {
    await world.close();
  }
}

/** `farshore pause`. */
export async function pause(argv: readonly string[]): Promise<number> {
  const { values } = readArguments(argv, { ...SIGNED_OPTIONS, for: { type: 'string' } }, 0);
  if (values.help === true) {
    process.stdout.write(PAUSE_USAGE);
    return 0;
  }
  if (values.for === undefined) throw new FarshoreError('FSH_USAGE', 'pause for how long? --for 2h');
  if (values.reason === undefined)
    throw new FarshoreError('FSH_USAGE', 'why? --reason "…" tells whoever is called at night');
  const forMs = durationOption('for', values.for);
  return post(values.state, '/pause', { ...signed(values.actor, values.reason, ''), forMs }, values.json === true);
}

/** `farshore resume`. */
export async function resume(argv: readonly string[]): Promise<number> {
  const { values } = readArguments(argv, SIGNED_OPTIONS, 0);
  if (values.help === true) {
    process.stdout.write(PAUSE_USAGE);
    return 0;
  }
  return post(values.state, '/resume', signed(values.actor, values.reason, 'no reason given'), values.json === true);
}

async function post(state: string | undefined, path: string, body: object, json: boolean): Promise<number> {
  const world = selectWorld(state);
  try {
    return say(await (await openDesk(world)).post(path, body), json);
  } finally {
    await world.close();
  }
}

function say(answer: OperationAnswer, json: boolean): number {
  if (answer.kind === 'unknown') throw new FarshoreError('FSH_OUTCOME_UNKNOWN', answer.why);
  if (answer.kind === 'refused') throw new FarshoreError('FSH_REFUSED', answer.why);
  if (json) print({ ...answer });
  else if (answer.kind === 'accepted') process.stdout.write(`${answer.what}\n`);
  return 0;
}

const print = (value: object): void =>
  void process.stdout.write(`${JSON.stringify({ schema: 'farshore.operations/v1', ...value }, null, 2)}\n`);
