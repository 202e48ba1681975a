import { type NodeId, nodeId, type PlaceId, slug } from '../base/ids.ts';
import type { GeoConfig, GroupPolicy } from '../ports/config.ts';
import { type Deployment, type DnsSpec, type EdgeTlsSpec, storePlaces } from '../spec/deployment.ts';
import { edgeTlsOf, geoOf } from './beside-file.ts';
import { layStore, type StoreLayout } from './store-layout.ts';

/** What listens once per place. A link carries some of them to other places. A member of etcd has a peer door, and a relay to the others'. */
export type Service =
  | 'edge'
  | 'edgeTls'
  | 'app'
  | 'store'
  | 'storePeer'
  | 'storeRelay'
  | 'haproxy'
  | 'haproxyAgent'
  | 'dns'
  | 'dnsStatus';

/** What listens once per node: the doors of its gateway, its agent, its PostgreSQL. */
export type NodeService = 'rw' | 'ro' | 'api' | 'peer' | 'postgres';

/** What processes of one place open towards another, plus `ping`, which measures the link. */
export type LinkedService = Extract<Service, 'edge' | 'edgeTls' | 'app' | 'store' | 'storePeer'>;
export type LinkedNodeService = Extract<NodeService, 'api' | 'peer' | 'postgres'>;

export type ProcessKind =
  | 'store'
  | 'link'
  | 'keeper'
  | 'gateway'
  | 'agent'
  | 'app'
  | 'edge'
  | 'haproxy'
  | 'haproxy-driver'
  | 'dns';

/** One agent and, when it owns PostgreSQL, its keeper and gateway. On a site it is the witness. */
export interface NodeLayout {
  readonly id: NodeId;
  readonly place: PlaceId;
  readonly ports: Readonly<Partial<Record<NodeService, number>>>;
  /** PostgreSQL's files and the sockets of its keepers; null on a site. */
  readonly dataDir: string | null;
  readonly postgresRunDir: string | null;
  readonly keeperSocketPath: string | null;
  readonly gatewaySocketPath: string | null;
}

/** A node with PostgreSQL: nothing of it is missing. */
export interface DataNodeLayout extends NodeLayout {
  readonly ports: Readonly<Record<NodeService, number>>;
  readonly dataDir: string;
  readonly postgresRunDir: string;
  readonly keeperSocketPath: string;
  readonly gatewaySocketPath: string;
}

/** One place of the world: a data region or a site. */
export interface PlaceLayout {
  readonly id: PlaceId;
  /** Short number for socket paths; also its position in `places`. */
  readonly index: number;
  /** True for a region with PostgreSQL. */
  readonly data: boolean;
  /** What the DNS server answers for this region; its edge listens there too, at the same port in every region. */
  readonly address: string | null;
  readonly ports: Readonly<Partial<Record<Service, number>>>;
  /** In order of preference; empty on a site that only stores. */
  readonly nodes: readonly NodeLayout[];
}

/** One directed pair: connections that processes in `from` open towards `to`. */
export interface LinkLayout {
  readonly from: PlaceId;
  readonly to: PlaceId;
  readonly controlSocketPath: string;
  readonly rttMs: number;
  /** Near ends: where processes of `from` connect to reach a service of `to`, or of a node there. */
  readonly near: Readonly<Partial<Record<LinkedService, number>>>;
  readonly nearNodes: Readonly<Record<NodeId, Readonly<Partial<Record<LinkedNodeService, number>>>>>;
  readonly ping: { readonly near: number; readonly echo: number };
}

/** One process of the world, as the supervisor starts it. No secret is in here: the supervisor adds passwords at the start. */
export interface ProcessPlan {
  /** Unique; also the name of its log: `aws-eu-west-1-keeper`. */
  readonly name: string;
  /** A link belongs to no place: it is the network. */
  readonly place: PlaceId | null;
  /** Null for what a place has once: its store, application and edge. */
  readonly node: NodeId | null;
  readonly kind: ProcessKind;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Environment variables that get the application's password put into their URL, or into each of several with commas between. */
  readonly databaseUrls: Readonly<Record<string, string>>;
  readonly logPath: string;
}

/** A whole world on one machine, as it was planned. Saved as `world.json`; made by `layOut`. */
export interface WorldLayout {
  readonly schema: 'farshore.world/v2';
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
  readonly store: StoreLayout;
  readonly healthPath: string | null;
  /** The database of places, when the policies need one. */
  readonly geo: GeoConfig | null;
  /** What the edges serve by HTTPS, with whole paths; null: they speak plain HTTP only. */
  readonly edgeTls: EdgeTlsSpec | null;
  /** HAProxy's program, when each region has one beside its edge. */
  readonly haproxyBinary: string | null;
  /** The zone that is answered for, and where its server stands; null without one. */
  readonly dns: (DnsSpec & { readonly place: PlaceId }) | null;
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
  /** Null when none is needed, or none was found. */
  readonly etcdBinary: string | null;
  /** Null: no HAProxy beside the edges. */
  readonly haproxyBinary: string | null;
  /** Links have the real round trips times this; 0 for a world without distance. */
  readonly rttScale: number;
  /** Round trip between two places in milliseconds. */
  readonly rttMs: (a: PlaceId, b: PlaceId) => number;
}

