import { CLIENT_CONNECTIONS_MAX } from '../database/postgres/settings.ts';
import { type NodeId, type PlaceId, slug } from '../base/ids.ts';
import { defaultKnobs } from '../base/knobs.ts';
import { assert } from '../base/result.ts';
import type { PeerAddresses } from '../ports/agent.ts';
import type {
  AgentConfig,
  EdgeConfig,
  HaproxyConfig,
  LinkConfig,
  MemberConfig,
  PostgresConfig,
  StoreConfig,
} from '../ports/config.ts';
import type { DnsConfig } from '../ports/dns.ts';
import type { GatewayConfig } from '../ports/gateway.ts';
import type { KeeperConfig } from '../ports/keeper.ts';
import type { Deployment } from '../spec/deployment.ts';
import { WALL_CLOCK_VARIABLE } from '../telemetry/wall-clock.ts';
import {
  addressOf,
  type DataNodeLayout,
  dataNodesOf,
  HOST,
  type LinkLayout,
  nodeAddressOf,
  type NodeLayout,
  nodesOf,
  type PlaceLayout,
  type ProcessKind,
  type ProcessPlan,
  type WorldLayout,
} from './layout.ts';
import { dnsConfig, publicPort } from './dns-config.ts';
import { haproxyFiles, type Rows } from './haproxy-files.ts';
import { type StoreLayout, storeDirOf } from './store-layout.ts';
import { wallClockPath } from './wall-clock-path.ts';

type Plan = Omit<WorldLayout, 'processes'>;

/** A file that a process is started with. */
export interface ConfigFile {
  readonly path: string;
  /** What is there already stays: a process keeps its last word in it. */
  readonly keep?: true;
  readonly content:
    | KeeperConfig
    | GatewayConfig
    | AgentConfig
    | EdgeConfig
    | DnsConfig
    | LinkConfig
    | StoreConfig
    | MemberConfig
    | HaproxyConfig
    // Another program's own language.
    | string;
}

/** What starts a process: this Node and the built program. */
export interface Program {
  readonly node: string;
  readonly distDir: string;
  /** Search path for the application's command. */
  readonly path: string;
  readonly home: string;
  /** Further environment of every process, e.g. what a drill's self-test breaks on purpose. */
  readonly env: Readonly<Record<string, string>>;
  /** Of DNS zones: grows from one preparation of the world to the next. */
  readonly serial: number;
}

/** How long a new connection to `rw` waits for a primary: longer than a failover, shorter than a person's patience. */
const WAIT_FOR_PRIMARY_MS = 10_000;

