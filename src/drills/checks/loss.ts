import type { LedgerRow } from '../ledger.ts';

/** What one node holds in the end: every row id of the drill, with how many times it is there. */
export interface NodeContents {
  readonly node: string;
  readonly isPrimary: boolean;
  readonly counts: ReadonlyMap<string, number>;
}

export interface Loss {
  readonly acknowledged: number;
  /** Acknowledged and not on the surviving timeline (the present primary). */
  readonly lost: readonly string[];
  /** On the primary, but missing on a node that had caught up: the copies differ. */
  readonly missing: readonly { readonly node: string; readonly ids: readonly string[] }[];
  /** On a standby, and not on the primary: it is not a copy, but another branch of history (I10). */
  readonly extra: readonly { readonly node: string; readonly ids: readonly string[] }[];
  /** Outcome unknown to the client, and there. */
  readonly recovered: number;
  /** There, and never attempted, or certainly not carried out according to the client. */
  readonly phantom: readonly string[];
  readonly duplicates: readonly string[];
  /** Lost although a write of the same reign that began after its acknowledgement was kept: never just a lagging replica. */
  readonly holes: readonly string[];
  /** From the earliest lost acknowledgement to the last one, or to t0; 0 when nothing was lost. */
  readonly exposureMs: number;
}

/**
 * Compares what clients were told with what every node holds. `writes` are the attempts of one table; `complete` is false
 * when the ledger's end is missing: then a row without an attempt is no phantom. `mayLose`: the deployment promises no RPO 0.
 */
export function lossOf(
  writes: readonly LedgerRow[],
  nodes: readonly NodeContents[],
  t0Ms: number,
  complete: boolean,
  mayLose = false,
): Loss {
  const primary = nodes.find((node) => node.isPrimary);
  if (primary === undefined) throw new Error('no node was read as the primary');
  const acknowledged = writes.filter((row) => row.outcome === 'ok');
  const lostRows = acknowledged.filter((row) => !primary.counts.has(row.id));
  const possible = new Set(writes.filter((row) => row.outcome !== 'fail').map((row) => row.id));
  const attempted = new Set(writes.map((row) => row.id));
  const isPhantom = (id: string) => !possible.has(id) && (complete || attempted.has(id));
  const everywhere = new Set(nodes.flatMap((node) => [...node.counts.keys()]));
  const lostAtMs = lostRows.map((row) => row.doneMs);
  return {
    acknowledged: acknowledged.length,
    lost: lostRows.map((row) => row.id),
    missing: differences(nodes, primary, (node) => lackingIn(node, primary)),
    extra: differences(nodes, primary, (node) => lackingIn(primary, node)),
    recovered: writes.filter((row) => row.outcome === 'info' && primary.counts.has(row.id)).length,
    phantom: [...everywhere].filter(isPhantom),
    duplicates: [...everywhere].filter((id) => nodes.some((node) => (node.counts.get(id) ?? 0) > 1)),
    holes: holesAmong(mayLose ? acknowledged.filter(isOfOneReign(t0Ms)) : acknowledged, lostRows, primary, t0Ms),
    exposureMs: lostRows.length === 0 ? 0 : Math.max(t0Ms, ...lostAtMs) - Math.min(...lostAtMs),
  };
}

const lackingIn = (node: NodeContents, other: NodeContents): readonly string[] =>
  [...other.counts.keys()].filter((id) => !node.counts.has(id));

const differences = (
  nodes: readonly NodeContents[],
  primary: NodeContents,
  of: (node: NodeContents) => readonly string[],
): Loss['missing'] =>
  nodes
    .filter((node) => node !== primary)
    .map((node) => ({ node: node.node, ids: of(node) }))
    .filter((entry) => entry.ids.length > 0);

/** Where a lost primary may have gone on acknowledging, an answer after t0 that names no timeline may be of either reign. */
const isOfOneReign =
  (t0Ms: number) =>
  (row: LedgerRow): boolean =>
    row.timeline !== null || row.doneMs <= t0Ms;

/** Writes of different sessions commit in any order, so only a kept write that began after the lost one's answer proves a hole. */
function holesAmong(
  acknowledged: readonly LedgerRow[],
  lost: readonly LedgerRow[],
  primary: NodeContents,
  t0Ms: number,
): readonly string[] {
  const reignOf = (row: LedgerRow): string =>
    row.timeline === null ? `before:${row.doneMs <= t0Ms}` : `${row.timeline}`;
  const lastKeptStart = new Map<string, number>();
  for (const row of acknowledged) {
    if (!primary.counts.has(row.id) || row.sentMs === null) continue;
    const reign = reignOf(row);
    lastKeptStart.set(reign, Math.max(lastKeptStart.get(reign) ?? row.sentMs, row.sentMs));
  }
  return lost.filter((row) => (lastKeptStart.get(reignOf(row)) ?? row.doneMs) > row.doneMs).map((row) => row.id);
}
