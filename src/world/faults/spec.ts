import { FarshoreError } from '../../base/errors.ts';
import { type NodeId, type PlaceId, placeOf } from '../../base/ids.ts';
import type { LinkFault } from '../../ports/link.ts';
import { isPartOf, type LinkLayout, type WorldLayout } from '../layout.ts';

/** What may be broken. `place` of a crash or a freeze may also be one node. */
export type FaultSpec =
  | { readonly kind: 'crash' | 'freeze'; readonly place: PlaceId | NodeId }
  /** The place lives on, cut off from everybody: bytes pause, connections stay open, new ones hang. */
  | { readonly kind: 'blackhole'; readonly place: PlaceId }
  | { readonly kind: 'cut'; readonly how: 'full' | 'store' | 'replication'; readonly place: PlaceId }
  /** `one-way`: `from` can open no connection to `to`, and those that it opened carry nothing. */
  | { readonly kind: 'cut'; readonly how: 'pair' | 'one-way'; readonly from: PlaceId; readonly to: PlaceId }
  | { readonly kind: 'slow-link'; readonly from: PlaceId; readonly to: PlaceId; readonly extraDelayMs: number }
  /** Commits hang and everything else answers. */
  | { readonly kind: 'wedge'; readonly place: PlaceId }
  /** The wall clocks of a place's processes are off; PostgreSQL has the machine's. */
  | { readonly kind: 'clock-skew'; readonly place: PlaceId; readonly byMs: number }
  | DiskSpec;

/** `slow-disk`: every flush below the PostgreSQL of a place or node takes `delayMs` longer. `disk-full`: its writes get ENOSPC. */
export type DiskSpec =
  | { readonly kind: 'slow-disk'; readonly place: PlaceId | NodeId; readonly delayMs: number }
  | { readonly kind: 'disk-full'; readonly place: PlaceId | NodeId };

/** A stop that is short and of a part only: one process by its name, or the PostgreSQL of a place. */
export type PauseSpec =
  | { readonly kind: 'pause'; readonly process: string }
  | { readonly kind: 'pause'; readonly postgresOf: PlaceId | NodeId };

/** Also what a drill does to a single link or process. */
export type AnySpec =
  | FaultSpec
  | PauseSpec
  | ({ readonly kind: 'link'; readonly from: PlaceId; readonly to: PlaceId } & LinkFault);

/** One link and what is done to it; null for faults of processes. */
export interface LinkTarget {
  readonly link: LinkLayout;
  readonly fault: LinkFault;
}

const CUT: LinkFault = { state: 'cut', extraDelayMs: 0 };
type Layout = Pick<WorldLayout, 'links' | 'places' | 'processes'>;

/** The links that a fault concerns; empty for faults of processes. Throws FSH_USAGE when what it names does not exist. */
export function linksOf(layout: Layout, spec: AnySpec): readonly LinkTarget[] {
  const between = (from: PlaceId, to: PlaceId) => layout.links.filter((it) => it.from === from && it.to === to);
  const touching = (place: PlaceId) => layout.links.filter((it) => it.from === place || it.to === place);
  const all = (links: readonly LinkLayout[], fault: LinkFault) =>
    mustHave(links, spec).map((link) => ({ link, fault }));
  switch (spec.kind) {
    case 'crash':
    case 'freeze':
    case 'pause':
    case 'wedge':
    case 'slow-disk':
    case 'disk-full':
    case 'clock-skew':
      return [];
    case 'blackhole':
      return all(touching(spec.place), CUT);
    case 'slow-link': {
      const { from, to, extraDelayMs } = spec;
      return all([...between(from, to), ...between(to, from)], { state: 'up', extraDelayMs });
    }
    case 'link': {
      const { kind: _, from, to, ...fault } = spec;
      return all(between(from, to), fault);
    }
    case 'cut':
      if ('from' in spec) {
        const back = spec.how === 'pair' ? between(spec.to, spec.from) : [];
        return all([...between(spec.from, spec.to), ...back], CUT);
      }
      return spec.how === 'full' ? all(touching(spec.place), CUT) : cutServices(touching(spec.place), spec);
  }
}

