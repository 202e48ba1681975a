import { type NodeId, nodeId, type PlaceId, slug } from '../base/ids.ts';
import type { GroupPolicy } from '../ports/config.ts';
import type { Deployment } from '../spec/deployment.ts';

/** What listens in a place. A link carries some of them to other places. */
export type Service = 'edge' | 'rw' | 'ro' | 'app' | 'api' | 'peer' | 'postgres' | 'store';

/** What processes of one place open towards another, plus `ping`, which measures the link. */
export type LinkedService = Extract<Service, 'api' | 'peer' | 'postgres' | 'app' | 'store'>;

export type ProcessKind = 'store' | 'link' | 'keeper' | 'gateway' | 'agent' | 'app' | 'edge';

/** One place of the world: a data region or a site. */
export interface PlaceLayout {
  readonly id: PlaceId;
  /** Short number for socket paths; also its position in `places`. */
  readonly index: number;
  /** True for a region with PostgreSQL. */
  readonly data: boolean;
  /** The node whose agent runs here; null on a site that only stores. */
  readonly node: NodeId | null;
  readonly ports: Readonly<Partial<Record<Service, number>>>;
  /** PostgreSQL's files; null on a site. */
  readonly dataDir: string | null;
  readonly postgresRunDir: string | null;
  readonly keeperSocketPath: string | null;
  readonly gatewaySocketPath: string | null;
}

/** One directed pair: connections that processes in `from` open towards `to`. */
export interface LinkLayout {
  readonly from: PlaceId;
  readonly to: PlaceId;
  readonly controlSocketPath: string;
  readonly rttMs: number;
  /** Near ends: where processes of `from` connect to reach the service of `to`. */
  readonly near: Readonly<Partial<Record<LinkedService, number>>>;
  readonly ping: { readonly near: number; readonly echo: number };
}

/** One process of the world, as the supervisor starts it. No secret is in here: the supervisor adds passwords at the start. */
export interface ProcessPlan {
  /** Unique; also the name of its log: `aws-eu-west-1-keeper`. */
  readonly name: string;
  /** A link belongs to no place: it is the network. */
  readonly place: PlaceId | null;
  readonly kind: ProcessKind;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Environment variables that get the application's password put into their URL. */
  readonly databaseUrls: Readonly<Record<string, string>>;
  readonly logPath: string;
}

/** A whole world on one machine, as it was planned. Saved as `world.json`; made by `layOut`. */
export interface WorldLayout {
  readonly schema: 'farshore.world/v1';
  /** Hash of the state directory: marks this world's processes and names its run directory. */
  readonly id: string;
  readonly deployment: string;
  readonly group: string;
  readonly specPath: string;
  readonly stateDir: string;
  /** Unix sockets live here: short, because a socket's path has at most 107 bytes. */
  readonly runDir: string;
  /** PostgreSQL's data: `stateDir/nodes`, or a folder that its unprivileged user can reach. */
  readonly dataRoot: string;
  readonly runAs: { readonly uid: number; readonly gid: number } | null;
  readonly binDir: string;
  readonly libDir: string | null;
  readonly basePort: number;
  /** Every port from `basePort` on that this world uses. */
  readonly portCount: number;
  readonly rttScale: number;
  readonly policy: GroupPolicy;
  readonly healthPath: string | null;
  readonly secretsPath: string;
  readonly supervisorSocketPath: string;
  readonly places: readonly PlaceLayout[];
  readonly links: readonly LinkLayout[];
  /** In the order in which they are started. */
  readonly processes: readonly ProcessPlan[];
}

/** What the machine decides about a layout; the deployment decides the rest. */
export interface LayoutOptions {
  readonly id: string;
  readonly specPath: string;
  readonly stateDir: string;
  readonly runDir: string;
  readonly dataRoot: string;
  readonly runAs: { readonly uid: number; readonly gid: number } | null;
  readonly binDir: string;
  readonly libDir: string | null;
  readonly basePort: number;
  /** Links have the real round trips times this; 0 for a world without distance. */
  readonly rttScale: number;
  /** Round trip between two places in milliseconds. */
  readonly rttMs: (a: PlaceId, b: PlaceId) => number;
}

export const HOST = '127.0.0.1';
const GROUP = 'main';

/** Places, links and every port. The same deployment and options always give the same plan. Processes are added by `planProcesses`. */
export function layOut(deployment: Deployment, options: LayoutOptions): Omit<WorldLayout, 'processes'> {
  const ports = portCounter(options.basePort);
  const places = layPlaces(deployment, options, ports);
  const links = layLinks(places, options, ports);
  return {
    schema: 'farshore.world/v1',
    id: options.id,
    deployment: deployment.name,
    group: GROUP,
    specPath: options.specPath,
    stateDir: options.stateDir,
    runDir: options.runDir,
    dataRoot: options.dataRoot,
    runAs: options.runAs,
    binDir: options.binDir,
    libDir: options.libDir,
    basePort: options.basePort,
    portCount: ports.used(),
    rttScale: options.rttScale,
    policy: policyOf(deployment, places),
    healthPath: deployment.application?.healthPath ?? null,
    secretsPath: `${options.stateDir}/secrets.json`,
    supervisorSocketPath: `${options.runDir}/supervisor.sock`,
    places,
    links,
  };
}