/** Completes a plan: every process in the order of its start, and the file each one reads. `rows` are for HAProxy's maps. */
export function planProcesses(
  plan: Plan,
  deployment: Deployment,
  program: Program,
  rows: Rows = null,
): { readonly layout: WorldLayout; readonly files: readonly ConfigFile[] } {
  const files: ConfigFile[] = [];
  const processes: ProcessPlan[] = [];
  const base = {
    cwd: plan.stateDir,
    env: { ...program.env, ...LEAN_ENV, FARSHORE_WORLD: plan.id, PATH: program.path, HOME: program.home },
    databaseUrls: {},
  };
  const logPath = (name: string): string => `${plan.stateDir}/logs/${name}.log`;
  const add = (
    kind: ProcessKind,
    of: { readonly place: PlaceId | null; readonly node: NodeId | null },
    name: string,
    main: readonly string[],
    content: ConfigFile['content'],
  ): void => {
    const path = `${plan.stateDir}/config/${name}.json`;
    files.push({ path, content });
    const argv = [
      program.node,
      ...LEAN,
      ...(kind === 'link' ? ['--expose-gc'] : []),
      ...(kind === 'gateway' ? [CLEANS_ALONE] : []),
      `${program.distDir}/${main[0]}`,
      ...main.slice(1),
      path,
    ];
    const clock = of.place === null ? {} : { [WALL_CLOCK_VARIABLE]: wallClockPath(plan, of.place) };
    processes.push({ ...base, env: { ...base.env, ...clock }, name, ...of, kind, argv, logPath: logPath(name) });
  };
  const ofNode = (node: NodeLayout) => ({ place: node.place, node: node.id });
  for (const place of plan.places) {
    if (place.ports.store === undefined) continue;
    const of = { place: place.id, node: null };
    const name = `${slug(place.id)}-store`;
    if (plan.store.kind === 'embedded')
      add('store', of, name, ['coordination/embedded/main.js'], storeConfig(plan, place));
    else add('store', of, name, ['coordination/member/main.js'], memberConfig(plan, plan.store, place));
  }
  for (const link of plan.links) {
    const name = `link-${slug(link.from)}--${slug(link.to)}`;
    add('link', { place: null, node: null }, name, ['world/link/main.js'], linkConfig(plan, link));
  }
  for (const node of dataNodesOf(plan)) {
    const name = nameOf(plan, node);
    add('keeper', ofNode(node), `${name}-keeper`, ['database/keeper/main.js'], keeperConfig(plan, node));
    add('gateway', ofNode(node), `${name}-gateway`, ['database/gateway/main.js'], gatewayConfig(plan, node));
  }
  for (const node of nodesOf(plan)) {
    const config = agentConfig(plan, deployment, node);
    add('agent', ofNode(node), `${nameOf(plan, node)}-agent`, ['cli/main.js', 'agent'], config);
  }
  const application = deployment.application;
  for (const place of plan.places) {
    if (application === null || !place.data) continue;
    const name = `${slug(place.id)}-app`;
    const cwd = plan.specPath.slice(0, Math.max(1, plan.specPath.lastIndexOf('/')));
    processes.push({
      ...base,
      name,
      place: place.id,
      node: null,
      kind: 'app',
      argv: application.command,
      cwd,
      env: { ...base.env, PORT: String(place.ports.app), FARSHORE_REGION: place.id },
      databaseUrls: databaseUrls(place),
      logPath: logPath(name),
    });
    add(
      'edge',
      { place: place.id, node: null },
      `${slug(place.id)}-edge`,
      ['cli/main.js', 'edge'],
      edgeConfig(plan, place),
    );
    if (plan.haproxyBinary === null) continue;
    const of = { place: place.id, node: null };
    const haproxy = haproxyFiles(plan, place, edgeConfig(plan, place), rows);
    files.push(haproxy.setup, ...haproxy.maps, haproxy.map, haproxy.states);
    const argv = [plan.haproxyBinary, '-db', '-f', haproxy.setup.path];
    const [kind, itsName] = ['haproxy', `${slug(place.id)}-haproxy`] as const;
    processes.push({ ...base, ...of, kind, name: itsName, argv, logPath: logPath(itsName) });
    add('haproxy-driver', of, `${itsName}-driver`, ['cli/main.js', 'haproxy'], haproxy.driver);
  }
  const dns = plan.dns === null ? null : dnsConfig(plan, storeUrls(plan, plan.dns.place), program.serial);
  if (dns !== null) {
    const of = { place: dns.place, node: null };
    add('dns', of, `${slug(dns.place)}-dns`, ['cli/main.js', 'dns'], dns);
  }
  return { layout: { ...plan, processes }, files };
}

/** How processes of a node are called: after their place as long as it has one node. */
function nameOf(plan: Plan, node: NodeLayout): string {
  const place = plan.places.find((it) => it.id === node.place);
  return slug(place !== undefined && place.nodes.length > 1 ? node.id : node.place);
}

/**
 * The doors of the region's gateways, the preferred node first. One URL for drivers that take one host; all of them, with
 * commas between, for an application that tries the next one when a node is gone.
 */
function databaseUrls(place: PlaceLayout): Readonly<Record<string, string>> {
  const nodes = dataNodesOf(place);
  const urls = (door: 'rw' | 'ro'): readonly string[] =>
    nodes.map((node) => `postgres://app@${HOST}:${node.ports[door]}/app`);
  const one = { DATABASE_URL: urls('rw')[0] ?? '', DATABASE_URL_RO: urls('ro')[0] ?? '' };
  return nodes.length === 1
    ? one
    : { ...one, DATABASE_URLS: urls('rw').join(','), DATABASE_URLS_RO: urls('ro').join(',') };
}

