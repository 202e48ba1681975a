import { type NodeId, type PlaceId, placeOf } from '../src/base/ids.ts';
import type { SimNode } from './cluster.ts';
import type { Traffic } from './links.ts';
import type { World } from './world.ts';

export type Fault =
  | {
      readonly kind: 'crash';
      readonly node: NodeId;
      readonly what: 'agent' | 'gateway' | 'postgres' | 'postmaster' | 'all';
    }
  | { readonly kind: 'freeze'; readonly node: NodeId; readonly what: 'agent' | 'postgres' | 'all' }
  | { readonly kind: 'suspend'; readonly node: NodeId }
  | {
      readonly kind: 'cut';
      readonly from: PlaceId;
      readonly to: PlaceId;
      readonly traffic: readonly Traffic[];
      readonly both: boolean;
    }
  | { readonly kind: 'isolate'; readonly place: PlaceId; readonly how: 'both' | 'in' | 'out' }
  | { readonly kind: 'slow-link'; readonly from: PlaceId; readonly to: PlaceId; readonly extraMs: number }
  | { readonly kind: 'store'; readonly what: 'crash' | 'freeze' | 'slow' | 'late' }
  | { readonly kind: 'late-orders' }
  | { readonly kind: 'clock'; readonly node: NodeId; readonly jumpMs: number; readonly rate: number }
  | { readonly kind: 'cancel-waits'; readonly node: NodeId }
  | { readonly kind: 'operation'; readonly what: 'switchover' | 'failback'; readonly via: NodeId; readonly to: NodeId }
  /** Somebody sees that the primary's region is off for good, vouches for it, and names what may be lost (P3.3). */
  | { readonly kind: 'force'; readonly via: NodeId; readonly allowLossMs: number | 'any' }
  | { readonly kind: 'crash-point'; readonly what: 'agent' | 'postgres' | 'all'; readonly nth: number };

export interface Planned {
  readonly atMs: number;
  readonly forMs: number;
  readonly fault: Fault;
}

export const ALL: readonly Traffic[] = ['agents', 'store', 'replication', 'gateways'];

/** Of a machine, which may carry a node of another group as well; a link and the store are there once. */
export const isOfMachine = ({ fault }: Planned): boolean =>
  ['crash', 'freeze', 'suspend', 'clock', 'cancel-waits', 'crash-point'].includes(fault.kind);

/** Plans the faults into the world's time; each undoes itself. */
export function schedule(world: World, planned: readonly Planned[]): void {
  for (const { atMs, forMs, fault } of planned) {
    world.scheduler.at(atMs, () => {
      world.tell('fault', `${describe(fault)} for ${Math.round(forMs)} ms`);
      const undo = inject(world, fault);
      world.scheduler.after(forMs, () => {
        world.tell('fault', `${describe(fault)} is over`);
        undo();
      });
    });
  }
}

export const describe = (fault: Fault): string =>
  Object.values(fault)
    .map((value) => (typeof value === 'number' ? value.toFixed(value < 2 ? 4 : 0) : String(value)))
    .join(' ');

function inject(world: World, fault: Fault): () => void {
  switch (fault.kind) {
    case 'crash':
      return crash(nodeOf(world, fault.node), fault.what);
    case 'freeze':
      return freeze(nodeOf(world, fault.node), fault.what);
    case 'suspend': {
      const node = nodeOf(world, fault.node);
      node.machine.suspend();
      const thaw = freeze(node, 'all');
      return () => {
        node.machine.resume();
        thaw();
      };
    }
    case 'cut':
      return cut(
        world,
        [[fault.from, fault.to], ...(fault.both ? ([[fault.to, fault.from]] as const) : [])],
        fault.traffic,
      );
    case 'isolate': {
      const others = [...new Set(world.places)].filter((place) => place !== fault.place);
      const outward = fault.how === 'in' ? [] : others.map((other) => [fault.place, other] as const);
      const inward = fault.how === 'out' ? [] : others.map((other) => [other, fault.place] as const);
      return cut(world, [...outward, ...inward], ALL);
    }
    case 'slow-link':
      world.links.slow(fault.from, fault.to, fault.extraMs);
      return () => world.links.slow(fault.from, fault.to, -fault.extraMs);
    case 'store':
      return troubleStore(world, fault.what);
    case 'late-orders': {
      world.orderFate = () => ({ lateMs: 4_000, againMs: 12_000 });
      return () => {
        world.orderFate = () => ({ lateMs: null, againMs: null });
      };
    }
    case 'clock': {
      const { machine } = nodeOf(world, fault.node);
      const before = machine.rate;
      machine.jumpWall(fault.jumpMs);
      machine.drift(fault.rate);
      return () => machine.drift(before);
    }
    case 'cancel-waits': {
      const { host } = nodeOf(world, fault.node);
      let over = false;
      const again = (): void => {
        if (over) return;
        host?.running?.cancelWait();
        world.scheduler.after(37, again);
      };
      again();
      return () => {
        over = true;
      };
    }
    case 'operation':
      ask(world, fault);
      return () => undefined;
    case 'force':
      void force(world, fault);
      return () => undefined;
    case 'crash-point':
      return crashAt(world, fault.what, fault.nth);
  }
}