export const HOST = '127.0.0.1';
/** Region number n has the address n here. */
const REGION_HOSTS = '127.0.10.';
const GROUP = 'main';

/** Places, links and every port. The same deployment and options always give the same plan. Processes are added by `planProcesses`. */
export function layOut(deployment: Deployment, options: LayoutOptions): Omit<WorldLayout, 'processes'> {
  const ports = portCounter(options.basePort);
  const places = layPlaces(deployment, options, ports);
  const links = layLinks(places, options, ports);
  return {
    schema: 'farshore.world/v2',
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
    store: layStore(storePlaces(deployment), options.etcdBinary, (a, b) => options.rttMs(a, b) * options.rttScale),
    healthPath: deployment.application?.healthPath ?? null,
    geo: geoOf(deployment, options.specPath),
    edgeTls: edgeTlsOf(deployment, options.specPath),
    haproxyBinary: options.haproxyBinary,
    dns: dnsOf(deployment),
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

/** The same for a service of one node. Nodes of one place reach each other directly: what lies between them is no link. */
export function nodeAddressOf(
  layout: Pick<WorldLayout, 'links'>,
  from: PlaceId,
  to: NodeLayout,
  service: LinkedNodeService,
): { readonly host: string; readonly port: number } | null {
  const port =
    from === to.place
      ? to.ports[service]
      : layout.links.find((link) => link.from === from && link.to === to.place)?.nearNodes[to.id]?.[service];
  return port === undefined ? null : { host: HOST, port };
}

/** Is this process what a fault on `target` takes: a whole place, or one node of it? */
export const isPartOf = (process: Pick<ProcessPlan, 'place' | 'node'>, target: PlaceId | NodeId): boolean =>
  process.place === target || process.node === target;

/** Every agent of a world, in order of preference, sites last. */
export const nodesOf = (layout: Pick<WorldLayout, 'places'>): readonly NodeLayout[] =>
  layout.places.flatMap((place) => place.nodes);

/** Every PostgreSQL of a world, or of one place. */
export const dataNodesOf = (of: Pick<WorldLayout, 'places'> | PlaceLayout): readonly DataNodeLayout[] =>
  ('places' in of ? nodesOf(of) : of.nodes).filter((node) => node.dataDir !== null) as readonly DataNodeLayout[];

/**
 * Where the DNS server stands: on a site, outside the regions whose loss it has to tell; else with the region that is preferred
 * least. Null: the file asks for none, or there is nothing to lead users to.
 */
function dnsOf({ dns, sites, regions, application }: Deployment): WorldLayout['dns'] {
  const place = sites[0] ?? regions.at(-1);
  return dns === null || application === null || place === undefined ? null : { ...dns, place: place.id };
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
const PORT_ORDER: readonly (Service | NodeService)[] = [
  'edge',
  'edgeTls',
  'dns',
  'rw',
  'ro',
  'app',
  'api',
  'peer',
  'postgres',
  'store',
  'storePeer',
  'storeRelay',
  'haproxy',
  'haproxyAgent',
  'dnsStatus',
];
const DATA_SERVICES: readonly NodeService[] = ['rw', 'ro', 'api', 'peer', 'postgres'];

interface WantedPlace {
  readonly id: PlaceId;
  readonly data: boolean;
  readonly services: readonly Service[];
  readonly nodes: readonly { readonly id: NodeId; readonly services: readonly NodeService[] }[];
}

function wantedPlaces(deployment: Deployment, withHaproxy: boolean): readonly WantedPlace[] {
  const haproxy: readonly Service[] = withHaproxy ? ['haproxy', 'haproxyAgent'] : [];
  const tls: readonly Service[] = deployment.edgeTls === null ? [] : ['edgeTls'];
  const served: readonly Service[] = deployment.application !== null ? ['edge', ...tls, 'app', ...haproxy] : [];
  const member: readonly Service[] =
    storePlaces(deployment).length === 1 ? ['store'] : ['store', 'storePeer', 'storeRelay'];
  const dns = dnsOf(deployment)?.place;
  const named = (id: PlaceId): readonly Service[] => (id === dns ? ['dns', 'dnsStatus'] : []);
  return [
    ...deployment.regions.map((region) => ({
      id: region.id,
      data: true,
      services: [...served, ...named(region.id), ...(region.store ? member : [])],
      nodes: region.nodes.map((name) => ({ id: nodeId(region.id, name), services: DATA_SERVICES })),
    })),
    ...deployment.sites.map((site) => ({
      id: site.id,
      data: false,
      services: [...named(site.id), ...(site.store ? member : [])],
      nodes: site.witness ? [{ id: nodeId(site.id, 'witness'), services: ['api'] as const }] : [],
    })),
  ];
}

function layPlaces(deployment: Deployment, options: LayoutOptions, ports: PortCounter): readonly PlaceLayout[] {
  const wanted = wantedPlaces(deployment, options.haproxyBinary !== null);
  const owners = wanted.flatMap((place) => [place, ...place.nodes]);
  const portOf = new Map<string, number>();
  for (const service of PORT_ORDER)
    for (const { id, services } of owners)
      if (services.some((it) => it === service)) portOf.set(`${id} ${service}`, ports.next());
  const portsOf = (id: string, services: readonly string[]) =>
    Object.fromEntries(services.map((service) => [service, portOf.get(`${id} ${service}`)]));
  return wanted.map((place, index) => ({
    id: place.id,
    index,
    data: place.data,
    address: place.data && deployment.dns !== null ? `${REGION_HOSTS}${index + 1}` : null,
    ports: portsOf(place.id, place.services),
    nodes: place.nodes.map(({ id, services }, i) => ({
      id,
      place: place.id,
      ports: portsOf(id, services),
      ...(place.data ? homeOf(id, `${index}${i === 0 ? '' : `.${i + 1}`}`, options) : NO_POSTGRES),
    })),
  }));
}

const NO_POSTGRES = { dataDir: null, postgresRunDir: null, keeperSocketPath: null, gatewaySocketPath: null };

/** `short` is unique within the world: a socket's path has at most 107 bytes. */
const homeOf = (id: NodeId, short: string, { dataRoot, runDir }: LayoutOptions) => ({
  dataDir: `${dataRoot}/${slug(id)}/data`,
  postgresRunDir: `${runDir}/pg${short}`,
  keeperSocketPath: `${runDir}/k${short}.sock`,
  gatewaySocketPath: `${runDir}/g${short}.sock`,
});

const LINKED: readonly LinkedService[] = ['edge', 'edgeTls', 'app', 'store', 'storePeer'];
const LINKED_NODE: readonly LinkedNodeService[] = ['api', 'peer', 'postgres'];

/** What a place opens towards others: a region everything, a witness looks at agents and uses the store, members talk to members. */
const crosses = (from: PlaceLayout, service: LinkedService | LinkedNodeService): boolean =>
  service === 'storePeer'
    ? from.ports.storePeer !== undefined
    : service === 'edge' || service === 'edgeTls'
      ? from.ports.dns !== undefined
      : (service === 'store' && from.ports.dns !== undefined) ||
        from.data ||
        (from.nodes.length > 0 && (service === 'api' || service === 'store'));

function layLinks(places: readonly PlaceLayout[], options: LayoutOptions, ports: PortCounter): readonly LinkLayout[] {
  const pairs = places.flatMap((from) => places.filter((to) => to !== from).map((to) => ({ from, to })));
  return pairs.map(({ from, to }) => {
    const near = <S extends LinkedService | LinkedNodeService>(all: readonly S[], open: Partial<Record<S, number>>) =>
      Object.fromEntries(
        all.filter((it) => open[it] !== undefined && crosses(from, it)).map((it) => [it, ports.next()]),
      );
    return {
      from: from.id,
      to: to.id,
      controlSocketPath: `${options.runDir}/l${from.index}-${to.index}.sock`,
      rttMs: Math.round(options.rttMs(from.id, to.id) * options.rttScale * 1_000) / 1_000,
      nearNodes: Object.fromEntries(to.nodes.map((node) => [node.id, near(LINKED_NODE, node.ports)])),
      near: near(LINKED, to.ports),
      ping: { near: ports.next(), echo: ports.next() },
    };
  });
}

function policyOf(deployment: Deployment, places: readonly PlaceLayout[]): GroupPolicy {
  const mayWrite = new Set(deployment.regions.filter((region) => region.promotable).map((region) => region.id));
  const dataNodes = dataNodesOf({ places });
  return {
    deployment: deployment.name,
    group: GROUP,
    mode: deployment.replication.mode,
    confirm: deployment.replication.confirm,
    whenAlone: deployment.replication.whenAlone,
    async: asyncPolicyOf(deployment),
    dataNodes: dataNodes.map((node) => node.id),
    routing: deployment.traffic.routing,
    promotable: dataNodes.filter((node) => mayWrite.has(node.place)).map((node) => node.id),
    observers: nodesOf({ places }).map((node) => node.id),
    regions: deployment.regions.map(({ id, role, weight }) => ({ id, role, weight })),
  };
}

function asyncPolicyOf({ objectives, replication }: Deployment): GroupPolicy['async'] {
  return replication.async === null ? null : { ...replication.async, rpoMs: objectives.rpoMs };
}