/** Many small processes: young generations of 1 MB instead of 16 cost nothing here and save memory in each. */
const LEAN = ['--max-semi-space-size=1'];
/** A gateway has little to clean up: one thread has done it before it finds help on a machine whose cores are all in use. */
const CLEANS_ALONE = '--single-threaded-gc';
/** The C library gives freed buffers back to the kernel instead of keeping them for later. */
const LEAN_ENV = { MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_MMAP_THRESHOLD_: '65536' };

const at = (port: number | undefined): { readonly host: string; readonly port: number } => {
  assert(port !== undefined, 'every service of a place has a port');
  return { host: HOST, port };
};

function have<T>(value: T | null, what: string): T {
  assert(value !== null, `${what} exists`);
  return value;
}

const storeConfig = (plan: Plan, place: PlaceLayout): StoreConfig => ({
  listen: at(place.ports.store),
  dataDir: storeDirOf(plan, place.id),
  secretsPath: plan.secretsPath,
});

/** A name under `invalid` leads nowhere but through the relay (RFC 2606): no byte between members can pass a link by. */
const memberUrl = (place: PlaceId): string => `http://${slug(place)}.store.invalid:2380`;

const memberConfig = (plan: Plan, store: Extract<StoreLayout, { kind: 'etcd' }>, place: PlaceLayout): MemberConfig => ({
  name: slug(place.id),
  binary: store.binary,
  dataDir: storeDirOf(plan, place.id),
  client: at(place.ports.store),
  peer: at(place.ports.storePeer),
  relay: at(place.ports.storeRelay),
  members: plan.places
    .filter((it) => it.ports.storePeer !== undefined)
    .map(({ id }) => ({
      name: slug(id),
      url: memberUrl(id),
      near: have(addressOf(plan, place.id, id, 'storePeer'), 'way to the member'),
    })),
  heartbeatMs: store.heartbeatMs,
  electionMs: store.electionMs,
  secretsPath: plan.secretsPath,
});

function linkConfig(plan: Plan, link: LinkLayout): LinkConfig {
  const to = have(plan.places.find((place) => place.id === link.to) ?? null, link.to);
  const route = (name: string, listen: number, target: number | undefined) => ({
    name,
    listen: at(listen),
    target: at(target),
  });
  return {
    from: link.from,
    to: link.to,
    controlSocketPath: link.controlSocketPath,
    delayMs: link.rttMs / 2,
    returnDelayMs: link.rttMs / 2,
    routes: [
      ...to.nodes.flatMap((node) =>
        entries(link.nearNodes[node.id] ?? {}).map(([name, port]) => route(name, port, node.ports[name])),
      ),
      ...entries(link.near).map(([name, port]) => route(name, port, to.ports[name])),
      route('ping', link.ping.near, link.ping.echo),
    ],
  };
}

const entries = <S extends string>(record: Readonly<Partial<Record<S, number>>>): readonly [S, number][] =>
  Object.entries(record) as [S, number][];

const postgresLog = (plan: Plan, node: NodeLayout): string =>
  `${plan.stateDir}/logs/${nameOf(plan, node)}-postgres.log`;

const keeperConfig = (plan: Plan, node: DataNodeLayout): KeeperConfig => ({
  socketPath: node.keeperSocketPath,
  dataDir: node.dataDir,
  binDir: plan.binDir,
  libDir: plan.libDir,
  logPath: postgresLog(plan, node),
  runAs: plan.runAs,
  env: { FARSHORE_WORLD: plan.id, LC_ALL: 'C', TZ: 'UTC' },
});

const gatewayConfig = (plan: Plan, node: DataNodeLayout): GatewayConfig => ({
  node: node.id,
  controlSocketPath: node.gatewaySocketPath,
  postgres: { socketDir: node.postgresRunDir, port: node.ports.postgres },
  rw: at(node.ports.rw),
  ro: at(node.ports.ro),
  peer: at(node.ports.peer),
  tokenPath: plan.secretsPath,
  tls: null,
  clientsMax: CLIENT_CONNECTIONS_MAX,
  waitForPrimaryMs: WAIT_FOR_PRIMARY_MS,
});

