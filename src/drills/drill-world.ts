import type { NodeId, PlaceId } from '../base/ids.ts';
import { assert } from '../base/result.ts';
import { dataNodesOf, type PlaceLayout, type WorldLayout } from '../world/layout.ts';

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

export const drillRegions = (layout: WorldLayout): readonly DrillRegion[] =>
  layout.places.filter((place) => place.data).map((place) => regionOf(layout, place));

function regionOf(layout: WorldLayout, place: PlaceLayout): DrillRegion {
  const [node] = dataNodesOf(place);
  assert(node !== undefined, `${place.id} has PostgreSQL`);
  const keeper = layout.processes.find((plan) => plan.node === node.id && plan.kind === 'keeper');
  assert(keeper !== undefined, `${place.id} has a keeper`);
  return {
    id: place.id,
    node: node.id,
    rwPort: node.ports.rw,
    edgePort: place.ports.edge ?? null,
    postgres: { socketDir: node.postgresRunDir, port: node.ports.postgres },
    postgresLogPath: keeper.logPath.replace(/keeper\.log$/, 'postgres.log'),
  };
}
