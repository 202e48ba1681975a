import type { PlaceId } from '../../base/ids.ts';
import type { Compass } from './respond.ts';

/**
 * A compass that is turned by whoever decides. Before the first decision it points nowhere (the server then answers SERVFAIL, and
 * resolvers ask another one): a server that has just started must not tell everybody that there is no address.
 */
export class TurnedCompass implements Compass {
  readonly #regions: readonly PlaceId[];
  #index: number;

  /** @param regions in the order of the configuration */
  constructor(regions: readonly PlaceId[]) {
    this.#regions = regions;
    this.#index = regions.length + 1;
  }

  /** `to`: the regions that a client may use, best first; null: not known. */
  turn(to: readonly PlaceId[] | null): void {
    const known = to?.filter((region) => this.#regions.includes(region));
    const [first] = known ?? [];
    this.#index = first !== undefined ? this.#regions.indexOf(first) : this.#regions.length + (to === null ? 1 : 0);
  }

  lead(): number {
    return this.#index;
  }

  scopeOf(): number {
    return 0;
  }
}
