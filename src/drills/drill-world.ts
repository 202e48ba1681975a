import type { NodeId, PlaceId } from '../base/ids.ts';
import { assert } from '../base/result.ts';
import type { PlaceLayout, WorldLayout } from '../world/layout.ts';

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
  const { node, ports, postgresRunDir } = place;
  assert(node !== null && postgresRunDir !== null, `${place.id} has PostgreSQL`);
  assert(ports.rw !== undefined && ports.postgres !== undefined, `${place.id} has its doors`);
  const keeper = layout.processes.find((plan) => plan.place === place.id && plan.kind === 'keeper');
  assert(keeper !== undefined, `${place.id} has a keeper`);
  return {
    id: place.id,
    node,
    rwPort: ports.rw,
    edgePort: ports.edge ?? null,
    postgres: { socketDir: postgresRunDir, port: ports.postgres },
    postgresLogPath: keeper.logPath.replace(/keeper\.log$/, 'postgres.log'),
  };
}
