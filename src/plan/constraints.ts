import type { PlaceId } from '../base/ids.ts';

/** Constraints by name, as they can be left out one at a time. */
export const CONSTRAINTS = [
  'latency',
  'worstLoss',
  'budget',
  'syncWithin',
  'minSeparation',
  'hazards',
  'residency',
  'law',
  'providers',
  'ban',
  'pin',
  'services',
  'carbon',
] as const;
export type Constraint = (typeof CONSTRAINTS)[number];

/** Why a region was not even looked at. */
export interface Rejection {
  readonly region: PlaceId;
  readonly constraint: Constraint | 'regions';
  readonly why: string;
  /** What would let it in. */
  readonly admit: string;
}