/** Only these services of the links are cut; every other byte goes on. */
function cutServices(links: readonly LinkLayout[], spec: Extract<FaultSpec, { readonly kind: 'cut' }>) {
  const names = spec.how === 'store' ? ['store', 'storePeer'] : ['postgres'];
  const found = links.flatMap((link) => {
    const services = names.filter((name) => nearOf(link, name) !== null);
    return services.length === 0 ? [] : [{ link, fault: { ...CUT, services } }];
  });
  mustHave(found, spec);
  return found;
}

/** Where a process of `link.from` reaches a service of `link.to`; null when this link does not carry it. */
export function nearOf(link: LinkLayout, service: string): number | null {
  const near: Readonly<Record<string, number | undefined>> = link.near;
  if (near[service] !== undefined) return near[service] ?? null;
  for (const node of Object.values(link.nearNodes)) {
    const ports: Readonly<Record<string, number | undefined>> = node;
    if (ports[service] !== undefined) return ports[service] ?? null;
  }
  return null;
}

function mustHave<T>(links: readonly T[], spec: AnySpec): readonly T[] {
  if (links.length > 0) return links;
  const where = whereOf(spec);
  throw new FarshoreError('FSH_USAGE', `${where} has no link that ${spec.kind} could touch; nothing was changed`);
}

/** What a fault takes for itself: two faults that share a key would undo each other. Throws FSH_USAGE for what does not exist. */
export function keysOf(layout: Layout, spec: AnySpec): readonly string[] {
  const links = linksOf(layout, spec);
  if (links.length > 0)
    return links.flatMap(({ link, fault }) =>
      (fault.services ?? ['*']).map((service) => `link ${link.from} → ${link.to} ${service}`),
    );
  if (spec.kind === 'pause') return pauseKeys(layout, spec);
  if (!('place' in spec)) return [];
  if (!layout.processes.some((it) => isPartOf(it, spec.place)))
    throw new FarshoreError('FSH_USAGE', `${spec.place} is no place or node of this world; nothing was changed`);
  return [spec.kind === 'clock-skew' ? `clock ${spec.place}` : processesKey(layout, spec.place)];
}

/** A link's relay belongs to no place; what a place has once, as its store, to no node. */
function pauseKeys(layout: Layout, spec: PauseSpec): readonly string[] {
  if ('postgresOf' in spec) return [processesKey(layout, spec.postgresOf)];
  const plan = layout.processes.find((it) => it.name === spec.process);
  if (plan === undefined)
    throw new FarshoreError('FSH_USAGE', `${spec.process} is no process of this world; nothing was changed`);
  if (plan.node !== null) return [processesKey(layout, plan.node)];
  return [plan.place === null ? `process ${plan.name}` : `processes ${plan.place} (${plan.name})`];
}

/** A place has its nodes: `processes aws:a *` covers `processes aws:a n1`. */
function processesKey({ places, processes }: Layout, target: PlaceId | NodeId): string {
  const isPlace = places.some((it) => it.id === target) || processes.some((it) => it.place === target);
  if (isPlace) return `processes ${target} *`;
  const place = placeOf(target as NodeId);
  return `processes ${place} ${target.slice(place.length + 1)}`;
}

/** `*` is every service of its link, or everything of its place. */
export const overlap = (a: readonly string[], b: readonly string[]): boolean =>
  a.some((one) => b.some((other) => one === other || covers(one, other) || covers(other, one)));

const covers = (one: string, other: string): boolean => one.endsWith(' *') && other.startsWith(one.slice(0, -1));

/** `blackhole aws:eu-west-1`, `cut pair a → b`. */
export function describe(spec: AnySpec): string {
  const where = whereOf(spec);
  return spec.kind === 'cut' ? `cut ${spec.how} ${where}` : `${spec.kind} ${where}`;
}

function whereOf(spec: AnySpec): string {
  if ('place' in spec) return spec.place;
  if ('process' in spec) return spec.process;
  return 'postgresOf' in spec ? `PostgreSQL of ${spec.postgresOf}` : `${spec.from} → ${spec.to}`;
}
