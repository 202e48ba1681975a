import type { GeoConfig } from '../ports/config.ts';
import type { Deployment, EdgeTlsSpec } from '../spec/deployment.ts';

/** Read by every plane, which costs a second each: only where a policy or a fence asks for places. */
export function geoOf({ traffic: { routing, geoDatabase } }: Deployment, specPath: string): GeoConfig | null {
  if (!routing.policies.includes('geolocation') && routing.fences.length === 0) return null;
  return { database: geoDatabase === null ? null : besideFile(specPath, geoDatabase) };
}

export function edgeTlsOf({ edgeTls }: Deployment, specPath: string): EdgeTlsSpec | null {
  if (edgeTls === null) return null;
  const whole = (path: string) => besideFile(specPath, path);
  return {
    certificates: edgeTls.certificates.map(({ cert, key }) => ({ cert: whole(cert), key: whole(key) })),
    ca: edgeTls.ca === null ? null : whole(edgeTls.ca),
    hosts: edgeTls.hosts,
  };
}

const besideFile = (specPath: string, path: string): string =>
  path.startsWith('/') ? path : `${specPath.slice(0, specPath.lastIndexOf('/') + 1)}${path}`;
