import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { FarshoreError } from '../base/errors.ts';
import { nodeId, type PlaceId, slug } from '../base/ids.ts';
import type { Deployment } from '../spec/deployment.ts';
import { dataNodesOf, type NodeLayout, type PlaceLayout, type WorldLayout } from './layout.ts';

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
  if (place.ports.store === undefined || namesStore(deployment, place.id)) return null;
  const folder = join(saved.stateDir, 'store', slug(place.id));
  return holdsFiles(folder) ? `the store of ${place.id} (${folder})` : null;
}

const namesNode = (deployment: Deployment, node: NodeLayout): boolean =>
  deployment.regions.some((region) => region.nodes.some((name) => nodeId(region.id, name) === node.id));

const namesStore = (deployment: Deployment, id: PlaceId): boolean =>
  deployment.sites.some((site) => site.id === id && site.store);

/** What cannot be read counts as data: only a folder that is surely empty, or not there, holds none. */
function holdsFiles(folder: string): boolean {
  try {
    return readdirSync(folder).length > 0;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ENOENT');
  }
}