const postgresConfig = (plan: Plan, node: DataNodeLayout): PostgresConfig => ({
  group: plan.group,
  node: node.id,
  members: plan.policy.dataNodes,
  dataDir: node.dataDir,
  runDir: node.postgresRunDir,
  ...at(node.ports.postgres),
  binDir: plan.binDir,
  libDir: plan.libDir,
  logPath: postgresLog(plan, node),
  keeperSocketPath: node.keeperSocketPath,
  runAs: plan.runAs,
  secretsPath: plan.secretsPath,
});

/** Own place first, then the nearest: what answers soonest, and goes down with this place when it goes down. */
function storeUrls(plan: Plan, from: PlaceId): readonly string[] {
  const rttTo = (to: PlaceId): number =>
    to === from ? -1 : (plan.links.find((link) => link.from === from && link.to === to)?.rttMs ?? 0);
  return plan.places
    .toSorted((a, b) => rttTo(a.id) - rttTo(b.id))
    .flatMap((place) => {
      const address = addressOf(plan, from, place.id, 'store');
      return address === null ? [] : [`http://${address.host}:${address.port}`];
    });
}

const peersOf = (plan: Plan, me: NodeLayout): readonly PeerAddresses[] =>
  nodesOf(plan)
    .filter((node) => node.id !== me.id)
    .map((node) => ({
      node: node.id,
      place: node.place,
      data: node.dataDir !== null,
      agent: have(nodeAddressOf(plan, me.place, node, 'api'), 'way to the agent'),
      gateway: nodeAddressOf(plan, me.place, node, 'peer'),
      postgres: nodeAddressOf(plan, me.place, node, 'postgres'),
    }));

function agentConfig(plan: Plan, deployment: Deployment, node: NodeLayout): AgentConfig {
  const data = dataNodesOf(plan).find((it) => it.id === node.id);
  return {
    node: node.id,
    place: node.place,
    policy: plan.policy,
    knobs: { ...defaultKnobs(), leaseTtlMs: deployment.leaseTtlMs, ...deployment.timings },
    api: at(node.ports.api),
    secretsPath: plan.secretsPath,
    storeUrls: storeUrls(plan, node.place),
    storeKind: plan.store.kind,
    database: data === undefined ? null : { ...postgresConfig(plan, data), gatewayControlPath: data.gatewaySocketPath },
    peers: peersOf(plan, node),
  };
}

/** HTTPS at its own port, and on the address that DNS answers both, each at one port in every region. */
function alsoListen(plan: Plan, { address, ports }: PlaceLayout): Pick<EdgeConfig, 'alsoListen'> {
  const doors = [
    ...(ports.edgeTls === undefined ? [] : [{ host: HOST, port: ports.edgeTls, tls: true }]),
    ...(address === null ? [] : [{ host: address, port: publicPort(plan) }]),
    ...(address === null || plan.edgeTls === null
      ? []
      : [{ host: address, port: publicPort(plan, 'edgeTls'), tls: true }]),
  ];
  return doors.length === 0 ? {} : { alsoListen: doors };
}

const edgeConfig = (plan: Plan, place: PlaceLayout): EdgeConfig => ({
  place: place.id,
  deployment: plan.deployment,
  group: plan.group,
  listen: at(place.ports.edge),
  ...alsoListen(plan, place),
  ...(plan.edgeTls === null ? {} : { tls: { certificates: plan.edgeTls.certificates, hosts: plan.edgeTls.hosts } }),
  storeUrls: storeUrls(plan, place.id),
  storeKind: plan.store.kind,
  secretsPath: plan.secretsPath,
  healthPath: have(plan.healthPath, 'health path'),
  geo: plan.geo,
  edges: plan.places.filter((each) => each.ports.edge !== undefined).length,
  // Everybody in a world is on this machine: a request says with a header where it comes from.
  trust: { networks: ['127.0.0.0/8'], placeHeader: 'x-farshore-from' },
  upstreams: plan.places.flatMap((to) => {
    const address = addressOf(plan, place.id, to.id, 'app');
    if (address === null) return [];
    const rttMs = plan.links.find((link) => link.from === place.id && link.to === to.id)?.rttMs ?? 0;
    const agents = dataNodesOf(to).flatMap((node) => {
      const way = nodeAddressOf(plan, place.id, node, 'api');
      return way === null ? [] : [{ node: node.id, ...way }];
    });
    return [{ region: to.id, ...address, rttMs, agents }];
  }),
});
