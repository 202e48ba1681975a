import type { PlaceId } from '../../base/ids.ts';
import { FRESH_FOR_MS, type Peer } from '../../decide/health/agreement.ts';
import { abstains, type View } from '../../decide/health/view.ts';

/** Who looks at the regions, as one plane hears them: in the status of edge and DNS. */
export interface ObserversStatus {
  /** Since most observers could not be heard: regions stay what they were. Null while they are, and for a plane alone. */
  readonly heldForMs: number | null;
  readonly all: readonly {
    readonly observer: string;
    readonly place: PlaceId;
    /** Null: this plane itself. */
    readonly heardAgoMs: number | null;
    /** `abstains`: it sees more than half of all regions down. `missing`: it was not heard lately. */
    readonly state: 'votes' | 'abstains' | 'missing';
    readonly regions: View['regions'];
  }[];
}

export function observersStatus(
  own: View,
  peers: readonly Peer[],
  heldSinceMs: number | null,
  nowMs: number,
): ObserversStatus {
  const shown = (view: View, heardAgoMs: number | null) => {
    const isMissing = heardAgoMs !== null && heardAgoMs > FRESH_FOR_MS;
    const state = isMissing ? ('missing' as const) : abstains(view) ? ('abstains' as const) : ('votes' as const);
    return { observer: view.observer, place: view.place, heardAgoMs, state, regions: view.regions };
  };
  return {
    heldForMs: heldSinceMs === null ? null : Math.round(nowMs - heldSinceMs),
    all: [shown(own, null), ...peers.map(({ view, heardAtMs }) => shown(view, Math.round(nowMs - heardAtMs)))],
  };
}
