import type { World } from '../open.ts';
import { isAlive, tracerOf } from '../proc.ts';
import { whyNotOff } from './clock.ts';
import { isStopped } from './freeze.ts';
import { isOpen, openEntries } from './journal.ts';
import { whyNotDisturbed } from './links.ts';
import { databasesOf, processesOfRegion } from './processes.ts';
import { type AnySpec, linksOf } from './spec.ts';

/**
 * What speaks against a fault being in force now; null when nothing does. The proof of an injection is about its beginning only: a
 * lease may run out behind a busy machine, a tracer may die, and somebody may say `farshore fault undo`.
 */
export async function whyNotInForce(world: World, id: string, spec: AnySpec): Promise<string | null> {
  if (!isOpen(world, id)) return 'it was undone by somebody else';
  const why = await whyNotSeen(world, id, spec);
  // It may have been undone while the canary looked.
  return why === null && !isOpen(world, id) ? 'it was undone by somebody else' : why;
}

async function whyNotSeen(world: World, id: string, spec: AnySpec): Promise<string | null> {
  switch (spec.kind) {
    case 'crash':
      return unless(await processesOfRegion(world, spec.place), `of ${spec.place} run`);
    case 'freeze':
      return unless(
        (await processesOfRegion(world, spec.place)).filter((it) => !isStopped(it) && isAlive(it)),
        `of ${spec.place} go on`,
      );
    // One that is gone was ended by somebody who needed it no more, as a keeper ends a server that hangs.
    case 'pause':
    case 'wedge': {
      const stopped = openEntries(world).find((it) => it.id === id)?.stopped ?? [];
      return unless(
        stopped.filter((it) => !isStopped(it) && isAlive(it)),
        'that were stopped go on',
      );
    }
    case 'slow-disk':
    case 'disk-full': {
      const all = (await databasesOf(world, spec.place))();
      return unless(
        all.filter((it) => tracerOf(it.pid) === 0 && isAlive(it)),
        `of ${spec.place} write to their disk as always`,
      );
    }
    case 'clock-skew':
      return whyNotOff(world, spec.place, spec.byMs);
    default:
      return whyNotDisturbed(world, linksOf(world.layout, spec));
  }
}

const unless = (found: readonly unknown[], what: string): string | null =>
  found.length === 0 ? null : `${found.length} processes ${what}`;
