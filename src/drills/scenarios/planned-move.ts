import { FarshoreError } from '../../base/errors.ts';
import { placeOf, type NodeId, type PlaceId } from '../../base/ids.ts';
import type { OperationAsked } from '../../ports/operations.ts';
import type { OperationRecord } from '../../ports/records.ts';
import type { World } from '../../world/open.ts';
import { openDesk, readOperation } from '../../world/operations.ts';
import { lookAtWorld } from '../../world/status.ts';
import { drillRegions } from '../drill-world.ts';
import { monotonicMs, pause } from '../monotonic.ts';
import type { Acts, Expected, Scenario, Stage } from '../trial/scenario.ts';
import type { FaultSeen, UndoSeen } from '../trial/observation.ts';
import type { Start } from '../trial/preflight.ts';
import { mending, withUndone } from './break-and-mend.ts';
import { inject } from './inject.ts';

type Kind = 'switchover' | 'failback';

const OVER_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 200;
/** Traffic after the move, and of a whole group before it: the baseline of what the move may not disturb. */
const LINGER_MS = 4_000;

/** The primary moves to another region because somebody asks: nothing is lost, nobody sees an error, writes pause. */
export const switchover = (to: PlaceId | null): Scenario => ({
  name: 'switchover',
  fault: 'planned',
  region: null,
  planned: true,
  ways: false,
  expect: expectMove,
  act: async (stage) => {
    const from = stage.start.primary.node;
    const asked = await ask(stage, 'switchover', to ?? (await bestOther(stage)), from);
    return { ...asked, undo: await wholeAfter(stage, null) };
  },
});

/** The primary's region is lost and comes back; once it confirms again the primary goes home, as planned. That is what is judged. */
export const failback = (): Scenario => ({
  name: 'failback',
  fault: 'planned',
  region: null,
  planned: true,
  ways: false,
  expect: expectMove,
  act: crashThenGoHome,
});

function expectMove(start: Start, { layout }: World): Expected {
  const served = drillRegions(layout).map((it) => it.id);
  return { hit: start.primary.region, primary: 'move', served, detection: 'ordered' };
}

async function crashThenGoHome(stage: Stage): Promise<Acts> {
  const home = stage.start.primary.region;
  const fault = await inject(stage.world, { kind: 'crash', place: home }, stage.holder);
  return mending(fault, async () => {
    stage.mark('crashed', `${fault.what}: ${fault.evidence}`, fault.effectiveMs);
    const others = stage.expected.served.filter((region) => region !== home);
    await stage.stable(fault.effectiveMs, others);
    const lapsed = await fault.stillInForce();
    const undone = await fault.undo();
    const back = withUndone(await wholeAfter(stage, fault.effectiveMs), undone);
    if (back.rejoinedMs === null) throw new FarshoreError('FSH_FAILED', `${home} did not come back: ${back.why}`);
    await stage.traffic.linger(LINGER_MS);
    const between = await openNode(stage.world);
    const asked = await ask(stage, 'failback', home, between);
    const after = await wholeAfter(stage, null);
    const complete = back.complete && after.complete && after.rejoinedMs !== null;
    const injected = lapsed === null ? asked.injected : { ...asked.injected, lapsed };
    return {
      ...asked,
      injected,
      primaryBefore: between,
      undo: { ...back, complete, why: back.complete ? after.why : back.why },
    };
  });
}

/** t0 is the moment of the request; what the clients see of it is much shorter. */
async function ask(stage: Stage, kind: Kind, target: PlaceId, from: NodeId) {
  const fromMs = monotonicMs();
  const operation = await carriedOut(stage, kind, target);
  const injected: FaultSeen = {
    fromMs,
    effectiveMs: fromMs,
    processes: null,
    what: `${kind} to ${target}`,
    evidence: `${operation.id} is ${operation.state}: ${operation.steps.at(-1)?.what ?? ''}`,
  };
  stage.mark('moved', `${injected.what}: ${injected.evidence}`);
  await stage.stable(fromMs);
  return {
    injected,
    asked: { id: operation.id, target, state: operation.state },
    afterPromotion: await stage.readNewPrimary(from),
  };
}

async function carriedOut(stage: Stage, kind: Kind, target: PlaceId): Promise<OperationRecord> {
  const desk = await openDesk(stage.world, target);
  stage.mark('asked', `${kind} to ${target} is asked for`);
  const answer = await desk.post('/operations', request(stage, kind, target, false));
  if (answer.kind !== 'accepted') {
    const why = 'why' in answer ? answer.why : answer.kind;
    throw new FarshoreError('FSH_FAILED', `${kind} to ${target} was not accepted: ${why}`);
  }
  let last: OperationRecord | null = null;
  const isOver = async (): Promise<boolean> => {
    last = await readOperation(stage.world, answer.id);
    if (last !== null && last.state !== 'requested' && last.state !== 'running') return true;
    await pause(LOOK_EVERY_MS, stage.signal);
    return false;
  };
  if ((await stage.traffic.until(isOver, monotonicMs() + OVER_WITHIN_MS)) && last !== null) return last;
  throw new FarshoreError('FSH_TIMEOUT', `${answer.id} is not over after ${OVER_WITHIN_MS / 1000} s`);
}

/** The first region by preference that would be accepted now. */
async function bestOther(stage: Stage): Promise<PlaceId> {
  const desk = await openDesk(stage.world);
  const { promotable } = stage.world.layout.policy;
  const regions = [...new Set(promotable.map(placeOf))].filter((it) => it !== stage.start.primary.region);
  const refusals: string[] = [];
  for (const region of regions) {
    const answer = await desk.post('/operations', request(stage, 'switchover', region, true));
    const obstacle = answer.kind === 'checked' ? answer.checks.find((check) => check.verdict === 'refused') : null;
    if (obstacle === undefined) return region;
    refusals.push(`${region}: ${obstacle === null ? answer.kind : `${obstacle.name}: ${obstacle.value}`}`);
  }
  throw new FarshoreError('FSH_REFUSED', `no region could take over: ${refusals.join('; ') || 'there is no other'}`);
}

const request = (stage: Stage, kind: Kind, target: PlaceId, dryRun: boolean): OperationAsked => ({
  kind,
  target,
  dryRun,
  actor: stage.holder,
  reason: `${kind} drill`,
  fenced: null,
  allowLossMs: null,
});

async function openNode(world: World): Promise<NodeId> {
  const { primary, why } = await lookAtWorld(world);
  if (primary === null) throw new FarshoreError('FSH_FAILED', `no primary after the region came back: ${why.text}`);
  return primary.value.node;
}

/** Everybody follows and confirms again: after a move, or after what was lost at `downFromMs` was started again. */
async function wholeAfter(stage: Stage, downFromMs: number | null): Promise<UndoSeen> {
  const releasedMs = monotonicMs();
  const { atMs, syncedMs, holds, why } = await stage.whole(releasedMs);
  if (atMs !== null) {
    stage.mark('whole', `everybody confirms again after ${((atMs - releasedMs) / 1000).toFixed(1)} s`, atMs);
    await stage.traffic.linger(LINGER_MS / 2);
  }
  return { complete: !holds, why, downFromMs, releasedMs, rejoinedMs: atMs, syncedMs };
}
