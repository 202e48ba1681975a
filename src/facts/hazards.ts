import type { PlaceId } from '../base/ids.ts';
import type { Facts } from './facts.ts';

export type HazardZone = Facts['hazards'][number];

const holds = (zone: HazardZone, region: PlaceId): boolean =>
  zone.members.some((member) => (member.endsWith('*') ? region.startsWith(member.slice(0, -1)) : member === region));

/** What can take a region down together with others, in the order of the pack. */
export const hazardZonesOf = (facts: Facts, region: PlaceId): readonly HazardZone[] =>
  facts.hazards.filter((zone) => holds(zone, region));

/** The zones that two regions are both in. */
export const sharedHazards = (facts: Facts, a: PlaceId, b: PlaceId): readonly HazardZone[] =>
  facts.hazards.filter((zone) => holds(zone, a) && holds(zone, b));
