import type { NodeId } from '../../base/ids.ts';
import { because, type Reason } from '../../base/reason.ts';
import type { SyncRecord } from '../../ports/records.ts';
import type { Observation } from './observation.ts';
import { isDetachable } from './suspicion.ts';

/**
 * R8: why the data of this standby must stay until a copy of the primary is whole here; null when it may go first. `record`: read for this. A recorded name keeps
 * what it flushed (P3.2): it may be the only one that has it beside the primary.
 */
export function whyKept(o: Observation, record: SyncRecord): Reason | null {
  if (record.names.includes(o.me))
    return because(
      'recorded',
      `this node is in the record, and may be the only one beside ${record.primary} that has what was confirmed (P3.2)`,
    );
  // Two that are behind alike must not both go because of each other: one that is not recorded counts for those after it only.
  const { dataNodes } = o.policy;
  const counts = (node: NodeId): boolean =>
    record.names.includes(node) || dataNodes.indexOf(node) < dataNodes.indexOf(o.me);
  const other = dataNodes.find(
    (node) => node !== o.me && node !== record.primary && counts(node) && isDetachable(o, node),
  );
  return other === undefined
    ? because('last-copy', `nobody else beside ${record.primary} is heard to have the data`)
    : null;
}
