import { Agent } from '../src/agent/agent.ts';
import { nodeId, placeId, type NodeId, type PlaceId } from '../src/base/ids.ts';
import type { Knobs } from '../src/base/knobs.ts';
import type { GroupPolicy, AgentConfig } from '../src/ports/config.ts';
import type { PeerAddresses } from '../src/ports/agent.ts';
import type { Log } from '../src/telemetry/log.ts';
import { Machine, Process } from './clock.ts';
import { SimGateway } from './gateway.ts';
import { type OrderFate, SimPeers, type Reachable } from './peers.ts';
import { SimDatabase } from './postgres/database.ts';
import type { CrashPoint } from './postgres/statements.ts';
import { PgHost } from './postgres/host.ts';
import type { Parts, World } from './world.ts';

/** One node or witness: machine, agent, and with data PostgreSQL, keeper and gateway. */
export class SimNode implements Reachable {
  readonly id: NodeId;
  readonly place: PlaceId;
  readonly machine: Machine;
  readonly host: PgHost | null;
  readonly #world: World;
  readonly #config: AgentConfig;
  /** Held down by a fault: the supervisor starts nothing here. */
  held = false;
  agentProcess: Process;
  running: Agent | null = null;
  #gateway: SimGateway | null = null;

  constructor(world: World, config: AgentConfig, host: PgHost | null, machine: Machine) {
    this.id = config.node;
    this.place = config.place;
    this.machine = machine;
    this.host = host;
    this.#world = world;
    this.#config = config;
    this.agentProcess = new Process(`${this.id} agent`, machine);
    this.agentProcess.kill();
  }

  get gateway(): SimGateway {
    if (this.#gateway === null) throw new Error(`${this.id} has no gateway`);
    return this.#gateway;
  }

  agent(): { readonly process: Process; readonly agent: Agent } | null {
    const agent = this.running;
    return agent === null || !this.agentProcess.alive ? null : { process: this.agentProcess, agent };
  }

  door(): boolean | null {
    const gateway = this.#gateway;
    if (gateway === null || !gateway.process.alive) return false;
    if (gateway.process.frozen) return null;
    const server = this.host?.running;
    if (server === undefined || server === null) return false;
    // A frozen postmaster still has its socket in the kernel: the connection is taken.
    return server.state !== 'starting';
  }

  startGateway(): void {
    if (this.host === null || this.#gateway?.process.alive === true) return;
    const process = new Process(`${this.id} gateway`, this.machine);
    this.#gateway = new SimGateway(this.id, process, this.host, this.#world.parts.gatewayRules);
  }

  startAgent(): void {
    if (this.agentProcess.alive) return;
    const world = this.#world;
    const process = new Process(`${this.id} agent`, this.machine);
    this.agentProcess = process;
    const crashPoint: CrashPoint = (where) => world.crashPoint(this, where);
    const { store, links, parts } = world;
    const database = this.host === null ? null : parts.database(new SimDatabase(this.host, process, crashPoint), this);
    const network = new SimPeers({
      me: process,
      place: this.place,
      links,
      rng: world.rng.fork(),
      nodes: world.nodes,
      fate: (): OrderFate => world.orderFate(),
    });
    const gateway = this.#gateway?.control(process) ?? null;
    this.running = new Agent({
      config: this.#config,
      clock: process,
      store: parts.store(store.connect(process, this.place, this.#config.knobs.storeCallTimeoutMs, crashPoint), this),
      network: parts.network(network, this),
      database,
      gateway:
        gateway === null
          ? null
          : {
              // A gateway that was started again has another socket.
              table: (table) => this.gateway.control(process).table(table),
              status: () => this.gateway.control(process).status(),
              close: () => undefined,
            },
      log: world.logOf(this.id),
      decide: parts.decide,
    });
    this.running.start();
  }

  killAgent(): void {
    this.agentProcess.kill();
    this.running = null;
  }

  killGateway(): void {
    this.#gateway?.process.kill();
  }

  /** Every process of this machine. */
  get processes(): readonly Process[] {
    const all = [this.agentProcess];
    if (this.#gateway !== null) all.push(this.#gateway.process);
    if (this.host !== null) all.push(this.host.keeper);
    if (this.host?.server != null) all.push(this.host.server.process);
    return all.filter((process) => process.alive);
  }
}

export const PLACES = ['aws:us-east-1', 'aws:eu-west-1', 'aws:ap-south-1'].map(placeId);
export const WITNESS = placeId('aws:us-east-2');

export function policyOf(parts: Parts): GroupPolicy {
  const dataNodes = PLACES.slice(0, parts.regions).flatMap((place, i) =>
    (i < parts.pairs ? ['n1', 'n2'] : ['n1']).map((name) => nodeId(place, name)),
  );
  return {
    deployment: 'sim',
    group: parts.group,
    mode: parts.mode,
    confirm: parts.mode === 'async' ? 0 : 1,
    whenAlone: parts.whenAlone,
    async: parts.mode === 'async' ? { rpoMs: parts.rpoMs, maxLossBytes: null, guard: parts.guard } : null,
    dataNodes,
    promotable: dataNodes,
    observers: [...dataNodes, nodeId(WITNESS, 'witness')],
    regions: PLACES.slice(0, parts.regions).map((id) => ({ id, role: 'active', weight: 1 })),
  };
}

export function configOf(policy: GroupPolicy, node: NodeId, place: PlaceId, knobs: Knobs): AgentConfig {
  const peers: PeerAddresses[] = policy.observers
    .filter((other) => other !== node)
    .map((other) => {
      const data = policy.dataNodes.includes(other);
      const address = { host: other, port: 1 };
      const at = other.slice(0, other.lastIndexOf('/')) as PlaceId;
      return {
        node: other,
        place: at,
        data,
        agent: address,
        gateway: data ? address : null,
        postgres: data ? address : null,
      };
    });
  return {
    node,
    place,
    policy,
    knobs,
    api: { host: node, port: 1 },
    secretsPath: '',
    storeUrls: [],
    storeKind: 'embedded',
    database: null,
    peers,
  };
}

export const silent: Log = { info: () => undefined, warn: () => undefined };
