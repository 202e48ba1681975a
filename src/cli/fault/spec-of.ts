import { FarshoreError } from '../../base/errors.ts';
import type { NodeId, PlaceId } from '../../base/ids.ts';
import { nearest } from '../../spec/nearest.ts';
import { FAULT_KINDS } from '../../world/faults/kinds.ts';
import type { FaultSpec } from '../../world/faults/spec.ts';
import type { PlaceLayout } from '../../world/layout.ts';

type Places = readonly { readonly id: PlaceId; readonly nodes: readonly Pick<PlaceLayout['nodes'][number], 'id'>[] }[];

/** What `--delay` is when nobody says. */
const LINK_DELAY_MS = 50;
const DISK_DELAY_MS = 2_000;
const CLOCK_OFF_MS = 3_600_000;

/** What `--delay` and `--by` say; null when nobody does. */
interface Sizes {
  readonly delayMs: number | null;
  readonly byMs: number | null;
}

/** The fault that a person typed: `blackhole eu-west-1`, `cut pair A B`. Throws FSH_USAGE. */
export function specOf(words: readonly string[], { delayMs, byMs }: Sizes, places: Places): FaultSpec {
  const [kind = '', ...rest] = words;
  refuseUnknown(kind);
  const [first, second] = rest;
  switch (kind) {
    case 'crash':
    case 'freeze':
    case 'disk-full':
      return { kind, place: placeOrNode(places, first) };
    case 'blackhole':
    case 'wedge':
      return { kind, place: placeNamed(places, first) };
    case 'clock-skew':
      return { kind, place: placeNamed(places, first), byMs: byMs ?? CLOCK_OFF_MS };
    case 'slow-disk':
      return { kind, place: placeOrNode(places, first), delayMs: delayMs ?? DISK_DELAY_MS };
    case 'slow-link': {
      const extraDelayMs = delayMs ?? LINK_DELAY_MS;
      return { kind, from: placeNamed(places, first), to: placeNamed(places, second), extraDelayMs };
    }
    default:
      return cutOf(rest, places);
  }
}

/** `cut PLACE` is all of it. */
function cutOf([how, first, second]: readonly string[], places: Places): FaultSpec {
  switch (how) {
    case 'pair':
    case 'one-way':
      return { kind: 'cut', how, from: placeNamed(places, first), to: placeNamed(places, second) };
    case 'full':
    case 'store':
    case 'replication':
      return { kind: 'cut', how, place: placeNamed(places, first) };
    default:
      return { kind: 'cut', how: 'full', place: placeNamed(places, how) };
  }
}

function refuseUnknown(kind: string): void {
  const kinds = [...new Set(FAULT_KINDS.map((it) => it.kind))];
  if (kinds.includes(kind)) return;
  const meant = nearest(kind, kinds);
  const hint = meant === null ? `there are ${kinds.join(', ')}` : `did you mean ${meant}?`;
  throw new FarshoreError('FSH_USAGE', kind === '' ? `which fault? ${hint}` : `there is no fault "${kind}"; ${hint}`);
}

function placeOrNode(places: Places, word: string | undefined): PlaceId | NodeId {
  const node = places.flatMap((place) => place.nodes).find(({ id }) => id === word || bare(id) === word);
  return node?.id ?? placeNamed(places, word);
}

/** A place by its id or its name without the provider; sites too. */
function placeNamed(places: Places, word: string | undefined): PlaceId {
  const found = places.find(({ id }) => id === word || bare(id) === word);
  if (found !== undefined) return found.id;
  const ids = places.map(({ id }) => id);
  const names = [...ids, ...ids.map(bare)];
  const meant = word === undefined ? null : nearest(word, names);
  const hint = meant === null ? `one of ${ids.join(', ')}` : `did you mean ${meant}?`;
  throw new FarshoreError('FSH_USAGE', `which place? ${hint}`);
}

const bare = (id: string): string => id.slice(id.indexOf(':') + 1);
