import type { NodeId, PlaceId } from '../base/ids.ts';
import { assert } from '../base/result.ts';
import { type DataNodeLayout, dataNodesOf, type PlaceLayout, type WorldLayout } from '../world/layout.ts';

/** A data region as a drill uses it: its doors, its agent, and its PostgreSQL for the final reads. */
export interface DrillRegion {
  readonly id: PlaceId;
  readonly node: NodeId;
  readonly rwPort: number;
  /** Null when the deployment has no application. */
  readonly edgePort: number | null;
  readonly postgres: { readonly socketDir: string; readonly port: number };
  readonly postgresLogPath: string;
}

/** Each region with its first node: where clients go. */
export const drillRegions = (layout: WorldLayout): readonly DrillRegion[] =>
  drillNodes(layout).filter((it, i, all) => all.findIndex((other) => other.id === it.id) === i);

/** Each node with the doors of its region: what is read in the end. */
export const drillNodes = (layout: WorldLayout): readonly DrillRegion[] =>
  layout.places.flatMap((place) => dataNodesOf(place).map((node) => nodeOf(layout, place, node)));

function nodeOf(layout: WorldLayout, place: PlaceLayout, node: DataNodeLayout): DrillRegion {
  const keeper = layout.processes.find((plan) => plan.node === node.id && plan.kind === 'keeper');
  assert(keeper !== undefined, `${node.id} has a keeper`);
  return {
    id: place.id,
    node: node.id,
    rwPort: node.ports.rw,
    edgePort: place.ports.edge ?? null,
    postgres: { socketDir: node.postgresRunDir, port: node.ports.postgres },
    postgresLogPath: keeper.logPath.replace(/keeper\.log$/, 'postgres.log'),
  };
}
