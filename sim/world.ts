import { nodeId, placeOf, type NodeId, type PlaceId } from '../src/base/ids.ts';
import { defaultKnobs, type Knobs } from '../src/base/knobs.ts';
import { decideFailover } from '../src/decide/failover/decide.ts';
import type { AgentDeps } from '../src/agent/context.ts';
import type { PeerNetwork } from '../src/ports/agent.ts';
import type { Coordination } from '../src/ports/coordination.ts';
import type { RegionDatabase } from '../src/ports/database.ts';
import type { GroupPolicy } from '../src/ports/config.ts';
import type { Log } from '../src/telemetry/log.ts';
import { Client, Ledger } from './clients.ts';
import { Machine, Process, Scheduler } from './clock.ts';
import { configOf, PLACES, policyOf, silent, SimNode, WITNESS } from './cluster.ts';
import type { GatewayRules } from './gateway.ts';
import { Links } from './links.ts';
import type { OrderFate } from './peers.ts';
import { PgHost } from './postgres/host.ts';
import { type Delays, USUAL } from './postgres/server.ts';
import { Rng } from './rng.ts';
import { SimStore } from './store.ts';

/** What a world is made of. A deliberate breakage replaces one part. */
export interface Parts {
  /** Another group is another PostgreSQL cluster, with records of its own in the same store. */
  readonly group: 'main' | 'second';
  readonly regions: 2 | 3;
  /** So many regions, from the first on, have two nodes. */
  readonly pairs: number;
  readonly mode: GroupPolicy['mode'];
  readonly whenAlone: GroupPolicy['whenAlone'];
  /** Async. */
  readonly rpoMs: number;
  readonly guard: 'block' | 'none';
  readonly knobs: Knobs;
  readonly delays: Delays;
  /** Every standby streams through a slot of its own. */
  readonly hasSlots: boolean;
  readonly writeEveryMs: number;
  readonly decide: AgentDeps['decide'];
  readonly gatewayRules: GatewayRules;
  database(database: RegionDatabase, node: SimNode): RegionDatabase;
  store(store: Coordination, node: SimNode): Coordination;
  network(network: PeerNetwork, node: SimNode): PeerNetwork;
}

export const usualParts = (): Parts => ({
  group: 'main',
  regions: 3,
  pairs: 0,
  mode: 'semi-sync',
  whenAlone: 'block',
  rpoMs: 5_000,
  guard: 'none',
  knobs: defaultKnobs(),
  delays: USUAL,
  hasSlots: true,
  writeEveryMs: 100,
  decide: decideFailover,
  gatewayRules: { cancelledIsAcked: false, checksAuthority: true },
  database: (database) => database,
  store: (store) => store,
  network: (network) => network,
});

/** The same schedules with a primary that waits for nobody (`--mode async`). */
export const asAsync = (parts: Parts): Parts => ({ ...parts, mode: 'async' });
/** And one that makes writes wait before a standby is a second behind. */
export const asGuarded = (parts: Parts): Parts => ({ ...asAsync(parts), guard: 'block', rpoMs: 1_000 });

/** One line of the story: when, who, what. */
export interface Line {
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
}

/** A deployment in virtual time: places, links, store, nodes, clients. Nothing here decides; faults and judges are outside. */
export class World {
  readonly parts: Parts;
  readonly rng: Rng;
  readonly scheduler: Scheduler;
  readonly links: Links;
  readonly store: SimStore;
  readonly policy: GroupPolicy;
  readonly hosts = new Map<NodeId, PgHost>();
  readonly nodes = new Map<NodeId, SimNode>();
  readonly dataNodes: (SimNode & { readonly host: PgHost })[] = [];
  readonly ledger = new Ledger();
  readonly lines: Line[] | null;
  /** Called at every statement and store call of every agent. */
  crashPoint: (node: SimNode, where: string) => void = () => undefined;
  orderFate: () => OrderFate = () => ({ lateMs: null, againMs: null });

  /** `beside`: a world whose time, links and store this one shares, for another group of the same deployment. */
  constructor(seed: number, parts: Parts, tells: boolean, beside: World | null = null) {
    this.parts = parts;
    this.rng = new Rng(beside === null ? seed : seed ^ 0x6702);
    this.lines = beside?.lines ?? (tells ? [] : null);
    this.policy = policyOf(parts);
    this.scheduler = beside?.scheduler ?? new Scheduler();
    const places = [...PLACES.slice(0, parts.regions), WITNESS];
    const delays = this.rng.fork();
    const oneWayMs = places.map((_, a) => places.map((__, b) => (a === b ? 0 : delays.between(0.5, 40))));
    this.links = beside?.links ?? new Links(this.scheduler, this.rng.fork(), places, (a, b) => oneWayMs[a]?.[b] ?? 1);
    this.store = beside?.store ?? new SimStore(WITNESS, this.#machine(), this.links, this.rng.fork());
    for (const id of this.policy.observers) this.#addNode(id);
    for (const id of this.policy.dataNodes) this.#addClient(id);
  }

  #machine(): Machine {
    return new Machine(this.scheduler, 1 + this.rng.between(-0.0005, 0.0005), this.rng.between(1_000_000, 9_000_000));
  }

  #addNode(id: NodeId): void {
    const place = placeOf(id);
    const machine = this.#machine();
    const hasData = this.policy.dataNodes.includes(id);
    const host = hasData
      ? new PgHost({
          node: id,
          place,
          machine,
          links: this.links,
          rng: this.rng.fork(),
          hosts: this.hosts,
          delays: this.parts.delays,
          hasSlots: this.parts.hasSlots,
        })
      : null;
    if (host !== null) this.hosts.set(id, host);
    const node = new SimNode(this, configOf(this.policy, id, place, this.parts.knobs), host, machine);
    this.nodes.set(id, node);
    if (hasHost(node)) this.dataNodes.push(node);
    node.startGateway();
  }

  #addClient(node: NodeId): void {
    const process = new Process(`client in ${placeOf(node)}`, this.#machine());
    new Client({
      process,
      links: this.links,
      gateways: this.nodes,
      node,
      ledger: this.ledger,
      rng: this.rng.fork(),
      everyMs: this.parts.writeEveryMs,
    });
  }

  startAgents(): void {
    for (const node of this.nodes.values()) node.startAgent();
  }

  get places(): readonly PlaceId[] {
    return [...this.nodes.values()].map((node) => node.place);
  }

  witness(): NodeId {
    return nodeId(WITNESS, 'witness');
  }

  tell(who: string, what: string): void {
    const { group } = this.parts;
    this.lines?.push({ atMs: this.scheduler.nowMs, who: group === 'main' ? who : `${who} (${group})`, what });
  }

  logOf(who: NodeId): Log {
    if (this.lines === null) return silent;
    const line = (code: string, text: string): void => this.tell(who, `${code}: ${text}`);
    return { info: line, warn: line };
  }
}

const hasHost = (node: SimNode): node is SimNode & { readonly host: PgHost } => node.host !== null;
