import type { PlaceId } from '../../base/ids.ts';

/** The only audience, when everybody is treated alike: it needs no look at the client. */
export const EVERYBODY = 'all';

/** Backends and keys of the map that other code speaks about. A server is named after its region. */
export const READS = 'reads';
/** Behind the name of the backend for reads. */
export const LAST_RESORT = '-last-resort';
/** Behind the name of an audience: those of it who ask for the canary. */
export const CANARY = '-canary';
/** What the map says while nobody may accept writes, and when residency allows none. */
export const NOBODY = 'none';
export const FENCED = 'fenced';

export const readsOf = (audience: string): string => (audience === EVERYBODY ? READS : `${READS}-${audience}`);
export const primaryKey = (audience: string): string => (audience === EVERYBODY ? 'primary' : `primary-${audience}`);
export const writesTo = (region: PlaceId | typeof FENCED): string => `writes-${region}`;
