import { createHash } from 'node:crypto';
import { haproxyConfig } from '../planes/haproxy/config-file.ts';
import { nobodyWrites } from '../planes/haproxy/map-file.ts';
import { nobodyServes } from '../planes/haproxy/state-file.ts';
import { placeMapsOf } from '../planes/haproxy/place-maps.ts';
import type { readGeoRows } from '../planes/geo/read-geo.ts';
import { assert } from '../base/result.ts';
import { slug } from '../base/ids.ts';
import type { EdgeConfig, HaproxyConfig } from '../ports/config.ts';
import { HOST, type PlaceLayout, type WorldLayout } from './layout.ts';

/** Which addresses are where; null: the policies need no database. */
export type Rows = Awaited<ReturnType<typeof readGeoRows>> | null;

interface TextFile {
  readonly path: string;
  readonly content: string;
}

interface HaproxyFiles {
  /** HAProxy's own configuration, and its maps from networks and countries. */
  readonly setup: TextFile;
  readonly maps: readonly TextFile[];
  /** Where HAProxy starts from, until its driver has a table. */
  readonly map: TextFile & { readonly keep: true };
  readonly states: TextFile & { readonly keep: true };
  readonly driver: HaproxyConfig;
}

/** The files of the HAProxy that stands beside a region's edge: it reaches the same regions over the same links. */
export function haproxyFiles(
  plan: Pick<WorldLayout, 'stateDir' | 'runDir' | 'policy'>,
  place: PlaceLayout,
  edge: EdgeConfig,
  rows: Rows,
): HaproxyFiles {
  const { haproxy: port, haproxyAgent: agentPort } = place.ports;
  assert(port !== undefined && agentPort !== undefined, 'a place with a HAProxy has its ports');
  const fileOf = (kind: string): string => `${plan.stateDir}/config/${slug(place.id)}-haproxy${kind}`;
  const { deployment, group, storeUrls, storeKind, secretsPath, upstreams, healthPath } = edge;
  const { routing = null, regions: weights } = plan.policy;
  const { audiences, maps } = placeMapsOf({ routing, place: place.id, upstreams }, rows);
  const placeMaps = maps === null ? null : { networks: fileOf('-networks.map'), countries: fileOf('-countries.map') };
  // Of other servers the file says nothing, and of other ports something wrong: then it is another file, and nobody serves at first.
  const made = createHash('sha256')
    .update(JSON.stringify([audiences, upstreams]))
    .digest('hex')
    .slice(0, 12);
  const common = {
    place: place.id,
    runtimeSocketPath: `${plan.runDir}/h${place.index}.sock`,
    primaryMapPath: fileOf('.map'),
    serverStatePath: fileOf(`-${made}.state`),
    agent: { host: HOST, port: agentPort },
    healthPath,
    upstreams,
    audiences,
    routing,
    weights,
  };
  const listen = { host: HOST, port };
  const setup = { ...common, listen, threads: null, trust: edge.trust ?? null, placeMaps };
  return {
    setup: { path: fileOf('.cfg'), content: haproxyConfig(setup) },
    maps:
      maps === null || placeMaps === null
        ? []
        : [
            { path: placeMaps.networks, content: maps.networks },
            { path: placeMaps.countries, content: maps.countries },
          ],
    map: { path: common.primaryMapPath, content: nobodyWrites(audiences), keep: true },
    states: { path: common.serverStatePath, content: nobodyServes(audiences, upstreams), keep: true },
    driver: { ...common, deployment, group, storeUrls, storeKind, secretsPath },
  };
}
