import { type PlaceId, slug } from '../base/ids.ts';
import { defaultKnobs } from '../base/knobs.ts';
import { assert } from '../base/result.ts';
import type { PeerAddresses } from '../ports/agent.ts';
import type { AgentConfig, EdgeConfig, LinkConfig, PostgresConfig, StoreConfig } from '../ports/config.ts';
import type { GatewayConfig } from '../ports/gateway.ts';
import type { KeeperConfig } from '../ports/keeper.ts';
import type { Deployment } from '../spec/deployment.ts';
import {
  addressOf,
  HOST,
  type LinkLayout,
  type PlaceLayout,
  type ProcessKind,
  type ProcessPlan,
  type WorldLayout,
} from './layout.ts';

type Plan = Omit<WorldLayout, 'processes'>;

/** A file that a process is started with. */
export interface ConfigFile {
  readonly path: string;
  readonly content: KeeperConfig | GatewayConfig | AgentConfig | EdgeConfig | LinkConfig | StoreConfig;
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
}

/** How long a new connection to `rw` waits for a primary: longer than a failover, shorter than a person's patience. */
const WAIT_FOR_PRIMARY_MS = 10_000;

/** Completes a plan: every process in the order of its start, and the file each one reads. */
export function planProcesses(
  plan: Plan,
  deployment: Deployment,
  program: Program,
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
    place: PlaceId | null,
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
      `${program.distDir}/${main[0]}`,
      ...main.slice(1),
      path,
    ];
    processes.push({ ...base, name, place, kind, argv, logPath: logPath(name) });
  };
  for (const place of plan.places) {
    if (place.ports.store === undefined) continue;
    add('store', place.id, `${slug(place.id)}-store`, ['coordination/embedded/main.js'], storeConfig(plan, place));
  }
  for (const link of plan.links) {
    add('link', null, `link-${slug(link.from)}--${slug(link.to)}`, ['world/link/main.js'], linkConfig(plan, link));
  }
  for (const place of plan.places) {
    if (!place.data) continue;
    add('keeper', place.id, `${slug(place.id)}-keeper`, ['database/keeper/main.js'], keeperConfig(plan, place));
    add('gateway', place.id, `${slug(place.id)}-gateway`, ['database/gateway/main.js'], gatewayConfig(plan, place));
  }
  for (const place of plan.places) {
    if (place.node === null) continue;
    add('agent', place.id, `${slug(place.id)}-agent`, ['cli/main.js', 'agent'], agentConfig(plan, deployment, place));
  }
  const application = deployment.application;
  for (const place of plan.places) {
    if (application === null || !place.data) continue;
    const name = `${slug(place.id)}-app`;
    const cwd = plan.specPath.slice(0, Math.max(1, plan.specPath.lastIndexOf('/')));
    const url = (port: number | undefined): string => `postgres://app@${HOST}:${port}/app`;
    processes.push({
      ...base,
      name,
      place: place.id,
      kind: 'app',
      argv: application.command,
      cwd,
      env: { ...base.env, PORT: String(place.ports.app), FARSHORE_REGION: place.id },
      databaseUrls: { DATABASE_URL: url(place.ports.rw), DATABASE_URL_RO: url(place.ports.ro) },
      logPath: logPath(name),
    });
    add('edge', place.id, `${slug(place.id)}-edge`, ['cli/main.js', 'edge'], edgeConfig(plan, place));
  }
  return { layout: { ...plan, processes }, files };
}

/** Many small processes: young generations of 1 MB instead of 16 cost nothing here and save memory in each. */
const LEAN = ['--max-semi-space-size=1'];
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
  dataDir: `${plan.stateDir}/store/${slug(place.id)}`,
  secretsPath: plan.secretsPath,
});

function linkConfig(plan: Plan, link: LinkLayout): LinkConfig {
  const to = have(plan.places.find((place) => place.id === link.to) ?? null, link.to);
  const services = Object.entries(link.near) as [keyof typeof link.near, number][];
  return {
    from: link.from,
    to: link.to,
    controlSocketPath: link.controlSocketPath,
    delayMs: link.rttMs / 2,
    returnDelayMs: link.rttMs / 2,
    routes: [
      ...services.map(([name, port]) => ({ name, listen: at(port), target: at(to.ports[name]) })),
      { name: 'ping', listen: at(link.ping.near), target: at(link.ping.echo) },
    ],
  };
}