/** As a person does, of whichever agent is asked. Without `allowLossMs` nothing may be lost by it. */
function ask(world: World, { what, via, to }: Extract<Fault, { kind: 'operation' }>): void {
  const found = nodeOf(world, via).agent();
  if (found === null) return;
  const asked = { kind: what, target: to, actor: 'operator', reason: 'maintenance', dryRun: false } as const;
  found.process.deliver(() => {
    void found.agent.operations.ask({ ...asked, fenced: null, allowLossMs: null }).then((answer) => {
      world.tell('operator', `${what} to ${to}: ${answer.kind}${'why' in answer ? `, ${answer.why}` : ''}`);
    });
  });
}

/** What a person says of a region is true here: nothing of it runs. The node that holds the most is found by trying. */
async function force(world: World, { via, allowLossMs }: Extract<Fault, { kind: 'force' }>): Promise<void> {
  const found = nodeOf(world, via).agent();
  const primary = found?.agent.group.view().sync?.value.primary;
  if (found === null || primary === undefined) return;
  const region = placeOf(primary);
  if (world.dataNodes.some((node) => node.place === region && !node.held)) return;
  const said = { kind: 'failover', actor: 'operator', reason: 'the region is lost', dryRun: false } as const;
  for (const target of world.policy.dataNodes.filter((node) => placeOf(node) !== region)) {
    const answer = await found.agent.operations.ask({ ...said, target, fenced: region, allowLossMs });
    world.tell('operator', `failover to ${target}: ${answer.kind}${'why' in answer ? `, ${answer.why}` : ''}`);
    if (answer.kind !== 'refused') return;
  }
}

function nodeOf(world: World, id: NodeId): SimNode {
  const node = world.nodes.get(id);
  if (node === undefined) throw new Error(`no node ${id}`);
  return node;
}

function crash(node: SimNode, what: 'agent' | 'gateway' | 'postgres' | 'postmaster' | 'all'): () => void {
  if (what === 'postmaster') {
    node.host?.loseThePostmaster(2);
    return () => undefined;
  }
  if (what === 'postgres') {
    node.host?.kill();
    return () => undefined;
  }
  if (what === 'all') node.held = true;
  if (what !== 'gateway') node.killAgent();
  if (what !== 'agent') node.killGateway();
  if (what === 'all') node.host?.kill();
  return () => {
    node.held = false;
  };
}

function freeze(node: SimNode, what: 'agent' | 'postgres' | 'all'): () => void {
  const processes =
    what === 'all'
      ? node.processes
      : what === 'agent'
        ? [node.agentProcess]
        : node.host?.running == null
          ? []
          : [node.host.running.process];
  for (const process of processes) process.freeze();
  return () => {
    for (const process of processes) process.thaw();
  };
}

function cut(world: World, asked: readonly (readonly [PlaceId, PlaceId])[], traffic: readonly Traffic[]): () => void {
  // A plan made for three regions may meet two.
  const pairs = asked.filter((pair) => pair.every((place) => world.places.includes(place)));
  for (const [from, to] of pairs) world.links.cut(from, to, traffic);
  return () => {
    for (const [from, to] of pairs) world.links.heal(from, to, traffic);
  };
}

function troubleStore(world: World, what: 'crash' | 'freeze' | 'slow' | 'late'): () => void {
  const { store } = world;
  switch (what) {
    case 'crash':
      store.kill();
      return () => store.restart();
    case 'freeze':
      store.process.freeze();
      return () => store.thaw();
    case 'slow':
      store.slowMs = 3_000;
      return () => {
        store.slowMs = 0;
      };
    case 'late':
      store.lateChance = 0.3;
      return () => {
        store.lateChance = 0;
      };
  }
}

/** Ends a process in the middle of a step: at the n-th statement or store call from now on. */
function crashAt(world: World, what: 'agent' | 'postgres' | 'all', nth: number): () => void {
  let left = nth;
  world.crashPoint = (node, where) => {
    left -= 1;
    if (left !== 0) return;
    world.tell('fault', `${node.id} is killed (${what}) at ${where}`);
    if (what !== 'postgres') node.killAgent();
    if (what !== 'agent') node.host?.kill();
    if (what === 'all') node.killGateway();
  };
  return () => {
    world.crashPoint = () => undefined;
  };
}

const RESTART_MS = 300;

/** Starts again what ended, as the world's supervisor does; PostgreSQL is for its agent to start. */
export function supervise(world: World): void {
  const look = (): void => {
    for (const node of world.nodes.values()) {
      if (node.held) continue;
      node.startGateway();
      if (!node.agentProcess.alive) node.startAgent();
    }
    world.scheduler.after(RESTART_MS, look);
  };
  look();
}
