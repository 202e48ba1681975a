import { createHash } from 'node:crypto';
import { type NodeId, parseNodeId, slug } from '../../base/ids.ts';
import type { SyncList } from '../../ports/database.ts';

/** PostgreSQL cuts application_name to 63 bytes without an error, and a cut name would match the wrong standby. */
const MAX_NAME_BYTES = 63;

/** `main-aws-eu-west-1-n1-e12` (P10.2): an old reign's standby never matches a new reign's list. Long ones end in a hash. */
export function applicationName(group: string, node: NodeId, epoch: number): string {
  const suffix = `-e${epoch}`;
  const stem = slug(`${group}-${node}`);
  if (stem.length + suffix.length <= MAX_NAME_BYTES) return stem + suffix;
  const hash = createHash('sha256').update(`${group} ${node}`).digest('hex').slice(0, 10);
  return `${stem.slice(0, MAX_NAME_BYTES - suffix.length - 11)}-${hash}${suffix}`;
}

/** Back from an application_name to the member and epoch; null when no member has this name. */
export function parseApplicationName(
  group: string,
  members: readonly NodeId[],
  name: string,
): { readonly node: NodeId; readonly epoch: number } | null {
  const epoch = Number(/-e(\d+)$/.exec(name)?.[1] ?? Number.NaN);
  if (!Number.isSafeInteger(epoch)) return null;
  const node = members.find((member) => applicationName(group, member, epoch) === name);
  return node === undefined ? null : { node, epoch };
}

/** The value of `synchronous_standby_names`. Nobody to wait for is the empty text. */
export function renderSyncList(group: string, list: SyncList): string {
  if (list.w === 0) return '';
  return `ANY ${list.w} (${list.names.map((node) => `"${applicationName(group, node, list.epoch)}"`).join(',')})`;
}

/**
 * Reads `synchronous_standby_names` back. `epochWhenEmpty` stands in when the list is empty and so names none.
 * A name that belongs to no member stays in the list as it is: no record covers it (P4.1), so it is noticed.
 */
export function parseSyncList(
  group: string,
  members: readonly NodeId[],
  text: string,
  epochWhenEmpty: number,
): SyncList {
  if (text.trim() === '') return { epoch: epochWhenEmpty, w: 0, names: [] };
  const match = /^\s*(?:(?:ANY|FIRST)\s+)?(\d+)\s*\((.*)\)\s*$/i.exec(text);
  const names = (match?.[2] ?? text).split(',').map((name) => name.trim().replace(/^"(.*)"$/, '$1'));
  const parsed = names.map((name) => parseApplicationName(group, members, name));
  return {
    epoch: parsed.find((member) => member !== null)?.epoch ?? epochWhenEmpty,
    w: Number(match?.[1] ?? 1),
    // A name of another reign than the first one's is foreign to this list, and kept as it stands.
    names: names.map((name, i) => {
      const member = parsed[i];
      const sameReign = member?.epoch === parsed.find((other) => other !== null)?.epoch;
      return member !== null && member !== undefined && sameReign ? member.node : parseNodeId(name);
    }),
  };
}