/** The near end of the way from `from` to a service of `to`; direct when both are one place, null when there is none. */
export function addressOf(
  layout: Pick<WorldLayout, 'places' | 'links'>,
  from: PlaceId,
  to: PlaceId,
  service: LinkedService,
): { readonly host: string; readonly port: number } | null {
  const port =
    from === to
      ? layout.places.find((place) => place.id === to)?.ports[service]
      : layout.links.find((link) => link.from === from && link.to === to)?.near[service];
  return port === undefined ? null : { host: HOST, port };
}

interface PortCounter {
  next(): number;
  used(): number;
}

function portCounter(basePort: number): PortCounter {
  let count = 0;
  return { next: () => basePort + count++, used: () => count };
}

/** What a person types comes first: with the default base, edges are 7800, 7801, 7802. */
const SERVICE_ORDER: readonly Service[] = ['edge', 'rw', 'ro', 'app', 'api', 'peer', 'postgres', 'store'];

function layPlaces(deployment: Deployment, options: LayoutOptions, ports: PortCounter): readonly PlaceLayout[] {
  const application = deployment.application !== null;
  const wanted = [
    ...deployment.regions.map((region) => ({
      id: region.id,
      node: nodeId(region.id, region.nodes[0] ?? 'n1'),
      data: true,
      services: SERVICE_ORDER.filter((it) => it !== 'store' && (application || (it !== 'edge' && it !== 'app'))),
    })),
    ...deployment.sites.map((site) => ({
      id: site.id,
      node: site.witness ? nodeId(site.id, 'witness') : null,
      data: false,
      services: SERVICE_ORDER.filter((it) => (it === 'api' && site.witness) || (it === 'store' && site.store)),
    })),
  ];
  const portOf = new Map<string, number>();
  for (const service of SERVICE_ORDER)
    for (const place of wanted)
      if (place.services.includes(service)) portOf.set(`${place.id} ${service}`, ports.next());
  return wanted.map((place, index) => ({
    id: place.id,
    index,
    data: place.data,
    node: place.node,
    ports: Object.fromEntries(place.services.map((service) => [service, portOf.get(`${place.id} ${service}`)])),
    dataDir: place.data && place.node !== null ? `${options.dataRoot}/${slug(place.node)}/data` : null,
    postgresRunDir: place.data ? `${options.runDir}/pg${index}` : null,
    keeperSocketPath: place.data ? `${options.runDir}/k${index}.sock` : null,
    gatewaySocketPath: place.data ? `${options.runDir}/g${index}.sock` : null,
  }));
}

const LINKED: readonly LinkedService[] = ['api', 'peer', 'postgres', 'app', 'store'];

/** What a place opens towards others: a region everything, a witness looks at agents and uses the store. */
const crosses = (from: PlaceLayout, service: LinkedService): boolean =>
  from.data || (from.node !== null && (service === 'api' || service === 'store'));

function layLinks(places: readonly PlaceLayout[], options: LayoutOptions, ports: PortCounter): readonly LinkLayout[] {
  const pairs = places.flatMap((from) => places.filter((to) => to !== from).map((to) => ({ from, to })));
  return pairs.map(({ from, to }) => ({
    from: from.id,
    to: to.id,
    controlSocketPath: `${options.runDir}/l${from.index}-${to.index}.sock`,
    rttMs: Math.round(options.rttMs(from.id, to.id) * options.rttScale * 1_000) / 1_000,
    near: Object.fromEntries(
      LINKED.filter((it) => to.ports[it] !== undefined && crosses(from, it)).map((it) => [it, ports.next()]),
    ),
    ping: { near: ports.next(), echo: ports.next() },
  }));
}

function policyOf(deployment: Deployment, places: readonly PlaceLayout[]): GroupPolicy {
  const nodesOf = (wanted: (place: PlaceLayout) => boolean): readonly NodeId[] =>
    places.flatMap((place) => (place.node !== null && wanted(place) ? [place.node] : []));
  const mayWrite = new Set(deployment.regions.filter((region) => region.promotable).map((region) => region.id));
  return {
    deployment: deployment.name,
    group: GROUP,
    mode: deployment.replication.mode,
    confirm: deployment.replication.confirm,
    whenAlone: deployment.replication.whenAlone,
    async: asyncPolicyOf(deployment),
    dataNodes: nodesOf((place) => place.data),
    promotable: nodesOf((place) => place.data && mayWrite.has(place.id)),
    observers: nodesOf(() => true),
    regions: deployment.regions.map(({ id, role, weight }) => ({ id, role, weight })),
  };
}

function asyncPolicyOf({ objectives, replication }: Deployment): GroupPolicy['async'] {
  return replication.async === null ? null : { ...replication.async, rpoMs: objectives.rpoMs };
}
