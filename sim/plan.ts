import { type NodeId, type PlaceId, placeOf } from '../src/base/ids.ts';
import { ALL, type Fault, type Planned } from './faults.ts';
import { Rng } from './rng.ts';
import type { World } from './world.ts';

/** What happens in a schedule, and when, by seed alone. Everything is undone before `untilMs`. */
export function planFaults(seed: number, world: World, fromMs: number, untilMs: number): Planned[] {
  const operations = planOperations(new Rng(seed ^ 0x09e7), world, fromMs, untilMs);
  const disaster = planDisaster(new Rng(seed ^ 0xd15a), world, fromMs, untilMs);
  return [...drawFaults(seed, world, fromMs, untilMs), ...operations, ...disaster].toSorted((a, b) => a.atMs - b.atMs);
}

/** In every third schedule somebody asks for a new primary, once or twice; often a node of it dies in the middle. */
function planOperations(rng: Rng, world: World, fromMs: number, untilMs: number): Planned[] {
  if (!rng.chance(0.35)) return [];
  return Array.from({ length: rng.whole(1, 2) }, () => {
    const atMs = rng.between(fromMs, untilMs - 3_000);
    const what = rng.pick(['switchover', 'switchover', 'failback']);
    const [via, to] = [rng.pick(world.policy.observers), rng.pick(world.policy.dataNodes)];
    const node = rng.chance(0.5) ? to : rng.pick(world.policy.dataNodes);
    if (via === undefined || to === undefined || node === undefined) throw new Error('no nodes');
    const asked: Planned = { atMs, forMs: 0, fault: { kind: 'operation', what, via, to } };
    const dies: Planned = {
      atMs: atMs + rng.between(0, 1_200),
      forMs: rng.between(50, 1_500),
      fault: { kind: 'crash', node, what: rng.pick(['agent', 'agent', 'postgres', 'all']) },
    };
    return rng.chance(0.6) ? [asked, dies] : [asked];
  }).flat();
}

/** Now and then more is lost than a deployment is made for: everything, or so much that only a person can go on. */
function planDisaster(rng: Rng, world: World, fromMs: number, untilMs: number): Planned[] {
  if (rng.chance(0.08)) return coldStart(rng, world, fromMs, untilMs);
  if (rng.chance(0.1)) return forcedFailover(rng, world, fromMs, untilMs);
  return world.policy.dataNodes.length > world.policy.regions.length && rng.chance(0.3)
    ? regionLoss(rng, world, fromMs, untilMs)
    : [];
}

const off = (node: NodeId, atMs: number, forMs: number): Planned => ({
  atMs,
  forMs,
  fault: { kind: 'crash', node, what: 'all' },
});

/** Every node with data dies within a moment, at times the store too; they return in any order (P8.1). */
function coldStart(rng: Rng, world: World, fromMs: number, untilMs: number): Planned[] {
  const atMs = rng.between(fromMs, untilMs - 4_000);
  const nodes = world.policy.dataNodes.map((node) =>
    off(node, atMs + rng.between(0, 300), rng.between(400, untilMs - atMs - 300)),
  );
  const store: Planned = { atMs, forMs: rng.between(400, 3_000), fault: { kind: 'store', what: 'crash' } };
  return rng.chance(0.3) ? [...nodes, store] : nodes;
}

