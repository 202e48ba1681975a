import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { FarshoreError } from '../base/errors.ts';
import type { NodeId, PlaceId } from '../base/ids.ts';
import { done, type Outcome } from '../base/result.ts';
import { authOf, connectStore } from '../coordination/etcd/client.ts';
import type { RttsView } from '../ports/agent.ts';
import type { Secrets } from '../ports/config.ts';
import type { Coordination, KeyValue } from '../ports/coordination.ts';
import { type EpochRecord, keysOf, type PausedRecord, type RouteTable, type SyncRecord } from '../ports/records.ts';
import type { Aged, NodeStatus } from '../ports/status.ts';
import { nodeClock } from '../telemetry/node-clock.ts';
import { httpGet } from './http-get.ts';
import { HOST, type NodeLayout, nodesOf, type WorldLayout } from './layout.ts';
import { type LinkClient, linkClient } from './link/client.ts';
import { readLayout, readSecrets } from './state-dir.ts';
import { type SupervisorClient, supervisorClient } from './supervisor/client.ts';

const AGENT_TIMEOUT_MS = 1_500;
const STORE_TIMEOUT_MS = 1_500;
const RTTS_TIMEOUT_MS = 5_000;
const RTT_MOST_MS = 600;

/** What one agent said, or why it said nothing. `last` is what it said before, with its age now. */
export interface NodeAnswer {
  readonly node: NodeId;
  readonly place: PlaceId;
  readonly answered: boolean;
  readonly why: string;
  readonly last: Aged<NodeStatus> | null;
}

/** The group's records as the store holds them now. */
export interface GroupRecords {
  readonly epoch: EpochRecord | null;
  readonly sync: SyncRecord | null;
  readonly routes: RouteTable | null;
  readonly paused: PausedRecord | null;
}

/** A world as another process sees it: the CLI, a drill, a test. Holds no process and no lock. */
export interface World {
  readonly layout: WorldLayout;
  readonly secrets: Secrets;
  readonly supervisor: SupervisorClient;
  /** Throws when there is no such pair. */
  link(from: PlaceId, to: PlaceId): LinkClient;
  /** Every agent's own word, asked over its own port: not through links. */
  statuses(): Promise<readonly NodeAnswer[]>;
  records(): Promise<Outcome<GroupRecords>>;
  /** The coordination store itself, for what no agent can do while it is lost. */
  store(): Coordination;
  /** `GET /why` of every agent; null for those that do not answer. */
  why(): Promise<readonly { readonly node: NodeId; readonly answer: unknown }[]>;
  /** `GET /rtts` of every agent: what it measures to the others just now; null for those that do not answer. */
  rtts(samples: number): Promise<readonly { readonly node: NodeId; readonly answer: RttsView | null }[]>;
  close(): Promise<void>;
}

/** Opens the world of a state directory, running or not. Throws FSH_NOT_RUNNING when there is none. */
export function openWorld(stateDir: string): World {
  const layout = existsSync(stateDir) ? readLayout(stateDir) : null;
  const secrets = layout === null ? null : readSecrets(layout.secretsPath);
  if (layout === null || secrets === null)
    throw new FarshoreError('FSH_NOT_RUNNING', `there is no world in ${resolve(stateDir)}`);
  const agents = nodesOf(layout);
  const seen = new Map<NodeId, { readonly status: NodeStatus; readonly atMs: number }>();
  let store: Coordination | null = null;
  const opened = (): Coordination => {
    store ??= connectStore({
      urls: storeUrls(layout),
      auth: authOf(layout.store.kind, secrets),
      timeoutMs: STORE_TIMEOUT_MS,
      clock: nodeClock,
    });
    return store;
  };
  return {
    layout,
    secrets,
    supervisor: supervisorClient(layout),
    link: (from, to) => linkOf(layout, from, to),
    statuses: () => Promise.all(agents.map((node) => askStatus(node, secrets.agentToken, seen))),
    records: () => readRecords(opened(), layout),
    store: opened,
    why: () => Promise.all(agents.map((node) => askWhy(node, secrets.agentToken))),
    rtts: (samples) => Promise.all(agents.map((node) => askRtts(node, secrets.agentToken, samples))),
    close: async () => store?.close(),
  };
}

const storeUrls = (layout: WorldLayout): readonly string[] =>
  layout.places.flatMap((place) => (place.ports.store === undefined ? [] : [`http://${HOST}:${place.ports.store}`]));

function linkOf(layout: WorldLayout, from: PlaceId, to: PlaceId): LinkClient {
  const link = layout.links.find((it) => it.from === from && it.to === to);
  if (link === undefined) throw new FarshoreError('FSH_USAGE', `there is no link from ${from} to ${to}`);
  return linkClient(link.controlSocketPath);
}

async function askStatus(
  { id: node, place, ports }: NodeLayout,
  token: string,
  seen: Map<NodeId, { readonly status: NodeStatus; readonly atMs: number }>,
): Promise<NodeAnswer> {
  const answer = await httpGet(ports.api ?? 0, '/status', AGENT_TIMEOUT_MS, token);
  const answered = answer.status === 200;
  if (answered) seen.set(node, { status: JSON.parse(answer.body) as NodeStatus, atMs: performance.now() });
  const before = seen.get(node);
  const last =
    before === undefined
      ? null
      : {
          value: before.status,
          ageMs: Math.round(before.status.ageMs + performance.now() - before.atMs),
          observer: node,
        };
  const why = answered ? 'answers' : answer.status === 0 ? answer.body : `answers ${answer.status}`;
  return { node, place, answered, why, last };
}

async function askRtts(node: NodeLayout, token: string, samples: number) {
  // The first request and each sample take a round trip; the slowest link on earth has about half a second.
  const timeoutMs = RTTS_TIMEOUT_MS + samples * RTT_MOST_MS;
  const answer = await httpGet(node.ports.api ?? 0, `/rtts?samples=${samples}`, timeoutMs, token);
  return { node: node.id, answer: answer.status === 200 ? (JSON.parse(answer.body) as RttsView) : null };
}

async function askWhy(node: NodeLayout, token: string): Promise<{ readonly node: NodeId; readonly answer: unknown }> {
  const answer = await httpGet(node.ports.api ?? 0, '/why', AGENT_TIMEOUT_MS, token);
  const parsed: unknown = answer.status === 200 ? JSON.parse(answer.body) : null;
  return { node: node.id, answer: parsed };
}

async function readRecords(store: Coordination, layout: WorldLayout): Promise<Outcome<GroupRecords>> {
  const keys = keysOf(layout.deployment, layout.group);
  const outcome = await store.txn(
    [],
    [{ get: keys.epoch }, { get: keys.sync }, { get: keys.routes }, { get: keys.paused }],
  );
  if (outcome.kind !== 'done') return outcome;
  const [epoch, sync, routes, paused] = outcome.value.responses.map((found) => found[0]);
  return done({
    epoch: parse<EpochRecord>(epoch),
    sync: parse<SyncRecord>(sync),
    routes: parse<RouteTable>(routes),
    paused: parse<PausedRecord>(paused),
  });
}

const parse = <T>(kv: KeyValue | undefined): T | null => (kv === undefined ? null : (JSON.parse(kv.value) as T));
