import type { FaultSpec } from '../../world/faults/spec.ts';
import { injectFault } from '../../world/faults/inject.ts';
import { FarshoreError } from '../../base/errors.ts';
import type { PlaceId } from '../../base/ids.ts';
import { crashRegion, disturbLink, processesOfRegion } from '../../world/faults.ts';
import { freezePostgres, freezeRegion, type RegionFreeze } from '../../world/freeze.ts';
import type { World } from '../../world/open.ts';
import type { Broken } from './break-and-mend.ts';

export async function inject(world: World, spec: FaultSpec, holder: string): Promise<Broken> {
  const fault = await injectFault(world, spec, holder);
  const { what, evidence, fromMs, effectiveMs, processes } = fault;
  return { what, evidence, fromMs, effectiveMs, processes, undo: async () => void (await fault.undo()) };
/** Which ways a partition cuts: everything of a place, one pair, one direction of it, a region's way to the store, its replication. */
export type FaultSpec =
  | { readonly kind: 'crash' | 'blackhole' | 'freeze' | 'wedge'; readonly place: PlaceId }
  | { readonly kind: 'cut'; readonly how: 'full'; readonly place: PlaceId }
  | { readonly kind: 'cut'; readonly how: 'store'; readonly place: PlaceId }
  | { readonly kind: 'cut'; readonly how: 'pair' | 'one-way'; readonly from: PlaceId; readonly to: PlaceId };

export async function inject(world: World, spec: FaultSpec, holder: string): Promise<Broken> {
  if (spec.kind === 'crash') return crash(world, spec.place, holder);
  if (spec.kind === 'freeze') return frozen(await freezeRegion(world, spec.place), `${spec.place} stands still`);
  if (spec.kind === 'wedge')
    return frozen(
      await freezePostgres(world, spec.place),
      `PostgreSQL of ${spec.place} stands still, its agent answers`,
    );
  return cut(world, linksOf(world, spec), spec);
}

async function crash(world: World, region: PlaceId, holder: string): Promise<Broken> {
  const before = await processesOfRegion(world, region);
  const fault = await crashRegion(world, region, holder);
  const left = await processesOfRegion(world, region);
  if (left.length > 0) {
    await fault.undo();
    throw new FarshoreError('FSH_FAILED', `${left.length} processes of the region are still alive`);
  }
  // PostgreSQL ends its own children when the first of them is gone, so fewer are killed than were there.
  const evidence = `${before.length} processes before, ${fault.killed.length} of them killed by us, none left`;
  const times = { fromMs: fault.killedFromMs, effectiveMs: fault.killedUntilMs };
  return { ...times, processes: before.length, what: `${region} is gone`, evidence, undo: () => fault.undo() };
}

function frozen(fault: RegionFreeze, what: string): Broken {
  const evidence = `${fault.stopped} processes stopped, none runs, looked at twice`;
  const times = { fromMs: fault.fromMs, effectiveMs: fault.provenMs };
  return { ...times, processes: fault.stopped, what, evidence, undo: () => fault.undo() };
}

type Link = World['layout']['links'][number];

function linksOf({ layout }: World, spec: FaultSpec): readonly Link[] {
  const touching = (place: PlaceId) => layout.links.filter((link) => link.from === place || link.to === place);
  if (spec.kind !== 'cut') return touching(spec.place);
  if (spec.how === 'full') return touching(spec.place);
  if (spec.how === 'store') {
    const stores = new Set(layout.places.filter((it) => it.ports.store !== undefined).map((it) => it.id));
    return touching(spec.place).filter((link) => stores.has(link.from) || stores.has(link.to));
  }
  const { from, to, how } = spec;
  return layout.links.filter(
    (link) => (link.from === from && link.to === to) || (how === 'pair' && link.from === to && link.to === from),
  );
}

async function cut(world: World, links: readonly Link[], spec: FaultSpec): Promise<Broken> {
  const fromMs = monotonicMs();
  const faults = await Promise.all(
    links.map(({ from, to }) => disturbLink(world, from, to, { state: 'cut', extraDelayMs: 0 })),
  );
  const undo = async () => void (await Promise.all(faults.map((fault) => fault.undo())));
  const effectiveMs = monotonicMs();
  const states = await Promise.all(links.map(async ({ from, to }) => world.link(from, to).status()));
  const shut = states.filter((state) => state.kind === 'done' && state.value.state === 'cut').length;
  if (shut < links.length || links.length === 0) {
    await undo();
    throw new FarshoreError('FSH_FAILED', `only ${shut} of ${links.length} links are cut`);
  }
  const what =
    spec.kind === 'cut' && 'from' in spec
      ? `${spec.from} ⊥ ${spec.to}`
      : `${'place' in spec ? spec.place : ''} is cut off`;
  return {
    fromMs,
    effectiveMs,
    processes: null,
    what,
    evidence: `${shut} of ${links.length} links carry nothing`,
    undo,
  };
}
