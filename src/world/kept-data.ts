import { readdirSync } from 'node:fs';
import { FarshoreError } from '../base/errors.ts';
import { nodeId } from '../base/ids.ts';
import { type Deployment, storePlaces } from '../spec/deployment.ts';
import { dataNodesOf, type NodeLayout, type PlaceLayout, type WorldLayout } from './layout.ts';
import { storeDirOf } from './store-layout.ts';

/**
 * A file that no longer names a place whose data is here would make a world without it, and acknowledged writes or the store's
 * epoch might be only there. Throws FSH_STATE_FOREIGN and changes nothing. A further region is no obstacle.
 */
export function refuseToForget(saved: WorldLayout, deployment: Deployment, specPath: string): void {
  for (const place of saved.places) {
    const forgotten = forgottenOf(saved, place, deployment);
    if (forgotten === null) continue;
    const what = `the world in ${saved.stateDir} holds ${forgotten}, which ${specPath} does not name; nothing was changed`;
    throw new FarshoreError('FSH_STATE_FOREIGN', what);
  }
}

function forgottenOf(saved: WorldLayout, place: PlaceLayout, deployment: Deployment): string | null {
  for (const node of dataNodesOf(place)) {
    if (!holdsFiles(node.dataDir) || namesNode(deployment, node)) continue;
    const renamed = deployment.regions.some((region) => region.id === place.id);
    return `data of ${renamed ? node.id : place.id} (${node.dataDir})`;
  }
  if (place.ports.store === undefined || sameStore(saved, deployment)) return null;
  const folder = storeDirOf(saved, place.id);
  return holdsFiles(folder) ? `the store of ${place.id} (${folder})` : null;
}

const namesNode = (deployment: Deployment, node: NodeLayout): boolean =>
  deployment.regions.some((region) => region.nodes.some((name) => nodeId(region.id, name) === node.id));

/** Other members are another store: it would begin without the epoch that this one holds. */
function sameStore(saved: WorldLayout, deployment: Deployment): boolean {
  const before = saved.places.filter((place) => place.ports.store !== undefined).map((place) => place.id);
  const now = storePlaces(deployment);
  return before.length === now.length && before.every((id) => now.includes(id));
}

/** What cannot be read counts as data: only a folder that is surely empty, or not there, holds none. */
function holdsFiles(folder: string): boolean {
  try {
    return readdirSync(folder).length > 0;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ENOENT');
  }
}
