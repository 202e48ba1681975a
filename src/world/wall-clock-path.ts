import { type PlaceId, slug } from '../base/ids.ts';
import type { WorldLayout } from './layout.ts';

/** Where a fault says how far the wall clocks of a place are off; no file, no fault. */
export const wallClockPath = ({ runDir }: Pick<WorldLayout, 'runDir'>, place: PlaceId): string =>
  `${runDir}/wall-clock-${slug(place)}`;
