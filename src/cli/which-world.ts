import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FarshoreError } from '../base/errors.ts';
import { type World, openWorld } from '../world/open.ts';
import { defaultStateDir } from '../world/prepare.ts';

/** The deployment that `demo` runs. */
export const demoSpecPath = (): string => fileURLToPath(new URL('../../examples/global.yaml', import.meta.url));

/**
 * The world that a verb without a file means: `--state DIR`, else `.farshore` here, else the demo's.
 * Throws FSH_NOT_RUNNING with the places where it looked.
 */
export function selectWorld(stateDir: string | undefined): World {
  if (stateDir !== undefined) return openWorld(resolve(stateDir));
  const places = [resolve('.farshore'), defaultStateDir(demoSpecPath())];
  const found = places.find((place) => existsSync(join(place, 'world.json')));
  if (found !== undefined) return openWorld(found);
  throw new FarshoreError('FSH_NOT_RUNNING', `there is no world in ${places.join(' or ')}; --state DIR names another`);
}
