import { FarshoreError } from '../base/errors.ts';
import type { PlaceId } from '../base/ids.ts';
import { nearestRegion } from '../spec/nearest.ts';
import type { PlaceLayout } from '../world/layout.ts';

/** A region by its id or its name without the provider. Throws FSH_USAGE with the one that was probably meant. */
export function regionNamed(places: readonly Pick<PlaceLayout, 'id' | 'data'>[], word: string | undefined): PlaceId {
  const regions = places.filter((place) => place.data).map((place) => place.id);
  const list = regions.join(', ');
  const exact = places.find(({ id }) => id === word || id.slice(id.indexOf(':') + 1) === word);
  if (exact?.data === false)
    throw new FarshoreError(
      'FSH_USAGE',
      `${exact.id} is a site, not a region: it holds no data and cannot be killed here; regions are ${list}`,
    );
  if (exact !== undefined) return exact.id;
  const meant = word === undefined ? null : nearestRegion(word, regions);
  throw new FarshoreError('FSH_USAGE', `which region? ${meant === null ? `one of ${list}` : `did you mean ${meant}?`}`);
}
