import { FarshoreError } from '../base/errors.ts';
import type { PlaceId } from '../base/ids.ts';
import { tableWithHold } from '../decide/routing/next-table.ts';
import { parseRouteTable } from '../decide/routing/table.ts';
import { keysOf, type RouteTable } from '../ports/records.ts';
import { nearest } from '../spec/nearest.ts';
import type { World } from '../world/open.ts';
import { readArguments } from './arguments.ts';
import { SIGNED_OPTIONS, signed } from './operations/signed.ts';
import { regionNamed } from './region-named.ts';
import { selectWorld } from './which-world.ts';

const USAGE = `Usage: farshore traffic drain REGION [--reason TEXT] [--actor NAME] [--json] [--state DIR]
       farshore traffic serve REGION [--reason TEXT] [--actor NAME] [--json] [--state DIR]

drain: no plane leads new requests to REGION until it is let serve again; what is under way there ends by itself.
serve: REGION serves again; also lets a region back that waits because of \`failback: manual\`.
`;

const VERBS = { drain: 'drained', serve: 'serving' } as const;
/** A change of primary may write between our look and our write; then it is looked at again. */
const TRIES = 5;

/** `farshore traffic drain|serve REGION`: `argv` is what follows the verb. Resolves to the exit code. */
export async function traffic(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv, SIGNED_OPTIONS, 2);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [word = '', named] = positionals;
  if (word !== 'drain' && word !== 'serve') {
    const meant = nearest(word, Object.keys(VERBS));
    throw new FarshoreError(
      'FSH_USAGE',
      `traffic what? ${meant === null ? 'drain or serve' : `did you mean ${meant}?`}`,
    );
  }
  const world = selectWorld(values.state);
  try {
    const region = regionNamed(world.layout.places, named);
    const { actor, reason } = signed(values.actor, values.reason, `traffic ${word}`);
    const table = await hold(world, region, VERBS[word], `${reason}, by ${actor}`);
    const text = word === 'drain' ? `no plane leads new requests to ${region} any more` : `${region} serves`;
    const json = { schema: 'farshore.traffic/v1', region, state: VERBS[word], generation: table.generation };
    process.stdout.write(
      values.json === true ? `${JSON.stringify(json)}\n` : `${text} (route table ${table.generation})\n`,
    );
    return 0;
  } finally {
    await world.close();
  }
}

async function hold(world: World, region: PlaceId, state: 'serving' | 'drained', why: string): Promise<RouteTable> {
  const { routes: key } = keysOf(world.layout.deployment, world.layout.group);
  for (let tries = 0; tries < TRIES; tries += 1) {
    const read = await world.store().txn([], [{ get: key }]);
    if (read.kind !== 'done')
      throw new FarshoreError(
        'FSH_STORE_UNREACHABLE',
        `the route table can't be read: ${read.why}; nothing was changed`,
      );
    const found = read.value.responses[0]?.[0];
    const parsed = found === undefined ? null : parseRouteTable(found.value);
    if (found === undefined || parsed === null || !parsed.ok)
      throw new FarshoreError('FSH_REFUSED', 'there is no route table yet: no primary has opened');
    const next = tableWithHold(parsed.value, region, state, why);
    if (!next.ok) throw new FarshoreError('FSH_REFUSED', `${next.error}; nothing was changed`);
    const compare = { key, modRevision: found.modRevision };
    const wrote = await world.store().txn([compare], [{ put: key, value: JSON.stringify(next.value) }]);
    if (wrote.kind === 'unknown')
      throw new FarshoreError('FSH_OUTCOME_UNKNOWN', `the store did not say whether it wrote: ${wrote.why}`);
    if (wrote.kind === 'refused') throw new FarshoreError('FSH_FAILED', `nothing was written: ${wrote.why}`);
    if (wrote.value.succeeded) return next.value;
  }
  throw new FarshoreError('FSH_REFUSED', 'the route table kept changing while it was looked at; nothing was changed');
}
