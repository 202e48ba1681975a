import { haproxyConfig, NOBODY } from '../planes/haproxy/config-file.ts';
import { mapText } from '../planes/haproxy/map-file.ts';
import { assert } from '../base/result.ts';
import { slug } from '../base/ids.ts';
import type { EdgeConfig, HaproxyConfig } from '../ports/config.ts';
import { HOST, type PlaceLayout, type WorldLayout } from './layout.ts';

interface HaproxyFiles {
  /** HAProxy's own configuration. */
  readonly setup: { readonly path: string; readonly content: string };
  /** Where HAProxy starts from, until its driver has a table. */
  readonly map: { readonly path: string; readonly content: string; readonly keep: true };
  readonly driver: HaproxyConfig;
}

/** Both files of the HAProxy that stands beside a region's edge: it reaches the same regions over the same links. */
export function haproxyFiles(
  plan: Pick<WorldLayout, 'stateDir' | 'runDir'>,
  place: PlaceLayout,
  edge: EdgeConfig,
): HaproxyFiles {
  const { haproxy: port, haproxyAgent: agentPort } = place.ports;
  assert(port !== undefined && agentPort !== undefined, 'a place with a HAProxy has its ports');
  const common = {
    place: place.id,
    runtimeSocketPath: `${plan.runDir}/h${place.index}.sock`,
    primaryMapPath: `${plan.stateDir}/config/${slug(place.id)}-haproxy.map`,
    agent: { host: HOST, port: agentPort },
  };
  const { deployment, group, storeUrls, storeKind, secretsPath, upstreams, healthPath } = edge;
  return {
    setup: {
      path: `${plan.stateDir}/config/${slug(place.id)}-haproxy.cfg`,
      content: haproxyConfig({ ...common, listen: { host: HOST, port }, healthPath, upstreams, threads: null }),
    },
    map: { path: common.primaryMapPath, content: mapText(NOBODY), keep: true },
    driver: {
      ...common,
      deployment,
      group,
      storeUrls,
      storeKind,
      secretsPath,
      regions: upstreams.map(({ region }) => region),
    },
  };
}