const postgresLog = (plan: Plan, place: PlaceLayout): string => `${plan.stateDir}/logs/${slug(place.id)}-postgres.log`;

const keeperConfig = (plan: Plan, place: PlaceLayout): KeeperConfig => ({
  socketPath: have(place.keeperSocketPath, 'keeper'),
  dataDir: have(place.dataDir, 'data'),
  binDir: plan.binDir,
  libDir: plan.libDir,
  logPath: postgresLog(plan, place),
  runAs: plan.runAs,
  env: { FARSHORE_WORLD: plan.id, LC_ALL: 'C', TZ: 'UTC' },
});

const gatewayConfig = (plan: Plan, place: PlaceLayout): GatewayConfig => ({
  node: have(place.node, 'node'),
  controlSocketPath: have(place.gatewaySocketPath, 'gateway'),
  postgres: { socketDir: have(place.postgresRunDir, 'run directory'), port: at(place.ports.postgres).port },
  rw: at(place.ports.rw),
  ro: at(place.ports.ro),
  peer: at(place.ports.peer),
  tokenPath: plan.secretsPath,
  tls: null,
  waitForPrimaryMs: WAIT_FOR_PRIMARY_MS,
});

const postgresConfig = (plan: Plan, place: PlaceLayout): PostgresConfig => ({
  group: plan.group,
  node: have(place.node, 'node'),
  members: plan.policy.dataNodes,
  dataDir: have(place.dataDir, 'data'),
  runDir: have(place.postgresRunDir, 'run directory'),
  ...at(place.ports.postgres),
  binDir: plan.binDir,
  libDir: plan.libDir,
  logPath: postgresLog(plan, place),
  keeperSocketPath: have(place.keeperSocketPath, 'keeper'),
  runAs: plan.runAs,
  secretsPath: plan.secretsPath,
});

const storeUrls = (plan: Plan, from: PlaceId): readonly string[] =>
  plan.places.flatMap((place) => {
    const address = addressOf(plan, from, place.id, 'store');
    return address === null ? [] : [`http://${address.host}:${address.port}`];
  });

function peersOf(plan: Plan, from: PlaceId): readonly PeerAddresses[] {
  return plan.places.flatMap((place) => {
    if (place.id === from || place.node === null) return [];
    return [
      {
        node: place.node,
        place: place.id,
        data: place.data,
        agent: have(addressOf(plan, from, place.id, 'api'), 'way to the agent'),
        gateway: addressOf(plan, from, place.id, 'peer'),
        postgres: addressOf(plan, from, place.id, 'postgres'),
      },
    ];
  });
}

const agentConfig = (plan: Plan, deployment: Deployment, place: PlaceLayout): AgentConfig => ({
  node: have(place.node, 'node'),
  place: place.id,
  policy: plan.policy,
  knobs: { ...defaultKnobs(), leaseTtlMs: deployment.leaseTtlMs, ...deployment.timings },
  api: at(place.ports.api),
  secretsPath: plan.secretsPath,
  storeUrls: storeUrls(plan, place.id),
  database: place.data
    ? { ...postgresConfig(plan, place), gatewayControlPath: have(place.gatewaySocketPath, 'gateway') }
    : null,
  peers: peersOf(plan, place.id),
});

const edgeConfig = (plan: Plan, place: PlaceLayout): EdgeConfig => ({
  place: place.id,
  deployment: plan.deployment,
  group: plan.group,
  listen: at(place.ports.edge),
  storeUrls: storeUrls(plan, place.id),
  secretsPath: plan.secretsPath,
  healthPath: have(plan.healthPath, 'health path'),
  upstreams: plan.places.flatMap((to) => {
    const address = addressOf(plan, place.id, to.id, 'app');
    if (address === null) return [];
    const rttMs = plan.links.find((link) => link.from === place.id && link.to === to.id)?.rttMs ?? 0;
    return [{ region: to.id, ...address, rttMs }];
  }),
});
