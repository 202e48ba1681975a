import { parseNodeId, placeOf } from '../../base/ids.ts';
import type { WorldGlance } from '../../world/status.ts';
import type { Start } from './preflight.ts';

/**
 * Null when the group is as whole as at the start: ready, one node open, and everybody who confirmed or was the primary then is
 * one of the two now, in the record of the newest epoch. Otherwise what is missing. Agents alone are not enough: a region that
 * was cut off believes for a moment after the heal that nothing has happened.
 */
export function whyNotWhole({ state, why, answers, records }: WorldGlance, start: Start): string | null {
  if (state !== 'ready') return why.text;
  const open = answers.filter(({ last }) => last?.value.open === true).map(({ node }) => node);
  if (open.length !== 1) return `${open.length} nodes say that they are open`;
  if (records.kind !== 'done') return records.why;
  const { epoch, sync } = records.value;
  if (sync === null || epoch === null || sync.epoch !== epoch.n) return 'the record is not of the newest epoch';
  if (open[0] !== sync.primary) return `${open[0]} is open, the record says ${sync.primary}`;
  // The record names one node of a region (M6): another one of it may have taken the place.
  const back = new Set<string>([sync.primary, ...sync.names].map(placeOf));
  const missing = [start.primary.node, ...start.confirms].find((node) => !back.has(placeOf(parseNodeId(node))));
  return missing === undefined ? null : `${missing} does not confirm yet`;
}
