import { setTimeout as sleep } from 'node:timers/promises';
import { FarshoreError } from '../base/errors.ts';
import { parseDuration } from '../spec/duration.ts';
import { injectFault } from '../world/faults/inject.ts';
import { isAbandoned, isOpen, type JournalEntry, openEntries } from '../world/faults/journal.ts';
import { FAULT_KINDS } from '../world/faults/kinds.ts';
import { monotonicMs } from '../world/faults/seen.ts';
import { describe } from '../world/faults/spec.ts';
import { undoEntry } from '../world/faults/undo.ts';
import type { World } from '../world/open.ts';
import { readArguments } from './arguments.ts';
import { specOf } from './fault/spec-of.ts';
import { age, table } from './text.ts';
import { selectWorld } from './which-world.ts';

const USAGE = `Usage: farshore fault KIND WHERE [--for 30s] [--json] [--state DIR]
       farshore fault list | status [--json] | undo [ID]

Breaks something in a running world, proves that it is broken, and holds it until --for is over or Ctrl-C. Undone in every case:
when this command is killed, the world undoes it by itself.

${FAULT_KINDS.map((it) => `  ${it.usage.padEnd(36)}${it.does}`).join('\n')}

  list            every kind
  status          what is in force now
  undo [ID]       ends one, or all

Exit codes: 0 undone and looked at, 4 refused, 1 it did not take effect, or ended before its time (and was undone), 10 undo incomplete.
`;

const OPTIONS = {
  for: { type: 'string' },
  delay: { type: 'string' },
  by: { type: 'string' },
  json: { type: 'boolean' },
  state: { type: 'string' },
} as const;
type Values = ReturnType<typeof readArguments<typeof OPTIONS>>['values'];

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** `farshore fault`: `argv` is what follows the verb. Resolves to the exit code. */
export async function fault(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, OPTIONS, 5);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [word, ...rest] = positionals;
  if (word === 'list') return list(values);
  const world = selectWorld(values.state);
  try {
    if (word === 'status') return status(world, values);
    if (word === 'undo') return await undo(world, rest[0]);
    return await hold(world, word === 'inject' ? rest : positionals, values);
  } finally {
    await world.close();
  }
}

function list(values: Values): number {
  if (values.json === true) say(JSON.stringify({ schema: 'farshore.faults/v1', kinds: FAULT_KINDS }, null, 2));
  else for (const line of table(FAULT_KINDS.map((it) => [it.usage, it.does]))) say(line);
  return 0;
}

function status(world: World, values: Values): number {
  const nowMs = Date.now();
  const inForce = openEntries(world).map((entry) => ({
    id: entry.id,
    fault: describe(entry.spec),
    holder: entry.holder,
    ageMs: nowMs - entry.atWallMs,
    abandoned: isAbandoned(world, entry, nowMs),
    left: entry.left,
  }));
  if (values.json === true) say(JSON.stringify({ schema: 'farshore.fault-status/v1', inForce }, null, 2));
  else if (inForce.length === 0) say('no fault is in force');
  else {
    const rows = inForce.map((it) => [
      it.id,
      it.fault,
      `held by ${it.holder}`,
      age(it.ageMs),
      notes(it.abandoned, it.left),
    ]);
    for (const line of table([['ID', 'FAULT', 'HOLDER', 'AGE', ''], ...rows])) say(line);
  }
  return 0;
}

function notes(abandoned: boolean, left: readonly string[]): string {
  if (left.length > 0) return `could not be undone yet: ${left.join('; ')}`;
  return abandoned ? 'abandoned: it is being undone' : '';
}

async function undo(world: World, id: string | undefined): Promise<number> {
  const open = openEntries(world);
  const wanted = id === undefined ? open : open.filter((it) => it.id === id);
  if (id !== undefined && wanted.length === 0)
    throw new FarshoreError('FSH_USAGE', `no fault ${id} is in force; \`farshore fault status\` lists them`);
  let code = 0;
  for (const entry of wanted) code = Math.max(code, await undoOne(world, entry));
  if (wanted.length === 0) say('no fault is in force');
  return code;
}

const undoOne = async (world: World, entry: JournalEntry): Promise<number> =>
  told(describe(entry.spec), await undoEntry(world, entry));

async function hold(world: World, words: readonly string[], values: Values): Promise<number> {
  const forMs = values.for === undefined ? null : duration('for', values.for);
  const sizes = {
    delayMs: values.delay === undefined ? null : duration('delay', values.delay),
    byMs: values.by === undefined ? null : signed('by', values.by),
  };
  const spec = specOf(words, sizes, world.layout.places);
  const over = new AbortController();
  const interrupt = (): void => over.abort();
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const active = await injectFault(world, spec, `farshore fault (pid ${process.pid})`);
  try {
    const { id, what, evidence, fromMs, effectiveMs, provenMs } = active;
    if (values.json === true)
      say(JSON.stringify({ schema: 'farshore.fault/v1', id, spec, what, evidence, fromMs, effectiveMs, provenMs }));
    else say(`${id}  ${what}: ${evidence}; ${forMs === null ? 'until Ctrl-C' : `for ${values.for}`}`);
    await heldUntil(world, id, forMs, over.signal);
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
  const why = await active.stillInForce();
  const heldMs = monotonicMs() - active.effectiveMs;
  const code = told(describe(spec), await active.undo());
  if (why === null) return code;
  process.stderr.write(`not in force for the whole time: ${why}, seen after ${(heldMs / 1000).toFixed(1)} s\n`);
  return Math.max(code, LAPSED);
}

/** Until the time is over, the person has enough, or somebody else has undone it. */
async function heldUntil(world: World, id: string, forMs: number | null, signal: AbortSignal): Promise<void> {
  const startedMs = performance.now();
  while (!signal.aborted && performance.now() - startedMs < (forMs ?? Number.POSITIVE_INFINITY)) {
    if (!isOpen(world, id)) return;
    await sleep(100);
  }
}

const UNDO_INCOMPLETE = 10;
const LAPSED = 1;

function told(what: string, { complete, left }: { readonly complete: boolean; readonly left: readonly string[] }) {
  if (complete) process.stderr.write(`undone: ${what}\n`);
  else process.stderr.write(`undo incomplete: ${what}: ${left.join('; ')}\n`);
  return complete ? 0 : UNDO_INCOMPLETE;
}

/** `-30s` is half a minute behind. */
const signed = (name: string, text: string): number =>
  text.startsWith('-') ? -duration(name, text.slice(1)) : duration(name, text);

function duration(name: string, text: string): number {
  const ms = parseDuration(text);
  if (ms === null) throw new FarshoreError('FSH_USAGE', `--${name} must be like 500ms, 30s or 5m, not "${text}"`);
  return ms;
}
