import { type PlaceId, placeId } from '../../base/ids.ts';

/** Round trips to regions as a client measured them itself, in milliseconds. */
export type ToldRoundTrips = ReadonlyMap<PlaceId, number>;

const CHARS_MAX = 1_024;
const REGIONS_MAX = 32;
const MS_MAX = 10_000;

/** Reads `aws:eu-west-1=12, aws:us-east-1=95.5`. Null: nothing that can be believed, or nothing at all. */
export function parseToldRoundTrips(text: string | undefined): ToldRoundTrips | null {
  if (text === undefined || text.length > CHARS_MAX) return null;
  const words = text.split(',');
  if (words.length > REGIONS_MAX) return null;
  const told = new Map<PlaceId, number>();
  for (const word of words) {
    const [, region = '', ms] = /^\s*([a-z0-9:.-]{1,64})=(\d{1,5}(?:\.\d{1,3})?)\s*$/.exec(word) ?? [];
    if (ms === undefined || Number(ms) > MS_MAX) return null;
    told.set(placeId(region), Number(ms));
  }
  return told;
}