/** A standby lags, then the primary's region and at times another one are off, and a person goes on with the rest. */
function forcedFailover(rng: Rng, world: World, fromMs: number, untilMs: number): Planned[] {
  const [first, second] = world.policy.regions.map((region) => region.id);
  const other = world.policy.regions.at(-1)?.id;
  if (first === undefined || second === undefined || other === undefined) throw new Error('two regions');
  const cutAtMs = rng.between(fromMs, fromMs + 500);
  const offAtMs = cutAtMs + rng.between(300, 5_000);
  const offFor = (atMs: number): number => rng.between(Math.min(4_000, untilMs - atMs), untilMs - atMs);
  const lost = other !== second && rng.chance(0.7) ? [first, other] : [first];
  const via = world.policy.observers.filter((node) => !lost.includes(placeOf(node)));
  const traffic = ['replication'] as const;
  const cut: Planned = {
    atMs: cutAtMs,
    forMs: 5_500,
    fault: { kind: 'cut', from: first, to: second, traffic, both: true },
  };
  return [
    cut,
    ...world.policy.dataNodes
      .filter((node) => lost.includes(placeOf(node)))
      .map((node) => off(node, offAtMs, offFor(offAtMs))),
    ...[2_000, 3_000].map((afterMs): Planned => {
      const atMs = offAtMs + afterMs + rng.between(0, 800);
      const node = rng.pick(via);
      if (node === undefined) throw new Error('nobody to ask');
      const allowLossMs = rng.chance(0.7) ? 'any' : rng.between(1_000, 10_000);
      return { atMs, forMs: 0, fault: { kind: 'force', via: node, allowLossMs } };
    }),
  ];
}

/** All nodes of a region at once. */
function regionLoss(rng: Rng, world: World, fromMs: number, untilMs: number): Planned[] {
  const region = rng.pick(world.policy.regions)?.id;
  const atMs = rng.between(fromMs, untilMs - 2_000);
  return world.policy.dataNodes
    .filter((node) => placeOf(node) === region)
    .map((node) => off(node, atMs + rng.between(0, 20), rng.between(500, untilMs - atMs - 20)));
}

function drawFaults(seed: number, world: World, fromMs: number, untilMs: number): Planned[] {
  const rng = new Rng(seed ^ 0x5eed);
  const count = rng.whole(1, 5);
  return Array.from({ length: count }, () => {
    const atMs = rng.between(fromMs, untilMs - 500);
    return {
      atMs,
      forMs: Math.min(untilMs - atMs, rng.chance(0.5) ? rng.between(50, 1_500) : rng.between(1_500, 9_000)),
      fault: draw(rng, world),
    };
  });
}

function draw(rng: Rng, world: World): Fault {
  const data = world.policy.dataNodes;
  // Half of the time it meets the first primary.
  const node = rng.chance(0.5) ? data[0] : rng.pick(data);
  const from = rng.pick(world.places);
  const to = rng.pick(world.places);
  if (node === undefined || from === undefined || to === undefined) throw new Error('no places');
  const place = node.slice(0, node.lastIndexOf('/')) as PlaceId;
  const traffic = rng.chance(0.4) ? ALL : [rng.pick(ALL) ?? 'agents'];
  const faults: readonly [number, () => Fault][] = [
    [
      5,
      () => ({
        kind: 'crash',
        node,
        what: rng.pick(['agent', 'gateway', 'postgres', 'postmaster', 'all', 'all', 'all']),
      }),
    ],
    [3, () => ({ kind: 'freeze', node, what: rng.pick(['agent', 'postgres', 'all']) })],
    [1, () => ({ kind: 'suspend', node })],
    [4, () => ({ kind: 'isolate', place, how: rng.pick(['both', 'both', 'in', 'out']) })],
    [4, () => ({ kind: 'cut', from, to, traffic, both: rng.chance(0.5) })],
    [1, () => ({ kind: 'slow-link', from, to, extraMs: rng.between(50, 1_500) })],
    [2, () => ({ kind: 'store', what: rng.pick(['crash', 'freeze', 'slow', 'late']) })],
    [1, () => ({ kind: 'late-orders' })],
    [1, () => ({ kind: 'clock', node, jumpMs: rng.between(-5_000, 5_000), rate: rng.between(0.998, 1.002) })],
    [1, () => ({ kind: 'cancel-waits', node })],
    [3, () => ({ kind: 'crash-point', what: rng.pick(['agent', 'postgres', 'all']), nth: rng.whole(1, 60) })],
  ];
  let left = rng.between(
    0,
    faults.reduce((sum, [weight]) => sum + weight, 0),
  );
  for (const [weight, make] of faults) {
    left -= weight;
    if (left <= 0) return make();
  }
  return { kind: 'late-orders' };
}
