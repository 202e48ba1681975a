import { type PlaceId, placeId } from '../../base/ids.ts';
import type { Verdict } from './detector.ts';

/** What one observer sees of the regions, as it tells the others. Small: it is written to the store every two seconds. */
export interface View {
  /** Which plane: `dns aws:eu-north-1 7803`. */
  readonly observer: string;
  /** Where it stands. */
  readonly place: PlaceId;
  readonly regions: Readonly<Record<string, Sight>>;
  /** Regions that told it that they can't write. Absent: it does not ask. */
  readonly readOnly?: readonly PlaceId[];
}
type Sight = 'up' | 'down' | 'unknown';

const SIGHTS = { healthy: 'up', unhealthy: 'down', unknown: 'unknown' } as const;

export const viewOf = (observer: string, place: PlaceId, own: ReadonlyMap<PlaceId, Verdict>): View => ({
  observer,
  place,
  regions: Object.fromEntries([...own].map(([region, { state }]) => [region, SIGHTS[state]])),
});

/** One that sees more than half of the regions down, and more than one, has more likely lost its own network. */
export function abstains({ regions }: View): boolean {
  const all = Object.values(regions);
  const down = all.filter((sight) => sight === 'down').length;
  return down > 1 && 2 * down > all.length;
}

const CHARS_MAX = 8_192;

/** A view from the store; null for anything else, also for one of a newer form. */
export function parseView(text: string): View | null {
  if (text.length > CHARS_MAX) return null;
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof raw !== 'object' || raw === null || !('observer' in raw) || !('place' in raw) || !('regions' in raw)) {
    return null;
  }
  const { observer, place, regions } = raw;
  if (typeof observer !== 'string' || typeof place !== 'string') return null;
  if (typeof regions !== 'object' || regions === null) return null;
  const sights: Record<string, Sight> = {};
  for (const [region, sight] of Object.entries(regions)) {
    if (sight !== 'up' && sight !== 'down' && sight !== 'unknown') return null;
    sights[region] = sight;
  }
  const readOnly = 'readOnly' in raw ? raw.readOnly : undefined;
  if (readOnly === undefined) return { observer, place: placeId(place), regions: sights };
  if (!Array.isArray(readOnly) || !readOnly.every((id) => typeof id === 'string')) return null;
  return { observer, place: placeId(place), regions: sights, readOnly: readOnly.map(placeId) };
}
