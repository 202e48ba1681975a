import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FarshoreError, messageOf } from '../base/errors.ts';
import type { Salvage } from '../ports/database.ts';
import { lookAtWorld } from '../world/status.ts';
import { readArguments } from './arguments.ts';
import { age, table } from './text.ts';
import { selectWorld } from './which-world.ts';

const USAGE = `Usage: farshore salvage list [--json] [--state DIR]
       farshore salvage show OPERATION [NODE] [--sql] [--json] [--state DIR]

What a node held alone when a change of primary left it behind, saved before the node was made again. The rows stay in the
node's region: list and show tell counts and where the files are. --sql prints the script from there; nothing runs it for you.
`;

/** `farshore salvage`: `argv` is what follows the verb. Resolves to the exit code. */
export async function salvage(argv: readonly string[]): Promise<number> {
  const options = { sql: { type: 'boolean' }, json: { type: 'boolean' }, state: { type: 'string' } } as const;
  const { values, positionals } = readArguments(argv, options, 3);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [action = 'list', operation, node] = positionals;
  if (action !== 'list' && action !== 'show')
    throw new FarshoreError('FSH_USAGE', `salvage list or salvage show, not "${action}"`);
  if (action === 'show' && operation === undefined)
    throw new FarshoreError('FSH_USAGE', 'salvage show needs an operation; `farshore salvage list` names them');
  const all = await salvagesOf(values.state);
  const found = action === 'list' ? all : all.filter((it) => named(it, operation, node));
  if (action === 'show' && found.length === 0)
    throw new FarshoreError('FSH_USAGE', `nothing was saved by ${operation}${node === undefined ? '' : ` on ${node}`}`);
  if (values.json === true)
    process.stdout.write(`${JSON.stringify({ schema: 'farshore.salvage/v1', salvages: found }, null, 2)}\n`);
  else if (action === 'list') process.stdout.write(`${listLines(found).join('\n')}\n`);
  else
    for (const it of found)
      process.stdout.write(`${(values.sql === true ? [await scriptOf(it)] : showLines(it)).join('\n')}\n`);
  return 0;
}

async function salvagesOf(state: string | undefined): Promise<readonly Salvage[]> {
  const world = selectWorld(state);
  try {
    const { regions } = await lookAtWorld(world);
    return regions
      .flatMap((region) => region.nodes.flatMap(({ value }) => value.salvages))
      .toSorted((a, b) => a.atWallMs - b.atWallMs);
  } finally {
    await world.close();
  }
}

const named = (it: Salvage, operation: string | undefined, node: string | undefined): boolean =>
  it.operation === operation && (node === undefined || it.node.includes(node));

function listLines(found: readonly Salvage[]): readonly string[] {
  if (found.length === 0)
    return ['Nothing was ever saved: no node came back with writes that the primary did not have.'];
  const head = ['OPERATION', 'NODE', 'AGE', 'TRANSACTIONS', 'CHANGES', 'COMPLETE', 'FOLDER'];
  const rows = found.map((it) => [
    it.operation,
    it.node,
    age(Date.now() - it.atWallMs),
    String(it.transactions),
    changesText(it),
    it.complete ? 'yes' : 'no, its data is kept too',
    it.folder,
  ]);
  return table([head, ...rows]);
}

const changesText = (it: Salvage): string =>
  Object.entries(it.changes)
    .filter(([, count]) => count > 0)
    .map(([op, count]) => `${count} ${op}`)
    .join(', ') || 'none';

const showLines = (it: Salvage): readonly string[] => [
  `${it.operation}  ${it.node}  timeline ${it.timeline}, ${it.forkLsn} to ${it.endLsn}`,
  `  ${it.transactions} transactions: ${changesText(it)}; ${it.ownChanges} of Farshore's own rows left out`,
  `  ${it.why}`,
  ...Object.entries(it.tables).map(([name, count]) => `  ${name}: ${count}`),
  `  ${join(it.folder, 'changes.jsonl')}  one change a line`,
  `  ${join(it.folder, 'replay.sql')}  to read, then to run on the primary`,
];

async function scriptOf(it: Salvage): Promise<string> {
  const path = join(it.folder, 'replay.sql');
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new FarshoreError(
      'FSH_FAILED',
      `${path} on the machine of ${it.node} can't be read from here: ${messageOf(error)}`,
      error,
    );
  }
}
