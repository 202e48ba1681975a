import type { PlaceId } from '../../base/ids.ts';
import { type Address, canonical } from '../../base/address.ts';
import { clientKey } from '../../decide/routing/hash.ts';
import { compileGeo, type GeoClasses, type GeoRows, type GeoTable } from '../../decide/routing/geo-table.ts';
import { Router } from '../../decide/routing/router.ts';
import type { Route, RoutingWorld } from '../../decide/routing/world.ts';
import type { GeoOverride } from '../../ports/routing.ts';
import type { Compass } from './respond.ts';

/** Answers of single clients that are kept; weights and shares draw for each network alone. */
const DRAWN_MAX = 65_536;
/** As many bits as `clientKey` looks at: clients that share them draw alike. */
const KEY_BITS = { 4: 24, 6: 48 } as const;

/**
 * The one routing decision, laid out for every address: at each change of table or health each place is decided once, and
 * networks of places with the same answer become one. A packet then costs one look-up. Where the decision also depends on the
 * client (weights, a share that grows), it is asked per network, and its answers are kept until the next change.
 */
export class PlaceCompass implements Compass {
  readonly #regions: readonly PlaceId[];
  readonly #rows: GeoRows;
  #geo: GeoTable;
  #overrides = '[]';
  #router: Router | null = null;
  #classes: GeoClasses | null = null;
  readonly #drawn = new Map<number, number>();

  /** @param regions in the order of the configuration */
  constructor(regions: readonly PlaceId[], rows: GeoRows) {
    this.#regions = regions;
    this.#rows = rows;
    this.#geo = compileGeo(rows, []);
  }

  /** When the decision changes though nothing happens; infinite while nothing of that is under way. */
  get untilMs(): number {
    return this.#router?.untilMs ?? Number.POSITIVE_INFINITY;
  }

  /** Takes over what is known now. Before the first table there is nothing: then it is not known where anybody may be led. */
  turn(world: RoutingWorld | null): void {
    if (world === null) return;
    this.#locate(world.table.routing?.geolocation.overrides ?? []);
    const router = new Router({ ...world, leaders: this.#router?.leaders ?? world.leaders });
    this.#router = router;
    this.#drawn.clear();
    const { places } = this.#geo;
    this.#classes = this.#geo.merged((code) => {
      const place = places[code];
      const same = place === undefined ? null : router.sameFor(place);
      return same === null ? this.#perClient + code : this.#indexOf(same);
    });
  }

  lead(client: Address): number {
    const index = this.#classes?.classOf(client) ?? this.#unknown;
    return index < this.#perClient ? index : this.#draw(index - this.#perClient, client);
  }

  scopeOf(client: Address): number {
    if (this.#classes === null) return 0;
    const scope = this.#classes.scopeOf(client);
    const isDrawn = this.#classes.classOf(client) >= this.#perClient;
    return isDrawn ? Math.max(scope, KEY_BITS[canonical(client).family]) : scope;
  }

  /** Indexes after those of the regions: nobody, not known yet, and from here on places whose clients draw. */
  get #unknown(): number {
    return this.#regions.length + 1;
  }

  get #perClient(): number {
    return this.#regions.length + 2;
  }

  #draw(code: number, client: Address): number {
    const key = clientKey(canonical(client));
    const id = code * 2 ** 32 + key;
    const drawn = this.#drawn.get(id);
    if (drawn !== undefined) return drawn;
    const place = this.#geo.places[code];
    if (place === undefined || this.#router === null) return this.#unknown;
    const route = this.#router.route({ method: 'read', place, key, pinned: null, canary: false });
    const index = this.#indexOf(route);
    if (this.#drawn.size >= DRAWN_MAX) this.#drawn.clear();
    this.#drawn.set(id, index);
    return index;
  }

  /** A region of the table that this server has no address for is passed over. */
  #indexOf({ candidates }: Route): number {
    for (const region of candidates) {
      const index = this.#regions.indexOf(region);
      if (index !== -1) return index;
    }
    return this.#regions.length;
  }

  /** Networks that operators placed themselves come with the table; laying them out takes a while, so only when they differ. */
  #locate(overrides: readonly GeoOverride[]): void {
    const text = JSON.stringify(overrides);
    if (text === this.#overrides) return;
    this.#overrides = text;
    this.#geo = compileGeo(this.#rows, overrides);
  }
}
